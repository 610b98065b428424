//! Golden trees: what the real kernel drivers showed of an image, one JSON line per file.
//! The format is that of `shared/corpus` and of `tests/corpus`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::tree::{Entry, Tree};

/// One way of mounting an image, and what it showed.
#[derive(Debug)]
pub struct Case {
    /// File system type and options, as in `iso9660:norock,nojoliet`.
    pub name: String,
    /// Whether the kernel mounted it.
    pub mounted: bool,
    /// What the kernel said while mounting.
    pub messages: String,
    /// What it showed.
    pub tree: Tree,
}

/// Reads all cases of a manifest.
pub fn read(path: &Path) -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        if let Some(name) = value["case"].as_str() {
            cases.push(Case {
                name: name.to_owned(),
                mounted: value["mount"] == "ok",
                messages: value["dmesg"].to_string(),
                tree: Tree::default(),
            });
        } else if let Some(case) = cases.last_mut() {
            let path = bytes(&value, "path").context("a line without a path")?;
            if value["lstat_error"].is_null() {
                case.tree.entries.insert(path, entry(&value)?);
            }
        }
    }
    Ok(cases)
}

/// A string, or the bytes of its `_hex` form where it is no UTF-8.
fn bytes(value: &Value, key: &str) -> Option<Vec<u8>> {
    if let Some(text) = value[key].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let hex = value[format!("{key}_hex")].as_str()?;
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

fn entry(value: &Value) -> Result<Entry> {
    let number = |key: &str| value[key].as_u64().unwrap_or(0);
    let time = |key: &str| {
        let pair = &value[key];
        (pair[0].as_i64().unwrap_or(0), pair[1].as_u64().unwrap_or(0))
    };
    let mode = value["mode"].as_str().context("a line without a mode")?;
    let kind = value["type"].as_str().and_then(|t| t.chars().next());
    Ok(Entry {
        kind: kind.context("a line without a type")?,
        size: number("size"),
        mode: u32::from_str_radix(mode, 8)?,
        uid: number("uid"),
        gid: number("gid"),
        links: number("nlink"),
        modified: time("mtime"),
        accessed: time("atime"),
        changed: time("ctime"),
        target: bytes(value, "target"),
        device: value["rdev"].as_str().map(str::to_owned),
        sha256: value["sha256"].as_str().map(str::to_owned),
        error: ["read_error", "readlink_error", "open_error"]
            .iter()
            .find_map(|key| value[*key].as_str().map(str::to_owned)),
    })
}

/// The cases of a manifest by name.
pub fn by_name(cases: Vec<Case>) -> BTreeMap<String, Case> {
    cases.into_iter().map(|case| (case.name.clone(), case)).collect()
}
