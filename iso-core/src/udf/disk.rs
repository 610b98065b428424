//! The layouts of ECMA-167 and UDF as they lie on the disc, each declared once.
//! Positions (BP) are those of the standard; no code but the reading of a number.

use std::mem::offset_of;

use zerocopy::little_endian::{I16, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// What every descriptor begins with (ECMA-167 3/7.2, 4/7.2).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DescriptorTag {
    pub(crate) identifier: U16, // BP 0
    pub(crate) version: U16,    // BP 2
    pub(crate) checksum: u8,    // BP 4      of the other 15 bytes
    pub(crate) reserved: u8,    // BP 5
    pub(crate) serial: U16,     // BP 6
    pub(crate) crc: U16,        // BP 8
    pub(crate) crc_len: U16,    // BP 10     bytes behind the tag that the CRC covers
    pub(crate) location: U32,   // BP 12     the block it lies in
}
const _: () = assert!(size_of::<DescriptorTag>() == 16);

/// An extent of the volume (ECMA-167 3/7.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ExtentAd {
    pub(crate) len: U32,      // BP 0      bytes
    pub(crate) location: U32, // BP 4      block
}
const _: () = assert!(size_of::<ExtentAd>() == 8);

/// A block of a partition (ECMA-167 4/7.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct BlockAddress {
    pub(crate) block: U32,     // BP 0
    pub(crate) partition: U16, // BP 4     number of a partition map
}
const _: () = assert!(size_of::<BlockAddress>() == 6);

/// A short allocation descriptor (ECMA-167 4/14.14.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ShortAd {
    pub(crate) len: U32,   // BP 0      two bits of kind, 30 of bytes
    pub(crate) block: U32, // BP 4
}
const _: () = assert!(size_of::<ShortAd>() == 8);

/// A long allocation descriptor (ECMA-167 4/14.14.2).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct LongAd {
    pub(crate) len: U32,                // BP 0
    pub(crate) address: BlockAddress,   // BP 4
    pub(crate) implementation: [u8; 6], // BP 10
}
const _: () = assert!(size_of::<LongAd>() == 16);

/// An extended allocation descriptor (ECMA-167 4/14.14.3).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ExtendedAd {
    pub(crate) len: U32,                // BP 0
    pub(crate) recorded: U32,           // BP 4
    pub(crate) information: U32,        // BP 8
    pub(crate) address: BlockAddress,   // BP 12
    pub(crate) implementation: [u8; 2], // BP 18
}
const _: () = assert!(size_of::<ExtendedAd>() == 20);

/// Anchor volume descriptor pointer (ECMA-167 3/10.2).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct AnchorPointer {
    pub(crate) tag: DescriptorTag, // BP 0
    pub(crate) main: ExtentAd,     // BP 16
    pub(crate) reserve: ExtentAd,  // BP 24
}
const _: () = assert!(size_of::<AnchorPointer>() == 32);

/// A timestamp (ECMA-167 1/7.3).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct UdfTime {
    pub(crate) kind_and_zone: U16, // BP 0      four bits of kind, 12 of signed minutes
    pub(crate) year: I16,          // BP 2
    pub(crate) month: u8,          // BP 4
    pub(crate) day: u8,            // BP 5
    pub(crate) hour: u8,           // BP 6
    pub(crate) minute: u8,         // BP 7
    pub(crate) second: u8,         // BP 8
    pub(crate) hundredths: u8,     // BP 9
    pub(crate) hundreds_us: u8,    // BP 10
    pub(crate) microseconds: u8,   // BP 11
}
const _: () = assert!(size_of::<UdfTime>() == 12);

/// An entity identifier (ECMA-167 1/7.4, UDF 2.60 2.1.5).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct EntityId {
    pub(crate) flags: u8,            // BP 0
    pub(crate) identifier: [u8; 23], // BP 1
    pub(crate) suffix: [u8; 8],      // BP 24     of a domain: the UDF revision in hex digits
}
const _: () = assert!(size_of::<EntityId>() == 32);

/// Primary volume descriptor as far as it is read (ECMA-167 3/10.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct PrimaryDescriptor {
    pub(crate) tag: DescriptorTag,       // BP 0
    pub(crate) sequence: U32,            // BP 16
    pub(crate) number: U32,              // BP 20
    pub(crate) volume: [u8; 32],         // BP 24     dstring
    pub(crate) skipped: [u8; 288],       // BP 56
    pub(crate) application: EntityId,    // BP 344
    pub(crate) recorded: UdfTime,        // BP 376
    pub(crate) implementation: EntityId, // BP 388
}
const _: () = assert!(size_of::<PrimaryDescriptor>() == 420);
const _: () = assert!(offset_of!(PrimaryDescriptor, recorded) == 376);

