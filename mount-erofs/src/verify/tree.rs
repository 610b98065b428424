//! The tree of directories, in the order in which the translator writes it: each directory's
//! inodes, then its blocks, one directory after the other. What lies in another order is refused,
//! so nothing overlaps, no directory has two parents, and every byte is looked at once.

use std::collections::VecDeque;
use std::fs::File;

use iso_core::volume::Permissions;

use super::block::{Block, Entry};
use super::forward::Forward;
use super::inode::{self, DIRECTORY, Readers, Rules, Sound};
use super::refused::{Refused, require};
use super::superblock::{self, FIRST, Layout};
use crate::disk::NID_BYTES;

/// Checks all metadata in a file, made for an image of so many bytes.
///
/// # Errors
/// `Refused`.
pub(super) fn check(
    file: &File,
    image_bytes: u64,
    permissions: Permissions,
) -> Result<(), Refused> {
    let len = file.metadata()?.len();
    let mut blocks = Forward::new(file, len);
    let layout = superblock::check(&mut blocks, image_bytes)?;
    let Layout { block_bits, image_blocks, .. } = layout;
    let mut tree = Tree {
        rules: Rules { block_bits, image_blocks, permissions },
        readers: Readers { inodes: Forward::new(file, len), held: Forward::new(file, len) },
        position: FIRST,
        inodes: 0,
        pending: VecDeque::new(),
        linked: Vec::new(),
    };
    tree.root(layout.root_nid)?;
    while let Some(directory) = tree.pending.pop_front() {
        tree.directory(&directory, &mut blocks)?;
    }
    require(tree.inodes == layout.inodes, "a number of inodes that is not theirs", FIRST)?;
    let is_whole = tree.position.checked_next_multiple_of(tree.block_bytes()) == Some(len);
    require(is_whole, "bytes that belong to nothing", tree.position)
}

/// A directory whose inode is checked and whose entries are not.
struct Pending {
    nid: u64,
    parent: u64,
    at: u64,
    size: u64,
}

struct Tree<'f> {
    rules: Rules,
    readers: Readers<'f>,
    /// Everything before this byte is checked, and belongs to something.
    position: u64,
    inodes: u64,
    pending: VecDeque<Pending>,
    /// Files that may have several names, by their ascending numbers, and their types.
    linked: Vec<(u64, u8)>,
}

impl Tree<'_> {
    fn block_bytes(&self) -> u64 {
        1u64.checked_shl(self.rules.block_bits).unwrap_or(1)
    }

    fn root(&mut self, nid: u64) -> Result<(), Refused> {
        let at = nid.saturating_mul(NID_BYTES);
        require(at >= self.position, "a root that lies in something else", at)?;
        let inode = self.next_inode(nid, at, nid)?;
        require(inode.file_type == DIRECTORY, "a root that is no directory", at)
    }

    /// Checks the entries of a directory and the inodes that they name.
    fn directory(&mut self, directory: &Pending, blocks: &mut Forward<'_>) -> Result<(), Refused> {
        let Pending { at, size, .. } = *directory;
        let block_bytes = self.block_bytes();
        let end = at.checked_add(size).filter(|end| *end <= blocks.len());
        let end = end.ok_or(super::refused::unsound("a directory past the end", at))?;
        let mut dots = Dots { directory, own: false, parent: false };
        let mut previous = Vec::new();
        let mut block_at = at;
        while block_at < end {
            let next = block_at.saturating_add(block_bytes).min(end);
            let len = usize::try_from(next.saturating_sub(block_at)).unwrap_or(usize::MAX);
            let block = Block::parse(blocks.get(block_at, len)?, next == end, block_at)?;
            let mut before: &[u8] = &previous;
            for entry in block.entries() {
                let entry = entry?;
                require(before < entry.name, "names that do not ascend", block_at)?;
                before = entry.name;
                if !dots.take(&entry, block_at)? {
                    self.entry(&entry, directory.nid, block_at)?;
                }
            }
            previous = before.to_vec();
            block_at = next;
        }
        require(dots.own && dots.parent, "a directory without itself or its parent", at)?;
        require(self.position <= at, "a directory that lies in something else", at)?;
        self.position = end;
        // Where the last name does not end with a block, a zero byte ends it for the kernel.
        if !end.is_multiple_of(block_bytes) {
            require(blocks.get(end, 1)? == [0], "a name without an end", at)?;
            self.position = end.saturating_add(1);
        }
        Ok(())
    }

    /// Checks what an entry names: an inode that comes next, or a file that was named before.
    fn entry(&mut self, entry: &Entry<'_>, parent: u64, at: u64) -> Result<(), Refused> {
        let inode_at = entry.nid.saturating_mul(NID_BYTES);
        let file_type = if inode_at >= self.position {
            self.next_inode(entry.nid, inode_at, parent)?.file_type
        } else {
            let found = self.linked.binary_search_by_key(&entry.nid, |(nid, _)| *nid).ok();
            let found = found.and_then(|index| self.linked.get(index));
            found.map(|(_, file_type)| *file_type).unwrap_or_default()
        };
        require(file_type != 0, "an entry for no inode, or for one with a single name", at)?;
        require(file_type == entry.file_type, "an entry and an inode of two types", at)
    }

    fn next_inode(&mut self, nid: u64, at: u64, parent: u64) -> Result<Sound, Refused> {
        self.inodes = self.inodes.saturating_add(1);
        let sound = inode::check(&mut self.readers, &self.rules, at, self.position, self.inodes)?;
        self.position = sound.end;
        if sound.file_type == DIRECTORY {
            self.pending.try_reserve(1).map_err(|_| Refused::NoMemory)?;
            let (at, size) = (sound.blocks_at, sound.size);
            self.pending.push_back(Pending { nid, parent, at, size });
        } else if sound.links > 1 {
            self.linked.try_reserve(1).map_err(|_| Refused::NoMemory)?;
            self.linked.push((nid, sound.file_type));
        }
        Ok(sound)
    }
}

/// The two entries of a directory that lead to itself and up.
struct Dots<'d> {
    directory: &'d Pending,
    own: bool,
    parent: bool,
}

impl Dots<'_> {
    /// Whether an entry is one of them; it leads where it has to then.
    fn take(&mut self, entry: &Entry<'_>, at: u64) -> Result<bool, Refused> {
        let (met, nid) = match entry.name {
            b"." => (&mut self.own, self.directory.nid),
            b".." => (&mut self.parent, self.directory.parent),
            _ => return Ok(false),
        };
        *met = true;
        let is_right = entry.nid == nid && entry.file_type == DIRECTORY;
        require(is_right, "a directory that leads elsewhere by . or ..", at)?;
        Ok(true)
    }
}
