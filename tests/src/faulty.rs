//! A file on a medium that can be made to fail: a FUSE file system of one file, served by the test
//! itself. Each read is known by its range, and can fail, hang, or go through.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEntry,
    ReplyOpen, Request, Session, SessionACL,
};

use crate::program::is_root;

/// What goes wrong.
#[derive(Debug, Default, Clone)]
pub struct Faults {
    /// Byte ranges whose reads fail, with the errno.
    pub bad: Vec<(Range<u64>, i32)>,
    /// Reads wait until this is false again.
    pub is_silent: bool,
    /// Reads until one goes wrong, and how.
    pub countdown: Option<(u64, Mishap)>,
}

/// What becomes of a read whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It fails, and the next one goes through.
    Once,
    /// It fails, and so do all that follow.
    ForEver,
    /// It gives half of what was asked for.
    Short,
}

/// The switch of a faulty medium.
#[derive(Debug, Default, Clone)]
pub struct Switch(Arc<(Mutex<Faults>, Condvar)>);

impl Switch {
    /// What goes wrong from now on.
    pub fn set(&self, faults: Faults) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = faults;
        self.0.1.notify_all();
    }

    /// Reads left until the one that goes wrong.
    #[must_use]
    pub fn left(&self) -> u64 {
        let faults = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.countdown.map_or(0, |(left, _)| left)
    }

    /// What goes wrong with a read, when it is time to answer it: an errno, or half of it alone.
    fn verdict(&self, range: &Range<u64>) -> Option<Result<(), i32>> {
        let faults = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = self
            .0
            .1
            .wait_while(faults, |faults| faults.is_silent)
            .unwrap_or_else(PoisonError::into_inner);
        let mut faults = faults;
        match &mut faults.countdown {
            Some((0, mishap)) => {
                let mishap = *mishap;
                if mishap != Mishap::ForEver {
                    faults.countdown = None;
                }
                return Some(if mishap == Mishap::Short { Ok(()) } else { Err(libc::EIO) });
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        let touches = |bad: &Range<u64>| bad.start < range.end && range.start < bad.end;
        faults.bad.iter().find(|(bad, _)| touches(bad)).map(|(_, errno)| Err(*errno))
    }
}

/// A faulty medium with one file on it, mounted until this is dropped.
pub struct Medium {
    /// Where the file is.
    pub file: PathBuf,
    /// What goes wrong.
    pub switch: Switch,
    at: PathBuf,
    _session: BackgroundSession,
    _folder: tempfile::TempDir,
}

impl Medium {
    /// Puts a copy of a file on a faulty medium. `direct` keeps the kernel from caching and from
    /// reading ahead.
    pub fn with(file: &Path, direct: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let switch = Switch::default();
        let medium = OneFile { file: File::open(file)?, switch: switch.clone(), direct };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("faulty".to_owned())];
        config.acl = SessionACL::All;
        config.n_threads = Some(4);
        let session = Session::new(medium, folder.path(), &config)?.spawn()?;
        Ok(Self {
            file: folder.path().join("disc.iso"),
            switch,
            at: folder.path().to_path_buf(),
            _session: session,
            _folder: folder,
        })
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        self.switch.set(Faults::default());
        let _ = mount_fuse::unmount(&self.at, true);
    }
}

/// A loop device over a file, gone when this is dropped.
pub struct Loop(pub String);

impl Loop {
    /// Makes one; nothing where none can be made, which is said.
    pub fn over(file: &Path) -> Result<Option<Self>> {
        if !is_root("a loop device") {
            return Ok(None);
        }
        let made = Command::new("losetup").args(["-r", "-f", "--show"]).arg(file).output();
        let output = made.context("losetup, of Debian's mount")?;
        if !output.status.success() {
            println!("not run: {}", String::from_utf8_lossy(&output.stderr).trim());
            return Ok(None);
        }
        Ok(Some(Self(String::from_utf8(output.stdout)?.trim().to_owned())))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

struct OneFile {
    file: File,
    switch: Switch,
    direct: bool,
}

const FOREVER: Duration = Duration::from_secs(3600);

impl OneFile {
    fn attr(&self, ino: INodeNo) -> io::Result<FileAttr> {
        let size = self.file.metadata()?.len();
        let is_root = ino == INodeNo::ROOT;
        let time = SystemTime::UNIX_EPOCH;
        Ok(FileAttr {
            ino,
            size: if is_root { 0 } else { size },
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: if is_root { FileType::Directory } else { FileType::RegularFile },
            perm: if is_root { 0o755 } else { 0o444 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

impl Filesystem for OneFile {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.attr(INodeNo(2)) {
            Ok(attr) if name == "disc.iso" => reply.entry(&FOREVER, &attr, Generation(0)),
            _ => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attr(ino) {
            Ok(attr) => reply.attr(&FOREVER, &attr),
            Err(_) => reply.error(Errno::EIO),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let direct = FopenFlags::FOPEN_DIRECT_IO;
        reply.opened(FileHandle(0), if self.direct { direct } else { FopenFlags::empty() });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let verdict = self.switch.verdict(&(offset..offset + u64::from(size)));
        if let Some(Err(errno)) = verdict {
            return reply.error(Errno::from_i32(errno));
        }
        let size = if verdict.is_some() { size / 2 } else { size };
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        match self.file.read_at(&mut bytes, offset) {
            Ok(read) => reply.data(&bytes[..read]),
            Err(_) => reply.error(Errno::EIO),
        }
    }
}
