//! Processes by their numbers: which one a number meant, whether it is alive, how a child ended.
//! Reads `/proc` and waits for children; sends no signals.

use std::fs::File;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A process, and when it was started: numbers are given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    started: u64,
}

impl Process {
    /// The process that has a number now.
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, started: started(pid).unwrap_or(0) }
    }

    /// When it was started, in clock ticks since the machine was.
    pub(crate) const fn started(&self) -> u64 {
        self.started
    }

    /// Whether it is still there. One that ended and was not asked about yet is not.
    pub(crate) fn is_alive(&self) -> bool {
        started(self.pid) == Some(self.started)
    }
}

/// When a living process was started, in clock ticks since the machine was (proc_pid_stat(5)).
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and brackets; nothing behind it does.
    let mut fields = stat.get(stat.rfind(')')?.checked_add(2)?..)?.split(' ');
    let is_dead = matches!(fields.next()?, "Z" | "X");
    fields.nth(18)?.parse().ok().filter(|_| !is_dead)
}

/// How a child process ended, if it does so in this time.
pub(crate) fn ended_within(child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let since = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            _ if since.elapsed() > time => return None,
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Gives up the standard streams of the terminal that the mount was started from.
pub(crate) fn leave_terminal() {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_another_has_its_number() {
        let own = Process::of(std::process::id());
        assert!(own.started > 0 && own.is_alive());
        let earlier = Process { started: own.started - 1, ..own };
        assert!(!earlier.is_alive(), "the number alone proves nothing");
        assert!(!Process { pid: u32::MAX, started: 0 }.is_alive());
    }
}
