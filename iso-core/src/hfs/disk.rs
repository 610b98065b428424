//! The layouts of HFS and HFS+, each declared once. All numbers are
//! big-endian; offsets are those of the standard's structures. No code but the reading of a number.

use zerocopy::big_endian::{I16, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// A run of allocation blocks (Inside Macintosh: Files, 2-75).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Run16 {
    pub(crate) start: U16, // 0
    pub(crate) count: U16, // 2
}
const _: () = assert!(size_of::<Run16>() == 4);

/// A run of allocation blocks (TN1150, HFSPlusExtentDescriptor).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Run32 {
    pub(crate) start: U32, // 0
    pub(crate) count: U32, // 4
}
const _: () = assert!(size_of::<Run32>() == 8);

/// The master directory block of HFS (Inside Macintosh: Files, 2-60).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct MasterBlock {
    pub(crate) signature: [u8; 2],          // 0      BD
    pub(crate) created: U32,                // 2
    pub(crate) modified: U32,               // 6
    pub(crate) skipped: [u8; 8],            // 10
    pub(crate) blocks: U16,                 // 18
    pub(crate) block_bytes: U32,            // 20
    pub(crate) clump: U32,                  // 24
    pub(crate) first_block: U16,            // 28     in sectors of 512 bytes
    pub(crate) skipped2: [u8; 6],           // 30
    pub(crate) name: [u8; 28],              // 36     a length, then characters
    pub(crate) skipped3: [u8; 60],          // 64
    pub(crate) embedded_signature: [u8; 2], // 124    H+ where HFS+ lies inside
    pub(crate) embedded: Run16,             // 126
    pub(crate) overflow_bytes: U32,         // 130
    pub(crate) overflow: [Run16; 3],        // 134
    pub(crate) catalog_bytes: U32,          // 146
    pub(crate) catalog: [Run16; 3],         // 150
}
const _: () = assert!(size_of::<MasterBlock>() == 162);

/// Where a fork lies (TN1150, HFSPlusForkData).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ForkData {
    pub(crate) bytes: U64,       // 0
    pub(crate) clump: U32,       // 8
    pub(crate) blocks: U32,      // 12
    pub(crate) runs: [Run32; 8], // 16
}
const _: () = assert!(size_of::<ForkData>() == 80);

/// The volume header of HFS+ (TN1150, HFSPlusVolumeHeader).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct VolumeHeader {
    pub(crate) signature: [u8; 2],   // 0      H+, or HX where case counts
    pub(crate) version: U16,         // 2
    pub(crate) skipped: [u8; 12],    // 4
    pub(crate) created: U32,         // 16     local time
    pub(crate) modified: U32,        // 20
    pub(crate) skipped2: [u8; 16],   // 24
    pub(crate) block_bytes: U32,     // 40
    pub(crate) blocks: U32,          // 44
    pub(crate) skipped3: [u8; 64],   // 48
    pub(crate) allocation: ForkData, // 112
    pub(crate) overflow: ForkData,   // 192
    pub(crate) catalog: ForkData,    // 272
}
const _: () = assert!(size_of::<VolumeHeader>() == 352);

/// Head of a node of a B-tree (TN1150, BTNodeDescriptor).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct NodeHead {
    pub(crate) next: U32,     // 0
    pub(crate) previous: U32, // 4
    pub(crate) kind: i8,      // 8      -1 leaf, 0 index, 1 header
    pub(crate) height: u8,    // 9
    pub(crate) records: U16,  // 10
    pub(crate) reserved: U16, // 12
}
const _: () = assert!(size_of::<NodeHead>() == 14);

/// Record of the header node of a B-tree as far as it is read (TN1150, BTHeaderRec).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct TreeHead {
    pub(crate) depth: U16,      // 0
    pub(crate) root: U32,       // 2
    pub(crate) records: U32,    // 6
    pub(crate) first_leaf: U32, // 10
    pub(crate) last_leaf: U32,  // 14
    pub(crate) node_bytes: U16, // 18
    pub(crate) max_key: U16,    // 20
    pub(crate) nodes: U32,      // 22
    pub(crate) free: U32,       // 26
}
const _: () = assert!(size_of::<TreeHead>() == 30);

/// A folder in a catalogue of HFS (Inside Macintosh: Files, 2-72).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Folder {
    pub(crate) kind: [u8; 2],         // 0
    pub(crate) flags: U16,            // 2
    pub(crate) valence: U16,          // 4
    pub(crate) id: U32,               // 6
    pub(crate) created: U32,          // 10
    pub(crate) modified: U32,         // 14
    pub(crate) backup: U32,           // 18
    pub(crate) finder_info: [u8; 32], // 22
}
const _: () = assert!(size_of::<Folder>() == 54);

/// A file in a catalogue of HFS (Inside Macintosh: Files, 2-73).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct File {
    pub(crate) kind: [u8; 2],              // 0
    pub(crate) flags: [u8; 2],             // 2
    pub(crate) finder_info: [u8; 16],      // 4
    pub(crate) id: U32,                    // 20
    pub(crate) data_block: U16,            // 24
    pub(crate) data_bytes: U32,            // 26
    pub(crate) data_physical: U32,         // 30
    pub(crate) resource_block: U16,        // 34
    pub(crate) resource_bytes: U32,        // 36
    pub(crate) resource_physical: U32,     // 40
    pub(crate) created: U32,               // 44
    pub(crate) modified: U32,              // 48
    pub(crate) backup: U32,                // 52
    pub(crate) more_finder_info: [u8; 16], // 56
    pub(crate) clump: U16,                 // 72
    pub(crate) data: [Run16; 3],           // 74
    pub(crate) resource: [Run16; 3],       // 86
}
const _: () = assert!(size_of::<File>() == 98);

/// What folders and files of HFS+ begin with alike (TN1150, HFSPlusCatalogFolder).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ItemPlus {
    pub(crate) kind: I16,             // 0
    pub(crate) flags: U16,            // 2
    pub(crate) valence: U32,          // 4
    pub(crate) id: U32,               // 8
    pub(crate) created: U32,          // 12
    pub(crate) modified: U32,         // 16
    pub(crate) changed: U32,          // 20
    pub(crate) accessed: U32,         // 24
    pub(crate) backup: U32,           // 28
    pub(crate) uid: U32,              // 32
    pub(crate) gid: U32,              // 36
    pub(crate) admin_flags: u8,       // 40
    pub(crate) owner_flags: u8,       // 41
    pub(crate) mode: U16,             // 42
    pub(crate) special: U32,          // 44     links, device or number of a hard link's file
    pub(crate) finder_info: [u8; 32], // 48
    pub(crate) encoding: U32,         // 80
    pub(crate) reserved: U32,         // 84
}
const _: () = assert!(size_of::<ItemPlus>() == 88);

/// The forks of a file of HFS+, behind what it begins with (TN1150, HFSPlusCatalogFile).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Forks {
    pub(crate) data: ForkData,     // 88
    pub(crate) resource: ForkData, // 168
}
const _: () = assert!(size_of::<Forks>() == 160);
