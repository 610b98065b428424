//! What an image lies on: a disk of this machine, or something that may go away.
//! Asks the kernel about the opened file; reads nothing of it.

use std::fs::File;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use iso_core::source::Medium;

/// File systems that other machines or processes serve, by their `f_type`.
const SERVED: [u32; 11] = [
    0x6969,      // NFS
    0x517B,      // SMB
    0xFF53_4D42, // CIFS
    0xFE53_4D42, // SMB 2 and later
    0x0102_1997, // 9P
    0x6573_5546, // FUSE
    0x5346_414F, // AFS
    0x6B41_4653, // kAFS
    0x00C3_6400, // Ceph
    0x0BD0_0BD0, // Lustre
    0x7461_636F, // OCFS2
];

/// The medium of the files of an image: the worst of them.
pub(crate) fn of(files: &[File]) -> Medium {
    if files.iter().any(|file| is_served(file) || is_removable(file)) {
        Medium::Distant
    } else {
        Medium::Local
    }
}

/// Has the kernel read of block devices what is asked for and no more. Who reads the mount reads
/// ahead already; and a bad sector then fails the pages that it is in, not all that came with it.
pub(super) fn prepare(files: &[File]) {
    let is_device =
        |file: &&File| file.metadata().is_ok_and(|metadata| metadata.file_type().is_block_device());
    for file in files.iter().filter(is_device) {
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
    }
}

/// Tells the kernel that a range of an image will not be read again soon: whoever copied it out of
/// the mount has a copy in the kernel's cache already.
pub(super) fn drop_behind(file: &File, range: Range<u64>) {
    let len = NonZeroU64::new(range.end.saturating_sub(range.start));
    let _ = rustix::fs::fadvise(file, range.start, len, rustix::fs::Advice::DontNeed);
}

/// Whether another machine or process keeps what a descriptor leads to.
pub(crate) fn is_served(file: impl AsFd) -> bool {
    let Ok(facts) = rustix::fs::fstatfs(file) else { return false };
    SERVED.iter().any(|kind| i64::from(*kind) == facts.f_type & 0xFFFF_FFFF)
}

/// Whether the kernel says that the disk below can be taken out.
fn is_removable(file: &File) -> bool {
    let Ok(metadata) = file.metadata() else { return false };
    let device = if metadata.is_file() { metadata.dev() } else { metadata.rdev() };
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    // A partition has the flag in its disk's folder, one above its own.
    ["removable", "../removable"].iter().any(|flag| {
        let path = format!("/sys/dev/block/{number}/{flag}");
        std::fs::read(path).is_ok_and(|text| text.starts_with(b"1"))
    })
}
