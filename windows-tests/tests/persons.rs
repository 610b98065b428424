//! Who may eject whose drives: the same person with other rights, and others.
#![cfg(windows)]

use isodrive_windows_tests::session::{Session, image};
use windows_sys::Win32::System::Threading::CreateEventW;

const ELEVATED: (&str, &str) = ("ISODRIVE_TEST_TOKEN", "elevated");
const PLAIN: (&str, &str) = ("ISODRIVE_TEST_TOKEN", "plain");
const HIDDEN: (&str, &str) = ("ISODRIVE_TEST_HIDDEN", "1");
const OTHER: (&str, &str) = ("ISODRIVE_TEST_USER", "S-1-5-21-1-2-3-1001");

/// A stop event whose name was guessed: what the name is made of was all zero.
const GUESSED: &str = "Global\\isodrive-stop-00000000000000000000000000000000";

fn session(name: &str) -> Session {
    Session::new(name, env!("CARGO_BIN_EXE_simulated"))
}

#[test]
fn one_person_ejects_with_an_administrators_rights_and_without() {
    let session = session("rights");
    for (mounts, ejects) in [(ELEVATED, PLAIN), (PLAIN, ELEVATED), (PLAIN, PLAIN)] {
        session.reported(&["mount", "-q", &image("setup.iso"), "R:"], &[mounts]);
        assert_eq!((session.records(), session.letters()), (1, 1));
        session.reported(&["eject", "R:"], &[ejects]);
        assert_eq!((session.records(), session.letters()), (0, 0), "{mounts:?} {ejects:?}");
    }
}

#[test]
fn who_may_not_eject_learns_who_may_and_administrators_may() {
    let session = session("others");
    let want = "error: cannot tell the server of R: to end: it is another user's\n  \
                mounted by S-1-5-21-1-2-3-1001\n  \
                try     the same command as that user, or as an administrator\n";
    for seen in [&[][..], &[HIDDEN]] {
        session.reported(&["mount", "-q", &image("setup.iso"), "R:"], &[ELEVATED, OTHER]);
        let plain = [seen, &[PLAIN]].concat();
        // Alive, though nothing may be known of its process.
        assert!(session.reported(&["list"], &plain).contains("serving"));
        assert_eq!(session.refused(1, &["eject", "R:"], &plain), want, "{seen:?}");
        assert_eq!((session.records(), session.letters()), (1, 1));
        session.reported(&["eject", "R:"], seen);
        assert_eq!((session.records(), session.letters()), (0, 0));
    }
}

#[test]
fn an_event_that_another_program_made_first_is_not_trusted() {
    let session = session("squatted");
    let name = mount_winfsp::system::wide(GUESSED);
    let event = unsafe { CreateEventW(std::ptr::null(), 1, 1, name.as_ptr()) };
    assert!(!event.is_null());
    let mount = ["mount", "-q", &image("setup.iso"), "R:"];
    session.reported(&mount, &[("ISODRIVE_TEST_GUESSED", "1")]);
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&session.record_files()[0]).unwrap()).unwrap();
    let stop = record["stop"].as_str().unwrap();
    assert!(stop.starts_with("Global\\isodrive-stop-") && stop != GUESSED, "{stop}");
    session.reported(&["eject", "R:"], &[]);
    assert_eq!(session.records(), 0);

    let why = session.refused(1, &mount, &[("ISODRIVE_TEST_GUESSED", "100")]);
    assert_eq!(why, "error: cannot make an event (Windows error 183)\n");
    assert_eq!((session.records(), session.letters()), (0, 0));
}
