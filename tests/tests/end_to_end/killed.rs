//! What is left where processes of a mount are killed, or the command that makes it is interrupted:
//! nothing, within a second, with no further command.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isodrive_tests::program::{Session, can_mount, is_alive, is_mounted, signal, until};
use isodrive_tests::{corpus, kernel_driver};
use rustix::process::Signal;

/// Times that each process is killed.
const LOOPS: usize = 100;

/// Within this time a killed mount must be gone.
const SECOND: Duration = Duration::from_secs(1);

/// Starts that are interrupted; `ISODRIVE_STARTS` asks for more.
const STARTS: usize = 200;

/// The states of the session, its mounts and its processes that are left.
fn left(session: &Session) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(session.state()).into_iter().flatten().flatten() {
        left.push(format!("state {:?}", entry.file_name()));
    }
    for place in ["here", "isodrive"] {
        let at = session.path(place);
        if is_mounted(&at) {
            left.push(format!("mount {place}"));
        }
        if fs::symlink_metadata(&at).is_ok() {
            left.push(format!("folder {place}"));
        }
    }
    let own = session.state();
    let own = own.as_os_str().as_encoded_bytes();
    for process in fs::read_dir("/proc")?.flatten() {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        let pid = process.file_name().to_string_lossy().parse().unwrap_or(0);
        if environment.windows(own.len()).any(|part| part == own) && is_alive(pid) {
            left.push(format!("process {pid}"));
        }
    }
    Ok(left)
}

/// Waits until nothing is left; gives the time it took.
fn nothing_is_left(session: &Session, what: &str) -> Result<Duration> {
    let before = Instant::now();
    let is_clean =
        until(Duration::from_secs(10), || left(session).is_ok_and(|left| left.is_empty()));
    assert!(is_clean, "{what}: {:?}", left(session)?);
    Ok(before.elapsed())
}

/// A disc in the home of root or of an ordinary user.
fn session(of_root: bool) -> Result<Option<Session>> {
    if of_root {
        return Session::with_disc().map(Some);
    }
    let Some(session) = Session::of_nobody()? else { return Ok(None) };
    let sample = corpus::repository().join("samples/setup-disc.iso");
    fs::copy(sample, session.path("disc.iso"))?;
    Ok(Some(session))
}

/// Two processes that keep the machine busy meanwhile.
struct Load(Vec<std::process::Child>);

