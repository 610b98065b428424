//! The chunk indexes of a file: each names blocks that the image has, or is a hole.
//! Reads no byte of the image.

use zerocopy::FromBytes;

use super::forward::Forward;
use super::refused::{Refused, require, unsound};
use crate::disk::{
    CHUNK_FORMAT_INDEXES, CHUNK_FORMAT_MAX_BITS, ChunkIndex, IMAGE_DEVICE, NULL_BLOCK,
};

/// Indexes that are looked at at once.
const AT_ONCE: u64 = 4096;

const INDEX_BYTES: u64 = 8;

const _: () = assert!(size_of::<ChunkIndex>() == 8);

/// Checks the indexes behind an inode, which ends at the first number, for a file of so many bytes.
/// The device is the image, by its block size and its blocks. Gives where the indexes end.
///
/// # Errors
/// `Refused`.
pub(super) fn check(
    bytes: &mut Forward<'_>,
    (block_bits, image_blocks): (u32, u64),
    (behind, size): (u64, u64),
    format: u32,
) -> Result<u64, Refused> {
    let at = behind;
    let bits = format & CHUNK_FORMAT_MAX_BITS;
    let is_ours = format == bits | u32::from(CHUNK_FORMAT_INDEXES);
    require(is_ours && size > 0, "a form of chunks that is not ours", at)?;
    let chunk = 1u64.checked_shl(bits.saturating_add(block_bits));
    let chunk = chunk.ok_or(unsound("a form of chunks that is not ours", at))?;
    let count = size.div_ceil(chunk);
    let from = behind.next_multiple_of(INDEX_BYTES);
    let end = count.checked_mul(INDEX_BYTES).and_then(|len| from.checked_add(len));
    let end = end.filter(|end| *end <= bytes.len());
    let end = end.ok_or(unsound("chunks past the end of the metadata", at))?;
    let mut next = 0u64;
    while next < count {
        let some = count.saturating_sub(next).min(AT_ONCE);
        let place = from.saturating_add(next.saturating_mul(INDEX_BYTES));
        let len = usize::try_from(some.saturating_mul(INDEX_BYTES)).unwrap_or(usize::MAX);
        let indexes = <[ChunkIndex]>::ref_from_bytes(bytes.get(place, len)?)
            .map_err(|_| unsound("an index that is cut short", place))?;
        for (number, index) in (next..).zip(indexes) {
            let left = size.saturating_sub(number.saturating_mul(chunk)).min(chunk);
            let blocks = left.checked_shr(block_bits).unwrap_or(0);
            let has_part = left != blocks.checked_shl(block_bits).unwrap_or(left);
            let blocks = blocks.saturating_add(u64::from(has_part));
            require(is_sound(index, blocks, image_blocks), "a chunk outside the image", place)?;
        }
        next = next.saturating_add(some);
    }
    Ok(end)
}

/// Whether a chunk of so many blocks lies in the image, or nowhere.
fn is_sound(index: &ChunkIndex, blocks: u64, image_blocks: u64) -> bool {
    let (block, device) = (index.block.get(), index.device.get());
    let is_hole = block == NULL_BLOCK && device == 0;
    let is_in_image = block != NULL_BLOCK
        && device == IMAGE_DEVICE
        && u64::from(block).saturating_add(blocks) <= image_blocks;
    index.block_high.get() == 0 && (is_hole || is_in_image)
}
