//! `isodrive ls` and `isodrive tree`: what is in an image, without mounting it.
//! Prints names made harmless, or JSON lines with every byte of them.

use std::io::Write;
use std::sync::Arc;

use iso_core::Error;
use iso_core::volume::{Attr, FileKind, NodeId, Volume, Walk, resolve};
use serde::Serialize;

use crate::cli::List;
use crate::exit::{Exit, Failure, Outcome};
use crate::image;
use crate::json::{self, Name};
use crate::losses::Losses;
use crate::names::{self, OnWindows};
use crate::terminal::{Terminal, harmless, output_failed, shown, size};

/// One line of JSON: a file of the image.
#[derive(Debug, Default, Serialize)]
struct Line {
    schema: u32,
    path: Name,
    kind: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Name>,
    /// The name that a drive of Windows shows, where it is another; with --verbose.
    #[serde(skip_serializing_if = "Option::is_none")]
    windows_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// It is a directory in which damage was met, or a file that does not hold all of its bytes:
    /// the disc may hold more of it. Or the image does not hold all of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    damaged: bool,
}

pub(crate) fn ls(arguments: &List, verbose: u8, terminal: &mut Terminal) -> Outcome {
    let (opened, chosen) = image::open_shown(&arguments.image, terminal)?;
    let volume = &*chosen.volume;
    let start = find(&chosen.volume, &arguments.path)?;
    let attr = volume.attr(start).map_err(|error| unreadable(&arguments.path, &error))?;
    let on_windows = (verbose > 0).then(|| OnWindows::new(chosen.volume.clone(), start));
    let mut listing = Listing::new(arguments, volume, on_windows, terminal);
    if attr.kind == FileKind::Directory {
        let dir = volume.read_dir(start).map_err(|error| unreadable(&arguments.path, &error))?;
        listing.start(dir.is_damaged());
        let mut order: Vec<_> = dir.iter().collect();
        order.sort_by_key(|entry| entry.name);
        for entry in order {
            listing.print(entry.name, entry.name, entry.node)?;
        }
    } else {
        let path = arguments.path.as_encoded_bytes();
        listing.print(path, path, start)?;
    }
    listing.finish(&opened)
}

pub(crate) fn tree(arguments: &List, verbose: u8, terminal: &mut Terminal) -> Outcome {
    let (opened, chosen) = image::open_shown(&arguments.image, terminal)?;
    let volume = &*chosen.volume;
    let start = find(&chosen.volume, &arguments.path)?;
    let walk = Walk::new(volume, start).map_err(|error| unreadable(&arguments.path, &error))?;
    let on_windows = (verbose > 0).then(|| OnWindows::new(chosen.volume.clone(), start));
    let mut listing = Listing::new(arguments, volume, on_windows, terminal);
    listing.start(walk.is_start_damaged());
    // Whether each open directory on the way has entries left, for the lines that join them.
    let mut is_last: Vec<bool> = Vec::new();
    for step in walk {
        is_last.truncate(step.depth.saturating_sub(1));
        is_last.push(step.last);
        if let Some(error) = &step.error {
            listing.print_damaged(&step.path, error)?;
            continue;
        }
        let prefix = if arguments.json { String::new() } else { joints(&is_last) };
        listing.write(|out| out.write_all(prefix.as_bytes()))?;
        if step.is_damaged {
            listing.losses.damaged(&step.path);
        }
        listing.print_as(step.name(), &step.path, step.node, step.is_damaged)?;
    }
    listing.finish(&opened)
}

/// Names and bytes that are printed unless all were asked for: a small disc can tie its
/// directories together so that its tree has billions of them.
const MAX_NAMES: u64 = 1_000_000;
const MAX_BYTES: u64 = 64 << 20;

/// What is being listed, and how much of it there was so far.
struct Listing<'a> {
    arguments: &'a List,
    volume: &'a dyn Volume,
    /// How a Windows drive shows the names, if they are to be printed.
    on_windows: Option<OnWindows>,
    terminal: &'a mut Terminal,
    names: u64,
    bytes: u64,
    losses: Losses,
}

/// The lines that join an entry to the directories above it, each of which has entries left or not.
fn joints(is_last: &[bool]) -> String {
    let (own, above) = is_last.split_last().unwrap_or((&true, &[]));
    let mut joints: String = above.iter().map(|last| if *last { "    " } else { "|   " }).collect();
    joints.push_str(if *own { "`-- " } else { "|-- " });
    joints
}