impl Load {
    fn new() -> Result<Self> {
        let busy = || std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn();
        Ok(Self(vec![busy()?, busy()?]))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn f34_killed_supervisors_and_workers_leave_nothing_a_second_later_under_load() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let _load = Load::new()?;
    for of_root in [true, false] {
        let Some(session) = session(of_root)? else { continue };
        for what in ["supervisor", "worker", "both"] {
            let mut times = Vec::new();
            for _ in 0..LOOPS {
                let mount = session.mount(&["disc.iso", "here"])?;
                if what != "supervisor" {
                    signal(mount.worker, Signal::KILL)?;
                }
                if what != "worker" {
                    signal(mount.supervisor, Signal::KILL)?;
                }
                times.push(nothing_is_left(&session, what)?);
            }
            times.sort();
            let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
            println!("root {of_root}, {what}: median {median:?}, slowest {slowest:?}");
            assert!(slowest < SECOND, "{what}: {slowest:?}");
        }
    }
    Ok(())
}

#[test]
fn starts_that_are_interrupted_at_any_moment_leave_nothing() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let starts = std::env::var("ISODRIVE_STARTS").ok().and_then(|text| text.parse().ok());
    let starts: usize = starts.unwrap_or(STARTS);
    let whole = Instant::now();
    assert_eq!(session.run(&["mount", "disc.iso"])?.code, 0);
    // Follows the load of the machine: about as many starts are interrupted as finish.
    let mut whole = whole.elapsed();
    assert_eq!(session.run(&["eject", "disc.iso"])?.code, 0);
    let (mut interrupted, mut finished) = (0, 0);
    let signals = [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL];
    for start in 0..starts {
        let arguments: &[&str] =
            if start % 2 == 0 { &["mount", "disc.iso"] } else { &["mount", "disc.iso", "here"] };
        let mut command = session.command(arguments)?;
        // Whoever runs the tests may have them ignore the signal, as `nohup` does.
        let mut command = {
            let mut wrapped = std::process::Command::new("env");
            wrapped.arg("--default-signal=HUP,INT,TERM").arg(command.get_program());
            wrapped.args(command.get_args()).current_dir(session.path(""));
            for (name, value) in command.get_envs() {
                if let Some(value) = value {
                    wrapped.env(name, value);
                }
            }
            std::mem::swap(&mut command, &mut wrapped);
            command
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let moment = u32::try_from(start * 7919 % 1000)?;
        std::thread::sleep(whole.mul_f64(1.2 * f64::from(moment) / 1000.0));
        let pid = i32::try_from(child.id())?;
        let _ = signal(pid, signals[start % 4]);
        let status = child.wait()?;
        whole = whole.mul_f64(if status.success() { 0.95 } else { 1.04 });
        if status.success() {
            finished += 1;
            assert_eq!(session.run(&["eject", "disc.iso"])?.code, 0);
        } else {
            interrupted += 1;
        }
        nothing_is_left(&session, &format!("start {start}, {status}"))?;
    }
    println!("{interrupted} interrupted, {finished} finished before");
    assert!(interrupted > starts / 10 && finished > 0);
    Ok(())
}

#[test]
fn a_terminal_that_interrupts_all_its_processes_leaves_nothing() -> Result<()> {
    use std::os::unix::process::CommandExt;
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for start in 0..60u64 {
        let mut command = session.command(&["mount", "disc.iso", "here"])?;
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        std::thread::sleep(Duration::from_millis(start % 20));
        let group = rustix::process::Pid::from_child(&child);
        let kind = if start % 2 == 0 { Signal::INT } else { Signal::KILL };
        let _ = rustix::process::kill_process_group(group, kind);
        if child.wait()?.success() {
            session.run(&["eject", "here"])?;
        }
        nothing_is_left(&session, &format!("start {start}"))?;
    }
    Ok(())
}

#[test]
fn a_mount_by_the_kernels_driver_leaves_nothing_when_it_is_killed_or_ejected_at_once() -> Result<()>
{
    use std::os::unix::process::CommandExt;
    if !can_mount() || !kernel_driver::can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for start in 0..80u64 {
        let mut command = session.command(&["mount", "--driver", "erofs", "disc.iso", "here"])?;
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        std::thread::sleep(Duration::from_micros(4_000 + start * 150));
        let group = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        if child.wait()?.success() {
            assert_eq!(session.run(&["eject", "here"])?.code, 0);
        }
        nothing_is_left(&session, &format!("start {start}"))?;
    }
    for turn in 0..40 {
        session.run(&["mount", "--driver", "erofs", "disc.iso", "here"])?;
        let lazy: &[&str] = if turn % 2 == 0 { &["--lazy"] } else { &[] };
        assert_eq!(session.run(&[&["eject", "here"], lazy].concat())?.code, 0);
        nothing_is_left(&session, &format!("turn {turn}"))?;
    }
    Ok(())
}

#[test]
fn a_supervisor_leaves_the_next_mount_alone_that_has_its_device() -> Result<()> {
    if !can_mount() || !isodrive_tests::program::is_root("umount at once") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    // One that isodrive made would go away with the first mount.
    fs::create_dir(session.path("here"))?;
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let first = session.mount(&["disc.iso", "here"])?;
        let ended = || std::process::Command::new("umount").arg(&first.at).status();
        assert!(until(SECOND, || ended().is_ok_and(|status| status.success())));
        // The kernel gives the number of a device again at once.
        let _second = session.mount(&["disc.iso", "here"])?;
        let before = Instant::now();
        assert!(until(Duration::from_secs(5), || !is_alive(first.supervisor)));
        slowest = slowest.max(before.elapsed());
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    assert!(slowest < SECOND * 3 / 4, "it tried to take the next mount away for {slowest:?}");
    Ok(())
}

#[test]
fn a_guardian_that_is_killed_harms_nobody() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["disc.iso", "here"])?;
    signal(mount.guardian()?, Signal::TERM)?;
    std::thread::sleep(Duration::from_millis(50));
    assert!(is_alive(mount.guardian()?), "what ends other processes does not end it");
    signal(mount.guardian()?, Signal::KILL)?;
    assert!(!fs::read(mount.at.join("sources/ei.cfg"))?.is_empty());
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    nothing_is_left(&session, "after the guardian").map(drop)
}

