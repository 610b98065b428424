//! A volume's directories as EROFS metadata: every inode behind its siblings, every directory's
//! blocks behind the inodes that it names. Reads no file's bytes but those that lie in no block.

use std::collections::{HashMap, HashSet, VecDeque};

use iso_core::volume::{Attr, Data, DirEntry, Extents, FileKind, Hidden, NodeId, Presentation};
use iso_core::{Disc, Volume};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

use crate::Declined;
use crate::attributes;
use crate::chunks::Device;
use crate::directory::{Block, Entry, MAX_NAME_BYTES};
use crate::disk::{
    DEVICE_TABLE_SLOT, DataLayout, DeviceSlot, INCOMPAT_CHUNKED_FILE, INCOMPAT_DEVICE_TABLE,
    INODE_BYTES, Inode, MAGIC, NID_BYTES, SLOT_BYTES, SUPERBLOCK_AT, Superblock,
};
use crate::output::Output;
use crate::space::Space;

/// What came of a translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Files and directories.
    pub inodes: u64,
    /// Bytes of metadata.
    pub bytes: u64,
}

/// Translates a volume whose image is a file of `image_bytes`, which the kernel will open.
///
/// # Errors
/// What about it cannot be shown this way just as it is.
pub fn translate(
    volume: &dyn Volume,
    presentation: &Presentation,
    image_bytes: u64,
    out: &mut dyn Output,
) -> Result<Summary, Declined> {
    let limits = volume.disc().limits();
    let disc_at = volume.disc().origin();
    let device = Device { block_bits: block_bits(volume, disc_at), disc_at, len: image_bytes };
    let first = SUPERBLOCK_AT.saturating_add(SLOT_BYTES.saturating_mul(2));
    let mut translation = Translation {
        volume,
        presentation,
        device,
        space: Space::new(out, first, limits.translated_bytes, device.block_bits),
        pending: VecDeque::new(),
        directories: HashSet::new(),
        linked: HashMap::new(),
        inodes: 0,
        may_copy: limits.copied_bytes,
    };
    translation.refuse_damage()?;
    let root = translation.root()?;
    while let Some(directory) = translation.pending.pop_front() {
        translation.directory(&directory)?;
    }
    translation.refuse_damage()?;
    translation.finish(root)
}

/// The blocks of the disc, as far as the image's place allows; as a power of two.
fn block_bits(volume: &dyn Volume, disc_at: i64) -> u32 {
    let bits = u64::from(volume.facts().block_bytes).trailing_zeros();
    bits.min(disc_at.trailing_zeros()).clamp(9, 12)
}

/// A translation in work.
struct Translation<'t> {
    volume: &'t dyn Volume,
    presentation: &'t Presentation,
    device: Device,
    space: Space<'t>,
    /// Directories whose inodes are written and whose entries are not.
    pending: VecDeque<Pending>,
    directories: HashSet<NodeId>,
    /// Files that have several names, with their inodes.
    linked: HashMap<NodeId, u64>,
    inodes: u64,
    /// Bytes of files that may still be copied.
    may_copy: u64,
}

/// A directory to be translated.
struct Pending {
    node: NodeId,
    /// Where its inode is.
    at: u64,
    /// The inode of the directory that holds it.
    parent: u64,
}

/// What an inode has behind it.
struct Body {
    layout: DataLayout,
    size: u64,
    place: u32,
    tail: Vec<u8>,
    /// The tail is bytes of the file and must not cross a block's edge.
    is_inline: bool,
}

impl Body {
    const fn empty() -> Self {
        let layout = DataLayout::FlatPlain;
        Self { layout, size: 0, place: 0, tail: Vec::new(), is_inline: false }
    }
}

/// The number of an inode by where it is.
fn nid(at: u64) -> u64 {
    at.checked_div(NID_BYTES).unwrap_or(0)
}