/// The node of a path in the image.
pub(crate) fn find(volume: &Arc<dyn Volume>, path: &std::ffi::OsStr) -> Result<NodeId, Failure> {
    let meant = names::meant(volume, path);
    resolve(&**volume, &meant, true).map_err(|error| {
        let link = matches!(error, Error::NotFound).then(|| leads_nowhere(&**volume, &meant));
        link.flatten().unwrap_or_else(|| unreadable(path, &error))
    })
}

/// The failure for a path on which a symbolic link leads to nothing, if one does.
fn leads_nowhere(volume: &dyn Volume, path: &[u8]) -> Option<Failure> {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let parts = ends.chain([path.len()]).filter_map(|end| path.get(..end));
    // The first that leads nowhere; what is behind it may have any name.
    let is_lost = |part: &&[u8]| matches!(resolve(volume, part, true), Err(Error::NotFound));
    let link = parts.into_iter().find(is_lost)?;
    let target = volume.read_link(resolve(volume, link, false).ok()?).ok()?;
    let (name, shown) = (shown(link), shown(&target));
    let message = format!(
        "\"{name}\" in the image is a symbolic link to \"{shown}\", which is not in the image"
    );
    let failure = Failure::new(Exit::NotInImage, message);
    let failure = if target.first() == Some(&b'/') {
        let cause =
            "a link that begins with / leads on from the root of the disc, not of this system";
        failure.line("cause", cause)
    } else {
        failure
    };
    Some(failure.advice("try", "a file of the disc; ls -l shows where links lead"))
}

/// A path of the image that cannot be read.
pub(crate) fn unreadable(path: &std::ffi::OsStr, error: &Error) -> Failure {
    not_read(path.as_encoded_bytes(), error)
}

/// A path of the image, as the image writes it, that cannot be read.
pub(crate) fn not_read(path: &[u8], error: &Error) -> Failure {
    let is = if matches!(error, Error::Corrupt { .. }) { " is damaged" } else { "" };
    Failure::new(Exit::of(error), format!("\"{}\" in the image{is}: {error}", shown(path)))
}

impl<'a> Listing<'a> {
    fn new(
        arguments: &'a List,
        volume: &'a dyn Volume,
        on_windows: Option<OnWindows>,
        terminal: &'a mut Terminal,
    ) -> Self {
        let losses = Losses::default();
        Self { arguments, volume, on_windows, terminal, names: 0, bytes: 0, losses }
    }

    /// Notes the directory that was asked for, if damage was met in it.
    fn start(&mut self, is_damaged: bool) {
        if is_damaged {
            self.losses.damaged(self.arguments.path.as_encoded_bytes());
        }
    }

    /// Points to the findings, and fails if anything was lost.
    fn finish(self, opened: &iso_core::Image) -> Outcome {
        if self.losses.has_lacking() {
            let what_now = "the files that the cut costs are named below";
            image::warn_if_truncated(&self.arguments.image.image, opened, what_now, self.terminal);
        }
        mention_findings(self.arguments, opened, self.terminal);
        self.losses.outcome(
            "entry could not be read and is marked",
            "entries could not be read and are marked",
        )
    }

    fn print(&mut self, name: &[u8], path: &[u8], node: NodeId) -> Outcome {
        self.print_as(name, path, node, false)
    }

    /// Prints an entry, and of a directory whether damage was met in it.
    fn print_as(&mut self, name: &[u8], path: &[u8], node: NodeId, is_damaged: bool) -> Outcome {
        let (volume, arguments) = (self.volume, self.arguments);
        let attr = match volume.attr(node) {
            Ok(attr) => attr,
            Err(error) => return self.print_damaged(path, &error),
        };
        self.count_name()?;
        let is_cut = attr.kind == FileKind::Regular && volume.is_cut(node);
        if is_cut {
            self.losses.cut(path);
        }
        // A directory in which damage was met has been named.
        let is_lacking = !is_damaged && volume.lacks_bytes(node);
        if is_lacking {
            self.losses.lacking(path);
        }
        let windows_name = self.on_windows.as_ref().and_then(|names| names.other_name(path));
        if arguments.json {
            let windows_name = windows_name.map(|name| String::from_utf16_lossy(&name));
            let damaged = is_damaged || is_cut || is_lacking;
            let line = Line { windows_name, damaged, ..line(volume, path, &attr) };
            self.losses.unread(line.error.is_some());
            return self.write(|out| json::write_line(out, &line));
        }
        let mut note = windows_name
            .map_or_else(String::new, |name| format!("  [on Windows: {}]", names::written(&name)));
        if is_damaged {
            note.push_str("  [damaged: the disc may hold more in it]");
        }
        if is_cut {
            note.push_str("  [damaged: it does not hold all of its bytes]");
        }
        if is_lacking {
            note.push_str("  [cut: the image does not hold all of it]");
        }
        let target = target(volume, &attr).filter(|_| arguments.long);
        self.losses.unread(matches!(target, Some(Err(_))));
        self.write(|out| match arguments.long {
            true => writeln!(out, "{}{}{note}", long(&attr), with_target(name, &attr, &target)),
            false if attr.kind == FileKind::Directory => writeln!(out, "{}/{note}", shown(name)),
            false => writeln!(out, "{}{note}", shown(name)),
        })
    }

