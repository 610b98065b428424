//! The program: parses the command line, runs one command, ends with its exit code.
//! No logic of its own.

mod cat;
mod cli;
mod eject;
mod exit;
mod extract;
mod holders;
mod image;
mod info;
mod json;
mod list;
mod mount;
mod mount_point;
mod mounts;
mod options;
mod serve;
mod state;
mod terminal;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::exit::Outcome;
use crate::terminal::Terminal;

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    terminal::start_log(log_level(&cli));
    let mut terminal = Terminal::new();
    let outcome = run(cli.command, &mut terminal);
    terminal.end(outcome)
}

/// How much is logged: what was asked for, and damage where a mount stays in the foreground.
fn log_level(cli: &Cli) -> u8 {
    let Command::Mount(mount) = &cli.command else { return cli.verbose };
    let least = if mount.debug { 2 } else { u8::from(mount.foreground) };
    cli.verbose.max(least)
}

fn run(command: Command, terminal: &mut Terminal) -> Outcome {
    match command {
        Command::Mount(arguments) => mount::run(&arguments, terminal),
        Command::Eject(arguments) => eject::run(&arguments, terminal),
        Command::Info(arguments) => info::run(&arguments, terminal),
        Command::Ls(arguments) => list::ls(&arguments, terminal),
        Command::Tree(arguments) => list::tree(&arguments, terminal),
        Command::Cat(arguments) => cat::run(&arguments, terminal),
        Command::Extract(arguments) => extract::run(&arguments, terminal),
    }
}
