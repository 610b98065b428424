//! What a computer could start from a disc: the El Torito catalogue with its images, and the
//! partitions of a disc that is a disk too. Listed and shown for people; isodrive starts nothing.

mod catalog;
mod disk;
mod partition;
mod size;
mod volume;

pub use catalog::{BootEntry, Emulation};
pub use partition::{Partition, Scheme};
pub(crate) use partition::{apple_partitions, partitions};
pub use volume::BootFile;
pub(crate) use volume::{BootVolume, boot_files};
