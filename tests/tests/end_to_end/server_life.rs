//! What is left of a mount when its processes are killed, stopped, or asked to end (F33 to F46 of
//! the faults that must be survived): nothing, or what the next command cleans up by itself.

use std::fs;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isodrive_tests::corpus;
use isodrive_tests::faulty::{Faults, Loop, Medium};
use isodrive_tests::program::{
    self, Ended, Mount, PATIENCE, Running, Session, can_mount, is_alive, is_mounted, signal, until,
};
use rustix::process::Signal;

/// Times that each way of killing is tried.
const LOOPS: usize = 100;

/// Nothing is left of a mount: no process, no mount, no directory, no state file.
fn is_gone(session: &Session, mount: &Mount) -> bool {
    let states = fs::read_dir(session.state()).map_or(0, |files| files.flatten().count());
    !is_alive(mount.supervisor)
        && !is_alive(mount.worker)
        && !is_mounted(&mount.at)
        && !mount.at.exists()
        && states == 0
}

#[test]
fn f33_a_killed_worker_leaves_nothing_a_second_later_a_hundred_times() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mut slowest = Duration::ZERO;
    for _ in 0..LOOPS {
        let mount = session.mount(&["disc.iso", "here"])?;
        let before = Instant::now();
        signal(mount.worker, Signal::KILL)?;
        assert!(until(PATIENCE, || is_gone(&session, &mount)), "{mount:?}");
        slowest = slowest.max(before.elapsed());
    }
    println!("{LOOPS} of {LOOPS}, the slowest after {slowest:?}");
    Ok(())
}

#[test]
fn f33_readers_of_a_killed_worker_get_errors_and_no_wrong_byte() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let name = "sources/install.wim";
    let want = session.run(&["cat", "disc.iso", name])?.bytes;
    let (over, failed, wrong) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..32 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let Ok(bytes) = fs::read(mount.at.join(name)) else {
                        failed.fetch_add(1, Ordering::Relaxed);
                        return;
                    };
                    wrong.fetch_add(usize::from(bytes != want), Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(100));
        signal(mount.worker, Signal::KILL)?;
        let all_ended = || failed.load(Ordering::Relaxed) == 32;
        assert!(until(PATIENCE, all_ended), "a reader hangs");
        over.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    assert_eq!(wrong.into_inner(), 0);
    assert!(until(PATIENCE, || is_gone(&session, &mount)));
    Ok(())
}

/// A supervisor that is being killed can outlive its worker for a moment; one that is stopped does
/// so for as long as it takes to look.
#[test]
fn f34_a_dead_mount_whose_supervisor_is_still_there_is_not_taken_for_one_that_works() -> Result<()>
{
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let dead = session.mount(&["disc.iso", "here"])?;
    signal(dead.supervisor, Signal::STOP)?;
    signal(dead.worker, Signal::KILL)?;
    assert!(until(PATIENCE, || !is_alive(dead.worker)));
    let mount = session.mount(&["disc.iso", "here"])?;
    assert!(mount.supervisor != dead.supervisor && mount.worker != dead.worker);
    assert!(!fs::read(mount.at.join("sources/ei.cfg"))?.is_empty());
    // The one that wakes up takes nothing away but what is its own.
    signal(dead.supervisor, Signal::CONT)?;
    assert!(until(PATIENCE, || !is_alive(dead.supervisor)));
    assert_eq!(session.listed_state()?, "idle");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    assert_eq!(fs::read_dir(session.state())?.count(), 0);
    Ok(())
}

