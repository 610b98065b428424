//! Whom a FUSE mount lets in: its owner alone, unless it was mounted with `allow_other`.
//! Reads the mount table; touches no such mount.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::unix::mounts::{self, Entry};

/// The user and group that alone may read an opened file, where it lies on such a mount.
pub(crate) fn owner_of(file: &File) -> Option<(u32, u32)> {
    let device = file.metadata().ok()?.dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    mounts::all().iter().find(|entry| entry.device == number).and_then(closed_for)
}

/// The user that alone may look at a path which this one may not.
pub(crate) fn closed_by(path: &Path) -> Option<u32> {
    let path = std::path::absolute(path).ok()?;
    // Links in the path lead to where its folders are, as far as these can be seen.
    let real = path.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    let places = [path, real];
    let entries = mounts::all();
    let over = |path: &PathBuf| entries.iter().rev().find(|entry| path.starts_with(&entry.at));
    let owners = places.iter().filter_map(over).filter_map(closed_for);
    owners.map(|(user, _)| user).find(|user| *user != geteuid().as_raw())
}

/// Owner and group of a mount that lets in nobody else.
fn closed_for(entry: &Entry) -> Option<(u32, u32)> {
    let is_fuse =
        entry.kind == "fuse" || entry.kind.starts_with("fuse.") || entry.kind == "fuseblk";
    if !is_fuse || entry.allows_others {
        return None;
    }
    entry.user.zip(entry.group)
}
