//! What is on a disc: from the bytes of an image to its files.
//!
//! An [`Image`] is opened over any [`Source`](source::Source), tells which file systems it holds,
//! and gives the one to show as a [`Volume`]. Nothing here knows an operating system, prints, or
//! reads more than it is asked for.
//!
//! ```no_run
//! use iso_core::{Image, Limits, source};
//!
//! let source = source::open_path("disc.iso".as_ref())?;
//! let image = Image::open(source, Limits::default())?;
//! let shown = image.choose(None)?;
//! for entry in shown.volume.read_dir(shown.volume.root())?.iter() {
//!     println!("{}", String::from_utf8_lossy(entry.name));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod all_views;
mod boot;
mod cache;
mod error;
mod foreign;
mod hfs;
mod identify;
mod iso9660;
mod limits;
mod num;
mod open;
mod origin;
pub mod serving;
mod session;
pub mod source;
mod text;
mod time;
mod udf;
mod view;
pub mod volume;

pub use all_views::Report;
pub use boot::{BootEntry, BootFile, Emulation, Partition, Scheme};
pub use cache::{Counters, Disc, Finding, Findings, Weigh, WeightedCache};
pub use error::{Error, Result, Site};
pub use foreign::{Foreign, Places};
pub use limits::Limits;
pub use open::{Image, Options, Shown, System};
pub use session::{Session, SessionChoice};
pub use text::{Charset, Coding};
pub use time::{Calendar, Timestamp};
pub use view::View;
pub use volume::Volume;
