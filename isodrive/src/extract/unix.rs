//! The directory that files are extracted into, reached by descriptors and never by paths.
//! No symbolic link is followed on the way, whether it was there before or came from the disc.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use iso_core::Timestamp;
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};

use crate::cli::Extract;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::quoted;

/// Where files go.
pub(super) struct Destination {
    root: OwnedFd,
    overwrite: bool,
    /// The path used last.
    last: Vec<u8>,
    /// Directories on it, by the lengths of their paths, the innermost last: a deep tree is not
    /// walked from its root for each file, and not more is kept open than a process may.
    reached: VecDeque<(usize, OwnedFd)>,
    /// Directories on it whose times are set when nothing is written into them any more.
    times: Vec<(usize, Timestamp)>,
}

/// Directories kept open.
const MAX_REACHED: usize = 64;

/// A file being written; removed again unless it is kept.
pub(super) struct NewFile {
    file: File,
    parent: OwnedFd,
    name: Vec<u8>,
    /// Bytes so far.
    len: u64,
    is_kept: bool,
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Destination {
    /// Whether links are written.
    pub(super) const HOLDS_LINKS: bool = true;

    /// The directory, made if it is missing.
    pub(super) fn open(arguments: &Extract) -> Result<Self, Failure> {
        let path = arguments.directory.as_path();
        let failed = |error: io::Error| {
            Failure::io(Exit::Other, format!("cannot write into {}", quoted(path)), &error)
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        // The person's own path may hold links; what comes from the disc may not.
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
        let overwrite = arguments.overwrite;
        Ok(Self { root, overwrite, last: Vec::new(), reached: VecDeque::new(), times: Vec::new() })
    }

    /// A directory; one that is there already will do.
    pub(super) fn directory(&mut self, path: &[u8], modified: Timestamp) -> Outcome {
        self.reach(path).map_err(|error| failure(&error))?;
        self.times.push((path.len(), modified));
        Ok(())
    }

    /// A new file.
    pub(super) fn file(&mut self, path: &[u8], is_program: bool) -> Result<NewFile, Failure> {
        let (parent, name) = self.place(path).map_err(|error| failure(&error))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = if is_program { 0o777 } else { 0o666 };
        let file = rustix::fs::openat(&parent, OsStr::from_bytes(name), flags, Mode::from(mode))
            .map_err(|error| failure(&error.into()))?;
        Ok(NewFile { file: file.into(), parent, name: name.to_vec(), len: 0, is_kept: false })
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &[u8], target: &[u8], modified: Timestamp) -> Outcome {
        let (parent, name) = self.place(path).map_err(|error| failure(&error))?;
        let name = OsStr::from_bytes(name);
        rustix::fs::symlinkat(OsStr::from_bytes(target), &parent, name)
            .map_err(|error| failure(&error.into()))?;
        // A link without the time of the one on the disc is still that link.
        let _ = rustix::fs::utimensat(&parent, name, &times(modified), AtFlags::SYMLINK_NOFOLLOW);
        Ok(())
    }

    /// The directory and the name of a path, with what is to be replaced out of the way.
    fn place<'p>(&mut self, path: &'p [u8]) -> io::Result<(OwnedFd, &'p [u8])> {
        let (parent, name) = match path.iter().rposition(|b| *b == b'/') {
            Some(at) => (path.get(..at), path.get(at.saturating_add(1)..)),
            None => (Some(&[][..]), Some(path)),
        };
        let (parent, name) = (parent.unwrap_or_default(), name.unwrap_or_default());
        let parent = self.reach(parent)?;
        if self.overwrite {
            let removed = rustix::fs::unlinkat(&parent, OsStr::from_bytes(name), AtFlags::empty());
            if let Err(error) = removed
                && error != rustix::io::Errno::NOENT
            {
                return Err(error.into());
            }
        }
        Ok((parent, name))
    }

    /// A directory below the root, made with those above it.
    fn reach(&mut self, path: &[u8]) -> io::Result<OwnedFd> {
        self.leave(path);
        self.last = path.to_vec();
        self.descend(path, true)
    }

    /// Opens a directory, from the innermost on the way to it that is open; all of those are.
    fn descend(&mut self, path: &[u8], make: bool) -> io::Result<OwnedFd> {
        let (mut len, mut here) = match self.reached.back() {
            Some((len, directory)) => (*len, directory.try_clone()?),
            None => (0, self.root.try_clone()?),
        };
        while let Some(rest) = path.get(len..).filter(|rest| !rest.is_empty()) {
            let skip = usize::from(rest.first() == Some(&b'/'));
            let part = rest.get(skip..).and_then(|rest| rest.split(|b| *b == b'/').next());
            let part = part.unwrap_or_default();
            len = len.saturating_add(skip).saturating_add(part.len());
            let name = OsStr::from_bytes(part);
            if make {
                match rustix::fs::mkdirat(&here, name, Mode::from(0o777)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            here = rustix::fs::openat(&here, name, DIRECTORY, Mode::empty())?;
            self.reached.push_back((len, here.try_clone()?));
            if self.reached.len() > MAX_REACHED {
                self.reached.pop_front();
            }
        }
        Ok(here)
    }

    /// Leaves the directories that a path is not in, and gives them the times they have on the
    /// disc.
    fn leave(&mut self, path: &[u8]) {
        let last = std::mem::take(&mut self.last);
        let is_on_the_way = |len: usize| {
            let (above, rest) = path.split_at_checked(len).unwrap_or((path, b"x"));
            last.get(..len) == Some(above) && matches!(rest.first(), None | Some(b'/'))
        };
        while let Some((len, modified)) = self.times.pop_if(|(len, _)| !is_on_the_way(*len)) {
            while self.reached.pop_back_if(|(reached, _)| *reached > len).is_some() {}
            // One that was let go of is opened again, from the root.
            let directory = self.descend(last.get(..len).unwrap_or_default(), false);
            if let Ok(directory) = directory {
                let _ = rustix::fs::futimens(&directory, &times(modified));
            }
        }
        while self.reached.pop_back_if(|(len, _)| !is_on_the_way(*len)).is_some() {}
    }

    /// Gives the directories that are left the times they have on the disc.
    pub(super) fn set_directory_times(&mut self) {
        self.leave(b"/");
    }
}

impl NewFile {
    /// Adds bytes. Borrowed ones may belong to a map of the image: the kernel alone looks at them.
    /// Zeros that were worked out become a hole: a few bytes on a disc can mean gigabytes of them.
    pub(super) fn write(&mut self, bytes: Cow<'_, [u8]>) -> Outcome {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let written = match bytes {
            Cow::Owned(bytes) if bytes.iter().all(|byte| *byte == 0) => Ok(()),
            Cow::Owned(bytes) => self.file.write_all_at(&bytes, self.len),
            Cow::Borrowed(mapped) => self.file.write_all_at(mapped, self.len),
        };
        self.len = self.len.saturating_add(len);
        written.map_err(|error| failure(&error))
    }

    /// Ends the file, which is whole now.
    pub(super) fn keep(mut self, modified: Timestamp) -> Outcome {
        self.file.set_len(self.len).map_err(|error| failure(&error))?;
        let _ = rustix::fs::futimens(self.file.as_fd(), &times(modified));
        self.is_kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept {
            let name = OsStr::from_bytes(&self.name);
            let _ = rustix::fs::unlinkat(&self.parent, name, AtFlags::empty());
        }
    }
}

fn times(modified: Timestamp) -> Timestamps {
    let modified = Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanoseconds.into() };
    let unchanged = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Timestamps { last_access: unchanged, last_modification: modified }
}

fn failure(error: &io::Error) -> Failure {
    Failure::new(Exit::Other, crate::exit::bare(error))
}
