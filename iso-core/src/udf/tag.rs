//! Descriptor tags: which descriptor this is, and whether its sums are right (ECMA-167 3/7.2).
//! Parsing only.

use zerocopy::FromBytes;

use super::disk::{DescriptorTag, UdfTime};
use crate::time::{Calendar, Timestamp};

/// Tag identifiers that are read (ECMA-167 3/7.2.1, 4/7.2.1).
pub(super) mod id {
    pub(in super::super) const PRIMARY: u16 = 1;
    pub(in super::super) const ANCHOR: u16 = 2;
    pub(in super::super) const POINTER: u16 = 3;
    pub(in super::super) const PARTITION: u16 = 5;
    pub(in super::super) const LOGICAL: u16 = 6;
    pub(in super::super) const TERMINATING: u16 = 8;
    pub(in super::super) const FILE_SET: u16 = 256;
    pub(in super::super) const FILE_IDENTIFIER: u16 = 257;
    pub(in super::super) const ALLOCATION_EXTENT: u16 = 258;
    pub(in super::super) const INDIRECT: u16 = 259;
    pub(in super::super) const FILE_ENTRY: u16 = 261;
    pub(in super::super) const EXTENDED_FILE_ENTRY: u16 = 266;
}

/// The tag that `bytes` begin with, if its checksum is right.
pub(super) fn parse(bytes: &[u8]) -> Option<DescriptorTag> {
    let (tag, _) = DescriptorTag::read_from_prefix(bytes).ok()?;
    let raw = bytes.get(..size_of::<DescriptorTag>())?;
    let sum = raw.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let is_blank = raw.iter().all(|byte| *byte == 0);
    (sum.wrapping_sub(tag.checksum) == tag.checksum && !is_blank).then_some(tag)
}

/// The tag at the beginning of `bytes`, and whether both its sums are right. A tag with a wrong
/// checksum is accepted if the CRC of its body matches; an accidental match is unlikely.
pub(super) fn parse_liberally(bytes: &[u8]) -> Option<(DescriptorTag, bool)> {
    if let Some(tag) = parse(bytes) {
        return Some((tag, crc_is_right(&tag, bytes)));
    }
    let (tag, _) = DescriptorTag::read_from_prefix(bytes).ok()?;
    (tag.crc_len.get() > 0 && crc_is_right(&tag, bytes)).then_some((tag, false))
}

/// Whether the CRC of a descriptor fits its bytes (ECMA-167 3/7.2.6).
pub(super) fn crc_is_right(tag: &DescriptorTag, bytes: &[u8]) -> bool {
    let start = size_of::<DescriptorTag>();
    let end = start.saturating_add(usize::from(tag.crc_len.get()));
    bytes.get(start..end).is_some_and(|covered| crc16(covered) == tag.crc.get())
}

/// CRC-CCITT with polynomial 0x1021, starting at 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        let index = usize::from(crc.to_be_bytes()[0] ^ byte);
        (crc << 8) ^ CRC_TABLE.get(index).copied().unwrap_or(0)
    })
}

static CRC_TABLE: [u16; 256] = crc_table();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, over fixed ranges"
)]
const fn crc_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

impl UdfTime {
    /// The point in time, or nothing where the fields are no date (ECMA-167 1/7.3).
    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        let packed = self.kind_and_zone.get();
        // Twelve bits of two's complement; -2047 says that no zone is known.
        let zone = i64::from(i16::from_ne_bytes((packed << 4).to_ne_bytes()) >> 4);
        let is_local = packed >> 12 == 1 && zone != -2047;
        let micros = u32::from(self.hundredths)
            .saturating_mul(10_000)
            .saturating_add(u32::from(self.hundreds_us).saturating_mul(100))
            .saturating_add(u32::from(self.microseconds));
        Calendar {
            year: i64::from(self.year.get()),
            month: self.month,
            day: self.day,
            hour: self.hour,
            minute: self.minute,
            second: self.second,
            nanoseconds: micros.saturating_mul(1000),
            zone_minutes: if is_local { zone } else { 0 },
        }
        .timestamp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::little_endian::{I16, U16};

    #[test]
    fn the_crc_is_the_one_of_the_standard() {
        // The worked example of ECMA-167 3/7.2.6 and a well-known check value.
        assert_eq!(crc16(&[0x70, 0x6A, 0x77]), 0x3299);
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn a_tag_with_a_wrong_checksum_is_none() {
        let mut bytes = [0u8; 16];
        bytes[0] = 2;
        bytes[12] = 9;
        bytes[4] = 11;
        assert_eq!(parse(&bytes).map(|tag| tag.location.get()), Some(9));
        bytes[12] = 10;
        assert!(parse(&bytes).is_none());
        assert!(parse(&[0; 16]).is_none(), "a blank block is no descriptor");
        assert!(parse(&[0; 15]).is_none());
    }

    #[test]
    fn a_wrong_checksum_is_forgiven_where_the_crc_is_right() {
        let body = *b"what the CRC covers";
        let mut bytes = vec![5, 1, 3, 0, 0, 0, 0, 0];
        bytes.extend(crc16(&body).to_le_bytes());
        bytes.extend([19, 0, 7, 0, 0, 0]);
        bytes[4] = bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
        bytes.extend(body);
        let sound = |bytes: &[u8]| parse_liberally(bytes).map(|(_, is_sound)| is_sound);
        assert_eq!(sound(&bytes), Some(true));
        bytes[4] ^= 1;
        assert_eq!(sound(&bytes), Some(false));
        bytes[20] ^= 1;
        assert_eq!(sound(&bytes), None);
    }

    #[test]
    fn times_are_local_with_a_zone_in_minutes_unless_none_is_known() {
        let time = |kind_and_zone: u16| UdfTime {
            kind_and_zone: U16::new(kind_and_zone),
            year: I16::new(2010),
            month: 1,
            day: 1,
            hour: 1,
            minute: 0,
            second: 0,
            hundredths: 12,
            hundreds_us: 34,
            microseconds: 56,
        };
        let want = |seconds| Some(Timestamp { seconds, nanoseconds: 123_456_000 });
        for (packed, seconds) in [
            (0x1000 | 60, 1_262_304_000),
            (0x1000 | (0x1000 - 60), 1_262_311_200),
            (0x1000 | 0x801, 1_262_307_600),
            (60, 1_262_307_600),
        ] {
            assert_eq!(time(packed).timestamp(), want(seconds), "{packed:#x}");
        }
    }
}
