//! Putting a volume into the file tree and taking it away again.
//! Owns the mount options; always read-only, without set-id and device files.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};
use iso_core::volume::{Presentation, Volume};
use rustix::mount::UnmountFlags;

use crate::adapter::Adapter;
use crate::name::source_name;

/// What the person who mounts chooses.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The image's path, shown as the source of the mount.
    pub image: PathBuf,
    /// Owners, permissions, case.
    pub presentation: Presentation,
    /// Let other users in.
    pub allow_other: bool,
    /// Refuse to run programs from the disc.
    pub noexec: bool,
    /// Threads that serve requests; by the number of processors if not given.
    pub threads: Option<usize>,
}

/// A volume in the file tree. Dropping it takes it away.
#[derive(Debug)]
pub struct Mounted {
    session: BackgroundSession,
}

/// Mounts a volume on a directory and begins to serve it.
///
/// # Errors
/// What the kernel or `fusermount3` said: `NotFound` where there is no `/dev/fuse` or no
/// `fusermount3`, `PermissionDenied` where other users may not be let in.
pub fn mount(volume: Arc<dyn Volume>, at: &Path, options: &Options) -> io::Result<Mounted> {
    let mut config = Config::default();
    config.mount_options = mount_options(options);
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(options.threads.unwrap_or_else(default_threads));
    config.clone_fd = true;
    let adapter = Adapter::new(volume, options.presentation);
    let session = Session::new(adapter, at, &config)?.spawn()?;
    tracing::info!(at = %at.display(), "mounted");
    Ok(Mounted { session })
}

fn mount_options(options: &Options) -> Vec<MountOption> {
    let mut list = vec![
        MountOption::FSName(source_name(&options.image)),
        // Not `Subtype`, which fuser leaves out when it mounts without fusermount3.
        MountOption::CUSTOM("subtype=isodrive".to_owned()),
        MountOption::RO,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoAtime,
        // The kernel checks modes, so that nobody sees more than the shown modes say.
        MountOption::DefaultPermissions,
    ];
    if options.noexec {
        list.push(MountOption::NoExec);
    }
    list
}

/// As many as there are processors, two at least and four at most: more gain nothing.
fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4)
}

impl Mounted {
    /// Waits until the mount is taken away, by whomever.
    ///
    /// # Errors
    /// The connection to the kernel broke.
    pub fn wait(self) -> io::Result<()> {
        self.session.join()
    }
}

/// Takes away the mount at a directory. With `lazy` it vanishes at once and is served on until
/// its last user is gone.
///
/// # Errors
/// `ResourceBusy` while it is in use, or what the kernel or `fusermount3` said.
pub fn unmount(at: &Path, lazy: bool) -> io::Result<()> {
    let flags = if lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    match rustix::mount::unmount(at, flags | UnmountFlags::NOFOLLOW) {
        // Users other than root take it away by the set-uid helper.
        Err(rustix::io::Errno::PERM) => unmount_by_helper(at, lazy),
        other => other.map_err(io::Error::from),
    }
}

fn unmount_by_helper(at: &Path, lazy: bool) -> io::Result<()> {
    let mut command = Command::new("fusermount3");
    command.arg("-u").args(lazy.then_some("-z")).arg("--").arg(at);
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let is_busy = said.contains("busy");
    let kind = if is_busy { io::ErrorKind::ResourceBusy } else { io::ErrorKind::Other };
    Err(io::Error::new(kind, said))
}
