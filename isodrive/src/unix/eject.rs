//! `isodrive eject`: takes mounts away by path, image or label, and waits until nothing is left.
//! Touches isodrive's own mounts only.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::Eject;
use crate::exit::{Exit, Failure, Outcome, bare};
use crate::terminal::{Terminal, quoted};
use crate::unix::holders;
use crate::unix::mount::point;
use crate::unix::mounts::{self, Entry};
use crate::unix::state::Record;

/// How long a server may take to end after its mount is gone.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(arguments: &Eject, terminal: &mut Terminal) -> Outcome {
    let table = mounts::list()
        .map_err(|error| Failure::io(Exit::Other, "cannot read the mount table", &error))?;
    if arguments.all {
        let entries: Vec<&Entry> = table.iter().rev().filter(|entry| entry.is_mine()).collect();
        return every(&entries, |entry| eject(entry, arguments.lazy));
    }
    let records = Record::all();
    every(&arguments.targets, |target| match find(target, &table, &records)? {
        Some(entry) => eject(entry, arguments.lazy),
        None if arguments.if_mounted => Ok(()),
        None => Err(unknown(target, &table)),
    })?;
    terminal.flush()
}

/// Does all of them, and gives the first failure with the others below it.
fn every<T>(items: &[T], mut eject: impl FnMut(&T) -> Outcome) -> Outcome {
    let mut failures = items.iter().filter_map(|item| eject(item).err());
    let Some(first) = failures.next() else { return Ok(()) };
    Err(failures.fold(first, |first, other| {
        let first = first.line("also", other.message);
        other.lines.into_iter().fold(first, |first, (label, text)| first.line(label, text))
    }))
}

/// The mount that a person means: by its path, image, label or last path component. Paths of
/// dead mounts cannot be resolved, so they are compared as they are written too. Of mounts that
/// lie over each other the topmost is meant; a name that fits several places is an error.
fn find<'t>(
    target: &Path,
    table: &'t [Entry],
    records: &[Record],
) -> Result<Option<&'t Entry>, Failure> {
    let resolved = target.canonicalize().ok();
    let written: Option<PathBuf> =
        std::path::absolute(target).ok().map(|path| path.components().collect());
    let paths = [&resolved, &written].map(Option::as_ref);
    let is_foreign = |path: &&PathBuf| mounts::top_at(path).is_some_and(|top| !top.is_ours());
    if paths.iter().flatten().any(is_foreign) {
        // Whoever names another program's mount does not mean one of ours with the same name.
        return Ok(None);
    }
    let is_path = |entry: &&Entry| paths.contains(&Some(&entry.at));
    let is_image = |entry: &&Entry| paths.iter().flatten().any(|path| entry.shows(path));
    let is_name = |entry: &&Entry| entry.at.file_name() == Some(target.as_os_str());
    let is_label = |entry: &&Entry| {
        let record = records.iter().find(|record| record.is_of(entry));
        record.is_some_and(|record| record.label.bytes() == target.as_os_str().as_bytes())
    };
    let ways: [&dyn Fn(&&Entry) -> bool; 4] = [&is_path, &is_image, &is_name, &is_label];
    for fits in ways {
        let found: Vec<&Entry> = table.iter().rev().filter(fits).collect();
        if let [first, rest @ ..] = found.as_slice() {
            if rest.iter().all(|other| other.at == first.at) {
                return Ok(Some(first));
            }
            let message = format!("{} names several mounts", quoted(target));
            let failure = Failure::new(Exit::NotMounted, message);
            return Err(found
                .iter()
                .fold(failure, |f, entry| f.line("mounted", quoted(&entry.at))));
        }
    }
    Ok(None)
}

