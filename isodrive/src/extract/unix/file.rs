//! A file that is being written: it has no name, or a hidden one, until it is complete.
//! Reaches nothing but the directory that it is to stand in.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use iso_core::Timestamp;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

const NAMED: OFlags = sandbox::OPENING[1];
const NAMELESS: OFlags = sandbox::OPENING[2];

/// How a file is made and named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// Whether it replaces what has its name.
    pub(super) overwrite: bool,
    /// Whether it has no name until it is complete.
    pub(super) is_nameless: bool,
    /// Whether it must be written through before it is known to be complete.
    pub(super) is_synced: bool,
}

/// A file being written; gone again unless it is kept.
pub(in super::super) struct NewFile {
    file: File,
    parent: OwnedFd,
    name: Vec<u8>,
    /// Its name until it is complete, if it has one.
    hidden: Option<String>,
    way: Way,
    /// Bytes so far.
    len: u64,
    ends_in_hole: bool,
}

/// A file that is complete and has its name.
#[derive(Debug)]
pub(in super::super) struct Kept {
    file: File,
    len: u64,
    modified: Timestamp,
}

/// Whether files without names can be made in a directory and be given names: kernels before 6.10
/// allow the second to root alone. Asks without making a name: `.` is there already.
pub(super) fn can_be_nameless(directory: &OwnedFd) -> bool {
    let Ok(file) = rustix::fs::openat(directory, ".", NAMELESS, Mode::RUSR) else { return false };
    rustix::fs::linkat(&file, "", directory, ".", AtFlags::EMPTY_PATH) == Err(Errno::EXIST)
}

/// Has `make` make a name. Where that is taken and may be replaced, the new one is made under a
/// hidden name and moved there, so that the old or the new is there at every moment.
pub(super) fn named(
    parent: &OwnedFd,
    name: &[u8],
    overwrite: bool,
    make: &dyn Fn(&OsStr) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    let name = OsStr::from_bytes(name);
    match make(name) {
        Err(Errno::EXIST) if overwrite => {}
        made => return made,
    }
    let hidden = hidden_name();
    make(OsStr::new(&hidden))?;
    let moved = rustix::fs::renameat_with(parent, &hidden, parent, name, RenameFlags::empty());
    // Where both are names of one file already, moving does nothing.
    let _ = rustix::fs::unlinkat(parent, &hidden, AtFlags::empty());
    moved
}

/// A name that nobody guesses and that listings leave out.
fn hidden_name() -> String {
    let number = || RandomState::new().hash_one(std::process::id());
    format!(".isodrive-{:016x}{:016x}", number(), number())
}

impl NewFile {
    /// Begins a file. What stands in its way is an error now, and not when all is written.
    pub(super) fn new(
        parent: OwnedFd,
        name: &[u8],
        is_program: bool,
        way: Way,
    ) -> io::Result<Self> {
        let wanted = OsStr::from_bytes(name);
        if !way.overwrite && rustix::fs::statat(&parent, wanted, AtFlags::SYMLINK_NOFOLLOW).is_ok()
        {
            return Err(Errno::EXIST.into());
        }
        let mode = Mode::from(if is_program { 0o777 } else { 0o666 });
        let (file, hidden) = if way.is_nameless {
            (rustix::fs::openat(&parent, ".", NAMELESS, mode)?, None)
        } else {
            let hidden = hidden_name();
            (rustix::fs::openat(&parent, &hidden, NAMED, mode)?, Some(hidden))
        };
        let name = name.to_vec();
        Ok(Self { file: file.into(), parent, name, hidden, way, len: 0, ends_in_hole: false })
    }

