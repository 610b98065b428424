//! What Explorer is given: the command lines of the verbs, run as the shell runs them, and the
//! registry around them, in which others have their values too.
#![cfg(windows)]

use std::path::PathBuf;

use isodrive_windows_tests::command_line::{Ran, expanded, run};
use isodrive_windows_tests::session::{Session, image, real, said};
use windows_registry::{CURRENT_USER, Key, LOCAL_MACHINE, Type};

const CLASSES: &str = "Software\\Classes";
const OPEN_VERB: &str = "SystemFileAssociations\\.iso\\shell\\isodrive.mount\\command";
const EJECT_VERB: &str = "Drive\\shell\\isodrive.eject\\command";

/// Where programs live.
const FOLDERS: [&str; 3] = ["isodrive", "blank & caret ^ (x86)", "it's \u{fc}ber, 1;2=3 !a! $b"];

/// What files are called.
const NAMES: [&str; 16] = [
    "plain.iso",
    "two  blanks .iso",
    "a&b & c.iso",
    "100%.iso",
    "%PATH%.iso",
    "%1 %2 %~.iso",
    "^caret^^.iso",
    "it's (1) [2] {3}.iso",
    "a,b;c=d.iso",
    "!bang! $x `y`.iso",
    "-dash.iso",
    "--all",
    "@file.iso",
    "\u{fc}ber \u{6f22}\u{5b57} \u{1f4bf}.iso",
    "~tilde~1.iso",
    "trailing \u{201d}quote\u{201c}.iso",
];

fn simulated() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_simulated"))
}

/// A session without verbs, whatever a test that failed has left.
fn fresh(name: &str) -> Session {
    let session = Session::new(name, env!("CARGO_BIN_EXE_simulated"));
    session.output_of(&real(), &["setup", "remove"]);
    session
}

fn classes() -> Key {
    CURRENT_USER.create(CLASSES).unwrap()
}

fn command(place: &str) -> String {
    classes().open(place).unwrap().get_string("").unwrap()
}

/// The imitation of the program in a folder of the session.
fn program_in(session: &Session, folder: &str) -> PathBuf {
    let folder = session.folder.join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("isodrive.exe");
    std::fs::copy(simulated(), &program).unwrap();
    program
}

/// Runs what the shell makes of a verb. What Explorer is notified of stands in the file `notified`.
fn shell(session: &Session, command: &str, path: &str) -> Ran {
    try_shell(session, command, path).unwrap_or_else(|code| panic!("{} units: {code}", path.len()))
}

fn try_shell(session: &Session, command: &str, path: &str) -> Result<Ran, u32> {
    let (state, reported) = (session.folder.join("state"), session.folder.join("notified"));
    let variables = [("ISODRIVE_STATE_DIR", &*state), ("ISODRIVE_TEST_TOLD", &*reported)];
    run(&expanded(command, path), &session.folder, &variables)
}

/// What Explorer was notified of since this was asked last.
fn reported(session: &Session) -> Vec<String> {
    let file = session.folder.join("notified");
    let reported = std::fs::read_to_string(&file).unwrap_or_default();
    let _ = std::fs::remove_file(&file);
    reported.lines().map(str::to_owned).collect()
}

/// All of the user's types and verbs: keys, and values with their types and bytes.
fn dump() -> Vec<String> {
    fn go(key: &Key, path: &str, lines: &mut Vec<String>) {
        lines.push(path.to_owned());
        for (name, value) in key.values().unwrap() {
            lines.push(format!("{path}: {name:?} {:?} {:?}", value.ty(), &*value));
        }
        for name in key.keys().unwrap() {
            go(&key.open(&name).unwrap(), &format!("{path}\\{name}"), lines);
        }
    }
    let mut lines = Vec::new();
    go(&classes(), "", &mut lines);
    lines.sort();
    lines
}

/// The drives that there are: where, and of which image.
fn drives(session: &Session) -> Vec<(String, String)> {
    let listed = session.output_of(&simulated(), &["list", "--json"]);
    let text = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let drive = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        (text(&line["at"]), text(&line["image"]))
    };
    listed.lines().map(drive).collect()
}

