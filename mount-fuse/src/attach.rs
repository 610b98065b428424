//! Putting a mount into the file tree and taking it out again: the kernel's call where this process
//! may make it, `fusermount3` where not. Owns the mount options; always read-only, without set-id
//! and device files. Serves nothing: what it gives is the descriptor to serve on.

use std::ffi::CString;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
};

use crate::directory::{Directory, split};
use crate::name::{FS_TYPE, source_name};

/// The helper that mounts for users other than root.
const HELPER: &str = "fusermount3";

/// Read-ahead of the kernel, where it can be set; the default is 128 KiB.
const READ_AHEAD_KIB: u32 = 512;

/// What the mount table shows and what the kernel enforces.
#[derive(Debug, Clone, Default)]
pub struct Attach {
    /// The image's path, shown as the source of the mount.
    pub image: PathBuf,
    /// Let other users in.
    pub allow_other: bool,
    /// Refuse to run programs from the disc.
    pub noexec: bool,
}

/// Why nothing was mounted.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is no `/dev/fuse`.
    #[error("there is no /dev/fuse")]
    NoDevice,
    /// `/dev/fuse` is there and cannot be opened.
    #[error("/dev/fuse cannot be opened: {0}")]
    Device(io::Error),
    /// The kernel refused to mount.
    #[error("the kernel refused: {0}")]
    Kernel(io::Error),
    /// `fusermount3` is not installed.
    #[error("fusermount3 is not installed")]
    NoHelper,
    /// `fusermount3` cannot be run.
    #[error("fusermount3 cannot be run: {0}")]
    HelperNotRun(io::Error),
    /// `fusermount3` refused, in its words.
    #[error("{0}")]
    Refused(String),
}

/// Mounts on a directory. What is asked there waits until the descriptor is served; when its last
/// copy is closed, everybody who asks gets `ENOTCONN`.
///
/// # Errors
/// See [`AttachError`].
pub fn attach(at: &Directory, options: &Attach) -> Result<OwnedFd, AttachError> {
    if !rustix::process::geteuid().is_root() {
        return attach_by_helper(at.path(), options);
    }
    let refused = match attach_directly(at, options) {
        // Root without the right to mount, as in a container.
        Err(AttachError::Kernel(error)) if error.kind() == io::ErrorKind::PermissionDenied => error,
        result => return result,
    };
    match attach_by_helper(at.path(), options) {
        Err(AttachError::NoHelper) => Err(AttachError::Kernel(refused)),
        result => result,
    }
}

fn attach_directly(at: &Directory, options: &Attach) -> Result<OwnedFd, AttachError> {
    let device = open_device()?;
    let mut flags =
        MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
    if options.noexec {
        flags |= MountFlags::NOEXEC;
    }
    let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut data = format!(
        "fd={},rootmode=40000,user_id={},group_id={},default_permissions",
        device.as_raw_fd(),
        owner.0,
        owner.1
    );
    if options.allow_other {
        data.push_str(",allow_other");
    }
    let data = CString::new(data).unwrap_or_default();
    rustix::mount::mount(source_name(&options.image), at.handle(), FS_TYPE, flags, &*data)
        .map_err(|error| AttachError::Kernel(error.into()))?;
    Ok(device)
}

/// Has the kernel read more ahead of whoever reads a mount from front to back, where this process
/// may say so: the requests become longer, which is worth a third of the speed. Longer ones still
/// gain nothing. To be called once the mount is served: its beginning sets the measure back.
pub fn read_ahead(device: &str) {
    let knob = format!("/sys/class/bdi/{device}/read_ahead_kb");
    if let Err(error) = std::fs::write(&knob, READ_AHEAD_KIB.to_string()) {
        tracing::debug!(knob, %error, "read-ahead stays as it is");
    }
}

