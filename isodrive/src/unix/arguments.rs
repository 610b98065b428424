//! The arguments of `mount` where discs become directories.
//! Shapes only; what an argument means is decided where it is used.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::choices::{HiddenChoice, ImageArguments, Keeping, bytes};

#[derive(Debug, Args, Clone)]
pub(crate) struct Mount {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// The directory to mount on; made if missing, removed on eject [default: ~/isodrive/LABEL]
    #[arg(value_name = "WHERE")]
    pub(crate) at: Option<PathBuf>,
    /// Mount options as for mount(8), separated by commas
    #[arg(short = 'o', value_name = "OPT[,OPT...]", value_delimiter = ',')]
    pub(crate) options: Vec<String>,
    /// Ignore unknown options of -o
    #[arg(long, hide = true)]
    pub(crate) sloppy: bool,
    #[command(flatten)]
    pub(crate) show: Show,
    /// File system driver: "fuse", or "erofs" (root only; no server process; falls back to FUSE).
    /// "auto" means "fuse"
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub(crate) driver: DriverChoice,
    /// Mount on a directory that is not empty, hiding what is in it
    #[arg(long)]
    pub(crate) over: bool,
    /// Memory that the worker may use [default: 512M]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory_limit: Option<u64>,
    /// Cache size; at most what --memory-limit allows
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) cache: Option<u64>,
    /// Read the image without a sandbox
    #[arg(long)]
    pub(crate) no_sandbox: bool,
    /// Read the image for the process at the other end of standard input
    #[arg(long, hide = true)]
    pub(crate) worker: bool,
    #[command(flatten)]
    pub(crate) keep: Keeping,
    /// All arguments of the program, to start it again with.
    #[arg(skip)]
    pub(crate) raw: Vec<OsString>,
    /// How much is logged: damage at 1, decisions at 2, requests at 3.
    #[arg(skip)]
    pub(crate) log_level: u8,
}

/// How the disc is shown.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct Show {
    /// Let other users access the mount
    #[arg(long)]
    pub(crate) allow_other: bool,
    /// Owner of everything
    #[arg(long, value_name = "N")]
    pub(crate) uid: Option<u32>,
    /// Group of everything
    #[arg(long, value_name = "N")]
    pub(crate) gid: Option<u32>,
    /// Permissions of all files, in octal
    #[arg(long, value_name = "MODE", value_parser = octal)]
    pub(crate) fmode: Option<u16>,
    /// Permissions of all directories, in octal
    #[arg(long, value_name = "MODE", value_parser = octal)]
    pub(crate) dmode: Option<u16>,
    /// Permissions to show: "safe" (readable, owned by you) or "image" (as recorded)
    #[arg(long, value_name = "WHOSE")]
    pub(crate) permissions: Option<PermissionsChoice>,
    /// Whether names must be given in their exact case
    #[arg(long, value_name = "RULE")]
    pub(crate) case: Option<CaseChoice>,
    /// List files marked hidden? They can be opened by name either way
    #[arg(long, value_name = "RULE")]
    pub(crate) hidden: Option<HiddenChoice>,
    /// Refuse to run programs from the disc
    #[arg(long)]
    pub(crate) noexec: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PermissionsChoice {
    Safe,
    Image,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CaseChoice {
    Auto,
    Sensitive,
    Insensitive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DriverChoice {
    Auto,
    Fuse,
    Erofs,
}

/// A mode in octal digits.
fn octal(text: &str) -> Result<u16, String> {
    match u16::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("expected three octal digits, such as 0444".to_owned()),
    }
}

/// A bound on memory that leaves room to work in.
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        enough if enough >= MIN_MEMORY => Ok(enough),
        _ => Err("must be at least 64M".to_owned()),
    }
}

/// Memory that reading an image may take where nothing else is asked for.
pub(crate) const DEFAULT_MEMORY: u64 = 512 << 20;

/// Memory without which no disc can be read.
pub(crate) const MIN_MEMORY: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_and_memory_leaves_room_to_work() {
        assert_eq!(octal("0444"), Ok(0o444));
        assert!(octal("4755").is_err() && octal("9").is_err());
        assert!(memory("1M").is_err() && memory("64M").is_ok());
    }
}
