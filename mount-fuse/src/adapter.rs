//! The FUSE callbacks. Each one unpacks, calls the core through `serve`, and replies.
//! No policy, no parsing, no state beyond the volume and how to present it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};
use iso_core::serving::{Activity, Reports};
use iso_core::volume::{DirEntry, DirPart, FileKind, NodeId, Presentation, Volume};
use iso_core::{Error, Result};

use crate::attr::{file_attr, file_type};
use crate::cache::KernelCache;
use crate::errno::errno;
use crate::options::Serve;
use crate::push::Push;
use crate::xattr;

/// A volume as a FUSE file system.
pub(crate) struct Adapter {
    volume: Arc<dyn Volume>,
    presentation: Presentation,
    /// How long the kernel may keep a reply.
    keep: Duration,
    activity: Arc<Activity>,
    reports: Reports,
    push: Push,
    cache: KernelCache,
    absence: xattr::Absence,
}

/// A disc never changes, so replies stay true.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Node numbers are places on the disc and are never given to another file.
const GENERATION: Generation = Generation(0);

/// Places of a directory up to which the attributes of directories are sent with their names. They
/// lie at the beginning of each, so that a disc of many would be read all over to list its root.
const DIRECTORIES_TOLD: u64 = 32;

/// The answer that a name is absent, which the kernel may remember: a node of number 0.
const ABSENT: FileAttr = FileAttr {
    ino: INodeNo(0),
    size: 0,
    blocks: 0,
    atime: UNIX_EPOCH,
    mtime: UNIX_EPOCH,
    ctime: UNIX_EPOCH,
    crtime: UNIX_EPOCH,
    kind: FileType::RegularFile,
    perm: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
    blksize: 0,
    flags: 0,
};

impl Adapter {
    /// An adapter that shows `volume` as `options` say, notes what it does in `activity`, tells
    /// `push` what is read, and has `cache` forget what ought not to be there.
    pub(crate) fn new(
        volume: Arc<dyn Volume>,
        options: &Serve,
        activity: Arc<Activity>,
        push: Push,
        cache: KernelCache,
    ) -> Self {
        Self {
            push,
            cache,
            volume,
            presentation: options.presentation,
            keep: options.keep.unwrap_or(FOREVER),
            activity,
            reports: Reports::default(),
            absence: xattr::Absence::default(),
        }
    }

    /// Runs one operation; whatever goes wrong, even a panic, leaves as one errno and one log line.
    fn serve<'a, T>(
        &'a self,
        operation: &'static str,
        ino: INodeNo,
        work: impl FnOnce(&'a dyn Volume, NodeId) -> Result<T>,
    ) -> std::result::Result<T, Errno> {
        let _running = self.activity.begin(operation);
        let volume = &*self.volume;
        let node = self.node(ino);
        let error = match catch_unwind(AssertUnwindSafe(|| work(volume, node))) {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => Error::Bug(operation),
        };
        self.reports.failed(operation, ino.0, &error);
        Err(errno(&error))
    }

    /// The node of an inode number.
    fn node(&self, ino: INodeNo) -> NodeId {
        match ino {
            INodeNo::ROOT => self.volume.root(),
            INodeNo(number) => NodeId::from_number(number),
        }
    }

    /// The inode number of a node: its own, except for the root.
    fn ino(&self, node: NodeId) -> INodeNo {
        if node == self.volume.root() { INodeNo::ROOT } else { INodeNo(node.number()) }
    }

    /// How long the kernel may keep the attributes of a file, by its inode number. It asks before
    /// each read of a file that may change, and forgets its pages where the time differs.
    fn keep(&self, ino: INodeNo) -> Duration {
        if self.volume.may_change(self.node(ino)) && ino != INodeNo::ROOT {
            return Duration::ZERO;
        }
        self.keep
    }

