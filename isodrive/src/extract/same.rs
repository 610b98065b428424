//! Names whose bytes were written under another name already: the names of one file, and files that
//! lie in the same places on the disc. Remembers what was written; writes nothing.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

use iso_core::volume::{Attr, Data, NodeId};

use super::Kept;

/// Runs of a file that are compared: one in more pieces is copied.
const MAX_RUNS: usize = 8;

/// Keys that are counted, and bytes of paths that are remembered: what comes after is copied.
const MAX_KEYS: usize = 2 << 20;
const MAX_PATH_BYTES: usize = 64 << 20;

/// Files that are kept open, for others to share their bytes.
const MAX_SOURCES: usize = 32;

/// Where the bytes of a file lie on the disc.
type Places = Box<[(Option<u64>, u64)]>;

/// What a file is known by among those written before.
#[derive(Debug, Default)]
pub(super) struct Keys {
    one_file: Option<NodeId>,
    places: Option<Places>,
}

impl Keys {
    /// The keys of a file: names of one node are one file.
    pub(super) fn of(attr: &Attr, data: &Data) -> Self {
        let runs = match data {
            Data::Plain(extents) => extents.runs(),
            Data::Decoded(_) | Data::Synthetic(_) => &[],
        };
        let is_known = !runs.is_empty() && runs.len() <= MAX_RUNS;
        Self {
            one_file: Some(attr.node),
            places: is_known.then(|| runs.iter().map(|(_, run)| (run.at, run.len)).collect()),
        }
    }
}

impl Keys {
    /// Whether there is any.
    pub(super) const fn is_any(&self) -> bool {
        self.one_file.is_some() || self.places.is_some()
    }
}

/// How often keys occur: what occurs once is not remembered.
#[derive(Debug, Default)]
pub(super) struct Census {
    hasher: RandomState,
    seen: HashSet<u64>,
    shared: HashSet<u64>,
}

/// What a file shares with an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shares {
    /// It is the same file.
    File,
    /// It lies in the same places.
    Bytes,
    Nothing,
}

impl Census {
    /// Counts a file.
    pub(super) fn note(&mut self, keys: &Keys) -> Shares {
        let is_same = keys.one_file.as_ref().is_some_and(|key| self.note_key(key));
        let has_same_bytes = keys.places.as_ref().is_some_and(|key| self.note_key(key));
        match (is_same, has_same_bytes) {
            (true, _) => Shares::File,
            (false, true) => Shares::Bytes,
            (false, false) => Shares::Nothing,
        }
    }

    /// Whether a key was there before.
    fn note_key(&mut self, key: &impl Hash) -> bool {
        let hash = self.hasher.hash_one(key);
        if self.seen.contains(&hash) {
            self.shared.insert(hash);
            return true;
        }
        if self.seen.len() < MAX_KEYS {
            self.seen.insert(hash);
        }
        false
    }

    /// Whether any key occurs more than once.
    pub(super) fn has_shared(&self) -> bool {
        !self.shared.is_empty()
    }

    /// The keys that occur more than once.
    pub(super) fn shared(&self, keys: Keys) -> Keys {
        let is_shared = |hash: u64| self.shared.contains(&hash);
        Keys {
            one_file: keys.one_file.filter(|key| is_shared(self.hasher.hash_one(key))),
            places: keys.places.filter(|key| is_shared(self.hasher.hash_one(key))),
        }
    }
}

/// A file that was written.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: Vec<u8>,
    /// What tells that the file is still the one that was written.
    pub(super) identity: Option<(u64, u64)>,
}

/// What was written so far and occurs again.
#[derive(Debug, Default)]
pub(super) struct Written {
    files: HashMap<NodeId, Place>,
    path_bytes: usize,
    sources: VecDeque<(Places, Kept)>,
}

impl Written {
    /// The first name of the file.
    pub(super) fn first_name(&self, keys: &Keys) -> Option<&Place> {
        self.files.get(keys.one_file.as_ref()?)
    }

    /// A file with the same bytes.
    pub(super) fn source(&self, keys: &Keys) -> Option<&Kept> {
        let places = keys.places.as_ref()?;
        self.sources.iter().find(|(known, _)| known == places).map(|(_, kept)| kept)
    }

    /// Remembers a file under the keys that occur again.
    pub(super) fn remember(&mut self, keys: Keys, path: &[u8], kept: Kept) {
        if let Some(key) = keys.one_file
            && self.path_bytes < MAX_PATH_BYTES
        {
            self.path_bytes = self.path_bytes.saturating_add(path.len());
            self.files.insert(key, Place { path: path.to_vec(), identity: kept.identity() });
        }
        let Some(places) = keys.places.filter(|_| kept.can_be_shared()) else { return };
        if self.sources.len() >= MAX_SOURCES {
            self.sources.pop_front();
        }
        self.sources.push_back((places, kept));
    }

    /// Forgets the files that are open: their bytes cannot be shared here.
    pub(super) fn forget_sources(&mut self) {
        self.sources.clear();
    }
}
