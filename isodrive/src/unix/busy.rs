//! Why a mount is busy, in words: what is mounted in it, whose image lies on it, who has something
//! of it. Reads tables and `/proc` alone, so it never waits for the mount.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::shell::ShellCommand;
use crate::terminal::quoted;
use crate::unix::holders;
use crate::unix::mounts::{self, Entry};
use crate::unix::state::Record;

/// The failure for a mount that cannot be ejected because it is in use.
pub(super) fn failure(entry: &Entry) -> Failure {
    let failure = Failure::new(Exit::Busy, format!("{} is busy", quoted(&entry.at)));
    let nested = mounts::below(&entry.at);
    let failure = nested.iter().fold(failure, |failure, inner| {
        let is_mounted = format!("{} is mounted in it ({})", quoted(&inner.at), inner.kind);
        failure.line("in use", is_mounted)
    });
    let guests = guests(entry);
    let failure = guests.iter().fold(failure, |failure, guest| {
        let words = format!("{} shows an image that lies on it", quoted(&guest.entry.at));
        failure.line("in use", words)
    });
    let mut holders = holders::of(&entry.at);
    holders.retain(|holder| !guests.iter().any(|guest| guest.is_served_by(holder.pid)));
    let failure =
        holders.iter().fold(failure, |failure, holder| failure.line("in use", holder.to_string()));
    let devices = holders::loop_devices(&entry.at);
    let failure =
        devices.iter().fold(failure, |failure, device| failure.line("in use", device.as_str()));
    // What is mounted in it goes first: it may be what shows an image.
    let mut first: Vec<&Entry> = nested.iter().rev().collect();
    first.extend(guests.iter().map(|guest| &guest.entry).filter(|guest| !nested.contains(guest)));
    let failure = first.iter().fold(failure, |failure, inner| take_away(failure, inner));
    // To detach it would detach what is mounted in it.
    let can_be_detached = nested.is_empty() && (guests.is_empty() || !holders.is_empty());
    if !can_be_detached {
        return failure;
    }
    let lazy = ShellCommand::new("isodrive eject --lazy").operand(&entry.at);
    failure.advice("try", lazy.after("close them, or detach now:"))
}

/// Says how to take away first what keeps another mount busy.
fn take_away(failure: Failure, inner: &Entry) -> Failure {
    if let Some(owner) = inner.user.filter(|_| inner.is_ours() && !inner.is_mine()) {
        return failure.line("owner", format!("user {owner} mounted {}", quoted(&inner.at)));
    }
    let words = if inner.is_ours() { "isodrive eject" } else { "umount" };
    failure.advice("try", ShellCommand::new(words).operand(&inner.at))
}

/// A mount whose image lies on another one, which that keeps busy.
struct Guest {
    entry: Entry,
    record: Option<Record>,
}

impl Guest {
    /// Whether a process is one of those behind it: its supervisor, or a child of that.
    fn is_served_by(&self, pid: u32) -> bool {
        let Some(record) = &self.record else { return false };
        let supervisor = record.supervisor.pid;
        pid == supervisor || parent(pid) == Some(supervisor)
    }
}

/// The mounts whose images lie on this one, by the path that it has now or had when it was made.
fn guests(outer: &Entry) -> Vec<Guest> {
    let mut records = Record::all();
    let was_at = records.iter().find(|record| record.is_of(outer)).map(Record::at);
    let is_on_it = |image: &Path| {
        [Some(&outer.at), was_at.as_ref()].into_iter().flatten().any(|at| image.starts_with(at))
    };
    let others =
        mounts::list().unwrap_or_default().into_iter().filter(|entry| entry.device != outer.device);
    let guest = |entry: Entry| {
        let place = records.iter().position(|record| record.is_of(&entry));
        let record = place.map(|place| records.swap_remove(place));
        let image = record
            .as_ref()
            .map_or_else(|| PathBuf::from(OsStr::from_bytes(entry.image())), Record::image);
        is_on_it(&image).then_some(Guest { entry, record })
    };
    others.filter_map(guest).collect()
}

/// The parent of a process (proc_pid_stat(5)): the second field behind the name in brackets.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}
