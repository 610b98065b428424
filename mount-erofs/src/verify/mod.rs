//! Checks metadata before the kernel sees it: a worker that a hostile disc took over may have
//! written it. Shares the layouts with the translator and no code; never writes.

mod block;
mod chunks;
mod forward;
mod inode;
mod refused;
mod superblock;
mod tree;
mod verified;
mod xattrs;

pub use refused::Refused;
pub use verified::{Verified, verify};
