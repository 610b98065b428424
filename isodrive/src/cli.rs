//! The command line as people type it.
//! Shapes only; what an argument means is decided where it is used.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use iso_core::{Charset, SessionChoice, View};

/// Opens disc images as a drive, without root and without trusting them.
#[derive(Debug, Parser)]
#[command(name = "isodrive", version, arg_required_else_help = true)]
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

/// Which image, and which of its file systems.
#[derive(Debug, Args, Clone)]
pub(crate) struct ImageArguments {
    /// The image file, block device, or first part of a split set
    pub(crate) image: PathBuf,
    /// The file system to show; `auto` takes the one that holds most
    #[arg(
        short = 't',
        long = "view",
        visible_alias = "type",
        value_name = "FS",
        default_value = "auto"
    )]
    pub(crate) view: ViewChoice,
    /// The session to show: first, last, or its number
    #[arg(long, value_name = "N", default_value = "last", value_parser = session)]
    pub(crate) session: SessionChoice,
    /// The character set of names that do not say so themselves, as in cp932, gbk or cp437; `raw`
    /// shows bytes as recorded
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = charset)]
    pub(crate) charset: Charset,
    /// Where the image begins in the file, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) image_offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViewChoice {
    Auto,
    Udf,
    #[value(alias = "rr")]
    Rockridge,
    Joliet,
    #[value(name = "iso9660-1999")]
    Enhanced,
    #[value(alias = "iso")]
    Iso9660,
    #[value(name = "highsierra", alias = "hs")]
    HighSierra,
    #[value(name = "hfs", alias = "hfs+", alias = "hfsplus")]
    Hfs,
    Boot,
    All,
}

impl ViewChoice {
    /// The view that was asked for; nothing for the computed one.
    pub(crate) const fn view(self) -> Option<View> {
        match self {
            Self::Auto => None,
            Self::Udf => Some(View::Udf),
            Self::Rockridge => Some(View::RockRidge),
            Self::Joliet => Some(View::Joliet),
            Self::Enhanced => Some(View::Enhanced),
            Self::Iso9660 => Some(View::Iso9660),
            Self::HighSierra => Some(View::HighSierra),
            Self::Hfs => Some(View::Hfs),
            Self::Boot => Some(View::Boot),
            Self::All => Some(View::All),
        }
    }
}

#[derive(Debug, Args, Clone)]
pub(crate) struct Mount {
    #[command(flatten)]
    pub(crate) image: ImageArguments,
    /// The directory to mount on; made if missing, removed on eject [default: ~/isodrive/LABEL]
    #[arg(value_name = "WHERE")]
    pub(crate) at: Option<PathBuf>,
    /// Stay in the foreground until ejected
    #[arg(short, long)]
    pub(crate) foreground: bool,
    /// Stay in the foreground and log every decision
    #[arg(short, long)]
    pub(crate) debug: bool,
    /// Print the path of the mount and nothing else
    #[arg(long, conflicts_with = "json")]
    pub(crate) print_path: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing when it went well
    #[arg(short, long, conflicts_with_all = ["print_path", "json"])]
    pub(crate) quiet: bool,
    /// Mount options as for mount(8), separated by commas
    #[arg(short = 'o', value_name = "OPT[,OPT...]", value_delimiter = ',')]
    pub(crate) options: Vec<String>,
    /// Pass over options of -o that there are not
    #[arg(long, hide = true)]
    pub(crate) sloppy: bool,
    #[command(flatten)]
    pub(crate) show: Show,
    /// Show all file systems, boot images and sessions side by side, as --view all does
    #[arg(long, conflicts_with = "view")]
    pub(crate) all_views: bool,
    /// Eject by itself when unused for this long, as in 15m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) idle: Option<Duration>,
    /// Mount on a directory that is not empty, hiding what is in it
    #[arg(long)]
    pub(crate) over: bool,
    /// Refuse damaged, truncated or ambiguous images instead of warning
    #[arg(long)]
    pub(crate) strict: bool,
    /// How long to wait until the mount can be used
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) ready_timeout: Duration,
    /// Memory that reading the image may take
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = memory)]
    pub(crate) memory_limit: u64,
    /// Memory for what was read of the disc, cut down to what the limit allows
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) cache: Option<u64>,
    /// Read the image without a sandbox
    #[arg(long)]
    pub(crate) no_sandbox: bool,
    /// Add log lines to this file [default: standard error in the foreground, else the journal]
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// Keep paths and names out of the log
    #[arg(long)]
    pub(crate) redact: bool,
    /// Threads that serve requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) threads: Option<u16>,
    /// Tell readiness to the process that waits on standard output
    #[arg(long, hide = true)]
    pub(crate) ready_pipe: bool,
    /// Read the image for the process at the other end of standard input
    #[arg(long, hide = true)]
    pub(crate) worker: bool,
    /// All arguments of the program, to start it again with.
    #[arg(skip)]
    pub(crate) raw: Vec<OsString>,
}

