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

/// Everything that must hold before a change lands, but for the tests: format, lints, the project's
/// own rules, documentation, dependencies, workflows.
fn check() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    tidy::run(&root())?;
    documentation()?;
    let rules = ["check", "bans", "licenses", "sources"];
    if_installed("cargo-deny", &rules.map(String::from))?;
    let workflows = workflows()?;
    let schema = ["--builtin-schema", "vendor.github-workflows"].map(String::from);
    if_installed("check-jsonschema", &[&schema[..], &workflows].concat())?;
    let offline = ["--offline", "--no-progress"].map(String::from);
    if_installed("zizmor", &[&offline[..], &workflows].concat())
}

/// The files of workflows that run elsewhere.
fn workflows() -> Result<Vec<String>> {
    let folder = root().join(".github/workflows");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    entries.map(|entry| Ok(entry?.path().to_string_lossy().into_owned())).collect()
}

/// Runs a tool that not everybody has; its absence is one line.
fn if_installed(tool: &str, arguments: &[String]) -> Result<()> {
    let mut command = Command::new(tool);
    match command.args(arguments).current_dir(root()).status() {
        Ok(status) => {
            ensure!(status.success(), "{tool} ended with {status}");
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("not run: {tool} is not installed");
            Ok(())
        }
        Err(error) => Err(error).context(tool.to_owned()),
    }
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
