//! The records in the bytes of a directory, one after the other (ECMA-119 6.8.1), and where
//! reading goes on after damage. Parsing only; the bytes come from `directory` and `volume`.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::SECTOR_BYTES;
use super::disk::{Both16, DirectoryRecord};
use super::record::{Form, Record, site};
use crate::error::Result;
use crate::num::{round_up, to_u64, to_usize};

/// The records in the bytes of a directory. A damaged record is an error, after which the next
/// certain one of its sector follows, or those of the next sector.
///
/// No record crosses the edge of a sector by ECMA-119 6.8.1.1; sound ones of writers that do not
/// know this are read all the same, where `bytes` go on past the edge.
#[derive(Debug, Clone)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    /// Position of `bytes` in the image.
    base: u64,
    pos: usize,
    /// Records begin before this position.
    end: usize,
    form: Form,
    /// The volume of the set that the last record names.
    volume_seq: u16,
}

impl<'a> Records<'a> {
    /// The records that begin in the first `len` of `bytes`, which lie at byte `base`.
    pub(super) fn new(bytes: &'a [u8], base: u64, len: u64, form: Form) -> Self {
        let end = to_usize(len).min(bytes.len());
        Self { bytes, base, pos: 0, end, form, volume_seq: 1 }
    }

    /// Byte position in the image of what has not been looked at.
    pub(super) fn place(&self) -> u64 {
        self.base.saturating_add(to_u64(self.pos))
    }

    /// Where the sector that holds position `pos` ends, in `bytes`.
    fn sector_end(&self, pos: usize) -> usize {
        let at = self.base.saturating_add(to_u64(pos));
        let end = round_up(at.saturating_add(1), SECTOR_BYTES);
        to_usize(end.saturating_sub(self.base)).min(self.bytes.len())
    }

    /// The first place in a range at which the head of a record stands for certain; records begin
    /// at even bytes, except where a writer leaves out padding.
    fn certain_head(&self, range: std::ops::Range<usize>, step: usize) -> Option<usize> {
        certain_heads(self.bytes, range, step, self.form, [1, self.volume_seq.max(1)]).next()
    }

