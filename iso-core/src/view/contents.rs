//! What the tree of a view holds, so far as opening looks, and what one tree holds beyond another.
//! Counts and compares; reads nothing.

use std::collections::{BTreeMap, BTreeSet};

/// Bytes of data up to which a root without directories may be a stub: a note in several languages
/// fits, and little else does.
pub(crate) const STUB_BYTES: u64 = 64 << 10;

/// What the root of a view holds. Names that other systems hide are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Contents {
    /// Regular files with data.
    pub(crate) files: usize,
    /// Regular files without.
    pub(crate) empty: usize,
    /// Links and devices, which most formats cannot hold.
    pub(crate) special: usize,
    /// Directories.
    pub(crate) directories: usize,
    /// Names whose nodes would have cost a read too many.
    pub(crate) unweighed: usize,
    /// Where the data of the weighed files lies: first byte and bytes, each place once.
    pub(crate) places: BTreeMap<u64, u64>,
    /// Bytes of the longest name.
    pub(crate) longest_name: usize,
    /// What was compared below the root, and in it by name.
    pub(crate) below: Option<Below>,
}

/// What a tree holds of what was compared in several. Nothing stands here of which it is not known
/// whether another tree has it too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Below {
    /// Bytes of files by a place that stands for the file in all trees.
    pub(crate) files: BTreeMap<u64, u64>,
    /// Numbers of folders that another tree lacks.
    pub(crate) folders: BTreeSet<usize>,
    /// Some names could not be matched with those of the others.
    pub(crate) is_unclear: bool,
}

impl Contents {
    pub(super) fn names(&self) -> usize {
        [self.files, self.empty, self.special, self.directories, self.unweighed]
            .iter()
            .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// What every format can hold: directories and files with data.
    pub(super) fn solid(&self) -> usize {
        self.files.saturating_add(self.directories)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.places.values().fold(0, |sum, len| sum.saturating_add(*len))
    }

    /// Bytes of data that the other does not hold.
    pub(super) fn bytes_beyond(&self, other: &Self) -> u64 {
        self.places.iter().fold(0, |sum, (at, len)| {
            let shared = other.places.get(at).copied().unwrap_or(0);
            sum.saturating_add(len.saturating_sub(shared))
        })
    }

    /// Bytes of data that the other does not hold, as far as both were looked at.
    pub(super) fn bytes_beyond_in_all(&self, other: &Self) -> u64 {
        let (Some(own), Some(its)) = (&self.below, &other.below) else {
            return self.bytes_beyond(other);
        };
        let held = |at: &u64| {
            let places = [other.places.get(at), its.files.get(at)];
            places.into_iter().flatten().copied().max().unwrap_or(0)
        };
        let root = self.places.iter();
        // Most trees are equal, and comparing two maps at once is cheap.
        let differs = own.files != its.files;
        let below = differs.then_some(&own.files).into_iter().flatten();
        let below = below.filter(|(at, _)| !self.places.contains_key(at));
        root.chain(below).fold(0, |sum, (at, len)| sum.saturating_add(len.saturating_sub(held(at))))
    }

    /// Whether all its data lies where data of the other lies, and there is some.
    pub(super) fn shares_all_with(&self, other: &Self) -> bool {
        !self.places.is_empty() && self.bytes_beyond(other) == 0
    }

    /// Whether there is no directory and little data.
    pub(crate) fn is_little(&self) -> bool {
        self.directories == 0 && self.unweighed == 0 && self.bytes() <= STUB_BYTES
    }

    /// Whether it holds nothing, or little beside what the other holds: the ISO 9660 side of a
    /// Windows setup disc is a note ("use UDF to read this disc").
    pub(super) fn is_stub_beside(&self, other: &Self) -> bool {
        if self.names() == 0 {
            return other.names() > 0;
        }
        // A tree that has the same files but hides a folder makes no stub of the other.
        let holds_more = (other.directories > 0 && !self.shares_all_with(other))
            || other.bytes_beyond(self) > self.bytes()
            || other.unweighed > self.names();
        self.is_little() && holds_more
    }

    /// Bytes of files that were compared by name and are shorter in the other, or missing there.
    pub(super) fn longer_than(&self, other: &Self) -> u64 {
        let (Some(own), Some(its)) = (&self.below, &other.below) else { return 0 };
        if own.files == its.files {
            return 0;
        }
        own.files.iter().fold(0, |sum, (at, len)| {
            sum.saturating_add(len.saturating_sub(its.files.get(at).copied().unwrap_or(0)))
        })
    }

    /// Whether a person who is shown the other loses so much of this that names, links and modes
    /// do not make up for it.
    pub(super) fn outweighs(&self, other: &Self) -> bool {
        let lacking = other.bytes_beyond_in_all(self);
        let beyond = self.bytes_beyond_in_all(other);
        if other.unweighed > 0 || self.unweighed > 0 {
            // Places of the roots are not all known: what was compared by name is.
            let (beyond, lacking) = (self.longer_than(other), other.longer_than(self));
            return (beyond > STUB_BYTES && beyond > lacking)
                || self.names() > other.names().saturating_mul(2);
        }
        // Not all that lies in directories is looked at.
        let usual = other.directories.saturating_mul(2).saturating_add(1);
        let has_more_folders = self.directories > usual;
        (beyond > STUB_BYTES && beyond > lacking) || (has_more_folders && lacking <= STUB_BYTES)
    }
}
