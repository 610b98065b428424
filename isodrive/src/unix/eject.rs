//! `isodrive eject`: takes mounts away by path, image or label, and waits until nothing is left.
//! Touches isodrive's own mounts only.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::geteuid;

use crate::cli::Eject;
use crate::exit::{Exit, Failure, Outcome, bare};
use crate::shell::ShellCommand;
use crate::terminal::{Terminal, quoted};
use crate::unix::busy;
use crate::unix::copies;
use crate::unix::health::{self, Health};
use crate::unix::holders;
use crate::unix::mount::refusal;
use crate::unix::mounts::{self, Entry};
use crate::unix::state::{Driver, Record};

/// How long a server may take to end after its mount is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a busy mount is tried, and after how many times its holders are looked for.
const ATTEMPTS: u32 = 20;
const MOMENTARY: u32 = 4;

/// How long a busy mount is left alone between two attempts.
const PAUSE: Duration = Duration::from_millis(25);

/// How long a server usually takes for that, at most.
const LATE: Duration = Duration::from_millis(100);

pub(crate) fn run(arguments: &Eject, terminal: &mut Terminal) -> Outcome {
    let table = mounts::list()
        .map_err(|error| Failure::io(Exit::Other, "cannot read the mount table", &error))?;
    let records = Record::all();
    if arguments.all_users && !geteuid().is_root() {
        return Err(Failure::new(Exit::Usage, "only root may eject the mounts of all users")
            .advice("try", "your own alone:  isodrive eject --all"));
    }
    if arguments.all || arguments.all_users {
        let is_meant = |entry: &&Entry| arguments.all_users || is_own(entry, &records);
        let entries: Vec<&Entry> = table.iter().rev().filter(is_meant).collect();
        return every(&entries, |entry| eject(entry, arguments.lazy, terminal));
    }
    every(&arguments.targets, |target| match find(target, &table, &records)? {
        Some(entry) => eject(entry, arguments.lazy, terminal),
        None if arguments.if_mounted => Ok(()),
        None => Err(unknown(target, &table, &records)),
    })?;
    terminal.flush()
}

/// Whether a name means the mount at a path and no other.
pub(crate) fn means(name: &str, at: &[u8]) -> bool {
    let table = mounts::list().unwrap_or_default();
    let found = find(Path::new(name), &table, &Record::all());
    matches!(found, Ok(Some(entry)) if entry.at.as_os_str().as_bytes() == at)
}

/// Whether it is this user's: there is a record of it, or the mount table says so.
fn is_own(entry: &Entry, records: &[Record]) -> bool {
    entry.is_own() || records.iter().any(|record| record.is_of(entry))
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

/// The mount that a person means. By a path, which is that of its directory or its image, or else
/// by a name, which is the last part of its path or its label: that of a mount of their own. What
/// is there in the file tree is a path and never a name. Of mounts that lie over each other the
/// topmost is meant; what fits several places is an error.
fn find<'t>(
    target: &Path,
    table: &'t [Entry],
    records: &[Record],
) -> Result<Option<&'t Entry>, Failure> {
    let resolved = target.canonicalize().ok();
    // Paths of dead mounts cannot be resolved, so they are compared as they are written too.
    let written: Option<PathBuf> =
        std::path::absolute(target).ok().map(|path| path.components().collect());
    let paths = [&resolved, &written].map(Option::as_ref);
    let is_foreign = |path: &&PathBuf| mounts::top_at(path).is_some_and(|top| !top.is_ours());
    if paths.iter().flatten().any(is_foreign) {
        return Ok(None);
    }
    // By the table alone: a mount whose server does not answer holds whoever asks for its root.
    let by_table = |entry: &&Entry| paths.contains(&Some(&entry.at));
    if let Some(entry) = table.iter().rev().find(by_table) {
        return Ok(Some(entry));
    }
    let file = target.metadata().ok();
    let record = |entry: &&Entry| records.iter().find(|record| record.is_of(entry));
    let is_file = |entry: &&Entry| {
        let identity = record(entry).map(|record| &record.identity);
        identity.zip(file.as_ref()).is_some_and(|(identity, file)| identity.begins_with(file))
    };
    let is_image = |entry: &&Entry| match record(entry) {
        Some(record) => paths.contains(&Some(&record.image())),
        None => paths.iter().flatten().any(|path| entry.shows(path)),
    };
    // Where it was, if nothing is there: a folder on the way has another name since.
    let was_there = |entry: &&Entry| {
        resolved.is_none() && record(entry).is_some_and(|r| paths.contains(&Some(&r.at())))
    };
    let is_name = |entry: &&Entry| is_called(target, entry) && is_own(entry, records);
    let is_label = |entry: &&Entry| {
        record(entry).is_some_and(|record| record.label.bytes() == target.as_os_str().as_bytes())
    };
    let ways: [&dyn Fn(&&Entry) -> bool; 5] =
        [&is_file, &is_image, &was_there, &is_name, &is_label];
    let count = if is_there(target) { 3 } else { ways.len() };
    for fits in ways.into_iter().take(count) {
        let found: Vec<&Entry> = table.iter().rev().filter(fits).collect();
        if let [first, rest @ ..] = found.as_slice() {
            if rest.iter().all(|other| other.at == first.at) {
                return Ok(Some(first));
            }
            let message = format!("{} names several mounts", quoted(target));
            return Err(found.iter().fold(Failure::new(Exit::NotMounted, message), by_path));
        }
    }
    Ok(None)
}

