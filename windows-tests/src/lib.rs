//! WinFsp without its driver: an imitation of the driver under the real, unmodified DLL, so that
//! the DLL, crate `winfsp` and the adapter's callbacks run as they do on Windows. Empty elsewhere.
//!
//! `HONESTY.md` beside this says what the real driver does that this does not.
#![cfg(windows)]

pub mod command_line;
pub mod console;
pub mod driver;
pub mod explorer;
mod hooks;
mod imports;
pub mod letters;
mod listing;
mod mount_manager;
mod opening;
pub mod output;
mod persons;
mod queue;
pub mod session;
pub mod setup;
pub mod visitor;
pub mod walk;

pub use driver::File;
pub use hooks::{drives, install, junctions, without_threads};
pub use listing::Listed;
pub use mount_manager::global_drives;
pub use persons::become_asked;
pub use queue::{Answer, Volume, kind, newest_volume};