#[test]
fn an_output_that_cannot_be_written_undoes_the_mount() -> Result<()> {
    if !can_mount() || !Path::new("/dev/full").exists() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mut command = session.command(&["mount", "--print-path", "disc.iso", "here"])?;
    let full = fs::File::options().write(true).open("/dev/full")?;
    let status = command.stdout(full).stderr(Stdio::null()).status().context("mount")?;
    assert_eq!(status.code(), Some(1));
    nothing_is_left(&session, "no output").map(drop)
}

#[test]
fn a_lock_that_a_script_holds_is_not_held_by_the_mount() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let line = "exec 9> lock; flock 9; \"$0\" \"$@\"";
    let arguments = ["mount", "--quiet", "disc.iso", "here"];
    let mut command = session.command_under(&["bash", "-c", line], &arguments)?;
    assert!(command.status()?.success());
    let mut again = std::process::Command::new("flock");
    let status = again.args(["-n", "lock", "true"]).current_dir(session.path("")).status()?;
    assert!(status.success(), "the supervisor holds the lock of its caller's caller");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn eject_asks_no_silent_server_and_names_a_supervisor_that_does_not_end() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for target in ["here", "disc.iso"] {
        let mount = session.mount(&["disc.iso", "here"])?;
        signal(mount.worker, Signal::STOP)?;
        let wrapper = ["timeout", "20"];
        let arguments = ["eject", "--lazy", target];
        let ended = session.command_under(&wrapper, &arguments)?.output()?;
        let is_held = ended.status.code() == Some(124);
        signal(mount.worker, Signal::CONT)?;
        assert!(!is_held, "eject {target} waits for the server");
        assert!(!is_mounted(&mount.at));
        nothing_is_left(&session, target)?;
    }
    let mount = session.mount(&["disc.iso", "here"])?;
    signal(mount.supervisor, Signal::STOP)?;
    let ended = session.run(&["eject", "here"])?;
    signal(mount.supervisor, Signal::CONT)?;
    assert_eq!(ended.code, 1, "{}", ended.err);
    let want = format!("its supervisor (pid {}) does not end", mount.supervisor);
    assert!(ended.err.contains(&want), "{}", ended.err);
    nothing_is_left(&session, "the supervisor went on").map(drop)
}

#[test]
fn interrupted_helpers_of_ordinary_users_leave_no_dead_mount() -> Result<()> {
    use std::os::unix::process::CommandExt;
    if !can_mount() {
        return Ok(());
    }
    let Some(session) = session(false)? else { return Ok(()) };
    for start in 0..80u64 {
        let mut command = session.command(&["mount", "disc.iso", "here"])?;
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        std::thread::sleep(Duration::from_micros(3_000 + start * 200));
        let group = rustix::process::Pid::from_child(&child);
        let kind = [Signal::INT, Signal::TERM, Signal::HUP][usize::try_from(start % 3)?];
        let _ = rustix::process::kill_process_group(group, kind);
        if child.wait()?.success() {
            assert_eq!(session.run(&["eject", "here"])?.code, 0);
        }
        nothing_is_left(&session, &format!("start {start}"))?;
    }
    Ok(())
}

#[test]
fn whose_mount_it_is_stands_before_what_the_helper_says() -> Result<()> {
    if !can_mount() || !isodrive_tests::program::is_root("another user's mount") {
        return Ok(());
    }
    let Some(other) = session(false)? else { return Ok(()) };
    let at = other.path("roots");
    let own = Session::with_disc()?;
    let mount = own.mount(&["--allow-other", "disc.iso", &at.display().to_string()]);
    let ended = other.run(&["eject", "roots"])?;
    assert!(ended.err.contains("user 0 mounted it") && ended.code == 1, "{}", ended.err);
    drop(mount);
    assert_eq!(own.run(&["eject", &at.display().to_string()])?.code, 0);
    Ok(())
}