/// Partition descriptor as far as it is read (ECMA-167 3/10.5).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct PartitionDescriptor {
    pub(crate) tag: DescriptorTag,      // BP 0
    pub(crate) sequence: U32,           // BP 16
    pub(crate) flags: U16,              // BP 20
    pub(crate) number: U16,             // BP 22
    pub(crate) contents: EntityId,      // BP 24
    pub(crate) contents_use: [u8; 128], // BP 56
    pub(crate) access: U32,             // BP 184
    pub(crate) start: U32,              // BP 188    block
    pub(crate) len: U32,                // BP 192    blocks
}
const _: () = assert!(size_of::<PartitionDescriptor>() == 196);

/// Logical volume descriptor; the partition maps follow (ECMA-167 3/10.6).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct LogicalDescriptor {
    pub(crate) tag: DescriptorTag,            // BP 0
    pub(crate) sequence: U32,                 // BP 16
    pub(crate) charset: [u8; 64],             // BP 20
    pub(crate) volume: [u8; 128],             // BP 84     dstring
    pub(crate) block_bytes: U32,              // BP 212
    pub(crate) domain: EntityId,              // BP 216
    pub(crate) file_set: LongAd,              // BP 248
    pub(crate) map_bytes: U32,                // BP 264
    pub(crate) maps: U32,                     // BP 268
    pub(crate) implementation: EntityId,      // BP 272
    pub(crate) implementation_use: [u8; 128], // BP 304
    pub(crate) integrity: ExtentAd,           // BP 432
}
const _: () = assert!(size_of::<LogicalDescriptor>() == 440);

/// Volume descriptor pointer (ECMA-167 3/10.3).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct VolumePointer {
    pub(crate) tag: DescriptorTag, // BP 0
    pub(crate) sequence: U32,      // BP 16
    pub(crate) next: ExtentAd,     // BP 20
}
const _: () = assert!(size_of::<VolumePointer>() == 28);

/// Head of a partition map (ECMA-167 3/10.7.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct MapHeader {
    pub(crate) kind: u8, // BP 0
    pub(crate) len: u8,  // BP 1      of the whole map
}
const _: () = assert!(size_of::<MapHeader>() == 2);

/// A type 1 partition map (ECMA-167 3/10.7.2).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct PlainMap {
    pub(crate) header: MapHeader,    // BP 0
    pub(crate) volume_sequence: U16, // BP 2
    pub(crate) partition: U16,       // BP 4
}
const _: () = assert!(size_of::<PlainMap>() == 6);

/// Head of a type 2 partition map (UDF 2.60 2.2.8).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct NamedMap {
    pub(crate) header: MapHeader, // BP 0
    pub(crate) reserved: [u8; 2], // BP 2
    pub(crate) kind: EntityId,    // BP 4
}
const _: () = assert!(size_of::<NamedMap>() == 36);

/// A map of a virtual partition, which a table finds the blocks of (UDF 2.60 2.2.8).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct VirtualMap {
    pub(crate) named: NamedMap,      // BP 0
    pub(crate) volume_sequence: U16, // BP 36
    pub(crate) partition: U16,       // BP 38
}
const _: () = assert!(size_of::<VirtualMap>() == 40);

/// A map of a sparable partition; the blocks of its tables follow (UDF 2.60 2.2.9).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct SparableMap {
    pub(crate) base: VirtualMap,   // BP 0
    pub(crate) packet_blocks: U16, // BP 40
    pub(crate) tables: u8,         // BP 42
    pub(crate) reserved: u8,       // BP 43
    pub(crate) table_bytes: U32,   // BP 44
}
const _: () = assert!(size_of::<SparableMap>() == 48);

/// Head of a sparing table; its entries follow (UDF 2.60 2.2.12).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct SparingTable {
    pub(crate) tag: DescriptorTag, // BP 0
    pub(crate) kind: EntityId,     // BP 16
    pub(crate) entries: U16,       // BP 48
    pub(crate) reserved: U16,      // BP 50
    pub(crate) sequence: U32,      // BP 52
}
const _: () = assert!(size_of::<SparingTable>() == 56);

/// An entry of a sparing table (UDF 2.60 2.2.12).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct SparingEntry {
    pub(crate) original: U32, // BP 0      first block of a packet, in the partition
    pub(crate) mapped: U32,   // BP 4      first block that stands in for it, in the volume
}
const _: () = assert!(size_of::<SparingEntry>() == 8);

