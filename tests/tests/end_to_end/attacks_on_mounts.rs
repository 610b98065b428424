//! Attacks on a mount from outside and from a worker that was taken over: folders swapped under
//! root's feet, false messages to the supervisor, logs without end.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::program::{
    Mount, NOBODY, PATIENCE, Session, can_mount, is_alive, is_mounted, is_root, until,
};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// Times that each attack is made.
const LOOPS: usize = 100;

/// Exchanges two names as an ordinary user, as fast as it can.
struct Swapper {
    is_over: std::sync::Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl Swapper {
    fn start(one: PathBuf, other: PathBuf) -> Self {
        let is_over = std::sync::Arc::new(AtomicBool::new(false));
        let flag = is_over.clone();
        let thread = std::thread::spawn(move || {
            let nobody = rustix::thread::Uid::from_raw(NOBODY);
            // Of this thread alone.
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            let mut swaps = 0;
            while !flag.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let here = rustix::fs::CWD;
                swaps +=
                    u64::from(rustix::fs::renameat_with(here, &one, here, &other, flags).is_ok());
            }
            swaps
        });
        Self { is_over, thread: Some(thread) }
    }

    fn stop(mut self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().map_or(0, |thread| thread.join().unwrap_or(0))
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// A folder of nobody's with a directory and a link to one of root's, both with `mnt` in it.
fn two_ways(session: &Session) -> Result<(PathBuf, PathBuf)> {
    let secret = session.path("secret");
    fs::create_dir_all(secret.join("mnt"))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&secret, mode)?;
    let theirs = session.path("theirs");
    fs::create_dir_all(theirs.join("way/mnt"))?;
    symlink(&secret, theirs.join("link"))?;
    for name in ["", "way", "way/mnt", "link"] {
        std::os::unix::fs::lchown(theirs.join(name), Some(NOBODY), Some(NOBODY))?;
    }
    Ok((secret, theirs))
}

fn mounts_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    Ok(points.filter(|point| point.starts_with(folder)).collect())
}

#[test]
fn a_folder_that_is_swapped_for_a_link_never_takes_the_mount_elsewhere() -> Result<()> {
    if !can_mount() || !is_root("mounting in a folder of another user") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let (secret, theirs) = two_ways(&session)?;
    let swapper = Swapper::start(theirs.join("way"), theirs.join("link"));
    let (mut mounted, mut refused) = (0, 0);
    for _ in 0..LOOPS {
        let ended = session.run(&["mount", "--quiet", "disc.iso", "theirs/way/mnt"])?;
        assert_eq!(mounts_below(&secret)?, Vec::<PathBuf>::new(), "mounted over root's directory");
        match ended.code {
            0 => mounted += 1,
            7 => refused += 1,
            code => panic!("{code}: {}", ended.err),
        }
        if ended.code == 0 {
            let ended = session.run(&["eject", "disc.iso"])?;
            // The folder may be a link at that moment.
            assert!(ended.code == 0 || ended.err.contains("symbolic link"), "{}", ended.err);
            let eject = || session.run(&["eject", "--if-mounted", "disc.iso"]);
            assert!(until(PATIENCE, || eject().is_ok_and(|ended| ended.code == 0)));
        }
    }
    let swaps = swapper.stop();
    println!("{swaps} swaps: {mounted} mounted where it should be, {refused} refused");
    assert!(swaps > 1000 && mounted + refused == LOOPS);
    Ok(())
}

#[test]
fn a_folder_that_is_swapped_while_ejecting_never_ejects_another_mount() -> Result<()> {
    if !can_mount() || !is_root("mounting in a folder of another user") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    fs::copy(session.path("disc.iso"), session.path("other.iso"))?;
    let (secret, theirs) = two_ways(&session)?;
    let other = session.mount(&["other.iso", "secret/mnt"])?;
    for _ in 0..LOOPS {
        let mount = session.mount(&["disc.iso", "theirs/way/mnt"])?;
        let swapper = Swapper::start(theirs.join("way"), theirs.join("link"));
        // By a signal too: the supervisor unmounts by itself then.
        rustix::process::kill_process(
            Pid::from_raw(mount.supervisor).context("a process")?,
            rustix::process::Signal::TERM,
        )?;
        assert!(until(PATIENCE, || !is_alive(mount.supervisor)));
        swapper.stop();
        assert!(is_mounted(&other.at) && is_alive(other.worker), "root's mount is gone");
        if fs::symlink_metadata(theirs.join("way"))?.is_symlink() {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            let here = rustix::fs::CWD;
            let (one, two) = (theirs.join("way"), theirs.join("link"));
            rustix::fs::renameat_with(here, &one, here, &two, flags)?;
        }
        assert_eq!(mounts_below(&theirs)?, Vec::<PathBuf>::new(), "a dead mount");
    }
    assert_eq!(mounts_below(&secret)?, [secret.join("mnt")]);
    Ok(())
}

