//! What a disc records about a file, as Windows expects it: attributes, times, sizes.
//! Conversion only; which file it is, `tree` finds out.

use iso_core::Timestamp;
use iso_core::volume::{Attr, FileKind};

use crate::link::TAG_SYMLINK;

/// Bits of the attributes of a file.
pub mod attribute {
    /// It may not be written.
    pub const READ_ONLY: u32 = 0x1;
    /// It is not listed unless asked for.
    pub const HIDDEN: u32 = 0x2;
    /// It is the system's business.
    pub const SYSTEM: u32 = 0x4;
    /// It is a directory.
    pub const DIRECTORY: u32 = 0x10;
    /// None of the others.
    pub const NORMAL: u32 = 0x80;
    /// It is a link.
    pub const REPARSE_POINT: u32 = 0x400;
}

/// Seconds from 1601, where the clock of Windows begins, to 1970.
const SECONDS_1601_TO_1970: i64 = 11_644_473_600;

/// The facts of a file as Windows expects them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileInfo {
    /// Bits of [`attribute`].
    pub attributes: u32,
    /// What kind of link it is, if it is one.
    pub reparse_tag: u32,
    /// Bytes of whole sectors.
    pub allocation_bytes: u64,
    /// Bytes.
    pub bytes: u64,
    /// When it was made, in steps of 100 ns since 1601.
    pub created: u64,
    /// When it was last read.
    pub accessed: u64,
    /// When its bytes were last written.
    pub written: u64,
    /// When anything of it was last changed.
    pub changed: u64,
    /// The same number for as long as the disc is the same; never 0.
    pub index: u64,
}

/// How a file is to be shown beyond what the disc records of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    pub(crate) is_hidden: bool,
    /// Whether files carry the read-only attribute, as the CD driver of Windows shows them.
    pub(crate) read_only: bool,
    /// Whether a link leads to a directory.
    pub(crate) leads_to_directory: bool,
}

impl FileInfo {
    pub(crate) fn of(attr: &Attr, shown: Shown) -> Self {
        let has_bytes = attr.kind == FileKind::Regular;
        let bytes = if has_bytes { attr.size } else { 0 };
        Self {
            attributes: attributes(attr.kind, shown),
            reparse_tag: if attr.kind == FileKind::Symlink { TAG_SYMLINK } else { 0 },
            allocation_bytes: bytes.checked_next_multiple_of(2048).unwrap_or(u64::MAX),
            bytes,
            created: file_time(attr.created.unwrap_or(attr.modified)),
            accessed: file_time(attr.accessed),
            written: file_time(attr.modified),
            changed: file_time(attr.changed),
            index: attr.node.number().saturating_add(1),
        }
    }
}

/// Devices, pipes and sockets are empty system files: seen, and harmless to copy.
const fn attributes(kind: FileKind, shown: Shown) -> u32 {
    let kind = match kind {
        FileKind::Directory => attribute::DIRECTORY,
        FileKind::Symlink if shown.leads_to_directory => {
            attribute::REPARSE_POINT | attribute::DIRECTORY
        }
        FileKind::Symlink => attribute::REPARSE_POINT,
        FileKind::Regular if shown.read_only => attribute::READ_ONLY,
        FileKind::Regular if shown.is_hidden => 0,
        FileKind::Regular => attribute::NORMAL,
        FileKind::BlockDevice | FileKind::CharDevice | FileKind::Fifo | FileKind::Socket => {
            attribute::SYSTEM
        }
    };
    if shown.is_hidden { kind | attribute::HIDDEN } else { kind }
}

/// A time on the clock of Windows; 0, which means none, for one before 1601.
#[must_use]
pub fn file_time(time: Timestamp) -> u64 {
    let seconds = i128::from(time.seconds).saturating_add(SECONDS_1601_TO_1970.into());
    let steps = seconds.saturating_mul(10_000_000);
    let steps = steps.saturating_add(i128::from(time.nanoseconds / 100));
    u64::try_from(steps.clamp(0, i64::MAX.into())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_1601() {
        for (seconds, nanoseconds, want) in [
            (0, 0, 116_444_736_000_000_000),
            (1_290_297_600, 999, 129_347_712_000_000_009),
            (-11_644_473_600, 0, 0),
            (i64::MIN, 0, 0),
            (i64::MAX, 0, i64::MAX.cast_unsigned()),
        ] {
            assert_eq!(file_time(Timestamp { seconds, nanoseconds }), want, "{seconds}");
        }
    }

    #[test]
    fn each_kind_has_its_attributes() {
        let plain = Shown::default();
        let hidden = Shown { is_hidden: true, ..plain };
        let read_only = Shown { read_only: true, ..plain };
        let to_directory = Shown { leads_to_directory: true, ..plain };
        for (kind, shown, want) in [
            (FileKind::Regular, plain, 0x80),
            (FileKind::Regular, hidden, 0x2),
            (FileKind::Regular, read_only, 0x1),
            (FileKind::Directory, plain, 0x10),
            (FileKind::Directory, hidden, 0x12),
            (FileKind::Directory, read_only, 0x10),
            (FileKind::Symlink, plain, 0x400),
            (FileKind::Symlink, to_directory, 0x410),
            (FileKind::Fifo, plain, 0x4),
        ] {
            assert_eq!(attributes(kind, shown), want, "{kind:?} {shown:?}");
        }
    }
}
