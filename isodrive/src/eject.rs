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
        match find(target, &table)? {
            Some(entry) => eject(entry, arguments.lazy)?,
            None if arguments.if_mounted => {}
            None => return Err(unknown(target, &table)),
        }
    }
    terminal.flush()
}

/// The mount that a person means: by its path, its image, or its last path component. Paths of
/// dead mounts cannot be resolved, so they are compared as they are written too. Of mounts that
/// lie over each other the topmost is meant; a name that fits several places is an error.
fn find<'t>(target: &Path, table: &'t [Entry]) -> Result<Option<&'t Entry>, Failure> {
    let resolved = target.canonicalize().ok();
    let written: Option<PathBuf> =
        std::path::absolute(target).ok().map(|path| path.components().collect());
    let paths = [&resolved, &written].map(Option::as_ref);
    let is_path = |entry: &&Entry| paths.contains(&Some(&entry.at));
    let is_image = |entry: &&Entry| paths.iter().flatten().any(|path| entry.shows(path));
    let is_label = |entry: &&Entry| entry.at.file_name() == Some(target.as_os_str());
    let ways: [&dyn Fn(&&Entry) -> bool; 3] = [&is_path, &is_image, &is_label];
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: &str, source: &str) -> Entry {
        Entry { at: at.into(), source: source.to_owned(), device: "0:1".to_owned() }
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
            let found = find(Path::new(target), &table).unwrap();
            assert_eq!(found, want.map(|index: usize| &table[index]), "{target}");
        }
        let failure = find(Path::new("DISC"), &table).unwrap_err();
        assert_eq!(failure.message, "\"DISC\" names several mounts");
        assert_eq!(failure.lines.len(), 2);
    }
}
