//! Commands of the program that belong together: one folder with their state, their letters, and
//! what they write.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use windows_registry::LOCAL_MACHINE;

use crate::output;
use crate::setup::images;

/// The key where WinFsp's installer writes its folder.
pub const WINFSP: &str = "SOFTWARE\\WOW6432Node\\WinFsp";

/// A scratch folder and what runs in it. Drives that are left go with it. One at a time of a
/// program of tests: the registry, and letters of Wine, are everybody's.
pub struct Session {
    pub folder: PathBuf,
    simulated: PathBuf,
    variables: Vec<(String, OsString)>,
    _turn: MutexGuard<'static, ()>,
}

/// A variable and its value.
pub type Variable<'v> = (&'v str, &'v str);

impl Session {
    /// `simulated` is the program of that name, whose place tests alone know.
    pub fn new(name: &str, simulated: &str) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = std::env::temp_dir().join(format!("isodrive-{}-{name}", std::process::id()));
        // Numbers of processes come again, and a test that was killed leaves its folder.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("letters")).unwrap();
        let mut session =
            Self { folder, simulated: simulated.into(), variables: Vec::new(), _turn: turn };
        for (name, place) in [("ISODRIVE_STATE_DIR", "state"), ("ISODRIVE_TEST_LETTERS", "letters")]
        {
            session.set(name, session.folder.join(place));
        }
        session
    }

    /// Sets a variable for all commands from now on.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// A command of `simulated` with the session's folders, ready to be started.
    pub fn command(&self, arguments: &[&str], variables: &[Variable<'_>]) -> Command {
        let mut command = self.command_of(&self.simulated, arguments);
        command.envs(variables.iter().copied());
        command
    }

    /// As [`Session::command`], of another program.
    pub fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of `simulated` to its end.
    pub fn run(&self, arguments: &[&str], variables: &[Variable<'_>]) -> Output {
        output::of(&mut self.command(arguments, variables), &self.folder)
    }

    /// As [`Session::run`], of another program.
    pub fn run_of(&self, program: &Path, arguments: &[&str]) -> Output {
        output::of(&mut self.command_of(program, arguments), &self.folder)
    }

    /// Runs a command of `simulated` that must do, and gives what it wrote.
    pub fn reported(&self, arguments: &[&str], variables: &[Variable<'_>]) -> String {
        written(arguments, self.run(arguments, variables))
    }

    /// As [`Session::reported`], of another program.
    pub fn output_of(&self, program: &Path, arguments: &[&str]) -> String {
        written(arguments, self.run_of(program, arguments))
    }

    /// Runs a command of `simulated` that must fail so, and gives why it did.
    pub fn refused(&self, code: i32, arguments: &[&str], variables: &[Variable<'_>]) -> String {
        let output = self.run(arguments, variables);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        said(&output)
    }

    /// The files of the records of drives.
    pub fn record_files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.join("state")).into_iter().flatten();
        let paths = files.map(|file| file.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect()
    }

    /// How many drives are written down.
    pub fn records(&self) -> usize {
        self.record_files().len()
    }

    /// Definitions of letters that are there, by all processes of the session.
    pub fn letters(&self) -> usize {
        std::fs::read_dir(self.folder.join("letters")).map_or(0, Iterator::count)
    }

    /// Another program's definition of a letter.
    pub fn occupy(&self, letter: char) {
        let name = format!("{letter}!0!Another");
        std::fs::write(self.folder.join("letters").join(name), "").unwrap();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = LOCAL_MACHINE.create(WINFSP).and_then(|key| key.remove_value("InstallDir"));
        // A failed test must not fail again here: the program would end without its message.
        let mut eject = self.command(&["eject", "--all"], &[]);
        let _ = eject.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// isodrive as people get it.
pub fn real() -> PathBuf {
    PathBuf::from(std::env::var_os("ISODRIVE_PROGRAM").expect("ISODRIVE_PROGRAM is not set"))
}

/// An image of the tests, as commands take it.
pub fn image(name: &str) -> String {
    images().join(name).to_str().unwrap().to_owned()
}

fn written(arguments: &[&str], output: Output) -> String {
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

/// What a command said went wrong.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).replace('\r', "")
}