    fn print_damaged(&mut self, path: &[u8], error: &Error) -> Outcome {
        let json = self.arguments.json;
        self.losses.unread(true);
        self.count_name()?;
        self.write(|out| {
            if !json {
                return writeln!(out, "{}  [{}]", shown(path), harmless(&error.to_string()));
            }
            let line = Line {
                schema: json::SCHEMA,
                path: Name::new(path),
                error: Some(error.to_string()),
                ..Line::default()
            };
            json::write_line(out, &line)
        })
    }

    fn count_name(&mut self) -> Outcome {
        self.names = self.names.saturating_add(1);
        if self.arguments.all || (self.names <= MAX_NAMES && self.bytes < MAX_BYTES) {
            return Ok(());
        }
        let names = self.names.saturating_sub(1);
        let message = format!("stopped after {names} names and {}", size(self.bytes));
        Err(Failure::new(Exit::Other, message).advice("try", "--all"))
    }

    fn write(&mut self, write: impl FnOnce(&mut Counting<'_>) -> std::io::Result<()>) -> Outcome {
        let mut out = Counting { out: self.terminal.out(), bytes: &mut self.bytes };
        write(&mut out).map_err(|error| output_failed(&error))
    }
}

/// Counts what is written through it.
struct Counting<'a> {
    out: &'a mut dyn Write,
    bytes: &'a mut u64,
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        *self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn line(volume: &dyn Volume, path: &[u8], attr: &Attr) -> Line {
    let target = target(volume, attr);
    Line {
        schema: json::SCHEMA,
        path: Name::new(path),
        kind: Some(attr.kind.letter()),
        size: Some(attr.size),
        mode: attr.posix.map(|posix| format!("{:04o}", posix.permissions)),
        uid: attr.posix.and_then(|posix| posix.uid),
        gid: attr.posix.and_then(|posix| posix.gid),
        modified: Some(json::time(attr.modified)),
        windows_name: None,
        damaged: false,
        error: target.as_ref().and_then(|t| t.as_ref().err().map(Error::to_string)),
        target: target.and_then(|target| target.ok().map(|target| Name::new(&target))),
    }
}

/// Kind, mode, size and time in columns.
fn long(attr: &Attr) -> String {
    let mode = attr.posix.map_or("----".to_owned(), |posix| format!("{:04o}", posix.permissions));
    let time = json::time(attr.modified);
    let minute = time.get(..16).unwrap_or(&time).replace('T', " ");
    format!("{} {mode} {:>14} {minute:<16} ", attr.kind.letter(), attr.size)
}

/// Where a symbolic link leads; nothing for everything else.
fn target(volume: &dyn Volume, attr: &Attr) -> Option<iso_core::Result<Vec<u8>>> {
    (attr.kind == FileKind::Symlink).then(|| volume.read_link(attr.node))
}

fn with_target(name: &[u8], attr: &Attr, target: &Option<iso_core::Result<Vec<u8>>>) -> String {
    let name = shown(name);
    match target {
        Some(Ok(target)) => format!("{name} -> {}", shown(target)),
        Some(Err(error)) => format!("{name} -> [{}]", harmless(&error.to_string())),
        None if attr.kind == FileKind::Directory => format!("{name}/"),
        None => name,
    }
}

/// Findings that are shown behind a listing.
const MAX_FINDINGS: usize = 10;

/// Shows what was found odd about the disc on the way: `isodrive info` reads less and finds less.
fn mention_findings(arguments: &List, image: &iso_core::Image, terminal: &mut Terminal) {
    let findings = image.disc().findings();
    let count = findings.count();
    if count == 0 || arguments.json {
        return;
    }
    let shown = findings.list().into_iter().take(MAX_FINDINGS);
    let mut lines: Vec<String> = shown.map(|finding| harmless(&finding.text)).collect();
    let shown = u64::try_from(lines.len()).unwrap_or(count);
    if let Some(more @ 1..) = count.checked_sub(shown) {
        lines.push(format!("and {more} more"));
    }
    let noun = if count == 1 { "finding" } else { "findings" };
    terminal.warn(&format!("{count} {noun} about this disc"), &lines);
}