#[test]
fn f35_all_killed_the_next_mount_works_list_says_dead_and_doctor_cleans_up() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for _ in 0..LOOPS {
        let ended = session.run(&["mount", "disc.iso", "here"])?;
        assert_eq!(ended.code, 0, "{}", ended.err);
        session.mounted(&session.path("here"))?.kill_everybody()?;
    }
    assert!(is_mounted(&session.path("here")));
    assert!(session.listed_state()?.starts_with("dead"), "{}", session.listed_state()?);
    let ended = session.run(&["doctor"])?;
    assert!(ended.out.contains("is dead: the processes that kept it are gone"), "{}", ended.out);
    assert!(is_mounted(&session.path("here")), "looking cleans up nothing");
    let ended = session.run(&["doctor", "--fix"])?;
    assert!(ended.out.contains("was taken away"), "{}", ended.out);
    assert!(!is_mounted(&session.path("here")) && !session.path("here").exists());
    assert_eq!(fs::read_dir(session.state())?.count(), 0);

    // Without a state file it is known by the mount table alone.
    session.mount(&["disc.iso", "here"])?.kill_everybody()?;
    fs::remove_dir_all(session.state())?;
    assert!(session.listed_state()?.starts_with("dead"));
    assert_eq!(session.run(&["mount", "disc.iso", "here"])?.code, 0);
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn f36_a_dead_mount_of_another_program_is_left_alone() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let here = session.path("here");
    fs::create_dir(&here)?;
    if !program::is_root("a mount of another type") {
        return Ok(());
    }
    let device = fs::File::options().read(true).write(true).open("/dev/fuse")?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&device);
    let data = format!("fd={number},rootmode=40000,user_id=0,group_id=0");
    let data = std::ffi::CString::new(data)?;
    let flags = rustix::mount::MountFlags::RDONLY;
    rustix::mount::mount("other", &here, "fuse.other", flags, &*data)?;
    drop(device);
    for command in [&["mount", "disc.iso", "here"][..], &["doctor", "--fix"]] {
        let ended = session.run(command)?;
        if command[0] == "mount" {
            assert_eq!(ended.code, 7, "{}", ended.err);
            assert!(ended.err.contains("a dead mount of another program"), "{}", ended.err);
        }
        assert!(is_mounted(&here), "{command:?}");
    }
    assert_eq!(session.run(&["eject", "here"])?.code, 10);
    assert!(is_mounted(&here));
    Ok(())
}

#[test]
fn f37_signals_end_a_mount_cleanly_in_the_background_and_in_the_foreground() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for kind in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let mount = session.mount(&["disc.iso", "here"])?;
        // Even while somebody uses it.
        let file = fs::File::open(mount.at.join("sources/install.wim"))?;
        signal(mount.supervisor, Signal::PIPE)?;
        assert!(is_alive(mount.supervisor), "PIPE is ignored");
        signal(mount.supervisor, kind)?;
        assert!(until(PATIENCE, || is_gone(&session, &mount)), "{kind:?}");
        let late = file.read_exact_at(&mut [0; 16], 40_000);
        assert!(late.is_err() || is_cached(&file), "a reader that stayed gets an error");

        let mut running = foreground(&session)?;
        let pid = i32::try_from(running.0.id())?;
        signal(pid, kind)?;
        let status = running.0.wait()?;
        let want = if kind == Signal::INT { 130 } else { 0 };
        assert_eq!(status.code(), Some(want), "{kind:?}");
        assert!(!is_mounted(&session.path("here")) && !session.path("here").exists());
    }
    Ok(())
}

/// What the kernel had read already stays readable through an open file.
fn is_cached(file: &fs::File) -> bool {
    file.read_exact_at(&mut [0; 16], 40_000).is_ok()
}

/// A mount in the foreground, ready.
fn foreground(session: &Session) -> Result<Running> {
    let mut command = session.command(&["mount", "-f", "disc.iso", "here"])?;
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running(command.spawn()?);
    let ready =
        || session.path("here/sources").exists() && session.list().is_ok_and(|l| l.len() == 1);
    assert!(until(PATIENCE, ready));
    Ok(running)
}