    /// The record at the current position, which has `room` bytes up to the edge of its sector.
    fn parse(&self, rest: &'a [u8], room: usize) -> Result<Record<'a>> {
        let at = self.place();
        let corrupt = |why| site(at).corrupt(why);
        let record = Record::parse(rest, at, self.form)?;
        if record.len() > room && !record.is_sound() {
            return Err(corrupt("runs past its sector"));
        }
        let shortest = size_of::<DirectoryRecord>().saturating_add(1);
        let range = self.pos.saturating_add(shortest)..self.pos.saturating_add(record.len());
        let step = if record.len().is_multiple_of(2) { 2 } else { 1 };
        if let Some(next) = self.certain_head(range, step) {
            let len = next.saturating_sub(self.pos);
            return Record::parse_cut(rest, at, self.form, len)
                .map_err(|_| corrupt("has a name in which another record stands"));
        }
        if !record.is_sound() && !self.goes_on(self.pos.saturating_add(record.len())) {
            return Err(corrupt("has fields that contradict each other, and no record follows"));
        }
        Ok(record)
    }

    /// Whether a record, or the end of those of the sector, is at a position.
    fn goes_on(&self, pos: usize) -> bool {
        let rest = self.bytes.get(pos..).unwrap_or_default();
        rest.first().is_none_or(|len| *len == 0)
            || pos == self.sector_end(self.pos)
            || Record::parse(rest, 0, self.form).is_ok()
    }

    /// Goes on behind a damaged record, whose sector ends at `sector_end`.
    fn resume(&mut self, sector_end: usize) {
        let range = self.pos.saturating_add(1)..sector_end.min(self.end);
        self.pos = self.certain_head(range, 1).unwrap_or(sector_end);
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.pos < self.end {
            let sector_end = self.sector_end(self.pos);
            let rest = self.bytes.get(self.pos..)?;
            let room = sector_end.saturating_sub(self.pos);
            if rest.first() == Some(&0) {
                let unused = self.bytes.get(self.pos..sector_end.min(self.end));
                if unused.is_none_or(|unused| unused.iter().all(|byte| *byte == 0)) {
                    self.pos = sector_end;
                    continue;
                }
                let error =
                    site(self.place()).corrupt("has no length, and bytes other than zero follow");
                self.resume(sector_end);
                return Some(Err(error));
            }
            let record = self.parse(rest, room);
            match &record {
                Ok(record) => {
                    self.pos = self.pos.saturating_add(record.len());
                    self.volume_seq = record.head.volume_seq.get();
                }
                Err(_) => self.resume(sector_end),
            }
            return Some(record);
        }
        None
    }
}

/// The places in a range at which the head of a record stands for certain, of one of these volumes
/// of a set. Every record is searched for others inside it, so the volume's number comes first:
/// four bytes that hardly anything else has.
fn certain_heads(
    bytes: &[u8],
    range: std::ops::Range<usize>,
    step: usize,
    form: Form,
    volumes: [u16; 2],
) -> impl Iterator<Item = usize> {
    const VOLUME_SEQ: usize = offset_of!(DirectoryRecord, volume_seq);
    const FIELD: usize = size_of::<Both16>();
    let numbers = volumes.map(|number| {
        let ([low, high], number) = (number.to_le_bytes(), number.to_be_bytes());
        [low, high, number[0], number[1]]
    });
    let end = range.end.saturating_add(VOLUME_SEQ).saturating_add(FIELD).saturating_sub(1);
    let first = range.start.saturating_add(VOLUME_SEQ);
    let fields = bytes.get(first..end.min(bytes.len())).unwrap_or_default();
    let [one, other] = numbers;
    let may_hold_any = holds(fields, one) || (other != one && holds(fields, other));
    let fields = if may_hold_any { fields } else { &[] };
    let starts = (range.start..).step_by(step);
    fields.windows(FIELD).step_by(step).zip(starts).filter_map(move |(field, start)| {
        let is_candidate = field == one || field == other;
        let head = || DirectoryRecord::ref_from_prefix(bytes.get(start..)?).ok();
        (is_candidate && head().is_some_and(|(head, _)| head.is_certain(form))).then_some(start)
    })
}

/// Whether four bytes stand anywhere among others. Looks at all of them without an early end, so
/// that the compiler makes it a few instructions for 16 bytes at a time.
fn holds(bytes: &[u8], [a, b, c, d]: [u8; 4]) -> bool {
    let from = |start: usize| bytes.get(start..).unwrap_or_default();
    let (firsts, others) = (from(0).iter().zip(from(1)), from(2).iter().zip(from(3)));
    let is_there = firsts.zip(others).map(|((w, x), (y, z))| {
        u8::from(*w == a) & u8::from(*x == b) & u8::from(*y == c) & u8::from(*z == d)
    });
    is_there.fold(0, |any, one| any | one) != 0
}

/// The record that begins in the 32 bytes from byte `start` on, if one does for certain and no
/// other; an error where it is longer than `bytes`, which begin at byte `base`.
pub(super) fn certain_record<'a>(
    bytes: &'a [u8],
    (base, start): (u64, u64),
    form: Form,
) -> Option<Result<Record<'a>>> {
    const UNIT_BYTES: usize = 32;
    let from = to_usize(start.saturating_sub(base));
    let range = from..from.saturating_add(UNIT_BYTES);
    let mut heads = certain_heads(bytes, range, 1, form, [1, 1]);
    let pos = heads.next().filter(|_| heads.next().is_none())?;
    let rest = bytes.get(pos..).unwrap_or_default();
    Records::new(rest, base.saturating_add(to_u64(pos)), 1, form).next()
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "records built by hand in bytes")]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn malformed_records_are_named() {
        let mut overlong = record(b"A", b"");
        overlong[32] = 200;
        for (bytes, want) in [
            (&[40u8][..], "runs past its sector"),
            (&[10, 0, 0, 0, 0, 0, 0, 0, 0, 0], "is shorter than 33 bytes"),
            (&overlong, "is too short for its name"),
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

    /// A record with a date, as certain ones have.
    fn dated(name: &[u8]) -> Vec<u8> {
        let mut bytes = record(name, b"");
        bytes[6..10].copy_from_slice(&[0, 0, 0, 20]);
        bytes[18..21].copy_from_slice(&[110, 1, 1]);
        bytes[28..32].copy_from_slice(&[1, 0, 0, 1]);
        bytes
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(2048), 0);
        Records::new(&bytes, 0, bytes.len() as u64, Form::Iso9660)
            .map(|record| match record {
                Ok(record) => String::from_utf8_lossy(record.identifier).into_owned(),
                Err(_) => "error".to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_damaged_length_costs_no_neighbour() {
        let whole = [dated(b"FIRST"), dated(b"BAD12"), dated(b"LAST1")].concat();
        for (len, want) in [
            (0, "error"),
            (20, "error"),
            (37, "error"),
            (39, "BAD12"),
            (40, "BAD12"),
            (60, "BAD12"),
            (76, "BAD12"),
            (255, "BAD12"),
        ] {
            let mut bytes = whole.clone();
            bytes[38] = len;
            assert_eq!(names(&bytes), ["FIRST", want, "LAST1"], "{len}");
        }
    }

    #[test]
    fn a_sound_record_may_cross_the_edge_of_a_sector() {
        let bytes: Vec<u8> = (0..120).flat_map(|n| dated(format!("F{n:04}").as_bytes())).collect();
        let want: Vec<String> = (0..120).map(|n| format!("F{n:04}")).collect();
        assert_eq!(names(&bytes), want);
    }
}
