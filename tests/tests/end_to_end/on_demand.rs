//! Mounting on demand: a folder is mounted on when somebody looks into it, by automount(8) or by an
//! automount unit of systemd. Only the process group of the mount helper may touch it until then.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use isodrive_tests::autofs::Trigger;
use isodrive_tests::program::{Ended, PATIENCE, Session, can_mount, is_root, until};

/// Times that a trigger is used.
const TIMES: usize = 20;

#[test]
fn a_look_into_a_trigger_mounts_the_disc_in_less_than_a_second() -> Result<()> {
    if !can_mount() || !is_root("an autofs trigger") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let at = session.path("trigger");
    fs::create_dir(&at)?;
    let helper = session.path("mount.fuse.isodrive");
    std::os::unix::fs::symlink(isodrive_tests::program::path()?, &helper)?;
    let mut slowest = Duration::ZERO;
    for _ in 0..TIMES {
        let Some(mut trigger) = Trigger::new(&at)? else { return Ok(()) };
        let before = Instant::now();
        // In another process group: one of ours would see the bare trigger.
        let mut look = Command::new("ls");
        look.arg(&at).process_group(0).stdout(Stdio::piped());
        let looking = look.spawn()?;
        trigger.serve_one(|| {
            let plain = session.command(&["disc.iso"])?;
            let mut command = Command::new(&helper);
            command.args(["disc.iso", "trigger", "-o", "ro,noexec"]);
            for (name, value) in plain.get_envs() {
                if let Some(value) = value {
                    command.env(name, value);
                }
            }
            let ended = Ended::of(&command.current_dir(session.path("")).output()?);
            ensure!(ended.code == 0, "{}", ended.err);
            Ok(())
        })?;
        let output = looking.wait_with_output()?;
        slowest = slowest.max(before.elapsed());
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && listed.contains("setup.exe"), "{listed}");
        // The supervisor has left the process group, so it can be ejected like any other.
        // Children of other tests may hold a file of it for a moment, until they are programs.
        let eject = || session.run(&["eject", "disc.iso"]).is_ok_and(|ended| ended.code == 0);
        assert!(until(PATIENCE, eject));
        drop(trigger);
        assert!(at.exists(), "the trigger's directory is not ours to remove");
    }
    println!("{TIMES} of {TIMES}, the slowest after {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(until(PATIENCE, || fs::read_dir(session.state()).is_ok_and(|f| f.count() == 0)));
    Ok(())
}
