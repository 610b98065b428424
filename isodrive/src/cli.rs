//! The command line as people type it.
//! Shapes only; what an argument means is decided where it is used.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::choices::ImageArguments;
pub(crate) use crate::system::arguments::Mount;

/// Opens disc images as a drive, without root and without trusting them.
#[derive(Debug, Parser)]
#[command(name = "isodrive", version, arg_required_else_help = true)]
#[command(long_version = crate::system::LONG_VERSION, after_help = crate::system::NOTICE)]
pub(crate) struct Cli {
    /// More messages on stderr (-vv: decisions, -vvv: every request)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Mount an image; returns once it is ready
    #[command(visible_alias = "attach")]
    Mount(Mount),
    /// Mount an image and show it in Explorer
    #[cfg(windows)]
    Open(Mount),
    /// Add isodrive to Explorer, for this user
    #[cfg(windows)]
    Setup(crate::system::arguments::Setup),
    /// List mounted images and their state
    #[command(visible_alias = "ps")]
    List(ListMounts),
    /// Check that this system can mount discs; clean up after crashes
    Doctor(Doctor),
    /// Unmount by path, image or label
    #[command(visible_aliases = ["unmount", "umount"])]
    Eject(Eject),
    /// Describe an image: file systems, label, boot images, damage
    Info(Info),
    /// List a directory of an image without mounting it
    Ls(List),
    /// List everything below a directory of an image without mounting it
    Tree(List),
    /// Write files of an image to standard output
    Cat(Cat),
    /// Copy files out of an image without mounting it
    Extract(Extract),
}

#[derive(Debug, Args)]
pub(crate) struct Eject {
    /// Mount points or images by their paths; or your own mounts by folder name or label
    #[arg(value_name = "TARGET")]
    #[cfg_attr(unix, arg(required_unless_present_any = ["all", "all_users"]))]
    #[cfg_attr(windows, arg(required_unless_present = "all"))]
    pub(crate) targets: Vec<PathBuf>,
    /// Eject all your mounts
    #[arg(long, conflicts_with = "targets")]
    pub(crate) all: bool,
    /// Eject the mounts of all users; root only
    #[cfg(unix)]
    #[arg(long, conflicts_with = "targets")]
    pub(crate) all_users: bool,
    /// Detach at once, even while in use; current users may finish
    #[cfg(unix)]
    #[arg(short, long)]
    pub(crate) lazy: bool,
    /// Succeed if the target is not mounted
    #[arg(long)]
    pub(crate) if_mounted: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListMounts {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Clean up what crashes left behind
    #[arg(long)]
    pub(crate) fix: bool,
    /// Enter the sandbox and say how far it went
    #[cfg(unix)]
    #[arg(long, hide = true)]
    pub(crate) probe_sandbox: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// A directory or file in the image
    #[arg(default_value = "/")]
    pub(crate) path: OsString,
    /// Long format: kind, mode, size, time
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Print JSON, one object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Do not stop after a million names or 64 MiB of output
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// Files in the image
    #[arg(required = true)]
    pub(crate) paths: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Extract {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// Files and directories in the image; everything if none is given
    pub(crate) paths: Vec<OsString>,
    /// The directory to write into; created if missing
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Replace existing files
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Also write symbolic links that lead out of the directory
    #[arg(long)]
    pub(crate) unsafe_links: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
