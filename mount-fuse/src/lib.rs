//! Serves a volume to the kernel through FUSE: unpack a request, call the core, reply.
//! Knows mounts and errno; knows nothing that is on a disc.

mod adapter;
mod attach;
mod attr;
mod cache;
mod directory;
mod errno;
mod name;
mod options;
mod push;
mod serve;
mod xattr;

pub use attach::{Attach, AttachError, attach, read_ahead, unmount, unmount_if};
pub use directory::{Directory, Place};
pub use errno::errno;
pub use name::{FS_TYPE, source_name};
pub use options::Serve;
pub use serve::{Served, default_threads, mount, serve};
