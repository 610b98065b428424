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
    /// Say more on stderr; twice for every decision, three times for every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Mount an image and return when it can be used
    #[command(visible_alias = "attach")]
    Mount(Mount),
    /// Mount an image and show it in Explorer
    #[cfg(windows)]
    Open(Mount),
    /// Add isodrive to Explorer, for this user
    #[cfg(windows)]
    Setup(crate::system::arguments::Setup),
    /// Show what is mounted and how it does
    #[command(visible_alias = "ps")]
    List(ListMounts),
    /// Find out what keeps discs from being mounted here, and clean up after crashes
    Doctor(Doctor),
    /// Unmount by path, image or label
    #[command(visible_aliases = ["unmount", "umount"])]
    Eject(Eject),
    /// Say what an image is: file systems, label, boot entries, damage
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
    /// Everything that you have mounted
    #[arg(long, conflicts_with = "targets")]
    pub(crate) all: bool,
    /// Everything that anybody has mounted; for root
    #[cfg(unix)]
    #[arg(long, conflicts_with = "targets")]
    pub(crate) all_users: bool,
    /// Detach at once, even while in use; its users may finish
    #[cfg(unix)]
    #[arg(short, long)]
    pub(crate) lazy: bool,
    /// Succeed if it is not mounted
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
    /// Kind, mode, size and time too
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Print JSON, one object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Go on past a million names or 64 MiB of text
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
    /// The directory to write into; made if missing
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Write symbolic links that lead out of the directory too
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
