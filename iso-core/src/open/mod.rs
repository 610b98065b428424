//! From a source to the file systems on it and the one to show.
//! Opening reads descriptors and roots, and what the view rule must know of the files there and
//! in a few folders below.

mod below;
mod choosing;
mod groups;
mod image;
mod opening;
mod survey;

pub use image::{Image, Options, Shown, System};
