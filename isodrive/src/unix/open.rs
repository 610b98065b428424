//! Opening the files of an image, which may lie in a stranger's folder: nothing but a regular file
//! or a block device is opened, and what is judged is the descriptor that is read.
//!
//! A name is first opened as a mere place (`O_PATH`): that waits for no pipe, and starts no device
//! that acts when it is opened, as a watchdog or a tape drive. The file at that place, and no other
//! that has got the name since, is then opened for reading.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use iso_core::source::{self, Folder, Judge, Parts};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// Opens an image by the path of its first file, with all parts of a set.
pub(crate) fn parts(path: &Path) -> io::Result<Parts> {
    let first = place(CWD, path, OFlags::empty())?;
    source::check_kind(&first.metadata()?)?;
    let first = reopened(&first, CWD, path, OFlags::empty())?;
    source::open_set(path, first, |folder| Ok(Box::new(At::new(folder)?)))
}

/// A folder, by its descriptor.
struct At(File);

impl At {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self(place(CWD, path, OFlags::DIRECTORY)?))
    }
}

impl Folder for At {
    fn has(&self, name: &OsStr) -> bool {
        rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    fn open(&self, name: &OsStr, judge: Judge<'_>) -> io::Result<Result<File, &'static str>> {
        let place = place(self.0.as_fd(), name, OFlags::NOFOLLOW)?;
        match judge(&place.metadata()?) {
            Ok(()) => reopened(&place, self.0.as_fd(), name, OFlags::NOFOLLOW).map(Ok),
            Err(why) => Ok(Err(why)),
        }
    }
}

/// The place that a name leads to, opened neither for reading nor for writing.
fn place(at: BorrowedFd<'_>, name: impl rustix::path::Arg, how: OFlags) -> io::Result<File> {
    let how = OFlags::PATH | OFlags::CLOEXEC | how;
    Ok(File::from(rustix::fs::openat(at, name, how, Mode::empty())?))
}

/// The file at a place, which is a regular one or a block device, opened for reading. Where `/proc`
/// is missing it is opened by its name again; then that must still lead to the same file.
fn reopened(
    place: &File,
    at: BorrowedFd<'_>,
    name: impl rustix::path::Arg,
    how: OFlags,
) -> io::Result<File> {
    let read = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    let itself = format!("/proc/self/fd/{}", place.as_raw_fd());
    let opened = match rustix::fs::open(itself, read, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => {
            // A pipe that has got the name since must not hold this process.
            let opened =
                rustix::fs::openat(at, name, read | OFlags::NONBLOCK | how, Mode::empty())?;
            rustix::fs::fcntl_setfl(&opened, OFlags::empty())?;
            opened
        }
        opened => opened?,
    };
    let opened = File::from(opened);
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino(), metadata.rdev());
    if identity(opened.metadata()?) == identity(place.metadata()?) {
        Ok(opened)
    } else {
        Err(io::Error::other("it was replaced while it was opened"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_devices_and_folders_are_refused_and_hold_nobody() {
        let folder = std::env::temp_dir().join(format!("isodrive-open-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let pipe = folder.join("pipe");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/tty")] {
            let error = parts(path).unwrap_err();
            assert_eq!(error.to_string(), "neither a file nor a block device", "{path:?}");
        }
        assert_eq!(parts(&folder).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(parts(&folder.join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);

        // What was found is opened, whatever has its name by then.
        let path = folder.join("file");
        std::fs::write(&path, "found").unwrap();
        let found = place(CWD, &path, OFlags::empty()).unwrap();
        std::fs::rename(&pipe, &path).unwrap();
        let opened = reopened(&found, CWD, &path, OFlags::empty()).unwrap();
        assert_eq!(io::read_to_string(opened).unwrap(), "found");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
