//! The layouts of ISO 9660, SUSP and Rock Ridge as they lie on the disc, each declared once.
//! Positions (BP) are those of the standard; no code but the reading of a number.

use zerocopy::{
    FromBytes, Immutable, KnownLayout, Unaligned, big_endian as be, little_endian as le,
};

/// A 16-bit number recorded twice, little then big endian (ECMA-119 7.2.3).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Both16 {
    le: le::U16,
    be: be::U16,
}

/// A 32-bit number recorded twice, little then big endian (ECMA-119 7.3.3).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Both32 {
    le: le::U32,
    be: be::U32,
}

impl Both16 {
    /// Whether both halves say the same.
    pub(crate) fn agrees(self) -> bool {
        self.le.get() == self.be.get()
    }

    /// Reading trusts the first half.
    pub(crate) fn get(self) -> u16 {
        self.le.get()
    }
}

impl Both32 {
    /// Reading trusts the first half.
    pub(crate) fn get(self) -> u32 {
        self.le.get()
    }

    /// The second half, for where the first leads nowhere.
    pub(crate) fn second(self) -> u32 {
        self.be.get()
    }

    /// Whether both halves say the same.
    pub(crate) fn agrees(self) -> bool {
        self.le.get() == self.be.get()
    }
}

/// What every volume descriptor begins with (ECMA-119 8.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DescriptorHeader {
    pub(crate) kind: u8, // BP 1      0 boot, 1 primary, 2 supplementary, 255 end
    pub(crate) identifier: [u8; 5], // BP 2-6    CD001
    pub(crate) version: u8, // BP 7      2 makes a supplementary one an enhanced one
}
const _: () = assert!(size_of::<DescriptorHeader>() == 7);

/// A primary or supplementary volume descriptor as far as it is read (ECMA-119 8.4, 8.5).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct VolumeDescriptor {
    pub(crate) header: DescriptorHeader, // BP 1-7
    pub(crate) flags: u8,                // BP 8
    pub(crate) system: [u8; 32],         // BP 9-40
    pub(crate) volume: [u8; 32],         // BP 41-72
    pub(crate) unused: [u8; 8],          // BP 73-80
    pub(crate) space: Both32,            // BP 81-88     logical blocks
    pub(crate) escapes: [u8; 32],        // BP 89-120    supplementary only
    pub(crate) set_size: Both16,         // BP 121-124
    pub(crate) sequence: Both16,         // BP 125-128
    pub(crate) block_bytes: Both16,      // BP 129-132
    pub(crate) path_table_bytes: Both32, // BP 133-140
    pub(crate) path_table_le: le::U32,   // BP 141-144   block
    pub(crate) path_table_le2: le::U32,  // BP 145-148
    pub(crate) path_table_be: be::U32,   // BP 149-152
    pub(crate) path_table_be2: be::U32,  // BP 153-156
    pub(crate) root: DirectoryRecord,    // BP 157-189
    pub(crate) root_identifier: u8,      // BP 190
    pub(crate) set: [u8; 128],           // BP 191-318
    pub(crate) publisher: [u8; 128],     // BP 319-446
    pub(crate) preparer: [u8; 128],      // BP 447-574
    pub(crate) application: [u8; 128],   // BP 575-702
    pub(crate) files: [u8; 111],         // BP 703-813
    pub(crate) created: DecimalTime,     // BP 814-830
}
const _: () = assert!(size_of::<VolumeDescriptor>() == 830);
const _: () = assert!(std::mem::offset_of!(VolumeDescriptor, root) == 156);

/// A descriptor of a High Sierra volume as far as it is read (High Sierra 1986, as the Linux driver
/// has it; ECMA-119 8.4 is its successor).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct SierraDescriptor {
    pub(crate) at: Both32,               // BP 1-8       its own block
    pub(crate) kind: u8,                 // BP 9         1 standard, 255 end
    pub(crate) identifier: [u8; 5],      // BP 10-14     CDROM
    pub(crate) version: u8,              // BP 15
    pub(crate) unused: u8,               // BP 16
    pub(crate) system: [u8; 32],         // BP 17-48
    pub(crate) volume: [u8; 32],         // BP 49-80
    pub(crate) unused2: [u8; 8],         // BP 81-88
    pub(crate) space: Both32,            // BP 89-96     logical blocks
    pub(crate) unused3: [u8; 32],        // BP 97-128
    pub(crate) set_size: Both16,         // BP 129-132
    pub(crate) sequence: Both16,         // BP 133-136
    pub(crate) block_bytes: Both16,      // BP 137-140
    pub(crate) path_table_bytes: Both32, // BP 141-148
    pub(crate) path_tables: [u8; 32],    // BP 149-180
    pub(crate) root: DirectoryRecord,    // BP 181-213
    pub(crate) root_identifier: u8,      // BP 214
    pub(crate) set: [u8; 128],           // BP 215-342
    pub(crate) publisher: [u8; 128],     // BP 343-470
    pub(crate) preparer: [u8; 128],      // BP 471-598
    pub(crate) application: [u8; 128],   // BP 599-726
}
const _: () = assert!(size_of::<SierraDescriptor>() == 726);
const _: () = assert!(std::mem::offset_of!(SierraDescriptor, root) == 180);

/// A date in decimal digits (ECMA-119 8.4.26.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DecimalTime {
    pub(crate) year: [u8; 4],       // BP 1-4
    pub(crate) month: [u8; 2],      // BP 5-6
    pub(crate) day: [u8; 2],        // BP 7-8
    pub(crate) hour: [u8; 2],       // BP 9-10
    pub(crate) minute: [u8; 2],     // BP 11-12
    pub(crate) second: [u8; 2],     // BP 13-14
    pub(crate) hundredths: [u8; 2], // BP 15-16
    pub(crate) zone: i8,            // BP 17     quarters of an hour east of Greenwich
}
const _: () = assert!(size_of::<DecimalTime>() == 17);

