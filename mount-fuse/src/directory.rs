//! Directories held by descriptor, reached without following a stranger's symbolic link, so that
//! what was checked is what is mounted on. Looks up names; mounts and removes nothing.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, StatxFlags, fstat, openat};
use rustix::io::Errno;

/// Symbolic links followed on the way to one directory, as in the kernel.
const MAX_LINKS: usize = 40;

/// `STATX_MNT_ID_UNIQUE` (Linux 6.8), which `rustix` has no name for yet.
const UNIQUE_MOUNT_ID: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// A directory, kept open by a descriptor that only names it (`O_PATH`).
#[derive(Debug)]
pub struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// The device and the inode of a directory, which tell it from another under the same path.
pub type Place = (u64, u64);

impl Directory {
    /// Opens the directory at an absolute path. Symbolic links on the way are followed only where
    /// root or this user owns both the link and the folder that it lies in: the owner of any other
    /// link can aim it at a folder that only this process may reach.
    ///
    /// # Errors
    /// What opening said; `PermissionDenied` names a link that is not followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut walk = Walk::from_root()?;
        walk.push_front(path);
        while let Some(name) = walk.names.pop_front() {
            walk.enter(&name)?;
        }
        Self::on(walk.at)
    }

    /// Opens the directory of this name in this one; a symbolic link is an error (`ENOTDIR`).
    ///
    /// # Errors
    /// What opening said.
    pub fn open_child(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::on(openat(&self.descriptor, name, flags, Mode::empty())?)
    }

    /// A directory in a descriptor, with the path that the kernel has for it.
    fn on(descriptor: OwnedFd) -> io::Result<Self> {
        if kind(&fstat(&descriptor)?) != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let path = std::fs::read_link(own_path(descriptor.as_fd()))?;
        Ok(Self { descriptor, path })
    }

    /// Its path, without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells it from another directory under the same path.
    ///
    /// # Errors
    /// What the file system said.
    pub fn place(&self) -> io::Result<Place> {
        let stat = fstat(&self.descriptor)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// A path that leads to the open directory, whatever becomes of its names.
    #[must_use]
    pub fn handle(&self) -> PathBuf {
        own_path(self.descriptor.as_fd())
    }

    /// What is mounted on the name in this directory: `major:minor` of its device, and the number
    /// that the kernel gives to no other mount, where it has such numbers (Linux 6.8). Asks no
    /// server: a mount that does not answer holds nobody.
    ///
    /// # Errors
    /// There is nothing of this name.
    pub fn mounted_on(&self, name: &OsStr) -> io::Result<(String, Option<u64>)> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let there = openat(&self.descriptor, name, flags, Mode::empty())?;
        let look = |mask| {
            let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
            rustix::fs::statx(&there, c"", flags, mask)
        };
        // Of a mount that lets only its owner in, the kernel gives everybody the device alone, and
        // only where nothing else is asked for.
        let device = look(StatxFlags::empty())?;
        let id = look(UNIQUE_MOUNT_ID).ok();
        let id = id.filter(|found| found.stx_mask & UNIQUE_MOUNT_ID.bits() != 0);
        let device = format!("{}:{}", device.stx_dev_major, device.stx_dev_minor);
        Ok((device, id.map(|found| found.stx_mnt_id)))
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// A walk along a path, one name at a time.
struct Walk {
    at: OwnedFd,
    /// Names still to enter.
    names: VecDeque<OsString>,
    links: usize,
}

impl Walk {
    fn from_root() -> io::Result<Self> {
        Ok(Self { at: root()?, names: VecDeque::new(), links: 0 })
    }

    /// Puts the names of a path before those that are left; an absolute one begins at the root.
    fn push_front(&mut self, path: &Path) {
        for part in path.components().rev() {
            match part {
                Component::Normal(name) => self.names.push_front(name.to_owned()),
                Component::ParentDir => self.names.push_front("..".into()),
                Component::RootDir => self.names.push_front("/".into()),
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
    }

    fn enter(&mut self, name: &OsStr) -> io::Result<()> {
        if name == "/" {
            self.at = root()?;
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = openat(&self.at, name, flags, Mode::empty())?;
        let stat = fstat(&next)?;
        if kind(&stat) != FileType::Symlink {
            self.at = next;
            return Ok(());
        }
        self.links = self.links.saturating_add(1);
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        if !(is_trusted(&stat) && is_trusted(&fstat(&self.at)?)) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the path leads through {name:?}, a symbolic link of another user"),
            ));
        }
        let target = rustix::fs::readlinkat(&next, c"", Vec::new())?;
        self.push_front(Path::new(&OsString::from_vec(target.into_bytes())));
        Ok(())
    }
}

/// Whether root or this user owns it.
fn is_trusted(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn root() -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/", flags, Mode::empty())?)
}

fn own_path(descriptor: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

/// The folder of a path and the name in it; nothing for the root directory.
pub(crate) fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?)).filter(|(_, name)| !name.as_bytes().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn links_of_this_user_are_followed_and_a_last_link_is_not() {
        let folder = std::env::temp_dir().join(format!("isodrive-dir-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        symlink("a", folder.join("near")).unwrap();
        symlink(folder.join("near"), folder.join("far")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        let folder = folder.canonicalize().unwrap();
        let inode = std::fs::metadata(folder.join("a/b")).unwrap().ino();
        for path in ["a/b", "near/b", "far/b", "far/../a/./b"] {
            let directory = Directory::open(&folder.join(path)).unwrap();
            assert_eq!(directory.path(), folder.join("a/b"), "{path}");
            assert_eq!(directory.place().unwrap().1, inode);
        }
        assert!(Directory::open(&folder.join("loop")).is_err());
        let directory = Directory::open(&folder).unwrap();
        assert!(directory.open_child(OsStr::new("near")).is_err());
        assert!(directory.open_child(OsStr::new("a")).is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_of_another_user_is_not_followed() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = std::env::temp_dir().join(format!("isodrive-link-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("secret/mnt")).unwrap();
        std::fs::create_dir_all(folder.join("theirs")).unwrap();
        symlink("../secret", folder.join("theirs/way")).unwrap();
        for owned in ["theirs", "theirs/way"] {
            std::os::unix::fs::lchown(folder.join(owned), Some(65534), None).unwrap();
            let error = Directory::open(&folder.join("theirs/way/mnt")).unwrap_err();
            let said = "the path leads through \"way\", a symbolic link of another user";
            assert_eq!(error.to_string(), said);
            std::os::unix::fs::lchown(folder.join(owned), Some(0), None).unwrap();
        }
        assert!(Directory::open(&folder.join("theirs/way/mnt")).is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
