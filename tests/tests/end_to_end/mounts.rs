//! The life of a mount as its user sees it: it is there when `mount` returns, and gone without a
//! trace when `eject` does.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use isodrive_tests::corpus;
use isodrive_tests::program::{self, PATIENCE, Session, can_mount, is_mounted, until};

fn sample() -> String {
    corpus::repository().join("samples/setup-disc.iso").to_string_lossy().into_owned()
}

/// Held by tests that eject by label: a label means a mount of any home, and it must be the only
/// one of its name.
static LABEL: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn a_disc_appears_under_its_label_and_goes_without_a_trace() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let _alone = LABEL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let session = Session::new()?;
    let ended = session.run(&["mount", &sample()])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let at = session.path("isodrive/SETUP_EN_DVD");
    let want = format!(
        "Mounted  SETUP_EN_DVD, UDF 1.02\nat       {}\neject with:  isodrive eject SETUP_EN_DVD\n",
        at.display()
    );
    assert_eq!(ended.out, want);
    assert_eq!(fs::metadata(at.join("sources/install.wim"))?.len(), 60_000);
    let again = session.run(&["mount", "--print-path", &sample()])?;
    assert_eq!(again.out, format!("{}\n", at.display()), "the one that is there, and nothing new");
    let ended = session.run(&["eject", "SETUP_EN_DVD"])?;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(!session.path("isodrive").exists(), "neither the directory nor the one above it");
    let ended = session.run(&["eject", "SETUP_EN_DVD"])?;
    assert_eq!(ended.code, 10, "{}", ended.err);
    assert_eq!(session.run(&["eject", "--if-mounted", "SETUP_EN_DVD"])?.code, 0);
    Ok(())
}

#[test]
fn the_mount_is_read_only_without_set_id_and_devices_and_reads_what_cat_reads() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    assert_eq!(session.run(&["mount", &sample(), "here"])?.code, 0);
    let here = session.path("here");
    for (what, result) in [
        ("create", fs::write(here.join("new"), b"x")),
        ("overwrite", fs::OpenOptions::new().write(true).open(here.join("setup.exe")).map(drop)),
        ("remove", fs::remove_file(here.join("setup.exe"))),
        ("make", fs::create_dir(here.join("dir"))),
        ("rename", fs::rename(here.join("setup.exe"), here.join("x"))),
    ] {
        assert_eq!(result.unwrap_err().raw_os_error(), Some(30), "{what} is EROFS");
    }
    let file = fs::File::open(here.join("sources/install.wim"))?;
    let whole = session.run(&["cat", &sample(), "sources/install.wim"])?.bytes;
    for (offset, len) in [(0, 60_000), (59_999, 10), (60_000, 10), (2047, 2), (12_345, 40_000)] {
        let mut buf = vec![0; len];
        let got = file.read_at(&mut buf, offset as u64)?;
        let want = &whole[offset.min(60_000)..(offset + len).min(60_000)];
        assert!(buf[..got] == *want, "{offset}+{len}");
    }
    let root = fs::metadata(&here)?;
    assert_eq!(root.ino(), 1);
    assert_eq!(root.mode() & 0o7777, 0o555);
    drop(file);
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    assert!(!here.exists(), "it was made for the mount");
    Ok(())
}

#[test]
fn a_busy_mount_says_who_and_can_be_detached() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    assert_eq!(session.run(&["mount", &sample(), "here"])?.code, 0);
    let here = session.path("here");
    let mut user = Command::new("sleep").arg("60").current_dir(here.join("sources")).spawn()?;
    let ended = session.run(&["eject", "here"])?;
    assert_eq!(ended.code, 9, "{}", ended.err);
    let holder = format!("sleep (pid {}) is in sources", user.id());
    assert!(ended.err.contains(&holder) && ended.err.contains("--lazy"), "{}", ended.err);
    assert_eq!(session.run(&["eject", "--lazy", "here"])?.code, 0);
    assert!(!is_mounted(&here));
    user.kill()?;
    user.wait()?;
    assert!(until(PATIENCE, || !here.exists()), "the directory goes with the last user");
    Ok(())
}

