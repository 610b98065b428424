//! What a command under test writes, through files: the desktop that Wine starts at the first
//! window keeps the other end of any pipe that it inherits, and who reads a pipe to its end would
//! wait for that desktop.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs a command to its end. What it writes is kept in a folder meanwhile.
pub fn of(command: &mut Command, folder: &Path) -> Output {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let paths = ["out", "err"].map(|kind| folder.join(format!("written-{number}.{kind}")));
    let [out, err] = paths.each_ref().map(|path| Stdio::from(File::create(path).unwrap()));
    let status = command.stdin(Stdio::null()).stdout(out).stderr(err).status().unwrap();
    let [stdout, stderr] = paths.map(|path| {
        let written = std::fs::read(&path).unwrap();
        let _ = std::fs::remove_file(path);
        written
    });
    Output { status, stdout, stderr }
}
