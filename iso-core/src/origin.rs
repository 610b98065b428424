//! Where in an image a volume begins, when none can be opened at its first byte: in a partition, or
//! behind the pause before a CD's first track. Reads a bounded number of sectors; opens nothing.

use crate::boot::partitions;
use crate::cache::Disc;
use crate::error::Site;
use crate::foreign::{Foreign, Places};
use crate::iso9660::SECTOR_BYTES;
use crate::num::to_u64;

/// Sectors in which the beginning of a volume is looked for behind a pause. The usual pause is one
/// of two seconds, 150 sectors (ECMA-130 20).
const PAUSE_SECTORS: u64 = 450;

/// Sectors in which the root directory of a track is looked for that was copied alone.
const ROOT_SECTORS: u64 = 256;

/// Sector of the first volume descriptor (ECMA-119 6.2.1, ECMA-167 3/8.3).
const DESCRIPTORS: u64 = 16;

/// Says where there is a volume that begins elsewhere, or whose block numbers count from elsewhere.
pub(crate) fn elsewhere(disc: &Disc) -> Option<Foreign> {
    let mut places = Places::default();
    for partition in partitions(disc) {
        if partition.at > 0 && has_descriptor(disc, partition.at) {
            places.add(partition.at);
        }
    }
    if places.is_empty() && !has_descriptor(disc, 0) {
        let mut behind = (1..=PAUSE_SECTORS).map(|sector| sector.saturating_mul(SECTOR_BYTES));
        if let Some(at) = behind.find(|at| has_descriptor(disc, *at)) {
            places.add(at);
        }
    }
    if places.is_empty() {
        return counted_from(disc).map(Foreign::Track);
    }
    Some(Foreign::Inside(places))
}

/// Whether a primary volume descriptor stands in the 16th sector from a place on, or a part of a
/// volume recognition sequence.
fn has_descriptor(disc: &Disc, at: u64) -> bool {
    const HEADS: [&[u8]; 3] = [b"\x01CD001", b"\0BEA01", b"\0NSR0"];
    let at = at.saturating_add(DESCRIPTORS.saturating_mul(SECTOR_BYTES));
    let head = sector_at(disc, at, 8);
    head.is_some_and(|head| HEADS.iter().any(|known| head.starts_with(known)))
}

/// The sector from which the block numbers count of a track that was copied alone: its root
/// directory stands earlier than the descriptor says, by as much as its own record says
/// (ECMA-119 6.8.2.2).
fn counted_from(disc: &Disc) -> Option<u64> {
    const ROOT_RECORD: usize = 156;
    let descriptor = sector_at(disc, DESCRIPTORS.saturating_mul(SECTOR_BYTES), 190)?;
    if !descriptor.starts_with(b"\x01CD001") {
        return None;
    }
    let root = descriptor.get(ROOT_RECORD..ROOT_RECORD.saturating_add(34))?;
    // Where the extent lies, in both orders of bytes, and its length.
    let place = root.get(2..18)?;
    let number = u64::from(u32::from_le_bytes(place.get(..4)?.try_into().ok()?));
    let own = |sector: &u64| {
        let record = sector_at(disc, sector.saturating_mul(SECTOR_BYTES), 34);
        record.is_some_and(|record| {
            record.first() >= Some(&34)
                && record.get(2..18) == Some(place)
                && record.get(32..34) == Some(&[1, 0])
        })
    };
    let first = DESCRIPTORS.saturating_add(1);
    let sector = (first..first.saturating_add(ROOT_SECTORS)).find(own)?;
    number.checked_sub(sector).filter(|base| *base > 0)
}

fn sector_at(disc: &Disc, at: u64, len: usize) -> Option<Vec<u8>> {
    let is_there = at.saturating_add(to_u64(len)) <= disc.len();
    let site = Site::new("sector", "ECMA-119 6.1", at);
    is_there.then(|| disc.metadata(at, len, site).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn found(image: Vec<u8>) -> Option<Foreign> {
        elsewhere(&Disc::new(Box::new(image), Limits::default()))
    }

    /// An image with a volume descriptor behind so many bytes.
    fn behind(bytes: usize, head: &[u8]) -> Vec<u8> {
        let at = bytes.saturating_add(32_768);
        let mut image = vec![0; at.saturating_add(4096)];
        image[at..][..head.len()].copy_from_slice(head);
        image
    }

    fn places(found: Option<Foreign>) -> Vec<u64> {
        match found {
            Some(Foreign::Inside(places)) => places.iter().collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_volume_behind_a_pause_or_in_partitions_is_found() {
        for (bytes, head) in
            [(150 * 2048, b"\x01CD001"), (75 * 2048, b"\0BEA01"), (2048, b"\0NSR03")]
        {
            assert_eq!(places(found(behind(bytes, head))), [to_u64(bytes)]);
        }
        assert_eq!(found(behind(451 * 2048, b"\x01CD001")), None);
        let mut disk = behind(4 << 20, b"\x01CD001");
        disk[(1 << 20) + 32_768..][..6].copy_from_slice(b"\0NSR02");
        for (entry, first, len) in [(446, 2048u32, 4096u32), (462, 8192, 64)] {
            disk[entry + 4] = 0x83;
            disk[entry + 8..][..4].copy_from_slice(&first.to_le_bytes());
            disk[entry + 12..][..4].copy_from_slice(&len.to_le_bytes());
        }
        disk[510..512].copy_from_slice(&[0x55, 0xAA]);
        assert_eq!(places(found(disk)), [1 << 20, 4 << 20]);
    }

    #[test]
    fn a_track_whose_numbers_count_from_elsewhere_is_known() {
        let mut image = vec![0; 40 * 2048];
        let mut record = vec![34, 0];
        record.extend(45_020u32.to_le_bytes());
        record.extend(45_020u32.to_be_bytes());
        record.extend([0, 8, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 1, 1, 0]);
        image[32_768..][..6].copy_from_slice(b"\x01CD001");
        image[34_816..][..6].copy_from_slice(b"\xFFCD001");
        image[32_768 + 156..][..34].copy_from_slice(&record);
        assert_eq!(found(image.clone()), None, "no root directory");
        image[20 * 2048..][..34].copy_from_slice(&record);
        assert_eq!(found(image), Some(Foreign::Track(45_000)));
    }
}