/// A map of a metadata partition (UDF 2.60 2.2.10).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct MetadataMap {
    pub(crate) base: VirtualMap,     // BP 0
    pub(crate) main: U32,            // BP 40     block of the metadata file's ICB
    pub(crate) mirror: U32,          // BP 44
    pub(crate) bitmap: U32,          // BP 48
    pub(crate) allocation_unit: U32, // BP 52
    pub(crate) alignment: U16,       // BP 56
    pub(crate) flags: u8,            // BP 58     1 if the mirror holds data of its own
}
const _: () = assert!(size_of::<MetadataMap>() == 59);

/// Head of a virtual allocation table of UDF 2.00 and later (UDF 2.60 2.2.11).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct VirtualTableHead {
    pub(crate) header_len: U16,         // BP 0
    pub(crate) implementation_len: U16, // BP 2
    pub(crate) volume: [u8; 128],       // BP 4      dstring
    pub(crate) previous: U32,           // BP 132    block of the ICB of the table before
    pub(crate) files: U32,              // BP 136
    pub(crate) directories: U32,        // BP 140
    pub(crate) revisions: [u8; 8],      // BP 144
}
const _: () = assert!(size_of::<VirtualTableHead>() == 152);

/// Trailer of a virtual allocation table of UDF 1.50 (UDF 1.50 2.2.10).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct VirtualTableTail {
    pub(crate) kind: EntityId, // BP 0
    pub(crate) previous: U32,  // BP 32
}
const _: () = assert!(size_of::<VirtualTableTail>() == 36);

/// File set descriptor as far as it is read (ECMA-167 4/14.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct FileSetDescriptor {
    pub(crate) tag: DescriptorTag, // BP 0
    pub(crate) skipped: [u8; 384], // BP 16
    pub(crate) root: LongAd,       // BP 400
}
const _: () = assert!(size_of::<FileSetDescriptor>() == 416);

/// ICB tag (ECMA-167 4/14.6).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct IcbTag {
    pub(crate) prior_entries: U32,   // BP 0
    pub(crate) strategy: U16,        // BP 4
    pub(crate) parameter: U16,       // BP 6
    pub(crate) max_entries: U16,     // BP 8
    pub(crate) reserved: u8,         // BP 10
    pub(crate) file_type: u8,        // BP 11
    pub(crate) parent: BlockAddress, // BP 12
    pub(crate) flags: U16,           // BP 18
}
const _: () = assert!(size_of::<IcbTag>() == 20);

/// Indirect entry: the file entry that replaces the one before it (ECMA-167 4/14.7).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct IndirectEntry {
    pub(crate) tag: DescriptorTag, // BP 0
    pub(crate) icb: IcbTag,        // BP 16
    pub(crate) next: LongAd,       // BP 36
}
const _: () = assert!(size_of::<IndirectEntry>() == 52);

/// What file entries and extended file entries begin with alike (ECMA-167 4/14.9, 4/14.17).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct EntryHead {
    pub(crate) tag: DescriptorTag,   // BP 0
    pub(crate) icb: IcbTag,          // BP 16
    pub(crate) uid: U32,             // BP 36
    pub(crate) gid: U32,             // BP 40
    pub(crate) permissions: U32,     // BP 44
    pub(crate) links: U16,           // BP 48
    pub(crate) record: [u8; 6],      // BP 50
    pub(crate) information_len: U64, // BP 56
}
const _: () = assert!(size_of::<EntryHead>() == 64);

/// A file entry; extended attributes and allocation descriptors follow (ECMA-167 4/14.9).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct FileEntry {
    pub(crate) head: EntryHead,          // BP 0
    pub(crate) blocks: U64,              // BP 64
    pub(crate) accessed: UdfTime,        // BP 72
    pub(crate) modified: UdfTime,        // BP 84
    pub(crate) changed: UdfTime,         // BP 96
    pub(crate) checkpoint: U32,          // BP 108
    pub(crate) attributes_icb: LongAd,   // BP 112
    pub(crate) implementation: EntityId, // BP 128
    pub(crate) unique_id: U64,           // BP 160
    pub(crate) attributes_len: U32,      // BP 168
    pub(crate) allocation_len: U32,      // BP 172
}
const _: () = assert!(size_of::<FileEntry>() == 176);

