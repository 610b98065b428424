//! Room for metadata, given out from the front: what was given is never asked for again, so a
//! translation holds nothing of what it wrote.

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

use crate::Declined;
use crate::disk::NID_BYTES;
use crate::output::Output;

/// Where the size stands in an inode; the place of the file's bytes follows it.
const SIZE_IN_INODE: u64 = 8;

/// The metadata that is being written.
pub(crate) struct Space<'o> {
    out: &'o mut dyn Output,
    at: u64,
    max: u64,
    block_bits: u32,
}

impl<'o> Space<'o> {
    /// Room from byte `at` to byte `max`.
    pub(crate) fn new(out: &'o mut dyn Output, at: u64, max: u64, block_bits: u32) -> Self {
        Self { out, at, max, block_bits }
    }

    /// Bytes of a block.
    pub(crate) fn block_bytes(&self) -> usize {
        1usize.checked_shl(self.block_bits).unwrap_or(usize::MAX)
    }

    fn block(&self) -> u64 {
        1u64.checked_shl(self.block_bits).unwrap_or(u64::MAX)
    }

    /// Where the next piece goes.
    pub(crate) const fn position(&self) -> u64 {
        self.at
    }

    /// Whether the next piece would not begin a block.
    pub(crate) fn is_within_block(&self) -> bool {
        !self.at.is_multiple_of(self.block())
    }

    /// Goes on at the next block; gives where that is.
    pub(crate) fn align_to_block(&mut self) -> u64 {
        self.at = self.at.next_multiple_of(self.block());
        self.at
    }

    /// Goes on where an inode may begin, and in the next block if `together` bytes from there
    /// would cross a block's edge.
    pub(crate) fn align_inode(&mut self, together: usize) {
        self.at = self.at.next_multiple_of(NID_BYTES);
        let block = self.block();
        let within = self.at.checked_rem(block).unwrap_or(0);
        let together = u64::try_from(together).unwrap_or(u64::MAX);
        if within.saturating_add(together) > block {
            self.align_to_block();
        }
    }

    /// The number of the block that begins at a byte.
    pub(crate) fn block_number(&self, at: u64) -> Result<u32, Declined> {
        let number = at.checked_shr(self.block_bits).unwrap_or(0);
        u32::try_from(number).map_err(|_| Declined::TooLarge)
    }

    /// Fails where so many bytes more would be too many.
    pub(crate) fn ensure(&self, bytes: u64) -> Result<(), Declined> {
        let end = self.at.saturating_add(bytes);
        if end > self.max { Err(Declined::TooLarge) } else { Ok(()) }
    }

    /// Writes the next piece; gives its bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<u64, Declined> {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.ensure(len)?;
        self.out.put(self.at, bytes)?;
        self.at = self.at.saturating_add(len);
        Ok(len)
    }

    /// Makes the last block whole, so that no read ends in the middle of one; gives where it ends.
    pub(crate) fn fill_up(&mut self) -> Result<u64, Declined> {
        let before = self.at;
        let end = self.align_to_block();
        if end > before {
            self.out.put(end.saturating_sub(1), &[0])?;
        }
        Ok(end)
    }

    /// Writes a piece in its own place.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) -> Result<(), Declined> {
        Ok(self.out.put(at, bytes)?)
    }

    /// Tells an inode that is written how long its bytes are and in which block they begin.
    pub(crate) fn point(&mut self, inode: u64, size: u64, at: u64) -> Result<(), Declined> {
        let block = self.block_number(at)?;
        let key = (U64::new(size), U32::new(block));
        let bytes = [key.0.as_bytes(), key.1.as_bytes()].concat();
        self.put(inode.saturating_add(SIZE_IN_INODE), &bytes)
    }
}
