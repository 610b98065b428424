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
use crate::names::{self, OnWindows};
use crate::shell::ShellCommand;
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
}

pub(crate) fn ls(arguments: &List, verbose: u8, terminal: &mut Terminal) -> Outcome {
    let (opened, chosen) = image::open_shown(&arguments.image, terminal)?;
    let volume = &*chosen.volume;
    let start = find(&chosen.volume, &arguments.path)?;
    let attr = volume.attr(start).map_err(|error| unreadable(&arguments.path, &error))?;
    let on_windows = (verbose > 0).then(|| OnWindows::new(chosen.volume.clone(), start));
    let mut listing = Listing { arguments, volume, on_windows, terminal, names: 0, bytes: 0 };
    if attr.kind == FileKind::Directory {
        let dir = volume.read_dir(start).map_err(|error| unreadable(&arguments.path, &error))?;
        let mut order: Vec<_> = dir.iter().collect();
        order.sort_by_key(|entry| entry.name);
        for entry in order {
            listing.print(entry.name, entry.name, entry.node)?;
        }
    } else {
        let path = arguments.path.as_encoded_bytes();
        listing.print(path, path, start)?;
    }
    mention_findings(arguments, &opened, terminal);
    Ok(())
}

pub(crate) fn tree(arguments: &List, verbose: u8, terminal: &mut Terminal) -> Outcome {
    let (opened, chosen) = image::open_shown(&arguments.image, terminal)?;
    let volume = &*chosen.volume;
    let start = find(&chosen.volume, &arguments.path)?;
    let walk = Walk::new(volume, start).map_err(|error| unreadable(&arguments.path, &error))?;
    let on_windows = (verbose > 0).then(|| OnWindows::new(chosen.volume.clone(), start));
    let mut listing = Listing { arguments, volume, on_windows, terminal, names: 0, bytes: 0 };
    // Whether each open directory on the way has entries left, for the lines that join them.
    let mut is_last: Vec<bool> = Vec::new();
    let mut damaged = 0u64;
    for step in walk {
        is_last.truncate(step.depth.saturating_sub(1));
        is_last.push(step.last);
        if let Some(error) = &step.error {
            damaged = damaged.saturating_add(1);
            listing.print_damaged(&step.path, error)?;
            continue;
        }
        let prefix = if arguments.json { String::new() } else { joints(&is_last) };
        listing.write(|out| out.write_all(prefix.as_bytes()))?;
        listing.print(step.name(), &step.path, step.node)?;
    }
    mention_findings(arguments, &opened, terminal);
    if damaged > 0 {
        let message = format!("{damaged} entries could not be read and are marked");
        return Err(Failure::new(Exit::Damaged, message));
    }
    Ok(())
}

/// Names and bytes that are printed unless all were asked for: a small disc can tie its
/// directories together so that its tree has billions of them.
const MAX_NAMES: u64 = 1_000_000;
const MAX_BYTES: u64 = 64 << 20;

/// What is being listed, and how much of it there was so far.
struct Listing<'a> {
    arguments: &'a List,
    volume: &'a dyn Volume,
    /// How a drive shows the names, where that is to be told.
    on_windows: Option<OnWindows>,
    terminal: &'a mut Terminal,
    names: u64,
    bytes: u64,
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
    resolve(&**volume, &meant, true).map_err(|error| unreadable(path, &error))
}

/// A path of the image that cannot be read.
pub(crate) fn unreadable(path: &std::ffi::OsStr, error: &Error) -> Failure {
    not_read(path.as_encoded_bytes(), error)
}

/// A path of the image, as the image writes it, that cannot be read.
pub(crate) fn not_read(path: &[u8], error: &Error) -> Failure {
    Failure::new(Exit::of(error), format!("\"{}\" in the image: {error}", shown(path)))
}

impl Listing<'_> {
    fn print(&mut self, name: &[u8], path: &[u8], node: NodeId) -> Outcome {
        let (volume, arguments) = (self.volume, self.arguments);
        let attr = match volume.attr(node) {
            Ok(attr) => attr,
            Err(error) => return self.print_damaged(path, &error),
        };
        self.count_name()?;
        let windows_name = self.on_windows.as_ref().and_then(|names| names.other_name(path));
        if arguments.json {
            let windows_name = windows_name.map(|name| String::from_utf16_lossy(&name));
            let line = Line { windows_name, ..line(volume, path, &attr) };
            return self.write(|out| json::write_line(out, &line));
        }
        let note = windows_name
            .map_or_else(String::new, |name| format!("  [on Windows: {}]", names::written(&name)));
        self.write(|out| match arguments.long {
            true => writeln!(out, "{}{}{note}", long(&attr), with_target(volume, name, &attr)),
            false if attr.kind == FileKind::Directory => writeln!(out, "{}/{note}", shown(name)),
            false => writeln!(out, "{}{note}", shown(name)),
        })
    }

    fn print_damaged(&mut self, path: &[u8], error: &Error) -> Outcome {
        let json = self.arguments.json;
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
    let target = (attr.kind == FileKind::Symlink).then(|| volume.read_link(attr.node));
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

fn with_target(volume: &dyn Volume, name: &[u8], attr: &Attr) -> String {
    let name = shown(name);
    match attr.kind {
        FileKind::Symlink => match volume.read_link(attr.node) {
            Ok(target) => format!("{name} -> {}", shown(&target)),
            Err(error) => format!("{name} -> [{}]", harmless(&error.to_string())),
        },
        FileKind::Directory => format!("{name}/"),
        FileKind::Regular
        | FileKind::BlockDevice
        | FileKind::CharDevice
        | FileKind::Fifo
        | FileKind::Socket => name,
    }
}

/// Points to the findings, which would drown the list.
fn mention_findings(arguments: &List, image: &iso_core::Image, terminal: &mut Terminal) {
    let count = image.disc().findings().list().len();
    if count > 0 && !arguments.json {
        let message =
            match ShellCommand::new("isodrive info").operand(&arguments.image.image).text() {
                Some(info) => format!("{count} findings about this disc:  {info}"),
                None => format!("{count} findings about this disc, which isodrive info lists"),
            };
        terminal.warn(&message, &[]);
    }
}
