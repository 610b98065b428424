//! Directory records: from the bytes of a directory to one value per record (ECMA-119 9.1, 6.8.1).
//! Parsing only; the bytes come from `volume`.

use zerocopy::FromBytes;

use super::SECTOR_BYTES;
use super::disk::{BinaryTime, DirectoryRecord, FileFlags};
use crate::error::{Result, Site};
use crate::num::{remainder, round_up, to_u64, to_usize};
use crate::time::{Calendar, Timestamp};

/// One directory record in the bytes of its directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Byte position of the record in the image.
    pub(super) at: u64,
    pub(super) head: &'a DirectoryRecord,
    /// The identifier as recorded: one byte 0 for the directory itself, 1 for its parent.
    pub(super) identifier: &'a [u8],
    /// What follows the identifier and its padding.
    pub(super) system_use: &'a [u8],
    form: Form,
}

/// Which standard a record is laid out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// ECMA-119.
    Iso9660,
    /// Its forerunner: dates have no zone, and the flags stand in that byte.
    HighSierra,
}

impl<'a> Record<'a> {
    /// Parses the record that `bytes` begin with.
    pub(super) fn parse(bytes: &'a [u8], at: u64, form: Form) -> Result<Self> {
        let len = bytes.first().copied().map_or(0, usize::from);
        let record = bytes.get(..len).ok_or(site(at).corrupt("it runs past its sector"))?;
        let (head, tail) = DirectoryRecord::ref_from_prefix(record)
            .map_err(|_| site(at).corrupt("it is shorter than 33 bytes"))?;
        let name_len = usize::from(head.len_fi);
        let (identifier, rest) = tail
            .split_at_checked(name_len)
            .filter(|_| name_len > 0)
            .ok_or(site(at).corrupt("its name does not fit into it"))?;
        // A padding byte makes the record's fixed part even (ECMA-119 9.1.12).
        let padding = usize::from(name_len.is_multiple_of(2));
        let system_use = rest.get(padding..).unwrap_or_default();
        Ok(Self { at, head, identifier, system_use, form })
    }

    /// Bytes of the record.
    pub(super) fn len(&self) -> usize {
        self.head.len_dr.into()
    }

    pub(super) fn flags(&self) -> FileFlags {
        FileFlags::from_bits_retain(match self.form {
            Form::Iso9660 => self.head.flags,
            Form::HighSierra => self.head.recorded.zone.cast_unsigned(),
        })
    }

    /// The record of the directory it lies in (ECMA-119 6.8.2.2).
    pub(super) fn is_self(&self) -> bool {
        self.identifier == [0]
    }

    /// The record of that directory's parent.
    pub(super) fn is_parent(&self) -> bool {
        self.identifier == [1]
    }

    /// Whether another record seems to stand in its system use area: then its length is wrong, and
    /// hides that one.
    pub(super) fn hides_another(&self) -> bool {
        let area = self.system_use;
        // Records begin at even bytes (ECMA-119 9.1.12).
        (0..area.len()).step_by(2).any(|start| {
            let rest = area.get(start..).unwrap_or_default();
            let Ok((head, tail)) = DirectoryRecord::ref_from_prefix(rest) else { return false };
            let is_whole = usize::from(head.len_dr) <= rest.len()
                && (1..=tail.len()).contains(&usize::from(head.len_fi))
                && usize::from(head.len_dr) > size_of::<DirectoryRecord>();
            is_whole
                && head.extent.agrees()
                && head.data_len.agrees()
                && head.extent.get() > 0
                && head.volume_seq.agrees()
                && head.volume_seq.get() == 1
                && head.recorded.timestamp().is_some()
        })
    }

    pub(super) fn site(&self) -> Site {
        site(self.at)
    }

    /// Byte position of the data, behind the extended attribute record.
    pub(super) fn data_at(&self, block_bytes: u64) -> u64 {
        u64::from(self.head.extent.get())
            .saturating_add(u64::from(self.head.len_ear))
            .saturating_mul(block_bytes)
    }

    pub(super) fn data_len(&self) -> u64 {
        u64::from(self.head.data_len.get())
    }

    /// When the data was recorded; 1970 where that is no date.
    pub(super) fn recorded(&self) -> Timestamp {
        let zone = match self.form {
            Form::Iso9660 => self.head.recorded.zone,
            Form::HighSierra => 0,
        };
        BinaryTime { zone, ..self.head.recorded }.timestamp().unwrap_or_default()
    }
}

/// A directory record's place, for errors.
pub(super) const fn site(at: u64) -> Site {
    Site::new("directory record", "ECMA-119 9.1", at)
}

impl BinaryTime {
    /// The point in time, or nothing where the fields are no date.
    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        Calendar {
            year: i64::from(self.year).saturating_add(1900),
            month: self.month,
            day: self.day,
            hour: self.hour,
            minute: self.minute,
            second: self.second,
            nanoseconds: 0,
            zone_minutes: zone_minutes(self.zone),
        }
        .timestamp()
    }
}

/// A zone in quarters of an hour as minutes (ECMA-119 9.1.5: -48 to 52). What is no zone counts
/// as none; genisoimage writes -96 for times near its end of days.
pub(super) fn zone_minutes(quarters: i8) -> i64 {
    if (-52..=52).contains(&quarters) { i64::from(quarters).saturating_mul(15) } else { 0 }
}