/// Opens an image by the verb, looks at what came of it, and ejects the drive by the verb.
fn open_and_eject(session: &Session, path: &str, eject: &str) {
    let program = command(OPEN_VERB).split('"').nth(1).unwrap().to_owned();
    let ran = shell(session, &command(OPEN_VERB), path);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{path}: {ran:?}");
    let drives = drives(session);
    let [(at, of)] = drives.as_slice() else { panic!("{path}: {drives:?}") };
    assert_eq!(of.as_str(), path.strip_prefix("\\\\?\\").unwrap_or(path), "another image");
    let lines = reported(session);
    let started =
        format!("started C:\\windows\\explorer.exe with \"C:\\windows\\explorer.exe\" {at}\\");
    assert!(lines.iter().any(|line| line.eq_ignore_ascii_case(&started)), "{started}: {lines:?}");
    let ran = shell(session, &eject.replace("PROGRAM", &program), &format!("{at}\\"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{path}: {ran:?}");
    assert_eq!(session.records(), 0, "{path}: not ejected");
}

#[test]
fn expanded_verbs_do_what_they_say() {
    let session = fresh("expanded");
    let pictures = session.folder.join("pictures of discs & more");
    std::fs::create_dir_all(&pictures).unwrap();
    let before = dump();
    for (turn, folder) in FOLDERS.iter().enumerate() {
        let program = program_in(&session, folder);
        session.output_of(&program, &["setup", "install"]);
        let commands = [command(OPEN_VERB), command(EJECT_VERB)];
        let want = format!("\"{}\"", program.display());
        assert!(commands.iter().all(|command| command.starts_with(&want)), "{commands:?}");
        for name in NAMES.iter().skip(turn).step_by(FOLDERS.len()) {
            let path = pictures.join(name);
            std::fs::copy(image("setup.iso"), &path).unwrap();
            open_and_eject(&session, path.to_str().unwrap(), &command(EJECT_VERB));
        }
    }
    // What isodrive registered once, and what people write.
    let path = pictures.join(NAMES[0]);
    for eject in [
        "\"PROGRAM\" eject --if-mounted \"%1\"",
        "\"PROGRAM\" eject %1\"",
        "\"PROGRAM\" eject \"%1\\\"",
        "\"PROGRAM\" eject %1\\",
    ] {
        open_and_eject(&session, path.to_str().unwrap(), eject);
    }
    session.output_of(&simulated(), &["setup", "remove"]);
    assert_eq!(dump(), before);
}

#[test]
fn verbs_take_long_paths_in_both_forms() {
    let session = fresh("long");
    session.output_of(&simulated(), &["setup", "install"]);
    let mut folder = session.folder.clone();
    while folder.as_os_str().len() < 300 {
        folder.push("a folder with a name of some length");
    }
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("a & b.iso");
    std::fs::copy(image("setup.iso"), &path).unwrap();
    let path = path.to_str().unwrap();
    for path in [path.to_owned(), format!("\\\\?\\{path}")] {
        open_and_eject(&session, &path, &command(EJECT_VERB));
    }
    session.output_of(&simulated(), &["setup", "remove"]);
}

#[test]
fn paths_that_name_no_image_are_refused_with_a_sentence() {
    let session = fresh("refused");
    session.output_of(&simulated(), &["setup", "install"]);
    let (open, eject) = (command(OPEN_VERB), command(EJECT_VERB));
    session.output_of(&simulated(), &["mount", "-q", &image("setup.iso"), "R:"]);
    for path in [
        "C:\\%COMSPEC%.iso",
        "C:\\a & calc.iso",
        "C:\\a^b.iso",
        "C:\\a\" --foreground \"b.iso",
        "C:\\a\"b.iso",
        "C:\\a\\",
        "",
        "CON",
        "NUL",
        "COM1",
        "\\\\.\\NUL",
        "\\\\.\\CON",
        "C:\\NUL.iso",
        "\\\\?\\",
        "\\\\?\\C:\\a.iso",
        "\\\\.\\pipe\\isodrive",
        "\\\\127.0.0.1\\share\\a.iso",
        "\\\\nowhere.invalid\\share\\a.iso",
        "C:\\a\u{202e}osi.exe",
        "C:\\*.iso",
        "C:\\a.iso:stream",
        "C:\\",
        "C:\\windows",
        &format!("C:\\{}.iso", "a".repeat(32_000)),
        &format!("\\\\?\\C:\\{}a.iso", "a\\".repeat(16_000)),
    ] {
        let shown: String = path.chars().take(40).collect();
        let ran = shell(&session, &open, path);
        assert!(matches!(ran.code, 1..=7), "{shown}: {ran:?}");
        assert!(ran.err.starts_with("error: "), "{shown}: {ran:?}");
        assert!(!ran.err.contains("panicked"), "{shown}: {ran:?}");
        // As a drive it is none that isodrive made, which the verb takes as it is.
        let ran = shell(&session, &eject, path);
        assert!(matches!(ran.code, 0 | 2), "{shown}: {ran:?}");
        assert_eq!(session.records(), 1, "{shown}: a drive came or went");
    }
    // More than Windows starts, and Wine does.
    if let Ok(ran) = try_shell(&session, &open, &"a".repeat(40_000)) {
        assert!(matches!(ran.code, 1..=7) && ran.err.starts_with("error: "), "{}", ran.code);
    }
    session.output_of(&simulated(), &["eject", "R:\\"]);
    session.output_of(&simulated(), &["setup", "remove"]);
}

#[test]
fn a_type_of_all_users_and_empty_keys_of_others_stay_as_they_are() {
    let session = fresh("others");
    let machine = LOCAL_MACHINE.create(CLASSES).unwrap();
    machine.create(".cdr").unwrap().set_string("", "Other.Program").unwrap();
    session.output_of(&real(), &["setup", "install"]);
    let is_ours = |kind: &str| {
        let text = classes().open(kind).and_then(|key| key.get_string(""));
        text.is_ok_and(|text| text == "isodrive.image")
    };
    assert!(!is_ours(".cdr") && is_ours(".udf"));
    machine.remove_tree(".cdr").unwrap();
    session.output_of(&real(), &["setup", "remove"]);
    // Nothing of ours is there any more: what is empty is another's.
    for empty in [".udf", "Drive\\shell"] {
        classes().create(empty).unwrap();
    }
    session.output_of(&real(), &["setup", "remove"]);
    for (empty, own) in [(".udf", ".udf"), ("Drive\\shell", "Drive")] {
        assert!(classes().open(empty).is_ok(), "{empty}");
        classes().remove_tree(own).unwrap();
    }
}

#[test]
fn what_every_version_installed_goes_and_what_others_wrote_stays() {
    let session = fresh("versions");
    // Others' values beside ours: in our keys, above them and below.
    let others = |place: &str, name: &str| {
        classes().create(place).unwrap().set_string(name, "another's").unwrap();
    };
    others(".udf\\OpenWithProgids", "Other.Program");
    others(".cdr", "");
    others("SystemFileAssociations\\.img\\shell\\other.verb", "");
    others("Drive", "Icon");
    let before = dump();
    for folder in FOLDERS {
        session.output_of(&program_in(&session, folder), &["setup", "install"]);
    }
    // The verb of drives as it was once.
    let eject = command(EJECT_VERB).replace("%1", "\"%1\"");
    classes().create(EJECT_VERB).unwrap().set_string("", eject).unwrap();
    others("Drive\\shell\\isodrive.eject", "Icon");
    others("isodrive.image\\shell\\other\\command", "");
    let output = session.run_of(&real(), &["setup", "remove"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output), "");
    let left = dump();
    assert!(before.iter().all(|line| left.contains(line)), "{left:#?}");
    let left = left.iter().filter(|line| !before.contains(line));
    let left: Vec<&str> = left.map(|line| line.split(": ").next().unwrap()).collect();
    let want = [
        "\\Drive\\shell",
        "\\Drive\\shell\\isodrive.eject",
        "\\Drive\\shell\\isodrive.eject",
        "\\isodrive.image",
        "\\isodrive.image\\shell",
        "\\isodrive.image\\shell\\other",
        "\\isodrive.image\\shell\\other\\command",
        "\\isodrive.image\\shell\\other\\command",
    ];
    assert_eq!(left, want);
    for place in ["Drive\\shell", "isodrive.image\\shell"] {
        classes().remove_tree(place).unwrap();
    }
    session.output_of(&real(), &["setup", "remove"]);
    assert_eq!(dump(), before);
    for place in [".udf", ".cdr", "SystemFileAssociations", "Drive"] {
        classes().remove_tree(place).unwrap();
    }
}

#[test]
fn values_of_a_wrong_type_are_left_and_named() {
    let session = fresh("types");
    let before = dump();
    session.output_of(&real(), &["setup", "install"]);
    let ours: Vec<String> = dump().into_iter().filter(|line| !before.contains(line)).collect();
    let ours: Vec<(&str, &str)> = ours
        .iter()
        .filter_map(|line| line.split_once(": \""))
        .map(|(place, value)| (&place[1..], value.split('"').next().unwrap()))
        .collect();
    assert_eq!(ours.len(), 17);
    session.output_of(&real(), &["setup", "remove"]);
    let wrong: [(Type, &[u8]); 6] = [
        (Type::U32, &[1, 0, 0, 0]),
        (Type::Bytes, b"bytes"),
        (Type::MultiString, &[b'a', 0, 0, 0, 0, 0]),
        (Type::Other(0), &[0]),
        // Half of a pair, and half of a unit.
        (Type::Other(1), &[0x00, 0xD8, 0, 0]),
        (Type::Other(1), &[b'a', 0, b'b']),
    ];
    for (at, (place, name)) in ours.iter().enumerate() {
        let (kind, bytes) = wrong[at % wrong.len()];
        classes().create(place).unwrap().set_bytes(name, kind, bytes).unwrap();
        let set = dump();
        let shown = format!("{place}: {}", if name.is_empty() { "(Default)" } else { name });
        let output = session.run_of(&real(), &["setup", "install"]);
        assert_eq!(output.status.code(), Some(1), "{shown}: {}", said(&output));
        assert!(said(&output).contains(&shown), "{shown}: {}", said(&output));
        let output = session.run_of(&real(), &["setup", "remove"]);
        assert_eq!(output.status.code(), Some(0), "{shown}: {}", said(&output));
        assert!(said(&output).contains(&shown), "{shown}: {}", said(&output));
        assert_eq!(dump(), set, "{shown}");
        classes().remove_tree(place.split('\\').next().unwrap()).unwrap();
        assert_eq!(dump(), before);
    }
}

#[test]
fn the_icon_of_a_drive_goes_with_the_session_and_a_chosen_one_stays() {
    const DRIVES: &str = "Applications\\Explorer.exe\\Drives";
    const CHILD_MUST_BE_VOLATILE: u32 = 0x8007_03FD;
    let session = fresh("icon");
    let before = dump();
    let (setup, program) = (image("setup.iso"), format!("\"{}\"", simulated().display()));
    let verb = |rest: &str| {
        let ran = shell(&session, &format!("{program} {rest}"), &setup);
        assert_eq!(ran.code, 0, "{rest}: {ran:?}");
        reported(&session)
    };
    // SHCNE_UPDATEITEM with a path, SHCNE_ASSOCCHANGED without.
    let item = "notified 0x2000 0x3005 R:\\".to_owned();
    let types = "notified 0x8000000 0x0 ".to_owned();
    let lasting = |place: &str| classes().create(place).map(drop).map_err(|error| error.code());
    let icon = format!("{DRIVES}\\R\\DefaultIcon");
    // Where there was no key, and where an empty one lasts.
    for is_there in [false, true] {
        assert!(!is_there || lasting(&icon).is_ok());
        assert!(verb("mount \"%1\" R:").contains(&item));
        for place in [format!("{icon}\\more"), format!("{DRIVES}\\R\\more")] {
            let refused = lasting(&place).unwrap_err();
            assert_eq!(refused.0 as u32, CHILD_MUST_BE_VOLATILE, "{place} {is_there}");
        }
        // Others can still write what lasts.
        lasting(&format!("{DRIVES}\\S")).unwrap();
        classes().remove_tree(format!("{DRIVES}\\S")).unwrap();
        assert!(verb("eject R:").contains(&item));
        assert_eq!(dump(), before);
    }

    // The user's own: its text, and one that is none.
    let key = classes().create(icon).unwrap();
    for kind in [Type::String, Type::U32] {
        key.set_bytes("", kind, &[b'a', 0, 0, 0]).unwrap();
        let chosen = dump();
        verb("mount \"%1\" R:");
        assert_eq!(dump(), chosen);
        verb("eject R:");
        assert_eq!(dump(), chosen);
    }
    classes().remove_tree("Applications").unwrap();
    assert_eq!(dump(), before);
    for what in ["install", "remove"] {
        assert!(verb(&format!("setup {what}")).contains(&types), "{what}");
    }
}

#[test]
fn a_program_whose_path_explorer_would_change_is_not_registered() {
    let session = fresh("percent");
    let before = dump();
    let output = session.run_of(&program_in(&session, "100%1"), &["setup", "install"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).starts_with("error: Explorer cannot start "), "{}", said(&output));
    assert_eq!(dump(), before);
}
