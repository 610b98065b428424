//! What can go wrong while reading a disc, and where on the disc it went wrong.
//! Knows no operating system: adapters turn these classes into errno, NTSTATUS and exit codes.

use std::fmt;
use std::io;

use crate::foreign::Foreign;
use crate::view::View;

/// A place on the disc: which structure, at which byte, and the clause that defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site {
    /// The structure's name in the words of its standard.
    pub structure: &'static str,
    /// Standard and clause, as in `ECMA-119 9.1`.
    pub clause: &'static str,
    /// Byte position in the image.
    pub at: u64,
}

impl Site {
    /// A place on the disc.
    #[must_use]
    pub const fn new(structure: &'static str, clause: &'static str, at: u64) -> Self {
        Self { structure, clause, at }
    }

    /// The same kind of structure at another byte.
    #[must_use]
    pub const fn moved(self, at: u64) -> Self {
        Self { at, ..self }
    }

    /// A sentence about the structure.
    fn says(self, what: impl fmt::Display) -> String {
        format!("the {} at byte {:#x} {what} ({})", self.structure, self.at, self.clause)
    }

    /// An error for a structure that breaks a rule of its standard: `why` goes on after the name
    /// of the structure, as in "runs past its sector".
    #[must_use]
    pub const fn corrupt(self, why: &'static str) -> Error {
        Error::Corrupt { why, site: self }
    }

    /// An error for a structure that uses a feature isodrive does not read.
    #[must_use]
    pub const fn unsupported(self, what: &'static str) -> Error {
        Error::Unsupported { what, site: self }
    }

    /// An error for a structure that passes one of the [`Limits`](crate::Limits).
    #[must_use]
    pub const fn limit(self, what: &'static str, max: u64) -> Error {
        Error::Limit { what, max, site: self }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {:#x} ({})", self.structure, self.at, self.clause)
    }
}

/// Why an operation failed. The class says who can act, the text says where it hurts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No entry of that name.
    #[error("no such file or directory")]
    NotFound,
    /// A directory was needed.
    #[error("not a directory")]
    NotDirectory,
    /// A file was needed.
    #[error("is a directory")]
    IsDirectory,
    /// A symbolic link was needed.
    #[error("not a symbolic link")]
    NotSymlink,
    /// A regular file was needed, and this is a device, a pipe or a socket.
    #[error("not a regular file")]
    NotRegular,
    /// The name cannot be on any disc.
    #[error("bad name: {0}")]
    BadName(&'static str),
    /// No such extended attribute.
    #[error("no such attribute")]
    NoXattr,
    /// The value of an extended attribute is longer than any operating system takes.
    #[error("the attribute is too long")]
    XattrTooLong,
    /// A node number that never came from this disc.
    #[error("node {0:#x} is not on this disc")]
    Stale(u64),
    /// The image holds no file system that isodrive knows.
    #[error("not a disc image that isodrive knows: it is {0}")]
    Unrecognised(Foreign),
    /// The image has no file system of the kind that was asked for.
    #[error("there is no {0} on this disc")]
    NoSuchView(View),
    /// The image has fewer sessions than were asked for.
    #[error("there are {0} sessions on this disc")]
    NoSuchSession(usize),
    /// A feature that isodrive does not read.
    #[error("not supported: {}", site.says(format_args!("uses {what}")))]
    Unsupported {
        /// The feature.
        what: &'static str,
        /// Where it is used.
        site: Site,
    },
    /// A rule of the standard is broken.
    #[error("{}", site.says(why))]
    Corrupt {
        /// The broken rule, in words of which the structure is the subject.
        why: &'static str,
        /// Where.
        site: Site,
    },
    /// A bound on hostile input was passed.
    #[error("too large: {}", site.says(format_args!("has more than {max} {what}")))]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        max: u64,
        /// Where.
        site: Site,
    },
    /// The image could not be read.
    #[error("cannot read {len} bytes at byte {offset:#x} of the image: {source}")]
    Io {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// The cause.
        source: io::Error,
    },
    /// The image is no longer the one that was opened.
    #[error("the image file was changed after it was opened")]
    Changed,
    /// An allocation failed.
    #[error("out of memory")]
    NoMemory,
    /// A panic was caught: a bug in isodrive, not a damaged disc.
    #[error("internal error in {0}")]
    Bug(&'static str),
}

impl Error {
    /// Whether another try may go better: the medium failed, or memory was short, and the disc
    /// itself is not to blame.
    #[must_use]
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::NoMemory)
    }

    /// A copy of the error; the cause of an `Io`, which cannot be copied, becomes its text.
    #[must_use]
    pub(crate) fn repeated(&self) -> Self {
        match self {
            Self::Corrupt { why, site } => site.corrupt(why),
            Self::Limit { what, max, site } => site.limit(what, *max),
            Self::Unsupported { what, site } => site.unsupported(what),
            Self::Io { offset, len, source } => Self::Io {
                offset: *offset,
                len: *len,
                source: io::Error::new(source.kind(), source.to_string()),
            },
            Self::NotFound => Self::NotFound,
            Self::NotDirectory => Self::NotDirectory,
            Self::IsDirectory => Self::IsDirectory,
            Self::NotSymlink => Self::NotSymlink,
            Self::NotRegular => Self::NotRegular,
            Self::BadName(why) => Self::BadName(why),
            Self::NoXattr => Self::NoXattr,
            Self::XattrTooLong => Self::XattrTooLong,
            Self::Stale(number) => Self::Stale(*number),
            Self::Unrecognised(found) => Self::Unrecognised(*found),
            Self::NoSuchView(view) => Self::NoSuchView(*view),
            Self::NoSuchSession(count) => Self::NoSuchSession(*count),
            Self::Changed => Self::Changed,
            Self::NoMemory => Self::NoMemory,
            Self::Bug(operation) => Self::Bug(operation),
        }
    }
}

/// A result whose error knows its place on the disc.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_and_by_which_clause() {
        let site = Site::new("directory record", "ECMA-119 9.1", 0x8026);
        for (error, want) in [
            (
                site.corrupt("runs past its directory"),
                "the directory record at byte 0x8026 runs past its directory (ECMA-119 9.1)",
            ),
            (
                site.limit("entries", 10),
                "too large: the directory record at byte 0x8026 has more than 10 entries \
                 (ECMA-119 9.1)",
            ),
            (
                site.unsupported("interleaved files"),
                "not supported: the directory record at byte 0x8026 uses interleaved files \
                 (ECMA-119 9.1)",
            ),
        ] {
            assert_eq!(error.to_string(), want);
        }
    }
}
