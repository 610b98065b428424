//! What was parsed of the volumes of one disc, in caches that all of them share: what a disc may
//! cost does not grow with its views. Holds and finds; parses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cache::{Weigh, WeightedCache};
use crate::error::Result;
use crate::limits::Limits;

use super::name_index::NameIndex;
use super::outline::Outline;
use super::{Data, Dir, NodeId};

/// A volume of a disc, as its caches tell them apart.
type VolumeNumber = u32;

/// The caches of one disc.
pub(crate) struct ParsedCaches {
    dirs: WeightedCache<(VolumeNumber, NodeId, Piece), Dir>,
    /// What is kept of large directories beside them.
    kept: WeightedCache<(VolumeNumber, NodeId, What), Kept>,
    files: WeightedCache<(VolumeNumber, NodeId), Data>,
    volumes: AtomicU32,
}

/// What a kept directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Piece {
    Whole,
    /// A part of a large one.
    Part(usize),
    /// A whole one, whose directories are numbered by where they lie.
    ByPlace,
}

/// Which of the two things that are kept of a large directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Outline,
    Folded,
}

/// What is kept of a large directory.
enum Kept {
    Outline(Arc<Outline>),
    /// Its names without regard to case.
    Folded(Arc<NameIndex>),
}

impl Weigh for Kept {
    fn weight_bytes(&self) -> u64 {
        let own = u64::try_from(size_of::<Self>().saturating_add(32)).unwrap_or(u64::MAX);
        own.saturating_add(match self {
            Self::Outline(outline) => outline.weight_bytes(),
            Self::Folded(index) => index.weight_bytes(),
        })
    }
}

impl ParsedCaches {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            dirs: WeightedCache::new(limits.parsed_cache_bytes),
            kept: WeightedCache::new(limits.kept_index_bytes),
            files: WeightedCache::new(limits.file_cache_bytes),
            volumes: AtomicU32::new(0),
        })
    }

    /// The place of one more volume in the caches.
    pub(crate) fn shelf(self: &Arc<Self>) -> Shelf {
        let volume = self.volumes.fetch_add(1, Ordering::Relaxed);
        Shelf { caches: self.clone(), volume }
    }
}

/// The place of one volume in the caches of its disc.
pub(crate) struct Shelf {
    caches: Arc<ParsedCaches>,
    volume: VolumeNumber,
}

impl Shelf {
    /// A whole directory.
    pub(crate) fn whole(&self, node: NodeId) -> Option<Arc<Dir>> {
        self.caches.dirs.get(&(self.volume, node, Piece::Whole))
    }

    /// Keeps a whole directory.
    pub(crate) fn put_whole(&self, node: NodeId, dir: Arc<Dir>) {
        self.caches.dirs.put((self.volume, node, Piece::Whole), dir);
    }

    /// As `whole`, of a directory whose directories are numbered by where they lie.
    pub(super) fn by_place(&self, node: NodeId) -> Option<Arc<Dir>> {
        self.caches.dirs.get(&(self.volume, node, Piece::ByPlace))
    }

    /// As `put_whole`, of a directory whose directories are numbered by where they lie.
    pub(super) fn put_by_place(&self, node: NodeId, dir: Arc<Dir>) {
        self.caches.dirs.put((self.volume, node, Piece::ByPlace), dir);
    }

    /// Evicts directories until one of this weight fits.
    pub(crate) fn make_room(&self, bytes: u64) {
        self.caches.dirs.make_room(bytes);
    }

    /// A part of a directory.
    pub(super) fn part(&self, node: NodeId, part: usize) -> Option<Arc<Dir>> {
        self.caches.dirs.get(&(self.volume, node, Piece::Part(part)))
    }

    /// Keeps a part of a directory.
    pub(super) fn put_part(&self, node: NodeId, part: usize, dir: Arc<Dir>) {
        self.caches.dirs.put((self.volume, node, Piece::Part(part)), dir);
    }

    /// The outline of a directory.
    pub(super) fn outline(&self, node: NodeId) -> Option<Arc<Outline>> {
        match &*self.caches.kept.get(&(self.volume, node, What::Outline))? {
            Kept::Outline(outline) => Some(outline.clone()),
            Kept::Folded(_) => None,
        }
    }

    /// Keeps the outline of a directory, if all that may be kept has room for it.
    pub(super) fn keep_outline(&self, node: NodeId, outline: Outline) {
        let kept = Arc::new(Kept::Outline(Arc::new(outline)));
        self.caches.kept.put_if_it_fits((self.volume, node, What::Outline), kept);
    }

    /// The names of a directory without regard to case, made by `make` and kept if there is room.
    pub(super) fn folded(
        &self,
        node: NodeId,
        make: impl FnOnce() -> Result<NameIndex>,
    ) -> Result<Arc<NameIndex>> {
        let key = (self.volume, node, What::Folded);
        if let Some(Kept::Folded(index)) = self.caches.kept.get(&key).as_deref() {
            return Ok(index.clone());
        }
        let index = Arc::new(make()?);
        self.caches.kept.put_if_it_fits(key, Arc::new(Kept::Folded(index.clone())));
        Ok(index)
    }

    /// The bytes of a file, made and kept if they are not there.
    pub(crate) fn file(
        &self,
        node: NodeId,
        make: impl FnOnce() -> Result<Arc<Data>>,
    ) -> Result<Arc<Data>> {
        self.caches.files.get_or_make((self.volume, node), make)
    }
}
