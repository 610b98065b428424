//! Running the program itself, as a person would: its own process, its own home.
//! Everything it mounts is taken away again when the session is dropped.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

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

/// A person's session: a home folder and what is mounted in it.
pub struct Session {
    folder: tempfile::TempDir,
}

impl Session {
    /// A new home.
    pub fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir_in(scratch()?)? })
    }

    /// A path in the session's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Ended> {
        let output = Command::new(path()?)
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env_remove("ISODRIVE_LOG")
            .stdin(Stdio::null())
            .output()?;
        Ok(Ended::of(&output))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        for point in points.filter(|point| Path::new(point).starts_with(self.folder.path())) {
            let _ = mount_fuse::unmount(Path::new(point), true);
        }
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
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout.clone(),
        }
    }
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
