//! `isodrive setup`: verbs in Explorer for this user, and their removal.
//! Writes keys below the user's own classes; takes over no type that Windows or others handle, and
//! touches no value that another wrote.

use mount_winfsp::shell::tell_of_types;
use windows_registry::{LOCAL_MACHINE, Type};

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::{Terminal, quoted};

use super::arguments::{Setup, SetupChoice};
use super::registry::{Found, Own};

/// Where a user's own types and verbs are kept.
const CLASSES: &str = "Software\\Classes";

/// Types that get the verb "Mount with isodrive"; what a double click does stays as it is.
const TYPES_WITH_VERB: [&str; 4] = [".iso", ".img", ".udf", ".cdr"];

/// Types that Windows does not know and isodrive reads: a double click opens them.
const TYPES_OF_OURS: [&str; 2] = [".udf", ".cdr"];

/// What a file of one of our types is.
const IMAGE_CLASS: &str = "isodrive.image";

const MOUNT_VERB: &str = "isodrive.mount";
const EJECT_VERB: &str = "isodrive.eject";

const MOUNT_TEXT: &str = "Mount with isodrive";
const EJECT_TEXT: &str = "Eject with isodrive";

/// What stands behind the program in its commands. The path of an image is quoted: it may hold
/// blanks, and cannot hold a quote.
const OPEN: &str = " open \"%1\"";

/// Explorer puts `E:\` in the place of `%1`. In quotes, the backslash would make the last one a
/// part of the argument.
const EJECT: &str = " eject --if-mounted %1";

/// As isodrive wrote it once.
const EJECT_IN_QUOTES: &str = " eject --if-mounted \"%1\"";

/// The icon of a CD, which Windows has.
const ICON: &str = "%SystemRoot%\\System32\\shell32.dll,11";

/// Drives whose file system says that they are a disc.
const DISCS: &str = "System.Volume.FileSystem:=UDF OR System.Volume.FileSystem:=CDFS";

pub(crate) fn run(arguments: &Setup, terminal: &mut Terminal) -> Outcome {
    match arguments.what {
        SetupChoice::Install => install()?,
        SetupChoice::Remove => remove(terminal)?,
    }
    terminal.flush()
}

fn install() -> Outcome {
    let values = values(&program()?);
    let values = values.iter().filter(|value| !is_of_all_users(value));
    let Done { left, failed } = Done::with(values, Own::write);
    if left.is_empty() && failed.is_empty() {
        return Ok(());
    }
    let why = match (left.is_empty(), failed.is_empty()) {
        (false, true) => "what isodrive did not write is in the way",
        (_, false) => "not all of the registry can be written",
        (true, true) => "",
    };
    let message = format!("Explorer does not get all verbs: {why}");
    let failure = Failure::new(Exit::Other, message);
    let failure = left.into_iter().fold(failure, |failure, value| failure.line("left", value));
    Err(failed.into_iter().fold(failure, |failure, value| failure.line("failed", value)))
}

/// What became of values that were written or removed, each by its name.
#[derive(Default)]
struct Done {
    /// Another's, which are in the way.
    left: Vec<String>,
    /// Those where Windows refused, with the reason. One costs no other.
    failed: Vec<String>,
}

impl Done {
    /// Does a work on each value, and has Explorer look at them.
    fn with<'v>(
        values: impl Iterator<Item = &'v Own>,
        work: impl Fn(&Own) -> windows_registry::Result<Found>,
    ) -> Self {
        let mut done = Self::default();
        for value in values {
            match work(value) {
                Ok(found) if is_in_the_way(value, &found) => done.left.push(named(value)),
                Ok(_) => {}
                Err(error) => done.failed.push(format!("{}: {}", named(value), error.message())),
            }
        }
        tell_of_types();
        done
    }
}

/// Takes away what `install` wrote, of every version and folder of this program, and nothing that
/// somebody else did.
fn remove(terminal: &mut Terminal) -> Outcome {
    let Done { left, failed } = Done::with(values("").iter(), Own::remove);
    if !left.is_empty() {
        terminal.warn("what isodrive did not write was left in the registry", &left);
    }
    if failed.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(Exit::Other, "Explorer keeps verbs of isodrive");
    Err(failed.into_iter().fold(failure, |failure, value| failure.line("failed", value)))
}

