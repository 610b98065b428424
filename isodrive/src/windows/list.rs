//! `isodrive list`: which drives there are now, of which images.
//! Reads the records of servers; touches no drive.

use serde::Serialize;

use crate::cli::ListMounts;
use crate::exit::Outcome;
use crate::json::{self, Name, SCHEMA};
use crate::table::{self, age};
use crate::terminal::{Terminal, output_failed, size};

use super::state::Record;

/// One drive in the list.
#[derive(Debug, Serialize)]
struct Line {
    schema: u32,
    at: Name,
    image: Name,
    label: Name,
    system: String,
    bytes: u64,
    /// Seconds since 1970.
    since: i64,
    state: &'static str,
    /// The one that serves it; nobody's where Windows itself does.
    process: Option<u32>,
}

impl From<Record> for Line {
    fn from(record: Record) -> Self {
        let state = match (record.is_of_windows(), record.is_alive()) {
            (false, true) => "serving",
            (false, false) => "dead: server exited; run isodrive doctor --fix",
            (true, true) => "served by Windows",
            (true, false) => "dead (ejected) - isodrive doctor --fix",
        };
        Self {
            schema: SCHEMA,
            at: record.at,
            image: record.image,
            label: record.label,
            system: record.system,
            bytes: record.bytes,
            since: record.since,
            state,
            process: record.device.is_none().then_some(record.process.pid),
        }
    }
}

pub(crate) fn run(arguments: &ListMounts, terminal: &mut Terminal) -> Outcome {
    let lines: Vec<Line> = Record::all().into_iter().map(Line::from).collect();
    let out = terminal.out();
    let written = if arguments.json {
        lines.iter().try_for_each(|line| json::write_line(out, line))
    } else if lines.is_empty() {
        Ok(())
    } else {
        const TITLES: [&str; 6] = ["MOUNTED AT", "IMAGE", "SYSTEM", "SIZE", "SINCE", "STATE"];
        let row = |line: &Line| {
            [
                crate::terminal::path_shown(&line.at.bytes()),
                crate::terminal::path_shown(&line.image.bytes()),
                line.system.clone(),
                size(line.bytes),
                age(line.since),
                line.state.to_owned(),
            ]
        };
        let rows: Vec<_> =
            std::iter::once(TITLES.map(str::to_owned)).chain(lines.iter().map(row)).collect();
        table::write(&rows, out)
    };
    written.map_err(|error| output_failed(&error))?;
    terminal.flush()
}
