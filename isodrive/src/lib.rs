//! The program: parses the command line, runs one command, ends with its exit code.
//! No logic of its own.

mod cat;
mod cli;
mod doctor;
mod eject;
mod exit;
mod extract;
mod health;
mod helper;
mod holders;
mod image;
mod info;
mod json;
mod list;
mod logs;
mod ls;
mod mount;
mod mounts;
mod options;
mod state;
mod terminal;

use std::ffi::OsString;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::exit::Outcome;
use crate::logs::Sink;
use crate::terminal::Terminal;

/// Runs the program with the arguments that it was started with.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let terminal = Terminal::new();
    if helper::is_called(&arguments) {
        return helper::run(&arguments, terminal);
    }
    let cli = Cli::parse_from(&arguments);
    run(cli, arguments.into_iter().skip(1).collect(), terminal)
}

/// What `mount -o TEXT` means, or why it means nothing; for tests of that text alone.
///
/// # Errors
/// The message that the program would give.
pub fn mount_options(text: &str) -> Result<String, String> {
    let arguments = ["isodrive", "mount", "disc.iso", "-o", text];
    let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let Command::Mount(mount) = cli.command else { return Err("another command".to_owned()) };
    let folded = options::folded(&mount).map_err(|failure| format!("{failure:?}"))?;
    Ok(format!("{folded:?}"))
}

/// Runs one command. `raw` are the arguments that it came from.
fn run(cli: Cli, raw: Vec<OsString>, mut terminal: Terminal) -> std::process::ExitCode {
    // A mount decides for itself where its log goes.
    let log = if matches!(cli.command, Command::Mount(_)) {
        Ok(())
    } else {
        logs::start(cli.verbose, Sink::Terminal, false)
    };
    let outcome = log.and_then(|()| command(cli, raw, &mut terminal));
    terminal.end(outcome)
}

fn command(cli: Cli, raw: Vec<OsString>, terminal: &mut Terminal) -> Outcome {
    match cli.command {
        Command::Mount(arguments) => {
            mount::run(&cli::Mount { raw, ..arguments }, cli.verbose, terminal)
        }
        Command::List(arguments) => list::run(&arguments, terminal),
        Command::Doctor(arguments) => doctor::run(&arguments, terminal),
        Command::Eject(arguments) => eject::run(&arguments, terminal),
        Command::Info(arguments) => info::run(&arguments, terminal),
        Command::Ls(arguments) => ls::ls(&arguments, terminal),
        Command::Tree(arguments) => ls::tree(&arguments, terminal),
        Command::Cat(arguments) => cat::run(&arguments, terminal),
        Command::Extract(arguments) => extract::run(&arguments, terminal),
    }
}