/// How the disc is shown.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct Show {
    /// Let other users in
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
    /// Whose permissions: readable and yours, or as the image records them
    #[arg(long, value_name = "WHOSE")]
    pub(crate) permissions: Option<PermissionsChoice>,
    /// Whether names must be given in their exact case
    #[arg(long, value_name = "RULE")]
    pub(crate) case: Option<CaseChoice>,
    /// Whether files that the disc marks as hidden are listed; they are found by name either way
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
pub(crate) enum HiddenChoice {
    Show,
    Hide,
}

#[derive(Debug, Args)]
pub(crate) struct Eject {
    /// Mount points, images or labels
    #[arg(value_name = "TARGET", required_unless_present = "all")]
    pub(crate) targets: Vec<PathBuf>,
    /// Everything that is mounted
    #[arg(long, conflicts_with = "targets")]
    pub(crate) all: bool,
    /// Detach at once, even while in use; its users may finish
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

/// A mode in octal digits.
fn octal(text: &str) -> Result<u16, String> {
    match u16::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("a mode is three octal digits, as in 0444".to_owned()),
    }
}

/// A session by its place or number.
pub(crate) fn session(text: &str) -> Result<SessionChoice, String> {
    match (text, text.parse()) {
        ("first", _) => Ok(SessionChoice::First),
        ("last", _) => Ok(SessionChoice::Last),
        (_, Ok(number @ 1..)) => Ok(SessionChoice::Number(number)),
        _ => Err("a session is first, last or a number from 1".to_owned()),
    }
}

/// A character set by its name.
pub(crate) fn charset(name: &str) -> Result<Charset, String> {
    Charset::by_name(name).ok_or_else(|| {
        "a character set is auto, raw, utf-8, cp932, gbk, euc-kr, big5, cp437, cp866, cp1251, \
         latin1 or another name of the Encoding Standard"
            .to_owned()
    })
}

/// A time in seconds, minutes or hours; a bare number means seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b's') => (text.trim_end_matches('s'), 1),
        Some(b'm') => (text.trim_end_matches('m'), 60),
        Some(b'h') => (text.trim_end_matches('h'), 3600),
        _ => (text, 1),
    };
    let seconds = number.parse().ok().and_then(|number: u64| number.checked_mul(unit));
    match seconds {
        Some(seconds @ 1..=604_800) => Ok(Duration::from_secs(seconds)),
        _ => Err("a time is a number with s, m or h behind it, as in 90s or 15m".to_owned()),
    }
}

/// A number of bytes, with K, M or G behind it or nothing.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let upper = text.to_ascii_uppercase();
    let (number, shift) = match upper.as_bytes().last() {
        Some(b'K') => (upper.trim_end_matches('K'), 10),
        Some(b'M') => (upper.trim_end_matches('M'), 20),
        Some(b'G') => (upper.trim_end_matches('G'), 30),
        _ => (upper.as_str(), 0),
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| "a size is a number with K, M or G behind it, as in 64M".to_owned())
}

/// A bound on memory that leaves room to work in.
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        enough if enough >= MIN_MEMORY => Ok(enough),
        _ => Err("reading a disc takes 64M at least".to_owned()),
    }
}

/// Memory without which no disc can be read.
pub(crate) const MIN_MEMORY: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn modes_are_octal_and_times_and_sizes_have_units() {
        assert_eq!(octal("0444"), Ok(0o444));
        assert!(octal("4755").is_err() && octal("9").is_err());
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert!(duration("0").is_err() && duration("1d").is_err() && duration("m").is_err());
        assert_eq!((bytes("64M"), bytes("3")), (Ok(64 << 20), Ok(3)));
        assert!(bytes("M").is_err() && bytes("99999999999G").is_err() && memory("1M").is_err());
    }
}
