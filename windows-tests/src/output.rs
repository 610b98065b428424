//! What a command under test writes, through files: the desktop that Wine starts at the first
//! window keeps the other end of any pipe that it inherits, and who reads a pipe to its end would
//! wait for that desktop.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs a command to its end. What it writes is kept in a folder meanwhile.
pub fn of(command: &mut Command, folder: &Path) -> Output {
    Running::start(command, folder).end()
}

/// A command that was started, and the files with what it writes.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Starts a command. What it writes is kept in a folder.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let [out, err] = ["out", "err"].map(|kind| folder.join(format!("written-{number}.{kind}")));
        let file = |path: &Path| Stdio::from(File::create(path).unwrap());
        command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
        Self { child: command.spawn().unwrap(), out, err }
    }

    /// What it has written to standard output up to now.
    pub fn written(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.out).unwrap()).replace('\r', "")
    }

    /// What it has complained of up to now.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.err).unwrap()).replace('\r', "")
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it where it stands.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Output {
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = [self.out, self.err].map(|path| {
            let written = std::fs::read(&path).unwrap();
            let _ = std::fs::remove_file(path);
            written
        });
        Output { status, stdout, stderr }
    }
}
