//! The partitions of a disc that can also be used as a disk, by its master boot record, its GUID
//! partition table (UEFI 2.10, 5.2, 5.3) and its Apple partition map. Reads the tables alone; on
//! an isohybrid disc the partitions overlap with the disc's own file systems on purpose.

use zerocopy::FromBytes;

use super::disk::{AppleEntry, GptEntry, GptHeader, MbrEntry};
use crate::cache::Disc;
use crate::error::Site;
use crate::num::{to_u64, to_usize};
use crate::text::{decode_utf16_be, trim_padding};

/// Which table names a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The master boot record.
    Mbr,
    /// The GUID partition table.
    Gpt,
    /// The Apple partition map.
    Apple,
}

/// A partition of a disc that can also be used as a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Which table names it.
    pub scheme: Scheme,
    /// Its number there, from 1.
    pub number: u64,
    /// Byte at which it begins.
    pub at: u64,
    /// Bytes.
    pub len: u64,
    /// Its type: two hex digits, a GUID, or the word of an Apple partition map.
    pub kind: String,
    /// Its name, where the table has one; WTF-8.
    pub name: Vec<u8>,
}

const SECTOR_BYTES: u64 = 512;

/// Where the entries of a master boot record begin, and the mark behind them.
const MBR_ENTRIES_AT: usize = 446;
const MBR_MARK: [u8; 2] = [0x55, 0xAA];

/// Types of partitions that hold others.
const EXTENDED: [&str; 3] = ["05", "0f", "85"];

/// The partitions that the tables at the beginning of the image name; none where there is no
/// table, or what stands there is none.
pub(crate) fn partitions(disc: &Disc) -> Vec<Partition> {
    let site = Site::new("master boot record", "UEFI 2.10 5.2.1", 0);
    let Ok(sector) = disc.metadata(0, to_usize(SECTOR_BYTES), site) else { return Vec::new() };
    let mut found = master(&sector, 0);
    let extended = found.iter().find(|partition| EXTENDED.contains(&partition.kind.as_str()));
    if let Some(at) = extended.map(|partition| partition.at) {
        found.extend(logical(disc, at));
    }
    // A disk with sectors of 4096 bytes counts in those (UEFI 2.10, 5.3.1).
    for block_bytes in [SECTOR_BYTES, 2048, 4096] {
        found.extend(guid(disc, block_bytes));
    }
    found.extend(apple_partitions(disc));
    found
}

/// The partitions in the extended one that begins at byte `first`: a chain of boot records, each
/// with a partition, counted from itself, and the next record, counted from the extended
/// partition's beginning. Numbers begin at 5, as systems count.
fn logical(disc: &Disc, first: u64) -> Vec<Partition> {
    let mut found = Vec::new();
    let mut at = first;
    for number in (5..).take(to_usize(disc.limits().partitions)) {
        let site = Site::new("extended boot record", "none", at);
        let Ok(sector) = disc.metadata(at, to_usize(SECTOR_BYTES), site) else { break };
        let (links, volumes): (Vec<_>, Vec<_>) = master(&sector, at)
            .into_iter()
            .partition(|partition| EXTENDED.contains(&partition.kind.as_str()));
        found.extend(volumes.into_iter().take(1).map(|volume| Partition { number, ..volume }));
        // The link is counted from elsewhere; one that leads back would go in a circle.
        let next = links.first().map(|link| link.at.saturating_sub(at).saturating_add(first));
        match next {
            Some(next) if next > at => at = next,
            _ => break,
        }
    }
    found
}

/// The partitions of an Apple partition map. Maps of discs count in blocks of 512 bytes or in
/// those of the disc, and a few carry both.
pub(crate) fn apple_partitions(disc: &Disc) -> Vec<Partition> {
    let mut found: Vec<Partition> = Vec::new();
    for block_bytes in [SECTOR_BYTES, 2048] {
        let entry = |index: u64| {
            let at = index.saturating_mul(block_bytes);
            let site = Site::new("partition map", "Inside Macintosh: Devices 3-25", at);
            let bytes = disc.metadata(at, size_of::<AppleEntry>(), site).ok()?;
            let entry = AppleEntry::read_from_bytes(&bytes).ok()?;
            (entry.signature == *b"PM").then_some((index, entry))
        };
        let entries = (1..=disc.limits().partitions).map_while(entry);
        found.extend(entries.map(|(number, entry)| Partition {
            scheme: Scheme::Apple,
            number,
            at: u64::from(entry.start.get()).saturating_mul(block_bytes),
            len: u64::from(entry.blocks.get()).saturating_mul(block_bytes),
            kind: word(&entry.kind),
            name: entry.name.iter().copied().take_while(|byte| *byte != 0).collect(),
        }));
    }
    found
}