/// An extended file entry; the same follow (ECMA-167 4/14.17).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ExtendedFileEntry {
    pub(crate) head: EntryHead,          // BP 0
    pub(crate) object_size: U64,         // BP 64
    pub(crate) blocks: U64,              // BP 72
    pub(crate) accessed: UdfTime,        // BP 80
    pub(crate) modified: UdfTime,        // BP 92
    pub(crate) created: UdfTime,         // BP 104
    pub(crate) changed: UdfTime,         // BP 116
    pub(crate) checkpoint: U32,          // BP 128
    pub(crate) reserved: U32,            // BP 132
    pub(crate) attributes_icb: LongAd,   // BP 136
    pub(crate) streams_icb: LongAd,      // BP 152
    pub(crate) implementation: EntityId, // BP 168
    pub(crate) unique_id: U64,           // BP 200
    pub(crate) attributes_len: U32,      // BP 208
    pub(crate) allocation_len: U32,      // BP 212
}
const _: () = assert!(size_of::<ExtendedFileEntry>() == 216);

/// Allocation extent descriptor; allocation descriptors follow (ECMA-167 4/14.5).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct AllocationExtent {
    pub(crate) tag: DescriptorTag, // BP 0
    pub(crate) previous: U32,      // BP 16
    pub(crate) len: U32,           // BP 20     bytes of descriptors
}
const _: () = assert!(size_of::<AllocationExtent>() == 24);

/// File identifier descriptor; implementation use and name follow (ECMA-167 4/14.4).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct FileIdentifier {
    pub(crate) tag: DescriptorTag,      // BP 0
    pub(crate) version: U16,            // BP 16
    pub(crate) characteristics: u8,     // BP 18
    pub(crate) name_len: u8,            // BP 19
    pub(crate) icb: LongAd,             // BP 20
    pub(crate) implementation_len: U16, // BP 36
}
const _: () = assert!(size_of::<FileIdentifier>() == 38);

bitflags::bitflags! {
    /// File characteristics of a file identifier (ECMA-167 4/14.4.3).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Characteristics: u8 {
        const HIDDEN = 1;
        const DIRECTORY = 1 << 1;
        const DELETED = 1 << 2;
        const PARENT = 1 << 3;
        const METADATA = 1 << 4;
    }
}

/// Head of an extended attribute space (ECMA-167 4/14.10.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct AttributeSpace {
    pub(crate) tag: DescriptorTag,     // BP 0
    pub(crate) implementation_at: U32, // BP 16
    pub(crate) application_at: U32,    // BP 20
}
const _: () = assert!(size_of::<AttributeSpace>() == 24);

/// Head of one extended attribute (ECMA-167 4/14.10.2).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct AttributeHead {
    pub(crate) kind: U32,         // BP 0
    pub(crate) subtype: u8,       // BP 4
    pub(crate) reserved: [u8; 3], // BP 5
    pub(crate) len: U32,          // BP 8      of the whole attribute
}
const _: () = assert!(size_of::<AttributeHead>() == 12);

/// Device specification, behind its head (ECMA-167 4/14.10.7).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DeviceSpecification {
    pub(crate) implementation_len: U32, // BP 12
    pub(crate) major: U32,              // BP 16
    pub(crate) minor: U32,              // BP 20
}
const _: () = assert!(size_of::<DeviceSpecification>() == 12);

/// File times, behind an attribute's head, as far as they are read (ECMA-167 4/14.10.5).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct FileTimes {
    pub(crate) len: U32,       // BP 12
    pub(crate) existence: U32, // BP 16     a bit for each time, 1 for that of creation
    pub(crate) first: UdfTime, // BP 20
}
const _: () = assert!(size_of::<FileTimes>() == 20);

/// Implementation use, behind an attribute's head (ECMA-167 4/14.10.8).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ImplementationUse {
    pub(crate) len: U32,       // BP 12
    pub(crate) kind: EntityId, // BP 16
}
const _: () = assert!(size_of::<ImplementationUse>() == 36);

/// Mac Finder information as far as it is read (UDF 2.60 3.3.4.5.4.2).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct MacFinderInfo {
    pub(crate) checksum: U16,         // BP 0
    pub(crate) reserved: U16,         // BP 2
    pub(crate) parent: U32,           // BP 4
    pub(crate) finder_info: [u8; 32], // BP 8
}
const _: () = assert!(size_of::<MacFinderInfo>() == 40);

/// Head of a path component; the identifier follows (ECMA-167 4/14.16.1).
#[derive(Debug, Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct PathComponent {
    pub(crate) kind: u8,     // BP 0
    pub(crate) len: u8,      // BP 1
    pub(crate) version: U16, // BP 2
}
const _: () = assert!(size_of::<PathComponent>() == 4);
