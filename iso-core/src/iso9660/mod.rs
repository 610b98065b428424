//! ISO 9660 with its Joliet and Rock Ridge names: descriptors, directory records, system use.
//! Reads through `Disc`, knows nothing of UDF or of who asks.

mod aaip;
mod attributes;
mod coding;
mod descriptor;
mod dir_extent;
mod directory;
mod disk;
mod file;
mod kind;
mod links;
mod listing;
mod name;
mod own;
mod padding;
mod recent;
mod record;
mod recorded;
mod records;
mod relocation;
mod repeats;
mod rrip;
mod style;
mod susp;
mod volume;
mod zisofs;

pub(crate) use descriptor::{DescriptorSet, SYSTEM_AREA_SECTORS, TreeDescriptor};
pub(crate) use style::NameStyle;
pub(crate) use volume::IsoVolume;

/// Bytes of a logical sector, in which volume descriptors and directory records are laid out
/// (ECMA-119 6.1.2).
pub(crate) const SECTOR_BYTES: u64 = 2048;
