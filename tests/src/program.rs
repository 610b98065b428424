//! Running the program itself, as a person would: its own process, its own home, its own state.
//! Everything it mounts is taken away again when the session is dropped.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::corpus::scratch;

/// The program, built once for all tests with the profile of the tests.
pub fn path() -> Result<&'static Path> {
    static PATH: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let built = PATH.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

fn build() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let profile = own.ancestors().nth(2).context("the test's target folder")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "isodrive", "--target-dir"]);
    cargo.arg(profile.parent().context("the target folder")?);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    ensure!(cargo.status()?.success(), "isodrive does not build");
    Ok(profile.join("isodrive"))
}

/// A user without rights, who is in every user table.
pub const NOBODY: u32 = 65534;

/// A person's session: a home folder and what is mounted in it.
pub struct Session {
    folder: tempfile::TempDir,
    user: Option<u32>,
}

impl Session {
    /// A new home, of the user who runs the tests.
    pub fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir_in(scratch()?)?, user: None })
    }

    /// A new home of an ordinary user; nothing where the tests are not root's or this user cannot
    /// reach the program, which is said.
    pub fn of_nobody() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            println!("not run: only root can start programs as another user");
            return Ok(None);
        }
        let mode = fs::metadata("/dev/fuse").map_or(0, |device| device.mode());
        if mode & 0o006 != 0o006 {
            println!("not run: /dev/fuse is for root alone here (chmod 666 /dev/fuse)");
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        // The program is copied: a checkout may lie in a folder that is root's alone.
        let program = folder.path().join(".program");
        fs::copy(path()?, &program)?;
        Ok(Some(Self { folder, user: Some(NOBODY) }))
    }

    /// A new home with `disc.iso`, the disc of the README, in it.
    pub fn with_disc() -> Result<Self> {
        let session = Self::new()?;
        let sample = crate::corpus::repository().join("samples/setup-disc.iso");
        fs::copy(sample, session.path("disc.iso"))?;
        Ok(session)
    }

    /// A path in the session's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with arguments, ready to be started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Command> {
        let mut command = match self.user {
            None => Command::new(path()?),
            Some(user) => {
                let mut command = Command::new("setpriv");
                let user = user.to_string();
                command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]);
                command.arg(self.path(".program"));
                command
            }
        };
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("ISODRIVE_STATE_DIR", self.state())
            .env_remove("ISODRIVE_LOG")
            .stdin(Stdio::null());
        Ok(command)
    }

    /// The program with arguments, run by another program that starts what is behind its own.
    pub fn command_under(&self, wrapper: &[&str], arguments: &[&str]) -> Result<Command> {
        let plain = self.command(arguments)?;
        let (program, own) = wrapper.split_first().context("a wrapper")?;
        let mut command = Command::new(program);
        command.args(own).arg(plain.get_program()).args(plain.get_args());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Ok(command)
    }

    /// Where the session's state files are.
    pub fn state(&self) -> PathBuf {
        self.path(".state")
    }

    /// Runs the program to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Ended> {
        Ok(Ended::of(&self.command(arguments)?.output()?))
    }

    /// Mounts, and gives the place.
    pub fn mount<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Mount> {
        let words = ["mount", "--print-path"].map(OsStr::new);
        let arguments: Vec<&OsStr> =
            words.into_iter().chain(arguments.iter().map(AsRef::as_ref)).collect();
        let ended = self.run(&arguments)?;
        ensure!(ended.code == 0, "{arguments:?}: {}", ended.err);
        self.mounted(Path::new(ended.out.trim_end_matches('\n')))
    }

    /// The mount at a place.
    pub fn mounted(&self, at: &Path) -> Result<Mount> {
        let list = self.list()?;
        let is_there = |line: &&Value| line["at"]["name"].as_str() == at.to_str();
        let line = list.iter().find(is_there).with_context(|| format!("{at:?} in {list:?}"))?;
        let is_kernels = line["driver"] == "erofs";
        let process = |index: usize| {
            if is_kernels {
                return Ok(0);
            }
            let pid = line["processes"][index].as_i64().and_then(|pid| i32::try_from(pid).ok());
            pid.with_context(|| format!("no process in {line}"))
        };
        let (supervisor, worker) = (process(0)?, process(1)?);
        Ok(Mount { at: at.to_path_buf(), is_kernels, supervisor, worker })
    }

    /// What `list --json` tells of this session's mounts.
    pub fn list(&self) -> Result<Vec<Value>> {
        let ended = self.run(&["list", "--json"])?;
        ensure!(ended.code == 0, "{}", ended.err);
        let lines = ended.out.lines().map(serde_json::from_str::<Value>);
        let mut lines = lines.collect::<std::result::Result<Vec<_>, _>>()?;
        // The table shows the mounts of all sessions.
        lines.retain(|line| {
            line["at"]["name"].as_str().is_some_and(|at| Path::new(at).starts_with(self.path("")))
        });
        Ok(lines)
    }

    /// The state that `list` tells of the one mount of this session.
    pub fn listed_state(&self) -> Result<String> {
        let list = self.list()?;
        Ok(list.first().and_then(|line| line["state"].as_str()).unwrap_or("nothing").to_owned())
    }
}

