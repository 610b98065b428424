//! From a source to the file systems on it and the one to show.
//! Opening reads descriptors and roots, nothing below.

mod choosing;
mod image;
mod opening;

pub use image::{Image, Options, Shown, System};
