//! Mounting metadata with the image as its further device: from files where the kernel takes them,
//! else through loop devices. Owns the mount options; leaves no process and no file behind.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::thread::UnshareFlags;

use crate::descriptor::own_descriptor;
use crate::loop_device::LoopDevice;
use crate::verify::Verified;

/// The type of a mount in the mount table.
pub const FS_TYPE: &str = "erofs";

/// What the source of a mount begins with; other programs mount EROFS too.
pub const MARK: &str = "isodrive:";

/// What is mounted and how.
#[derive(Debug)]
pub struct Attach<'a> {
    /// The image, opened.
    pub image: &'a File,
    /// Its path, shown in the mount table.
    pub image_path: &'a Path,
    /// The metadata.
    pub metadata: &'a Verified,
    /// A folder of ours for a name that is there for a moment.
    pub scratch: &'a Path,
    /// Refuse to run programs from the disc.
    pub noexec: bool,
    /// How the kernel is to reach the files; tried one after the other if not given.
    pub through: Option<Through>,
}

/// How the kernel reaches the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// By themselves, which Linux 6.12 and later do.
    Files,
    /// Through loop devices.
    LoopDevices,
}

/// Why nothing was mounted.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The kernel knows no EROFS.
    #[error("this kernel has no EROFS")]
    NoErofs,
    /// Mounting takes rights that this process lacks.
    #[error("EROFS mounts need root")]
    NotPermitted,
    /// The kernel refused.
    #[error("the kernel refused: {0}")]
    Kernel(io::Error),
}

impl From<io::Error> for AttachError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NODEV) => Self::NoErofs,
            Some(Errno::PERM | Errno::ACCESS) => Self::NotPermitted,
            _ => Self::Kernel(error),
        }
    }
}

impl From<Errno> for AttachError {
    fn from(errno: Errno) -> Self {
        Self::from(io::Error::from(errno))
    }
}

/// A file without a name for metadata, on a disk: the kernel mounts none that lies in memory.
///
/// # Errors
/// No folder of the system's takes such a file.
pub fn scratch_file() -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let open = |folder: &Path| rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR);
    let opened = open(Path::new("/var/tmp")).or_else(|_| open(&std::env::temp_dir()));
    Ok(File::from(opened?))
}

/// The image's path as the source of a mount.
#[must_use]
pub fn source_name(image: &Path) -> OsString {
    OsString::from_vec([MARK.as_bytes(), image.as_os_str().as_bytes()].concat())
}

/// Mounts on a directory that the caller holds open. The kernel serves it from then on, and this
/// process may end.
///
/// # Errors
/// See [`AttachError`].
pub fn attach(at: BorrowedFd<'_>, what: &Attach<'_>) -> Result<Through, AttachError> {
    let is_file = what.image.metadata()?.is_file();
    let through = what.through.or((!is_file).then_some(Through::LoopDevices));
    match through {
        Some(Through::Files) => through_files(at, what).map(|()| Through::Files),
        Some(Through::LoopDevices) => through_loops(at, what).map(|()| Through::LoopDevices),
        None => match through_files(at, what) {
            Err(AttachError::Kernel(error)) if asks_for_block_device(&error) => {
                through_loops(at, what).map(|()| Through::LoopDevices)
            }
            result => result.map(|()| Through::Files),
        },
    }
}

/// What kernels say that mount no files, and all of them of files that lie in memory.
fn asks_for_block_device(error: &io::Error) -> bool {
    error.raw_os_error().map(Errno::from_raw_os_error) == Some(Errno::NOTBLK)
}

fn through_files(at: BorrowedFd<'_>, what: &Attach<'_>) -> Result<(), AttachError> {
    mount(at, what, &own_descriptor(what.metadata.file()), &own_descriptor(what.image))
}

fn through_loops(at: BorrowedFd<'_>, what: &Attach<'_>) -> Result<(), AttachError> {
    let metadata = LoopDevice::over(what.metadata.file())?;
    if what.image.metadata()?.file_type().is_block_device() {
        return mount(at, what, &metadata.path, &own_descriptor(what.image));
    }
    let image = LoopDevice::over(what.image)?;
    mount(at, what, &metadata.path, &image.path)
}

/// Mounts `metadata` with `image` as its device. What the mount table shows is the name that the
/// kernel opens, so for that moment there is a link of that name.
fn mount(
    at: BorrowedFd<'_>,
    what: &Attach<'_>,
    metadata: &Path,
    image: &Path,
) -> Result<(), AttachError> {
    // By its descriptor: nobody can put another directory in its place.
    let place = own_descriptor(&at);
    let mut flags =
        MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
    if what.noexec {
        flags |= MountFlags::NOEXEC;
    }
    let data = format!("device={},noacl", image.display());
    let data = CString::new(data).map_err(io::Error::other)?;
    let name = source_name(what.image_path);
    let link = Link::new(what.scratch, &name, metadata)?;
    // A thread of its own can be in the link's folder without taking all others there.
    let mounting = || -> rustix::io::Result<()> {
        #[expect(unsafe_code, reason = "unshare is unsafe for shared descriptor tables only")]
        // SAFETY: descriptors stay shared: `FILES` is not among the flags.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }?;
        rustix::process::chdir(&link.folder)?;
        rustix::mount::mount(&name, place, FS_TYPE, flags, &*data)
    };
    let mounted = std::thread::scope(|scope| scope.spawn(mounting).join());
    Ok(mounted.map_err(|_| io::Error::other("mounting broke down"))??)
}

/// What the name of a folder begins with that is there while a mount is made.
const SCRATCH: &str = "mounting-";

/// The process that made such a folder, by the folder's name.
#[must_use]
pub fn scratch_owner(name: &str) -> Option<u32> {
    name.strip_prefix(SCRATCH)?.split('-').next()?.parse().ok()
}

/// A link in a folder of its own, for as long as this lives.
struct Link {
    folder: PathBuf,
}

impl Link {
    fn new(scratch: &Path, name: &OsStr, target: &Path) -> io::Result<Self> {
        static LINKS: AtomicU32 = AtomicU32::new(0);
        let number = LINKS.fetch_add(1, Ordering::Relaxed);
        let folder = scratch.join(format!("{SCRATCH}{}-{number}", std::process::id()));
        let link = Self { folder };
        // A name that leads out of the folder would be made elsewhere.
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !Path::new(name).components().all(is_plain) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let path = link.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&link.folder))?;
        std::os::unix::fs::symlink(target, &path)?;
        Ok(link)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_names_the_image_and_whose_mount_it_is() {
        assert_eq!(source_name(Path::new("/srv/a b.iso")), "isodrive:/srv/a b.iso");
    }

    #[test]
    fn a_link_leads_nowhere_else_and_leaves_nothing() {
        let scratch = std::env::temp_dir().join(format!("isodrive-link-{}", std::process::id()));
        assert!(Link::new(&scratch, OsStr::new("isodrive:/a/../../b"), Path::new("/x")).is_err());
        let link = Link::new(&scratch, OsStr::new("isodrive:/a/b"), Path::new("/x")).unwrap();
        let path = link.folder.join("isodrive:/a/b");
        assert_eq!(std::fs::read_link(path).unwrap(), Path::new("/x"));
        drop(link);
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
        std::fs::remove_dir(&scratch).unwrap();
    }
}
