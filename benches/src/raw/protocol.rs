//! The shapes of the FUSE protocol that the raw server needs (`linux/fuse.h`, version 7.40).
//! Numbers and layouts, no behaviour.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub(crate) const LOOKUP: u32 = 1;
pub(crate) const FORGET: u32 = 2;
pub(crate) const GETATTR: u32 = 3;
pub(crate) const READ: u32 = 15;
pub(crate) const STATFS: u32 = 17;
pub(crate) const INIT: u32 = 26;
pub(crate) const BATCH_FORGET: u32 = 42;
pub(crate) const READDIRPLUS: u32 = 44;

/// The notification that puts bytes into the kernel's cache.
pub(crate) const NOTIFY_STORE: i32 = 4;

pub(crate) const ENOENT: i32 = 2;
pub(crate) const ENOSYS: i32 = 38;

/// Room for one request: the kernel asks for that of the longest write.
pub(crate) const REQUEST_BYTES: usize = (1 << 20) + 4096;

/// ASYNC_READ, PARALLEL_DIROPS, DO_READDIRPLUS, NO_OPEN_SUPPORT, NO_OPENDIR_SUPPORT, MAX_PAGES,
/// CACHE_SYMLINKS.
const FLAGS: u32 = 1 | (1 << 18) | (1 << 13) | (1 << 17) | (1 << 24) | (1 << 22) | (1 << 23);

pub(crate) fn short() -> anyhow::Error {
    anyhow::anyhow!("a short request")
}

#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(crate) struct InHeader {
    pub(crate) len: u32,
    pub(crate) opcode: u32,
    pub(crate) unique: u64,
    pub(crate) node: u64,
    pub(crate) user: [u32; 4],
}

#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct OutHeader {
    pub(crate) len: u32,
    pub(crate) error: i32,
    pub(crate) unique: u64,
}

#[derive(FromBytes)]
#[repr(C)]
pub(crate) struct Init {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) max_readahead: u32,
    pub(crate) flags: u32,
}

#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct InitOut {
    major: u32,
    minor: u32,
    max_readahead: u32,
    flags: u32,
    max_background: u16,
    congestion_threshold: u16,
    max_write: u32,
    time_granularity: u32,
    max_pages: u16,
    map_alignment: u16,
    rest: [u32; 8],
}

impl InitOut {
    /// The answer to what the kernel offers.
    pub(crate) fn answering(asked: &Init) -> Self {
        Self {
            major: 7,
            minor: 31,
            max_readahead: asked.max_readahead,
            flags: asked.flags & FLAGS,
            max_background: 16,
            congestion_threshold: 12,
            max_write: 1 << 20,
            time_granularity: 1,
            max_pages: 256,
            map_alignment: 0,
            rest: [0; 8],
        }
    }
}

/// What `READ` and `READDIRPLUS` ask for.
#[derive(FromBytes)]
#[repr(C)]
pub(crate) struct Read {
    pub(crate) handle: u64,
    pub(crate) offset: u64,
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

#[derive(IntoBytes, Immutable, Clone, Copy)]
#[repr(C)]
pub(crate) struct Attr {
    pub(crate) node: u64,
    pub(crate) size: u64,
    pub(crate) blocks: u64,
    pub(crate) times: [u64; 3],
    pub(crate) nanoseconds: [u32; 3],
    pub(crate) mode: u32,
    pub(crate) links: u32,
    pub(crate) owner: [u32; 2],
    pub(crate) device: u32,
    pub(crate) block_size: u32,
    pub(crate) flags: u32,
}

#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct AttrOut {
    pub(crate) valid: u64,
    pub(crate) valid_nanoseconds: u32,
    pub(crate) padding: u32,
    pub(crate) attr: Attr,
}

#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct EntryOut {
    pub(crate) node: u64,
    pub(crate) generation: u64,
    pub(crate) valid: [u64; 2],
    pub(crate) valid_nanoseconds: [u32; 2],
    pub(crate) attr: Attr,
}

#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Dirent {
    pub(crate) node: u64,
    pub(crate) offset: u64,
    pub(crate) name_len: u32,
    pub(crate) kind: u32,
}

#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Store {
    pub(crate) node: u64,
    pub(crate) offset: u64,
    pub(crate) size: u32,
    pub(crate) padding: u32,
}