#[test]
fn f37_a_closed_terminal_ends_the_foreground_and_not_the_background() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    // `script` gives a terminal, and closes it when its shell is killed.
    let start = |what: &str| -> Result<Running> {
        let program = session.command(&["mount"])?.get_program().to_owned();
        let line = format!("{} {what}; sleep 60", program.to_string_lossy());
        // Whoever runs the tests may have them ignore the signal, as `nohup` does.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", "script", "-qec", &line, "/dev/null"]);
        command.current_dir(session.path(""));
        command.env("HOME", session.path("")).env("ISODRIVE_STATE_DIR", session.state());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Ok(Running(command.spawn()?))
    };
    for (what, stays) in [("mount -f disc.iso here", false), ("mount disc.iso here", true)] {
        let terminal = start(what)?;
        // It stands in the mount table a moment before it is announced.
        let ready = || session.mounted(&session.path("here")).is_ok();
        assert!(until(PATIENCE, ready), "{what}");
        let mount = session.mounted(&session.path("here"))?;
        // The shell behind it waits for the mount in the foreground, or sleeps.
        std::thread::sleep(Duration::from_millis(300));
        drop(terminal);
        if stays {
            std::thread::sleep(Duration::from_millis(300));
            assert!(fs::read(mount.at.join("sources/ei.cfg")).is_ok());
            assert_eq!(session.run(&["eject", "here"])?.code, 0);
        }
        let left = || {
            let processes = (is_alive(mount.supervisor), is_alive(mount.worker));
            let place = (is_mounted(&mount.at), mount.at.exists());
            format!("{what}: alive {processes:?}, mounted and there {place:?}")
        };
        assert!(until(PATIENCE, || is_gone(&session, &mount)), "{}", left());
    }
    Ok(())
}

#[test]
fn f38_a_stopped_worker_is_reported_and_goes_on_when_it_is_continued() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["--log-file", "log", "disc.iso", "here"])?;
    signal(mount.worker, Signal::STOP)?;
    let waiting = std::thread::spawn({
        let file = mount.at.join("sources/install.wim");
        move || fs::read(file)
    });
    let reported = || session.listed_state().is_ok_and(|state| state == "not responding");
    assert!(until(Duration::from_secs(20), reported), "{:?}", session.listed_state());
    assert!(!waiting.is_finished(), "who asks waits");
    signal(mount.worker, Signal::CONT)?;
    assert_eq!(waiting.join().ok().context("the reader")??.len(), 60_000);
    let reported = || session.listed_state().is_ok_and(|state| state == "idle");
    assert!(until(Duration::from_secs(10), reported), "{:?}", session.listed_state());
    let log = fs::read_to_string(session.path("log"))?;
    assert!(log.contains("does not respond") && log.contains("responds again"), "{log}");
    Ok(())
}

#[test]
fn f39_little_memory_and_a_huge_cache_shrink_the_cache_and_abort_nothing() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let tree = session.path("tree");
    for folder in 0..50 {
        fs::create_dir_all(tree.join(format!("d{folder}")))?;
        for file in 0..100 {
            fs::write(tree.join(format!("d{folder}/file-{file}")), [7; 5000])?;
        }
    }
    corpus::make_image(&tree, &session.path("disc.iso"))?;
    let line = "ulimit -v 131072; exec \"$0\" \"$@\"";
    let arguments = ["mount", "--cache", "100G", "--log-file", "log", "disc.iso", "here"];
    let mut command = session.command_under(&["bash", "-c", line], &arguments)?;
    let ended = Ended::of(&command.output()?);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let here = session.path("here");
    let cat = ["-type", "f", "-exec", "cat", "{}", "+"];
    let output = Command::new("find").arg(&here).args(cat).output()?;
    assert_eq!(output.stdout.len(), 50 * 100 * 5000);
    let log = fs::read_to_string(session.path("log"))?;
    assert!(log.contains("the cache is smaller than asked"), "{log}");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn f40_f41_few_descriptors_and_closed_standard_streams_are_enough() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for line in [
        "ulimit -n 32; exec \"$0\" \"$@\"",
        "exec \"$0\" \"$@\" <&- >&- 2>&-",
        "exec \"$0\" \"$@\" <&-",
        "exec \"$0\" \"$@\" >&-",
        "exec \"$0\" \"$@\" 2>&-",
    ] {
        let arguments = ["mount", "disc.iso", "here"];
        let mut command = session.command_under(&["bash", "-c", line], &arguments)?;
        let ended = Ended::of(&command.output()?);
        assert_eq!(ended.code, 0, "{line}: {}", ended.err);
        let mount = session.mounted(&session.path("here"))?;
        assert_eq!(fs::read(mount.at.join("sources/install.wim"))?.len(), 60_000, "{line}");
        assert_eq!(session.run(&["eject", "here"])?.code, 0, "{line}");
        assert!(until(PATIENCE, || is_gone(&session, &mount)), "{line}");
    }
    Ok(())
}

