//! Where a mount is made: a directory, or a descriptor of `/dev/fuse` that somebody else mounted
//! and handed over as `/dev/fd/N`.

use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::mounted::Attached;
use super::point::MountPoint;
use crate::exit::{Exit, Failure};
use crate::terminal::quoted;

/// The number of `/dev/fuse` among character devices.
const FUSE_DEVICE: (u32, u32) = (10, 229);

/// Where a mount is made.
#[derive(Debug)]
pub(super) enum Place {
    /// On a directory, by us.
    Directory(MountPoint),
    /// Wherever the descriptor was mounted, by somebody else.
    Device { descriptor: Option<OwnedFd>, name: PathBuf },
}

impl Place {
    /// The place that `/dev/fd/N` means; nothing for another path.
    pub(super) fn descriptor(at: &Path) -> Result<Option<Self>, Failure> {
        let Ok(number) = at.strip_prefix("/dev/fd") else { return Ok(None) };
        let refuse = |why: &str| {
            Failure::new(Exit::MountPoint, format!("cannot mount on {}: {why}", quoted(at)))
                .advice("try", "a directory, or a descriptor that fusermount3 or mount(2) gave")
        };
        let number = number.to_str().and_then(|text| text.parse().ok());
        let number: i32 = number.ok_or_else(|| refuse("that is no descriptor"))?;
        let metadata = fs::metadata(at).map_err(|_| refuse("it is closed"))?;
        let device = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
        if !metadata.file_type().is_char_device() || device != FUSE_DEVICE {
            return Err(refuse("it is not one of /dev/fuse"));
        }
        #[expect(unsafe_code, reason = "the caller names a descriptor by its number")]
        // SAFETY: it was open a moment ago, nothing of this program closes descriptors that it was
        // started with, and it is borrowed for one call.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) }
            .try_clone_to_owned()
            .map_err(|_| refuse("it is closed"))?;
        Ok(Some(Self::Device { descriptor: Some(descriptor), name: at.to_path_buf() }))
    }

    /// The directory, if it is one.
    pub(super) const fn point(&self) -> Option<&MountPoint> {
        match self {
            Self::Directory(point) => Some(point),
            Self::Device { .. } => None,
        }
    }

    /// What to call it.
    pub(super) fn shown(&self) -> PathBuf {
        match self {
            Self::Directory(point) => point.path().to_path_buf(),
            Self::Device { name, .. } => name.clone(),
        }
    }

    /// Follows what is mounted on a directory, in case a folder on the way gets another name.
    pub(super) fn follow(&mut self, mounted: &Attached) {
        if let Self::Directory(point) = self {
            point.follow(mounted);
        }
    }

    /// Leaves a directory that was made for the mount to a later `eject`.
    pub(super) const fn keep(&mut self) {
        if let Self::Directory(point) = self {
            point.keep();
        }
    }
}