    fn attr(&self, node: NodeId) -> Result<FileAttr> {
        let attr = self.volume.attr(node)?;
        let stat = self.presentation.stat(&attr);
        Ok(file_attr(self.ino(node), &attr, stat, self.volume.facts().block_bytes))
    }

    /// The entry at a cookie of a directory: `.` and `..` first, then what the directory holds.
    fn entry<'d>(&self, dir: &'d DirPart, cookie: u64) -> Option<DirEntry<'d>> {
        let kind = Some(FileKind::Directory);
        match cookie {
            0 => Some(DirEntry { name: b".", node: dir.node(), kind, is_hidden: false }),
            1 => Some(DirEntry { name: b"..", node: dir.parent(), kind, is_hidden: false }),
            _ => dir.get(position_of(cookie)),
        }
    }

    /// Hands the entries of a directory from a cookie on to `add`, each with the cookie of the one
    /// behind it, until `add` says that there is no more room.
    fn fill(
        &self,
        operation: &'static str,
        ino: INodeNo,
        cookie: u64,
        mut add: impl FnMut(&DirEntry<'_>, u64) -> bool,
    ) -> std::result::Result<(), Errno> {
        self.serve(operation, ino, |volume, node| {
            let mut dir = volume.read_dir_part(node, position_of(cookie))?;
            if cookie == 0 {
                self.push.listed(&dir);
            }
            let mut next = cookie;
            let mut is_empty = true;
            loop {
                while let Some(entry) = self.entry(&dir, next) {
                    next = next.saturating_add(1);
                    if self.presentation.lists(&entry) {
                        if add(&entry, next) {
                            return Ok(());
                        }
                        is_empty = false;
                    }
                }
                if position_of(next) >= dir.len() {
                    return Ok(());
                }
                dir = match volume.read_dir_part(node, position_of(next)) {
                    Ok(part) if part.get(position_of(next)).is_some() => part,
                    Ok(_) => return Ok(()),
                    // Send the entries that were added; the next request gets the error.
                    Err(_) if !is_empty => return Ok(()),
                    Err(error) => return Err(error),
                };
            }
        })
    }

    /// The kind of an entry, asked of the node where the directory does not tell.
    fn kind(&self, entry: &DirEntry<'_>) -> FileType {
        let kind = entry.kind.or_else(|| self.volume.attr(entry.node).ok().map(|attr| attr.kind));
        file_type(kind.unwrap_or(FileKind::Regular))
    }
}

/// The position in its directory that a cookie behind `.` and `..` stands for.
fn position_of(cookie: u64) -> usize {
    usize::try_from(cookie.saturating_sub(2)).unwrap_or(usize::MAX)
}

