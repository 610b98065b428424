//! The directories that isodrive makes for mounts: where they lie, and how they go again.
//! Removes empty directories that are known to be its own, and nothing else.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mount_fuse::{Directory, Place};
use rustix::fs::{AtFlags, StatxFlags};
use rustix::process::geteuid;

/// File systems stamp what is made with a clock that may be this far behind.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// Removes a directory that was made for a mount, if that is still what lies there. The folder that
/// holds mounts goes with the last of them; never one with anything in it.
pub(crate) fn remove(at: &Path, made: Place) {
    remove_if(at, |directory| directory.place().is_ok_and(|place| place == made));
}

/// Removes a directory that this user made after a moment, if there is one.
pub(crate) fn remove_if_made_since(at: &Path, since: SystemTime) {
    let since = since.checked_sub(CLOCK_STEP).unwrap_or(since);
    remove_if(at, |directory| {
        let flags = AtFlags::EMPTY_PATH;
        let mask = StatxFlags::BTIME | StatxFlags::UID;
        let Ok(found) = rustix::fs::statx(directory, c"", flags, mask) else { return false };
        let made = Duration::new(
            u64::try_from(found.stx_btime.tv_sec).unwrap_or(0),
            found.stx_btime.tv_nsec,
        );
        found.stx_mask & StatxFlags::BTIME.bits() != 0
            && found.stx_uid == geteuid().as_raw()
            && SystemTime::UNIX_EPOCH.checked_add(made).is_some_and(|made| made >= since)
    });
}

fn remove_if(at: &Path, is_wanted: impl FnOnce(&Directory) -> bool) {
    let (Some(folder), Some(name)) = (at.parent(), at.file_name()) else { return };
    let Ok(opened) = Directory::open(folder) else { return };
    if opened.open_child(name).is_ok_and(|directory| is_wanted(&directory)) {
        let _ = rustix::fs::unlinkat(&opened, name, AtFlags::REMOVEDIR);
    }
    if default_base().is_some_and(|base| base == folder) {
        let _ = std::fs::remove_dir(folder);
    }
}

/// The folder for mounts without a chosen place.
pub(crate) fn default_base() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())?;
    Some(home.join("isodrive"))
}