/// A descriptor of a worker, as a copy: what one that was taken over could do, a test can do.
fn stolen(pid: i32, descriptor: i32) -> Result<OwnedFd> {
    let pid = Pid::from_raw(pid).context("a process")?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    Ok(pidfd_getfd(process, descriptor, PidfdGetfdFlags::empty())?)
}

#[test]
fn a_worker_that_lies_or_closes_its_socket_leaves_no_dead_mount() -> Result<()> {
    if !can_mount() || !is_root("taking a descriptor of another process") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let long = format!("{{\"Failed\":{{\"exit\":0,\"message\":\"{}\"}}}}", "x".repeat(60_000));
    let messages: [Option<&[u8]>; 5] = [
        Some(b"no JSON"),
        Some(b"{\"Ended\":null}"),
        Some(b"{\"Ended\":\"\\u001b[2J\"}"),
        Some(long.as_bytes()),
        None,
    ];
    let mut slowest = Duration::ZERO;
    for round in 0..LOOPS {
        let mount = session.mount(&["disc.iso", "here"])?;
        let socket = stolen(mount.worker, 0)?;
        let before = Instant::now();
        match messages[round % messages.len()] {
            Some(bytes) => {
                rustix::net::send(&socket, bytes, rustix::net::SendFlags::NOSIGNAL)?;
            }
            None => rustix::net::shutdown(&socket, rustix::net::Shutdown::Both)?,
        }
        drop(socket);
        let is_gone = || {
            !is_mounted(&mount.at)
                && !mount.at.exists()
                && !is_alive(mount.worker)
                && !is_alive(mount.supervisor)
        };
        assert!(until(PATIENCE, is_gone), "round {round}: {mount:?}");
        slowest = slowest.max(before.elapsed());
    }
    println!("{LOOPS} of {LOOPS}, the slowest after {slowest:?}");
    Ok(())
}

#[test]
fn a_worker_cannot_fill_the_log() -> Result<()> {
    if !can_mount() || !is_root("taking a descriptor of another process") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["--log-file", "log", "disc.iso", "here"])?;
    let mut log = fs::File::from(stolen(mount.worker, 2)?);
    let line = format!("E {}\n", "x".repeat(1000));
    for _ in 0..60_000 {
        log.write_all(line.as_bytes())?;
    }
    drop(log);
    let len = || fs::metadata(session.path("log")).map_or(0, |file| file.len());
    println!("60 MB of lines became {} bytes", len());
    assert!(len() > 1000 && len() < 8 << 20, "{}", len());
    let text = String::from_utf8_lossy(&fs::read(session.path("log"))?).into_owned();
    assert!(text.contains("the worker's log is full") || text.contains("logs too much"));
    assert!(!fs::read(mount.at.join("sources/ei.cfg"))?.is_empty(), "it serves on");
    Ok(())
}

#[test]
fn a_worker_that_keeps_its_pipe_open_holds_nobody_past_the_ready_time() -> Result<()> {
    if !can_mount() || !isodrive_tests::kernel_driver::can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let tree = session.path("tree");
    for folder in 0..200 {
        fs::create_dir_all(tree.join(format!("d{folder}")))?;
        for file in 0..100 {
            fs::write(tree.join(format!("d{folder}/file-{file}")), b"")?;
        }
    }
    corpus::make_image(&tree, &session.path("disc.iso"))?;
    let held = (0..10).find_map(|_| hold_the_pipe(&session).transpose()).transpose()?;
    let Some((took, code, err)) = held else {
        println!("not run: the pipe of a worker could not be taken in time");
        return Ok(());
    };
    assert_eq!(code, Some(12), "{err}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(mounts_below(&session.path("here"))?, Vec::<PathBuf>::new());
    assert!(!session.path("here").exists());
    Ok(())
}

/// Mounts by EROFS and keeps the worker's pipe open meanwhile; nothing if that was too late.
fn hold_the_pipe(session: &Session) -> Result<Option<(Duration, Option<i32>, String)>> {
    let mut command = session.command(&[
        "mount",
        "--driver",
        "erofs",
        "--ready-timeout",
        "3s",
        "disc.iso",
        "here",
    ])?;
    let before = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let pid = i32::try_from(child.id())?;
    let mut pipe = None;
    while pipe.is_none() && before.elapsed() < Duration::from_secs(2) {
        pipe = workers_pipe(pid);
    }
    let output = child.wait_with_output()?;
    let took = before.elapsed();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        ensure!(session.run(&["eject", "here"])?.code == 0, "eject");
        return Ok(None);
    }
    Ok(pipe.map(|_| (took, output.status.code(), err)))
}