#[test]
fn a_signal_or_another_program_ends_a_mount_cleanly() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    for (how, code) in
        [("TERM", Some(0)), ("INT", Some(130)), ("HUP", Some(0)), ("umount", Some(0))]
    {
        let session = Session::new()?;
        let here = session.path("here");
        let mut server = Command::new(program::path()?)
            .args(["mount", "--foreground", &sample()])
            .arg(&here)
            .env("HOME", session.path(""))
            .stdout(std::process::Stdio::null())
            .spawn()?;
        assert!(until(PATIENCE, || here.join("setup.exe").exists()), "{how}: mounted");
        if how == "umount" {
            let umount =
                || Command::new("umount").arg(&here).status().is_ok_and(|status| status.success());
            assert!(until(PATIENCE, umount));
        } else {
            let pid = server.id().to_string();
            assert!(Command::new("kill").args([&format!("-{how}"), &pid]).status()?.success());
        }
        assert_eq!(server.wait()?.code(), code, "{how}");
        assert!(!is_mounted(&here) && !here.exists(), "{how} left something behind");
    }
    Ok(())
}

#[test]
fn two_discs_with_one_label_get_two_places() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let _alone = LABEL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let session = Session::new()?;
    fs::copy(sample(), session.path("other.iso"))?;
    let first = session.run(&["mount", "--print-path", &sample()])?;
    let second = session.run(&["mount", "--print-path", "other.iso"])?;
    assert!(first.out.ends_with("/SETUP_EN_DVD\n"), "{}", first.err);
    assert!(second.out.ends_with("/SETUP_EN_DVD (1)\n"), "{}", second.err);
    let ended = session.run(&["mount", "other.iso", first.out.trim()])?;
    assert_eq!(ended.code, 7, "something is mounted there: {}", ended.err);
    assert_eq!(session.run(&["eject", "other.iso", first.out.trim()])?.code, 0);
    assert!(!session.path("isodrive").exists());
    Ok(())
}

#[test]
fn an_image_that_is_cut_or_rewritten_while_mounted_gives_errors_not_zeros() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let image = session.path("disc.iso");
    fs::copy(sample(), &image)?;
    assert_eq!(session.run(&["mount", "disc.iso", "here"])?.code, 0);
    let here = session.path("here");
    let server_is_there = || here.join(".").read_dir().is_ok();
    let len = fs::metadata(&image)?.len();
    fs::OpenOptions::new().write(true).open(&image)?.set_len(len / 2)?;
    let error = fs::read(here.join("sources/install.wim")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5), "EIO: {error}");
    assert!(server_is_there(), "the server lives on");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);

    fs::copy(sample(), &image)?;
    assert_eq!(session.run(&["mount", "disc.iso", "here"])?.code, 0);
    std::thread::sleep(Duration::from_millis(20));
    fs::OpenOptions::new().write(true).open(&image)?.write_at(b"other", len / 2)?;
    let error = fs::read(here.join("sources/install.wim")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5), "never a mixture of two images: {error}");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn directories_list_the_same_however_they_are_read() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir(&tree)?;
    for n in 0..3000 {
        fs::write(tree.join(format!("file-{n:04}-{}", "x".repeat(40))), b"")?;
    }
    corpus::make_image(&tree, &session.path("many.iso"))?;
    assert_eq!(session.run(&["mount", "many.iso", "here"])?.code, 0);
    let names = || -> Result<Vec<std::ffi::OsString>> {
        fs::read_dir(session.path("here"))?.map(|entry| Ok(entry?.file_name())).collect()
    };
    let first = names()?;
    let mut sorted = first.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), 3000, "every name once");
    assert_eq!(names()?, first, "the same the second time");
    let many: Vec<_> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..8).map(|_| scope.spawn(|| names().unwrap())).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    assert!(many.iter().all(|names| *names == first));
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}
