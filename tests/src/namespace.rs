//! Scripts in a mount namespace of their own, with a `/dev/fuse` that everybody may open: what a
//! system lacks can be taken away there, and nobody else sees it.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::corpus::repository;
use crate::program::{self, Ended};

/// A file system of the script's own, which every user may enter.
pub const HERE: &str = "/mnt";

/// What comes before each script. `HERE` holds the disc of the README as `disc.iso`; `ISODRIVE` is
/// the program; `as_user` runs a program as nobody.
const BEFORE: &str = "
    mount -t tmpfs -o mode=755 none $HERE || exit 77
    cp $DISC $HERE/disc.iso; cp $PROGRAM $HERE/program; chmod 755 $HERE/program
    mkdir $HERE/device; mknod $HERE/device/fuse c 10 229 || exit 77
    chmod 666 $HERE/device/fuse
    mount --bind $HERE/device/fuse /dev/fuse || exit 77
    # The copies of other people's mounts.
    for at in $(grep -E 'fuse.isodrive|isodrive:' /proc/self/mountinfo | cut -d' ' -f5); do
        umount -l \"$(printf '%b' \"$at\")\" 2>/dev/null || true
    done
    ISODRIVE=$HERE/program
    as_user() { setpriv --reuid 65534 --regid 65534 --clear-groups -- env HOME=$HERE/home \"$@\"; }
    mkdir $HERE/home; chown 65534:65534 $HERE/home
    cd $HERE
";

/// Runs a script of `sh` as root; nothing where this system has no such namespaces, which is said.
/// All that it mounts goes with it.
///
/// # Errors
/// It cannot be started.
pub fn run(script: &str) -> Result<Option<Ended>> {
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c"])
        .arg(format!("{BEFORE}{script}"))
        .env("HERE", HERE)
        .env("HOME", HERE)
        .env("DISC", repository().join("samples/setup-disc.iso"))
        .env("PROGRAM", program::path()?)
        .env_remove("ISODRIVE_STATE_DIR")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("TMPDIR")
        .env_remove("ISODRIVE_LOG")
        .stdin(Stdio::null())
        .output()?;
    let ended = Ended::of(&output);
    if ended.code == 77 || ended.err.starts_with("unshare:") {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI lacks this: {}", ended.err);
        println!("not run: no mount namespace of its own here: {}", ended.err);
        return Ok(None);
    }
    Ok(Some(ended))
}
