//! Gives a volume its letter or directory, among programs that want the same one. Knows letters
//! and what is done before a drive appears; nothing of the volume.
//!
//! Windows lets several programs define one letter. Each looks, after it has defined one, whether
//! the letter is its own alone, so that of several at most one keeps it, and all may give it up.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use winfsp::host::{FileSystemHost, FineGuard};

use crate::adapter::Adapter;
use crate::mounting::{Appearing, MountError, Mounting, Place, refused, status};
use crate::system::{Turn, free_letters, is_letter_free, is_letter_shared};

/// How many letters are tried while others take them at the same moment: each letter at least
/// once, and enough for a crowd to sort itself out.
const ATTEMPTS: u32 = 40;

/// The pauses between attempts grow up to so many times the time of an attempt, as a power of two.
const MOST_DOUBLINGS: u32 = 4;

/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// `STATUS_OBJECT_NAME_COLLISION`: the letter or directory is there already.
const NAME_COLLISION: u32 = 0xC000_0035;
/// `STATUS_OBJECT_PATH_NOT_FOUND`: the directory that should hold the mount is not there.
const PATH_NOT_FOUND: u32 = 0xC000_003A;

/// A volume that is to be given a place.
type Host = FileSystemHost<Adapter, FineGuard>;

/// Gives the volume its place; the name of that place.
pub(crate) fn place(host: &mut Host, mounting: &Mounting) -> Result<String, MountError> {
    match &mounting.place {
        Place::FirstFree => place_at_free_letter(host, mounting),
        Place::Letter(letter) => place_at_wanted_letter(host, *letter, mounting),
        Place::Directory(path) => {
            let at = path.to_string_lossy().into_owned();
            let prepared = Prepared::now(mounting, &at);
            let Err(error) = host.mount(&*at) else { return Ok(at) };
            prepared.undo();
            Err(not_placed(at, status(error.code().0)))
        }
    }
}

/// Gives the volume a letter that was asked for.
///
/// A letter that others hold is one of them's in the end, even if several hold it at this moment
/// and give it up: one of those gets it.
fn place_at_wanted_letter(
    host: &mut Host,
    letter: char,
    mounting: &Mounting,
) -> Result<String, MountError> {
    let at = format!("{letter}:");
    let _turn = Turn::take();
    for attempt in 0..ATTEMPTS {
        // Windows would let us define a letter above one that is there, and hide it.
        if !is_letter_free(letter) {
            break;
        }
        let since = Instant::now();
        match place_at_letter(host, letter, mounting) {
            Ok(()) => return Ok(at),
            Err(NAME_COLLISION) => pause(attempt, since.elapsed()),
            Err(status) => return Err(not_placed(at, status)),
        }
    }
    Err(MountError::Taken(at))
}

/// Gives the volume the first letter that is free. Without the turn, and where that letter was
/// contended, one of the others: all who have no turn would go on to the same next one.
///
/// That none is free is said only of one moment at which all were held. Each program holds one at
/// a time, so that those who hold them then get them all.
fn place_at_free_letter(host: &mut Host, mounting: &Mounting) -> Result<String, MountError> {
    let turn = Turn::take();
    let mut tried: Vec<char> = Vec::new();
    for attempt in 0..ATTEMPTS {
        let free = free_letters();
        if free.iter().all(|letter| tried.contains(letter)) {
            tried.clear();
        }
        let untried: Vec<char> =
            free.into_iter().filter(|letter| !tried.contains(letter)).collect();
        let is_in_order = attempt == 0 || turn.is_ours();
        let which = if is_in_order { 0 } else { random_below(untried.len()) };
        let Some(letter) = untried.get(which).copied() else {
            return Err(MountError::NoLetterFree);
        };
        let since = Instant::now();
        match place_at_letter(host, letter, mounting) {
            Ok(()) => return Ok(format!("{letter}:")),
            Err(NAME_COLLISION) => {
                tried.push(letter);
                pause(attempt, since.elapsed());
            }
            Err(status) => return Err(not_placed(format!("{letter}:"), status)),
        }
    }
    Err(MountError::Contended)
}

/// Waits a random time, so that of those who gave up one letter at one moment one is first at the
/// next. On a machine that is slow an attempt takes longer, and so does the pause.
fn pause(attempt: u32, took: Duration) {
    let most = took.saturating_mul(1 << attempt.min(MOST_DOUBLINGS)).min(LONGEST_PAUSE);
    let most = usize::try_from(most.as_micros()).unwrap_or(0);
    let time = u64::try_from(random_below(most)).unwrap_or(0);
    std::thread::sleep(Duration::from_micros(time));
}

/// A number below `bound` that differs from call to call and from process to process; 0 where
/// there is none.
fn random_below(bound: usize) -> usize {
    let random = usize::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or(0);
    random.checked_rem(bound).unwrap_or(0)
}

/// Gives the volume a letter that was free a moment ago, and takes it back if it is another's too.
///
/// Of several who have the letter, the one who prepared it may give it up, and undo that. Each does
/// so before the letter is the others', and the last of them looks whether it is still prepared.
fn place_at_letter(host: &mut Host, letter: char, mounting: &Mounting) -> Result<(), u32> {
    let at = format!("{letter}:");
    // The Mount Manager is meant by a device's name.
    let name = if mounting.global { format!("\\\\.\\{at}") } else { at.clone() };
    let prepared = Prepared::now(mounting, &at);
    if let Err(error) = host.mount(&*name) {
        prepared.undo();
        return Err(status(error.code().0));
    }
    if is_letter_shared(letter) {
        prepared.undo();
        host.unmount();
        return Err(NAME_COLLISION);
    }
    if !prepared.is_ours {
        Prepared::now(mounting, &at);
    }
    Ok(())
}

/// What was done before a drive appears.
struct Prepared<'a> {
    appearing: Option<Appearing>,
    at: &'a str,
    /// Whether there was something to do that was not done yet.
    is_ours: bool,
}

impl<'a> Prepared<'a> {
    fn now(mounting: &Mounting, at: &'a str) -> Self {
        let appearing = mounting.appearing;
        Self { appearing, at, is_ours: appearing.is_some_and(|it| (it.prepare)(at)) }
    }

    /// Undoes it, where no drive appears or stays.
    fn undo(self) {
        if let (true, Some(appearing)) = (self.is_ours, self.appearing) {
            (appearing.undo)(self.at);
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
