//! Commands of `simulated` that belong together: one folder with their state and their letters.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::output;
use crate::setup::images;

/// A scratch folder and what runs in it. Drives that are left go with it.
pub struct Session {
    pub folder: PathBuf,
    program: PathBuf,
}

/// A variable and its value.
pub type Variable<'v> = (&'v str, &'v str);

impl Session {
    /// `program` is `simulated`, whose place tests alone are told.
    pub fn new(name: &str, program: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("isodrive-{}-{name}", std::process::id()));
        // Numbers of processes come again, and a test that was killed leaves its folder.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("letters")).unwrap();
        Self { folder, program: program.into() }
    }

    /// A command with the session's folders, ready to be started.
    pub fn command(&self, arguments: &[&str], variables: &[Variable<'_>]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder);
        command.env("ISODRIVE_STATE_DIR", self.folder.join("state"));
        command.env("ISODRIVE_TEST_LETTERS", self.folder.join("letters"));
        command.envs(variables.iter().copied()).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str], variables: &[Variable<'_>]) -> Output {
        output::of(&mut self.command(arguments, variables), &self.folder)
    }

    /// Runs a command that must do, and gives what it said.
    pub fn told(&self, arguments: &[&str], variables: &[Variable<'_>]) -> String {
        let output = self.run(arguments, variables);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().replace('\r', "")
    }

    /// Runs a command that must fail so, and gives why it did.
    pub fn refused(&self, code: i32, arguments: &[&str], variables: &[Variable<'_>]) -> String {
        let output = self.run(arguments, variables);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        said(&output)
    }

    pub fn records(&self) -> usize {
        std::fs::read_dir(self.folder.join("state")).map_or(0, Iterator::count)
    }

    /// Definitions of letters that are there, by all processes of the session.
    pub fn letters(&self) -> usize {
        std::fs::read_dir(self.folder.join("letters")).map_or(0, Iterator::count)
    }

    /// Another program's definition of a letter.
    pub fn occupy(&self, letter: char) {
        let name = format!("{letter}!{:024}!Another", 0);
        std::fs::write(self.folder.join("letters").join(name), "").unwrap();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A failed test must not fail again here: the program would end without its message.
        let mut eject = self.command(&["eject", "--all"], &[]);
        let _ = eject.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An image of the tests, as commands take it.
pub fn image(name: &str) -> String {
    images().join(name).to_str().unwrap().to_owned()
}

/// What a command said went wrong.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).replace('\r', "")
}