fn unknown(target: &Path, table: &[Entry]) -> Failure {
    let name = quoted(target);
    let absolute = std::path::absolute(target).unwrap_or_default();
    let is_foreign = mounts::top_at(&target.canonicalize().unwrap_or(absolute)).is_some();
    let failure = if is_foreign {
        Failure::new(Exit::NotMounted, format!("{name} is a mount of another program"))
            .line("try", format!("umount {name}"))
    } else {
        Failure::new(Exit::NotMounted, format!("{name} is not mounted by isodrive"))
    };
    table.iter().fold(failure, |failure, entry| failure.line("mounted", quoted(&entry.at)))
}

/// Takes one mount away and waits for its supervisor to clean up.
fn eject(entry: &Entry, lazy: bool) -> Outcome {
    let record = Record::all().into_iter().find(|record| record.is_of(entry));
    unmount(entry, lazy).map_err(|error| not_unmounted(entry, &error))?;
    let Some(record) = record else { return Ok(()) };
    if !record.is_alive() {
        // One that was killed removes nothing.
        let _ = record.clean_up();
        return Ok(());
    }
    let deadline = Instant::now().checked_add(PATIENCE);
    let mut pause = Duration::from_millis(1);
    while !lazy && record.is_alive() && deadline.is_some_and(|at| Instant::now() < at) {
        std::thread::sleep(pause);
        pause = pause.saturating_mul(2).min(Duration::from_millis(50));
    }
    // Its users may be at it for long; the place is free at once.
    if lazy && record.made_directory && mounts::top_at(&entry.at).is_none() {
        point::remove(&entry.at);
    }
    Ok(())
}

/// Takes it away. Whoever looks at a mount for a moment makes it busy for that moment; only who
/// stays is worth telling.
fn unmount(entry: &Entry, lazy: bool) -> io::Result<()> {
    let is_momentary = |error: &io::Error| {
        error.kind() == io::ErrorKind::ResourceBusy && holders::of(&entry.at).is_empty()
    };
    for _ in 0..20 {
        match mount_fuse::unmount(&entry.at, lazy) {
            Err(error) if is_momentary(&error) => std::thread::sleep(Duration::from_millis(25)),
            result => return result,
        }
    }
    mount_fuse::unmount(&entry.at, lazy)
}

fn not_unmounted(entry: &Entry, error: &io::Error) -> Failure {
    let name = quoted(&entry.at);
    if error.kind() != io::ErrorKind::ResourceBusy {
        return Failure::new(Exit::Other, format!("cannot eject {name}: {}", bare(error)));
    }
    let failure = Failure::new(Exit::Busy, format!("{name} is busy"));
    holders::of(&entry.at)
        .into_iter()
        .fold(failure, |failure, holder| failure.line("in use", holder.to_string()))
        .line("try", format!("close them, or detach now: isodrive eject --lazy {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: &str, source: &str) -> Entry {
        Entry {
            at: at.into(),
            source: source.to_owned(),
            device: "0:1".to_owned(),
            kind: mount_fuse::FS_TYPE.to_owned(),
            group: None,
            allows_others: false,
            user: None,
        }
    }

    #[test]
    fn a_mount_is_meant_by_path_image_or_label_and_never_one_of_several() {
        let table = [
            entry("/home/a/isodrive/DISC", "/srv/one.iso"),
            entry("/mnt/two", "/srv/two.iso"),
            entry("/home/b/isodrive/DISC", "/srv/three.iso"),
            entry("/mnt/two", "/srv/over.iso"),
        ];
        for (target, want) in [
            ("/home/a/isodrive/DISC", Some(0)),
            ("/mnt/two/", Some(3)),
            ("/srv/three.iso", Some(2)),
            ("two", Some(3)),
            ("/mnt", None),
        ] {
            let found = find(Path::new(target), &table, &[]).unwrap();
            assert_eq!(found, want.map(|index: usize| &table[index]), "{target}");
        }
        let failure = find(Path::new("DISC"), &table, &[]).unwrap_err();
        assert_eq!(failure.message, "\"DISC\" names several mounts");
        assert_eq!(failure.lines.len(), 2);
    }
}
