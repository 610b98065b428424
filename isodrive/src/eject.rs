//! `isodrive eject`: takes mounts away by path, image or label, and waits until nothing is left.
//! Touches isodrive's own mounts only.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::Eject;
use crate::exit::{Exit, Failure, Outcome, bare};
use crate::holders;
use crate::mounts::{self, Entry};
use crate::state::Record;
use crate::terminal::{Terminal, quoted};

/// How long a server may take to end after its mount is gone.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(arguments: &Eject, terminal: &mut Terminal) -> Outcome {
    let table = mounts::list()
        .map_err(|error| Failure::io(Exit::Other, "cannot read the mount table", &error))?;
    if arguments.all {
        return table.iter().rev().try_for_each(|entry| eject(entry, arguments.lazy));
    }
    for target in &arguments.targets {
        match find(target, &table) {
            Some(entry) => eject(entry, arguments.lazy)?,
            None if arguments.if_mounted => {}
            None => return Err(unknown(target, &table)),
        }
    }
    terminal.flush()
}

/// The mount that a person means: by its path, its image, or its last path component. Paths of
/// dead mounts cannot be resolved, so they are compared as they are written too.
fn find<'t>(target: &Path, table: &'t [Entry]) -> Option<&'t Entry> {
    let resolved = target.canonicalize().ok();
    let written =
        std::path::absolute(target).ok().map(|path| path.components().collect::<PathBuf>());
    let is_path = |entry: &&Entry| {
        Some(&entry.at) == resolved.as_ref() || Some(&entry.at) == written.as_ref()
    };
    let is_image =
        |entry: &&Entry| [&resolved, &written].into_iter().flatten().any(|path| entry.shows(path));
    let is_label = |entry: &&Entry| entry.at.file_name() == Some(target.as_os_str());
    let latest = |matches: &dyn Fn(&&Entry) -> bool| table.iter().rev().find(matches);
    latest(&is_path).or_else(|| latest(&is_image)).or_else(|| latest(&is_label))
}

fn unknown(target: &Path, table: &[Entry]) -> Failure {
    let name = quoted(target);
    let is_foreign = target.canonicalize().is_ok_and(|path| mounts::is_mount_point(&path));
    let failure = if is_foreign {
        Failure::new(Exit::NotMounted, format!("{name} is a mount of another program"))
            .line("try", format!("umount {name}"))
    } else {
        Failure::new(Exit::NotMounted, format!("{name} is not mounted by isodrive"))
    };
    table.iter().fold(failure, |failure, entry| failure.line("mounted", quoted(&entry.at)))
}

/// Takes one mount away and waits for its server to clean up.
fn eject(entry: &Entry, lazy: bool) -> Outcome {
    let record = Record::read(&entry.device);
    mount_fuse::unmount(&entry.at, lazy).map_err(|error| not_unmounted(entry, &error))?;
    let Some(record) = record else { return Ok(()) };
    let deadline = Instant::now().checked_add(PATIENCE);
    let mut pause = Duration::from_millis(1);
    while !lazy && record.is_alive() && deadline.is_some_and(|at| Instant::now() < at) {
        std::thread::sleep(pause);
        pause = pause.saturating_mul(2).min(Duration::from_millis(50));
    }
    // A server that was killed removes nothing; and this removes an empty directory alone.
    if record.made_directory && !mounts::is_mount_point(&entry.at) {
        let _ = std::fs::remove_dir(&entry.at);
    }
    Ok(())
}

fn not_unmounted(entry: &Entry, error: &io::Error) -> Failure {
    let name = quoted(&entry.at);
    if error.kind() != io::ErrorKind::ResourceBusy {
        return Failure::new(Exit::Other, format!("cannot eject {name}: {}", bare(error)));
    }
    let failure = Failure::new(Exit::Busy, format!("{name} is busy"));
    holders::of(&entry.at)
        .into_iter()
        .fold(failure, |failure, holder| failure.line("in use", holder))
        .line("try", format!("close them, or detach now: isodrive eject --lazy {name}"))
}
