//! The program: parses the command line, runs one command, ends with its exit code.
//! No logic of its own.

mod cat;
mod checks;
mod choices;
mod cli;
mod exit;
mod extract;
mod image;
mod info;
mod json;
mod logs;
mod losses;
mod ls;
mod names;
mod parts;
mod ready;
mod report;
mod shell;
mod shown;
mod strict;
mod table;
mod terminal;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

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
    #[cfg(unix)]
    unix::limits::bear_the_size_of_files();
    #[cfg(unix)]
    if unix::helper::is_called(&arguments) {
        return unix::helper::run(&arguments, terminal);
    }
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => run(cli, arguments.into_iter().skip(1).collect(), terminal),
        Err(error) => terminal.end_unparsed(&error),
    }
}

/// What `mount -o TEXT` means, or why it means nothing; for tests of that text alone.
///
/// # Errors
/// The message that the program would give.
#[cfg(unix)]
pub fn mount_options(text: &str) -> Result<String, String> {
    let arguments = ["isodrive", "mount", "disc.iso", "-o", text];
    let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let Command::Mount(mount) = cli.command else { return Err("another command".to_owned()) };
    let folded = unix::options::folded(&mount).map_err(|failure| format!("{failure:?}"))?;
    Ok(format!("{folded:?}"))
}

/// Runs one command. `raw` are the arguments that it came from.
fn run(cli: Cli, raw: Vec<OsString>, mut terminal: Terminal) -> std::process::ExitCode {
    // A mount decides for itself where its log goes.
    let log = if is_mount(&cli.command) {
        Ok(())
    } else {
        logs::start(cli.verbose, Sink::Terminal, false)
    };
    let outcome = log.and_then(|()| command(cli, raw, &mut terminal));
    terminal.end(outcome)
}

/// Whether a command makes a mount.
const fn is_mount(command: &Command) -> bool {
    #[cfg(windows)]
    if matches!(command, Command::Open(_)) {
        return true;
    }
    matches!(command, Command::Mount(_))
}

fn command(cli: Cli, raw: Vec<OsString>, terminal: &mut Terminal) -> Outcome {
    match cli.command {
        Command::Mount(arguments) => {
            system::mount::run(&cli::Mount { raw, ..arguments }, cli.verbose, terminal)
        }
        #[cfg(windows)]
        Command::Open(arguments) => {
            windows::open::run(&cli::Mount { raw, ..arguments }, cli.verbose, terminal)
        }
        #[cfg(windows)]
        Command::Setup(arguments) => windows::setup::run(&arguments, terminal),
        Command::List(arguments) => system::list::run(&arguments, terminal),
        Command::Doctor(arguments) => system::doctor::run(&arguments, terminal),
        Command::Eject(arguments) => system::eject::run(&arguments, terminal),
        Command::Info(arguments) => info::run(&arguments, terminal),
        Command::Ls(arguments) => ls::ls(&arguments, cli.verbose, terminal),
        Command::Tree(arguments) => ls::tree(&arguments, cli.verbose, terminal),
        Command::Cat(arguments) => cat::run(&arguments, terminal),
        Command::Extract(arguments) => extract::run(&arguments, terminal),
    }
}
