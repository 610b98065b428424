//! The bytes of a file as chunks: which block of the image holds each. Every chunk of a file is of
//! one size, a power of two of blocks, so that size is the largest at which each run ends.

use iso_core::volume::{Extent, Extents};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32};

use crate::disk::{
    CHUNK_FORMAT_INDEXES, CHUNK_FORMAT_MAX_BITS, ChunkIndex, IMAGE_DEVICE, NULL_BLOCK,
};

/// The image as the kernel sees it: a device of blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Device {
    /// Bytes of a block, as a power of two.
    pub(crate) block_bits: u32,
    /// Byte of the image's file at which byte 0 of the disc lies; below zero where the file is a
    /// track that was copied alone.
    pub(crate) disc_at: i64,
    /// Bytes of the image's file.
    pub(crate) len: u64,
}

/// How a file is cut into chunks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    bits: u32,
    count: u64,
}

impl Device {
    /// How a file is cut into chunks; nothing where its runs lie at no block's beginning or leave
    /// the image.
    pub(crate) fn cut(&self, extents: &Extents) -> Option<Chunks> {
        let block = 1u64.checked_shl(self.block_bits)?;
        let mut end = 0u64;
        let mut boundaries = 0u64;
        for (start, run) in extents.runs() {
            (*start == end && start.is_multiple_of(block)).then_some(())?;
            end = start.checked_add(run.len)?;
            boundaries |= start;
            if let Some(at) = run.at {
                self.block_of(at, run.len.min(extents.len().saturating_sub(*start)))?;
            }
        }
        (end >= extents.len()).then_some(())?;
        let whole = extents.len().checked_next_power_of_two()?.trailing_zeros();
        let largest = self.block_bits.saturating_add(CHUNK_FORMAT_MAX_BITS);
        let joints = if boundaries == 0 { u64::BITS } else { boundaries.trailing_zeros() };
        let bits = whole.max(self.block_bits).min(joints).min(largest);
        let chunk = 1u64.checked_shl(bits)?;
        Some(Chunks { bits, count: extents.len().div_ceil(chunk) })
    }

    /// The block at which a run begins, if it begins with one and its last block is in the image.
    fn block_of(&self, at: u64, len: u64) -> Option<u32> {
        let block = 1u64.checked_shl(self.block_bits)?;
        let at = at.checked_add_signed(self.disc_at).filter(|at| at.is_multiple_of(block))?;
        let end = at.checked_add(len.checked_next_multiple_of(block)?)?;
        let number = u32::try_from(at.checked_shr(self.block_bits)?).ok()?;
        (end <= self.len && number != NULL_BLOCK).then_some(number)
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> u32 {
        let blocks = self.len.checked_shr(self.block_bits).unwrap_or(0);
        u32::try_from(blocks).unwrap_or(u32::MAX)
    }

    /// The index of one chunk that begins at a byte of the file.
    fn index(&self, extents: &Extents, offset: u64) -> ChunkIndex {
        let at = match extents.run_at(offset) {
            Some(Extent { at: Some(at), .. }) => self.block_of(at, 0),
            Some(Extent { at: None, .. }) | None => None,
        };
        ChunkIndex {
            block_high: U16::new(0),
            device: U16::new(if at.is_some() { IMAGE_DEVICE } else { 0 }),
            block: U32::new(at.unwrap_or(NULL_BLOCK)),
        }
    }
}

impl Chunks {
    /// Bytes of the indexes of all chunks.
    pub(crate) const fn index_bytes(&self) -> u64 {
        self.count.saturating_mul(8)
    }

    /// What an inode says of its chunks.
    pub(crate) fn format(&self, device: &Device) -> u32 {
        let bits = self.bits.saturating_sub(device.block_bits);
        u32::from(CHUNK_FORMAT_INDEXES) | bits.min(CHUNK_FORMAT_MAX_BITS)
    }

    /// Adds the indexes of all chunks.
    pub(crate) fn write(&self, device: &Device, extents: &Extents, out: &mut Vec<u8>) {
        for chunk in 0..self.count {
            let offset = chunk.checked_shl(self.bits).unwrap_or(0);
            out.extend_from_slice(device.index(extents, offset).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iso_core::volume::ExtentsBuilder;
    use iso_core::{Limits, Site};

    fn file(runs: &[(Option<u64>, u64)], len: u64) -> Extents {
        let mut builder = ExtentsBuilder::new(&Limits::default(), Site::new("file", "test", 0));
        for (at, len) in runs {
            builder.push(Extent { at: *at, len: *len }).unwrap();
        }
        builder.finish(len)
    }

    const DEVICE: Device = Device { block_bits: 11, disc_at: 4096, len: 100 << 20 };

    #[test]
    fn one_run_is_one_chunk_and_others_end_where_runs_do() {
        let one = file(&[(Some(20480), 5_000_000)], 5_000_000);
        assert_eq!(DEVICE.cut(&one), Some(Chunks { bits: 23, count: 1 }));
        let two = file(&[(Some(1 << 20), 6 << 20), (Some(1 << 24), 10_000)], (6 << 20) + 10_000);
        let chunks = DEVICE.cut(&two).unwrap();
        assert_eq!(chunks, Chunks { bits: 21, count: 4 });
        let mut bytes = Vec::new();
        chunks.write(&DEVICE, &two, &mut bytes);
        // In blocks of 2048, two of them before the disc begins.
        let blocks: Vec<u32> =
            bytes.chunks(8).map(|i| u32::from_le_bytes(i[4..].try_into().unwrap())).collect();
        assert_eq!(blocks, [514, 1538, 2562, 8194]);
        assert_eq!(chunks.format(&DEVICE), 0x20 | 10);
    }

    #[test]
    fn runs_that_are_not_recorded_have_no_block() {
        let holes = file(&[(Some(0), 2048), (None, 2048), (Some(8192), 100)], 4196);
        let chunks = DEVICE.cut(&holes).unwrap();
        let mut bytes = Vec::new();
        chunks.write(&DEVICE, &holes, &mut bytes);
        assert_eq!(bytes[8..16], [0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(bytes[16..24], [0, 0, 1, 0, 6, 0, 0, 0]);
    }

    #[test]
    fn what_lies_between_blocks_or_leaves_the_image_is_not_cut() {
        for extents in [
            file(&[(Some(100), 10)], 10),
            file(&[(Some(0), 100), (Some(4096), 10)], 110),
            file(&[(Some(100 << 20), 10)], 10),
            file(&[(Some((100 << 20) - 4096), 5000)], 5000),
            file(&[(Some(0), 10)], 20),
        ] {
            assert_eq!(DEVICE.cut(&extents), None, "{extents:?}");
        }
    }
}
