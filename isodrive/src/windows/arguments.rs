//! The arguments of `mount` and of what else there is only where discs become drives.
//! Shapes only; what an argument means is decided where it is used.

use std::ffi::OsString;

use clap::{Args, Subcommand};

use crate::choices::{HiddenChoice, ImageArguments, Keeping, bytes};

/// Arguments that say something of drives that isodrive serves, and nothing of those that Windows
/// makes itself.
const OF_OUR_OWN_DRIVES: [&str; 12] = [
    "global",
    "local",
    "network",
    "fs_name",
    "at",
    "idle",
    "strict",
    "hidden",
    "read_only_attribute",
    "no_motw",
    "cache",
    "threads",
];

#[derive(Debug, Args, Clone)]
pub(crate) struct Mount {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// A drive letter as in X:, `*` for the first free one, or a directory that is not there yet
    #[arg(value_name = "WHERE", default_value = "*")]
    pub(crate) at: OsString,
    /// Make the drive one for all users and programs, elevated or not; takes the rights of an
    /// administrator, and is what happens by itself where this runs with them
    #[arg(long, conflicts_with = "local")]
    pub(crate) global: bool,
    /// Make the drive one of this logon session alone, even with the rights of an administrator
    #[arg(long)]
    pub(crate) local: bool,
    /// Show the drive as one of the network, for programs that want the real path of files
    #[arg(long, conflicts_with = "global")]
    pub(crate) network: bool,
    /// Let Windows mount a plain .iso as a real DVD drive
    #[arg(long, conflicts_with_all = OF_OUR_OWN_DRIVES)]
    pub(crate) native: bool,
    /// File system name to report to programs [default: UDF or CDFS]
    #[arg(long, value_name = "NAME")]
    pub(crate) fs_name: Option<String>,
    /// Do not mark files with the image's origin (its Zone.Identifier)
    #[arg(long)]
    pub(crate) no_motw: bool,
    /// Give files the read-only attribute, as Windows shows files of a CD
    #[arg(long)]
    pub(crate) read_only_attribute: bool,
    /// List files marked hidden? They can be opened by name either way
    #[arg(long, value_name = "RULE")]
    pub(crate) hidden: Option<HiddenChoice>,
    /// Cache size
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) cache: Option<u64>,
    #[command(flatten)]
    pub(crate) keep: Keeping,
    /// All arguments of the program, to start it again with.
    #[arg(skip)]
    pub(crate) raw: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Setup {
    #[command(subcommand)]
    pub(crate) what: SetupChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum SetupChoice {
    /// Add "Mount with isodrive" and "Eject with isodrive" to Explorer, for this user
    Install,
    /// Take them away again
    Remove,
}

impl Mount {
    /// How the image is to be shown, as one text: the same image shown another way is another
    /// drive.
    pub(super) fn asked(&self) -> String {
        let image = &self.image;
        let which = (image.view, image.session, image.charset, image.image_offset);
        let how = (self.hidden, self.read_only_attribute, self.no_motw);
        let as_what = (self.global, self.local, self.network, &self.fs_name);
        format!("{which:?} {how:?} {as_what:?}")
    }
}
