//! Serves a volume to the kernel through FUSE: unpack a request, call the core, reply.
//! Knows mounts and errno; knows nothing that is on a disc.

mod adapter;
mod attr;
mod errno;
mod mount;
mod name;
mod xattr;

pub use adapter::Adapter;
pub use errno::errno;
pub use mount::{Mounted, Options, mount, unmount};
pub use name::{FS_TYPE, source_name};
