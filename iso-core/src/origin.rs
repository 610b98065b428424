//! Where in an image a volume begins, when none can be opened at its first byte: in a partition,
//! behind the pause before a CD's first track, or in a track that was copied without those before
//! it. Reads a bounded number of sectors; opens nothing.

use crate::boot::partitions;
use crate::cache::{Disc, Origin};
use crate::error::Site;
use crate::iso9660::SECTOR_BYTES;
use crate::num::{to_u64, to_usize};

/// Sector of the first volume descriptor (ECMA-119 6.2.1, ECMA-167 3/8.3).
const DESCRIPTORS: u64 = 16;

/// Where volumes begin in an image that does not begin with one, in the order of their places.
pub(crate) fn elsewhere(disc: &Disc) -> Vec<Origin> {
    let mut starts = in_partitions(disc);
    if starts.is_empty() && !has_descriptor(disc, 0) {
        let sectors = 1..=disc.limits().pause_sectors;
        let mut behind = sectors.map(|sector| sector.saturating_mul(SECTOR_BYTES));
        starts.extend(behind.find(|at| has_descriptor(disc, *at)));
    }
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    let origins = starts.iter().zip(ends).filter_map(|(at, end)| Origin::new(*at, end));
    origins.take(disc.limits().volume_places).collect()
}

/// The volume that begins at a byte of the image.
pub(crate) fn at(disc: &Disc, start: u64) -> Option<Origin> {
    Origin::new(start, in_partitions(disc).into_iter().find(|at| *at > start))
}