/// The write end of the pipe that a worker sends metadata down, once it has it.
fn workers_pipe(caller: i32) -> Option<OwnedFd> {
    let children = |pid: i32| -> Vec<i32> {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    };
    let workers = children(caller).into_iter().flat_map(children);
    workers.into_iter().find_map(|worker| {
        let open = fs::read_dir(format!("/proc/{worker}/fd")).ok()?.flatten();
        let pipes = open.filter(|entry| {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            target.to_string_lossy().starts_with("pipe:")
        });
        // Its log is the descriptor 2.
        let mut numbers = pipes.filter_map(|pipe| pipe.file_name().to_str()?.parse::<i32>().ok());
        let number = numbers.find(|number| *number > 2)?;
        let stolen = stolen(worker, number).ok()?;
        rustix::io::write(stolen.as_fd(), &[]).ok().map(|_| stolen)
    })
}

#[test]
fn mounts_of_one_image_at_one_moment_are_one_mount() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for round in 0..30 {
        let arguments = ["mount", "--print-path", "disc.iso"];
        let start = || -> Result<std::process::Child> {
            let mut command = session.command(&arguments)?;
            Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
        };
        let children = [start()?, start()?, start()?, start()?];
        let mut paths = Vec::new();
        for child in children {
            let output = child.wait_with_output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            paths.push(String::from_utf8(output.stdout)?);
        }
        paths.dedup();
        assert_eq!(paths.len(), 1, "round {round}: {paths:?}");
        assert_eq!(session.list()?.len(), 1);
        assert_eq!(session.run(&["eject", "disc.iso"])?.code, 0);
    }
    Ok(())
}

#[test]
fn options_that_a_mount_cannot_share_are_named_and_others_share_it() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let first = session.mount(&["disc.iso"])?;
    for same in [&["-t", "udf"][..], &["--session", "1"], &["-o", "ro,noatime"]] {
        let mount = session.mount(&[same, &["disc.iso"]].concat())?;
        assert_eq!(mount.supervisor, first.supervisor, "{same:?}");
    }
    for option in [
        &["--foreground"][..],
        &["--idle", "5m"],
        &["--strict"],
        &["--no-sandbox"],
        &["--memory-limit", "256M"],
        &["--log-file", "log"],
    ] {
        let ended = session.run(&[&["mount"], option, &["disc.iso"]].concat())?;
        assert_eq!(ended.code, 9, "{option:?}: {}", ended.err);
        assert!(ended.err.contains(option[0]) && ended.err.contains("eject"), "{}", ended.err);
    }
    let other = session.mount(&["-t", "iso9660", "disc.iso"])?;
    assert!(other.supervisor != first.supervisor, "another view is another mount");
    assert_eq!(session.list()?.len(), 2);

    // A cut image is mounted with a warning, and refused where that is asked for.
    let bytes = fs::read(session.path("disc.iso"))?;
    fs::write(session.path("cut.iso"), &bytes[..bytes.len() - 100_000])?;
    session.mount(&["cut.iso"])?;
    let ended = session.run(&["mount", "--strict", "cut.iso"])?;
    assert_eq!(ended.code, 5, "{}", ended.err);
    assert!(ended.err.contains("are missing"), "{}", ended.err);
    Ok(())
}

#[test]
fn a_mount_point_behind_a_link_of_another_user_is_refused_with_the_reason() -> Result<()> {
    if !can_mount() || !is_root("a link of another user") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let (_, theirs) = two_ways(&session)?;
    let ended = session.run(&["mount", "disc.iso", "theirs/link/mnt"])?;
    assert_eq!(ended.code, 7, "{}", ended.err);
    assert!(ended.err.contains("a symbolic link of another user"), "{}", ended.err);
    // One's own links are one's own business.
    symlink(theirs.join("way"), session.path("own"))?;
    let mount: Mount = session.mount(&["disc.iso", "own/mnt"]).context("own link")?;
    assert_eq!(mount.at, theirs.join("way/mnt"));
    let umount = || Command::new("umount").arg(&mount.at).status().is_ok_and(|s| s.success());
    assert!(until(PATIENCE, umount));
    Ok(())
}
