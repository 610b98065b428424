//! Who keeps a mount busy: processes with a file, a directory, a program or a map of it.
//! Reads `/proc` alone, so it never touches the mount and never waits for it.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::terminal::shown;

/// Maximum number of processes that are named.
const MAX: usize = 8;

/// A process that holds something of a mount.
#[derive(Debug, Serialize)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// The name of its program.
    pub(crate) name: String,
    /// What it does with which file, in words.
    pub(crate) what: String,
}

impl Holder {
    /// A process that does this.
    pub(crate) fn new(pid: u32, what: String) -> Self {
        let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = String::from_utf8_lossy(name.trim_ascii_end()).into_owned();
        Self { pid, name, what }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}) {}", shown(self.name.as_bytes()), self.pid, self.what)
    }
}

/// The processes that hold something below `mount` and that this user may look at.
pub(crate) fn of(mount: &Path) -> Vec<Holder> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let numbered = processes.flatten().filter_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        holder(&process.path(), pid, mount)
    });
    numbered.take(MAX).collect()
}

/// The loop devices whose files lie below `mount`, in words: the kernel holds these, no process.
pub(crate) fn loop_devices(mount: &Path) -> Vec<String> {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let holders = devices.filter_map(|device| {
        let file = fs::read(device.path().join("loop/backing_file")).ok()?;
        let file = PathBuf::from(OsString::from_vec(file.strip_suffix(b"\n")?.to_vec()));
        let rest = file.strip_prefix(mount).ok()?.as_os_str().as_bytes();
        Some(format!("/dev/{} has {}", shown(device.file_name().as_bytes()), shown(rest)))
    });
    holders.take(MAX).collect()
}

/// What one process holds.
fn holder(process: &Path, pid: u32, mount: &Path) -> Option<Holder> {
    let below = |target: &Path| {
        let rest = target.strip_prefix(mount).ok()?;
        Some(shown(rest.as_os_str().as_bytes()))
    };
    let link = |name: &str| below(&fs::read_link(process.join(name)).ok()?);
    let what = if let Some(path) = link("cwd") {
        format!("is in {}", place(&path))
    } else if let Some(path) = link("exe") {
        format!("runs {}", place(&path))
    } else if link("root").is_some() {
        "has it as its root".to_owned()
    } else if let Some(path) = open_file(process, below) {
        format!("has {} open", place(&path))
    } else {
        let path = mapped_files(process).iter().find_map(|path| below(path))?;
        format!("has {} in memory", place(&path))
    };
    Some(Holder::new(pid, what))
}

fn open_file(process: &Path, below: impl Fn(&Path) -> Option<String>) -> Option<String> {
    let mut open = fs::read_dir(process.join("fd")).ok()?.flatten();
    open.find_map(|descriptor| below(&fs::read_link(descriptor.path()).ok()?))
}

/// The files that a process has mapped (proc_pid_maps(5)): six fields, the path last.
fn mapped_files(process: &Path) -> Vec<PathBuf> {
    let maps = fs::read(process.join("maps")).unwrap_or_default();
    let path = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'/')?;
        Some(PathBuf::from(OsString::from_vec(line.get(at..)?.to_vec())))
    };
    let mut paths: Vec<PathBuf> = maps.split(|byte| *byte == b'\n').filter_map(path).collect();
    paths.dedup();
    paths
}

fn place(path: &str) -> &str {
    if path.is_empty() { "its root directory" } else { path }
}
