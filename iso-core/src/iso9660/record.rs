//! Directory records: from the bytes of a directory to one value per record (ECMA-119 9.1, 6.8.1).
//! Parsing only; the bytes come from `volume`.

use zerocopy::FromBytes;

use super::SECTOR_BYTES;
use super::disk::{BinaryTime, DirectoryRecord, FileFlags};
use crate::error::{Result, Site};
use crate::num::remainder;
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
    len: usize,
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
        Self::parse_cut(bytes, at, form, len)
    }

    /// As `parse`, of no more than the first `len` bytes of the record.
    pub(super) fn parse_cut(bytes: &'a [u8], at: u64, form: Form, len: usize) -> Result<Self> {
        let record = bytes.get(..len).ok_or(site(at).corrupt("runs past its sector"))?;
        let (head, tail) = DirectoryRecord::ref_from_prefix(record)
            .map_err(|_| site(at).corrupt("is shorter than 33 bytes"))?;
        let name_len = usize::from(head.len_fi);
        let (identifier, rest) = tail
            .split_at_checked(name_len)
            .filter(|_| name_len > 0)
            .ok_or(site(at).corrupt("is too short for its name"))?;
        // A padding byte makes the record's fixed part even (ECMA-119 9.1.12).
        let padding = usize::from(name_len.is_multiple_of(2));
        let system_use = rest.get(padding..).unwrap_or_default();
        Ok(Self { at, head, identifier, system_use, form, len })
    }

    /// Bytes from the record to the next one: its recorded length, or fewer where another record
    /// begins inside it.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Whether another record begins inside this one: the recorded length is wrong.
    pub(super) fn hides_another(&self) -> bool {
        self.len < usize::from(self.head.len_dr)
    }

    /// Whether its fields agree with each other, as those of a damaged record hardly do.
    pub(super) fn is_sound(&self) -> bool {
        self.head.is_sound(self.form)
    }

    /// The flags. Where reserved ones are set nothing is believed but that it is a directory.
    pub(super) fn flags(&self) -> FileFlags {
        let flags = self.raw_flags();
        if self.has_reserved_flags() { flags & FileFlags::DIRECTORY } else { flags }
    }

    fn raw_flags(&self) -> FileFlags {
        FileFlags::from_bits_retain(match self.form {
            Form::Iso9660 => self.head.flags,
            Form::HighSierra => self.head.recorded.zone.cast_unsigned(),
        })
    }

    /// Whether flags are set that the standard reserves (ECMA-119 9.1.6): the byte is damaged.
    pub(super) fn has_reserved_flags(&self) -> bool {
        !FileFlags::all().contains(self.raw_flags())
    }

    /// The record of the directory it lies in (ECMA-119 6.8.2.2).
    pub(super) fn is_self(&self) -> bool {
        self.identifier == [0]
    }

    /// The record of that directory's parent.
    pub(super) fn is_parent(&self) -> bool {
        self.identifier == [1]
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

    /// As `data_at`, by the second spelling of the first block.
    pub(super) fn other_data_at(&self, block_bytes: u64) -> u64 {
        u64::from(self.head.extent.second())
            .saturating_add(u64::from(self.head.len_ear))
            .saturating_mul(block_bytes)
    }

    pub(super) fn data_len(&self) -> u64 {
        u64::from(self.head.data_len.get())
    }

    /// When the data was recorded; 1970 where that is no date.
    pub(super) fn recorded(&self) -> Timestamp {
        self.head.date(self.form).timestamp().unwrap_or_default()
    }
}

impl DirectoryRecord {
    /// The date, in which High Sierra has no zone.
    fn date(&self, form: Form) -> BinaryTime {
        match form {
            Form::Iso9660 => self.recorded,
            Form::HighSierra => BinaryTime { zone: 0, ..self.recorded },
        }
    }

    /// Whether the fields agree with each other: numbers with their second spelling, the name with
    /// the length of the record, and the date is one. Bytes that are no record hardly do.
    pub(super) fn is_sound(&self, form: Form) -> bool {
        let name_end = usize::from(self.len_fi).saturating_add(size_of::<Self>());
        let flags = match form {
            Form::Iso9660 => self.flags,
            Form::HighSierra => self.recorded.zone.cast_unsigned(),
        };
        self.len_fi > 0
            && name_end <= usize::from(self.len_dr)
            && self.volume_seq.agrees()
            && self.extent.agrees()
            && self.data_len.agrees()
            && FileFlags::from_bits(flags).is_some()
            && (self.has_no_date() || self.date(form).timestamp().is_some())
    }

    /// Whether place and length are the same in both spellings.
    pub(super) fn spells_alike(&self) -> bool {
        self.extent.agrees() && self.data_len.agrees()
    }

    /// Whether the date is not given.
    fn has_no_date(&self) -> bool {
        let date = &self.recorded;
        (date.year, date.month, date.day) == (0, 0, 0)
    }

    /// Whether it is the head of a record for certain, wherever it stands: sound and dated.
    pub(super) fn is_certain(&self, form: Form) -> bool {
        self.is_sound(form)
            && !self.has_no_date()
            && (self.extent.get() > 0 || self.data_len.get() == 0)
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

/// A zone in quarters of an hour as minutes (ECMA-119 9.1.5: -48 to 52). Other values
/// count as 0; genisoimage writes -96 for dates near the end of its range.
pub(super) fn zone_minutes(quarters: i8) -> i64 {
    if (-52..=52).contains(&quarters) { i64::from(quarters).saturating_mul(15) } else { 0 }
}

/// Where the sector that holds byte `at` begins.
pub(super) fn sector_start(at: u64) -> u64 {
    at.saturating_sub(remainder(at, SECTOR_BYTES))
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "records built by hand in bytes")]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn record(name: &[u8], system_use: &[u8]) -> Vec<u8> {
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
