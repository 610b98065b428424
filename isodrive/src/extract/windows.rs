//! The directory that files are extracted into where discs become drives: reached by a handle, so
//! that nothing leads out of it. Names get a writing that Windows can hold, by the rule of drives
//! (numbers of equal ones go by the order of writing), and files the mark of where the image came
//! from.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{File, FileTimes};
use std::io::{self, Write};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use iso_core::{Image, Shown, Timestamp};
use windows_view::{fold, numbered, to_windows};

use super::same::Place;
use super::unwritten::{self, There};
use crate::cli::Extract;
use crate::exit::Failure;
use crate::image;
use crate::system::zone;
use crate::terminal::Terminal;

/// `FILE_WRITE_ATTRIBUTES`, enough to set times.
const WRITE_ATTRIBUTES: u32 = 0x100;

/// `FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT`: directories can be opened, and what
/// is no directory of ours is not followed.
const OPEN_DIRECTORY: u32 = 0x0200_0000 | 0x0020_0000;

/// Whether a signal asked for an end: here Windows ends the program by itself.
pub(super) struct Interrupts;

impl Interrupts {
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self)
    }

    pub(super) const fn came(&self) -> bool {
        false
    }
}

/// The room that is left: not asked here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) free: u64,
    pub(super) files: Option<u64>,
    pub(super) stores_everything: bool,
}

/// Where files go.
pub(super) struct Destination {
    root: Dir,
    path: PathBuf,
    overwrite: bool,
    zone: Option<Vec<u8>>,
    /// Where directories of the image are, by their paths in it.
    directories: HashMap<Vec<u8>, PathBuf>,
    /// The keys of all names that were given, with those of the directories above them.
    given: HashSet<Vec<u16>>,
    /// Directories whose times are set when nothing is written into them any more.
    times: Vec<(PathBuf, Timestamp)>,
}

/// A file being written; removed again unless it is kept.
pub(super) struct NewFile {
    /// Closed before the file is removed.
    file: Option<File>,
    path: PathBuf,
    zone: Option<Vec<u8>>,
}

impl Destination {
    /// Whether links are written: making one takes a right that people rarely have here.
    pub(super) const HOLDS_LINKS: bool = false;

    /// The directory, made if it is missing, and the image.
    pub(super) fn open(
        arguments: &Extract,
        terminal: &mut Terminal,
    ) -> Result<(Self, Image, Shown), Failure> {
        let (image, shown) = image::open_shown(&arguments.image, terminal)?;
        Ok((Self::make(arguments)?, image, shown))
    }

    /// The directory, made if it is missing.
    fn make(arguments: &Extract) -> Result<Self, Failure> {
        let path = arguments.directory.as_path();
        let failed = |error: io::Error| unwritten::no_directory(path, &error);
        std::fs::create_dir_all(path).map_err(failed)?;
        let root = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        Ok(Self {
            root,
            path: path.canonicalize().map_err(failed)?,
            overwrite: arguments.overwrite,
            zone: zone::of(&arguments.image.image),
            directories: HashMap::new(),
            given: HashSet::new(),
            times: Vec::new(),
        })
    }

    /// Whether there is something of this name: not asked here.
    pub(super) const fn holds(&self, _: &[u8]) -> bool {
        true
    }

    /// What is there where something is to be written: not asked here.
    pub(super) fn there(&self, _: &[u8]) -> There {
        There::default()
    }

    /// The room that is left: not asked here.
    pub(super) const fn room(&self) -> Option<Room> {
        None
    }

    /// There is one way to make files here.
    pub(super) const fn goes_another_way(&mut self, _: &io::Error) -> bool {
        false
    }

    /// Each name gets a file of its own.
    pub(super) fn hard_link(&mut self, _: &[u8], first: &Place) -> io::Result<bool> {
        let Place { path, identity } = first;
        tracing::trace!(?path, ?identity, "no hard link is made");
        Ok(false)
    }

    /// A directory; one that is there already will do.
    pub(super) fn directory(&mut self, path: &[u8], modified: Timestamp) -> io::Result<()> {
        let place = self.reach(path)?;
        self.times.push((place, modified));
        Ok(())
    }