/// The partitions in a master boot record, which lies at byte `base`.
pub(super) fn master(sector: &[u8], base: u64) -> Vec<Partition> {
    let entries = sector.get(MBR_ENTRIES_AT..510).unwrap_or_default();
    if sector.get(510..512) != Some(&MBR_MARK) {
        return Vec::new();
    }
    let entries = entries.chunks_exact(size_of::<MbrEntry>()).zip(1u64..);
    let parsed = entries.filter_map(|(raw, number)| {
        let entry = MbrEntry::read_from_bytes(raw).ok()?;
        // A boot sector of a file system carries the mark as well, and code in place of a table.
        let is_one = matches!(entry.status, 0 | 0x80) && entry.kind != 0;
        (is_one && entry.sectors.get() > 0).then(|| Partition {
            scheme: Scheme::Mbr,
            number,
            at: base.saturating_add(u64::from(entry.first.get()).saturating_mul(SECTOR_BYTES)),
            len: u64::from(entry.sectors.get()).saturating_mul(SECTOR_BYTES),
            kind: format!("{:02x}", entry.kind),
            name: Vec::new(),
        })
    });
    parsed.collect()
}

/// A word of an Apple partition map. They are ASCII, and what is none is not passed on.
fn word(field: &[u8; 32]) -> String {
    let text = field.iter().take_while(|byte| **byte != 0).copied().map(char::from);
    text.map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

fn guid(disc: &Disc, block_bytes: u64) -> Vec<Partition> {
    let site = Site::new("GUID partition table", "UEFI 2.10 5.3.2", block_bytes);
    let Ok(bytes) = disc.metadata(block_bytes, size_of::<GptHeader>(), site) else {
        return Vec::new();
    };
    let Ok(header) = GptHeader::read_from_bytes(&bytes) else { return Vec::new() };
    let entry_bytes = u64::from(header.entry_bytes.get());
    if header.signature != *b"EFI PART" || entry_bytes < to_u64(size_of::<GptEntry>()) {
        return Vec::new();
    }
    let start = header.entries_at.get().saturating_mul(block_bytes);
    let count = u64::from(header.entries.get()).min(disc.limits().partitions);
    let entry = |index: u64| {
        let at = start.checked_add(index.checked_mul(entry_bytes)?)?;
        let bytes = disc.metadata(at, size_of::<GptEntry>(), site).ok()?;
        let entry = GptEntry::read_from_bytes(&bytes).ok().filter(|e| e.kind != [0; 16])?;
        let blocks = entry.last.get().checked_sub(entry.first.get())?.checked_add(1)?;
        let utf16: Vec<u8> =
            entry.name.chunks_exact(2).flat_map(|p| p.iter().rev()).copied().collect();
        Some(Partition {
            scheme: Scheme::Gpt,
            number: index.saturating_add(1),
            at: entry.first.get().checked_mul(block_bytes)?,
            len: blocks.checked_mul(block_bytes)?,
            kind: guid_text(&entry.kind),
            name: trim_padding(&decode_utf16_be(&utf16)).to_vec(),
        })
    };
    (0..count).filter_map(entry).collect()
}

/// A GUID as it is written: three numbers little-endian, then bytes (UEFI 2.10, appendix A).
fn guid_text(raw: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = raw;
    let ordered = [d, c, b, a, f, e, h, g].into_iter().chain(rest);
    let mut text = String::new();
    for (index, byte) in ordered.enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_record_names_partitions_and_a_boot_sector_with_code_there_does_not() {
        let mut sector = vec![0u8; 512];
        sector[446..462].copy_from_slice(&[0x80, 0, 0, 0, 0xEF, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0]);
        sector[462..478].copy_from_slice(&[0x33, 0, 0, 0, 0xEF, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0]);
        assert_eq!(master(&sector, 0), []);
        sector[510..].copy_from_slice(&MBR_MARK);
        let found = master(&sector, 2048);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].at, found[0].len, found[0].kind.as_str()), (4096, 4608, "ef"));
    }

    #[test]
    fn guids_are_written_in_mixed_order() {
        let raw = [
            0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0, 0xA0, 0xC9, 0x3E, 0xC9,
            0x3B,
        ];
        assert_eq!(guid_text(&raw), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    }
}