/// A date in seven bytes (ECMA-119 9.1.5).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct BinaryTime {
    pub(crate) year: u8, // BP 1      since 1900
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
    pub(crate) zone: i8, // BP 7      quarters of an hour east of Greenwich
}
const _: () = assert!(size_of::<BinaryTime>() == 7);

/// Fixed part of a directory record (ECMA-119 9.1); the identifier follows.
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DirectoryRecord {
    pub(crate) len_dr: u8,           // BP 1      0 ends the sector
    pub(crate) len_ear: u8,          // BP 2      blocks of extended attributes before the data
    pub(crate) extent: Both32,       // BP 3-10   first block
    pub(crate) data_len: Both32,     // BP 11-18  bytes
    pub(crate) recorded: BinaryTime, // BP 19-25
    pub(crate) flags: u8,            // BP 26
    pub(crate) unit_size: u8,        // BP 27     blocks per file unit, not 0 if interleaved
    pub(crate) gap_size: u8,         // BP 28
    pub(crate) volume_seq: Both16,   // BP 29-32
    pub(crate) len_fi: u8,           // BP 33
}
const _: () = assert!(size_of::<DirectoryRecord>() == 33);
const _: () = assert!(std::mem::offset_of!(DirectoryRecord, len_fi) == 32);

bitflags::bitflags! {
    /// File flags of a directory record (ECMA-119 9.1.6).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct FileFlags: u8 {
        const HIDDEN = 1;
        const DIRECTORY = 1 << 1;
        const ASSOCIATED = 1 << 2;
        const RECORD = 1 << 3;
        const PROTECTION = 1 << 4;
        const MULTI_EXTENT = 1 << 7;
    }
}

/// Head of a system use entry (SUSP 4.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct SystemUseHeader {
    pub(crate) signature: [u8; 2], // BP 1-2
    pub(crate) len: u8,            // BP 3      all of the entry
    pub(crate) version: u8,        // BP 4
}
const _: () = assert!(size_of::<SystemUseHeader>() == 4);

/// `CE`, where the system use area continues (SUSP 5.1); data after the head.
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ContinuationArea {
    pub(crate) block: Both32,  // BP 5-12
    pub(crate) offset: Both32, // BP 13-20
    pub(crate) len: Both32,    // BP 21-28
}
const _: () = assert!(size_of::<ContinuationArea>() == 24);

/// `SP`, that system use entries are used, and bytes to skip before them (SUSP 5.3).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct SharingProtocol {
    pub(crate) check: [u8; 2], // BP 5-6    0xBE 0xEF
    pub(crate) skip: u8,       // BP 7
}
const _: () = assert!(size_of::<SharingProtocol>() == 3);

/// `PX`, mode, links, user and group (RRIP 4.1.1); 1.12 adds a serial number.
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct PosixAttributes {
    pub(crate) mode: Both32,  // BP 5-12
    pub(crate) links: Both32, // BP 13-20
    pub(crate) uid: Both32,   // BP 21-28
    pub(crate) gid: Both32,   // BP 29-36
}
const _: () = assert!(size_of::<PosixAttributes>() == 32);

/// `PN`, a device number (RRIP 4.1.2).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DeviceNumber {
    pub(crate) high: Both32, // BP 5-12
    pub(crate) low: Both32,  // BP 13-20
}
const _: () = assert!(size_of::<DeviceNumber>() == 16);

/// `ZF`, a file compressed by zisofs (zisofs format, libisofs doc/zisofs_format.txt).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct CompressedFile {
    pub(crate) algorithm: [u8; 2],  // BP 5-6    "pz" or "PZ"
    pub(crate) header_words: u8,    // BP 7
    pub(crate) block_size_log2: u8, // BP 8
    pub(crate) size: le::U32,       // BP 9-12   for "pz": uncompressed bytes, twice
    pub(crate) size_high: be::U32,  // BP 13-16
}
const _: () = assert!(size_of::<CompressedFile>() == 12);

/// Head of a compressed file (zisofs format, version 1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ZisofsHead {
    pub(crate) magic: [u8; 8],      // 0
    pub(crate) size: le::U32,       // 8      uncompressed bytes
    pub(crate) head_words: u8,      // 12     of four bytes
    pub(crate) block_size_log2: u8, // 13
    pub(crate) reserved: [u8; 2],   // 14
}
const _: () = assert!(size_of::<ZisofsHead>() == 16);

/// Head of a compressed file (zisofs format, version 2).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ZisofsHead2 {
    pub(crate) magic: [u8; 8],      // 0
    pub(crate) version: u8,         // 8
    pub(crate) head_words: u8,      // 9      of four bytes
    pub(crate) algorithm: u8,       // 10     1 is zlib
    pub(crate) block_size_log2: u8, // 11
    pub(crate) size: le::U64,       // 12     uncompressed bytes
    pub(crate) reserved: [u8; 4],   // 20
}
const _: () = assert!(size_of::<ZisofsHead2>() == 24);

/// Head of a boot record for El Torito (El Torito 1.0, figure 7).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct BootRecord {
    pub(crate) header: DescriptorHeader, // BP 1-7
    pub(crate) system: [u8; 32],         // BP 8-39   EL TORITO SPECIFICATION
    pub(crate) unused: [u8; 32],         // BP 40-71
    pub(crate) catalog: le::U32,         // BP 72-75  sector of the catalogue
}
const _: () = assert!(size_of::<BootRecord>() == 75);
