//! The report that a mount is ready: for people, for scripts, and from the process that serves
//! it to the one that started that. The same on every system.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use iso_core::View;
use serde::{Deserialize, Serialize};

use crate::choices::Telling;
use crate::exit::Outcome;
use crate::json::{self, Name, SCHEMA};
use crate::report::Found;
use crate::shell::ShellCommand;
use crate::terminal::{Terminal, output_failed, path_shown};

/// The report that a mount is ready.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) schema: u32,
    pub(crate) path: Name,
    pub(crate) label: Name,
    pub(crate) system: String,
    pub(crate) reason: String,
    pub(crate) already_mounted: bool,
    /// The view that is shown, by its name; empty for a mount that was there.
    #[serde(default)]
    pub(crate) view: String,
    /// What opening found odd about the disc.
    #[serde(default)]
    pub(crate) findings: Found,
    /// The names of the files that were joined, where the image lies in more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Name>,
}

impl Ready {
    /// The report about a mount that existed before.
    pub(crate) fn again(path: Name, label: Name, system: String) -> Self {
        let reason = "the image is mounted already".to_owned();
        Self {
            schema: SCHEMA,
            path,
            label,
            system,
            reason,
            already_mounted: true,
            view: String::new(),
            findings: Found::default(),
            parts: Vec::new(),
        }
    }
}

/// The first line that a process writes, if it comes in time; an empty one if it ends without.
pub(crate) fn first_line(
    out: Option<impl Read + Send + 'static>,
    time: Duration,
) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        if let Some(out) = out {
            let _ = BufReader::new(out).read_line(&mut line);
        }
        let _ = sender.send(line);
    });
    receiver.recv_timeout(time).ok()
}

/// The arguments of this program with a flag behind the name of the command.
pub(crate) fn with_flag(own: impl Iterator<Item = OsString>, flag: &str) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = own.collect();
    let is_command = |argument: &OsString| !argument.as_encoded_bytes().starts_with(b"-");
    let command = arguments.iter().position(is_command).map_or(0, |at| at.saturating_add(1));
    arguments.insert(command.min(arguments.len()), OsString::from(flag));
    arguments
}

/// Tells people, scripts or programs that the mount of an image can be used; then, on standard
/// error, what opening found odd about the disc.
pub(crate) fn tell(ready: &Ready, image: &Path, how: Telling, terminal: &mut Terminal) -> Outcome {
    let out = terminal.out();
    let written = if how.quiet {
        Ok(())
    } else if how.print_path {
        out.write_all(&ready.path.bytes()).and_then(|()| writeln!(out))
    } else if how.json {
        json::write_line(out, ready)
    } else {
        tell_people(ready, out)
    };
    written.map_err(|error| output_failed(&error))?;
    terminal.flush()?;
    if !how.quiet && !how.json {
        tell_findings(&ready.findings, image, terminal);
    }
    Ok(())
}

fn tell_findings(found: &Found, image: &Path, terminal: &mut Terminal) {
    let Some(first) = &found.first else { return };
    let message = match found.count {
        ..=1 => format!("1 finding about this disc: {first}"),
        count => format!("{count} findings about this disc; the first: {first}"),
    };
    let info = ShellCommand::new("isodrive info").operand(image).text();
    let lines: Vec<String> = info.map(|info| format!("to see all:  {info}")).into_iter().collect();
    terminal.warn(&message, if found.count > 1 { &lines } else { &[] });
}

fn tell_people(ready: &Ready, out: &mut impl Write) -> std::io::Result<()> {
    let first = if ready.already_mounted { "Already mounted  " } else { "Mounted  " };
    let label = ready.label.text();
    let disc = if label.is_empty() { "a disc without a label".to_owned() } else { label };
    let path = path_shown(&ready.path.bytes());
    let is = |view: View| ready.view == view.name();
    if is(View::Boot) {
        writeln!(out, "{first}the boot images of {disc}")?;
    } else if is(View::All) {
        writeln!(out, "{first}all views of {disc}")?;
    } else {
        writeln!(out, "{first}{disc}, {}", ready.system)?;
    }
    writeln!(out, "at       {path}")?;
    if !ready.parts.is_empty() {
        let names: Vec<String> = ready.parts.iter().map(Name::text).collect();
        writeln!(out, "parts    {}", names.join(", "))?;
    }
    match eject_with(&ready.path.bytes()) {
        Some(command) => writeln!(out, "eject with:  {command}"),
        None => Ok(()),
    }
}

/// The command that ejects a mount. The last part of its path is enough where it is plain, means
/// this mount alone, and no file here has that name.
fn eject_with(path: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(path);
    if text.starts_with("/dev/fd/") {
        // Somebody else mounted it, and takes it away.
        return None;
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let last = text.rsplit(std::path::is_separator).next().unwrap_or_default();
    let is_enough = last.starts_with(|c: char| c.is_ascii_alphanumeric())
        && last.chars().all(is_plain)
        && (is_here(last, path) || Path::new(last).symlink_metadata().is_err())
        && crate::system::eject::means(last, path);
    let eject = ShellCommand::new("isodrive eject");
    if is_enough { eject.operand(last).text() } else { eject.operand(json::os(path)).text() }
}

/// Whether a name in the current directory leads to this path.
fn is_here(name: &str, path: &[u8]) -> bool {
    std::path::absolute(name).is_ok_and(|here| here.as_os_str().as_encoded_bytes() == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supervisor_gets_its_flag_before_anything_that_could_be_a_path() {
        for (own, want) in [
            (&["mount", "x.iso"][..], &["mount", "--ready-pipe", "x.iso"][..]),
            (&["-v", "mount", "--", "-x"], &["-v", "mount", "--ready-pipe", "--", "-x"]),
        ] {
            let got = with_flag(own.iter().map(OsString::from), "--ready-pipe");
            assert_eq!(got, want.iter().map(OsString::from).collect::<Vec<_>>());
        }
    }
}
