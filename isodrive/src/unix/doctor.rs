//! `isodrive doctor`: whether discs can be mounted here, how safely, and what crashes left behind.
//! Looks, says what to do, and with `--fix` cleans up isodrive's own; never another program's.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::checks::{self, Check, Verdict};
use crate::cli::Doctor;
use crate::exit::{Outcome, bare};
use crate::shell::ShellCommand;
use crate::terminal::{Terminal, output_failed, quoted};
use crate::unix::health::{self, Health};
use crate::unix::mount::refusal::NO_USER;
use crate::unix::mounts;
use crate::unix::state::{self, Driver, Record};
use rustix::process::geteuid;

pub(crate) fn run(arguments: &Doctor, terminal: &mut Terminal) -> Outcome {
    if arguments.probe_sandbox {
        return probe_sandbox(terminal);
    }
    let mut checks =
        vec![device(), helper(), other_users(), sandboxing(), kernel_driver(), folder()];
    checks.extend(user());
    checks.extend(left_behind(arguments.fix));
    checks::tell(&checks, arguments.json, terminal)
}

fn device() -> Check {
    let check = |verdict, text: &str| Check::new("/dev/fuse", verdict, text);
    match std::fs::File::options().read(true).write(true).open("/dev/fuse") {
        Ok(_) => check(Verdict::Ok, "can be opened"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            check(Verdict::Broken, "is missing")
                .fix("in a container, pass the device in; else:  sudo modprobe fuse")
        }
        // fusermount3 opens it for users other than root.
        Err(_) if !geteuid().is_root() => check(Verdict::Ok, "is opened by fusermount3"),
        Err(error) => check(Verdict::Broken, &bare(&error)),
    }
}

fn helper() -> Check {
    let check = |verdict, text: String| Check::new("fusermount3", verdict, text);
    let needed = if geteuid().is_root() { Verdict::Note } else { Verdict::Broken };
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found: Option<PathBuf> = std::env::split_paths(&folders)
        .map(|folder| folder.join("fusermount3"))
        .find(|path| path.is_file());
    let Some(path) = found else {
        let text = "is not installed; users other than root cannot mount".to_owned();
        return check(needed, text).fix("sudo apt install fuse3");
    };
    let mode = path.metadata().map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o4111 == 0o4111 {
        check(Verdict::Ok, format!("{} is set-uid root", quoted(&path)))
    } else {
        let text = format!("{} is not set-uid; users other than root cannot mount", quoted(&path));
        check(needed, text).fix(ShellCommand::new("sudo chmod u+s").operand(&path))
    }
}

/// A user without an entry in the user table, for whom `fusermount3` mounts nothing. As `getent`
/// tells it, which asks all that the system asks; nothing where that cannot be run.
fn user() -> Option<Check> {
    const NO_ENTRY: i32 = 2;
    let uid = rustix::process::getuid();
    let mut getent = Command::new("getent");
    getent.args(["passwd", &uid.as_raw().to_string()]).stdin(Stdio::null());
    let said = getent.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    (!uid.is_root() && said.code() == Some(NO_ENTRY)).then(|| {
        Check::new("user", Verdict::Broken, format!("{NO_USER}: user number {}", uid.as_raw()))
            .fix("in a container, name a user of its /etc/passwd; else ask who manages the system")
    })
}

fn other_users() -> Check {
    let file = std::fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    let is_allowed = file.lines().any(|line| line.trim() == "user_allow_other");
    if is_allowed || geteuid().is_root() {
        Check::new("other users", Verdict::Ok, "you may use --allow-other")
    } else {
        Check::new("other users", Verdict::Note, "you may not use --allow-other")
            .fix("sudo sh -c 'echo user_allow_other >> /etc/fuse.conf'")
    }
}

/// What the sandbox of a worker would be, found out by a process that enters it.
fn sandboxing() -> Check {
    let probe = Command::new("/proc/self/exe")
        .args(["doctor", "--probe-sandbox"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = probe.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match said {
        Ok(level) if level.starts_with("full") => {
            Check::new("sandbox", Verdict::Ok, "full (Landlock, seccomp, no privileges)")
        }
        Ok(level) if !level.is_empty() => Check::new("sandbox", Verdict::Note, level),
        Ok(_) | Err(_) => Check::new("sandbox", Verdict::Note, "cannot be tried"),
    }
}

fn probe_sandbox(terminal: &mut Terminal) -> Outcome {
    let plan = sandbox::Plan { drop_to: Some(sandbox::User::NOBODY), ..Default::default() };
    let level = sandbox::enter(&plan);
    let missing: Vec<&str> = level.essential_missing().collect();
    writeln!(terminal.out(), "{} {}", level.summary(), missing.join("; "))
        .map_err(|error| output_failed(&error))?;
    terminal.flush()
}

/// Whether the kernel could serve discs by itself.
fn kernel_driver() -> Check {
    let systems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let is_known = systems.lines().any(|line| line.trim() == mount_erofs::FS_TYPE);
    let text = match (is_known, geteuid().is_root()) {
        (true, true) => "EROFS is available (mount --driver erofs)",
        (true, false) => "EROFS is available (root only: mount --driver erofs)",
        (false, _) => "the kernel offers no EROFS driver; FUSE serves all discs",
    };
    Check::new("kernel driver", Verdict::Ok, text)
}

fn folder() -> Check {
    let (folder, failures) = state::place();
    let why = failures.join("; ");
    match folder {
        Some(folder) if failures.is_empty() => {
            Check::new("state", Verdict::Ok, format!("is kept in {}", quoted(&folder)))
        }
        Some(folder) => {
            let text = format!("is kept in {}, since {why}", quoted(&folder));
            Check::new("state", Verdict::Note, text)
        }
        None => {
            let text = format!("cannot be kept: {why}; {}", state::NOT_KEPT);
            Check::new("state", Verdict::Note, text)
        }
    }
}

/// What crashes left behind: by the records of this user, and by the mount table.
fn left_behind(fix: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    // Somebody may take a mount that the kernel serves away by umount(8), which no process of ours
    // sees: nothing is wrong then.
    state::sweep(|record| record.driver == Driver::Erofs);
    for record in Record::all().iter().filter(|record| !record.is_alive()) {
        checks.push(dead(&record.at(), fix, || record.clean_up().map(drop)));
    }
    let records = Record::all();
    for entry in mounts::list().unwrap_or_default() {
        let is_named = records.iter().any(|record| record.is_of(&entry));
        if !is_named && health::of(&entry) == Health::Dead {
            let unmount =
                || mount_fuse::unmount_if(&entry.at, true, |device, _| device == entry.device);
            checks.push(dead(&entry.at, fix && entry.is_mine(), unmount));
        }
    }
    if checks.is_empty() {
        checks.push(Check::new("mounts", Verdict::Ok, "no dead mounts"));
    }
    checks
}

fn dead(at: &Path, fix: bool, clean: impl FnOnce() -> std::io::Result<()>) -> Check {
    let what = "a mount";
    let gone = format!("at {} is dead: the processes that kept it are gone", quoted(at));
    if !fix {
        return Check::new(what, Verdict::Dead, gone).fix("isodrive doctor --fix");
    }
    match clean() {
        Ok(()) => Check::new(what, Verdict::Fixed, format!("at {} was taken away", quoted(at))),
        Err(error) => Check::new(what, Verdict::Dead, format!("{gone}; {}", bare(&error))),
    }
}
