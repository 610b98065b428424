//! System use entries: what follows a directory record's name, and where it continues (SUSP 1.12).
//! Walks the entries and reads continuation areas; what an entry means is `rrip`'s business.

use std::cell::Cell;

use zerocopy::FromBytes;

use super::disk::{ContinuationArea, SharingProtocol, SystemUseHeader};
use super::record::Record;
use crate::cache::Disc;
use crate::error::{Error, Result, Site};
use crate::num::to_u64;

/// One system use entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) signature: [u8; 2],
    pub(super) version: u8,
    /// What follows the four bytes of head.
    pub(super) data: &'a [u8],
}

/// The entries of one area. Ends at an `ST`, at padding, and where an entry does not fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let area = std::mem::take(&mut self.0);
        let (head, _) = SystemUseHeader::ref_from_prefix(area).ok()?;
        let (entry, rest) = area.split_at_checked(usize::from(head.len))?;
        let data = entry.get(size_of::<SystemUseHeader>()..)?;
        if head.signature == *b"ST" || head.signature == [0, 0] {
            return None;
        }
        self.0 = rest;
        Some(Entry { signature: head.signature, version: head.version, data })
    }
}

/// How the records of a disc carry system use entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sharing {
    /// Bytes before the entries of every record but the root's own (SUSP 5.3 LEN_SKP).
    skip: usize,
}

/// Bytes of a CD-ROM XA attribute record, which may stand before the entries (SUSP 5.3, note).
const XA_BYTES: usize = 14;

impl Sharing {
    /// Learns from the root directory's own record whether entries are used: by an `SP`, or, on
    /// discs that lack it, by Rock Ridge entries that stand where they should.
    pub(super) fn detect(own: &Record<'_>) -> Option<Self> {
        let area = without_xa(own.system_use);
        let mut entries = Entries(area);
        let first = entries.next()?;
        if first.signature == *b"SP" {
            let (sharing, _) = SharingProtocol::ref_from_prefix(first.data).ok()?;
            return (sharing.check == [0xBE, 0xEF]).then(|| Self { skip: sharing.skip.into() });
        }
        let known = |entry: Entry<'_>| matches!(&entry.signature, b"PX" | b"RR" | b"NM" | b"ER");
        Entries(area).any(known).then_some(Self { skip: 0 })
    }

    /// Where the entries of a record begin.
    fn area<'a>(&self, record: &Record<'a>, is_root: bool) -> &'a [u8] {
        let skip = if is_root { 0 } else { self.skip };
        without_xa(record.system_use.get(skip..).unwrap_or_default())
    }
}

/// A system use area behind the XA record, if it begins with one.
fn without_xa(area: &[u8]) -> &[u8] {
    match area.get(6..8) {
        Some(b"XA") => area.get(XA_BYTES..).unwrap_or_default(),
        _ => area,
    }
}

/// The CD-ROM XA attribute record of a record, if its system use area begins with one.
pub(super) fn xa_record<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    let area = record.system_use.get(..XA_BYTES)?;
    (area.get(6..8) == Some(b"XA")).then_some(area)
}

/// How many bytes of continuation areas may still be read: every record of a directory may name
/// the same long chain of them.
pub(super) struct Budget {
    left: Cell<u64>,
    bytes: u64,
}

impl Budget {
    pub(super) const fn new(bytes: u64) -> Self {
        Self { left: Cell::new(bytes), bytes }
    }