/// Whether a type is another program's for all users of this computer. A value of this user's would
/// hide theirs.
fn is_of_all_users(value: &Own) -> bool {
    let text = LOCAL_MACHINE.open(&value.key).and_then(|key| key.get_string(value.name));
    value.text == IMAGE_CLASS && text.is_ok_and(|text| !text.is_empty() && text != IMAGE_CLASS)
}

/// Whether another's value keeps a verb from working. That a type belongs to another program does
/// not: its files have their verb all the same.
fn is_in_the_way(value: &Own, found: &Found) -> bool {
    match found {
        Found::Nothing | Found::Ours => false,
        Found::Text(_) => value.text != IMAGE_CLASS,
        Found::Else => true,
    }
}

/// A value, as the registry's editor shows it.
fn named(value: &Own) -> String {
    let name = if value.name.is_empty() { "(Default)" } else { value.name };
    format!("HKEY_CURRENT_USER\\{}: {name}", value.key)
}

/// The path of this program, as commands of Explorer can hold it.
fn program() -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::io(Exit::Other, "cannot tell where isodrive is", &error))?;
    match program.to_str() {
        // Explorer would replace it, and what is written behind it.
        Some(text) if !text.contains('%') => Ok(text.to_owned()),
        _ => {
            let message = format!("Explorer cannot start {}", quoted(&program));
            Err(Failure::new(Exit::Other, message)
                .advice("try", "a folder for isodrive.exe whose name has no % in it"))
        }
    }
}

/// All values that isodrive keeps. A text that it once wrote and no longer does must stay among
/// those that are its own.
fn values(program: &str) -> Vec<Own> {
    let open = format!("\"{program}\"{OPEN}");
    let eject = format!("\"{program}\"{EJECT}");
    let mut all = Vec::new();
    for kind in TYPES_WITH_VERB {
        let place = format!("SystemFileAssociations\\{kind}\\shell\\{MOUNT_VERB}");
        all.push(value(&format!("{place}\\command"), &open, is_open));
        all.push(value(&place, MOUNT_TEXT, |text| text == MOUNT_TEXT));
    }
    let place = format!("{IMAGE_CLASS}\\shell\\open");
    all.push(value(&format!("{place}\\command"), &open, is_open));
    all.push(value(&place, MOUNT_TEXT, |text| text == MOUNT_TEXT));
    all.push(value(IMAGE_CLASS, "Disc image", |text| text == "Disc image"));
    let icon = value(&format!("{IMAGE_CLASS}\\DefaultIcon"), ICON, |text| text == ICON);
    all.push(Own { kind: Type::ExpandString, ..icon });
    for kind in TYPES_OF_OURS {
        all.push(value(kind, IMAGE_CLASS, |text| text == IMAGE_CLASS));
    }
    let place = format!("Drive\\shell\\{EJECT_VERB}");
    let discs = value(&place, DISCS, |text| text == DISCS);
    all.push(Own { name: "AppliesTo", ..discs });
    all.push(value(&format!("{place}\\command"), &eject, is_eject));
    all.push(value(&place, EJECT_TEXT, |text| text == EJECT_TEXT));
    all
}

/// The text without a name in a key.
fn value(place: &str, text: &str, is_ours: fn(&str) -> bool) -> Own {
    let key = format!("{CLASSES}\\{place}");
    Own { key, name: "", kind: Type::String, text: text.to_owned(), is_ours }
}

fn is_open(text: &str) -> bool {
    is_command(text, OPEN)
}

fn is_eject(text: &str) -> bool {
    is_command(text, EJECT) || is_command(text, EJECT_IN_QUOTES)
}

/// Whether a command is a program in quotes, wherever it lies, with these arguments.
fn is_command(text: &str, arguments: &str) -> bool {
    let program = text.strip_suffix(arguments).and_then(|program| program.strip_prefix('"'));
    let program = program.and_then(|program| program.strip_suffix('"'));
    program.is_some_and(|program| !program.contains('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_every_version_and_folder_are_our_own() {
        assert!(is_open("\"C:\\Program Files\\isodrive.exe\" open \"%1\""));
        assert!(is_eject("\"D:\\a & b\\isodrive-1.0.exe\" eject --if-mounted %1"));
        assert!(is_eject("\"C:\\isodrive.exe\" eject --if-mounted \"%1\""));
        for other in ["", "\"", " open \"%1\"", "\"a.exe\" \"b\" open \"%1\"", "\"a.exe\" \"%1\""] {
            assert!(!is_open(other) && !is_eject(other), "{other}");
        }
    }
}
