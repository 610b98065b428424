//! The layouts of boot catalogues, partition tables and FAT boot sectors, each declared once.
//! No code but the reading of a number.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned, big_endian};

/// An entry of a boot catalogue; the first one is the validation entry (El Torito 1.0, 2.1-2.4).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct BootCatalogEntry {
    pub(crate) indicator: u8, // 0      0x88 bootable, 0x90/0x91 section head, 1 validation
    pub(crate) media: u8,     // 1      of a head: the platform
    pub(crate) segment: U16,  // 2-3    of a section head: entries in the section
    pub(crate) system: u8,    // 4
    pub(crate) unused: u8,    // 5
    pub(crate) sectors: U16,  // 6-7    virtual sectors of 512 bytes
    pub(crate) first: U32,    // 8-11   sector of the image
    pub(crate) selection: [u8; 20], // 12-31
}
const _: () = assert!(size_of::<BootCatalogEntry>() == 32);

/// The boot information table: what the writer of a disc records in a boot file about the file
/// itself, at byte 8 (El Torito 1.0 as used by mkisofs).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct BootInformation {
    pub(crate) descriptor: U32, // 8      sector of the primary volume descriptor
    pub(crate) first: U32,      // 12     sector of the file
    pub(crate) bytes: U32,      // 16     of the file
    pub(crate) checksum: U32,   // 20
}
const _: () = assert!(size_of::<BootInformation>() == 16);

/// An entry of a partition table in a master boot record (UEFI 2.10, 5.2.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct MbrEntry {
    pub(crate) status: u8,         // 0      0x80 active, 0 not
    pub(crate) first_chs: [u8; 3], // 1
    pub(crate) kind: u8,           // 4      0 unused, 0xEE protects a GPT
    pub(crate) last_chs: [u8; 3],  // 5
    pub(crate) first: U32,         // 8      sector of 512 bytes
    pub(crate) sectors: U32,       // 12
}
const _: () = assert!(size_of::<MbrEntry>() == 16);

/// Header of a GUID partition table (UEFI 2.10, 5.3.2).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct GptHeader {
    pub(crate) signature: [u8; 8], // 0      EFI PART
    pub(crate) revision: U32,      // 8
    pub(crate) header_bytes: U32,  // 12
    pub(crate) crc: U32,           // 16
    pub(crate) reserved: U32,      // 20
    pub(crate) own: U64,           // 24     block
    pub(crate) other: U64,         // 32
    pub(crate) first_usable: U64,  // 40
    pub(crate) last_usable: U64,   // 48
    pub(crate) disk: [u8; 16],     // 56
    pub(crate) entries_at: U64,    // 72     block
    pub(crate) entries: U32,       // 80
    pub(crate) entry_bytes: U32,   // 84
}
const _: () = assert!(size_of::<GptHeader>() == 88);

/// An entry of a GUID partition table (UEFI 2.10, 5.3.3).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct GptEntry {
    pub(crate) kind: [u8; 16],  // 0      zeros for an unused one
    pub(crate) own: [u8; 16],   // 16
    pub(crate) first: U64,      // 32
    pub(crate) last: U64,       // 40     inclusive
    pub(crate) attributes: U64, // 48
    pub(crate) name: [u8; 72],  // 56     UTF-16, little-endian
}
const _: () = assert!(size_of::<GptEntry>() == 128);

/// An entry of an Apple partition map (Inside Macintosh: Devices, 3-25).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct AppleEntry {
    pub(crate) signature: [u8; 2],       // 0      PM
    pub(crate) reserved: [u8; 2],        // 2
    pub(crate) entries: big_endian::U32, // 4      of the whole map
    pub(crate) start: big_endian::U32,   // 8      block
    pub(crate) blocks: big_endian::U32,  // 12
    pub(crate) name: [u8; 32],           // 16
    pub(crate) kind: [u8; 32],           // 48     Apple_HFS
}
const _: () = assert!(size_of::<AppleEntry>() == 80);

/// The boot sector of a FAT volume as far as its size needs (FAT 1.03 as in UEFI 2.10, 13.3).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct FatBootSector {
    pub(crate) jump: [u8; 3],         // 0      EB xx 90 or E9
    pub(crate) system: [u8; 8],       // 3
    pub(crate) sector_bytes: U16,     // 11
    pub(crate) cluster_sectors: u8,   // 13
    pub(crate) reserved_sectors: U16, // 14
    pub(crate) tables: u8,            // 16
    pub(crate) root_entries: U16,     // 17
    pub(crate) sectors16: U16,        // 19
    pub(crate) media: u8,             // 21
    pub(crate) table_sectors: U16,    // 22
    pub(crate) track_sectors: U16,    // 24
    pub(crate) heads: U16,            // 26
    pub(crate) hidden: U32,           // 28
    pub(crate) sectors32: U32,        // 32
}
const _: () = assert!(size_of::<FatBootSector>() == 36);