#[test]
fn f42_what_is_missing_for_fuse_is_named() -> Result<()> {
    if !can_mount() || !program::is_root("hiding /dev/fuse") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let inside = |script: &str| -> Result<Ended> {
        let script = format!("{script}; exec \"$0\" \"$@\"");
        let wrapper = ["unshare", "-m", "bash", "-c", &script];
        let mut command = session.command_under(&wrapper, &["mount", "disc.iso", "here"])?;
        Ok(Ended::of(&command.output()?))
    };
    let ended = inside("mount -t tmpfs none /dev; mknod -m 666 /dev/null c 1 3")?;
    assert_eq!(ended.code, 8, "{}", ended.err);
    assert!(ended.err.contains("there is no /dev/fuse"), "{}", ended.err);
    assert!(!session.path("here").exists());

    let inner = ["unshare", "-Ur"];
    let mut command = session.command_under(&inner, &["mount", "disc.iso", "here"])?;
    let ended = Ended::of(&command.output()?);
    assert_eq!(ended.code, 8, "root of a user namespace may not mount here: {}", ended.err);
    assert!(ended.err.contains("this system does not let ordinary users mount"), "{}", ended.err);

    let Some(session) = Session::of_nobody()? else { return Ok(()) };
    fs::write(session.path("fuse.conf"), "mount_max = 0\n")?;
    let script = "mount --bind fuse.conf /etc/fuse.conf; exec \"$0\" \"$@\"";
    let wrapper = ["unshare", "-m", "bash", "-c", script];
    let sample = corpus::repository().join("samples/setup-disc.iso");
    fs::copy(&sample, session.path("disc.iso"))?;
    let mut command = session.command_under(&wrapper, &["mount", "disc.iso", "here"])?;
    let ended = Ended::of(&command.output()?);
    assert_eq!(ended.code, 8, "{}", ended.err);
    assert!(ended.err.contains("as many FUSE mounts as this system allows"), "{}", ended.err);
    let with_path = |folder: &Path| -> Result<Ended> {
        let mut command = session.command(&["mount", "disc.iso", "here"])?;
        // `setpriv` is found by the whole path, the helper by this one.
        let program = std::mem::replace(&mut command, Command::new("/usr/bin/setpriv"));
        command.args(program.get_args()).current_dir(session.path(""));
        command.env("HOME", session.path("")).env("ISODRIVE_STATE_DIR", session.state());
        Ok(Ended::of(&command.env("PATH", folder).output()?))
    };
    let folder = session.path("bin");
    fs::create_dir(&folder)?;
    let ended = with_path(&folder)?;
    assert_eq!(ended.code, 8, "{}", ended.err);
    assert!(ended.err.contains("fusermount3 is not installed"), "{}", ended.err);
    fs::write(folder.join("fusermount3"), "not a program")?;
    let ended = with_path(&folder)?;
    assert_eq!(ended.code, 8, "{}", ended.err);
    assert!(ended.err.contains("fusermount3 cannot be run: Permission denied"), "{}", ended.err);
    // A copy without the set-uid bit, as in a container that lost it.
    let real = ["/usr/bin/fusermount3", "/bin/fusermount3"].map(Path::new);
    let real = real.into_iter().find(|path| path.exists()).context("fusermount3")?;
    fs::copy(real, folder.join("fusermount3"))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.join("fusermount3"), mode)?;
    let ended = with_path(&folder)?;
    assert_eq!(ended.code, 8, "{}", ended.err);
    assert!(ended.err.contains("not set-uid root"), "{}", ended.err);
    assert!(!session.path("here").exists());
    Ok(())
}

