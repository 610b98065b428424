//! Where and how a volume is to be mounted, and why it was not.
//! Values only.

use std::path::PathBuf;

/// `STATUS_NO_SUCH_DEVICE`: the DLL found no driver.
const NO_SUCH_DEVICE: u32 = 0xC000_000E;
/// `STATUS_ACCESS_DENIED`.
const ACCESS_DENIED: u32 = 0xC000_0022;

/// Where a volume is to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At this letter.
    Letter(char),
    /// At the first letter from D: on that nobody uses.
    FirstFree,
    /// At a directory, which must not be there yet.
    Directory(PathBuf),
}

/// What is done about a place, such as `X:`, before a drive appears there. Explorer looks at a
/// drive once, as it appears: what it shall find has to be there before.
#[derive(Debug, Clone, Copy)]
pub struct Appearing {
    /// Called before the drive appears; whether there is something to undo.
    pub prepare: fn(&str) -> bool,
    /// Called where it did not appear after all.
    pub undo: fn(&str),
}

/// How a volume is to be mounted.
#[derive(Debug, Clone)]
pub struct Mounting {
    /// Where.
    pub place: Place,
    /// For all users and programs, elevated or not, by way of the Mount Manager; takes the rights
    /// of an administrator.
    pub global: bool,
    /// The name of the file system, at most 15 characters.
    pub system: String,
    /// As a network drive of this name, which begins with one backslash.
    pub network: Option<String>,
    /// Threads that serve requests; as many as WinFsp thinks right for 0.
    pub threads: u32,
    /// Whether files have a stream beside their bytes.
    pub has_streams: bool,
    /// What is done before the drive appears.
    pub appearing: Option<Appearing>,
    /// Whether [`Drive::open_files`] counts handles. Costs a request for each file that is closed.
    pub counts_handles: bool,
}

/// Why there is no drive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// WinFsp's driver does not run.
    #[error("WinFsp's driver does not run")]
    NoDriver,
    /// Letter or directory are in use.
    #[error("{0} is in use")]
    Taken(String),
    /// No letter is left.
    #[error("no drive letter is free")]
    NoLetterFree,
    /// What should hold the directory is not there.
    #[error("the folder that should hold {0} is not there")]
    NoParent(String),
    /// It takes the rights of an administrator.
    #[error("Windows refused; this takes the rights of an administrator")]
    Denied,
    /// A name is longer than WinFsp takes.
    #[error("the {0} is too long")]
    TooLong(&'static str),
    /// Anything else that WinFsp said.
    #[error("WinFsp refused to {what} (status {status:#010x})")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// What it said.
        status: u32,
    },
}

pub(crate) fn refused(what: &'static str, status: u32) -> MountError {
    match status {
        NO_SUCH_DEVICE => MountError::NoDriver,
        ACCESS_DENIED => MountError::Denied,
        _ => MountError::Refused { what, status },
    }
}

/// The status in an error of crate `windows`, which sets a bit in it to say that it is one.
pub(crate) const fn status(code: i32) -> u32 {
    code.cast_unsigned() & !0x1000_0000
}
