//! What tests of the program share: where it is, and a folder in which it runs and keeps its state.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use isodrive_windows_tests::output;
use isodrive_windows_tests::setup::images;
use windows_registry::LOCAL_MACHINE;

pub const WINFSP: &str = "SOFTWARE\\WOW6432Node\\WinFsp";

/// isodrive as people get it, and with the imitation below it.
pub fn real() -> PathBuf {
    PathBuf::from(std::env::var_os("ISODRIVE_PROGRAM").expect("ISODRIVE_PROGRAM is not set"))
}

pub fn simulated() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_simulated"))
}

/// A scratch folder, which is the working folder and holds the state; one test at a time, since
/// the registry is everybody's.
pub struct Session {
    pub folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Session {
    pub fn new(name: &str) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = std::env::temp_dir().join(format!("isodrive-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder, _turn: turn }
    }

    pub fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder);
        command.env("ISODRIVE_STATE_DIR", self.folder.join("state"));
        command
    }

    pub fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        output::of(&mut self.command(program, arguments), &self.folder)
    }

    /// Runs a command that must do, and gives what it said.
    pub fn told(&self, program: &Path, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().replace('\r', "")
    }

    pub fn records(&self) -> usize {
        std::fs::read_dir(self.folder.join("state")).map_or(0, Iterator::count)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = LOCAL_MACHINE.create(WINFSP).and_then(|key| key.remove_value("InstallDir"));
        let _ = self.run(&simulated(), &["eject", "--all"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn image(name: &str) -> String {
    images().join(name).to_str().unwrap().to_owned()
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).replace('\r', "")
}
