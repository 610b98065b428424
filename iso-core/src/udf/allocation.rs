//! Allocation descriptors: where a file's bytes lie, across allocation extents (ECMA-167 4/12,
//! 4/14.5, 4/14.14). Follows chains through `Disc`; the bytes themselves are read by `Extents`.

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::address::{Address, Replica};
use super::disk::{AllocationExtent, BlockAddress, ExtendedAd, LongAd, ShortAd};
use super::icb::{AllocationKind, Icb, site};
use super::partition::Partitions;
use super::tag::{self, id};
use crate::cache::Disc;
use crate::error::{Result, Site};
use crate::num::{quotient, remainder, to_u64, to_usize};
use crate::volume::{Extent, Extents, ExtentsBuilder};

/// One allocation descriptor of any layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Descriptor {
    kind: ExtentKind,
    len: u64,
    address: Address,
}

/// The two high bits of an extent's length (ECMA-167 4/14.14.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExtentKind {
    Recorded,
    /// Allocated or not, but never written: reads as zeros.
    NotRecorded,
    /// More descriptors stand there.
    Continuation,
}

/// Where the bytes of a file lie, by one copy of the metadata that tells it.
///
/// # Errors
/// `Corrupt` for descriptors that lead nowhere, `Limit` for chains that go on for ever, `Io`.
pub(super) fn extents(
    disc: &Disc,
    partitions: &Partitions,
    icb: &Icb,
    replica: Replica,
) -> Result<Extents> {
    extents_within(disc, partitions, icb, replica, disc.limits().allocation_extents)
}

/// As `extents`, with a bound of its own on the allocation extents that are followed.
pub(super) fn extents_within(
    disc: &Disc,
    partitions: &Partitions,
    icb: &Icb,
    replica: Replica,
    max: u64,
) -> Result<Extents> {
    let mut builder = ExtentsBuilder::new(disc.limits(), site(icb.at));
    let len = icb.information_len;
    if icb.allocation_kind == AllocationKind::Embedded {
        let held = to_u64(icb.allocation.len()).min(len);
        builder.push(Extent { at: Some(icb.allocation_at), len: held })?;
        return Ok(builder.finish(len));
    }
    let mut area = icb.allocation.clone();
    for _ in 0..max {
        let Some(next) = push_area(&mut builder, (partitions, replica), icb, &area, len)? else {
            return Ok(builder.finish(len));
        };
        area = read_continuation(disc, (partitions, replica), next)?;
    }
    Err(site(icb.at).limit("allocation extents in one file", max))
}

/// Whether more bytes are recorded for a file than its length says. Some writers round the last
/// extent up to a whole block; only extents that are not recorded may follow the end (ECMA-167
/// 4/12.1). `false` where not all descriptors can be read.
pub(super) fn exceeds_length(disc: &Disc, partitions: &Partitions, icb: &Icb) -> bool {
    let len = icb.information_len;
    if icb.allocation_kind == AllocationKind::Embedded {
        return to_u64(icb.allocation.len()) > len;
    }
    let most = len.next_multiple_of(partitions.block_bytes());
    let mut recorded = 0u64;
    let mut area = icb.allocation.clone();
    for _ in 0..disc.limits().allocation_extents {
        let next = add_recorded(&mut recorded, icb, &area);
        // Behind the rounded length nothing more is to be learned.
        let next = next.filter(|_| recorded <= most);
        let Some(next) = next else { break };
        match read_continuation(disc, (partitions, Replica::Main), next) {
            Ok(read) => area = read,
            Err(_) => return false,
        }
    }
    recorded > len && recorded != most
}

/// Adds the bytes that one run of descriptors records, and gives the descriptor of the run that
/// follows.
fn add_recorded(recorded: &mut u64, icb: &Icb, area: &[u8]) -> Option<Descriptor> {
    let mut rest = area;
    while let Some((descriptor, after)) = parse(rest, icb) {
        rest = after;
        // The length counts the holes before the end.
        let counts = match descriptor.kind {
            ExtentKind::Recorded => true,
            ExtentKind::NotRecorded => *recorded < icb.information_len,
            ExtentKind::Continuation => return Some(descriptor),
        };
        if !counts || descriptor.len == 0 {
            break;
        }
        *recorded = recorded.saturating_add(descriptor.len);
    }
    None
}

/// Where the first byte of a file lies, if it is recorded; reads nothing.
pub(super) fn first_byte(partitions: &Partitions, icb: &Icb) -> Option<u64> {
    if icb.allocation_kind == AllocationKind::Embedded {
        return Some(icb.allocation_at);
    }
    let (first, _) = parse(&icb.allocation, icb)?;
    let is_recorded = matches!(first.kind, ExtentKind::Recorded) && first.len > 0;
    is_recorded.then(|| partitions.span(first.address, Replica::Main).ok()).flatten().map(|at| at.0)
}

