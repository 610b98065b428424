//! The volume descriptor sequence: which descriptors prevail, from the main copy or the reserve
//! (ECMA-167 3/8.4.2, UDF 2.60 2.2.2). Gives raw descriptors; `partition` and `volume` use them.

use std::collections::BTreeMap;

use zerocopy::FromBytes;

use super::anchor::Anchor;
use super::disk::{
    DescriptorTag, ExtentAd, LogicalDescriptor, PartitionDescriptor, PrimaryDescriptor,
    VolumePointer,
};
use super::tag::{self, id};
use crate::cache::Disc;
use crate::error::{Result, Site};
use crate::num::{quotient, to_usize};

/// The prevailing descriptors of a volume.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    primary: Option<Held>,
    logical: Option<Held>,
    partitions: BTreeMap<u16, Held>,
}

/// A descriptor's bytes with what decides whether it prevails: right sums, then a high number.
#[derive(Debug)]
struct Held {
    rank: (bool, u32),
    bytes: Vec<u8>,
    at: u64,
}

impl Sequence {
    /// Reads the main sequence, and the reserve one where the main lacks something or is damaged.
    ///
    /// # Errors
    /// `Corrupt` or `Limit` where both end in damage before everything needed was met.
    pub(super) fn read(disc: &Disc, anchor: &Anchor) -> Result<Self> {
        let mut sequence = Self::default();
        let main = sequence.read_extent(disc, anchor.main, anchor.sector_bytes);
        if main.is_err() || !sequence.is_sound() {
            if let Err(error) = main {
                disc.findings()
                    .note_error("the reserve volume descriptor sequence is read", &error);
            } else {
                disc.findings().note(
                    "the main volume descriptor sequence is incomplete; the reserve volume \
                     descriptor sequence is read",
                );
            }
            if let Err(error) = sequence.read_extent(disc, anchor.reserve, anchor.sector_bytes) {
                if !sequence.is_complete() {
                    return Err(error);
                }
                disc.findings()
                    .note_error("the descriptors of the sequence up to there are used", &error);
            }
        }
        Ok(sequence)
    }

    /// Whether everything needed is there.
    fn is_complete(&self) -> bool {
        self.logical.is_some() && !self.partitions.is_empty()
    }

    /// Whether everything needed is there and none of it is damaged.
    fn is_sound(&self) -> bool {
        let sound = |held: &Held| held.rank.0;
        self.is_complete()
            && self.logical.as_ref().is_some_and(sound)
            && self.partitions.values().all(sound)
    }

    /// Takes in the descriptors of one extent and of the extents it points on to.
    fn read_extent(&mut self, disc: &Disc, extent: ExtentAd, sector_bytes: u64) -> Result<()> {
        let max = disc.limits().sequence_descriptors;
        let start = u64::from(extent.location.get()).saturating_mul(sector_bytes);
        let mut at = start;
        let mut left = quotient(u64::from(extent.len.get()), sector_bytes);
        for _ in 0..max {
            if left == 0 {
                return Ok(());
            }
            let bytes = disc.metadata(at, to_usize(sector_bytes), site(at))?;
            // A block that is no descriptor ends the sequence as a terminator would.
            let Some(tag) = tag::parse(&bytes) else { return Ok(()) };
            if tag.identifier.get() == id::TERMINATING {
                return Ok(());
            }
            at = at.saturating_add(sector_bytes);
            left = left.saturating_sub(1);
            if let Some(next) = self.take(&tag, bytes, at.saturating_sub(sector_bytes)) {
                at = u64::from(next.location.get()).saturating_mul(sector_bytes);
                left = quotient(u64::from(next.len.get()), sector_bytes);
            }
        }
        Err(site(start).limit("descriptors in one sequence", max))
    }

    /// Keeps a descriptor if it prevails over the one held. Gives the extent a pointer names.
    fn take(&mut self, tag: &DescriptorTag, bytes: Vec<u8>, at: u64) -> Option<ExtentAd> {
        let sequence_bytes = bytes.get(16..20)?.try_into().ok()?;
        let rank = (tag::crc_is_right(tag, &bytes), u32::from_le_bytes(sequence_bytes));
        let held = Held { rank, bytes, at };
        match tag.identifier.get() {
            id::PRIMARY => prevail(&mut self.primary, held),
            id::LOGICAL => prevail(&mut self.logical, held),
            id::PARTITION => {
                let (partition, _) = PartitionDescriptor::ref_from_prefix(&held.bytes).ok()?;
                let number = partition.number.get();
                let mut slot = self.partitions.remove(&number);
                prevail(&mut slot, held);
                self.partitions.extend(slot.map(|held| (number, held)));
            }
            id::POINTER => return Some(VolumePointer::ref_from_prefix(&held.bytes).ok()?.0.next),
            _ => {}
        }
        None
    }

    /// The primary volume descriptor.
    pub(super) fn primary(&self) -> Option<&PrimaryDescriptor> {
        Some(PrimaryDescriptor::ref_from_prefix(&self.primary.as_ref()?.bytes).ok()?.0)
    }

    /// The logical volume descriptor and the bytes of its partition maps.
    ///
    /// # Errors
    /// `Corrupt` if there is none.
    pub(super) fn logical(&self, anchor: &Anchor) -> Result<(&LogicalDescriptor, &[u8], Site)> {
        let missing = Site::new("volume descriptor sequence", "ECMA-167 3/8.4.2", anchor.at)
            .corrupt("has no logical volume descriptor");
        let Some(held) = &self.logical else { return Err(missing) };
        let place = Site::new("logical volume descriptor", "ECMA-167 3/10.6", held.at);
        let (logical, rest) = LogicalDescriptor::ref_from_prefix(&held.bytes)
            .map_err(|_| place.corrupt("is cut short"))?;
        let maps = rest.get(..to_usize(u64::from(logical.map_bytes.get()))).unwrap_or(rest);
        Ok((logical, maps, place))
    }

    /// The partition of a number.
    pub(super) fn partition(&self, number: u16) -> Option<&PartitionDescriptor> {
        let held = self.partitions.get(&number)?;
        Some(PartitionDescriptor::ref_from_prefix(&held.bytes).ok()?.0)
    }
}

/// Keeps `new` if it ranks higher than what is there.
fn prevail(slot: &mut Option<Held>, new: Held) {
    if slot.as_ref().is_none_or(|old| new.rank > old.rank) {
        *slot = Some(new);
    }
}

const fn site(at: u64) -> Site {
    Site::new("volume descriptor sequence", "ECMA-167 3/8.4.2", at)
}
