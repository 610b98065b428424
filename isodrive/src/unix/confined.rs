//! Reading a stranger's image inside the sandbox: the files of the image are opened, the sandbox is
//! entered, and then the first byte is looked at. The only way to an image for what runs here.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use iso_core::source::{self, LetGo, Medium, Source};
use rustix::process::geteuid;
use sandbox::{Level, Plan, Task, User};

use super::mount::{medium, unprivileged_user};
use crate::exit::Failure;
use crate::image::cannot_open;
use crate::terminal::Terminal;

/// Bytes of memory that a command may write to: what a mount takes unless another limit is asked
/// for, which holds what `Limits` bounds.
const MEMORY_BYTES: u64 = 512 << 20;

/// `f_type` of file systems that a process serves.
const FUSE: u32 = 0x6573_5546;

/// A process that is in the sandbox, or was asked to do without; there is no other way to a
/// [`Confined`].
pub(crate) struct Entered(());

/// An image that this process may look at.
pub(crate) struct Confined(Box<dyn Source>);

impl Entered {
    /// Enters the sandbox, and says how far it went.
    pub(crate) fn sandbox(plan: &Plan<'_>) -> (Self, Level) {
        let level = sandbox::enter(plan);
        tracing::debug!(level = level.summary(), missing = ?level.missing, "sandbox");
        (Self(()), level)
    }

    /// Stays outside, where the person who mounts said so.
    pub(crate) const fn outside_as_asked() -> Self {
        Self(())
    }

    /// The image in opened files.
    ///
    /// # Errors
    /// The size of a file cannot be learned.
    pub(crate) fn image(
        &self,
        files: Vec<File>,
        medium: Medium,
        let_go: Option<LetGo>,
    ) -> io::Result<Confined> {
        source::from_parts(files, medium, let_go).map(Confined)
    }
}

impl Confined {
    /// Its bytes.
    pub(crate) fn into_source(self) -> Box<dyn Source> {
        self.0
    }
}

/// The opened files of an image, which nobody has looked into yet.
pub(crate) struct Files {
    files: Vec<File>,
    path: PathBuf,
}

impl Files {
    /// Opens the files of an image.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self { files: crate::image::open_parts(path)?, path: path.to_path_buf() })
    }

    /// Enters the sandbox, for a command that prints what it finds or, if it names a directory,
    /// fills that; then gives the image. What a system lacks of the sandbox is said once and stops
    /// nothing.
    pub(crate) fn enter(
        self,
        fills: Option<BorrowedFd<'_>>,
        terminal: &mut Terminal,
    ) -> Result<Confined, Failure> {
        let Self { files, path } = self;
        let medium = medium::of(&files);
        let plan = match fills {
            // What is written belongs to whoever asked for it.
            Some(directory) => Plan { task: Task::Fill(directory), ..plan() },
            None => Plan { task: Task::Print, drop_to: reader(&files), ..plan() },
        };
        let (entered, level) = Entered::sandbox(&plan);
        let missing: Vec<String> = level.essential_missing().map(str::to_owned).collect();
        if !missing.is_empty() {
            terminal.warn("the sandbox is not complete on this system", &missing);
        }
        entered.image(files, medium, None).map_err(|error| cannot_open(&path, &error))
    }
}

fn plan() -> Plan<'static> {
    Plan { memory_bytes: Some(MEMORY_BYTES), ..Plan::default() }
}

/// Whom a process of root's becomes: a user without rights, but on a file system that a process
/// serves the one whom that lets read.
fn reader(files: &[File]) -> Option<User> {
    if !geteuid().is_root() {
        return None;
    }
    let owner = files.iter().find_map(fuse_owner);
    Some(owner.unwrap_or_else(unprivileged_user)).filter(|user| user.uid != 0)
}

/// The one user who may read what lies on this file's FUSE mount, if it lies on one for one user.
fn fuse_owner(file: &File) -> Option<User> {
    let kind = rustix::fs::fstatfs(file).ok()?.f_type;
    if i64::from(FUSE) != kind & 0xFFFF_FFFF {
        return None;
    }
    let device = file.metadata().ok()?.dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    owner_in(&table, &device)
}

/// As `fuse_owner`, from a mount table and the number of a device.
fn owner_in(table: &str, device: &str) -> Option<User> {
    let line = table.lines().find(|line| line.split(' ').nth(2) == Some(device))?;
    let options = line.rsplit(' ').next()?;
    let number = |name: &str| -> Option<u32> {
        options.split(',').find_map(|option| option.strip_prefix(name))?.parse().ok()
    };
    let is_for_all = options.split(',').any(|option| option == "allow_other");
    let owner = User { uid: number("user_id=")?, gid: number("group_id=")? };
    (!is_for_all).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_fuse_mount_is_read_off_the_mount_table() {
        let table = "\
            30 1 254:0 / / rw - ext4 /dev/vda rw\n\
            31 30 0:50 / /a rw,nosuid - fuse.x a\\040b ro,user_id=0,group_id=0\n\
            32 30 0:51 / /b rw - fuse.sshfs host: rw,user_id=1000,group_id=100\n\
            33 30 0:52 / /c rw - fuse c rw,user_id=1000,group_id=100,allow_other\n";
        let owner = |device| owner_in(table, device).map(|user| (user.uid, user.gid));
        assert_eq!(owner("0:50"), Some((0, 0)));
        assert_eq!(owner("0:51"), Some((1000, 100)));
        assert_eq!(owner("0:52"), None, "everybody may read");
        assert_eq!(owner("0:53"), None);
    }
}
