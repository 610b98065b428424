//! The icons of drives: there with a drive, gone with it, whatever becomes of its server.
#![cfg(windows)]

use std::time::{Duration, Instant};

use isodrive_windows_tests::console::BREAK;
use isodrive_windows_tests::output::Running;
use isodrive_windows_tests::session::{Session, image};
use windows_registry::CURRENT_USER;

/// Where Explorer looks for them.
const DRIVES: &str = "Software\\Classes\\Applications\\Explorer.exe\\Drives";

fn session(name: &str) -> Session {
    Session::new(name, env!("CARGO_BIN_EXE_simulated"))
}

/// Waits for what comes soon.
fn until(is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed().as_secs() < 60, "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_icon_that_no_record_names_goes_with_the_next_command() {
    let session = session("unrecorded");
    let has_icon = |letter| CURRENT_USER.open(format!("{DRIVES}\\{letter}\\DefaultIcon")).is_ok();
    // The drive is there for so long before its record is.
    let slow = [("ISODRIVE_TEST_SLOW", "20000")];
    let mount = ["mount", "--foreground", "--local", &image("setup.iso"), "R:"];
    let mut child = Running::start(&mut session.command(&mount, &slow), &session.folder);
    until(|| session.letters() == 1);
    child.kill();
    until(|| session.letters() == 0);
    assert!(has_icon('R') && session.records() == 0, "there is nothing to clean up");
    // That of a drive stays, with a record and without one.
    let key = CURRENT_USER.open(format!("{DRIVES}\\R\\DefaultIcon")).unwrap();
    let icon = key.get_value("").unwrap();
    drop(key);
    let key = CURRENT_USER.create(format!("{DRIVES}\\Q\\DefaultIcon")).unwrap();
    key.set_value("", &icon).unwrap();
    session.occupy('Q');
    session.reported(&["mount", "-q", "--local", &image("setup.iso"), "S:"], &[]);
    assert_eq!(['Q', 'R', 'S'].map(has_icon), [true, false, true]);
    session.reported(&["eject", "--all"], &[]);
    assert_eq!(['Q', 'R', 'S'].map(has_icon), [true, false, false]);
    std::fs::remove_file(session.folder.join("letters").join("Q!0!Another")).unwrap();
    // What the user chose for a letter stays, whether a drive has it or not.
    let key = CURRENT_USER.create(format!("{DRIVES}\\T\\DefaultIcon")).unwrap();
    key.set_string("", "chosen.ico").unwrap();
    session.reported(&["eject", "--all"], &[]);
    assert_eq!(['Q', 'T'].map(has_icon), [false, true]);
    // With the keys above it, which last.
    CURRENT_USER.remove_tree("Software\\Classes\\Applications").unwrap();
}

#[test]
fn a_dead_record_costs_another_drive_neither_its_record_nor_its_icon() {
    let session = session("newer");
    session.reported(&["mount", "-q", "--local", &image("setup.iso"), "R:"], &[]);
    let living = &session.record_files()[0];
    let mut record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(living).unwrap()).unwrap();
    // Of an earlier server with the same number, at the same letter.
    record["process"]["started"] = 1.into();
    std::fs::write(living.with_file_name("dead.json"), record.to_string()).unwrap();
    // What is still being written is no record yet.
    std::fs::copy(living, living.with_file_name("written.part")).unwrap();
    assert_eq!(session.reported(&["list", "--json"], &[]).lines().count(), 2);
    session.run(&["doctor", "--fix"], &[]);
    assert_eq!(session.record_files(), std::slice::from_ref(living));
    let icon = "Software\\Classes\\Applications\\Explorer.exe\\Drives\\R\\DefaultIcon";
    assert!(CURRENT_USER.open(icon).is_ok(), "the newer drive lost its icon");
    session.reported(&["eject", "R:"], &[]);
    assert!(CURRENT_USER.open(icon).is_err(), "the icon stayed");
}

#[test]
fn a_mount_that_is_broken_off_takes_its_icon_away_before_its_letter_is_free() {
    let session = session("broken-off");
    let [pressed, reported] = ["pressed", "notified"].map(|name| session.folder.join(name));
    let variables = [
        (BREAK, pressed.to_str().unwrap()),
        ("ISODRIVE_TEST_TOLD", reported.to_str().unwrap()),
        // The drive is there for so long before the server looks, and before its letter is free.
        ("ISODRIVE_TEST_SLOW", "3000"),
    ];
    let mount = ["mount", "--foreground", "--local", &image("setup.iso"), "R:"];
    let child = Running::start(&mut session.command(&mount, &variables), &session.folder);
    until(|| session.letters() == 1);
    std::fs::write(pressed, "").unwrap();
    until(|| reported.exists());
    assert_eq!(session.letters(), 1, "the letter is free, and the icon another's");
    assert_eq!(child.end().status.code(), Some(130));
    assert_eq!((session.records(), session.letters()), (0, 0));
}
