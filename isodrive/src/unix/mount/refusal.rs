//! Why the kernel or its helper refused to mount, and what to do about it.
//! Words only.

use std::path::Path;

use mount_fuse::AttachError;

use crate::cli::Mount;
use crate::exit::{Exit, Failure, bare};
use crate::terminal::quoted;

const ELSE: &str = "isodrive ls, cat, extract and info work without it";

/// The failure for a refused mount at a directory.
pub(super) fn not_mounted(arguments: &Mount, at: &Path, error: &AttachError) -> Failure {
    let refused = |message: &str| Failure::new(Exit::NoFuse, message);
    let said = match error {
        AttachError::NoDevice => return no_device(),
        AttachError::Device(error) => return closed_device(&bare(error)),
        AttachError::NoHelper => {
            return refused("fusermount3 is not installed")
                .line("fix", "sudo apt install fuse3     (or your system's package of that name)")
                .line("else", ELSE);
        }
        AttachError::HelperNotRun(error) => {
            return refused(&format!("fusermount3 cannot be run: {}", bare(error)))
                .line("try", "ls -l $(which fusermount3)     (it must be executable and set-uid)")
                .line("else", ELSE);
        }
        AttachError::Kernel(error) => bare(error),
        AttachError::Refused(said) => said.trim_start_matches("fusermount3: ").to_owned(),
    };
    if said.contains("fuse device not found") {
        return no_device();
    }
    if let Some(why) = said.strip_prefix("failed to open /dev/fuse: ") {
        return closed_device(why);
    }
    if said.contains("user_allow_other") {
        return refused("other users may not see FUSE mounts here").line(
            "fix",
            "sudo sh -c 'echo user_allow_other >> /etc/fuse.conf'     then try again",
        );
    }
    if said.contains("mount_max") {
        return refused("there are as many FUSE mounts as this system allows")
            .line("cause", said)
            .line("try", "isodrive list, and eject what is not needed");
    }
    if said.contains("Operation not permitted") {
        return refused(&format!("nobody here may mount: {said}"))
            .line("cause", "fusermount3 is not set-uid root, or this is a container without FUSE")
            .line("else", ELSE);
    }
    refused_there(arguments, at, &said)
}

fn no_device() -> Failure {
    Failure::new(Exit::NoFuse, "FUSE is not available here: there is no /dev/fuse")
        .line("try", "modprobe fuse; in a container, pass the device /dev/fuse in")
        .line("else", ELSE)
}

fn closed_device(why: &str) -> Failure {
    let message = format!("FUSE is not available to you: /dev/fuse: {why}");
    Failure::new(Exit::NoFuse, message)
        .line("fix", "sudo chmod 666 /dev/fuse     (which is how most systems have it)")
        .line("else", ELSE)
}

/// Something is wrong with the directory.
fn refused_there(arguments: &Mount, at: &Path, said: &str) -> Failure {
    let message = format!("cannot mount at {}: {said}", quoted(at));
    let failure = Failure::new(Exit::MountPoint, message);
    let is_confined = Path::new("/sys/kernel/security/apparmor/profiles").exists()
        && Path::new("/etc/apparmor.d/fusermount3").exists();
    let failure = if is_confined && said.contains("ermission denied") {
        failure.line(
            "cause",
            "this system's AppArmor profile may let FUSE mount only below your home, /mnt, \
             /media and /tmp",
        )
    } else {
        failure
    };
    match arguments.at {
        Some(_) => failure.line("try", "isodrive mount IMAGE     (uses ~/isodrive/LABEL)"),
        None => failure,
    }
}
