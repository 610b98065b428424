//! The superblock and the device table behind it: every byte is the one that the translator
//! writes, but for counts and the label. So no feature of EROFS that it never uses is met.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, IntoBytes};

use super::forward::Forward;
use super::refused::{Refused, require, unsound};
use crate::disk::{
    DEVICE_TABLE_SLOT, DeviceSlot, INCOMPAT_CHUNKED_FILE, INCOMPAT_DEVICE_TABLE, MAGIC, SLOT_BYTES,
    SUPERBLOCK_AT, Superblock,
};

/// What the superblock says of the rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Bytes of a block, as a power of two.
    pub(super) block_bits: u32,
    /// Blocks of the image.
    pub(super) image_blocks: u64,
    /// Where the root's inode is.
    pub(super) root_nid: u64,
    /// How many inodes there are.
    pub(super) inodes: u64,
}

/// Where inodes and blocks of directories begin.
pub(super) const FIRST: u64 = SUPERBLOCK_AT.saturating_add(SLOT_BYTES.saturating_mul(2));

/// Block sizes that the translator chooses, as powers of two.
const BLOCK_BITS: std::ops::RangeInclusive<u8> = 9..=12;

/// Checks the superblock and the device table of metadata for an image of so many bytes.
///
/// # Errors
/// `Refused`.
pub(super) fn check(bytes: &mut Forward<'_>, image_bytes: u64) -> Result<Layout, Refused> {
    let len = bytes.len();
    let head = bytes.get(SUPERBLOCK_AT, size_of::<(Superblock, DeviceSlot)>())?;
    let short = || unsound("it is too short for a superblock", SUPERBLOCK_AT);
    let (found, rest) = Superblock::ref_from_prefix(head).map_err(|_| short())?;
    let (device, _) = DeviceSlot::ref_from_prefix(rest).map_err(|_| short())?;
    let at = SUPERBLOCK_AT;
    require(found.magic.get() == MAGIC, "there is no superblock", at)?;
    require(BLOCK_BITS.contains(&found.block_bits), "a block size that is not ours", at)?;
    require(found.extra_devices.get() == 1, "not one further device", at)?;
    let incompat = INCOMPAT_CHUNKED_FILE | INCOMPAT_DEVICE_TABLE;
    let has_our_features =
        found.feature_incompat.get() == incompat && found.feature_compat.get() == 0;
    require(has_our_features, "features that are not ours", at)?;
    let is_label = found.volume_name.last() == Some(&0);
    require(is_label, "a label without an end", at)?;
    require(found.as_bytes() == expected(found).as_bytes(), "a field that is not ours", at)?;

    let block_bits = u32::from(found.block_bits);
    let whole = u64::from(found.blocks.get()).checked_shl(block_bits);
    require(whole == Some(len), "a length that is not the file's", at)?;
    let image_blocks = image_bytes.checked_shr(block_bits).unwrap_or(0).min(u32::MAX.into());
    let slot = DeviceSlot {
        tag: [0; 64],
        blocks: U32::new(u32::try_from(image_blocks).unwrap_or(u32::MAX)),
        mapped_block: U32::ZERO,
        reserved: [0; 56],
    };
    let is_image = device.as_bytes() == slot.as_bytes();
    require(is_image, "a device that is not the image", at.saturating_add(SLOT_BYTES))?;
    let (root_nid, inodes) = (u64::from(found.root_nid.get()), found.inodes.get());
    Ok(Layout { block_bits, image_blocks, root_nid, inodes })
}

/// The superblock as the translator writes it, with the counts and the label of another one.
fn expected(found: &Superblock) -> Superblock {
    Superblock {
        magic: U32::new(MAGIC),
        checksum: U32::ZERO,
        feature_compat: U32::ZERO,
        block_bits: found.block_bits,
        extension_slots: 0,
        root_nid: found.root_nid,
        inodes: found.inodes,
        build_seconds: U64::ZERO,
        build_nanoseconds: U32::ZERO,
        blocks: found.blocks,
        meta_block: U32::ZERO,
        xattr_block: U32::ZERO,
        uuid: [0; 16],
        volume_name: found.volume_name,
        feature_incompat: U32::new(INCOMPAT_CHUNKED_FILE | INCOMPAT_DEVICE_TABLE),
        compression_algorithms: U16::ZERO,
        extra_devices: U16::new(1),
        device_table_slot: U16::new(DEVICE_TABLE_SLOT),
        directory_block_bits: 0,
        xattr_prefixes: 0,
        xattr_prefix_start: U32::ZERO,
        packed_nid: U64::ZERO,
        xattr_filter: 0,
        reserved: [0; 23],
    }
}
