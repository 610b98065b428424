//! `info`, `ls`, `tree`, `cat` and `extract` read a stranger's image inside the sandbox, and all
//! that they do in normal use goes there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::program::{self, Ended, PATIENCE, Running, Session, can_mount, until};

/// The fields of `/proc/PID/status`.
fn status(pid: u32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// The status of a command that has begun to write and waits for somebody to read that.
fn status_while_it_waits(command: &mut Command) -> Result<BTreeMap<String, String>> {
    let child = Running(command.stdin(Stdio::null()).spawn()?);
    let pid = child.0.id();
    let is_inside = || status(pid).get("Seccomp").is_some_and(|mode| mode == "2");
    ensure!(until(PATIENCE, is_inside), "it does not enter the sandbox");
    Ok(status(pid))
}

#[test]
fn a_command_that_reads_an_image_has_a_filter_and_no_rights() -> Result<()> {
    let session = Session::new()?;
    fs::create_dir(session.path("tree"))?;
    fs::write(session.path("tree/long"), vec![7u8; 4 << 20])?;
    for number in 0..2000 {
        let link = session.path("tree").join(format!("link{number}"));
        std::os::unix::fs::symlink("/outside/of/it", link)?;
    }
    corpus::make_image(&session.path("tree"), &session.path("x.iso"))?;
    let is_root = rustix::process::geteuid().is_root();

    for arguments in [&["cat", "x.iso", "long"][..], &["ls", "-l", "x.iso"], &["tree", "x.iso"]] {
        let mut command = session.command(arguments)?;
        let status = status_while_it_waits(command.stdout(Stdio::piped()))?;
        assert_eq!((&*status["NoNewPrivs"], &*status["Seccomp"]), ("1", "2"), "{arguments:?}");
        assert_eq!(status["CapEff"], "0000000000000000", "{arguments:?}");
        assert!(!is_root || status["Uid"].starts_with("65534\t"), "{}", status["Uid"]);
    }
    let mut command = session.command(&["extract", "x.iso", "-C", "out"])?;
    let status = status_while_it_waits(command.stderr(Stdio::piped()))?;
    assert_eq!((&*status["NoNewPrivs"], &*status["Seccomp"]), ("1", "2"));
    // CAP_DAC_OVERRIDE and CAP_FOWNER: root fills folders of others.
    let rights = if is_root { "000000000000000a" } else { "0000000000000000" };
    assert_eq!((&*status["CapEff"], &*status["CapPrm"]), (rights, rights));
    assert_eq!(status["CapBnd"], if is_root { "0000000000000000" } else { &status["CapBnd"] });
    Ok(())
}

/// Whether calls can be watched here. With `CI=true` that is no excuse.
fn can_trace() -> bool {
    let is_there = Command::new("strace").arg("-V").output().is_ok();
    assert!(is_there || std::env::var("CI").as_deref() != Ok("true"), "CI has no strace");
    if !is_there {
        println!("not run: there is no strace here");
    }
    is_there
}

/// The calls that a command was refused once it was in the sandbox.
fn refused(trace: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(trace)?;
    let inside: Vec<&str> = text.lines().collect();
    let entered = inside.iter().rposition(|line| line.contains("SECCOMP_SET_MODE_FILTER"));
    let entered = entered.context("it did not enter the sandbox")?;
    let refused = inside[entered..].iter().filter(|line| line.contains("= -1 EPERM"));
    Ok(refused.map(|line| (*line).to_owned()).collect())
}

#[test]
fn no_call_is_refused_in_normal_use_of_any_command() -> Result<()> {
    if !can_trace() {
        return Ok(());
    }
    let image = corpus::unpack(&corpus::repository().join("tests/corpus/zisofs.iso.zst"))?;
    for session in [Some(Session::new()?), Session::of_nobody()?].into_iter().flatten() {
        fs::copy(corpus::repository().join("samples/setup-disc.iso"), session.path("a.iso"))?;
        fs::copy(&image.path, session.path("b.iso"))?;
        for (number, (name, file)) in
            [("a.iso", "setup.exe"), ("b.iso", "")].into_iter().enumerate()
        {
            let into = format!("out{number}");
            let mut commands = vec![
                vec!["info", name],
                vec!["info", "--json", name],
                vec!["ls", "-l", name],
                vec!["tree", "-vvv", name],
                vec!["extract", name, "-C", &into],
                vec!["extract", "--overwrite", name, "-C", &into],
            ];
            if !file.is_empty() {
                commands.push(vec!["cat", name, file]);
            }
            for arguments in commands {
                let trace = session.path("trace");
                let wrapper = ["strace", "-f", "-o", trace.to_str().context("a path")?];
                let ended = Ended::of(&session.command_under(&wrapper, &arguments)?.output()?);
                assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
                let refused = refused(&trace)?;
                assert!(refused.is_empty(), "{arguments:?}: {refused:?}");
                assert!(!ended.err.contains("sandbox is not"), "{}", ended.err);
                fs::remove_file(&trace)?;
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_printed_may_go_into_a_file_of_any_length() -> Result<()> {
    let session = Session::with_disc()?;
    for arguments in [&["cat", "disc.iso", "sources/install.wim"][..], &["tree", "disc.iso"]] {
        let want = session.run(arguments)?;
        assert_eq!(want.code, 0, "{}", want.err);
        let file = File::create(session.path("printed"))?;
        let status = session.command(arguments)?.stdout(file).status()?;
        assert!(status.success(), "{status:?}");
        assert!(fs::read(session.path("printed"))? == want.bytes);
    }
    // A reader that goes away is no news.
    let mut command = session.command(&["cat", "disc.iso", "sources/install.wim"])?;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().context("its messages")?.read_to_string(&mut said)?;
    child.wait()?;
    assert_eq!(said, "");
    Ok(())
}

#[test]
fn a_system_that_lacks_a_part_runs_the_commands_with_one_notice() -> Result<()> {
    let session = Session::with_disc()?;
    let wrapper = [env!("CARGO_BIN_EXE_escape"), "old-kernel"];
    for arguments in [
        &["info", "disc.iso"][..],
        &["ls", "disc.iso"],
        &["tree", "disc.iso"],
        &["cat", "disc.iso", "README.TXT"],
        &["extract", "disc.iso", "-C", "out"],
    ] {
        let want = session.run(arguments)?;
        assert_eq!((want.code, &*want.err), (0, ""), "{arguments:?}");
        let _ = fs::rename(session.path("out"), session.path("out.before"));
        let output = session.command_under(&wrapper, arguments)?.output()?;
        let ended = Ended::of(&output);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(ended.bytes == want.bytes, "{arguments:?}");
        assert_eq!(ended.err.lines().count(), 2, "{}", ended.err);
        assert!(ended.err.contains("the sandbox is not complete"), "{}", ended.err);
        assert!(ended.err.contains("Landlock: this kernel lacks it"), "{}", ended.err);
    }
    Ok(())
}

#[test]
fn an_image_on_ones_own_fuse_mount_is_read() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    fs::create_dir(session.path("tree"))?;
    fs::rename(session.path("disc.iso"), session.path("tree/inner.iso"))?;
    corpus::make_image(&session.path("tree"), &session.path("outer.iso"))?;
    session.mount(&["outer.iso", "here"])?;
    for arguments in [
        &["info", "here/inner.iso"][..],
        &["ls", "here/inner.iso"],
        &["cat", "here/inner.iso", "README.TXT"],
        &["extract", "here/inner.iso", "-C", "out"],
    ] {
        let ended = session.run(arguments)?;
        // Root's own FUSE mount lets in nobody but root, which is said once; `extract` stays its
        // user anyway.
        let is_said = program::is_root("becoming another user") && arguments[0] != "extract";
        let want = if is_said { "it stays root, but without capabilities" } else { "" };
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(want), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), if is_said { 2 } else { 0 }, "{}", ended.err);
    }
    assert_eq!(fs::metadata(session.path("out/sources/install.wim"))?.len(), 60_000);
    Ok(())
}

#[test]
fn root_fills_a_folder_of_somebody_else_and_the_files_are_roots() -> Result<()> {
    if !program::is_root("a folder of another user") {
        return Ok(());
    }
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let session = Session::with_disc()?;
    let out = session.path("out");
    fs::create_dir_all(out.join("sources"))?;
    for folder in [out.join("sources"), out.clone()] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o555))?;
        std::os::unix::fs::chown(&folder, Some(1234), Some(1234))?;
    }
    let ended = session.run(&["extract", "disc.iso", "-C", "out"])?;
    assert_eq!((ended.code, &*ended.err), (0, ""));
    assert_eq!(fs::metadata(out.join("setup.exe"))?.uid(), 0);
    let sources = fs::metadata(out.join("sources"))?;
    assert_eq!((sources.uid(), sources.mtime()), (1234, 1_290_254_400), "its time is set");
    Ok(())
}
