//! Names found by their hashes: less than five bytes a name, and no more work for names that a disc
//! chose. The keys of the hash are this process's own, so no disc can make its names collide.

use std::hash::{BuildHasher, Hash, RandomState};
use std::ops::Range;

use crate::cache::Weigh;
use crate::error::{Error, Result};
use crate::num::{to_u64, to_usize};
use crate::text::Folded;

/// Names that share a bucket on average, as a power of two: the more, the smaller the table of
/// buckets, and the more names are compared by tags that they share by chance.
const BUCKET_NAMES_LOG2: u32 = 3;

/// Bits of a hash.
const HASH_BITS: u32 = u32::BITS;

/// How names are hashed.
#[derive(Debug, Clone)]
struct Hashing {
    state: RandomState,
    is_folded: bool,
}

impl Hashing {
    fn hash(&self, name: &[u8]) -> u32 {
        let whole = match self.is_folded {
            true => self.state.hash_one(Folded(name)),
            false => self.state.hash_one(name),
        };
        upper(whole)
    }
}

/// The hashes of all names of a directory, while it is made: the names may still change.
#[derive(Debug)]
pub(super) struct NameHashes {
    /// Hash in the upper half, slot in the lower; in order, so that equal hashes stand together and
    /// their slots in the order of the disc.
    keys: Vec<u64>,
    hashing: Hashing,
}

impl NameHashes {
    /// Of names that stand in slots 0, 1, 2..., `count` of them.
    ///
    /// # Errors
    /// `NoMemory`.
    pub(super) fn new<'n>(count: usize, names: impl Iterator<Item = &'n [u8]>) -> Result<Self> {
        let mut hashes = Self::empty(count, false)?;
        names.for_each(|name| hashes.push(name));
        Ok(hashes.sorted())
    }

    /// As `new`, for names without regard to case, each added by itself before `sorted`.
    ///
    /// # Errors
    /// `NoMemory`.
    pub(super) fn folded(count: usize) -> Result<Self> {
        Self::empty(count, true)
    }

    fn empty(count: usize, is_folded: bool) -> Result<Self> {
        let mut keys = Vec::new();
        keys.try_reserve_exact(count).map_err(|_| Error::NoMemory)?;
        Ok(Self { keys, hashing: Hashing { state: RandomState::new(), is_folded } })
    }

    /// Adds the name of the next slot; what is more than was announced is left out.
    pub(super) fn push(&mut self, name: &[u8]) {
        if self.keys.len() < self.keys.capacity() {
            let slot = to_u64(self.keys.len());
            self.keys.push(u64::from(self.hashing.hash(name)) << HASH_BITS | slot);
        }
    }

    pub(super) fn sorted(mut self) -> Self {
        self.keys.sort_unstable();
        self
    }

    /// The slots whose names may be this one, in the order of the disc.
    pub(super) fn candidates(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let hash = self.hashing.hash(name);
        let first = self.keys.partition_point(|key| upper(*key) < hash);
        let keys = self.keys.get(first..).unwrap_or_default().iter();
        keys.take_while(move |key| upper(**key) == hash).map(|key| lower(*key))
    }

    /// Slots whose names may be one another's, in the order of the disc.
    pub(super) fn alike(&self) -> impl Iterator<Item = Vec<u32>> {
        let runs = self.keys.chunk_by(|a, b| upper(*a) == upper(*b));
        runs.filter(|run| run.len() > 1).map(|run| run.iter().map(|key| lower(*key)).collect())
    }

    /// What is needed to find a name, in half the memory, which is a part of that of the hashes.
    ///
    /// # Errors
    /// `NoMemory`.
    pub(super) fn into_index(mut self) -> Result<NameIndex> {
        let (len, layout) = (self.keys.len(), Layout::of(self.keys.len()));
        let mut ends: Vec<u32> = Vec::new();
        ends.try_reserve_exact(layout.buckets()).map_err(|_| Error::NoMemory)?;
        let mut end = 0usize;
        for bucket in 0..layout.buckets() {
            let rest = self.keys.get_mut(end..).unwrap_or_default();
            let is_here = |key: &u64| layout.bucket(upper(*key)) <= bucket;
            let count = rest.iter().take_while(|key| is_here(key)).count();
            let here = rest.get_mut(..count).unwrap_or_default();
            here.iter_mut().for_each(|key| *key = (layout.tag(upper(*key)) | lower(*key)).into());
            // Names with equal tags need not have equal hashes; their slots shall be in order.
            here.sort_unstable();
            end = end.saturating_add(count);
            ends.push(u32::try_from(end).unwrap_or(u32::MAX));
        }
        // Two of them are put into the place of one.
        for index in 0..len.div_ceil(2) {
            let at = index.saturating_mul(2);
            let pair = self.keys.get(at..).unwrap_or_default();
            let high = pair.get(1).copied().unwrap_or_default() << HASH_BITS;
            let pair = pair.first().copied().unwrap_or_default() | high;
            if let Some(place) = self.keys.get_mut(index) {
                *place = pair;
            }
        }
        self.keys.truncate(len.div_ceil(2));
        let pairs = self.keys.into();
        Ok(NameIndex { pairs, ends: ends.into(), layout, hashing: self.hashing })
    }
}

/// The slots of a directory by the hashes of their names.
#[derive(Debug)]
pub(super) struct NameIndex {
    /// Slots, each below a tag of some bits of its hash: bucket by bucket, in order in each. Two of
    /// them in each number, the first one in its lower half.
    pairs: Box<[u64]>,
    /// Where each bucket ends.
    ends: Box<[u32]>,
    layout: Layout,
    hashing: Hashing,
}