/// Whether a target is a path, of whatever is there, rather than a name.
fn is_there(target: &Path) -> bool {
    let is_path = target.is_absolute() || target.starts_with(".") || target.starts_with("..");
    is_path
        || match target.symlink_metadata() {
            Ok(_) => true,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::InvalidFilename
            ),
        }
}

/// Whether the last part of a mount's path is this name.
fn is_called(name: &Path, entry: &Entry) -> bool {
    entry.at.file_name() == Some(name.as_os_str())
}

/// Says by which command one mount is ejected.
fn by_path(failure: Failure, entry: &&Entry) -> Failure {
    failure.advice("try", ShellCommand::new("isodrive eject").operand(&entry.at))
}

fn unknown(target: &Path, table: &[Entry], records: &[Record]) -> Failure {
    let name = quoted(target);
    let failure = |why: &str| Failure::new(Exit::NotMounted, format!("{name} {why}"));
    let absolute = std::path::absolute(target).unwrap_or_default();
    let path = target.canonicalize().unwrap_or(absolute);
    if mounts::top_at(&path).is_some() {
        return failure("is a mount of another program")
            .advice("try", ShellCommand::new("umount").operand(&path));
    }
    let called: Vec<&Entry> = table.iter().filter(|entry| is_called(target, entry)).collect();
    if let [first, ..] = called.as_slice() {
        let why = match (is_own(first, records), first.user) {
            (true, _) => "is a path that is not mounted; a mount of yours has that name".to_owned(),
            (false, Some(user)) => format!("names no mount of yours; user {user} has such a mount"),
            (false, None) => "names no mount of yours; another user has such a mount".to_owned(),
        };
        let mine = called.iter().filter(|entry| entry.is_mine());
        return mine.fold(failure(&why), by_path);
    }
    let own = table.iter().filter(|entry| is_own(entry, records));
    own.fold(failure("is not mounted by isodrive"), |failure, entry| {
        failure.line("mounted", quoted(&entry.at))
    })
}

/// Takes one mount away and waits for its supervisor to clean up.
fn eject(entry: &Entry, lazy: bool, terminal: &mut Terminal) -> Outcome {
    let record = Record::all().into_iter().find(|record| record.is_of(entry));
    let supervisor = record.as_ref().filter(|record| record.is_alive());
    if let Some(record) = supervisor.filter(|_| lazy) {
        record.let_users_finish();
    }
    let is_lost = || {
        record.as_ref().is_none_or(|record| !record.is_alive()) && health::of(entry) == Health::Dead
    };
    unmount(entry, lazy, is_lost).map_err(|error| not_unmounted(entry, &error))?;
    let Some(record) = record else { return Ok(()) };
    let outcome = cleaned_up(entry, &record, lazy, terminal);
    // A supervisor that saw nothing of a new name on the way has not found it.
    record.remove_moved_directory(&entry.at);
    outcome
}

