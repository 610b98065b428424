//! HFS and HFS+: the Macintosh side of hybrid discs (Inside Macintosh: Files, Apple TN1150).
//! Reads through `Disc`, knows nothing of ISO 9660 or of who asks.

mod btree;
mod catalog;
mod disk;
mod listing;
mod locate;
mod volume;

pub(crate) use locate::find_volume;
pub(crate) use volume::HfsVolume;
