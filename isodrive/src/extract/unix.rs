//! The directory that files are extracted into, reached by descriptors and never by paths.
//! No symbolic link is followed on the way, whether it was there before or came from the disc.

mod file;
mod room;

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use iso_core::{Image, Shown, Timestamp};
use rustix::fs::{AtFlags, FileType, Mode, StatVfsMountFlags};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

pub(super) use file::{Kept, NewFile};
pub(super) use room::Room;

use super::same::Place;
use super::unwritten::{self, There};
use crate::cli::Extract;
use crate::exit::{Exit, Failure};
use crate::image;
use crate::system::confined::Files;
use crate::terminal::Terminal;

/// How directories are opened: no link is followed.
const DIRECTORY: rustix::fs::OFlags = sandbox::OPENING[0];

/// Whether a signal asked for an end.
pub(super) struct Interrupts(Arc<AtomicBool>);

impl Interrupts {
    /// Listens for signals: before anything is made that would be left behind.
    pub(super) fn listen() -> Result<Self, Failure> {
        let came = Arc::new(AtomicBool::new(false));
        let is_ignored = ignored_signals();
        let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
        for signal in signals.into_iter().filter(|signal| !is_ignored(*signal)) {
            signal_hook::flag::register(signal, came.clone())
                .map_err(|error| Failure::io(Exit::Other, "cannot listen for signals", &error))?;
        }
        Ok(Self(came))
    }

    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Which signals whoever started this process had it ignore, as `nohup` does: those stay ignored.
fn ignored_signals() -> impl Fn(i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    move |signal| {
        let bit = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
        bit.and_then(|bit| mask.checked_shr(bit)).is_some_and(|mask| mask & 1 == 1)
    }
}

/// Where files go.
pub(super) struct Destination {
    root: OwnedFd,
    overwrite: bool,
    is_root: bool,
    /// Whether new files get their names when they are complete, and have none before.
    is_nameless: bool,
    /// Whether files are on another machine, which reports at their ends that they are not written.
    is_served: bool,
    /// The path used last.
    last: Vec<u8>,
    /// Directories on it, by the lengths of their paths, the innermost last: a deep tree is not
    /// walked from its root for each file, and not more is kept open than a process may.
    reached: VecDeque<(usize, OwnedFd)>,
    /// Directories on it whose times are set when nothing is written into them any more.
    entered: Vec<Entered>,
}

/// A directory that files are being written into.
struct Entered {
    /// The length of its path.
    len: usize,
    /// The time that it has on the disc.
    modified: Timestamp,
    /// What tells it from every other directory.
    identity: (u64, u64),
}

impl Entered {
    /// The directory, from one below it. Somebody may have moved that one elsewhere.
    fn climbed_to(&self, below: &OwnedFd) -> io::Result<OwnedFd> {
        let above = rustix::fs::openat(below, "..", DIRECTORY, Mode::empty())?;
        let stat = rustix::fs::fstat(&above)?;
        let is_wanted = (stat.st_dev, stat.st_ino) == self.identity;
        if is_wanted { Ok(above) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// Directories kept open.
const MAX_REACHED: usize = 64;

/// Directories gone down into from the root for one link.
const MAX_DESCENT: usize = 256;

impl Destination {
    /// Whether links are written.
    pub(super) const HOLDS_LINKS: bool = true;

    /// The directory, made if it is missing, and the image, which is looked at inside the sandbox:
    /// from then on nothing is written outside the directory.
    pub(super) fn open(
        arguments: &Extract,
        terminal: &mut Terminal,
    ) -> Result<(Self, Image, Shown), Failure> {
        let files = Files::open(&arguments.image.image)?;
        let path = arguments.directory.as_path();
        let failed = |error: io::Error| unwritten::no_directory(path, &error);
        std::fs::create_dir_all(path).map_err(failed)?;
        // The person's own path may hold links; what comes from the disc may not.
        let flags = DIRECTORY.difference(rustix::fs::OFlags::NOFOLLOW);
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
        let is_root = rustix::process::geteuid().is_root();
        let (image, shown) =
            image::open_shown_to_fill(root.as_fd(), files, &arguments.image, terminal)?;
        let destination = Self {
            is_nameless: file::can_be_nameless(&root),
            is_served: room::is_served(&root),
            root,
            overwrite: arguments.overwrite,
            is_root,
            last: Vec::new(),
            reached: VecDeque::new(),
            entered: Vec::new(),
        };
        Ok((destination, image, shown))
    }

    /// Whether there is something of this name in the directory itself.
    pub(super) fn holds(&self, name: &[u8]) -> bool {
        let name = OsStr::from_bytes(name);
        rustix::fs::statat(&self.root, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// What is there where something is to be written.
    pub(super) fn there(&self, path: &[u8]) -> There {
        let (parent, name) = match self.existing(path) {
            Ok(found) => found,
            Err(error) => {
                let is_cut_off = matches!(error.kind(), io::ErrorKind::NotADirectory)
                    || error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
                return There { is_cut_off, ..There::default() };
            }
        };
        let stat = rustix::fs::statat(&parent, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW);
        let is_directory =
            stat.ok().map(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory);
        let flags = rustix::fs::fstatvfs(&parent).map(|facts| facts.f_flag);
        let is_read_only = flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::RDONLY));
        There { is_directory, is_cut_off: false, is_read_only }
    }

    /// The room that is left, where the file system says.
    pub(super) fn room(&self) -> Option<Room> {
        room::of(&self.root, self.is_root)
    }

    /// A directory; one that is there already will do.
    pub(super) fn directory(&mut self, path: &[u8], modified: Timestamp) -> io::Result<()> {
        let stat = rustix::fs::fstat(&self.reach(path)?)?;
        let identity = (stat.st_dev, stat.st_ino);
        self.entered.push(Entered { len: path.len(), modified, identity });
        Ok(())
    }

    /// A new file, which gets its name when it is complete.
    pub(super) fn file(&mut self, path: &[u8], is_program: bool) -> io::Result<NewFile> {
        let (parent, name) = self.place(path)?;
        let way = file::Way {
            overwrite: self.overwrite,
            is_nameless: self.is_nameless,
            is_synced: self.is_served,
        };
        NewFile::new(parent, name, is_program, way)
    }

    /// Whether another try may do what failed: a part of the destination does not give names to
    /// files that have none.
    pub(super) fn goes_another_way(&mut self, error: &io::Error) -> bool {
        const REFUSALS: [Errno; 5] =
            [Errno::OPNOTSUPP, Errno::ISDIR, Errno::NOENT, Errno::PERM, Errno::INVAL];
        let is_refused = REFUSALS.iter().any(|no| error.raw_os_error() == Some(no.raw_os_error()));
        let goes_on = is_refused && self.is_nameless;
        self.is_nameless &= !goes_on;
        goes_on
    }

    /// Gives a file that was written another name; false where that cannot be.
    pub(super) fn hard_link(&mut self, path: &[u8], first: &Place) -> io::Result<bool> {
        let Some(identity) = first.identity else { return Ok(false) };
        let (parent, name) = self.place(path)?;
        let Ok((from, old)) = self.existing(&first.path) else { return Ok(false) };
        let old = OsStr::from_bytes(old);
        let is_wanted = |at: &OwnedFd, name: &OsStr| {
            rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == identity)
        };
        if !is_wanted(&from, old) {
            return Ok(false);
        }
        let link = |name: &OsStr| rustix::fs::linkat(&from, old, &parent, name, AtFlags::empty());
        match file::named(&parent, name, self.overwrite, &link) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Err(Errno::EXIST.into()),
            Err(_) => Ok(false),
        }
    }

    /// A symbolic link.
    pub(super) fn link(
        &mut self,
        path: &[u8],
        target: &[u8],
        modified: Timestamp,
    ) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        let make = |name: &OsStr| -> rustix::io::Result<()> {
            rustix::fs::symlinkat(OsStr::from_bytes(target), &parent, name)?;
            // A link without the time of the one on the disc is still that link.
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            let _ = rustix::fs::utimensat(&parent, name, &file::times(modified), flags);
            Ok(())
        };
        file::named(&parent, name, self.overwrite, &make).map_err(io::Error::from)
    }