impl Filesystem for Adapter {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        let changes = self.volume.may_change(self.volume.root());
        let by_time = changes.then_some(InitFlags::FUSE_AUTO_INVAL_DATA);
        let flags = [
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_CACHE_SYMLINKS,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_EXPORT_SUPPORT,
            InitFlags::FUSE_ASYNC_DIO,
            InitFlags::FUSE_NO_OPEN_SUPPORT,
            InitFlags::FUSE_NO_OPENDIR_SUPPORT,
        ];
        for flag in flags.into_iter().chain(by_time) {
            if config.add_capabilities(flag).is_err() {
                tracing::debug!(?flag, "the kernel lacks this");
            }
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.serve("lookup", parent, |volume, dir| {
            let fold = self.presentation.folds_case(volume.facts());
            match volume.lookup(dir, name.as_bytes(), fold) {
                Err(Error::NotFound) => Ok(ABSENT),
                found => self.attr(found?),
            }
        });
        match found {
            Ok(attr) => reply.entry(&self.keep(attr.ino), &attr, GENERATION),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.serve("getattr", ino, |_, node| self.attr(node)) {
            Ok(attr) => reply.attr(&self.keep(ino), &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.serve("readlink", ino, |volume, node| volume.read_link(node)) {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(errno),
        }
    }

    /// There is nothing to remember of an open file: the reply lets the kernel keep its pages and
    /// stop asking.
    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let len = usize::try_from(size).unwrap_or(usize::MAX);
        match self.serve("read", ino, |volume, node| volume.read(node, offset, len)) {
            // Bytes of the image's map go to the kernel unseen. It may have changed under them.
            Ok(Cow::Borrowed(mapped)) => {
                reply.data(mapped);
                if let Err(error) = self.volume.disc().confirm(Some(mapped)) {
                    self.reports.failed("read", ino.0, &error);
                    self.cache.forget(ino, offset, mapped.len());
                } else if offset == 0 {
                    self.push.read(NodeId::from_number(ino.0), mapped.len());
                }
            }
            Ok(Cow::Owned(bytes)) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let filled = self.fill("readdir", ino, offset, |entry, next| {
            let name = OsStr::from_bytes(entry.name);
            reply.add(self.ino(entry.node), next, self.kind(entry), name)
        });
        match filled {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let filled = self.fill("readdirplus", ino, offset, |entry, next| {
            self.add_with_attr(&mut reply, entry, next)
        });
        match filled {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let facts = self.volume.facts();
        let blocks = facts.volume_bytes.checked_div(facts.block_bytes.into()).unwrap_or(0);
        reply.statfs(blocks, 0, 0, 0, 0, facts.block_bytes, 255, facts.block_bytes);
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        if self.absence.asked(&self.volume) {
            return reply.error(Errno::ENOSYS);
        }
        let value =
            self.serve("getxattr", ino, |volume, node| xattr::value(volume, node, name.as_bytes()));
        send_xattr(value, size, reply);
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        if self.absence.asked(&self.volume) {
            return reply.error(Errno::ENOSYS);
        }
        send_xattr(self.serve("listxattr", ino, xattr::names), size, reply);
    }

    /// Nothing is written, so there is nothing to flush.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    /// The kernel treats a whole file as data by itself.
    fn lseek(&self, _: &Request, _: INodeNo, _: FileHandle, _: i64, _: i32, reply: ReplyLseek) {
        reply.error(Errno::ENOSYS);
    }
}

/// Sends what was asked for: a length where `size` is 0, else the bytes if there is room.
fn send_xattr(bytes: std::result::Result<Vec<u8>, Errno>, size: u32, reply: ReplyXattr) {
    match bytes.map(|bytes| (u32::try_from(bytes.len()).unwrap_or(u32::MAX), bytes)) {
        Ok((len, _)) if size == 0 => reply.size(len),
        Ok((len, _)) if len > size => reply.error(Errno::ERANGE),
        Ok((_, bytes)) => reply.data(&bytes),
        Err(errno) => reply.error(errno),
    }
}

impl Adapter {
    /// Adds one readdirplus entry. Attributes that are skipped or unreadable get a timeout of zero,
    /// so that the kernel asks again.
    fn add_with_attr(
        &self,
        reply: &mut ReplyDirectoryPlus,
        entry: &DirEntry<'_>,
        next: u64,
    ) -> bool {
        let has_attributes = entry.kind != Some(FileKind::Directory) || next <= DIRECTORIES_TOLD;
        let failed =
            |error: &Error| self.reports.failed("readdirplus", self.ino(entry.node).0, error);
        let known =
            has_attributes.then(|| self.attr(entry.node).inspect_err(failed).ok()).flatten();
        let (attr, ttl) = known.map_or_else(
            || (self.placeholder_attr(entry), Duration::ZERO),
            |attr| (attr, self.keep(attr.ino)),
        );
        reply.add(attr.ino, next, OsStr::from_bytes(entry.name), &ttl, &attr, GENERATION)
    }

    /// Inode number and kind alone, from the directory entry.
    fn placeholder_attr(&self, entry: &DirEntry<'_>) -> FileAttr {
        let kind = entry.kind.map_or(FileType::RegularFile, file_type);
        FileAttr { ino: self.ino(entry.node), kind, ..ABSENT }
    }
}