fn open_device() -> Result<OwnedFd, AttachError> {
    match std::fs::File::options().read(true).write(true).open("/dev/fuse") {
        Ok(device) => Ok(device.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(AttachError::NoDevice),
        Err(error) => Err(AttachError::Device(error)),
    }
}

/// The mount table that `fusermount3` looks users' mounts up in before it takes one away.
const TABLE: &str = "/etc/mtab";

/// `fusermount3` mounts and sends the descriptor over the socket that it is given.
fn attach_by_helper(at: &Path, options: &Attach) -> Result<OwnedFd, AttachError> {
    // Without that table it mounts all the same, and nobody but root could unmount.
    if !rustix::process::getuid().is_root()
        && let Err(error) = std::fs::File::open(TABLE)
    {
        let error = error.to_string();
        let why = error.split(" (os error").next().unwrap_or_default();
        return Err(AttachError::Refused(format!("failed to open {TABLE}: {why}")));
    }
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|error| AttachError::HelperNotRun(error.into()))?;
    let mut list = format!(
        "ro,nosuid,nodev,noatime,default_permissions,fsname={},subtype=isodrive",
        source_name(&options.image)
    );
    for (name, is_set) in [(",noexec", options.noexec), (",allow_other", options.allow_other)] {
        if is_set {
            list.push_str(name);
        }
    }
    let helper = Command::new(HELPER)
        .args(["-o", &list, "--"])
        .arg(at)
        .env("_FUSE_COMMFD", "0")
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Interrupted halfway, it would leave a mount that nobody serves.
        .process_group(0)
        .spawn()
        .map_err(|error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            if is_missing { AttachError::NoHelper } else { AttachError::HelperNotRun(error) }
        })?;
    let received = receive_descriptor(&ours);
    let output = helper.wait_with_output().map_err(AttachError::HelperNotRun)?;
    received.map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if let Some(signal) = output.status.signal() {
            return AttachError::Refused(format!("fusermount3 was ended by signal {signal}"));
        }
        if said.is_empty() { AttachError::HelperNotRun(error) } else { AttachError::Refused(said) }
    })
}

fn receive_descriptor(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message
            && let Some(descriptor) = descriptors.next()
        {
            return Ok(descriptor);
        }
    }
    Err(io::Error::other("fusermount3 ended without a word"))
}

/// Takes away the mount at a directory, whichever it is. With `lazy` it vanishes at once and is
/// served on until its last user is gone.
///
/// # Errors
/// `ResourceBusy` while it is in use, or what the kernel or `fusermount3` said.
pub fn unmount(at: &Path, lazy: bool) -> io::Result<()> {
    unmount_if(at, lazy, |_, _| true)
}

/// As [`unmount`], if what is mounted there is what `is_expected` takes it for: it gets
/// `major:minor` of the device, and the number of the mount where the kernel gives unique ones.
/// The folder that the mount lies in is held meanwhile, and no name in it that is mounted on can be
/// replaced.
///
/// # Errors
/// As [`unmount`], and `NotFound` where something else is mounted there, or nothing.
pub fn unmount_if(
    at: &Path,
    lazy: bool,
    is_expected: impl FnOnce(&str, Option<u64>) -> bool,
) -> io::Result<()> {
    let (folder, name) = split(at).ok_or(io::ErrorKind::InvalidInput)?;
    let folder = Directory::open(folder)?;
    let (device, id) = folder.mounted_on(name)?;
    if !is_expected(&device, id) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "another mount is there now"));
    }
    let flags = if lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    match rustix::mount::unmount(folder.handle().join(name), flags | UnmountFlags::NOFOLLOW) {
        // Users other than root take it away by the set-uid helper, which checks by itself.
        Err(Errno::PERM) => unmount_by_helper(at, lazy),
        other => other.map_err(io::Error::from),
    }
}

fn unmount_by_helper(at: &Path, lazy: bool) -> io::Result<()> {
    let mut command = Command::new(HELPER);
    command.arg("-u").args(lazy.then_some("-z")).arg("--").arg(at).stdin(Stdio::null());
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let is_busy = said.contains("busy");
    let kind = if is_busy { io::ErrorKind::ResourceBusy } else { io::ErrorKind::Other };
    Err(io::Error::new(kind, said))
}