    /// The directory and the name of a path.
    fn place<'p>(&mut self, path: &'p [u8]) -> io::Result<(OwnedFd, &'p [u8])> {
        let (parent, name) = split(path);
        Ok((self.reach(parent)?, name))
    }

    /// As `place`, for what is there already.
    fn existing<'p>(&self, path: &'p [u8]) -> io::Result<(OwnedFd, &'p [u8])> {
        let (parent, name) = split(path);
        let (reached, mut here) = match self.reached.back() {
            Some((len, directory))
                if parent.get(..*len) == self.last.get(..*len)
                    && matches!(parent.get(*len), None | Some(b'/')) =>
            {
                (*len, directory.try_clone()?)
            }
            _ => (0, self.root.try_clone()?),
        };
        let rest = parent.get(reached..).unwrap_or_default();
        let parts = rest.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        if parts.clone().count() > MAX_DESCENT {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for part in parts {
            here = rustix::fs::openat(&here, OsStr::from_bytes(part), DIRECTORY, Mode::empty())?;
        }
        Ok((here, name))
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
        let mut left = None;
        while let Some(entered) = self.entered.pop_if(|entered| !is_on_the_way(entered.len)) {
            while self.reached.pop_back_if(|(len, _)| *len > entered.len).is_some() {}
            let directory = match (self.reached.back(), &left) {
                (Some((len, directory)), _) if *len == entered.len => directory.try_clone(),
                (_, Some(below)) => entered.climbed_to(below),
                (_, None) => Err(io::ErrorKind::NotFound.into()),
            };
            // From the root it takes an open for each directory on the way.
            let directory = directory
                .or_else(|_| self.descend(last.get(..entered.len).unwrap_or_default(), false));
            left = directory.ok();
            if let Some(directory) = &left {
                let _ = rustix::fs::futimens(directory, &file::times(entered.modified));
            }
        }
        while self.reached.pop_back_if(|(len, _)| !is_on_the_way(*len)).is_some() {}
        // What comes next begins here, and not at the root.
        if self.reached.is_empty()
            && let (Some(entered), Some(below)) = (self.entered.last(), &left)
            && let Ok(directory) = entered.climbed_to(below)
        {
            self.reached.push_back((entered.len, directory));
        }
    }

    /// Gives the directories that are left the times they have on the disc.
    pub(super) fn set_directory_times(&mut self) {
        self.leave(b"/");
    }
}

/// The path of the directory that a path is in, and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => {
            let (parent, name) = path.split_at(at);
            (parent, name.get(1..).unwrap_or_default())
        }
        None => (&[], path),
    }
}
