//! The room that is left where files are extracted to, and what kind of file system that is.
//! Asks the kernel; writes nothing.

use std::os::fd::OwnedFd;

use crate::unix::mount::medium;

/// File systems that store every byte that is written: they neither compress nor share blocks by
/// themselves. By their `f_type`.
const STORE_EVERYTHING: [u32; 5] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x0102_1994, // tmpfs
    0x4D44,      // FAT
    0x2011_BAB0, // exFAT
];

/// The room that is left.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Room {
    /// Bytes that this user may write.
    pub(in super::super) free: u64,
    /// Files and directories that this user may make, where their number is bounded.
    pub(in super::super) files: Option<u64>,
    /// Whether every byte that is written takes room.
    pub(in super::super) stores_everything: bool,
}

/// The room that a directory's file system has left, if that says how large it is.
/// What is kept for root counts for root alone.
pub(super) fn of(directory: &OwnedFd, is_root: bool) -> Option<Room> {
    let facts = rustix::fs::fstatvfs(directory).ok().filter(|facts| facts.f_blocks > 0)?;
    let kind = rustix::fs::fstatfs(directory).ok()?.f_type;
    let blocks = if is_root { facts.f_bfree } else { facts.f_bavail };
    let files = if is_root { facts.f_ffree } else { facts.f_favail };
    Some(Room {
        free: blocks.saturating_mul(facts.f_frsize),
        files: (facts.f_files > 0).then_some(files),
        stores_everything: STORE_EVERYTHING.iter().any(|k| i64::from(*k) == kind & 0xFFFF_FFFF),
    })
}

/// Whether another machine or process keeps the files of a directory.
pub(super) fn is_served(directory: &OwnedFd) -> bool {
    medium::is_served(directory)
}
