//! Fuzzing by one command each: seeds, a run of a target, what is kept of its finds. Needs
//! cargo-fuzz and a nightly toolchain, which nothing else here does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::done;

/// The targets, and the dictionary of each.
const TARGETS: [(&str, Option<&str>); 9] = [
    ("walk_iso", Some("iso9660")),
    ("walk_udf", Some("udf")),
    ("walk_hfs", Some("hfs")),
    ("susp", Some("iso9660")),
    ("names", Some("udf")),
    ("zisofs", Some("iso9660")),
    ("split", None),
    ("options", Some("options")),
    ("metadata", None),
];

/// Longest input that is made, and longest that is kept in the repository.
const MAX_LEN: u32 = 98_304;
const MAX_KEPT: u32 = 6_144;

/// `fuzz seeds`, `fuzz run TARGET SECONDS`, `fuzz keep [TARGET]`.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["seeds"] => seeds(root),
        ["run", target, seconds] => fuzz(root, target, seconds),
        ["keep"] => TARGETS.iter().try_for_each(|(target, _)| keep(root, target)),
        ["keep", target] => keep(root, target),
        _ => bail!("usage: cargo xtask fuzz seeds | run TARGET SECONDS | keep [TARGET]"),
    }
}

fn seeds(root: &Path) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["run", "--release", "-q", "-p", "isodrive-tests", "--bin", "seeds", "--"]);
    done(command.arg(root.join("fuzz/corpus")).current_dir(root))
}

/// Runs a target without a sanitizer: what is fuzzed has no `unsafe`, and is twice as fast so.
fn fuzz(root: &Path, target: &str, seconds: &str) -> Result<()> {
    let known = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, dictionary) = known.with_context(|| format!("there is no target {target}"))?;
    let mut command = cargo_fuzz(root, "run");
    command.args([target, "--"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={MAX_LEN}"));
    command.args(["-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    command.args(dictionary.map(|name| format!("-dict=dictionaries/{name}.dict")));
    done(&mut command)
}

/// Keeps the fewest and shortest inputs that reach all that was reached, for tests to replay.
fn keep(root: &Path, target: &str) -> Result<()> {
    let corpus = root.join("fuzz/corpus").join(target);
    let least = root.join("target/fuzz-kept").join(target);
    if least.exists() {
        fs::remove_dir_all(&least)?;
    }
    fs::create_dir_all(&least)?;
    let mut command = cargo_fuzz(root, "run");
    command.arg(target).arg(&least).arg(&corpus);
    command.args(["--", "-merge=1"]).arg(format!("-max_len={MAX_KEPT}"));
    done(&mut command)?;
    let archive = kept(root, target);
    fs::create_dir_all(archive.parent().unwrap_or(root))?;
    let script = "set -o pipefail; cd \"$1\"; find . -type f -printf '%P\\n' | LC_ALL=C sort | \
        tar --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - -T - | zstd -qf -19 -o \"$2\"";
    done(Command::new("bash").args(["-c", script, "-"]).arg(&least).arg(&archive))
}

/// Where the kept inputs of a target are.
fn kept(root: &Path, target: &str) -> PathBuf {
    root.join("fuzz/kept").join(format!("{target}.tar.zst"))
}

fn cargo_fuzz(root: &Path, what: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", what, "--release", "--sanitizer", "none"]);
    command.current_dir(root.join("fuzz"));
    command
}