/// Adds the extents of one run of descriptors. Gives the descriptor of the run that follows.
fn push_area(
    builder: &mut ExtentsBuilder,
    (partitions, replica): (&Partitions, Replica),
    icb: &Icb,
    area: &[u8],
    len: u64,
) -> Result<Option<Descriptor>> {
    let mut rest = area;
    // Descriptors behind the file's end (its tail, ECMA-167 4/12.1) are not part of its bytes.
    while builder.len() < len {
        let Some((descriptor, after)) = parse(rest, icb) else { return Ok(None) };
        rest = after;
        match descriptor.kind {
            ExtentKind::Continuation => return Ok(Some(descriptor)),
            _ if descriptor.len == 0 => return Ok(None),
            ExtentKind::Recorded => push_recorded(builder, partitions, replica, descriptor)?,
            ExtentKind::NotRecorded => builder.push(Extent { at: None, len: descriptor.len })?,
        }
    }
    Ok(None)
}

/// Adds the runs that the blocks of one descriptor lie in.
fn push_recorded(
    builder: &mut ExtentsBuilder,
    partitions: &Partitions,
    replica: Replica,
    descriptor: Descriptor,
) -> Result<()> {
    let mut left = descriptor.len;
    let mut address = descriptor.address;
    while left > 0 {
        let (at, span) = partitions.span(address, replica)?;
        let len = left.min(span);
        builder.push(Extent { at: Some(at), len })?;
        left = left.saturating_sub(len);
        let blocks = quotient(len, partitions.block_bytes());
        if left > 0 && (len == 0 || remainder(len, partitions.block_bytes()) != 0) {
            let site = Site::new("allocation descriptor", "ECMA-167 4/14.14", at);
            return Err(site.corrupt("reaches into a block that is not whole"));
        }
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        address.block = address.block.saturating_add(blocks);
    }
    Ok(())
}

/// The descriptor that `bytes` begin with, and what follows it.
fn parse<'a>(bytes: &'a [u8], icb: &Icb) -> Option<(Descriptor, &'a [u8])> {
    let here = icb.address.partition;
    let long = |address: BlockAddress| Address {
        partition: address.partition.get(),
        block: address.block.get(),
    };
    let (len, address, rest): (U32, Address, &[u8]) = match icb.allocation_kind {
        AllocationKind::Short => {
            let (ad, rest) = ShortAd::ref_from_prefix(bytes).ok()?;
            (ad.len, Address { partition: here, block: ad.block.get() }, rest)
        }
        AllocationKind::Long => {
            let (ad, rest) = LongAd::ref_from_prefix(bytes).ok()?;
            (ad.len, long(ad.address), rest)
        }
        AllocationKind::Extended => {
            let (ad, rest) = ExtendedAd::ref_from_prefix(bytes).ok()?;
            (ad.len, long(ad.address), rest)
        }
        AllocationKind::Embedded => return None,
    };
    let kind = match len.get() >> 30 {
        0 => ExtentKind::Recorded,
        3 => ExtentKind::Continuation,
        _ => ExtentKind::NotRecorded,
    };
    let len = u64::from(len.get() & 0x3FFF_FFFF);
    Some((Descriptor { kind, len, address }, rest))
}

