//! Why the kernel or its helper refused to mount, and what to do about it.
//! Words only.

use std::path::Path;

use mount_fuse::AttachError;

use crate::cli::Mount;
use crate::exit::{Exit, Failure, bare};
use crate::shell::ShellCommand;
use crate::terminal::quoted;

const ELSE: &str = "isodrive ls, cat, extract and info work without it";

/// What `fusermount3` says of somebody whom the user table does not list.
pub(crate) const NO_USER: &str = "fusermount3 finds no entry for you in the user table (passwd)";

const MTAB: &str = "sudo ln -s /proc/self/mounts /etc/mtab";

/// The failure for a refused mount at a directory.
pub(super) fn not_mounted(arguments: &Mount, at: &Path, error: &AttachError) -> Failure {
    let refused = |message: &str| Failure::new(Exit::NoFuse, message);
    let said = match error {
        AttachError::NoDevice => return no_device(),
        AttachError::Device(error) => return closed_device(&bare(error)),
        AttachError::NoHelper => {
            return refused("fusermount3 is not installed")
                .line("cause", "your system's package of it is called fuse3, as on Debian:")
                .advice("fix", "sudo apt install fuse3")
                .advice("else", ELSE);
        }
        AttachError::HelperNotRun(error) => {
            return refused(&format!("fusermount3 cannot be run: {}", bare(error)))
                .line("cause", "it must be executable and set-uid root")
                .advice("try", "ls -l $(command -v fusermount3)")
                .advice("else", ELSE);
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
        return refused("--allow-other is not permitted on this system")
            .advice("fix", "sudo sh -c 'echo user_allow_other >> /etc/fuse.conf'");
    }
    if said.contains("could not determine username") {
        return refused(&format!("{NO_USER}, and mounts for none without")).advice("else", ELSE);
    }
    if said.contains("/etc/mtab") {
        return refused(&format!("fusermount3 could not take the mount away again: {said}"))
            .advice("fix", MTAB)
            .advice("else", ELSE);
    }
    if said.contains("mount_max") {
        return refused("there are as many FUSE mounts as this system allows")
            .line("cause", said)
            .advice("try", "eject what is not needed; to see it:  isodrive list");
    }
    if said.contains("Operation not permitted") {
        return refused(&format!("this system does not let ordinary users mount: {said}"))
            .line("cause", "fusermount3 is not set-uid root, or this is a container without FUSE")
            .advice("else", ELSE);
    }
    refused_there(arguments, at, &said)
}

/// The failure for a mount that was not taken away. `fusermount3` does it for users other than
/// root, and looks the user up and reads the mount table from `/etc/mtab`.
pub(crate) fn not_unmounted(at: &Path, said: &str) -> Failure {
    let name = quoted(at);
    let failure = |why: &str| Failure::new(Exit::Other, format!("cannot eject {name}: {why}"));
    let said = said.trim_start_matches("fusermount3: ");
    let by_root = ShellCommand::new("sudo umount").operand(at);
    if said.contains("could not determine username") {
        return failure(NO_USER).advice("try", by_root.after("as root:"));
    }
    if said.contains("/etc/mtab") {
        return failure(&format!("fusermount3 needs /etc/mtab: {said}"))
            .advice("fix", MTAB)
            .advice("try", by_root.after("as root:"));
    }
    failure(said)
}

fn no_device() -> Failure {
    Failure::new(Exit::NoFuse, "FUSE is not available here: there is no /dev/fuse")
        .advice("try", "in a container, pass the device /dev/fuse in; else:  sudo modprobe fuse")
        .advice("else", ELSE)
}

fn closed_device(why: &str) -> Failure {
    let message = format!("FUSE is not available to you: /dev/fuse: {why}");
    Failure::new(Exit::NoFuse, message)
        .advice("fix", "as most systems have it:  sudo chmod 666 /dev/fuse")
        .advice("else", ELSE)
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
        Some(_) => failure.advice(
            "try",
            ShellCommand::new("isodrive mount")
                .operand(&arguments.image.image)
                .after("a folder of its own below your home:"),
        ),
        None => failure,
    }
}
