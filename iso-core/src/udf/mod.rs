//! UDF: anchors, descriptor sequences, partitions, ICBs and file identifiers (ECMA-167, OSTA UDF).
//! Reads through `Disc`, knows nothing of ISO 9660 or of who asks.

mod allocation;
mod anchor;
mod attributes;
mod directory;
mod disk;
mod icb;
mod listing;
mod partition;
mod sequence;
mod sparing;
mod symlink;
mod tag;
mod virtual_table;
mod volume;

pub(crate) use anchor::{find_anchor, recognition_step};
pub(crate) use volume::UdfVolume;