/// Waits until the supervisor of a mount that is gone has cleaned up, or does it in its place.
fn cleaned_up(entry: &Entry, record: &Record, lazy: bool, terminal: &mut Terminal) -> Outcome {
    if !record.is_alive() {
        // One that was killed removes nothing.
        let _ = record.clean_up();
        return Ok(());
    }
    let since = Instant::now();
    let is_cleaning = || match record.driver {
        Driver::Fuse if lazy => record.is_kept(),
        Driver::Fuse | Driver::Erofs => record.is_alive(),
    };
    while is_cleaning() && since.elapsed() < PATIENCE {
        // A supervisor that stays although its mount is gone serves a copy elsewhere.
        let is_late = since.elapsed() > LATE && !record.is_kept();
        if is_late && warn_of_copies(entry, terminal) {
            break;
        }
        let is_soon = since.elapsed() < LATE;
        std::thread::sleep(Duration::from_millis(if is_soon { 1 } else { 20 }));
    }
    if record.driver == Driver::Erofs && !record.is_alive() {
        // Its supervisor has left the record to whoever ejects the mount.
        let _ = record.clean_up();
    }
    if record.is_alive() && record.is_kept() {
        let message = format!(
            "{} is ejected; its supervisor (pid {}) does not end, and its record stays",
            quoted(&entry.at),
            record.supervisor.pid
        );
        let kill = ShellCommand::new("kill -9").operand(record.supervisor.pid.to_string());
        return Err(Failure::new(Exit::Other, message).advice("try", kill.after("end it:")));
    }
    Ok(())
}

/// Says who else has the mount, in other mount namespaces; whether anybody has.
fn warn_of_copies(entry: &Entry, terminal: &mut Terminal) -> bool {
    let copies = copies::elsewhere(entry);
    if copies.is_empty() {
        return false;
    }
    let message = format!(
        "{} is ejected here; other mount namespaces keep a copy, which ends in a few seconds",
        quoted(&entry.at)
    );
    let lines: Vec<String> = copies.iter().map(ToString::to_string).collect();
    terminal.warn(&message, &lines);
    true
}

/// Takes it away. A process that looks at a mount for a moment, or is about to become a program and
/// drops what it inherited, makes it busy for that moment; only one that stays is worth naming.
/// Whoever holds one that nobody serves any more gets errors only, and loses nothing.
fn unmount(entry: &Entry, lazy: bool, is_lost: impl Fn() -> bool) -> io::Result<()> {
    let unmount =
        |lazy| mount_fuse::unmount_if(&entry.at, lazy, |device, _| device == entry.device);
    for attempt in 0..ATTEMPTS {
        match unmount(lazy) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                // Asked twice, since its server may just be ending; no more often, since it may
                // hold whoever asks for a while.
                if matches!(attempt, 0 | MOMENTARY) && is_lost() {
                    return unmount(true);
                }
                if attempt > MOMENTARY && !holders::of(&entry.at).is_empty() {
                    return Err(error);
                }
                std::thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
    unmount(lazy)
}

fn not_unmounted(entry: &Entry, error: &io::Error) -> Failure {
    let name = quoted(&entry.at);
    if let Some(owner) = entry.user.filter(|owner| !entry.is_mine() && *owner != geteuid().as_raw())
    {
        let message = format!("cannot eject {name}: user {owner} mounted it");
        return Failure::new(Exit::Other, message);
    }
    if error.kind() != io::ErrorKind::ResourceBusy {
        return refusal::not_unmounted(&entry.at, &bare(error));
    }
    busy::failure(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: &str, source: &str) -> Entry {
        Entry {
            at: at.into(),
            source: source.into(),
            device: "0:1".to_owned(),
            kind: mount_fuse::FS_TYPE.to_owned(),
            group: None,
            allows_others: false,
            user: Some(geteuid().as_raw()),
        }
    }

    #[test]
    fn a_mount_is_meant_by_path_image_or_label_and_never_one_of_several() {
        let table = [
            entry("/home/a/isodrive/DISC", "/srv/one.iso"),
            entry("/mnt/two", "/srv/two.iso"),
            entry("/home/b/isodrive/DISC", "/srv/three.iso"),
            entry("/mnt/two", "/srv/over.iso"),
            Entry { user: Some(geteuid().as_raw() + 1), ..entry("/mnt/theirs", "/srv/c_d.iso") },
        ];
        for (target, want) in [
            ("/home/a/isodrive/DISC", Some(0)),
            ("/mnt/two/", Some(3)),
            ("/srv/three.iso", Some(2)),
            ("two", Some(3)),
            ("./two", None),
            ("/elsewhere/two", None),
            ("theirs", None),
            ("/mnt/theirs", Some(4)),
            ("/srv/c_d.iso", None),
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
