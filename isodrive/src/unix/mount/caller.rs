//! The command that makes a mount, as its supervisor has it: whether it took the mount over, and
//! whether it ended well after that. Waits only; what follows is the supervisor's business.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::process::{PidfdFlags, getppid, pidfd_open};

/// How long a command may take to end after it took the mount over.
const END: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// How long the kernel may take to know how it ended, once it did: somebody must ask first.
const REAPING: Duration = Duration::from_millis(200);

/// What asks the kernel about a process (`PIDFD_GET_INFO` of `linux/pidfd.h`, Linux 6.13).
const GET_INFO: Opcode = 0xC040_FF0B;

/// That the answer tells how the process ended (`PIDFD_INFO_EXIT`, Linux 6.15).
const EXIT: u64 = 1 << 3;

/// The first version of `struct pidfd_info`.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    control_group: u64,
    ids: [u32; 11],
    /// As wait(2) gives it.
    exit_code: i32,
}

const _: () = assert!(size_of::<Info>() == 64);

/// The command at the other end of standard input.
pub(super) struct Caller {
    line: OwnedFd,
    process: Option<OwnedFd>,
}

impl Caller {
    /// The command that started this process.
    pub(super) fn of_this_process() -> Option<Self> {
        let line = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
        let process = getppid().and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Some(Self { line, process })
    }

    /// Waits until the command took the mount over, which one byte says, and ended; false if it was
    /// ended before, or by a signal.
    pub(super) fn takes_over(self) -> bool {
        let is_confirmed = File::from(self.line).read(&mut [0]).is_ok_and(|read| read == 1);
        is_confirmed && !self.process.is_some_and(|process| ended_by_signal(&process))
    }
}

/// Whether a process ends by a signal, as far as the kernel tells.
fn ended_by_signal(process: &OwnedFd) -> bool {
    let mut descriptors = [PollFd::new(process, PollFlags::IN)];
    if !poll(&mut descriptors, Some(&END)).is_ok_and(|ready| ready == 1) {
        return false;
    }
    let since = Instant::now();
    while since.elapsed() < REAPING {
        let mut info = Info { mask: EXIT, ..Info::default() };
        #[expect(unsafe_code, reason = "ioctl")]
        // SAFETY: the code has the size of this structure, which the kernel fills.
        let call = unsafe { Updater::<GET_INFO, Info>::new(&mut info) };
        #[expect(unsafe_code, reason = "ioctl")]
        // SAFETY: the structure lives as long as the call.
        let asked = unsafe { ioctl(process, call) };
        match asked {
            Ok(()) if info.mask & EXIT != 0 => return info.exit_code & 0x7F != 0,
            // It has ended, and nobody has asked how yet.
            Ok(()) | Err(rustix::io::Errno::SRCH) => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::Pid;
    use std::process::Command;

    /// Whether this kernel tells how a process ended.
    fn can_tell() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut parts = release.split('.').map(|part| part.parse().unwrap_or(0u32));
        (parts.next(), parts.next()) >= (Some(6), Some(15))
    }

    #[test]
    fn an_end_by_a_signal_differs_from_one_without() {
        for (script, want) in [("exit 0", false), ("exit 3", false), ("kill -9 $$", true)] {
            let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
            let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
            let reaper = std::thread::spawn(move || child.wait());
            let found = ended_by_signal(&process);
            reaper.join().unwrap().unwrap();
            assert_eq!(found, want && can_tell(), "{script}");
        }
    }
}
