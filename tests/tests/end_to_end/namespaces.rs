//! A mount of which another mount namespace has a copy, as each container started meanwhile does:
//! it goes where it was made, and the copy gets a moment.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use isodrive_tests::program::{
    PATIENCE, Running, Session, can_mount, is_alive, is_mounted, is_root, until,
};

/// A process in a mount namespace of its own, with a copy of every mount.
fn elsewhere(session: &Session) -> Result<Running> {
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", "echo; exec sleep 60"]);
    let child = command.current_dir("/").stdout(Stdio::piped()).spawn()?;
    let mut running = Running(child);
    let mut line = [0];
    if let Some(out) = running.0.stdout.as_mut() {
        std::io::Read::read_exact(out, &mut line)?;
    }
    let table = fs::read_to_string(format!("/proc/{}/mountinfo", running.0.id()))?;
    assert!(table.contains(&session.path("here").display().to_string()), "no copy");
    Ok(running)
}

/// Whether the copy answers those who are inside, by a call that no cache answers.
fn answers(session: &Session, child: &Child) -> Result<bool> {
    let pid = child.id().to_string();
    let mut command = Command::new("nsenter");
    command.args(["-m", "-t", &pid, "stat", "-f"]).arg(session.path("here"));
    Ok(command.output()?.status.success())
}

#[test]
fn eject_names_who_has_a_copy_and_the_copy_ends_after_a_moment() -> Result<()> {
    if !can_mount() || !is_root("a mount namespace") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    // A directory that isodrive made would be removed, and the copy with it.
    fs::create_dir(session.path("here"))?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let other = elsewhere(&session)?;
    let before = Instant::now();
    let ended = session.run(&["eject", "here"])?;
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    assert_eq!(ended.code, 0, "{}", ended.err);
    let want = format!("sleep (pid {}) keeps a copy in its mount namespace", other.0.id());
    assert!(ended.err.contains(&want), "{}", ended.err);
    assert!(!is_mounted(&mount.at) && fs::read_dir(session.state())?.count() == 0);
    assert!(answers(&session, &other.0)?, "readers elsewhere have a moment");
    let is_over = || !is_alive(mount.supervisor) && !is_alive(mount.worker);
    assert!(until(PATIENCE, is_over), "the server stays for a copy");
    assert!(!answers(&session, &other.0)?);
    Ok(())
}

#[test]
fn a_copy_of_a_lazily_ejected_mount_is_served_until_it_is_gone() -> Result<()> {
    if !can_mount() || !is_root("a mount namespace") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    fs::create_dir(session.path("here"))?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let other = elsewhere(&session)?;
    assert_eq!(session.run(&["eject", "--lazy", "here"])?.code, 0);
    assert!(!is_mounted(&mount.at) && fs::read_dir(session.state())?.count() == 0);
    std::thread::sleep(Duration::from_secs(7));
    assert!(answers(&session, &other.0)?, "its users may finish");
    drop(other);
    let is_over = || !is_alive(mount.supervisor) && !is_alive(mount.worker);
    assert!(until(PATIENCE, is_over));
    Ok(())
}

#[test]
fn a_made_directory_goes_at_once_whoever_has_a_copy() -> Result<()> {
    if !can_mount() || !is_root("a mount namespace") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let _other = elsewhere(&session)?;
    // By another program, without a word to the supervisor.
    let umount = || Command::new("umount").arg(&mount.at).status().is_ok_and(|s| s.success());
    assert!(until(PATIENCE, umount));
    let is_clean = || {
        !mount.at.exists() && fs::read_dir(session.state()).is_ok_and(|files| files.count() == 0)
    };
    assert!(until(Duration::from_secs(1), is_clean), "record and directory go at once");
    assert!(until(PATIENCE, || !is_alive(mount.supervisor)));
    Ok(())
}

#[test]
fn users_of_a_mount_that_another_program_detached_may_finish() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let file = fs::File::open(mount.at.join("sources/install.wim"))?;
    mount_fuse::unmount(&mount.at, true)?;
    std::thread::sleep(Duration::from_secs(7));
    assert!(is_alive(mount.worker));
    let mut bytes = vec![0; 60_000];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 0)?;
    drop(file);
    assert!(until(PATIENCE, || !is_alive(mount.worker) && !is_alive(mount.supervisor)));
    Ok(())
}
