//! What several commands let people choose: the image and its view, how a mount is kept, sizes and
//! times. Shapes only; what a choice means is decided where it is used.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use iso_core::volume::Hidden;
use iso_core::{Charset, SessionChoice, View};

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
    /// Encoding of file names that do not declare one, such as cp932, gbk or cp437; `raw` shows the
    /// recorded bytes
    #[arg(long, value_name = "NAME", default_value = "auto", value_parser = charset)]
    pub(crate) charset: Charset,
    /// Where the disc begins in the image file: bytes, also as 0x8000, 32K, 4M or 1G
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = bytes)]
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

/// How a mount is made known, kept and ended, on every system.
#[derive(Debug, Args, Clone)]
pub(crate) struct Keeping {
    /// Stay in the foreground until ejected
    #[arg(short, long)]
    pub(crate) foreground: bool,
    /// Stay in the foreground and log every decision
    #[arg(short, long)]
    pub(crate) debug: bool,
    #[command(flatten)]
    pub(crate) telling: Telling,
    /// Show all file systems, boot images and sessions side by side, as --view all does
    #[arg(long, conflicts_with = "view")]
    pub(crate) all_views: bool,
    /// Eject automatically after being unused this long, such as 15m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) idle: Option<Duration>,
    /// Refuse damaged, truncated or ambiguous images instead of warning: read all directories
    /// before mounting, and no file
    #[arg(long)]
    pub(crate) strict: bool,
    /// How long to wait for the mount to become ready
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) ready_timeout: Duration,
    /// Add log lines to this file [default: standard error in the foreground, else what the system
    /// keeps: the journal, or isodrive.log in the user's folder for programs]
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
}

/// What is said of a mount that can be used.
#[derive(Debug, Args, Clone, Copy)]
pub(crate) struct Telling {
    /// Print the path of the mount and nothing else
    #[arg(long, conflicts_with = "json")]
    pub(crate) print_path: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing when it went well
    #[arg(short, long, conflicts_with_all = ["print_path", "json"])]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HiddenChoice {
    Show,
    Hide,
}

impl HiddenChoice {
    /// What was chosen; all files are listed where nothing was.
    pub(crate) const fn rule(choice: Option<Self>) -> Hidden {
        match choice {
            Some(Self::Hide) => Hidden::Hide,
            Some(Self::Show) | None => Hidden::Show,
        }
    }
}

/// A session by its place or number.
pub(crate) fn session(text: &str) -> Result<SessionChoice, String> {
    match (text, text.parse()) {
        ("first", _) => Ok(SessionChoice::First),
        ("last", _) => Ok(SessionChoice::Last),
        (_, Ok(number @ 1..)) => Ok(SessionChoice::Number(number)),
        _ => Err("expected first, last or a number from 1".to_owned()),
    }
}

/// A character set by its name.
pub(crate) fn charset(name: &str) -> Result<Charset, String> {
    Charset::by_name(name).ok_or_else(|| {
        "a character set is auto, raw, utf-8, cp932, gbk, euc-kr, big5, cp437, cp850, cp852, \
         cp862, cp866, cp1251, latin1, macroman or another name of the Encoding Standard"
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
        _ => Err("expected a number followed by s, m or h, such as 90s or 15m".to_owned()),
    }
}

/// A number of bytes, with K, M or G behind it or nothing; or hexadecimal, with 0x before it.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let expected = || "expected a number of bytes, such as 67108864, 64M or 0x4000000".to_owned();
    let upper = text.to_ascii_uppercase();
    if let Some(digits) = upper.strip_prefix("0X") {
        let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u64::from_str_radix(digits, 16).ok().filter(|_| is_number);
        return number.ok_or_else(expected);
    }
    let (number, shift) = match upper.as_bytes().last() {
        Some(b'K') => (upper.trim_end_matches('K'), 10),
        Some(b'M') => (upper.trim_end_matches('M'), 20),
        Some(b'G') => (upper.trim_end_matches('G'), 30),
        _ => (upper.as_str(), 0),
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(1 << shift));
    bytes.ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert!(duration("0").is_err() && duration("1d").is_err() && duration("m").is_err());
        assert_eq!((bytes("64M"), bytes("3")), (Ok(64 << 20), Ok(3)));
        assert_eq!((bytes("0x8000"), bytes("0X1fF")), (Ok(32768), Ok(0x1FF)));
        for wrong in ["M", "99999999999G", "0x", "0x+8", "0x8K", "0x10000000000000000", "-1", "8 K"]
        {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