impl NameIndex {
    /// An index of no names.
    pub(super) fn empty() -> Self {
        let hashing = Hashing { state: RandomState::new(), is_folded: false };
        Self { pairs: Box::default(), ends: Box::default(), layout: Layout::of(0), hashing }
    }

    /// The slots whose names may be this one, in the order of the disc.
    pub(super) fn candidates(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let hash = self.hashing.hash(name);
        let (tag, layout) = (self.layout.tag(hash), self.layout);
        let Range { mut start, end } = self.bucket(hash);
        // The first one that is not below the tag.
        let mut behind = end;
        while start < behind {
            let middle = start.midpoint(behind);
            match self.tagged(middle) < tag {
                true => start = middle.saturating_add(1),
                false => behind = middle,
            }
        }
        let tagged = (start..end).map(|index| self.tagged(index));
        let is_wanted = move |tagged: &u32| layout.tag_of(*tagged) == tag;
        tagged.take_while(is_wanted).map(move |tagged| tagged & layout.slots())
    }

    fn tagged(&self, index: usize) -> u32 {
        let pair = self.pairs.get(index / 2).copied().unwrap_or_default();
        if index.is_multiple_of(2) { lower(pair) } else { upper(pair) }
    }

    fn bucket(&self, hash: u32) -> Range<usize> {
        let bucket = self.layout.bucket(hash);
        let end = |bucket: usize| {
            self.ends.get(bucket).map_or(0, |end| usize::try_from(*end).unwrap_or(usize::MAX))
        };
        bucket.checked_sub(1).map_or(0, end)..end(bucket)
    }
}

impl Weigh for NameIndex {
    fn weight_bytes(&self) -> u64 {
        let tables = size_of_val(&*self.pairs).saturating_add(size_of_val(&*self.ends));
        to_u64(size_of::<Self>().saturating_add(tables))
    }
}

/// How 32 bits of a hash are shared out: the upper ones choose a bucket, the next are the tag.
#[derive(Debug, Clone, Copy)]
struct Layout {
    bucket_bits: u32,
    slot_bits: u32,
}

impl Layout {
    fn of(names: usize) -> Self {
        let slot_bits = usize::BITS.saturating_sub(names.saturating_sub(1).leading_zeros());
        let slot_bits = slot_bits.min(HASH_BITS);
        Self { bucket_bits: slot_bits.saturating_sub(BUCKET_NAMES_LOG2), slot_bits }
    }

    fn buckets(self) -> usize {
        1usize.checked_shl(self.bucket_bits).unwrap_or(usize::MAX)
    }

    fn bucket(self, hash: u32) -> usize {
        let bucket = hash.checked_shr(HASH_BITS.saturating_sub(self.bucket_bits)).unwrap_or(0);
        to_usize(bucket.into())
    }

    /// The bits that are left for a slot.
    fn slots(self) -> u32 {
        u32::MAX.checked_shr(HASH_BITS.saturating_sub(self.slot_bits)).unwrap_or(0)
    }

    fn tag(self, hash: u32) -> u32 {
        self.tag_of(hash.checked_shl(self.bucket_bits).unwrap_or(0))
    }

    fn tag_of(self, tagged: u32) -> u32 {
        tagged & !self.slots()
    }
}

fn upper(key: u64) -> u32 {
    u32::try_from(key >> HASH_BITS).unwrap_or(u32::MAX)
}

fn lower(key: u64) -> u32 {
    u32::try_from(key & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

impl Hash for Folded<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.chars().for_each(|c| state.write_u32(c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_slots_in_the_order_of_the_disc() {
        let names = [&b"b"[..], b"A", b"a", b"b", "\u{c4}".as_bytes(), "\u{e4}".as_bytes()];
        let hashes = NameHashes::new(6, names.iter().copied()).unwrap();
        assert_eq!(hashes.candidates(b"b").collect::<Vec<_>>(), [0, 3]);
        assert_eq!(hashes.alike().collect::<Vec<_>>(), [[0, 3]]);
        let index = hashes.into_index().unwrap();
        assert_eq!(index.candidates(b"b").collect::<Vec<_>>(), [0, 3]);
        assert_eq!(index.candidates(b"A").collect::<Vec<_>>(), [1]);
        assert_eq!(index.candidates(b"c").next(), None);
        let mut folded = NameHashes::folded(6).unwrap();
        names.iter().for_each(|name| folded.push(name));
        let folded = folded.sorted().into_index().unwrap();
        assert_eq!(folded.candidates(b"A").collect::<Vec<_>>(), [1, 2]);
        assert_eq!(folded.candidates("\u{e4}".as_bytes()).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(NameIndex::empty().candidates(b"a").count(), 0);
    }

    #[test]
    fn every_name_of_a_directory_of_any_size_is_found_and_few_others_with_it() {
        for count in [0usize, 1, 2, 3, 7, 8, 9, 15, 16, 17, 255, 256, 257, 4095, 100_000] {
            let names: Vec<String> = (0..count).map(|n| format!("name {n}")).collect();
            let hashes = NameHashes::new(count, names.iter().map(|name| name.as_bytes())).unwrap();
            let index = hashes.into_index().unwrap();
            let mut others = 0usize;
            for (slot, name) in (0u32..).zip(&names) {
                let found: Vec<u32> = index.candidates(name.as_bytes()).collect();
                assert!(found.contains(&slot), "{count}: {slot}");
                others += found.len() - 1;
            }
            assert!(others <= count / 500, "{count}: {others}");
            assert!(count < 4096 || index.weight_bytes() < to_u64(count * 5 + 200));
        }
    }
}
