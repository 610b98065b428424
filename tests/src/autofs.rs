//! Mounting on demand, as automount(8) and systemd do it: a trigger of the kernel's autofs, and a
//! daemon that answers it. The daemon is a thread of this process, so the process group that autofs
//! lets through is that of the tests.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags};

/// Bytes of one request (`struct autofs_v5_packet` of `linux/auto_fs.h`, 64 bits).
const PACKET_BYTES: usize = 304;

/// The type of a request to mount on a direct trigger.
const MISSING_DIRECT: u32 = 5;

/// What says that a mount stands, and that it failed (`linux/auto_fs.h`).
const READY: u64 = 0x9360;
const FAIL: u64 = 0x9361;

/// A directory on which something is mounted when somebody looks into it.
pub struct Trigger {
    at: PathBuf,
    requests: File,
    control: File,
}

impl Trigger {
    /// Makes a trigger; nothing where the kernel has no autofs.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn new(at: &Path) -> Result<Option<Self>> {
        let systems = std::fs::read_to_string("/proc/filesystems")?;
        if !systems.lines().any(|line| line.trim_end().ends_with("autofs")) {
            println!("not run: this kernel has no autofs");
            return Ok(None);
        }
        let (reader, writer): (OwnedFd, OwnedFd) = rustix::pipe::pipe()?;
        let group = rustix::process::getpgrp().as_raw_nonzero();
        let data = format!("fd={},pgrp={group},minproto=5,maxproto=5,direct", writer.as_raw_fd());
        let data = CString::new(data)?;
        rustix::mount::mount("isodrive-tests", at, "autofs", MountFlags::empty(), &*data)?;
        drop(writer);
        let control = File::open(at)?;
        Ok(Some(Self { at: at.to_path_buf(), requests: reader.into(), control }))
    }

    /// Waits for somebody to look into the directory, calls `mount`, and answers.
    ///
    /// # Errors
    /// What reading and `mount` said.
    pub fn serve_one(&mut self, mount: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut packet = [0; PACKET_BYTES];
        self.requests.read_exact(&mut packet)?;
        let word = |at: usize| -> Result<u32> {
            let bytes = packet.get(at..at + 4).context("a word")?;
            Ok(u32::from_ne_bytes(bytes.try_into()?))
        };
        ensure!(word(4)? == MISSING_DIRECT, "another request: {}", word(4)?);
        let token = word(8)?;
        let mounted = mount();
        let answer = if mounted.is_ok() { READY } else { FAIL };
        // SAFETY: the call takes a number, not a pointer.
        let done = unsafe { libc::ioctl(self.control.as_raw_fd(), answer, u64::from(token)) };
        ensure!(done == 0, "autofs takes no answer: {}", std::io::Error::last_os_error());
        mounted
    }
}

impl Drop for Trigger {
    fn drop(&mut self) {
        while rustix::mount::unmount(&self.at, UnmountFlags::DETACH).is_ok() {}
    }
}
