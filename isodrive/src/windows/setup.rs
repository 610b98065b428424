//! `isodrive setup`: verbs in Explorer for this user, and their removal.
//! Writes keys below the user's own classes; takes over no type that Windows or others handle.

use windows_registry::{CURRENT_USER, Key};

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::Terminal;

use super::arguments::{Setup, SetupChoice};

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

/// Drives whose file system says that they are a disc.
const DISCS: &str = "System.Volume.FileSystem:=UDF OR System.Volume.FileSystem:=CDFS";

pub(crate) fn run(arguments: &Setup, terminal: &mut Terminal) -> Outcome {
    let done = match arguments.what {
        SetupChoice::Install => install(),
        SetupChoice::Remove => remove(),
    };
    done.map_err(|error| {
        Failure::new(Exit::Other, format!("cannot write the registry: {}", error.message()))
    })?;
    terminal.flush()
}

fn install() -> windows_registry::Result<()> {
    let classes = CURRENT_USER.create(CLASSES)?;
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.to_string_lossy();
    let open = format!("\"{program}\" open \"%1\"");
    for kind in TYPES_WITH_VERB {
        let place = format!("SystemFileAssociations\\{kind}\\shell\\{MOUNT_VERB}");
        verb(&classes, &place, "Mount with isodrive", &open)?;
    }
    verb(&classes, &format!("{IMAGE_CLASS}\\shell\\open"), "Mount with isodrive", &open)?;
    classes.create(IMAGE_CLASS)?.set_string("", "Disc image")?;
    classes
        .create(format!("{IMAGE_CLASS}\\DefaultIcon"))?
        .set_expand_string("", "%SystemRoot%\\System32\\shell32.dll,11")?;
    for kind in TYPES_OF_OURS {
        let key = classes.create(kind)?;
        if key.get_string("").is_ok_and(|class| !class.is_empty()) {
            continue;
        }
        key.set_string("", IMAGE_CLASS)?;
    }
    let eject = format!("\"{program}\" eject --if-mounted \"%1\"");
    let place = format!("Drive\\shell\\{EJECT_VERB}");
    verb(&classes, &place, "Eject with isodrive", &eject)?;
    classes.create(place)?.set_string("AppliesTo", DISCS)
}

fn verb(classes: &Key, place: &str, text: &str, command: &str) -> windows_registry::Result<()> {
    classes.create(place)?.set_string("", text)?;
    classes.create(format!("{place}\\command"))?.set_string("", command)
}

/// Takes away what `install` wrote, and nothing that somebody else did.
fn remove() -> windows_registry::Result<()> {
    let classes = CURRENT_USER.create(CLASSES)?;
    // What is not there need not be taken away.
    let gone = |place: String| {
        let _ = classes.remove_tree(place);
    };
    for kind in TYPES_WITH_VERB {
        gone(format!("SystemFileAssociations\\{kind}\\shell\\{MOUNT_VERB}"));
    }
    for kind in TYPES_OF_OURS {
        let is_ours = classes
            .open(kind)
            .and_then(|key| key.get_string(""))
            .is_ok_and(|class| class == IMAGE_CLASS);
        if is_ours {
            gone(kind.to_owned());
        }
    }
    gone(IMAGE_CLASS.to_owned());
    gone(format!("Drive\\shell\\{EJECT_VERB}"));
    Ok(())
}
