//! Gives a volume its letter or directory, among programs that want the same one. Knows letters
//! and what is done before a drive appears; nothing of the volume.
//!
//! Windows lets several programs define one letter. Each looks, after it has defined one, whose it
//! is: exactly one of several keeps it, by a rule (`Whose`) that needs neither luck nor a second
//! try. A letter that we give up is one that another keeps.

use std::time::{Duration, Instant};

use winfsp::host::{FileSystemHost, FineGuard};

use crate::adapter::Adapter;
use crate::mounting::{MountError, Mounting, Place, refused, status};
use crate::system::{Turn, Whose, free_letters, is_letter_free, whose_letter};
use crate::thunks::last_device;

/// How long a letter of ours may be hidden by others who have to give it up. They take
/// milliseconds, or seconds on a machine with too much to do; a program that does not look keeps
/// it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often is looked whether they have.
const BEAT: Duration = Duration::from_millis(10);

/// `STATUS_OBJECT_NAME_COLLISION`: the letter or directory is there already.
const NAME_COLLISION: u32 = 0xC000_0035;
/// `STATUS_OBJECT_PATH_NOT_FOUND`: the directory that should hold the mount is not there.
const PATH_NOT_FOUND: u32 = 0xC000_003A;

/// A volume that is to be given a place.
type Host = FileSystemHost<Adapter, FineGuard>;

/// The place of a volume, and what this mount prepared there.
pub(crate) struct Placed {
    /// `X:` or a directory.
    pub(crate) at: String,
    is_prepared: bool,
}

impl Placed {
    /// Takes the place back, where no drive stays, and what was prepared before that: the place may
    /// be another's as soon as it is free.
    pub(crate) fn take_back(self, host: &mut Host, mounting: &Mounting) {
        self.undo(mounting);
        host.unmount();
    }

    /// Undoes what this mount prepared. What others did is theirs.
    fn undo(&self, mounting: &Mounting) {
        if let (true, Some(appearing)) = (self.is_prepared, mounting.appearing) {
            (appearing.undo)(&self.at);
        }
    }

    fn prepared(at: String, mounting: &Mounting) -> Self {
        let is_prepared = mounting.appearing.is_some_and(|it| (it.prepare)(&at));
        Self { at, is_prepared }
    }
}

/// Gives the volume its place.
pub(crate) fn place(host: &mut Host, mounting: &Mounting) -> Result<Placed, MountError> {
    match &mounting.place {
        Place::FirstFree => place_at_free_letter(host, mounting),
        Place::Letter(letter) => place_at_wanted_letter(host, *letter, mounting),
        Place::Directory(path) => {
            let placed = Placed::prepared(path.to_string_lossy().into_owned(), mounting);
            let Err(error) = host.mount(&*placed.at) else { return Ok(placed) };
            placed.undo(mounting);
            Err(not_placed(placed.at, status(error.code().0)))
        }
    }
}

/// Gives the volume a letter that was asked for, if nobody else gets it.
fn place_at_wanted_letter(
    host: &mut Host,
    letter: char,
    mounting: &Mounting,
) -> Result<Placed, MountError> {
    let at = format!("{letter}:");
    let _turn = Turn::take();
    // Windows would let us define a letter above one that is there, and hide it.
    if !is_letter_free(letter) {
        return Err(MountError::Taken(at));
    }
    place_at_letter(host, letter, mounting).map_err(|status| not_placed(at, status))
}

/// Gives the volume the first letter that is free and that nobody else gets.
fn place_at_free_letter(host: &mut Host, mounting: &Mounting) -> Result<Placed, MountError> {
    let _turn = Turn::take();
    let mut given_up: Vec<char> = Vec::new();
    while let Some(letter) = free_letters().into_iter().find(|letter| !given_up.contains(letter)) {
        match place_at_letter(host, letter, mounting) {
            Ok(placed) => return Ok(placed),
            Err(NAME_COLLISION) => given_up.push(letter),
            Err(status) => return Err(not_placed(format!("{letter}:"), status)),
        }
    }
    Err(MountError::NoLetterFree)
}

/// Gives the volume a letter that was free a moment ago, and takes it back if it is another's.
///
/// Of several who have the letter, the one who prepared it may give it up, and undo that. Each does
/// so before its definition is gone, and the one who keeps the letter then looks whether it is
/// still prepared.
fn place_at_letter(host: &mut Host, letter: char, mounting: &Mounting) -> Result<Placed, u32> {
    let placed = Placed::prepared(format!("{letter}:"), mounting);
    // The Mount Manager is meant by a device's name.
    let prefix = if mounting.global { "\\\\.\\" } else { "" };
    if let Err(error) = host.mount(&format!("{prefix}{}", placed.at)) {
        placed.undo(mounting);
        return Err(status(error.code().0));
    }
    if !is_kept(letter, &last_device()) {
        placed.take_back(host, mounting);
        return Err(NAME_COLLISION);
    }
    Ok(if placed.is_prepared { placed } else { Placed::prepared(placed.at, mounting) })
}

/// Whether we keep a letter that we have defined for a device: waits for others to give it up.
///
/// That they have is looked at, for they may not be able to: WinFsp holds the definition that it
/// finds, which need not be its own alone, and Windows may not change one that is held.
fn is_kept(letter: char, device: &str) -> bool {
    let since = Instant::now();
    loop {
        match whose_letter(letter, device) {
            Whose::Ours => return true,
            Whose::Theirs => return false,
            Whose::Hidden if since.elapsed() > PATIENCE => {
                tracing::debug!(%letter, "another program hides the letter, and keeps it");
                return false;
            }
            Whose::Hidden => std::thread::sleep(BEAT),
        }
    }
}

fn not_placed(at: String, status: u32) -> MountError {
    match status {
        NAME_COLLISION => MountError::Taken(at),
        PATH_NOT_FOUND => MountError::NoParent(at),
        other => refused("mount there", other),
    }
}
