//! `isodrive open`: mounts an image and shows it in Explorer; what a double click runs.

use std::process::Command;

use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

use super::{mount, place};

pub(crate) fn run(arguments: &Mount, verbose: u8, terminal: &mut Terminal) -> Outcome {
    let Some(ready) = mount::mounted(arguments, verbose, terminal)? else { return Ok(()) };
    let root = place::root(&ready.path.text());
    // Explorer always says that it failed; that it was started is all that can be known.
    Command::new("explorer.exe")
        .arg(root)
        .spawn()
        .map(drop)
        .map_err(|error| Failure::io(Exit::Other, "cannot start Explorer", &error))
}
