//! Who keeps a mount busy: processes with a file, a directory or a program of it.
//! Reads `/proc` alone, so it never touches the mount and never waits for it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::terminal::shown;

/// Processes shown at most.
const MAX_SHOWN: usize = 8;

/// One line per process that holds something below `mount` and that may be seen.
pub(crate) fn of(mount: &Path) -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let numbered = processes
        .flatten()
        .filter(|process| process.file_name().as_bytes().iter().all(u8::is_ascii_digit));
    numbered.filter_map(|process| holder(&process.path(), mount)).take(MAX_SHOWN).collect()
}

/// What one process holds, in words.
fn holder(process: &Path, mount: &Path) -> Option<String> {
    let below = |link: &Path| {
        let target = fs::read_link(link).ok()?;
        let rest = target.strip_prefix(mount).ok()?;
        Some(shown(rest.as_os_str().as_bytes()))
    };
    let what = if let Some(path) = below(&process.join("cwd")) {
        format!("is in {}", place(&path))
    } else if let Some(path) = below(&process.join("exe")) {
        format!("runs {}", place(&path))
    } else if below(&process.join("root")).is_some() {
        "has it as its root".to_owned()
    } else {
        let mut open = fs::read_dir(process.join("fd")).ok()?.flatten();
        let path = open.find_map(|fd| below(&fd.path()))?;
        format!("has {} open", place(&path))
    };
    let name = fs::read(process.join("comm")).unwrap_or_default();
    let pid = process.file_name()?.to_string_lossy().into_owned();
    Some(format!("{} (pid {pid}) {what}", shown(name.trim_ascii_end())))
}

fn place(path: &str) -> &str {
    if path.is_empty() { "its root directory" } else { path }
}