    /// Takes bytes out of it; what is asked for and not there empties it.
    fn spend(&self, bytes: u64) -> bool {
        let left = self.left.get().checked_sub(bytes);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Bytes that were read.
    pub(super) fn spent(&self) -> u64 {
        self.bytes.saturating_sub(self.left.get())
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}

/// Hands every entry of a record to `take`, those of its continuation areas included. Damage in
/// a continuation is noted and ends the walk; what came before it stands. False where it was the
/// medium that failed, so that there may be entries which another try would find.
pub(super) fn for_each_entry(
    disc: &Disc,
    sharing: Sharing,
    record: &Record<'_>,
    place: Place,
    budget: &Budget,
    take: &mut dyn FnMut(Entry<'_>),
) -> bool {
    let mut next = walk_area(sharing.area(record, place.is_root), take);
    let mut visited: Vec<(u64, u64)> = Vec::new();
    while let Some(continuation) = next {
        match read_continuation(disc, continuation, place.block_bytes, &mut visited, budget) {
            Ok(area) => next = walk_area(&area, take),
            Err(error) => {
                disc.findings()
                    .note_error("the attributes of the file are those read so far", &error);
                return matches!(error, Error::Corrupt { .. } | Error::Limit { .. });
            }
        }
    }
    true
}

/// What a record's surroundings say about its system use area.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Whether it is the root directory's own record.
    pub(super) is_root: bool,
    /// Bytes of a logical block, in which continuations are addressed.
    pub(super) block_bytes: u64,
}

/// Hands on the entries of one area; the area's continuation, wherever among them it was named.
fn walk_area(area: &[u8], take: &mut dyn FnMut(Entry<'_>)) -> Option<ContinuationArea> {
    let mut continuation = None;
    for entry in Entries(area) {
        if entry.signature == *b"CE" {
            let parsed = ContinuationArea::read_from_prefix(entry.data).ok();
            continuation = continuation.or(parsed.map(|(area, _)| area));
        } else {
            take(entry);
        }
    }
    continuation
}

/// The bytes of a continuation area (SUSP 5.1).
fn read_continuation(
    disc: &Disc,
    area: ContinuationArea,
    block_bytes: u64,
    visited: &mut Vec<(u64, u64)>,
    budget: &Budget,
) -> Result<Vec<u8>> {
    let offset = u64::from(area.offset.get());
    let at = u64::from(area.block.get()).saturating_mul(block_bytes).saturating_add(offset);
    let len = u64::from(area.len.get());
    let site = Site::new("continuation area", "SUSP 5.1", at);
    let limits = disc.limits();
    if visited.contains(&(at, len)) {
        return Err(site.corrupt("continues in itself"));
    }
    if to_u64(visited.len()) >= limits.continuation_hops {
        return Err(site.limit("continuation areas for one record", limits.continuation_hops));
    }
    visited.push((at, len));
    // Looking for an area costs more than its bytes.
    const LOOKING: u64 = 256;
    let total = visited.iter().fold(0u64, |total, (_, len)| total.saturating_add(*len));
    if total > limits.system_use_bytes || !budget.spend(len.saturating_add(LOOKING)) {
        return Err(site.limit("bytes of system use", limits.system_use_bytes));
    }
    disc.metadata(at, usize::try_from(len).unwrap_or(usize::MAX), site)
}

#[cfg(test)]
mod tests {
    use super::super::record::Form;
    use super::*;
    use crate::source::Source;
    use crate::source::testing::{Failing, Fault};

    fn signatures(area: &[u8]) -> Vec<[u8; 2]> {
        Entries(area).map(|e| e.signature).collect()
    }

    #[test]
    fn entries_end_at_a_terminator_at_padding_and_where_one_does_not_fit() {
        for (area, want) in [
            (&b"AA\x05\x01xBB\x04\x01"[..], 2),
            (b"AA\x04\x01ST\x04\x01BB\x04\x01", 1),
            (b"AA\x04\x01\0\0\0\0", 1),
            (b"AA\x04\x01BB\x09\x01", 1),
            (b"AA\x03\x01", 0),
            (b"AA\0\x01", 0),
            (b"AA\x04", 0),
            (b"", 0),
        ] {
            assert_eq!(signatures(area).len(), want, "{area:?}");
        }
    }

    #[test]
    fn an_xa_record_before_the_entries_is_stepped_over() {
        assert_eq!(without_xa(b"\0\0\0\0\x0d\x55XA\0\0\0\0\0\0NM"), b"NM");
        assert_eq!(without_xa(b"SP\x07\x01\xbe\xef\0"), b"SP\x07\x01\xbe\xef\0");
    }

    #[test]
    fn an_xa_record_is_known_by_its_signature() {
        let xa = b"\0\0\0\0\x0d\x55XA\0\0\0\0\0\0";
        for (area, want) in [(&xa[..], Some(&xa[..])), (&xa[..13], None), (b"RR", None)] {
            let mut bytes = vec![0u8; 34];
            bytes.extend(area);
            bytes[0] = u8::try_from(bytes.len()).unwrap();
            bytes[32] = 1;
            let record = Record::parse(&bytes, 0, Form::Iso9660).unwrap();
            assert_eq!(xa_record(&record), want, "{area:?}");
        }
    }

    /// The signatures of all entries of a record with this system use area, on a disc of 4 KiB.
    fn walk(system_use: &[u8], disc: &[u8]) -> (Vec<[u8; 2]>, Vec<String>) {
        let mut bytes = disc.to_vec();
        bytes.resize(4096, 0);
        let disc = Disc::new(Box::new(bytes), crate::Limits::default());
        let mut record = vec![0u8; 34];
        record.extend(system_use);
        record[0] = u8::try_from(record.len()).unwrap();
        record[32] = 1;
        let record = Record::parse(&record, 0, Form::Iso9660).unwrap();
        let place = Place { is_root: false, block_bytes: 2048 };
        let mut seen = Vec::new();
        let budget = Budget::new(1 << 20);
        for_each_entry(&disc, Sharing { skip: 0 }, &record, place, &budget, &mut |entry| {
            seen.push(entry.signature);
        });
        let findings = disc.findings().list().into_iter().map(|finding| finding.text).collect();
        (seen, findings)
    }

    #[test]
    fn a_continuation_that_the_medium_does_not_give_differs_from_one_that_is_damaged() {
        for (fault, offset, want) in [(None, 100, true), (None, 5000, true), (Some(0), 100, false)]
        {
            let bytes = vec![0; 4096];
            let source: Box<dyn Source> = match fault {
                Some(nth) => Box::new(Failing::new(bytes, Fault::From(nth))),
                None => Box::new(bytes),
            };
            let disc = Disc::new(source, crate::Limits::default());
            let mut record = vec![0u8; 34];
            record.extend(continuation(offset, 8));
            record[0] = u8::try_from(record.len()).unwrap();
            record[32] = 1;
            let record = Record::parse(&record, 0, Form::Iso9660).unwrap();
            let place = Place { is_root: false, block_bytes: 2048 };
            let budget = Budget::new(1 << 20);
            let sharing = Sharing { skip: 0 };
            let is_whole = for_each_entry(&disc, sharing, &record, place, &budget, &mut |_| {});
            assert_eq!(is_whole, want, "{fault:?} {offset}");
        }
    }

    /// A `CE` that names an area in block 0.
    fn continuation(offset: u32, len: u32) -> Vec<u8> {
        let both = |n: u32| [n.to_le_bytes(), n.to_be_bytes()].concat();
        [b"CE\x1c\x01".to_vec(), both(0), both(offset), both(len)].concat()
    }

    #[test]
    fn continuations_are_followed_and_one_that_circles_ends_with_a_finding() {
        let area = [continuation(100, 32), b"NM\x04\x01".to_vec()].concat();
        let mut disc = vec![0; 100];
        disc.extend([b"PX\x04\x01".to_vec(), continuation(100, 32)].concat());
        let (seen, findings) = walk(&area, &disc);
        assert_eq!(seen, [*b"NM", *b"PX"]);
        assert!(findings[0].contains("continues in itself"), "{findings:?}");

        let (seen, findings) = walk(&continuation(5000, 8), b"");
        assert_eq!(seen, [[0; 2]; 0]);
        assert!(findings[0].contains("past the end of the image"), "{findings:?}");
    }

    #[test]
    fn a_continuation_named_early_comes_after_the_rest_of_its_area() {
        let mut area = b"CE\x1c\x01".to_vec();
        area.extend([0; 24]);
        area.extend(b"NM\x06\x01\0x");
        let mut seen = Vec::new();
        let next = walk_area(&area, &mut |entry| seen.push(entry.signature));
        assert_eq!(seen, [*b"NM"]);
        assert!(next.is_some());
    }
}
