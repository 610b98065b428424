//! Giving up root, capabilities and the sight of the file tree.
//! Changes the calling thread, which must be the only one.

use rustix::process::{DumpableBehavior, getegid, geteuid};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid, UnshareFlags};

use crate::Task;

/// A user without rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

impl User {
    /// The user that owns nothing.
    pub const NOBODY: Self = Self { uid: 65534, gid: 65534 };
}

/// What filling a directory takes where root fills one that is somebody else's: writing into it,
/// and setting the times of what is there.
const FILLING: CapabilitySet = CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::FOWNER);

/// The capabilities that a task keeps, of those that the process has.
fn kept(task: Task<'_>) -> CapabilitySet {
    match task {
        Task::Serve | Task::Print => CapabilitySet::empty(),
        Task::Fill(_) => {
            let held = rustix::thread::capabilities(None).map(|sets| sets.effective);
            held.unwrap_or(CapabilitySet::empty()) & FILLING
        }
    }
}

/// Makes a directory the root from which no path leads to a name of the machine: the one that is to
/// be filled, else one that is empty of everything but this process itself. Users other than root
/// need a user namespace for it, which not every system grants.
pub(crate) fn leave_the_root_directory(task: Task<'_>) -> Result<(), String> {
    // In a user namespace of its own a process has no rights outside of it, these among them.
    if !geteuid().is_root() && kept(task).is_empty() {
        #[expect(unsafe_code, reason = "unshare is unsafe for shared descriptor tables only")]
        // SAFETY: descriptors stay shared with nobody: `FILES` is not among the flags.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }
            .map_err(|error| format!("no user namespace: {error}"))?;
    }
    let entered = match task {
        Task::Fill(directory) => {
            rustix::process::fchdir(directory).and_then(|()| rustix::process::chroot("."))
        }
        Task::Serve | Task::Print => rustix::process::chroot("/proc/self/fdinfo"),
    };
    entered.and_then(|()| rustix::process::chdir("/")).map_err(|error| error.to_string())
}

/// Becomes another user, where the process is root's. Staying root is an error: the rights
/// of root go with the capabilities all the same, and what root owns stays its own.
pub(crate) fn become_user(to: Option<User>) -> Result<(), String> {
    let Some(user) = to.filter(|_| geteuid().is_root()) else { return Ok(()) };
    let context = |what: &'static str| move |error| format!("{what}: {error}");
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_groups(&[]).map_err(context("groups"))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(context("group"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(context("user"))?;
    match (geteuid(), getegid()) == (uid, gid) {
        true if uid.is_root() => Err("it stays root, but without capabilities".to_owned()),
        true => Ok(()),
        false => Err("it did not change".to_owned()),
    }
}

/// Gives up the right to get capabilities from programs: first, since it takes one itself.
pub(crate) fn empty_the_bounding_set() {
    for capability in CapabilitySet::all().iter() {
        // Without the right to do so there is nothing to lose either.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let _ = rustix::thread::clear_ambient_capability_set();
}

/// Gives up every capability that the task does not take, and every way to get one back.
pub(crate) fn drop_capabilities(task: Task<'_>) -> Result<(), String> {
    let context = |what: &'static str| move |error| format!("{what}: {error}");
    let (kept, none) = (kept(task), CapabilitySet::empty());
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(context("capabilities"))?;
    rustix::thread::set_no_new_privs(true).map_err(context("no_new_privs"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(context("dumpable"))
}