/// A mount with the processes behind it.
#[derive(Debug)]
pub struct Mount {
    /// Where it is.
    pub at: PathBuf,
    /// Whether the kernel's own driver serves it.
    pub is_kernels: bool,
    /// The process that keeps it; 0 where the kernel serves it.
    pub supervisor: i32,
    /// The process that serves it; 0 where the kernel does.
    pub worker: i32,
}

impl Mount {
    /// The process that takes the mount away if the supervisor is killed: its child beside the
    /// worker.
    pub fn guardian(&self) -> Result<i32> {
        let path = format!("/proc/{0}/task/{0}/children", self.supervisor);
        let children = fs::read_to_string(path)?;
        let others = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        others.into_iter().find(|pid| *pid != self.worker).context("no guardian")
    }

    /// Kills all processes behind it at once, so that nobody cleans up.
    pub fn kill_everybody(&self) -> Result<()> {
        let all = [self.guardian()?, self.supervisor, self.worker];
        all.iter().try_for_each(|pid| signal(*pid, Signal::STOP))?;
        all.iter().try_for_each(|pid| signal(*pid, Signal::KILL))?;
        let is_over = || all.iter().all(|pid| !is_alive(*pid));
        ensure!(until(PATIENCE, is_over), "a process cannot be killed");
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        let points = points.map(|point| PathBuf::from(point.replace("\\040", " ")));
        for point in points.filter(|point| point.starts_with(self.folder.path())) {
            let _ = mount_fuse::unmount(&point, true);
        }
    }
}

/// A program that runs while a test does something else; ended when this is dropped.
pub struct Running(pub Child);

impl Running {
    /// The tests' client, which has said that it is ready.
    pub fn client(program: &str, arguments: &[&OsStr]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = Self(command.spawn()?);
        let mut said = [0; 6];
        client.0.stdout.as_mut().context("its output")?.read_exact(&mut said)?;
        ensure!(&said == b"ready\n", "{said:?}");
        Ok(client)
    }

    /// Tells the client to go on, and waits for its end.
    pub fn go_on(mut self) -> Result<std::process::ExitStatus> {
        self.0.stdin.take().context("its input")?.write_all(b"go\n")?;
        Ok(self.0.wait()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Standard output as bytes.
    pub bytes: Vec<u8>,
}

impl Ended {
    /// How a program ended that ran with its output caught.
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout.clone(),
        }
    }
}

/// How long what should come at once may take: tests run many at a time on small machines. How long
/// it does take is printed, or measured by itself.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Waits for a condition, and says whether it came.
pub fn until(time: Duration, condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether something is mounted exactly there.
pub fn is_mounted(at: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().any(|line| line.split(' ').nth(4) == at.to_str())
}

/// Whether a process is there and not waiting to be asked how it ended.
pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| {
        rest.trim_start().chars().next().is_some_and(|state| state != 'Z' && state != 'X')
    })
}

/// Sends a signal. One that stops a process has stopped every thread of it on return: the call
/// itself returns before that, and a thread that goes on could still answer a request.
pub fn signal(pid: i32, signal: Signal) -> Result<()> {
    let process = rustix::process::Pid::from_raw(pid).context("a process number")?;
    rustix::process::kill_process(process, signal)?;
    let is_stopped = || threads_are_stopped(pid).unwrap_or(true);
    ensure!(
        signal != Signal::STOP || until(Duration::from_secs(20), is_stopped),
        "process {pid} does not stop"
    );
    Ok(())
}

/// Whether every thread of a process is in state `T` (proc_pid_stat(5)).
fn threads_are_stopped(pid: i32) -> Result<bool> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(thread?.path().join("stat"))?;
        // The name before it may hold blanks and brackets.
        let state = stat.rsplit(") ").next().unwrap_or_default();
        if !state.starts_with('T') {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether mounts can be tested here. Without FUSE it says so, and with `CI=true` that is a
/// failure and not an excuse.
pub fn can_mount() -> bool {
    let has_device = Path::new("/dev/fuse").exists();
    if !has_device {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has no /dev/fuse");
        println!("ignored: there is no /dev/fuse here, so nothing can be mounted");
    }
    has_device
}

/// What can serve a mount here, as options of `mount`.
pub fn drivers() -> Vec<[&'static str; 2]> {
    let mut drivers = vec![["--driver", "fuse"]];
    if crate::kernel_driver::can_mount() {
        drivers.push(["--driver", "erofs"]);
    }
    drivers
}

/// Whether the tests are root's, which some need. Says so where they are not.
pub fn is_root(what: &str) -> bool {
    let is = rustix::process::geteuid().is_root();
    if !is {
        println!("not run: {what} takes root");
    }
    is
}