    /// A new file.
    pub(super) fn file(&mut self, path: &[u8], _is_program: bool) -> io::Result<NewFile> {
        let (parent, name) = split(path);
        let parent = self.reach(parent)?;
        let place = self.place(&parent, name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(!self.overwrite);
        if self.overwrite {
            options.create(true).truncate(true);
        }
        let file = self.root.open_with(&place, &options)?;
        let path = self.path.join(place);
        Ok(NewFile { file: Some(file.into_std()), path, zone: self.zone.clone() })
    }

    /// No link is written.
    pub(super) fn link(&mut self, _: &[u8], _: &[u8], _: Timestamp) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The place of a directory of the image, made with those above it.
    fn reach(&mut self, path: &[u8]) -> io::Result<PathBuf> {
        if path.is_empty() {
            return Ok(PathBuf::new());
        }
        if let Some(place) = self.directories.get(path) {
            return Ok(place.clone());
        }
        let (parent, name) = split(path);
        let parent = self.reach(parent)?;
        let place = self.place(&parent, name);
        match self.root.create_dir(&place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.directories.insert(path.to_vec(), place.clone());
        Ok(place)
    }

    /// A place for a name that no other name of the image was given.
    fn place(&mut self, parent: &Path, name: &[u8]) -> PathBuf {
        let name = to_windows(name);
        let mut written = if name.len() > windows_view::MAX_NAME_UNITS {
            numbered(&name, 1)
        } else {
            name.clone()
        };
        let mut number = 1u32;
        loop {
            let place = parent.join(OsString::from_wide(&written));
            let key: Vec<u16> =
                std::os::windows::ffi::OsStrExt::encode_wide(place.as_os_str()).collect();
            if self.given.insert(fold(&key)) {
                return place;
            }
            number = number.saturating_add(1);
            written = numbered(&name, number);
        }
    }

    /// Gives directories the times they have on the disc.
    pub(super) fn set_directory_times(&mut self) {
        for (place, modified) in self.times.drain(..).rev() {
            let opened = File::options()
                .access_mode(WRITE_ATTRIBUTES)
                .custom_flags(OPEN_DIRECTORY)
                .open(self.path.join(place));
            if let (Ok(directory), Some(times)) = (opened, times(modified)) {
                let _ = directory.set_times(times);
            }
        }
    }
}

impl NewFile {
    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: Cow<'_, [u8]>) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(&bytes))
    }

    /// No bytes are shared between files.
    pub(super) fn share(&mut self, _: &Kept) -> io::Result<bool> {
        Ok(false)
    }

    /// Ends the file, which is whole now.
    pub(super) fn keep(mut self, modified: Timestamp, _: bool) -> io::Result<Option<Kept>> {
        let Some(file) = self.file.take() else { return Ok(None) };
        if let Some(times) = times(modified) {
            let _ = file.set_times(times);
        }
        drop(file);
        let Some(zone) = &self.zone else { return Ok(None) };
        let marked = zone::mark(&self.path, zone).map_err(|error| {
            // A copy that lost its mark would be trusted more than the image it came from.
            let _ = std::fs::remove_file(&self.path);
            let why = crate::exit::bare(&error);
            io::Error::new(error.kind(), format!("it cannot be marked as the image is: {why}"))
        });
        marked.map(|()| None)
    }
}

/// A file that was written; none is kept here for another.
#[derive(Debug)]
pub(super) enum Kept {}

impl Kept {
    pub(super) const fn identity(&self) -> Option<(u64, u64)> {
        match *self {}
    }

    pub(super) const fn can_be_shared(&self) -> bool {
        match *self {}
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The directory and the name of a path of the image.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => {
            let (parent, name) = path.split_at(at);
            (parent, name.get(1..).unwrap_or_default())
        }
        None => (&[], path),
    }
}

fn times(modified: Timestamp) -> Option<FileTimes> {
    let nanoseconds = Duration::from_nanos(modified.nanoseconds.into());
    let seconds = Duration::from_secs(modified.seconds.unsigned_abs());
    let second = if modified.seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    Some(FileTimes::new().set_modified(second?.checked_add(nanoseconds)?))
}
