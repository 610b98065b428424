//! UDF: anchors, descriptor sequences, partitions, ICBs and file identifiers (ECMA-167, OSTA UDF).
//! Reads through `Disc`, knows nothing of ISO 9660 or of who asks.

mod address;
mod allocation;
mod anchor;
mod attribute_space;
mod directory;
mod disk;
mod icb;
mod listing;
mod partition;
mod partition_maps;
mod sequence;
mod sparing;
mod streams;
mod symlink;
mod tag;
mod virtual_table;
mod volume;

pub(crate) use anchor::{find_anchor, recognition_step};
pub(crate) use volume::UdfVolume;