    /// Adds bytes. Borrowed ones may belong to a map of the image: the kernel alone looks at them.
    /// Zeros that were worked out become a hole: a few bytes on a disc can mean gigabytes of them.
    pub(in super::super) fn write(&mut self, bytes: Cow<'_, [u8]>) -> io::Result<()> {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.ends_in_hole = false;
        match bytes {
            Cow::Owned(bytes) if bytes.iter().all(|byte| *byte == 0) => self.ends_in_hole = true,
            Cow::Owned(bytes) => self.file.write_all_at(&bytes, self.len)?,
            Cow::Borrowed(mapped) => self.file.write_all_at(mapped, self.len)?,
        }
        self.len = self.len.saturating_add(len);
        Ok(())
    }

    /// Takes all bytes of another file without copying them; false where that file is another by
    /// now.
    ///
    /// # Errors
    /// The file system shares no bytes between files.
    pub(in super::super) fn share(&mut self, source: &Kept) -> io::Result<bool> {
        let stat = rustix::fs::fstat(&source.file)?;
        let modified = Timestamp {
            seconds: stat.st_mtime,
            nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        };
        let len = u64::try_from(stat.st_size).unwrap_or(0);
        if (len, modified) != (source.len, source.modified) {
            return Ok(false);
        }
        rustix::fs::ioctl_ficlone(&self.file, &source.file)?;
        self.len = len;
        Ok(true)
    }

    /// Ends the file, which is whole now, and gives it its name. Gives it back where it is asked
    /// for.
    pub(in super::super) fn keep(
        mut self,
        modified: Timestamp,
        is_wanted: bool,
    ) -> io::Result<Option<Kept>> {
        if self.ends_in_hole {
            self.file.set_len(self.len)?;
        }
        let _ = rustix::fs::futimens(self.file.as_fd(), &times(modified));
        if self.way.is_synced {
            rustix::fs::fsync(&self.file)?;
        }
        match &self.hidden {
            None => {
                let link = |name: &OsStr| {
                    let flags = AtFlags::EMPTY_PATH;
                    rustix::fs::linkat(&self.file, "", &self.parent, name, flags)
                };
                named(&self.parent, &self.name, self.way.overwrite, &link)?;
            }
            Some(hidden) => {
                self.rename(hidden)?;
                self.hidden = None;
            }
        }
        if !is_wanted {
            return Ok(None);
        }
        let file = self.file.try_clone()?;
        // What the file system made of the time, for later comparison.
        let stat = rustix::fs::fstat(&file)?;
        let modified = Timestamp {
            seconds: stat.st_mtime,
            nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        };
        Ok(Some(Kept { file, len: self.len, modified }))
    }

    /// Gives a complete file with a hidden name its own.
    fn rename(&self, hidden: &str) -> rustix::io::Result<()> {
        let (parent, name) = (&self.parent, OsStr::from_bytes(&self.name));
        if self.way.overwrite {
            return rustix::fs::renameat_with(parent, hidden, parent, name, RenameFlags::empty());
        }
        match rustix::fs::renameat_with(parent, hidden, parent, name, RenameFlags::NOREPLACE) {
            // A file system without such a call has links, which replace nothing either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rustix::fs::linkat(parent, hidden, parent, name, AtFlags::empty())?;
                let _ = rustix::fs::unlinkat(parent, hidden, AtFlags::empty());
                Ok(())
            }
            renamed => renamed,
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            let _ = rustix::fs::unlinkat(&self.parent, hidden, AtFlags::empty());
        }
    }
}

impl Kept {
    /// What tells this file from others.
    pub(in super::super) fn identity(&self) -> Option<(u64, u64)> {
        rustix::fs::fstat(&self.file).ok().map(|stat| (stat.st_dev, stat.st_ino))
    }

    /// Whether other files may take its bytes.
    pub(in super::super) const fn can_be_shared(&self) -> bool {
        self.len > 0
    }
}

/// The time of the last change, as the calls take it; that of the last reading stays.
pub(super) fn times(modified: Timestamp) -> Timestamps {
    let modified = Timespec { tv_sec: modified.seconds, tv_nsec: modified.nanoseconds.into() };
    let unchanged = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Timestamps { last_access: unchanged, last_modification: modified }
}
