//! What commands do where discs become directories through FUSE: mounts, the processes that keep
//! them, and what those leave for other commands to find.

pub(crate) mod arguments;
mod busy;
pub(crate) mod confined;
mod copies;
pub(crate) mod doctor;
pub(crate) mod eject;
mod folders;
pub(crate) mod fuse;
mod health;
pub(crate) mod helper;
mod holders;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod machine_log;
mod made;
pub(crate) mod mount;
mod mounts;
pub(crate) mod open;
pub(crate) mod options;
mod process;
mod state;
mod user;
pub(crate) mod worker_log;

/// What stands below the help.
pub(crate) const NOTICE: &str = "";

/// What `--version` says.
pub(crate) const LONG_VERSION: &str = env!("CARGO_PKG_VERSION");
