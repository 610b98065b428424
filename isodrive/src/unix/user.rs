//! The user that a process of root's becomes before it reads an image. That user must be able to
//! read the image, which a FUSE mount allows to its owner alone.

use std::fs::File;

use rustix::process::{getegid, geteuid};
use sandbox::User;

use crate::unix::fuse;

/// The user for a process that reads these files: the one who asked root to do this, or nobody. If
/// the image lies on a FUSE mount that lets in its owner only, that owner.
pub(super) fn for_reader(files: &[File]) -> User {
    if !geteuid().is_root() {
        return User { uid: geteuid().as_raw(), gid: getegid().as_raw() };
    }
    if let Some((uid, gid)) = files.iter().find_map(fuse::owner_of) {
        return User { uid, gid };
    }
    let number = |name| std::env::var(name).ok()?.parse().ok().filter(|number| *number != 0);
    match (number("SUDO_UID"), number("SUDO_GID")) {
        (Some(uid), Some(gid)) => User { uid, gid },
        _ => User::NOBODY,
    }
}
