//! Blocks of a logical volume by their partition maps, and which copy of them is meant.
//! Values only.

use crate::cache::Disc;
use crate::num::quotient;

/// A block of a logical volume, by the number of its partition map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) partition: u16,
    pub(super) block: u32,
}

impl Address {
    /// The next block.
    pub(super) const fn next(self) -> Self {
        Self { block: self.block.saturating_add(1), ..self }
    }
}

/// Which copy of a metadata partition is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replica {
    Main,
    Mirror,
}

/// The blocks of an image, counted in logical blocks from its beginning.
pub(super) fn blocks_of(disc: &Disc, block_bytes: u64) -> u64 {
    quotient(disc.len(), block_bytes)
}
