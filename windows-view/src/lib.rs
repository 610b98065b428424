//! A disc volume as Windows programs expect to see it: names, paths, attributes, status codes.
//! Plain Rust that calls no operating system, so all of it is tested on every one.
//!
//! [`Tree`] is the door: it finds a path as Windows writes it, pages through directories by name,
//! and gives file information and link targets in the shapes that `mount-winfsp` hands on.

mod fold;
mod info;
mod link;
mod look;
mod name;
mod names;
mod security;
mod status;
mod tree;

pub use fold::fold;
pub use info::{FileInfo, attribute, file_time};
pub use link::{TAG_SYMLINK, symlink_data};
pub use look::{VolumeLook, serial_of};
pub use name::{from_windows, to_windows};
pub use names::{MAX_NAME_UNITS, Names, numbered};
pub use security::everybody_reads;
pub use status::{Failure, Status};
pub use tree::{Choices, Found, Stream, Tree, ZONE_STREAM};

/// The result of what can fail with a status that Windows knows.
pub type Result<T> = std::result::Result<T, Failure>;