/// The descriptors in an allocation extent (ECMA-167 4/14.5).
fn read_continuation(
    disc: &Disc,
    (partitions, replica): (&Partitions, Replica),
    next: Descriptor,
) -> Result<Vec<u8>> {
    let (at, _) = partitions.span(next.address, replica)?;
    let place = Site::new("allocation extent descriptor", "ECMA-167 4/14.5", at);
    let len = next.len.clamp(to_u64(size_of::<AllocationExtent>()), disc.limits().icb_bytes);
    let bytes = disc.metadata(at, to_usize(len.min(partitions.block_bytes())), place)?;
    let is_one =
        tag::parse(&bytes).is_some_and(|tag| tag.identifier.get() == id::ALLOCATION_EXTENT);
    let Some((head, rest)) = AllocationExtent::ref_from_prefix(&bytes).ok().filter(|_| is_one)
    else {
        return Err(place.corrupt("is missing, though the volume announces it"));
    };
    let used = to_usize(head.len.get().into());
    Ok(rest.get(..used).ok_or(place.corrupt("has descriptors that run past its extent"))?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::Timestamp;
    use crate::volume::{FileKind, Posix};

    fn icb(kind: AllocationKind, allocation: Vec<u8>, len: u64) -> Icb {
        Icb {
            at: 0,
            address: Address { partition: 0, block: 0 },
            kind: FileKind::Regular,
            information_len: len,
            links: 1,
            posix: Posix { permissions: 0, uid: None, gid: None },
            device: None,
            modified: Timestamp::default(),
            accessed: Timestamp::default(),
            changed: Timestamp::default(),
            created: None,
            finder_info: None,
            streams: None,
            more_attributes: None,
            allocation_kind: kind,
            allocation,
            allocation_at: 176,
            is_sound: true,
            is_transformed: false,
            may_be_replaced: false,
        }
    }

    fn short(kind: u32, len: u32, block: u32) -> Vec<u8> {
        [(kind << 30 | len).to_le_bytes(), block.to_le_bytes()].concat()
    }

    /// A disc of four blocks; block 2 is an allocation extent with the given descriptors.
    fn disc(descriptors: &[u8]) -> Disc {
        let mut bytes = vec![0u8; 8192];
        let len = u32::try_from(descriptors.len()).unwrap();
        let block = &mut bytes[4096..];
        block[0..2].copy_from_slice(&id::ALLOCATION_EXTENT.to_le_bytes());
        block[4] = block[0].wrapping_add(block[1]);
        block[20..24].copy_from_slice(&len.to_le_bytes());
        block[24..][..descriptors.len()].copy_from_slice(descriptors);
        Disc::new(Box::new(bytes), Limits { allocation_extents: 8, ..Limits::default() })
    }

    fn runs(disc: &Disc, icb: &Icb) -> Result<Vec<(u64, Extent)>> {
        extents(disc, &Partitions::for_tests(0), icb, Replica::Main).map(|e| e.runs().to_vec())
    }

    #[test]
    fn extents_go_on_in_allocation_extents_and_holes_have_no_place() {
        let first = [short(0, 2048, 1), short(3, 2048, 2)].concat();
        let second = [short(1, 4096, 9), short(2, 2048, 0), short(0, 100, 3)].concat();
        let got = runs(&disc(&second), &icb(AllocationKind::Short, first, 8292)).unwrap();
        let want = [
            (0, Extent { at: Some(2048), len: 2048 }),
            (2048, Extent { at: None, len: 6144 }),
            (8192, Extent { at: Some(6144), len: 100 }),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn descriptors_behind_the_end_of_the_file_are_not_read() {
        let tail = [short(0, 2048, 1), short(3, 2048, 0)].concat();
        let got = runs(&disc(b""), &icb(AllocationKind::Short, tail, 2048)).unwrap();
        assert_eq!(got.len(), 1);
    }

    #[test]
    fn bytes_recorded_behind_the_end_are_known() {
        let with_hole = [short(0, 2048, 1), short(1, 2048, 0), short(0, 9, 2)].concat();
        let with_tail = [short(0, 2048, 1), short(1, 4096, 2)].concat();
        for (descriptors, len, want) in [
            (short(0, 9, 1), 9, false),
            (short(0, 9, 1), 1, true),
            (short(0, 2048, 1), 9, false),
            (short(0, 2048, 1), 0, true),
            (short(0, 4096, 1), 9, true),
            (with_hole.clone(), 4105, false),
            (with_hole, 2049, true),
            (with_tail, 2048, false),
        ] {
            let icb = icb(AllocationKind::Short, descriptors, len);
            let exceeds = exceeds_length(&disc(b""), &Partitions::for_tests(0), &icb);
            assert_eq!(exceeds, want, "{len}");
        }
        let embedded = icb(AllocationKind::Embedded, b"hello".to_vec(), 4);
        assert!(exceeds_length(&disc(b""), &Partitions::for_tests(0), &embedded));
        // The end stands in another block than the beginning; one chain leads nowhere.
        let chained = [short(0, 2048, 1), short(3, 2048, 2)].concat();
        for (second, len, want) in [
            (short(0, 4096, 9), 6144, false),
            (short(0, 4096, 9), 4000, true),
            (short(0, 4096, 9), 2048, true),
            (short(1, 4096, 9), 2048, false),
            (short(3, 2048, 2), 9, false),
            (short(3, 2048, 2), 2048, false),
        ] {
            let icb = icb(AllocationKind::Short, chained.clone(), len);
            let exceeds = exceeds_length(&disc(&second), &Partitions::for_tests(0), &icb);
            assert_eq!(exceeds, want, "{len}");
        }
    }

    #[test]
    fn a_chain_that_circles_or_leads_nowhere_is_an_error() {
        let circle = short(3, 2048, 2);
        let error = runs(&disc(&circle), &icb(AllocationKind::Short, circle.clone(), 1));
        assert!(error.unwrap_err().to_string().contains("more than 8 allocation extents"));
        let nowhere = icb(AllocationKind::Short, short(3, 2048, 1), 1);
        let said = runs(&disc(b""), &nowhere).unwrap_err().to_string();
        assert!(said.contains("is missing, though the volume announces it"), "{said}");
    }

    #[test]
    fn an_embedded_file_lies_in_its_own_entry() {
        let got = runs(&disc(b""), &icb(AllocationKind::Embedded, b"hello".to_vec(), 5)).unwrap();
        assert_eq!(got, [(0, Extent { at: Some(176), len: 5 })]);
    }
}
