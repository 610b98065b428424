//! `isodrive doctor`: whether drives can be made here, and what servers that were killed left.
//! Looks, says what to do, and with `--fix` cleans up isodrive's own.

use mount_winfsp::system::is_elevated;
use mount_winfsp::{LoadError, dll_version, driver_version};

use crate::checks::{self, Check, Verdict};
use crate::cli::Doctor;
use crate::exit::{Outcome, bare};
use crate::terminal::{Terminal, quoted};

use super::state::{self, Record};

pub(crate) fn run(arguments: &Doctor, terminal: &mut Terminal) -> Outcome {
    let mut checks = vec![library()];
    if dll_version().is_some() {
        checks.push(driver());
    }
    checks.extend([rights(), folder()]);
    checks.extend(left_behind(arguments.fix));
    checks::tell(&checks, arguments.json, terminal)
}

fn library() -> Check {
    let check = |verdict, text: String| Check::new("WinFsp", verdict, text);
    match (mount_winfsp::load(), dll_version()) {
        (Ok(path), Some((major, minor))) => {
            check(Verdict::Ok, format!("{major}.{minor}, in {}", quoted(&path)))
        }
        (Ok(path), None) => check(Verdict::Note, format!("in {}, of no version", quoted(&path))),
        (Err(LoadError::NotInstalled), _) => check(Verdict::Broken, "is not installed".to_owned())
            .fix("it asks for administrator rights once:  winget install WinFsp.WinFsp"),
        (Err(error), _) => {
            check(Verdict::Broken, error.to_string()).fix("winget install --force WinFsp.WinFsp")
        }
    }
}

fn driver() -> Check {
    let check = |verdict, text: String| Check::new("its driver", verdict, text);
    match driver_version() {
        None => check(Verdict::Broken, "does not run".to_owned())
            .fix("start Windows again; if that does not help, install WinFsp again"),
        Some(version) if Some(version) != dll_version() => {
            let (major, minor) = version;
            check(Verdict::Broken, format!("is {major}.{minor}, another version than the library"))
                .fix("start Windows again")
        }
        Some((major, minor)) => check(Verdict::Ok, format!("{major}.{minor}")),
    }
}

fn rights() -> Check {
    let text = if is_elevated() {
        "drives are for all users and programs"
    } else {
        "drives are for this logon session; programs run as administrator may not see them"
    };
    Check::new("rights", Verdict::Ok, text)
}

fn folder() -> Check {
    match state::folder() {
        Ok(folder) => Check::new("state", Verdict::Ok, format!("is kept in {}", quoted(&folder))),
        Err(error) => {
            let text = format!("cannot be kept: {}; eject and list know of nothing", bare(&error));
            Check::new("state", Verdict::Note, text)
        }
    }
}

fn left_behind(fix: bool) -> Vec<Check> {
    let dead = Record::all().into_iter().filter(|record| !record.is_alive());
    let mut checks: Vec<Check> = dead
        .map(|record| {
            let at = record.place();
            let how = if record.is_of_windows() { "ejected" } else { "its server was killed" };
            let gone = format!("at {at} is gone: {how}");
            if !fix {
                return Check::new("a drive", Verdict::Dead, gone).fix("isodrive doctor --fix");
            }
            match record.clean_up() {
                Ok(()) => Check::new("a drive", Verdict::Fixed, format!("at {at} is forgotten")),
                Err(error) => {
                    Check::new("a drive", Verdict::Dead, format!("{gone}; {}", bare(&error)))
                }
            }
        })
        .collect();
    if checks.is_empty() {
        checks.push(Check::new("drives", Verdict::Ok, "none was left behind"));
    }
    checks
}
