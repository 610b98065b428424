//! `isodrive list`: what is mounted now, of which image, and how it does.
//! Reads the mount table and the records; touches no mount that somebody takes care of.

use std::io::Write;

use serde::Serialize;

use crate::cli::ListMounts;
use crate::exit::{Exit, Failure, Outcome};
use crate::json::{self, Name, SCHEMA};
use crate::table::{self, age};
use crate::terminal::{Terminal, output_failed, path_shown, shown, size};
use crate::unix::health::{self, Health};
use crate::unix::holders::{self, Holder};
use crate::unix::mounts::{self, Entry};
use crate::unix::state::{Driver, Record, State};

/// One mount in the list.
#[derive(Debug, Serialize)]
struct Line {
    schema: u32,
    at: Name,
    image: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<String>,
    state: String,
    /// Oddities of the disc that were met so far; the log names each.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<State>,
    /// Who serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<Driver>,
    /// Numbers of the supervisor and the worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<(u32, u32)>,
    used_by: Vec<Holder>,
}

pub(crate) fn run(arguments: &ListMounts, terminal: &mut Terminal) -> Outcome {
    let lines =
        lines().map_err(|error| Failure::io(Exit::Other, "cannot read the mount table", &error))?;
    let out = terminal.out();
    let written = if arguments.json {
        lines.iter().try_for_each(|line| json::write_line(out, line))
    } else {
        write_table(&lines, out)
    };
    written.map_err(|error| output_failed(&error))?;
    terminal.flush()
}

fn lines() -> std::io::Result<Vec<Line>> {
    let mut records = Record::all();
    let mut lines = Vec::new();
    for entry in mounts::list()? {
        let place = records.iter().position(|record| record.is_of(&entry));
        let record = place.map(|place| records.remove(place));
        lines.push(line(&entry, record));
    }
    // What was mounted by others, by a descriptor, stands in no table line of ours.
    let handed = records.into_iter().filter(|record| record.device.is_none() && record.is_alive());
    lines.extend(handed.map(|record| {
        let state = record.state.to_string();
        of_record(record.at.clone(), record, state, Vec::new())
    }));
    Ok(lines)
}

fn line(entry: &Entry, record: Option<Record>) -> Line {
    // The table knows where it is now: a folder on the way may have another name since.
    let at = Name::of_path(&entry.at);
    match record.filter(Record::is_alive) {
        Some(record) => {
            let used_by = holders::of(&entry.at);
            let state = match (&record.state(), used_by.as_slice()) {
                (State::Serving, []) => "idle".to_owned(),
                (State::Serving, [first, ..]) => {
                    format!("in use ({} {})", shown(first.name.as_bytes()), first.pid)
                }
                (other, _) => other.to_string(),
            };
            of_record(at, record, state, used_by)
        }
        None => Line {
            schema: SCHEMA,
            at,
            image: Name::new(entry.image()),
            label: None,
            system: None,
            bytes: None,
            since: None,
            sandbox: None,
            state: match health::of(entry) {
                Health::Serving => "serving".to_owned(),
                Health::Dead => "dead: server exited; run isodrive doctor --fix".to_owned(),
                Health::Silent => "not responding".to_owned(),
            },
            findings: None,
            detail: None,
            driver: None,
            processes: None,
            used_by: Vec::new(),
        },
    }
}

fn of_record(at: Name, record: Record, state: String, used_by: Vec<Holder>) -> Line {
    let detail = Some(record.state());
    Line {
        schema: SCHEMA,
        at,
        image: record.image,
        label: Some(record.label),
        system: Some(record.system),
        bytes: Some(record.bytes),
        since: Some(record.since),
        sandbox: Some(record.sandbox),
        state,
        findings: Some(record.findings),
        detail,
        driver: Some(record.driver),
        processes: match record.driver {
            Driver::Fuse => Some((record.supervisor.pid, record.worker.pid)),
            Driver::Erofs => None,
        },
        used_by,
    }
}

fn found(findings: u64) -> String {
    if findings == 1 { "1 finding".to_owned() } else { format!("{findings} findings") }
}

/// Columns as wide as what stands in them.
fn write_table(lines: &[Line], out: &mut impl Write) -> std::io::Result<()> {
    const TITLES: [&str; 7] =
        ["MOUNTED AT", "IMAGE", "SYSTEM", "SIZE", "SINCE", "SANDBOX", "STATE"];
    if lines.is_empty() {
        return Ok(());
    }
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(lines.iter().map(|line| {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            line.at.text(),
            path_shown(&line.image.bytes()),
            or_dash(line.system.clone()),
            or_dash(line.bytes.map(size)),
            or_dash(line.since.map(age)),
            match line.driver {
                Some(Driver::Erofs) => "EROFS".to_owned(),
                Some(Driver::Fuse) | None => or_dash(line.sandbox.clone()),
            },
            match line.findings {
                Some(findings @ 1..) => format!("{}; {}", line.state, found(findings)),
                Some(0) | None => line.state.clone(),
            },
        ]
    }));
    table::write(&rows, out)
}
