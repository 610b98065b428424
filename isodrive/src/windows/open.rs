//! `isodrive open`: mounts an image and shows it in Explorer; what a double click runs.

use std::os::windows::process::CommandExt;
use std::process::Command;

use mount_winfsp::shell::explorer;

use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

use super::mount;
use super::place::{self, letter};

pub(crate) fn run(arguments: &Mount, verbose: u8, terminal: &mut Terminal) -> Outcome {
    let Some(ready) = mount::mounted(arguments, verbose, terminal)? else { return Ok(()) };
    let Some(explorer) = explorer() else {
        let message = "cannot start Explorer: Windows does not tell in which folder it is";
        return Err(Failure::new(Exit::Other, message).line("mounted", ready.path.text()));
    };
    // Explorer always says that it failed; that it was started is all that can be known.
    Command::new(explorer)
        .raw_arg(argument(&ready.path.text()))
        .spawn()
        .map(drop)
        .map_err(|error| Failure::io(Exit::Other, "cannot start Explorer", &error))
}

/// The place as Explorer takes it, which parts its arguments at commas too. A letter needs no
/// quotes, and the backslash behind it would escape the last.
fn argument(at: &str) -> String {
    let root = place::root(at);
    if letter(at).is_some() {
        root.display().to_string()
    } else {
        format!("\"{}\"", root.display())
    }
}