/// Where volumes begin in partitions, in order. Each ends where the next one begins: what stands
/// there would pass for a later session of this one. The length in the partition's table says less,
/// since it may lie and cut the volume.
fn in_partitions(disc: &Disc) -> Vec<u64> {
    let mut starts: Vec<u64> = partitions(disc).iter().map(|partition| partition.at).collect();
    starts.retain(|at| *at > 0 && has_descriptor(disc, *at));
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// Byte at which a volume begins where none is looked for when an image is opened: after a header,
/// or far from the beginning. It opens there by its numbers.
pub(crate) fn far(disc: &Disc) -> Option<u64> {
    if disc.begin() > 0 {
        return None;
    }
    let descriptors = DESCRIPTORS.saturating_mul(SECTOR_BYTES);
    let head = bytes_at(disc, 0, to_usize(disc.len().min(disc.limits().sought_bytes)))?;
    let is_word = |word: &&[u8]| matches!(*word, b"CD001" | b"BEA01");
    let words = head.windows(5).enumerate().filter(|(_, word)| is_word(word));
    // The type of a descriptor stands before its identifier.
    let starts = words.filter_map(|(at, _)| to_u64(at).checked_sub(descriptors.saturating_add(1)));
    starts.filter(|start| *start > 0).find(|start| opens_at(disc, *start))
}

/// Whether a volume begins at a byte: a root directory stands where its descriptor says, or UDF is
/// announced (ECMA-167 3/9.1).
fn opens_at(disc: &Disc, start: u64) -> bool {
    if Root::read(disc, start).is_some_and(|root| root.stands_at(disc, start)) {
        return true;
    }
    let descriptor = |number: u64| {
        let sector = DESCRIPTORS.saturating_add(number);
        bytes_at(disc, start.saturating_add(sector.saturating_mul(SECTOR_BYTES)), 5)
    };
    let is = |number, word: &[u8]| descriptor(number).is_some_and(|found| found == word);
    is(0, b"\0BEA0") && is(1, b"\0NSR0")
}

/// The disc of which an image is one track, if its numbers say so.
pub(crate) fn track(disc: &Disc) -> Option<Origin> {
    let bytes = i64::try_from(counted_from(disc)?).ok()?;
    Some(Origin { at: bytes.saturating_neg(), end: None })
}

/// Whether the numbers of what begins behind a volume count from there and not from the beginning
/// of the disc: the second layer of a PS2 DVD, or an image that was put behind another one.
pub(crate) fn counts_from_itself(disc: &Disc, at: u64) -> bool {
    Root::read(disc, at).is_some_and(|root| !root.stands_at(disc, 0) && root.stands_at(disc, at))
}

/// Whether a primary volume descriptor stands in the 16th sector from a place on, or a part of a
/// volume recognition sequence.
fn has_descriptor(disc: &Disc, at: u64) -> bool {
    const HEADS: [&[u8]; 3] = [b"\x01CD001", b"\0BEA01", b"\0NSR0"];
    let at = at.saturating_add(DESCRIPTORS.saturating_mul(SECTOR_BYTES));
    let head = bytes_at(disc, at, 8);
    head.is_some_and(|head| HEADS.iter().any(|known| head.starts_with(known)))
}

/// Bytes of the disc before a track that was copied alone: its root directory and its path table
/// stand earlier than the descriptor says, by as much as they say themselves
/// (ECMA-119 6.8.2.2, 6.9.1).
fn counted_from(disc: &Disc) -> Option<u64> {
    let root = Root::read(disc, 0)?;
    let first = DESCRIPTORS.saturating_add(1);
    let sectors = first..first.saturating_add(disc.limits().track_root_sectors);
    let mut places = sectors.map(|sector| sector.saturating_mul(SECTOR_BYTES));
    let found = places.find(|at| root.is_own_record_at(disc, *at))?;
    let base = root.at.checked_sub(found).filter(|base| *base > 0)?;
    root.has_path_table(disc, base).then_some(base)
}

/// What a primary volume descriptor says of where its root directory lies.
struct Root {
    /// Byte of the root directory.
    at: u64,
    /// Block and length of the root directory, as its records tell, in both orders of bytes.
    place: Vec<u8>,
    /// Byte of the path table with little-endian numbers.
    path_table_at: u64,
}

impl Root {
    fn read(disc: &Disc, session_at: u64) -> Option<Self> {
        let at = session_at.saturating_add(DESCRIPTORS.saturating_mul(SECTOR_BYTES));
        let descriptor = bytes_at(disc, at, 190)?;
        if !descriptor.starts_with(b"\x01CD001") {
            return None;
        }
        let block_bytes = descriptor.get(128..130)?.try_into().ok().map(u16::from_le_bytes)?;
        let block_bytes = u64::from(block_bytes);
        let byte = |field: &[u8]| {
            let block = field.get(..4)?.try_into().ok().map(u32::from_le_bytes)?;
            Some(u64::from(block).saturating_mul(block_bytes))
        };
        let place = descriptor.get(158..174)?.to_vec();
        let path_table_at = byte(descriptor.get(140..)?)?;
        Some(Self { at: byte(&place)?, place, path_table_at })
    }

    /// Whether the root directory stands where the descriptor says, counted from byte `base`.
    fn stands_at(&self, disc: &Disc, base: u64) -> bool {
        self.is_own_record_at(disc, base.saturating_add(self.at))
    }

    /// Whether the record by which the root directory names itself stands at a byte.
    fn is_own_record_at(&self, disc: &Disc, at: u64) -> bool {
        bytes_at(disc, at, 34).is_some_and(|record| {
            record.first() >= Some(&34)
                && record.get(2..18) == Some(self.place.as_slice())
                && record.get(32..34) == Some(&[1, 0])
        })
    }

    /// Whether the path table lies so many bytes before the place that is recorded, and begins
    /// with the root directory.
    fn has_path_table(&self, disc: &Disc, base: u64) -> bool {
        let at = self.path_table_at.checked_sub(base);
        let entry = at.and_then(|at| bytes_at(disc, at, 8));
        entry.is_some_and(|entry| {
            entry.first() == Some(&1) && entry.get(2..6) == self.place.get(..4)
        })
    }
}

fn bytes_at(disc: &Disc, at: u64, len: usize) -> Option<Vec<u8>> {
    let is_there = at >= disc.begin() && at.saturating_add(to_u64(len)) <= disc.len();
    let site = Site::new("sector", "ECMA-119 6.1", at);
    is_there.then(|| disc.metadata(at, len, site).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn disc(image: Vec<u8>) -> Disc {
        Disc::new(Box::new(image), Limits::default())
    }

    fn found(image: Vec<u8>) -> Vec<(i64, Option<u64>)> {
        elsewhere(&disc(image)).iter().map(|origin| (origin.at, origin.end)).collect()
    }

    /// An image with a volume descriptor behind so many bytes.
    fn behind(bytes: usize, head: &[u8]) -> Vec<u8> {
        let at = bytes.saturating_add(32_768);
        let mut image = vec![0; at.saturating_add(4096)];
        image[at..][..head.len()].copy_from_slice(head);
        image
    }

    /// Writes an entry of a master boot record, in sectors of 512 bytes.
    fn entry(record: &mut [u8], number: usize, kind: u8, first: u32) {
        let raw = record[446..].chunks_exact_mut(16).nth(number).unwrap();
        raw[4] = kind;
        raw[8..12].copy_from_slice(&first.to_le_bytes());
        raw[12..16].copy_from_slice(&64u32.to_le_bytes());
        record[510..512].copy_from_slice(&[0x55, 0xAA]);
    }

    #[test]
    fn a_volume_behind_a_pause_is_found() {
        for (bytes, head) in
            [(150 * 2048, b"\x01CD001"), (75 * 2048, b"\0BEA01"), (2048, b"\0NSR03")]
        {
            let at = i64::try_from(bytes).unwrap();
            assert_eq!(found(behind(bytes, head)), [(at, None)]);
        }
        assert_eq!(found(behind(451 * 2048, b"\x01CD001")), []);
    }

    #[test]
    fn volumes_in_partitions_are_found_and_end_where_the_next_begins() {
        let mut disk = behind(4 << 20, b"\x01CD001");
        disk[(1 << 20) + 32_768..][..6].copy_from_slice(b"\0NSR02");
        disk[(3 << 20) + 32_768..][..6].copy_from_slice(b"\x01CD001");
        entry(&mut disk, 0, 0x83, 2048);
        entry(&mut disk, 1, 0x83, 4096);
        entry(&mut disk, 2, 5, 5120);
        // The second of two logical ones is counted from the extended partition's beginning.
        let mut record = [0; 512];
        entry(&mut record, 0, 0x83, 1024);
        entry(&mut record, 1, 5, 512);
        disk[5120 * 512..][..512].copy_from_slice(&record);
        let mut record = [0; 512];
        entry(&mut record, 0, 0x83, 8192 - 5632);
        // One that leads to itself ends the chain.
        entry(&mut record, 1, 5, 0);
        disk[5632 * 512..][..512].copy_from_slice(&record);
        assert_eq!(
            found(disk),
            [(1 << 20, Some(3 << 20)), (3 << 20, Some(4 << 20)), (4 << 20, None)]
        );
    }

    #[test]
    fn a_volume_in_an_apple_partition_map_is_found() {
        let mut disk = behind(1 << 20, b"\x01CD001");
        let map = &mut disk[512..];
        map[..2].copy_from_slice(b"PM");
        map[8..12].copy_from_slice(&2048u32.to_be_bytes());
        map[12..16].copy_from_slice(&64u32.to_be_bytes());
        assert_eq!(found(disk), [(1 << 20, None)]);
    }

    /// A track from sector 45 000 on: a root directory in sector 20 and a path table in sector 18.
    fn track() -> Vec<u8> {
        let mut image = vec![0; 40 * 2048];
        let mut record = vec![34, 0];
        record.extend(45_020u32.to_le_bytes());
        record.extend(45_020u32.to_be_bytes());
        record.extend([0, 8, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 1, 1, 0]);
        image[32_768..][..6].copy_from_slice(b"\x01CD001");
        image[32_768 + 128..][..2].copy_from_slice(&2048u16.to_le_bytes());
        image[32_768 + 140..][..4].copy_from_slice(&45_018u32.to_le_bytes());
        image[32_768 + 156..][..34].copy_from_slice(&record);
        image[34_816..][..6].copy_from_slice(b"\xFFCD001");
        image[18 * 2048..][..2].copy_from_slice(&[1, 0]);
        image[18 * 2048 + 2..][..4].copy_from_slice(&45_020u32.to_le_bytes());
        image[20 * 2048..][..34].copy_from_slice(&record);
        image
    }

    #[test]
    fn a_track_whose_numbers_count_from_elsewhere_is_known() {
        let origin = |image| super::track(&disc(image)).map(|origin| origin.at);
        assert_eq!(origin(track()), Some(-45_000 * 2048));
        let mut no_root = track();
        no_root[20 * 2048] = 0;
        assert_eq!(origin(no_root), None);
        let mut no_table = track();
        no_table[18 * 2048 + 2] ^= 1;
        assert_eq!(origin(no_table), None);
    }

    #[test]
    fn numbers_that_count_from_their_own_volume_are_known() {
        let mut image = vec![0; 45_000 * 2048];
        image.extend(track());
        assert!(!counts_from_itself(&disc(image), 45_000 * 2048), "numbers of the disc");
        let mut own = vec![0; 100 * 2048];
        let mut volume = track();
        for at in [32_768 + 158, 20 * 2048 + 2] {
            volume[at..][..4].copy_from_slice(&20u32.to_le_bytes());
            volume[at.saturating_add(4)..][..4].copy_from_slice(&20u32.to_be_bytes());
        }
        own.extend(volume);
        assert!(counts_from_itself(&disc(own), 100 * 2048));
    }
}
