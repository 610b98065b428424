//! Has the kernel's EROFS driver serve the bytes of an image: only its directories are translated,
//! into metadata of our own making, so the kernel never parses what a stranger wrote. Knows
//! volumes and mounts; knows nothing of how a format stores them.

mod attach;
mod attributes;
mod chunks;
mod declined;
mod descriptor;
mod directory;
mod disk;
mod loop_device;
mod output;
mod space;
mod translate;
mod verify;

pub use attach::{
    Attach, AttachError, FS_TYPE, MARK, Through, attach, scratch_file, scratch_owner, source_name,
};
pub use declined::Declined;
pub use output::{Output, Sender, receive};
pub use translate::{Summary, translate};
pub use verify::{Refused, Verified, verify};
