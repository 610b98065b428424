//! The layouts of EROFS metadata, for writing and for checking. Plain structs of the sizes that the
//! kernel reads; clauses are those of the EROFS on-disk format in the kernel's documentation.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What a superblock begins with.
pub(crate) const MAGIC: u32 = 0xE0F5_E1E2;

/// Where the superblock lies.
pub(crate) const SUPERBLOCK_AT: u64 = 1024;

/// Files whose bytes are found through chunk indexes.
pub(crate) const INCOMPAT_CHUNKED_FILE: u32 = 0x4;

/// Further devices beside the one with the superblock.
pub(crate) const INCOMPAT_DEVICE_TABLE: u32 = 0x8;

/// Bytes from the superblock, and from each device slot, to what follows.
pub(crate) const SLOT_BYTES: u64 = 128;

/// Where the device table begins, in slots from the beginning of the file.
pub(crate) const DEVICE_TABLE_SLOT: u16 = 9;

/// The number of the image among devices; 0 is the metadata itself.
pub(crate) const IMAGE_DEVICE: u16 = 1;

/// Node numbers count these many bytes.
pub(crate) const NID_BYTES: u64 = 32;

/// The long form of an inode, in bit 0 of its format.
const EXTENDED: u16 = 1;

/// Where the bytes of a file lie, in bits 1 to 3 of its inode's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataLayout {
    /// In whole blocks of the metadata, one behind the other.
    FlatPlain,
    /// Behind the inode itself.
    FlatInline,
    /// Where chunk indexes behind the inode say.
    ChunkBased,
}

impl DataLayout {
    /// The format of an inode of the long form.
    pub(crate) const fn inode_format(self) -> u16 {
        let layout = match self {
            Self::FlatPlain => 0,
            Self::FlatInline => 2,
            Self::ChunkBased => 4,
        };
        EXTENDED | (layout << 1)
    }
}

/// Chunk indexes of eight bytes with a device each, rather than bare block numbers.
pub(crate) const CHUNK_FORMAT_INDEXES: u16 = 0x20;

/// Bits of a chunk format that hold the size of chunks, as a power of two of blocks.
pub(crate) const CHUNK_FORMAT_MAX_BITS: u32 = 0x1F;

/// A chunk that is not recorded and reads as zeros.
pub(crate) const NULL_BLOCK: u32 = u32::MAX;

/// The superblock (EROFS on-disk format, superblock).
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Superblock {
    pub(crate) magic: U32,
    pub(crate) checksum: U32,
    pub(crate) feature_compat: U32,
    pub(crate) block_bits: u8,
    pub(crate) extension_slots: u8,
    pub(crate) root_nid: U16,
    pub(crate) inodes: U64,
    pub(crate) build_seconds: U64,
    pub(crate) build_nanoseconds: U32,
    pub(crate) blocks: U32,
    pub(crate) meta_block: U32,
    pub(crate) xattr_block: U32,
    pub(crate) uuid: [u8; 16],
    pub(crate) volume_name: [u8; 16],
    pub(crate) feature_incompat: U32,
    pub(crate) compression_algorithms: U16,
    pub(crate) extra_devices: U16,
    pub(crate) device_table_slot: U16,
    pub(crate) directory_block_bits: u8,
    pub(crate) xattr_prefixes: u8,
    pub(crate) xattr_prefix_start: U32,
    pub(crate) packed_nid: U64,
    pub(crate) xattr_filter: u8,
    pub(crate) reserved: [u8; 23],
}

const _: () = assert!(size_of::<Superblock>() == 128);

/// A further device (EROFS on-disk format, device table).
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DeviceSlot {
    pub(crate) tag: [u8; 64],
    pub(crate) blocks: U32,
    pub(crate) mapped_block: U32,
    pub(crate) reserved: [u8; 56],
}

const _: () = assert!(size_of::<DeviceSlot>() == 128);

/// An inode of the long form (EROFS on-disk format, extended inode).
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Inode {
    pub(crate) format: U16,
    pub(crate) xattr_count: U16,
    pub(crate) mode: U16,
    pub(crate) reserved: U16,
    pub(crate) size: U64,
    /// First block, device number or chunk format, by layout and kind.
    pub(crate) place: U32,
    pub(crate) number: U32,
    pub(crate) uid: U32,
    pub(crate) gid: U32,
    pub(crate) modified_seconds: U64,
    pub(crate) modified_nanoseconds: U32,
    pub(crate) links: U32,
    pub(crate) reserved_2: [u8; 16],
}

/// Bytes of an inode.
pub(crate) const INODE_BYTES: u64 = 64;

const _: () = assert!(size_of::<Inode>() == 64);

/// Where one chunk of a file lies (EROFS on-disk format, chunk index).
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ChunkIndex {
    pub(crate) block_high: U16,
    pub(crate) device: U16,
    pub(crate) block: U32,
}

const _: () = assert!(size_of::<ChunkIndex>() == 8);

/// An entry of a directory (EROFS on-disk format, directory entry).
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Dirent {
    pub(crate) nid: U64,
    pub(crate) name_offset: U16,
    pub(crate) file_type: u8,
    pub(crate) reserved: u8,
}

/// Bytes of an entry.
pub(crate) const DIRENT_BYTES: usize = 12;

const _: () = assert!(size_of::<Dirent>() == 12);

/// What extended attributes behind an inode begin with (EROFS on-disk format, inline xattrs).
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct XattrHeader {
    pub(crate) name_filter: U32,
    pub(crate) shared_count: u8,
    pub(crate) reserved: [u8; 7],
}

const _: () = assert!(size_of::<XattrHeader>() == 12);

/// One extended attribute; name and value follow (EROFS on-disk format, xattr entry).
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct XattrEntry {
    pub(crate) name_bytes: u8,
    pub(crate) name_index: u8,
    pub(crate) value_bytes: U16,
}

const _: () = assert!(size_of::<XattrEntry>() == 4);

/// The name index of the `user.` namespace.
pub(crate) const XATTR_USER: u8 = 1;
