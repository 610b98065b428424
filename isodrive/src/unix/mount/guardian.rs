//! The guardian: a process of a few pages that does nothing but wait for its supervisor to end, and
//! takes away what a killed one leaves behind. Copied from the supervisor before that has threads.

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use mount_fuse::Place;
use rustix::process::{Pid, Signal, WaitOptions, geteuid};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};

use super::mounted::{Attached, Known};
use super::wire::Line;
use crate::json::Name;
use crate::logs;
use crate::unix::health::{self, Health};
use crate::unix::process::{self, Process};
use crate::unix::{made, mounts, state};

/// How long a mount that was being made is waited for: its helper may still be at work.
const LATE_MOUNT: Duration = Duration::from_secs(1);

/// How long a killed process may take to end.
const END: Duration = Duration::from_millis(300);

/// What a supervisor leaves behind if it is killed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Cleanup {
    /// The supervisor ends by itself and cleans up by itself.
    is_done: bool,
    /// A directory that is about to be made.
    pub(super) making: Option<Name>,
    /// The directory that was made.
    pub(super) made: Option<(Name, Place)>,
    /// Where a mount is about to be made.
    pub(super) mounting: Option<Name>,
    /// The mount.
    pub(super) mounted: Option<Known>,
    /// The worker.
    pub(super) worker: Option<Process>,
}

/// The guardian as its supervisor has it. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Guardian {
    process: Option<(Line, Pid)>,
    cleanup: RefCell<Cleanup>,
}

impl Guardian {
    /// Starts a guardian, which must be done before this process has threads. Where that fails, the
    /// mount does without: the next command cleans up.
    pub(super) fn start() -> Self {
        let process = start().inspect_err(|error| tracing::warn!(%error, "no guardian"));
        Self { process: process.ok(), cleanup: RefCell::default() }
    }

    /// Tells the guardian what there is to clean up from now on.
    pub(super) fn note(&self, change: impl FnOnce(&mut Cleanup)) {
        let mut cleanup = self.cleanup.borrow_mut();
        change(&mut cleanup);
        if let Some((line, _)) = &self.process {
            let _ = line.send_at_once(&*cleanup);
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.note(|cleanup| cleanup.is_done = true);
        if let Some((line, pid)) = self.process.take() {
            drop(line);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

fn start() -> std::io::Result<(Line, Pid)> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(std::io::Error::other("there are threads already"));
    }
    let (ours, theirs) = Line::pair()?;
    let supervisor = std::process::id();
    #[expect(unsafe_code, reason = "there is no safe form of this call")]
    // SAFETY: this process has one thread, so the copy holds no lock of another.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(std::io::Error::last_os_error());
    }
    match Pid::from_raw(pid) {
        Some(pid) => {
            // At once, not when the copy gets to it: a signal to the caller's process group must
            // not end both.
            let _ = rustix::process::setpgid(Some(pid), Some(pid));
            Ok((ours, pid))
        }
        None => {
            drop(ours);
            guard(&Line::on(theirs), supervisor)
        }
    }
}

/// The guardian's life: keeps the latest list until the supervisor is gone, then works it off.
fn guard(line: &Line, supervisor: u32) -> ! {
    let supervisor = Process::of(supervisor);
    let since = SystemTime::now();
    // The supervisor's signals are not for this process: it ends after the supervisor, always.
    let _ = rustix::process::setsid();
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1] {
        let _ = signal_hook::flag::register(signal, std::sync::Arc::default());
    }
    process::leave_terminal();
    let _ = std::env::set_current_dir("/");
    let mut cleanup = Cleanup::default();
    while let Ok(Some((latest, _))) = line.receive::<Cleanup>() {
        cleanup = latest;
    }
    if !cleanup.is_done {
        clean_up(cleanup, &supervisor, since);
    }
    std::process::exit(0)
}

fn clean_up(mut cleanup: Cleanup, supervisor: &Process, since: SystemTime) {
    end(cleanup.worker.as_ref());
    if cleanup.mounted.is_none()
        && let Some(at) = &cleanup.mounting
    {
        remove_late_mount(&at.path(), LATE_MOUNT);
    }
    let mut places = Vec::new();
    if let Some(known) = cleanup.mounted.take() {
        tracing::warn!("the supervisor was killed, its mount is taken away");
        let mounted = Attached::from(known);
        places = mounted.places();
        drop(mounted);
    }
    match (&cleanup.made, &cleanup.making) {
        (Some((at, made)), _) => {
            made::remove(&at.path(), *made);
            // A folder on the way may have another name since.
            places.iter().for_each(|entry| made::remove(&entry.at, *made));
        }
        (None, Some(at)) => made::remove_if_made_since(&at.path(), since),
        (None, None) => {}
    }
    // Its end of the socket closes before it is gone for good.
    wait_for_end(supervisor);
    state::forget(supervisor);
}

/// Ends the worker, which serves nobody without its supervisor.
fn end(worker: Option<&Process>) {
    let Some(worker) = worker.filter(|worker| worker.is_alive()) else { return };
    let pid = i32::try_from(worker.pid).ok().and_then(Pid::from_raw);
    let _ = pid.map(|pid| rustix::process::kill_process(pid, Signal::KILL));
    wait_for_end(worker);
}

fn wait_for_end(process: &Process) {
    let since = Instant::now();
    while process.is_alive() && since.elapsed() < END {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Takes away a mount that appears although its supervisor was killed, or its helper interrupted,
/// while it was being made.
pub(super) fn remove_late_mount(at: &Path, wait: Duration) {
    let since = Instant::now();
    loop {
        if let Some(entry) = mounts::top_at(at)
            && entry.is_ours()
            // Nothing of isodrive's was there when the mount began; what the kernel serves is never
            // dead.
            && (entry.is_kernels() || health::of(&entry) == Health::Dead)
        {
            tracing::warn!(at = %logs::path(at), "a mount without a supervisor is taken away");
            let _ = mount_fuse::unmount_if(at, true, |device, _| device == entry.device);
            return;
        }
        // Root mounts by one call of its own: there is nothing left to wait for.
        if geteuid().is_root() || since.elapsed() >= wait {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
