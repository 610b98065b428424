//! A mount as a program sees it that asks for everything: each answer has to come, and nothing
//! that a stranger must not bring in may be there.

use std::fs::{self, File};
use std::os::unix::fs::{DirEntryExt, FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use iso_core::volume::Permissions;

/// Files that are read whole.
const WHOLE_BYTES: u64 = 1 << 20;

/// Asks for everything below a directory; gives how many files there are.
pub(super) fn walk(at: &Path, permissions: Permissions) -> Result<u64> {
    let mut seen = 0;
    let mut pending = vec![at.to_path_buf()];
    attributes(at, permissions)?;
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
            let entry = entry?;
            let path = entry.path();
            let stat = attributes(&path, permissions)
                .with_context(|| path.to_string_lossy().escape_default().to_string())?;
            ensure!(stat.file_type() == entry.file_type()?, "an entry of another type");
            ensure!(stat.ino() == entry.ino(), "an entry of another number");
            seen += 1;
            ensure!(seen < 100_000, "the tree has no end");
            let asked = match stat.file_type() {
                kind if kind.is_dir() => {
                    pending.push(path.clone());
                    Ok(())
                }
                kind if kind.is_symlink() => fs::read_link(&path).map(drop).map_err(Into::into),
                kind if kind.is_file() => contents(&path, stat.len()),
                _ => Ok(()),
            };
            asked.with_context(|| path.to_string_lossy().escape_default().to_string())?;
        }
        let absent = fs::symlink_metadata(folder.join("no such file"));
        ensure!(absent.is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT)), "absent");
    }
    Ok(seen)
}

/// What `stat` and the extended attributes say.
fn attributes(path: &Path, permissions: Permissions) -> Result<fs::Metadata> {
    let stat = fs::symlink_metadata(path)?;
    if permissions == Permissions::Safe {
        let kind = stat.file_type();
        ensure!(stat.mode() & 0o7000 == 0, "set-id bits: {:o}", stat.mode());
        let is_device = kind.is_block_device() || kind.is_char_device();
        ensure!(!is_device || stat.rdev() == 0, "a device: {:x}", stat.rdev());
    }
    let mut list = vec![0; 65536];
    let len = rustix::fs::llistxattr(path, &mut list)?;
    for name in list[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        ensure!(name.starts_with(b"user."), "{}", name.escape_ascii());
        // The kernel hands out the user's attributes of files and directories alone.
        if !(stat.is_file() || stat.is_dir()) {
            continue;
        }
        let mut value = vec![0; 65536];
        rustix::fs::lgetxattr(path, name, &mut value)
            .with_context(|| name.escape_ascii().to_string())?;
    }
    Ok(stat)
}

/// The bytes of a file: all, or some from many places.
fn contents(path: &Path, size: u64) -> Result<()> {
    if size <= WHOLE_BYTES {
        ensure!(fs::read(path)?.len() as u64 == size, "another size");
        return Ok(());
    }
    let file = File::open(path)?;
    let mut piece = [0; 4096];
    for part in 0..=32 {
        let at = (size - 4096) / 32 * part;
        file.read_exact_at(&mut piece, at).with_context(|| format!("byte {at} of {size}"))?;
    }
    file.read_exact_at(&mut piece, size - 4096)?;
    Ok(())
}
