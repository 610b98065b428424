//! A tree as a drive of Windows shows it: the real adapter behind WinFsp's own DLL, in another
//! process that `cargo xtask windows` has built (`windows-tests`, program `show`), under Wine.
//! Asks that process; knows nothing of WinFsp.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use iso_core::View;
use serde_json::{Value, json};

use crate::tree::{Entry, Tree};

/// The variable that names the program to run, with its runner before it.
const VARIABLE: &str = "ISODRIVE_SHOW";

/// Seconds from 1601, where the clock of Windows begins, to 1970.
const EPOCH: i64 = 11_644_473_600;

const DIRECTORY: u64 = 0x10;
const SYSTEM: u64 = 0x4;
const REPARSE_POINT: u64 = 0x400;

/// The kind of what Windows knows no kind for: devices, pipes, sockets.
const SPECIAL: char = 'x';

/// A program that shows images; it waits for the next one.
struct Shower {
    child: Child,
    asks: ChildStdin,
    tells: BufReader<ChildStdout>,
}

impl Drop for Shower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Those that nobody asks just now.
static IDLE: Mutex<Vec<Shower>> = Mutex::new(Vec::new());

/// Whether there is such a program.
pub fn is_there() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

impl Shower {
    fn start() -> Result<Self> {
        let named = std::env::var(VARIABLE).context(VARIABLE)?;
        let mut words = named.split_whitespace();
        let mut command = Command::new(words.next().context("an empty command")?);
        let mut child = command
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| named.clone())?;
        let asks = child.stdin.take().context("its input")?;
        let tells = BufReader::new(child.stdout.take().context("its output")?);
        Ok(Self { child, asks, tells })
    }
}

/// Everything that a drive shows of one view of an image, names as they are recorded.
pub fn tree(image: &Path, view: View, session: u32) -> Result<Tree> {
    let how = json!({ "view": view.name(), "session": session, "charset": "raw" });
    shown(image, how)
}

/// Everything that a drive shows of a hostile disc; of long files the last ten bytes are read.
pub fn hostile(image: &Path, view: Option<View>) -> Result<Tree> {
    shown(image, json!({ "view": view.map(View::name), "charset": "auto", "ends": true }))
}

fn shown(image: &Path, mut asked: Value) -> Result<Tree> {
    let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut shower = idle.map_or_else(Shower::start, Ok)?;
    let path = format!("Z:{}", image.canonicalize()?.display()).replace('/', "\\");
    asked["image"] = path.into();
    writeln!(shower.asks, "{asked}")?;
    let mut tree = Tree::default();
    loop {
        let mut line = String::new();
        ensure!(shower.tells.read_line(&mut line)? > 0, "the drive broke down");
        let reported: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        if reported.as_object().is_some_and(serde_json::Map::is_empty) {
            break;
        }
        let path = bytes(&reported["path"]).context("a line without a path")?;
        let path = if path.is_empty() { b".".to_vec() } else { path };
        tree.entries.insert(path, entry(&reported)?);
    }
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(shower);
    Ok(tree)
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    let digits = value.as_str()?.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

fn entry(reported: &Value) -> Result<Entry> {
    let attributes = reported["attributes"].as_u64().context("no attributes")?;
    let kind = match attributes {
        _ if attributes & REPARSE_POINT != 0 => 'l',
        _ if attributes & DIRECTORY != 0 => 'd',
        _ if attributes & SYSTEM != 0 => SPECIAL,
        _ => 'f',
    };
    let time = |index: usize| {
        let steps = reported["times"][index].as_u64().unwrap_or(0);
        let seconds = i64::try_from(steps / 10_000_000).unwrap_or(0) - EPOCH;
        (seconds, steps % 10_000_000 * 100)
    };
    let text = |key: &str| reported[key].as_str().map(str::to_owned);
    Ok(Entry {
        kind,
        size: reported["size"].as_u64().context("no size")?,
        modified: time(0),
        accessed: time(1),
        changed: time(2),
        target: bytes(&reported["target"]),
        sha256: text("sha256").filter(|_| kind == 'f'),
        error: text("error"),
        ..Entry::default()
    })
}

/// A golden tree as Windows can show it: times in its steps, links that lead to a place of the
/// volume or are refused, and no devices.
pub fn as_shown(golden: &Tree) -> Tree {
    let mut shown = BTreeMap::new();
    for (path, entry) in &golden.entries {
        let mut entry = entry.clone();
        for time in [&mut entry.modified, &mut entry.accessed, &mut entry.changed] {
            *time = if time.0 < -EPOCH { (-EPOCH, 0) } else { (time.0, time.1 / 100 * 100) };
        }
        match entry.kind {
            'l' => {
                entry.size = 0;
                let landed = landed(golden, path);
                entry.error = landed.is_none().then(|| "refused".to_owned());
                entry.target = landed;
            }
            'd' | 'f' => {}
            _ => {
                entry = Entry {
                    kind: SPECIAL,
                    size: 0,
                    device: None,
                    sha256: None,
                    error: None,
                    ..entry
                };
            }
        }
        shown.insert(path.clone(), entry);
    }
    Tree { entries: shown }
}

/// A path that is not there, in the case of one that is: to Windows they are the same.
fn in_any_case(tree: &Tree, path: Vec<u8>) -> Vec<u8> {
    if tree.entries.contains_key(&path) {
        return path;
    }
    let alike = tree.entries.keys().find(|other| other.eq_ignore_ascii_case(&path));
    alike.cloned().unwrap_or(path)
}

/// Where a link of a tree leads by the rules of POSIX: a path from the root on; nothing for one
/// that leaves the tree or goes round in a circle.
fn landed(tree: &Tree, link: &[u8]) -> Option<Vec<u8>> {
    let parts = |path: &[u8]| -> Vec<Vec<u8>> {
        let named = path.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b"."));
        named.map(<[u8]>::to_vec).collect()
    };
    let target = |link: &[u8]| {
        let target = tree.entries.get(link)?.target.clone()?;
        (!target.starts_with(b"/")).then(|| parts(&target))
    };
    let mut here = parts(link);
    here.pop();
    let mut left = target(link)?;
    let mut links = 0;
    while !left.is_empty() {
        let part = left.remove(0);
        if part == b".." {
            here.pop()?;
            continue;
        }
        here.push(part);
        let path = in_any_case(tree, here.join(&b'/'));
        here = parts(&path);
        if tree.entries.get(&path).is_some_and(|entry| entry.kind == 'l') {
            links += 1;
            if links > 40 {
                return None;
            }
            here.pop();
            left.splice(0..0, target(&path)?);
        }
    }
    Some(here.join(&b'/'))
}
