//! Names found by their hashes: eight bytes a name, and no more work for names that a disc chose.
//! The keys of the hash are this process's own, so no disc can make its names collide.

use std::hash::{BuildHasher, Hash, RandomState};

use crate::num::to_u64;
use crate::text::Folded;

/// The slots of a directory by the hashes of their names.
#[derive(Debug)]
pub(super) struct NameIndex {
    /// Hash in the upper half, slot in the lower; in order, so that equal hashes stand together and
    /// their slots in the order of the disc.
    keys: Box<[u64]>,
    hasher: RandomState,
    is_folded: bool,
}

impl NameIndex {
    /// The index of names that stand in slots 0, 1, 2...
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n [u8]>) -> Self {
        Self::build(names, false)
    }

    /// As `new`, for names without regard to case.
    pub(super) fn folded<'n>(names: impl Iterator<Item = &'n [u8]>) -> Self {
        Self::build(names, true)
    }

    fn build<'n>(names: impl Iterator<Item = &'n [u8]>, is_folded: bool) -> Self {
        let mut index = Self { keys: Box::default(), hasher: RandomState::new(), is_folded };
        let mut keys: Vec<u64> =
            (0u64..).zip(names).map(|(slot, name)| index.hash(name) | slot).collect();
        keys.sort_unstable();
        index.keys = keys.into();
        index
    }

    fn hash(&self, name: &[u8]) -> u64 {
        let whole = match self.is_folded {
            true => self.hasher.hash_one(Folded(name)),
            false => self.hasher.hash_one(name),
        };
        whole & !u64::from(u32::MAX)
    }

    /// The slots whose names may be this one, in the order of the disc.
    pub(super) fn candidates(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let hash = self.hash(name);
        let first = self.keys.partition_point(|key| *key < hash);
        let keys = self.keys.get(first..).unwrap_or_default().iter();
        keys.take_while(move |key| upper(**key) == hash).map(|key| slot(*key))
    }

    /// Slots whose names may be one another's, in the order of the disc.
    pub(super) fn alike(&self) -> impl Iterator<Item = Vec<u32>> {
        let runs = self.keys.chunk_by(|a, b| upper(*a) == upper(*b));
        runs.filter(|run| run.len() > 1).map(|run| run.iter().map(|key| slot(*key)).collect())
    }

    /// Bytes that it keeps alive.
    pub(super) fn weight_bytes(&self) -> u64 {
        to_u64(size_of_val(&*self.keys))
    }
}

fn upper(key: u64) -> u64 {
    key & !u64::from(u32::MAX)
}

fn slot(key: u64) -> u32 {
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
        let index = NameIndex::new(names.iter().copied());
        assert_eq!(index.candidates(b"b").collect::<Vec<_>>(), [0, 3]);
        assert_eq!(index.candidates(b"A").collect::<Vec<_>>(), [1]);
        assert_eq!(index.candidates(b"c").next(), None);
        assert_eq!(index.alike().collect::<Vec<_>>(), [[0, 3]]);
        assert_eq!(index.weight_bytes(), 48);
        let folded = NameIndex::folded(names.iter().copied());
        assert_eq!(folded.candidates(b"A").collect::<Vec<_>>(), [1, 2]);
        assert_eq!(folded.candidates("\u{e4}".as_bytes()).collect::<Vec<_>>(), [4, 5]);
    }
}
