//! What remains of a mount that is gone in its own mount namespace: copies in other namespaces, and
//! users of a mount that was detached. Reads `/proc` alone, so it never waits for the mount.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags};

use crate::unix::holders::Holder;
use crate::unix::mounts::{self, Entry};

/// Processes named at most.
const MAX: usize = 8;

/// One process of each other mount namespace that has a mount which is gone here.
pub(crate) fn elsewhere(gone: &Entry) -> Vec<Holder> {
    let here = Path::new("/proc/self");
    let own = namespace(here);
    let own_numbers = mounts::numbers_of(here);
    let mut seen = HashSet::new();
    // Not every process tells its namespace, not even root. A mount lies in one namespace alone, so
    // one with a mount of ours is in ours.
    let is_elsewhere = |process: &PathBuf| match namespace(process) {
        Some(namespace) => own.as_ref() != Some(&namespace) && seen.insert(namespace),
        None => mounts::numbers_of(process).is_disjoint(&own_numbers),
    };
    let holder = |process: PathBuf| {
        let pid = process.file_name()?.to_str()?.parse().ok()?;
        let what = "keeps a copy in its mount namespace".to_owned();
        Some(Holder::new(pid, what))
    };
    let others = processes().filter(is_elsewhere);
    let with_copy = others.filter(|process| mounts::has_copy(process, gone));
    with_copy.filter_map(holder).take(MAX).collect()
}

/// Whether a process of this mount namespace, as far as it may be looked at, has something of this
/// device open, runs it or is in it: the mount was detached while in use.
pub(crate) fn is_used_here(device: &str) -> bool {
    let own = namespace(Path::new("/proc/self"));
    let is_here = |process: &PathBuf| own.is_some() && namespace(process) == own;
    let uses = |process: PathBuf| {
        let fixed = ["cwd", "exe", "root"].map(|name| process.join(name));
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let files = fixed.into_iter().chain(open.map(|entry| entry.path()));
        files.into_iter().any(|file| device_of(&file).as_deref() == Some(device))
    };
    processes().filter(is_here).any(uses)
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_process = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    all.map(|entry| entry.path()).filter(is_process)
}

/// What stands for the mount namespace of a process, where this user may know.
fn namespace(process: &Path) -> Option<PathBuf> {
    fs::read_link(process.join("ns/mnt")).ok()
}

/// The device that a file lies on, as the kernel knows it: no server is asked.
fn device_of(file: &Path) -> Option<String> {
    let found = rustix::fs::statx(CWD, file, AtFlags::STATX_DONT_SYNC, StatxFlags::empty()).ok()?;
    Some(format!("{}:{}", found.stx_dev_major, found.stx_dev_minor))
}
