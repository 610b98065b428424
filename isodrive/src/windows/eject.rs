//! `isodrive eject`: takes drives away by letter, directory, image or label, and waits until they
//! are gone. Knows only what isodrive's own records tell.

use std::path::Path;
use std::time::{Duration, Instant};

use mount_winfsp::system::{Event, NotSet, is_letter_free};

use crate::cli::Eject;
use crate::exit::{Exit, Failure, Outcome};
use crate::shell::ShellCommand;
use crate::terminal::{Terminal, quoted};

use super::native;
use super::place::{letter, without_end};
use super::state::{Record, sweep};

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(arguments: &Eject, terminal: &mut Terminal) -> Outcome {
    sweep();
    let records = Record::alive();
    if arguments.all {
        // One that stays keeps no other.
        let failures: Vec<Failure> = records.iter().filter_map(|one| eject(one).err()).collect();
        return failures.into_iter().next().map_or_else(|| terminal.flush(), Err);
    }
    for target in &arguments.targets {
        match find(target, &records)? {
            Some(record) => eject(record)?,
            None if arguments.if_mounted => {}
            None => return Err(unknown(target, &records)),
        }
    }
    terminal.flush()
}

/// The drive that a person means: by its letter or directory, its image, or its label.
fn find<'r>(target: &Path, records: &'r [Record]) -> Result<Option<&'r Record>, Failure> {
    let text = target.to_string_lossy();
    let wanted = letter(&text);
    let path = Path::new(without_end(target.as_os_str()));
    let resolved = super::one_path(path);
    let written = std::path::absolute(path).unwrap_or_default();
    let same = |path: &Path, name: &crate::json::Name| super::text(path).bytes() == name.bytes();
    let is_at = |record: &&Record| {
        let at = &record.at;
        wanted.is_some_and(|wanted| letter(&at.text()) == Some(wanted)) || same(&written, at)
    };
    let is_image =
        |record: &&Record| [&resolved, &written].iter().any(|path| same(path, &record.image));
    let is_name = |record: &&Record| {
        let at = record.at.bytes();
        at.rsplit(|byte| *byte == b'\\').next() == Some(text.as_bytes())
    };
    let is_label = |record: &&Record| record.label.bytes() == text.as_bytes();
    // A path that is there is not a name.
    let is_path = wanted.is_some() || path.symlink_metadata().is_ok();
    let is_name = |record: &&Record| !is_path && is_name(record);
    let is_label = |record: &&Record| !is_path && is_label(record);
    let ways: [&dyn Fn(&&Record) -> bool; 4] = [&is_at, &is_image, &is_name, &is_label];
    for fits in ways {
        let found: Vec<&Record> = records.iter().filter(fits).collect();
        match found.as_slice() {
            [] => {}
            [only] => return Ok(Some(only)),
            several => {
                let message = format!("{} names several drives", quoted(target));
                let failure = Failure::new(Exit::NotMounted, message);
                return Err(several
                    .iter()
                    .fold(failure, |failure, record| failure.line("mounted", record.place())));
            }
        }
    }
    Ok(None)
}

/// Whether a name means the drive at a path and no other.
pub(crate) fn means(name: &str, at: &[u8]) -> bool {
    let records = Record::alive();
    matches!(find(Path::new(name), &records), Ok(Some(record)) if record.at.bytes() == at)
}

fn unknown(target: &Path, records: &[Record]) -> Failure {
    let message = format!("{} is not mounted by isodrive", quoted(target));
    let failure = Failure::new(Exit::NotMounted, message);
    // Records are those of one user.
    let is_in_use = letter(&target.to_string_lossy()).is_some_and(|letter| !is_letter_free(letter));
    let failure = if is_in_use {
        failure.line(
            "cause",
            "the drive is another program's, or another user mounted it, who can eject it",
        )
    } else {
        failure
    };
    records.iter().fold(failure, |failure, record| failure.line("mounted", record.place()))
}

/// Has the server of a drive end, and waits until it has.
fn eject(record: &Record) -> Outcome {
    if let Some(device) = &record.device {
        return native::eject(record, device);
    }
    let at = record.place();
    let signalled = Event::set(&record.stop);
    match signalled {
        // A server that ends closes its event a moment before it is gone.
        Ok(()) | Err(NotSet::Missing) => {}
        Err(error) if record.is_alive() => return Err(not_signalled(record, error)),
        Err(_) => return Ok(()),
    }
    let since = Instant::now();
    while record.is_alive() {
        if since.elapsed() > PATIENCE {
            signalled.map_err(|error| not_signalled(record, error))?;
            let message = format!("the server of {at} does not end");
            let taskkill =
                ShellCommand::new("taskkill /f /pid").operand(record.process.pid.to_string());
            return Err(Failure::new(Exit::Busy, message).advice("try", taskkill));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The failure for a server whose stop event cannot be set.
fn not_signalled(record: &Record, error: NotSet) -> Failure {
    let at = record.place();
    let failure = |why: &str| {
        Failure::new(Exit::Other, format!("cannot tell the server of {at} to end: {why}"))
    };
    match error {
        NotSet::Denied => failure("it is another user's")
            .line("mounted", format!("by {}", record.user))
            .advice("try", "the same command as that user, or as an administrator"),
        NotSet::Missing => failure("its event is gone")
            .line("mounted", format!("by {}", record.user))
            .advice("try", "the same command again"),
        NotSet::Other(code) => failure(&format!("Windows error {code}"))
            .advice("try", "the same command there where it was mounted"),
    }
}
