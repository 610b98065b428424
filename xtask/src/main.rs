//! The project's own commands, one door for all: `cargo xtask check`, `tidy`, `mutate`, `fuzz`,
//! `bench`, `windows`, `imports`.
//! Runs cargo and reads the tree; changes nothing but what fuzzing keeps.

mod circles;
mod formats;
mod fuzz;
mod imports;
mod tidy;
mod windows;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use imports::Linked;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, [])) if command == "check" => check(),
        Some((command, [])) if command == "tidy" => tidy::run(&root()),
        Some((command, rest)) if command == "mutate" && !rest.is_empty() => mutate(rest),
        Some((command, rest)) if command == "fuzz" => fuzz::run(&root(), rest),
        Some((command, rest)) if command == "bench" => bench(rest),
        Some((command, [])) if command == "windows" => windows::run(&root()),
        Some((command, programs)) if command == "imports" && !programs.is_empty() => {
            let check = |program| imports::check(&root(), Path::new(program), Linked::OnWindows);
            programs.iter().try_for_each(check)
        }
        _ => bail!(
            "usage: cargo xtask check | tidy | mutate ... | fuzz ... | bench ... | windows | \
             imports PROGRAM..."
        ),
    }
}

/// Everything that must hold before a change lands.
fn check() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    tidy::run(&root())?;
    cargo(&["test", "--workspace", "--quiet"])?;
    documentation()
}

/// Damages sound discs at random, and tells what must not have come of it.
fn mutate(numbers: &[String]) -> Result<()> {
    let fixed = ["run", "--release", "-q", "-p", "isodrive-tests", "--bin", "mutate", "--"];
    let numbers = numbers.iter().map(String::as_str);
    cargo(&fixed.into_iter().chain(numbers).collect::<Vec<_>>())
}

/// Measures: the core by itself with `micro`, else the program against others, on images that are
/// made first; tables and picture go to `docs/benchmarks`.
fn bench(words: &[String]) -> Result<()> {
    if words.first().is_some_and(|word| word == "micro") {
        return cargo(&["bench", "--quiet", "--package", "isodrive-benches"]);
    }
    cargo(&["build", "--release", "--quiet", "-p", "isodrive", "-p", "isodrive-benches"])?;
    let mut compare = Command::new(root().join("target/release/compare"));
    done(compare.args(["--out", "docs/benchmarks"]).args(words).current_dir(root()))
}

/// The documentation builds, and every link in it leads somewhere.
fn documentation() -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings");
    ensure!(command.current_dir(root()).status()?.success(), "cargo doc failed");
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<()> {
    println!("cargo {}", arguments.join(" "));
    let status = Command::new("cargo").args(arguments).current_dir(root()).status()?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}

/// Runs a command that must end well.
fn done(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