#[test]
fn f45_a_request_that_waits_for_long_is_logged_and_listed() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let sample = corpus::repository().join("samples/setup-disc.iso");
    let medium = Medium::with(&sample, true)?;
    // A block device has no time limit of its own: the kernel's driver does.
    let Some(device) = Loop::over(&medium.file)? else { return Ok(()) };
    let ended = session.run(&["mount", "--log-file", "log", &device.0, "here"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    medium.switch.set(Faults { is_silent: true, ..Faults::default() });
    let file = session.path("here/sources/install.wim");
    let waiting = std::thread::spawn(move || fs::read(file));
    let reported = || session.listed_state().is_ok_and(|s| s.contains("has been waiting for"));
    let is_told = until(Duration::from_secs(50), reported);
    let log = fs::read_to_string(session.path("log"))?;
    medium.switch.set(Faults::default());
    let read = waiting.join();
    let ended = session.run(&["eject", "here"]);
    assert!(is_told, "{:?}", session.listed_state());
    assert!(log.contains("a request takes long"), "{log}");
    assert_eq!(read.ok().context("the reader")??.len(), 60_000);
    assert_eq!(ended?.code, 0);
    Ok(())
}

#[test]
fn f46_a_thousand_mounts_leave_nothing_behind() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for _ in 0..1000 {
        let ended = session.run(&["mount", "--quiet", "disc.iso", "here"])?;
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        let ended = session.run(&["eject", "here"])?;
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    }
    assert!(!session.path("here").exists() && !is_mounted(&session.path("here")));
    assert_eq!(fs::read_dir(session.state())?.count(), 0);
    // No process is left that was started in this session.
    let own = session.state();
    let own = own.as_os_str().as_encoded_bytes();
    let left = fs::read_dir("/proc")?.flatten().filter(|process| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment.windows(own.len()).any(|part| part == own)
    });
    assert_eq!(left.count(), 0);
    Ok(())
}

#[test]
fn f46_processes_stay_flat_while_a_mount_is_used() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let use_it = |times: usize| -> Result<()> {
        for _ in 0..times {
            let listed = Command::new("find").arg(&mount.at).output()?;
            assert!(listed.status.success());
            let direct = std::os::unix::fs::OpenOptionsExt::custom_flags(
                fs::File::options().read(true),
                0o40000,
            )
            .open(mount.at.join("sources/install.wim"))?;
            direct.read_exact_at(&mut vec![0; 50_000], 0)?;
        }
        Ok(())
    };
    let look = |pid: i32| -> Result<(usize, usize, u64)> {
        let count = |what: &str| {
            Ok::<_, anyhow::Error>(fs::read_dir(format!("/proc/{pid}/{what}"))?.count())
        };
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).unwrap_or("0").parse()?;
        Ok((count("fd")?, count("task")?, kib))
    };
    use_it(100)?;
    let before = [look(mount.supervisor)?, look(mount.worker)?];
    use_it(900)?;
    let after = [look(mount.supervisor)?, look(mount.worker)?];
    println!("descriptors, threads, KiB: {before:?}, then {after:?}");
    for (before, after) in before.iter().zip(after) {
        assert_eq!((before.0, before.1), (after.0, after.1));
        assert!(after.2 < before.2 + 1024, "{before:?} {after:?}");
    }
    Ok(())
}
