//! Which errno a process gets for which error of the core: one table, and nowhere else.
//! There is no wildcard, so a new error does not compile until it has its row.

use fuser::Errno;
use iso_core::Error;

/// The errno of an error.
#[must_use]
pub fn errno(error: &Error) -> Errno {
    match error {
        Error::NotFound | Error::NoSuchView(_) | Error::NoSuchSession(_) => Errno::ENOENT,
        Error::NotDirectory => Errno::ENOTDIR,
        Error::IsDirectory => Errno::EISDIR,
        Error::NotSymlink | Error::NotRegular => Errno::EINVAL,
        Error::BadName(_) => Errno::ENAMETOOLONG,
        Error::NoXattr => Errno::NO_XATTR,
        Error::XattrTooLong => Errno::E2BIG,
        Error::Stale(_) => Errno::ESTALE,
        Error::Unsupported { .. } => Errno::ENOTSUP,
        Error::Unrecognised(_)
        | Error::Corrupt { .. }
        | Error::Limit { .. }
        | Error::Changed
        | Error::Bug(_) => Errno::EIO,
        Error::Io { source, .. } => source.raw_os_error().map_or(Errno::EIO, Errno::from_i32),
        Error::NoMemory => Errno::ENOMEM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iso_core::Site;
    use std::io;

    #[test]
    fn every_error_has_the_errno_of_the_table() {
        let site = Site::new("test", "none", 0);
        let io = |source| Error::Io { offset: 0, len: 1, source };
        for (error, want) in [
            (Error::NotFound, Errno::ENOENT),
            (Error::NotDirectory, Errno::ENOTDIR),
            (Error::IsDirectory, Errno::EISDIR),
            (Error::NotSymlink, Errno::EINVAL),
            (Error::NotRegular, Errno::EINVAL),
            (Error::BadName("it is too long"), Errno::ENAMETOOLONG),
            (Error::NoXattr, Errno::ENODATA),
            (Error::XattrTooLong, Errno::E2BIG),
            (Error::Stale(7), Errno::ESTALE),
            (site.unsupported("x"), Errno::ENOTSUP),
            (site.corrupt("x"), Errno::EIO),
            (site.limit("x", 1), Errno::EIO),
            (io(io::Error::from_raw_os_error(19)), Errno::ENODEV),
            (io(io::ErrorKind::UnexpectedEof.into()), Errno::EIO),
            (Error::Changed, Errno::EIO),
            (Error::NoMemory, Errno::ENOMEM),
            (Error::Bug("read"), Errno::EIO),
        ] {
            assert_eq!(errno(&error).code(), want.code(), "{error}");
        }
    }
}
