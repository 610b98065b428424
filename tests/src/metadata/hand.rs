//! Metadata written by hand: one directory of files, with whatever in it. Shares no code with the
//! translator, so that both have the layouts from the kernel's documentation alone.

use super::chart::SUPERBLOCK;

/// Bytes of a block.
const BLOCK: usize = 2048;

/// Where the root's inode is.
pub(super) const ROOT: usize = 1280;

/// A file as its inode describes it.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) name: &'static str,
    /// The type in its entry.
    pub(super) kind: u8,
    pub(super) mode: u16,
    pub(super) format: u16,
    pub(super) size: u64,
    pub(super) place: u32,
    /// Namespace, name and value.
    pub(super) xattr: Option<(u8, &'static [u8], &'static [u8])>,
    /// What stands behind inode and attributes.
    pub(super) tail: Vec<u8>,
}

impl File {
    /// A file with bytes behind its inode.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            kind: 1,
            mode: 0o100_444,
            format: 5,
            size: 5,
            place: 0,
            xattr: None,
            tail: b"bytes".to_vec(),
        }
    }
}

/// Metadata of these files, which have two links each, for an image of so many bytes; further names
/// are of files by their index. All names are given in ascending order.
pub(super) fn by_hand(
    files: &[File],
    image_bytes: u64,
    more_names: &[(&'static str, usize)],
) -> Vec<u8> {
    let mut bytes = vec![0; ROOT + 64];
    let mut names: Vec<(&[u8], usize, u8)> = vec![(b".", ROOT, 2), (b"..", ROOT, 2)];
    for (index, file) in files.iter().enumerate() {
        let at = bytes.len().next_multiple_of(32);
        bytes.resize(at, 0);
        names.push((file.name.as_bytes(), at, file.kind));
        inode(&mut bytes, file, index as u32 + 2);
    }
    for (name, index) in more_names {
        let (_, at, kind) = names[2 + index];
        names.push((name.as_bytes(), at, kind));
    }
    names.sort_unstable();
    let at = bytes.len().next_multiple_of(BLOCK);
    bytes.resize(at, 0);
    let mut name_at = names.len() * 12;
    for (name, inode, kind) in &names {
        bytes.extend((*inode as u64 / 32).to_le_bytes());
        bytes.extend((name_at as u16).to_le_bytes());
        bytes.extend([*kind, 0]);
        name_at += name.len();
    }
    names.iter().for_each(|(name, ..)| bytes.extend(*name));
    let size = bytes.len() - at;
    bytes.resize(at + BLOCK, 0);
    let root = File {
        mode: 0o040_555,
        format: 1,
        size: size as u64,
        place: (at / BLOCK) as u32,
        tail: Vec::new(),
        ..File::new("")
    };
    let mut own = Vec::new();
    inode(&mut own, &root, 1);
    bytes[ROOT..ROOT + 64].copy_from_slice(&own);
    superblock(&mut bytes, files.len() as u64 + 1, image_bytes);
    bytes
}

fn superblock(bytes: &mut [u8], inodes: u64, image_bytes: u64) {
    let blocks = (bytes.len() / BLOCK) as u32;
    let image_blocks = (image_bytes / BLOCK as u64) as u32;
    for (at, value) in [
        (0, &0xE0F5_E1E2u32.to_le_bytes()[..]),
        (12, &[11]),
        (14, &(ROOT as u16 / 32).to_le_bytes()),
        (16, &inodes.to_le_bytes()),
        (36, &blocks.to_le_bytes()),
        // Chunks and a device table.
        (80, &0xCu32.to_le_bytes()),
        (86, &1u16.to_le_bytes()),
        (88, &9u16.to_le_bytes()),
        (128 + 64, &image_blocks.to_le_bytes()),
    ] {
        bytes[SUPERBLOCK + at..SUPERBLOCK + at + value.len()].copy_from_slice(value);
    }
}

/// An inode of the long form with what stands behind it.
fn inode(bytes: &mut Vec<u8>, file: &File, number: u32) {
    let mut xattrs = Vec::new();
    if let Some((namespace, name, value)) = file.xattr {
        xattrs.resize(12, 0);
        xattrs.extend([name.len() as u8, namespace]);
        xattrs.extend((value.len() as u16).to_le_bytes());
        xattrs.extend(name);
        xattrs.extend(value);
        xattrs.resize(xattrs.len().next_multiple_of(4), 0);
    }
    let words = if xattrs.is_empty() { 0 } else { (xattrs.len() - 12) / 4 + 1 };
    bytes.extend(file.format.to_le_bytes());
    bytes.extend((words as u16).to_le_bytes());
    bytes.extend(file.mode.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(file.size.to_le_bytes());
    bytes.extend(file.place.to_le_bytes());
    bytes.extend(number.to_le_bytes());
    bytes.extend([0; 20]);
    // Directories have one link, whatever is in them.
    let links = if file.mode & 0o170_000 == 0o040_000 { 1u32 } else { 2 };
    bytes.extend(links.to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(xattrs);
    bytes.extend(&file.tail);
}
