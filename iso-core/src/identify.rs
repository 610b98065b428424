//! Finds out by its magic what a file is that is no disc image.
//! Looks at the first bytes, and at the few places where consoles keep theirs.

use crate::cache::Disc;
use crate::error::{Result, Site};
use crate::foreign::Foreign;
use crate::iso9660::{SECTOR_BYTES, SYSTEM_AREA_SECTORS};
use crate::num::{quotient, to_u64, to_usize};
use crate::origin;

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
    (0, b"QFI\xfb", Foreign::VirtualDisk("a QEMU disk image (qcow2)")),
    (0, b"KDMV", Foreign::VirtualDisk("a VMware disk image (vmdk)")),
    (0, b"# Disk DescriptorFile", Foreign::VirtualDisk("the description of a VMware disk (vmdk)")),
    (0, b"vhdxfile", Foreign::VirtualDisk("a Hyper-V disk image (vhdx)")),
    (0, b"conectix", Foreign::VirtualDisk("a Virtual PC disk image (vhd)")),
    (0x40, b"\x7f\x10\xda\xbe", Foreign::VirtualDisk("a VirtualBox disk image (vdi)")),
    (0, b"SEGA SEGASATURN ", Foreign::Console("the beginning of a Sega Saturn disc")),
    (0, b"SEGA SEGAKATANA ", Foreign::Console("the beginning of a Sega Dreamcast track")),
    (0, b"\x01ZZZZZ\x01", Foreign::Console("a 3DO disc")),
    (0x18, b"\x5d\x1c\x9e\xa3", Foreign::Console("a Nintendo Wii disc")),
    (0x1C, b"\xc2\x33\x9f\x3d", Foreign::Console("a Nintendo GameCube disc")),
    (0x8001, b"CD-I ", Foreign::Console("a CD-i disc")),
    (0, b"MSWIM\0\0\0", Foreign::Other("a Windows imaging file (WIM)")),
    (0, b"%PDF-", Foreign::Other("a PDF document")),
    (0, b"\x7fELF", Foreign::Other("a program")),
    (0, b"MZ", Foreign::Other("a Windows program")),
    (512, b"EFI PART", Foreign::Disk("a disk with a GPT, not a disc")),
    (510, b"\x55\xaa", Foreign::Disk("a disk with a master boot record, not a disc")),
];

/// The head of an Xbox volume, which lies at its sector 32.
const XBOX_HEAD: &[u8] = b"MICROSOFT*XBOX*MEDIA";

/// Bytes at which an Xbox volume begins: alone in its image, or the game partition behind the
/// video partition of a whole disc (Xbox; Xbox 360 of the second and third layout).
const XBOX_VOLUMES: [(u64, &str); 4] = [
    (0, "an Xbox or Xbox 360 disc"),
    (0x1830_0000, "an Xbox disc"),
    (0x0FD9_0000, "an Xbox 360 disc"),
    (0x0208_0000, "an Xbox 360 disc"),
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
    if let Some(kind) = xbox(disc)? {
        return Ok(Foreign::Console(kind));
    }
    if let Some(missing) = missing_before(&bytes) {
        return Ok(Foreign::CutHead(missing));
    }
    if let Some(at) = origin::far(disc) {
        let before = u64::try_from(disc.origin()).unwrap_or(0);
        return Ok(Foreign::Inside([before.saturating_add(at)].into_iter().collect()));
    }
    if is_zero(&bytes) && is_zero_behind(disc)? {
        return Ok(Foreign::Zeros);
    }
    Ok(text(bytes.get(..bytes.len().min(4096)).unwrap_or_default()))
}

/// Bytes that an image of ISO 9660 lacks at its beginning, if it does.
///
/// # Errors
/// `Io` if its first bytes cannot be read.
pub(crate) fn missing_head(disc: &Disc) -> Result<Option<u64>> {
    let len = SYSTEM_AREA_SECTORS.saturating_mul(SECTOR_BYTES).saturating_add(7).min(disc.len());
    let bytes = disc.metadata(0, to_usize(len), Site::new("first bytes", "none", 0))?;
    Ok(missing_before(&bytes))
}

