//! The one table from the errors of the core to NTSTATUS.
//! Exhaustive on purpose: a new error of the core does not compile until it has its row.

use std::fmt;

use iso_core::Error;

/// A status of Windows (NTSTATUS).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(u32);

impl Status {
    /// It is not there, and what holds it is.
    pub const OBJECT_NAME_NOT_FOUND: Self = Self(0xC000_0034);
    /// What should hold it is not there.
    pub const OBJECT_PATH_NOT_FOUND: Self = Self(0xC000_003A);
    /// No name at all.
    pub const OBJECT_NAME_INVALID: Self = Self(0xC000_0033);
    /// A file where a directory was asked for.
    pub const NOT_A_DIRECTORY: Self = Self(0xC000_0103);
    /// A directory where a file was asked for.
    pub const FILE_IS_A_DIRECTORY: Self = Self(0xC000_00BA);
    /// No link.
    pub const NOT_A_REPARSE_POINT: Self = Self(0xC000_0275);
    /// A link stands in the way and must be followed first.
    pub const REPARSE: Self = Self(0x0000_0104);
    /// Links go round in a circle.
    pub const REPARSE_POINT_NOT_RESOLVED: Self = Self(0xC000_0280);
    /// No extended attributes.
    pub const NO_EAS_ON_FILE: Self = Self(0xC000_0052);
    /// Extended attributes that are too large.
    pub const EA_TOO_LARGE: Self = Self(0xC000_0050);
    /// The disc cannot be written.
    pub const MEDIA_WRITE_PROTECTED: Self = Self(0xC000_00A2);
    /// The file is not what it was.
    pub const FILE_INVALID: Self = Self(0xC000_0098);
    /// Something that isodrive does not do.
    pub const NOT_SUPPORTED: Self = Self(0xC000_00BB);
    /// A request that makes no sense for this file.
    pub const INVALID_DEVICE_REQUEST: Self = Self(0xC000_0010);
    /// The disc is damaged here.
    pub const FILE_CORRUPT_ERROR: Self = Self(0xC000_0102);
    /// The medium does not give its bytes.
    pub const DEVICE_DATA_ERROR: Self = Self(0xC000_009C);
    /// The medium is gone.
    pub const DEVICE_NOT_READY: Self = Self(0xC000_00A3);
    /// The medium's checksum does not match.
    pub const CRC_ERROR: Self = Self(0xC000_003F);
    /// The medium does not answer.
    pub const IO_DEVICE_ERROR: Self = Self(0xC000_0185);
    /// It may not be done.
    pub const ACCESS_DENIED: Self = Self(0xC000_0022);
    /// No memory.
    pub const INSUFFICIENT_RESOURCES: Self = Self(0xC000_009A);
    /// isodrive itself failed.
    pub const INTERNAL_ERROR: Self = Self(0xC000_00E5);
    /// Nothing is behind the end of a file.
    pub const END_OF_FILE: Self = Self(0xC000_0011);
    /// The buffer does not hold it all.
    pub const BUFFER_OVERFLOW: Self = Self(0x8000_0005);
    /// The buffer holds none of it.
    pub const BUFFER_TOO_SMALL: Self = Self(0xC000_0023);

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The number as the C interface has it.
    #[must_use]
    pub const fn signed(self) -> i32 {
        self.0.cast_signed()
    }

    /// The status of an error of the core.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::NotFound => Self::OBJECT_NAME_NOT_FOUND,
            Error::NotDirectory => Self::NOT_A_DIRECTORY,
            Error::IsDirectory => Self::FILE_IS_A_DIRECTORY,
            Error::NotSymlink => Self::NOT_A_REPARSE_POINT,
            Error::NotRegular => Self::INVALID_DEVICE_REQUEST,
            Error::BadName(_) => Self::OBJECT_NAME_INVALID,
            Error::NoXattr => Self::NO_EAS_ON_FILE,
            Error::XattrTooLong => Self::EA_TOO_LARGE,
            Error::Stale(_) | Error::Changed => Self::FILE_INVALID,
            Error::Unrecognised(_)
            | Error::Unsupported { .. }
            | Error::NoSuchView(_)
            | Error::NoSuchSession(_) => Self::NOT_SUPPORTED,
            Error::Corrupt { .. } | Error::Limit { .. } => Self::FILE_CORRUPT_ERROR,
            Error::Io { source, .. } => {
                source.raw_os_error().map_or(Self::DEVICE_DATA_ERROR, of_win32)
            }
            Error::NoMemory => Self::INSUFFICIENT_RESOURCES,
            Error::Bug(_) => Self::INTERNAL_ERROR,
        }
    }
}

/// The status of a failed read of the image, by the number that Windows gave.
const fn of_win32(code: i32) -> Status {
    match code {
        5 => Status::ACCESS_DENIED,
        8 | 14 | 1450 => Status::INSUFFICIENT_RESOURCES,
        21 => Status::DEVICE_NOT_READY,
        23 => Status::CRC_ERROR,
        1117 => Status::IO_DEVICE_ERROR,
        // The form that carries a number of Windows through to the program that asked.
        1..=0xFFFF => Status(0xC007_0000 | code.cast_unsigned()),
        _ => Status::DEVICE_DATA_ERROR,
    }
}

/// Why something is refused.
#[derive(Debug)]
pub enum Failure {
    /// What was asked for is not to be had; nothing is wrong with the disc.
    Refused(Status),
    /// The core says why.
    Disc(Error),
}

impl Failure {
    /// A status code of Windows.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Refused(status) => *status,
            Self::Disc(error) => Status::of(error),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Disc(error)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iso_core::{Foreign, Site, View};
    use std::io;

    #[test]
    fn every_error_has_its_status() {
        let site = || Site::new("ICB", "ECMA-167 4/14.9", 0);
        let io = |source: io::Error| Error::Io { offset: 0, len: 1, source };
        let code = |code: i32| io(io::Error::from_raw_os_error(code));
        for (error, want) in [
            (Error::NotFound, 0xC000_0034),
            (Error::NotDirectory, 0xC000_0103),
            (Error::IsDirectory, 0xC000_00BA),
            (Error::NotSymlink, 0xC000_0275),
            (Error::NotRegular, 0xC000_0010),
            (Error::BadName("x"), 0xC000_0033),
            (Error::NoXattr, 0xC000_0052),
            (Error::XattrTooLong, 0xC000_0050),
            (Error::Stale(7), 0xC000_0098),
            (Error::Changed, 0xC000_0098),
            (Error::Unrecognised(Foreign::Empty), 0xC000_00BB),
            (site().unsupported("x"), 0xC000_00BB),
            (Error::NoSuchView(View::Udf), 0xC000_00BB),
            (Error::NoSuchSession(1), 0xC000_00BB),
            (site().corrupt("x"), 0xC000_0102),
            (Error::Limit { what: "x", max: 1, site: site() }, 0xC000_0102),
            (io(io::ErrorKind::UnexpectedEof.into()), 0xC000_009C),
            (code(5), 0xC000_0022),
            (code(21), 0xC000_00A3),
            (code(23), 0xC000_003F),
            (code(1117), 0xC000_0185),
            (code(59), 0xC007_003B),
            (Error::NoMemory, 0xC000_009A),
            (Error::Bug("read"), 0xC000_00E5),
        ] {
            assert_eq!(Status::of(&error).number(), want, "{error}");
        }
        assert_eq!(format!("{:?}", Status::END_OF_FILE), "0xc0000011");
        assert!(Status::END_OF_FILE.signed() < 0 && Status::REPARSE.signed() > 0);
    }
}
