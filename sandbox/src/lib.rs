//! Takes from a process everything that reading a disc image does not need, so that a hostile
//! image that took the process over could do nothing with it. Works on the calling thread alone,
//! and so must be entered before another thread is started.
//!
//! What is left: read what is open already, answer on it, use memory, start threads, end; and for
//! one task, fill a directory. See `docs/SANDBOX.md` for each layer and its reason.

mod filter;
mod level;
mod privileges;

use std::os::fd::BorrowedFd;

use rustix::process::{Resource, Rlimit, setrlimit};

pub use filter::{ALLOWED_CALLS, OPENING};
pub use level::Level;
pub use privileges::User;

/// What to enter the sandbox with.
#[derive(Debug, Clone, Default)]
pub struct Plan<'d> {
    /// What the process does from then on.
    pub task: Task<'d>,
    /// Who to be from then on, where the process is root's. Root is possible, for a process that
    /// reads what nobody else may.
    pub drop_to: Option<User>,
    /// Bytes of memory the process may write to.
    pub memory_bytes: Option<u64>,
    /// Layers left out, as on a kernel that lacks them. Only tests leave any out.
    pub without: Vec<Layer>,
}

/// What a process in the sandbox is for, which decides what is left to it.
#[derive(Debug, Clone, Copy, Default)]
pub enum Task<'d> {
    /// Answers on sockets and devices that are open, writes to no file, and ends with its parent.
    #[default]
    Serve,
    /// Writes to what is open already, as standard output, which may be a file.
    Print,
    /// As `Print`, and makes files in this directory and below it.
    Fill(BorrowedFd<'d>),
}

/// One layer of the sandbox. Each holds alone, so that a hole in one is no hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// No capabilities, no root, no gain by set-id programs; an empty root directory.
    Privileges,
    /// Landlock: no files, no TCP, no signals to others.
    Landlock,
    /// seccomp: a short list of system calls.
    Filter,
}

/// Enters the sandbox, as far as this kernel goes. There is no way back.
///
/// What a kernel refuses is missing from the level that is returned; it never stops the caller,
/// who decides whether that level will do.
#[must_use]
pub fn enter(plan: &Plan) -> Level {
    let wanted = |layer| !plan.without.contains(&layer);
    let mut level = Level::default();
    let is_server = matches!(plan.task, Task::Serve);
    if let Some(bytes) = plan.memory_bytes {
        level.note("memory limit", limit_memory(bytes));
    }
    if is_server {
        // Nothing is written to any file; pipes and sockets have no size.
        let _ = setrlimit(Resource::Fsize, exactly(0));
    }
    if wanted(Layer::Privileges) {
        level.note("own root directory", privileges::leave_the_root_directory(plan.task));
        privileges::empty_the_bounding_set();
        // Root of a user namespace can become nobody else, and has no rights outside of it.
        level.note("another user", privileges::become_user(plan.drop_to));
        level.note("privileges", privileges::drop_capabilities(plan.task));
    }
    if wanted(Layer::Landlock) {
        level.note("Landlock", landlock_all_but(plan.task));
    }
    if is_server {
        // A parent that is gone has no use for an answer. After the change of user, which undoes
        // it.
        let kill = Some(rustix::process::Signal::KILL);
        let _ = rustix::process::set_parent_process_death_signal(kill);
    }
    if wanted(Layer::Filter) {
        level.note("seccomp", filter::install(plan.task));
    }
    level
}

const fn exactly(limit: u64) -> Rlimit {
    Rlimit { current: Some(limit), maximum: Some(limit) }
}

/// Bounds the memory that can be written to, and leaves no copy of it behind. Maps of the image
/// count as nothing: they are read-only.
fn limit_memory(bytes: u64) -> Result<(), String> {
    let allowed = rustix::process::getrlimit(Resource::Data).maximum.unwrap_or(u64::MAX);
    let _ = setrlimit(Resource::Core, exactly(0));
    setrlimit(Resource::Data, exactly(bytes.min(allowed))).map_err(|error| error.to_string())
}

/// Takes away all that Landlock knows, and allows nothing of it but the making of files,
/// directories and links below the directory that the task fills.
fn landlock_all_but(task: Task<'_>) -> Result<(), String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset,
        RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
    };
    let newest = ABI::V6;
    let filling = AccessFs::ReadDir
        | AccessFs::ReadFile
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSym
        | AccessFs::Refer
        | AccessFs::RemoveFile;
    let created = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(newest)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(newest)))
        .and_then(Ruleset::create);
    let restricted = created
        .and_then(|ruleset| match task {
            Task::Fill(directory) => ruleset.add_rule(PathBeneath::new(directory, filling)),
            Task::Serve | Task::Print => Ok(ruleset),
        })
        .and_then(landlock::RulesetCreated::restrict_self);
    match restricted.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => Ok(()),
        Ok(RulesetStatus::PartiallyEnforced) => Err("this kernel knows only a part of it".into()),
        Ok(RulesetStatus::NotEnforced) => Err("this kernel lacks it".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Keeps every descriptor but the standard three from programs started later: what a caller leaked
/// into this process is no business of theirs. Kernels before 5.11 lack the call; the sandbox does
/// not stand on it.
pub fn keep_descriptors_from_children() {
    #[expect(unsafe_code, reason = "there is no safe form of this call")]
    // SAFETY: the call sets a flag on descriptors; none is closed or opened.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
}
