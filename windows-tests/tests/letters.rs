//! Whose a drive letter is when several want it.
#![cfg(windows)]

use std::collections::HashSet;
use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use isodrive_windows_tests::session::{Session, image};
use windows_sys::Win32::Foundation::{HANDLE, WAIT_ABANDONED, WAIT_OBJECT_0};
use windows_sys::Win32::Storage::FileSystem::GetLogicalDrives;
use windows_sys::Win32::System::Threading::{CreateMutexW, ReleaseMutex, WaitForSingleObject};

/// Mounts that begin at one moment.
const CROWD: usize = 20;

fn session(name: &str) -> Session {
    Session::new(name, env!("CARGO_BIN_EXE_simulated"))
}

/// One test at a time: the mutex is everybody's, and one test keeps it.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Letters that this machine, which is Wine's, leaves free.
fn free_letters() -> Vec<char> {
    let used = unsafe { GetLogicalDrives() };
    ('D'..='Z').filter(|letter| used >> (u32::from(*letter) - u32::from('A')) & 1 == 0).collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed().as_secs() < 60, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn output(from: Option<impl Read>) -> String {
    let mut text = String::new();
    from.unwrap().read_to_string(&mut text).unwrap();
    text.replace('\r', "")
}

/// What one of the crowd came to: the letter, or why there is none.
fn outcome(child: &mut Child) -> Result<String, String> {
    let mut line = String::new();
    let out = child.stdout.as_mut().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    match line.trim_end() {
        "" => Err(output(child.stderr.take())),
        letter => Ok(letter.to_owned()),
    }
}

/// Starts a crowd at once; the letters they got. Each is given one, or was told that none is free.
fn crowd(round: usize, used: usize, rights: &str) -> Vec<String> {
    let session = session(&format!("crowd-{round}"));
    let (gate, setup) = (session.folder.join("gate"), image("setup.iso"));
    std::fs::create_dir(&gate).unwrap();
    let free = free_letters();
    free.iter().take(used).for_each(|letter| session.occupy(*letter));
    let variables = [("ISODRIVE_TEST_GATE", gate.to_str().unwrap())];
    let start = |number: usize| {
        let name = format!("S{number}");
        let how = ["mount", "--foreground", "--print-path", rights, "--fs-name", &name, &setup];
        let mut command = session.command(&how, &variables);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut children: Vec<Child> = (0..CROWD).map(start).collect();
    until("not all came", || std::fs::read_dir(&gate).unwrap().count() == CROWD);
    std::fs::write(gate.join("go"), "").unwrap();
    let outcomes: Vec<_> = children.iter_mut().map(outcome).collect();
    let letters: Vec<String> = outcomes.iter().flatten().cloned().collect();
    let refused: Vec<&String> = outcomes.iter().filter_map(|one| one.as_ref().err()).collect();
    let message = "error: cannot make the drive: no drive letter is free\n";
    assert!(refused.iter().all(|why| why.starts_with(message)), "{refused:?}");
    assert_eq!(letters.len(), CROWD.min(free.len() - used), "{outcomes:?}");
    // The servers of those that have a drive.
    until("not all are written down", || session.records() == letters.len());
    session.told(&["eject", "--all"], &[]);
    for (child, outcome) in children.iter_mut().zip(&outcomes) {
        assert_eq!(child.wait().unwrap().success(), outcome.is_ok());
    }
    assert_eq!((session.records(), session.letters()), (0, used));
    letters
}

#[test]
fn twenty_mounts_at_one_moment_get_a_letter_each() {
    let _turn = turn();
    let rounds = std::env::var("ISODRIVE_ROUNDS").map_or(2, |text| text.parse().unwrap());
    for round in 0..rounds {
        // Those of a session, and those for everybody.
        let rights = if round % 2 == 0 { "--local" } else { "--global" };
        let letters = crowd(round, 0, rights);
        let different: HashSet<&String> = letters.iter().collect();
        assert_eq!(different.len(), letters.len(), "round {round}: {letters:?}");
    }
}

#[test]
fn of_twenty_with_too_few_letters_some_are_told_so() {
    let _turn = turn();
    let letters = crowd(1000, free_letters().len() - 7, "--local");
    assert_eq!(letters.iter().collect::<HashSet<_>>().len(), 7, "{letters:?}");
}

#[test]
fn where_no_letter_is_free_that_is_said() {
    let _turn = turn();
    let session = session("full");
    free_letters().into_iter().for_each(|letter| session.occupy(letter));
    let why = session.refused(7, &["mount", &image("setup.iso")], &[]);
    assert_eq!(
        why,
        "error: cannot make the drive: no drive letter is free\n  \
         try     a directory that is not there yet, in place of a letter\n"
    );
    let why = session.refused(7, &["mount", &image("setup.iso"), "R:"], &[]);
    assert!(why.starts_with("error: cannot make the drive: R: is in use\n"), "{why}");
    assert_eq!(session.records(), 0);
}

#[test]
fn a_letter_that_another_took_between_choice_and_use_is_given_up() {
    let _turn = turn();
    let session = session("stolen");
    let (free, setup) = (free_letters(), image("setup.iso"));
    let stolen = [("ISODRIVE_TEST_STOLEN", &*free[0].to_string())];
    let path = session.told(&["mount", "--print-path", "--local", &setup], &stolen);
    assert_eq!(path, format!("{}:\n", free[1]));
    session.told(&["eject", "--all"], &[]);
    assert_eq!(session.letters(), 0);
    let mount = ["mount", "--local", &setup, "R:"];
    let why = session.refused(7, &mount, &[("ISODRIVE_TEST_STOLEN", "R")]);
    assert!(why.starts_with("error: cannot make the drive: R: is in use\n"), "{why}");
    assert_eq!((session.records(), session.letters()), (0, 0));
}

/// The mutex of the program, held by the thread that asks for it.
fn held_mutex() -> HANDLE {
    let name = mount_winfsp::system::wide("Local\\isodrive-letters");
    let mutex = unsafe { CreateMutexW(std::ptr::null(), 0, name.as_ptr()) };
    assert!(!mutex.is_null());
    let waited = unsafe { WaitForSingleObject(mutex, 10_000) };
    assert!(matches!(waited, WAIT_OBJECT_0 | WAIT_ABANDONED));
    mutex
}

#[test]
fn a_mutex_that_somebody_keeps_or_left_behind_stops_nobody() {
    let _turn = turn();
    let session = session("mutex");
    let setup = image("setup.iso");
    // Its holder ended without giving it back.
    let left = std::thread::spawn(|| held_mutex() as usize).join().unwrap();
    let since = Instant::now();
    session.told(&["mount", "-q", &setup, "R:"], &[]);
    assert!(since.elapsed().as_secs() < 5, "nobody holds it");
    session.told(&["eject", "R:"], &[]);
    let mutex = held_mutex();
    let since = Instant::now();
    session.told(&["mount", "-q", &setup, "R:"], &[]);
    assert!((4..25).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    unsafe { ReleaseMutex(mutex) };
    let _ = left;
}
