//! One inode with what stands behind it. Every form that the translator writes is accepted, and
//! none that it does not write; where directories lie is checked in `tree`.

use iso_core::volume::Permissions;
use zerocopy::FromBytes;

use super::forward::Forward;
use super::refused::{Refused, require, unsound};
use super::{chunks, xattrs};
use crate::disk::{DataLayout, INODE_BYTES, Inode};

/// The types of files as entries of directories name them.
pub(super) const REGULAR: u8 = 1;
pub(super) const DIRECTORY: u8 = 2;
const SYMLINK: u8 = 7;

/// The longest target of a symbolic link, which the kernel keeps in a page with its end.
const MAX_TARGET_BYTES: u64 = 4095;

const NANOSECONDS: u32 = 1_000_000_000;

/// What holds for all inodes of one metadata.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) block_bits: u32,
    pub(super) image_blocks: u64,
    pub(super) permissions: Permissions,
}

/// An inode that is sound by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sound {
    pub(super) file_type: u8,
    pub(super) links: u32,
    /// Bytes of the file or directory.
    pub(super) size: u64,
    /// For a directory, the byte at which its blocks begin.
    pub(super) blocks_at: u64,
    /// Where the inode ends, and all that stands behind it.
    pub(super) end: u64,
}

/// The bytes of inodes, and those of files that are held in blocks before their inodes.
pub(super) struct Readers<'f> {
    pub(super) inodes: Forward<'f>,
    pub(super) held: Forward<'f>,
}

/// An inode in work.
struct Subject {
    at: u64,
    /// Whatever belongs to the inode begins here or later.
    floor: u64,
    file_type: u8,
    size: u64,
    place: u32,
    /// Where its attributes end.
    behind: u64,
}

/// Checks the inode at a byte. What belongs to it begins at `floor` or later; `number` is its own.
///
/// # Errors
/// `Refused`.
pub(super) fn check(
    readers: &mut Readers<'_>,
    rules: &Rules,
    at: u64,
    floor: u64,
    number: u64,
) -> Result<Sound, Refused> {
    let bytes = readers.inodes.get(at, size_of::<Inode>())?;
    let inode = Inode::read_from_bytes(bytes).map_err(|_| unsound("an inode is cut short", at))?;
    let mode = inode.mode.get();
    let file_type = file_type(mode).ok_or(unsound("a file of no type", at))?;
    let allowed = match rules.permissions {
        Permissions::Safe => 0o777,
        Permissions::Image => 0o7777,
    };
    require(mode & 0o7777 & !allowed == 0, "mode bits that nobody asked for", at)?;
    let is_plain = inode.reserved.get() == 0 && inode.reserved_2 == [0; 16];
    require(is_plain, "an inode's field that is not ours", at)?;
    require(inode.modified_nanoseconds.get() < NANOSECONDS, "a second of too many parts", at)?;
    require(inode.links.get() > 0, "an inode without a name", at)?;
    let is_one = file_type != DIRECTORY || inode.links.get() == 1;
    require(is_one, "a directory with a count of names that is not ours", at)?;
    let is_numbered = u64::from(inode.number.get()) == number.min(u32::MAX.into());
    require(is_numbered, "an inode's number that is not the next", at)?;
    let size = inode.size.get();
    require(i64::try_from(size).is_ok(), "a size that no file has", at)?;
    let layout = layout(inode.format.get()).ok_or(unsound("a form of inode not ours", at))?;
    let xattrs = xattrs::check(&mut readers.inodes, at, inode.xattr_count.get())?;
    let behind = at.saturating_add(INODE_BYTES).saturating_add(xattrs);
    let place = inode.place.get();
    let subject = Subject { at, floor, file_type, size, place, behind };
    let end = body(readers, rules, &subject, layout)?;
    let blocks_at = u64::from(place).checked_shl(rules.block_bits).unwrap_or(u64::MAX);
    Ok(Sound { file_type, links: inode.links.get(), size, blocks_at, end })
}