impl Translation<'_> {
    /// Fails where reading has met damage so far. The kernel would show what is left as if it were
    /// all: with nobody behind the mount, nothing tells of a loss any more.
    fn refuse_damage(&self) -> Result<(), Declined> {
        match self.volume.disc().findings().damage() {
            Some(what) => Err(Declined::Damaged(what.to_owned())),
            None => Ok(()),
        }
    }

    fn root(&mut self) -> Result<u64, Declined> {
        let node = self.volume.root();
        let attr = self.volume.attr(node)?;
        let at = self.inode(&attr, Body::empty())?;
        self.directories.insert(node);
        self.pending.push_back(Pending { node, at, parent: nid(at) });
        Ok(nid(at))
    }

    /// Writes the inodes of what a directory names, then its entries.
    fn directory(&mut self, directory: &Pending) -> Result<(), Declined> {
        let dir = self.volume.read_dir(directory.node)?;
        if dir.has_versions() {
            return Err(Declined::Versions);
        }
        let own = nid(directory.at);
        let mut entries: Vec<Entry<'_>> = Vec::new();
        entries.try_reserve(dir.len().saturating_add(2)).map_err(|_| iso_core::Error::NoMemory)?;
        let mut named: Vec<DirEntry<'_>> = Vec::new();
        named.try_reserve(dir.len()).map_err(|_| iso_core::Error::NoMemory)?;
        named.extend(dir.iter());
        // In the order in which they will be asked for, so that neighbours share blocks.
        named.sort_unstable_by_key(|entry| entry.name);
        for entry in &named {
            if entry.name.len() > MAX_NAME_BYTES {
                return Err(Declined::LongName);
            }
            if entry.is_hidden && self.presentation.hidden == Hidden::Hide {
                return Err(Declined::Hidden);
            }
            let (nid, kind) = self.node(entry.node, own)?;
            entries.push(Entry { name: entry.name, nid, file_type: file_type(kind) });
        }
        drop(named);
        for (name, nid) in [(&b"."[..], own), (b"..", directory.parent)] {
            let entry = Entry { name, nid, file_type: file_type(FileKind::Directory) };
            entries.insert(entries.partition_point(|other| other.name < name), entry);
        }
        let (at, size) = self.entries(&entries)?;
        self.space.point(directory.at, size, at)
    }

    /// Writes the blocks of a directory; gives where the first one is, and their bytes.
    fn entries(&mut self, entries: &[Entry<'_>]) -> Result<(u64, u64), Declined> {
        let at = self.space.align_to_block();
        let mut size = 0u64;
        let mut block = Block::new(self.space.block_bytes());
        for entry in entries {
            if !block.add(*entry) {
                size = size.saturating_add(self.space.append(&block.take(false))?);
                block.add(*entry);
            }
        }
        size = size.saturating_add(self.space.append(&block.take(true))?);
        // The last name ends with its block or with a NUL, whatever the directory's length.
        if self.space.is_within_block() {
            self.space.append(&[0])?;
        }
        Ok((at, size))
    }

    /// The inode of a node that a directory names, written if it is not there yet.
    fn node(&mut self, node: NodeId, parent: u64) -> Result<(u64, FileKind), Declined> {
        let attr = self.volume.attr(node)?;
        if let Some(nid) = self.linked.get(&node) {
            return Ok((*nid, attr.kind));
        }
        let body = match attr.kind {
            FileKind::Directory => Body::empty(),
            FileKind::Regular => self.file(node)?,
            FileKind::Symlink => self.link(node)?,
            FileKind::BlockDevice | FileKind::CharDevice | FileKind::Fifo | FileKind::Socket => {
                let device = self.presentation.stat(&attr).device;
                Body { place: device.packed(), ..Body::empty() }
            }
        };
        let at = self.inode(&attr, body)?;
        let nid = nid(at);
        if attr.kind == FileKind::Directory {
            if !self.directories.insert(node) {
                return Err(Declined::SeveralPaths);
            }
            self.pending.push_back(Pending { node, at, parent });
        } else if attr.links > 1 {
            self.linked.insert(node, nid);
        }
        Ok((nid, attr.kind))
    }

    fn file(&mut self, node: NodeId) -> Result<Body, Declined> {
        let data = self.volume.data(node)?;
        match &*data {
            data if data.is_empty() => Ok(Body::empty()),
            Data::Plain(extents) => match self.device.cut(extents) {
                Some(chunks) => {
                    self.space.ensure(chunks.index_bytes())?;
                    let mut tail = Vec::new();
                    chunks.write(&self.device, extents, &mut tail);
                    Ok(Body {
                        layout: DataLayout::ChunkBased,
                        size: extents.len(),
                        place: chunks.format(&self.device),
                        tail,
                        is_inline: false,
                    })
                }
                None if reaches_past_the_end(extents, self.volume.disc()) => {
                    Err(Declined::Unreadable(iso_core::Error::Io {
                        offset: self.volume.disc().len(),
                        len: extents.len(),
                        source: std::io::ErrorKind::UnexpectedEof.into(),
                    }))
                }
                None => self.copied(node, data.len()),
            },
            Data::Synthetic(_) => self.copied(node, data.len()),
            Data::Decoded(_) => Err(Declined::Decoded),
        }
    }

    /// A file whose bytes lie in no block of the image: they are taken over.
    fn copied(&mut self, node: NodeId, len: u64) -> Result<Body, Declined> {
        self.may_copy = self.may_copy.checked_sub(len).ok_or(Declined::Unaligned)?;
        let len = usize::try_from(len).map_err(|_| Declined::Unaligned)?;
        let mut bytes = vec![0; len];
        if self.volume.read_into(node, 0, &mut bytes)? != len {
            return Err(Declined::Unaligned);
        }
        self.held(bytes)
    }

    fn link(&mut self, node: NodeId) -> Result<Body, Declined> {
        let target = self.volume.read_link(node)?;
        if target.is_empty() || target.contains(&0) || target.len() >= 4096 {
            return Err(Declined::Link);
        }
        self.held(target)
    }

    /// Bytes that are held in the metadata: behind the inode if a block has room for both.
    fn held(&mut self, bytes: Vec<u8>) -> Result<Body, Declined> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if bytes.len() <= self.space.block_bytes() / 2 {
            let layout = DataLayout::FlatInline;
            return Ok(Body { layout, size, place: 0, tail: bytes, is_inline: true });
        }
        let at = self.space.align_to_block();
        self.space.append(&bytes)?;
        Ok(Body { size, place: self.space.block_number(at)?, ..Body::empty() })
    }

    /// Writes an inode with what stands behind it; gives its place.
    fn inode(&mut self, attr: &Attr, body: Body) -> Result<u64, Declined> {
        let xattrs = attributes::of(self.volume, attr.node)?;
        let stat = self.presentation.stat(attr);
        let inode = Inode {
            format: U16::new(body.layout.inode_format()),
            xattr_count: U16::new(attributes::count(&xattrs)?),
            mode: U16::new(attr.kind.mode_bits() | stat.permissions),
            reserved: U16::ZERO,
            size: U64::new(body.size),
            place: U32::new(body.place),
            number: U32::new(u32::try_from(self.inodes.saturating_add(1)).unwrap_or(u32::MAX)),
            uid: U32::new(stat.uid),
            gid: U32::new(stat.gid),
            modified_seconds: U64::new(attr.modified.seconds.cast_unsigned()),
            modified_nanoseconds: U32::new(attr.modified.nanoseconds),
            links: U32::new(stat.links),
            reserved_2: [0; 16],
        };
        let mut bytes = inode.as_bytes().to_vec();
        bytes.extend_from_slice(&xattrs);
        if body.is_inline {
            let together = bytes.len().saturating_add(body.tail.len());
            if together > self.space.block_bytes() {
                return Err(Declined::Attribute);
            }
            bytes.extend_from_slice(&body.tail);
            self.space.align_inode(together);
        } else {
            if !body.tail.is_empty() {
                // Indexes have eight bytes and begin at a multiple of them.
                bytes.resize(bytes.len().next_multiple_of(8), 0);
                bytes.extend_from_slice(&body.tail);
            }
            self.space.align_inode(0);
        }
        let at = self.space.position();
        self.space.append(&bytes)?;
        self.inodes = self.inodes.saturating_add(1);
        Ok(at)
    }

    /// Writes the superblock, last of all: without it there is nothing to mount.
    fn finish(mut self, root: u64) -> Result<Summary, Declined> {
        let bytes = self.space.fill_up()?;
        let facts = self.volume.facts();
        let mut volume_name = [0; 16];
        for (to, from) in volume_name.iter_mut().zip(facts.label.iter().take(15)) {
            *to = *from;
        }
        let superblock = Superblock {
            magic: U32::new(MAGIC),
            checksum: U32::ZERO,
            feature_compat: U32::ZERO,
            block_bits: u8::try_from(self.device.block_bits).unwrap_or(12),
            extension_slots: 0,
            root_nid: U16::new(u16::try_from(root).map_err(|_| Declined::TooLarge)?),
            inodes: U64::new(self.inodes),
            build_seconds: U64::ZERO,
            build_nanoseconds: U32::ZERO,
            blocks: U32::new(self.space.block_number(bytes)?),
            meta_block: U32::ZERO,
            xattr_block: U32::ZERO,
            uuid: [0; 16],
            volume_name,
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
        };
        let slot = DeviceSlot {
            tag: [0; 64],
            blocks: U32::new(self.device.blocks()),
            mapped_block: U32::ZERO,
            reserved: [0; 56],
        };
        let head = [superblock.as_bytes(), slot.as_bytes()].concat();
        self.space.put(SUPERBLOCK_AT, &head)?;
        Ok(Summary { inodes: self.inodes, bytes })
    }
}

/// Whether a file claims bytes that the image does not have.
fn reaches_past_the_end(extents: &Extents, disc: &Disc) -> bool {
    let mut covered = 0u64;
    for (_, run) in extents.runs() {
        covered = covered.saturating_add(run.len);
        if run.at.is_some_and(|at| at.saturating_add(run.len) > disc.len()) {
            return true;
        }
    }
    covered < extents.len()
}

/// The kind of a file as directory entries tell it.
const fn file_type(kind: FileKind) -> u8 {
    match kind {
        FileKind::Regular => 1,
        FileKind::Directory => 2,
        FileKind::CharDevice => 3,
        FileKind::BlockDevice => 4,
        FileKind::Fifo => 5,
        FileKind::Socket => 6,
        FileKind::Symlink => 7,
    }
}

const _: () = assert!(INODE_BYTES.is_multiple_of(NID_BYTES));
