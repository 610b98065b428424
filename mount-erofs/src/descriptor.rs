//! The names of this process's own descriptors, by which files are opened anew or mounted.
//! Opens nothing.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

/// The name of an open descriptor.
pub(crate) fn own_descriptor(opened: &impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", opened.as_fd().as_raw_fd()))
}
