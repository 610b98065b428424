//! Mounts that are not where they were, or not what they were: a folder on the way has another
//! name, or nobody serves them any more. `list` says so, and `eject` leaves nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use isodrive_tests::program::{
    self, Mount, PATIENCE, Running, Session, can_mount, is_alive, is_mounted, until,
};
use rustix::process::Signal;

fn is_gone(mount: &Mount) -> bool {
    !is_alive(mount.supervisor) && !is_alive(mount.worker) && !is_mounted(&mount.at)
}

#[test]
fn a_mount_whose_folder_was_renamed_is_listed_and_ejected_where_it_is() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let (old, new) = (session.path("a/renamed-above"), session.path("b/renamed-above"));
    let (old_text, new_text) = (old.to_str().context("a path")?, new.to_str().context("a path")?);
    for driver in program::drivers() {
        for target in ["renamed-above", "disc.iso", "SETUP_EN_DVD", new_text, old_text] {
            fs::create_dir(session.path("a"))?;
            let mount = session.mount(&[&driver[..], &["disc.iso", "a/renamed-above"]].concat())?;
            fs::rename(session.path("a"), session.path("b"))?;
            let at = session.list()?[0]["at"]["name"].clone();
            assert_eq!(at.as_str(), Some(new_text), "{driver:?}: list");
            let again = [&["mount", "--json"], &driver[..], &["disc.iso"]].concat();
            let again = session.run(&again)?;
            assert!(again.out.contains("\"already_mounted\":true"), "{}", again.out);
            assert!(again.out.contains(new_text), "{}", again.out);
            let ended = session.run(&["eject", target])?;
            // Another test may copy the mount into a namespace of its own, which is reported.
            assert_eq!(ended.code, 0, "{driver:?}: {target}: {}", ended.err);
            assert!(until(PATIENCE, || is_gone(&mount)) && !is_mounted(&new), "{target}");
            assert!(!new.exists(), "{driver:?}: {target} leaves the folder that was made");
            fs::remove_dir(session.path("b"))?;
        }
    }
    // What is there now is a path, of something else.
    fs::create_dir(session.path("a"))?;
    let mount = session.mount(&["disc.iso", "a/renamed-above"])?;
    fs::rename(session.path("a"), session.path("b"))?;
    fs::create_dir_all(&old)?;
    assert_eq!(session.run(&["eject", "a/renamed-above"])?.code, 10);
    // By a signal, and with everybody killed.
    program::signal(mount.supervisor, Signal::TERM)?;
    assert!(until(PATIENCE, || is_gone(&mount)) && !new.exists(), "by a signal");
    for who in ["supervisor", "everybody"] {
        let mount = session.mount(&["disc.iso", "b/renamed-above"])?;
        fs::rename(session.path("b"), session.path("c"))?;
        if who == "everybody" {
            mount.kill_everybody()?;
            let ended = session.run(&["eject", "disc.iso"])?;
            assert_eq!(ended.code, 0, "{who}: {}", ended.err);
        } else {
            program::signal(mount.supervisor, Signal::KILL)?;
        }
        // A dead mount is no file to `exists` either, while the guardian is still at work.
        let at = session.path("c/renamed-above");
        let found = || fs::symlink_metadata(&at).map_err(|error| error.kind());
        assert!(until(PATIENCE, || found().err() == Some(ErrorKind::NotFound)), "{who}");
        fs::rename(session.path("c"), session.path("b"))?;
    }
    Ok(())
}

#[test]
fn a_mount_that_nobody_serves_is_ejected_whatever_holds_it() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for how in ["cwd", "open", "map", "mount"] {
        let mount = session.mount(&["disc.iso", "here"])?;
        let inner = mount.at.join("support");
        let _holder = if how == "mount" {
            if !program::is_root("mounting in a mount") {
                continue;
            }
            let mut tmpfs = std::process::Command::new("mount");
            assert!(tmpfs.args(["-t", "tmpfs", "none"]).arg(&inner).status()?.success());
            None
        } else {
            let path = if how == "cwd" { "sources" } else { "sources/install.wim" };
            let path = mount.at.join(path);
            let client = env!("CARGO_BIN_EXE_client");
            Some(Running::client(client, &[how.as_ref(), path.as_ref()])?)
        };
        mount.kill_everybody()?;
        let ended = session.run(&["eject", "here"])?;
        assert_eq!(ended.code, 0, "{how}: {}", ended.err);
        assert!(!is_mounted(&mount.at) && !is_mounted(&inner), "{how}");
        assert!(!mount.at.exists(), "{how}: the folder that was made stays");
        assert_eq!(fs::read_dir(session.state())?.count(), 0, "{how}: a record stays");
    }
    Ok(())
}

#[test]
fn a_mount_whose_folder_is_replaced_meanwhile_stands_or_is_refused_for_its_place() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    fs::create_dir_all(session.path("way/mnt"))?;
    fs::create_dir(session.path("decoy"))?;
    let [way, away, decoy] = ["way", "away", "decoy"].map(|name| session.path(name));
    let is_over = AtomicBool::new(false);
    let mut codes = BTreeMap::new();
    std::thread::scope(|scope| -> Result<()> {
        let swapper = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let steps = [(&way, &away), (&decoy, &way), (&way, &decoy), (&away, &way)];
                steps.iter().try_for_each(|(from, to)| fs::rename(from, to)).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let mount = || -> Result<()> {
            for _ in 0..100 {
                let ended = session.run(&["mount", "--quiet", "disc.iso", "way/mnt"])?;
                assert!(matches!(ended.code, 0 | 7), "{}: {}", ended.code, ended.err);
                *codes.entry(ended.code).or_insert(0) += 1;
                let eject = || session.run(&["eject", "--if-mounted", "disc.iso"]);
                let is_ejected = || eject().is_ok_and(|ended| ended.code == 0);
                assert!(until(PATIENCE, is_ejected));
            }
            Ok(())
        };
        // The swapper must end however this does.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(mount));
        is_over.store(true, Ordering::Relaxed);
        swapper.join().map_err(|_| anyhow::anyhow!("a folder was not renamed"))?;
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    println!("exit codes: {codes:?}");
    assert!(session.list()?.is_empty());
    Ok(())
}
