//! How commands end: exit codes, and failures that say what, where, why and what to try.
//! The one place where errors of the core become exit codes.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::process::ExitCode;

use iso_core::Error;

use crate::shell::Advice;

/// Exit codes, as documented in `docs/COMMANDS.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Other,
    Usage,
    CannotRead,
    UnknownKind,
    Damaged,
    MountPoint,
    NoFuse,
    Busy,
    NotMounted,
    NotReady,
    NotInImage,
    Interrupted,
    /// That of a process that did the work.
    Child(u8),
}

impl Exit {
    /// The number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::CannotRead => 3,
            Self::UnknownKind => 4,
            Self::Damaged => 5,
            Self::MountPoint => 7,
            Self::NoFuse => 8,
            Self::Busy => 9,
            Self::NotMounted => 10,
            Self::NotReady => 12,
            Self::NotInImage => 13,
            Self::Interrupted => 130,
            Self::Child(number) => number,
        }
    }

    /// The exit code of an error of the core.
    pub(crate) const fn of(error: &Error) -> Self {
        match error {
            Error::NotFound | Error::NotDirectory => Self::NotInImage,
            Error::Unrecognised(_) | Error::Unsupported { .. } => Self::UnknownKind,
            Error::Corrupt { .. } | Error::Limit { .. } => Self::Damaged,
            Error::Io { .. } | Error::Changed => Self::CannotRead,
            Error::IsDirectory
            | Error::NotSymlink
            | Error::NotRegular
            | Error::BadName(_)
            | Error::NoXattr
            | Error::XattrTooLong
            | Error::Stale(_)
            | Error::NoSuchView(_)
            | Error::NoSuchSession(_)
            | Error::NoMemory
            | Error::Bug(_) => Self::Other,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// How a command ended.
pub(crate) type Outcome = Result<(), Failure>;

/// A failed command: one sentence, then lines that explain it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// Label and text of each line, as in `try`, `isodrive list`.
    pub(crate) lines: Vec<(Cow<'static, str>, String)>,
    /// The message was printed already, by a process that did the work.
    pub(crate) is_reported: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), lines: Vec::new(), is_reported: false }
    }

    /// A failure that another process has explained.
    pub(crate) fn reported(exit: Exit) -> Self {
        Self { is_reported: true, ..Self::new(exit, "") }
    }

    /// Adds a line that explains. What to do, and every command, is an `advice`.
    pub(crate) fn line(
        mut self,
        label: impl Into<Cow<'static, str>>,
        text: impl Into<String>,
    ) -> Self {
        self.lines.push((label.into(), text.into()));
        self
    }

    /// Adds a line that says what to do; none where the command for it cannot be expressed.
    pub(crate) fn advice(
        self,
        label: impl Into<Cow<'static, str>>,
        advice: impl Into<Advice>,
    ) -> Self {
        match advice.into().text() {
            Some(text) => self.line(label, text),
            None => self,
        }
    }

    /// A failed system call, with what it was for.
    pub(crate) fn io(exit: Exit, what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(exit, format!("{what}: {}", bare(error)))
    }
}

/// An error's text without the number of the operating system.
pub(crate) fn bare(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