/// The records in the bytes of a directory. A damaged record is an error, after which the records
/// of the next sector follow: none of them crosses a sector's edge (ECMA-119 6.8.1.1).
#[derive(Debug, Clone)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    /// Position of `bytes` in the image.
    base: u64,
    pos: usize,
    /// Records begin before this position.
    end: usize,
    form: Form,
}

impl<'a> Records<'a> {
    /// The records that begin in the first `len` of `bytes`, which lie at byte `base`.
    pub(super) fn new(bytes: &'a [u8], base: u64, len: u64, form: Form) -> Self {
        Self { bytes, base, pos: 0, end: to_usize(len).min(bytes.len()), form }
    }

    /// Where the sector that holds position `pos` ends, in `bytes`.
    fn sector_end(&self, pos: usize) -> usize {
        let at = self.base.saturating_add(to_u64(pos));
        let end = round_up(at.saturating_add(1), SECTOR_BYTES);
        to_usize(end.saturating_sub(self.base)).min(self.bytes.len())
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.pos < self.end {
            let sector_end = self.sector_end(self.pos);
            let rest = self.bytes.get(self.pos..sector_end)?;
            let at = self.base.saturating_add(to_u64(self.pos));
            if rest.first() == Some(&0) {
                let recorded = self.bytes.get(self.pos..sector_end.min(self.end));
                self.pos = sector_end;
                if recorded.is_some_and(|unused| unused.iter().any(|byte| *byte != 0)) {
                    return Some(Err(site(at).corrupt("it has no length, and is not unused")));
                }
                continue;
            }
            let record = Record::parse(rest, at, self.form);
            self.pos = match &record {
                Ok(record) => self.pos.saturating_add(usize::from(record.head.len_dr)),
                Err(_) => sector_end,
            };
            return Some(record);
        }
        None
    }
}

/// Where the sector that holds byte `at` begins.
pub(super) fn sector_start(at: u64) -> u64 {
    at.saturating_sub(remainder(at, SECTOR_BYTES))
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "records built by hand in bytes")]
mod tests {
    use super::*;

    fn record(name: &[u8], system_use: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0u8; 33];
        bytes[2] = 20;
        bytes[32] = name.len() as u8;
        bytes.extend_from_slice(name);
        if name.len().is_multiple_of(2) {
            bytes.push(0);
        }
        bytes.extend_from_slice(system_use);
        bytes[0] = bytes.len() as u8;
        bytes
    }

    #[test]
    fn malformed_records_are_named() {
        let mut overlong = record(b"A", b"");
        overlong[32] = 200;
        for (bytes, want) in [
            (&[40u8][..], "it runs past its sector"),
            (&[10, 0, 0, 0, 0, 0, 0, 0, 0, 0], "it is shorter than 33 bytes"),
            (&overlong, "its name does not fit into it"),
        ] {
            let error = Records::new(bytes, 0, 2048, Form::Iso9660).next().unwrap().unwrap_err();
            assert!(error.to_string().contains(want), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn records_resume_in_the_next_sector_after_a_zero_length_or_a_damaged_one() {
        for first in [&[0u8][..], &[0, 9], &[9, 9, 9]] {
            let mut bytes = first.to_vec();
            bytes.resize(2048, 0);
            bytes.extend(record(b"NEXT", b"xy"));
            let good: Vec<_> = Records::new(&bytes, 4096, 4096, Form::Iso9660).flatten().collect();
            assert_eq!(good.len(), 1);
            assert_eq!((good[0].identifier, good[0].system_use), (&b"NEXT"[..], &b"xy"[..]));
            assert_eq!(good[0].at, 4096 + 2048);
        }
    }

    #[test]
    fn records_begin_before_the_directory_ends_even_if_its_length_is_no_whole_sector() {
        let mut bytes = record(b"A", b"");
        let len = bytes.len() as u64 + 4;
        bytes.extend(record(b"B", b""));
        bytes.extend(record(b"C", b""));
        bytes.resize(2048, 0);
        let names: Vec<_> = Records::new(&bytes, 0, len, Form::Iso9660)
            .flatten()
            .map(|r| r.identifier.to_vec())
            .collect();
        assert_eq!(names, [b"A", b"B"]);
    }

    #[test]
    fn high_sierra_keeps_its_flags_where_the_zone_is_now() {
        let mut bytes = record(b"DIR", b"");
        bytes[18..24].copy_from_slice(&[87, 1, 2, 3, 4, 5]);
        bytes[24] = 2;
        let record = Record::parse(&bytes, 0, Form::HighSierra).unwrap();
        assert_eq!(record.flags(), FileFlags::DIRECTORY);
        assert_eq!(record.recorded().seconds, 536_555_045);
    }

    #[test]
    fn recorded_times_are_in_quarters_of_an_hour_and_garbage_is_1970() {
        let time =
            BinaryTime { year: 110, month: 1, day: 1, hour: 1, minute: 0, second: 0, zone: 4 };
        assert_eq!(time.timestamp().map(|t| t.seconds), Some(1_262_304_000));
        assert_eq!(BinaryTime { month: 0, ..time }.timestamp(), None);
        let no_zone = BinaryTime { zone: -96, ..time }.timestamp();
        assert_eq!(no_zone.map(|t| t.seconds), Some(1_262_307_600));
    }
}
