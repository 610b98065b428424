//! Converts attributes of the core to those of FUSE.
//! Conversion only; which mode and owner to show is the core's `Presentation`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};
use iso_core::Timestamp;
use iso_core::volume::{Attr, FileKind, Stat};

/// A file's attributes under the inode number `ino`.
pub(crate) fn file_attr(ino: INodeNo, attr: &Attr, stat: Stat, block_bytes: u32) -> FileAttr {
    FileAttr {
        ino,
        size: attr.size,
        blocks: attr.size.div_ceil(512),
        atime: system_time(attr.accessed),
        mtime: system_time(attr.modified),
        ctime: system_time(attr.changed),
        crtime: system_time(attr.created.unwrap_or(attr.modified)),
        kind: file_type(attr.kind),
        perm: stat.permissions,
        nlink: stat.links,
        uid: stat.uid,
        gid: stat.gid,
        rdev: stat.device.packed(),
        blksize: block_bytes,
        flags: 0,
    }
}

/// The kernel's name for a kind of file.
pub(crate) const fn file_type(kind: FileKind) -> FileType {
    match kind {
        FileKind::Directory => FileType::Directory,
        FileKind::Regular => FileType::RegularFile,
        FileKind::Symlink => FileType::Symlink,
        FileKind::BlockDevice => FileType::BlockDevice,
        FileKind::CharDevice => FileType::CharDevice,
        FileKind::Fifo => FileType::NamedPipe,
        FileKind::Socket => FileType::Socket,
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole = if time.seconds < 0 {
        UNIX_EPOCH.checked_sub(seconds)
    } else {
        UNIX_EPOCH.checked_add(seconds)
    };
    let nanoseconds = Duration::from_nanos(time.nanoseconds.into());
    whole.and_then(|whole| whole.checked_add(nanoseconds)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iso_core::volume::Device;

    #[test]
    fn times_before_1970_count_backwards_and_nanoseconds_forwards() {
        let time = system_time(Timestamp { seconds: -2, nanoseconds: 500_000_000 });
        assert_eq!(UNIX_EPOCH.duration_since(time).unwrap(), Duration::from_millis(1500));
    }

    #[test]
    fn device_numbers_are_packed_as_linux_does() {
        for (major, minor) in [(8, 1), (4000, 255), (10, 70_000), (0xFFF, 0xF_FFFF)] {
            let device = u64::from(Device { major, minor }.packed());
            assert_eq!(rustix::fs::major(device), major);
            assert_eq!(rustix::fs::minor(device), minor);
        }
    }
}