/// Checks where a file's bytes lie; gives where all that stands behind its inode ends.
fn body(
    readers: &mut Readers<'_>,
    rules: &Rules,
    subject: &Subject,
    layout: DataLayout,
) -> Result<u64, Refused> {
    let Subject { at, file_type, size, place, behind, .. } = *subject;
    match (file_type, layout) {
        (REGULAR, DataLayout::ChunkBased) => {
            let device = (rules.block_bits, rules.image_blocks);
            return chunks::check(&mut readers.inodes, device, (behind, size), place);
        }
        (REGULAR | SYMLINK, DataLayout::FlatInline) => return inline(readers, rules, subject),
        (REGULAR, DataLayout::FlatPlain) if size == 0 => {
            require(place == 0, "an empty file with a place", at)?;
        }
        (REGULAR | SYMLINK, DataLayout::FlatPlain) => held(readers, rules, subject)?,
        (DIRECTORY, DataLayout::FlatPlain) => {}
        (DIRECTORY | SYMLINK, _) => return Err(unsound("a file of another's form", at)),
        (_, DataLayout::FlatPlain) => {
            require(size == 0, "a device with bytes of its own", at)?;
            let may_have_number = rules.permissions == Permissions::Image;
            require(may_have_number || place == 0, "a device that nobody asked for", at)?;
        }
        (_, _) => return Err(unsound("a device of a file's form", at)),
    }
    Ok(behind)
}

/// A file whose bytes stand behind its inode: all in one block, as the kernel wants it.
fn inline(readers: &mut Readers<'_>, rules: &Rules, subject: &Subject) -> Result<u64, Refused> {
    let Subject { at, file_type, size, place, behind, .. } = *subject;
    require(place == 0 && size > 0, "a file behind its inode and elsewhere", at)?;
    let block = 1u64.checked_shl(rules.block_bits).unwrap_or(0);
    let end = behind.checked_add(size).ok_or(unsound("a size that no file has", at))?;
    let in_block = at.checked_rem(block).unwrap_or(0).saturating_add(end.saturating_sub(at));
    require(in_block <= block, "a file behind its inode that crosses a block's edge", at)?;
    let len = usize::try_from(size).map_err(|_| unsound("a size that no file has", at))?;
    let bytes = readers.inodes.get(behind, len)?;
    if file_type == SYMLINK {
        target(bytes, at)?;
    }
    Ok(end)
}

/// A file whose bytes stand in blocks before its inode, behind all that came before.
fn held(readers: &mut Readers<'_>, rules: &Rules, subject: &Subject) -> Result<(), Refused> {
    let Subject { at, floor, file_type, size, place, .. } = *subject;
    let from = u64::from(place).checked_shl(rules.block_bits).unwrap_or(0);
    let is_between = from.checked_add(size).is_some_and(|end| from >= floor && end <= at);
    require(size > 0 && is_between, "a file that lies in something else", at)?;
    if file_type == SYMLINK {
        require(size <= MAX_TARGET_BYTES, "a link that is too long", at)?;
        let len = usize::try_from(size).map_err(|_| unsound("a link that is too long", at))?;
        target(readers.held.get(from, len)?, at)?;
    }
    Ok(())
}

/// The target of a symbolic link: the kernel takes it for a text with an end.
fn target(bytes: &[u8], at: u64) -> Result<(), Refused> {
    require(!bytes.contains(&0), "a link with a zero byte", at)
}

/// The layout that an inode's format names, if that is a form that the translator writes.
fn layout(format: u16) -> Option<DataLayout> {
    [DataLayout::FlatPlain, DataLayout::FlatInline, DataLayout::ChunkBased]
        .into_iter()
        .find(|layout| layout.inode_format() == format)
}

/// The type of a file by its mode, as entries of directories name it.
const fn file_type(mode: u16) -> Option<u8> {
    Some(match mode & 0o170_000 {
        0o100_000 => REGULAR,
        0o040_000 => DIRECTORY,
        0o020_000 => 3,
        0o060_000 => 4,
        0o010_000 => 5,
        0o140_000 => 6,
        0o120_000 => SYMLINK,
        _ => return None,
    })
}
