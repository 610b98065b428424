//! The project's own commands, one door for all: `cargo xtask check`, `cargo xtask tidy`.
//! Runs cargo and reads the tree; changes nothing.

mod formats;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("check") => check(),
        Some("tidy") => tidy::run(&root()),
        _ => bail!("usage: cargo xtask check | tidy"),
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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