/// Which Xbox volume lies at one of the known places.
fn xbox(disc: &Disc) -> Result<Option<&'static str>> {
    const HEAD_AT: u64 = 32 * SECTOR_BYTES;
    for (start, kind) in XBOX_VOLUMES {
        let at = start.saturating_add(HEAD_AT);
        if at.saturating_add(to_u64(XBOX_HEAD.len())) > disc.len() {
            continue;
        }
        let site = Site::new("Xbox volume", "none", at);
        if disc.metadata(at, XBOX_HEAD.len(), site)? == XBOX_HEAD {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

/// Bytes that are missing before the first volume descriptor, where one stands too early.
fn missing_before(bytes: &[u8]) -> Option<u64> {
    const DESCRIPTOR: &[u8] = b"\x01CD001\x01";
    let at = bytes.windows(DESCRIPTOR.len()).position(|window| window == DESCRIPTOR)?;
    SYSTEM_AREA_SECTORS.saturating_mul(SECTOR_BYTES).checked_sub(to_u64(at)).filter(|n| *n > 0)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Whether the middle and the end of a file hold zeros as well; all of it would be a long read.
fn is_zero_behind(disc: &Disc) -> Result<bool> {
    const SAMPLE_BYTES: u64 = 4096;
    let last = disc.len().saturating_sub(SAMPLE_BYTES);
    for at in [quotient(last, 2), last] {
        let len = to_usize(disc.len().saturating_sub(at).min(SAMPLE_BYTES));
        if !is_zero(&disc.metadata(at, len, Site::new("file", "none", at))?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Which kind of text the beginning of a file is, if it is one.
fn text(head: &[u8]) -> Foreign {
    let is_text = !head.contains(&0)
        && std::str::from_utf8(head).is_ok_and(|text| {
            text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0c'))
        });
    let page = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins =
        |mark: &[u8]| page.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    // A comment may stand before it.
    let is_page = || head.windows(5).any(|window| window.eq_ignore_ascii_case(b"<html"));
    if begins(b"<!doctype html") || begins(b"<html") || (begins(b"<!--") && is_page()) {
        return Foreign::WebPage;
    }
    if !is_text {
        return Foreign::Unknown;
    }
    let is_sheet =
        head.trim_ascii_start().starts_with(b"FILE ") || head.windows(6).any(|w| w == b"TRACK ");
    if is_sheet { Foreign::Sheet } else { Foreign::Text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    /// A file of zeros with a mark at a byte.
    fn with(at: usize, mark: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; at];
        bytes.extend(mark);
        bytes.resize(bytes.len().max(100_000), 0);
        bytes
    }

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
            (vec![0; 70_000], Foreign::Zeros),
            (vec![0; 9], Foreign::Zeros),
            (with(99_000, b"x"), Foreign::Unknown),
            (b"\n<!DOCTYPE html><html lang=\"en\">".to_vec(), Foreign::WebPage),
            (b"\xef\xbb\xbf<HTML>\xe9".to_vec(), Foreign::WebPage),
            (b"\n<!-- sorry -->\n<HTML>".to_vec(), Foreign::WebPage),
            (with(0, b"QFI\xfb"), Foreign::VirtualDisk("a QEMU disk image (qcow2)")),
            (with(0, b"KDMV\x01"), Foreign::VirtualDisk("a VMware disk image (vmdk)")),
            (with(0, b"vhdxfile"), Foreign::VirtualDisk("a Hyper-V disk image (vhdx)")),
            (with(0, b"conectix"), Foreign::VirtualDisk("a Virtual PC disk image (vhd)")),
            (
                with(0x40, b"\x7f\x10\xda\xbe"),
                Foreign::VirtualDisk("a VirtualBox disk image (vdi)"),
            ),
            (with(0, b"\x01ZZZZZ\x01"), Foreign::Console("a 3DO disc")),
            (with(0x18, b"\x5d\x1c\x9e\xa3"), Foreign::Console("a Nintendo Wii disc")),
            (with(0x1C, b"\xc2\x33\x9f\x3d"), Foreign::Console("a Nintendo GameCube disc")),
            (with(0, b"SEGA SEGASATURN "), Foreign::Console("the beginning of a Sega Saturn disc")),
            (
                with(0, b"SEGA SEGAKATANA "),
                Foreign::Console("the beginning of a Sega Dreamcast track"),
            ),
            (with(0x8000, b"\x01CD-I \x01"), Foreign::Console("a CD-i disc")),
            (with(0x10000, XBOX_HEAD), Foreign::Console("an Xbox or Xbox 360 disc")),
            (with(0x0208_0000 + 0x10000, XBOX_HEAD), Foreign::Console("an Xbox 360 disc")),
            (with(0x7800, b"\x01CD001\x01"), Foreign::CutHead(2048)),
            (with(0x7E00, b"\x01CD001\x01"), Foreign::CutHead(512)),
        ] {
            let disc = Disc::new(Box::new(bytes), Limits::default());
            assert_eq!(identify(&disc).unwrap(), want);
        }
    }
}
