//! What a file is that is no disc image: named by its magic, so that people know what to try.
//! Looks at the first bytes and reads nothing else.

use std::fmt;

use crate::cache::Disc;
use crate::error::{Result, Site};
use crate::num::to_usize;

/// What was found in place of a disc file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A file of no bytes.
    Empty,
    /// A text file.
    Text,
    /// A text that describes a disc and names the file with its sectors.
    Sheet,
    /// A compressed file or an archive, which may hold an image.
    Packed(&'static str),
    /// The image of a disk, not of a disc.
    Disk(&'static str),
    /// A disc image in a wrapping that isodrive does not read.
    Wrapped(&'static str),
    /// A disc file system that isodrive does not read.
    OtherFileSystem(&'static str),
    /// Some other kind of file.
    Other(&'static str),
    /// Nothing that is known.
    Unknown,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty file",
            Self::Text => "a text file",
            Self::Sheet => "a cue sheet, which names the file with the sectors",
            Self::Packed(kind)
            | Self::Disk(kind)
            | Self::Wrapped(kind)
            | Self::OtherFileSystem(kind)
            | Self::Other(kind) => kind,
            Self::Unknown => "no ISO 9660 or UDF volume, nor anything else that is known",
        })
    }
}

/// Position, magic and what it means; the first that fits counts.
const MAGICS: &[(usize, &[u8], Foreign)] = &[
    (0, b"\x1f\x8b", Foreign::Packed("compressed by gzip")),
    (0, b"\xfd7zXZ\0", Foreign::Packed("compressed by xz")),
    (0, b"\x28\xb5\x2f\xfd", Foreign::Packed("compressed by zstd")),
    (0, b"BZh", Foreign::Packed("compressed by bzip2")),
    (0, b"PK\x03\x04", Foreign::Packed("a ZIP archive")),
    (0, b"7z\xbc\xaf\x27\x1c", Foreign::Packed("a 7-Zip archive")),
    (0, b"Rar!\x1a\x07", Foreign::Packed("a RAR archive")),
    (257, b"ustar", Foreign::Packed("a tar archive")),
    (0, b"MComprHD", Foreign::Wrapped("a CHD image, which isodrive does not read")),
    (0, b"CISO", Foreign::Wrapped("a CSO image, which isodrive does not read")),
    (0, b"ZISO", Foreign::Wrapped("a ZSO image, which isodrive does not read")),
    (0, b"DAX\0", Foreign::Wrapped("a DAX image, which isodrive does not read")),
    (0, b"IsZ!", Foreign::Wrapped("an ISZ image, which isodrive does not read")),
    (0, b"DAA\0", Foreign::Wrapped("a DAA image, which isodrive does not read")),
    (0, b"MEDIA DESCRIPTOR", Foreign::Wrapped("an MDS descriptor, which isodrive does not read")),
    (
        0,
        b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0",
        Foreign::Wrapped("an image of raw CD sectors, which isodrive does not read"),
    ),
    (3, b"NTFS    ", Foreign::Disk("an NTFS disk, not a disc")),
    (3, b"EXFAT   ", Foreign::Disk("an exFAT disk, not a disc")),
    (82, b"FAT32   ", Foreign::Disk("a FAT disk, not a disc")),
    (54, b"FAT1", Foreign::Disk("a FAT disk, not a disc")),
    (0x438, b"\x53\xef", Foreign::Disk("an ext2, ext3 or ext4 disk, not a disc")),
    (0, b"hsqs", Foreign::Disk("a squashfs image")),
    (0, b"QFI\xfb", Foreign::Disk("a QEMU disk image")),
    (0, b"MSWIM\0\0\0", Foreign::Other("a Windows imaging file (WIM)")),
    (0, b"%PDF-", Foreign::Other("a PDF document")),
    (0, b"\x7fELF", Foreign::Other("a program")),
    (0, b"MZ", Foreign::Other("a Windows program")),
    (512, b"EFI PART", Foreign::Disk("a disk with a GPT, not a disc")),
    (510, b"\x55\xaa", Foreign::Disk("a disk with a master boot record, not a disc")),
];

/// Says what a file is in which no disc file system was found.
///
/// # Errors
/// `Io` if its first bytes cannot be read.
pub(crate) fn identify(disc: &Disc) -> Result<Foreign> {
    const LOOKED_AT: u64 = 0x8010;
    if disc.is_empty() {
        return Ok(Foreign::Empty);
    }
    let site = Site::new("first bytes", "none", 0);
    let bytes = disc.metadata(0, to_usize(disc.len().min(LOOKED_AT)), site)?;
    let fits = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|b| b.starts_with(magic));
    if let Some((_, _, foreign)) = MAGICS.iter().find(|(at, magic, _)| fits(*at, magic)) {
        return Ok(*foreign);
    }
    let head = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let is_text = !head.contains(&0)
        && std::str::from_utf8(head).is_ok_and(|text| {
            text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0c'))
        });
    if !is_text {
        return Ok(Foreign::Unknown);
    }
    let is_sheet =
        head.trim_ascii_start().starts_with(b"FILE ") || head.windows(6).any(|w| w == b"TRACK ");
    Ok(if is_sheet { Foreign::Sheet } else { Foreign::Text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn files_that_are_no_discs_are_named() {
        let mut ext4 = vec![0; 0x500];
        ext4[0x438..0x43A].copy_from_slice(b"\x53\xef");
        for (bytes, want) in [
            (Vec::new(), Foreign::Empty),
            (b"hello\nworld\n".to_vec(), Foreign::Text),
            (b"FILE \"a.bin\" BINARY\n  TRACK 01 MODE1/2352\n".to_vec(), Foreign::Sheet),
            (b"\x1f\x8b\x08".to_vec(), Foreign::Packed("compressed by gzip")),
            (ext4, Foreign::Disk("an ext2, ext3 or ext4 disk, not a disc")),
            (vec![0; 70_000], Foreign::Unknown),
        ] {
            let disc = Disc::new(Box::new(bytes), Limits::default());
            assert_eq!(identify(&disc).unwrap(), want);
        }
    }
}
