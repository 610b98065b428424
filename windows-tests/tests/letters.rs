//! Whose a drive letter is when several want it.
#![cfg(windows)]

use std::collections::HashSet;
use std::process::Output;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use isodrive_windows_tests::output::Running;
use isodrive_windows_tests::session::{Session, Variable, image, said};
use mount_winfsp::system::free_letters;
use windows_sys::Win32::Foundation::{HANDLE, WAIT_ABANDONED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{CreateMutexW, ReleaseMutex, WaitForSingleObject};

/// Mounts that begin at one moment.
const CROWD: usize = 20;

/// How long a machine that is slow may take for anything a crowd does.
const PATIENCE: Duration = Duration::from_secs(300);

fn session(name: &str) -> Session {
    Session::new(name, env!("CARGO_BIN_EXE_simulated"))
}

/// One test at a time: the mutex is everybody's, and one test keeps it.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of a crowd, and what it came to.
struct One {
    running: Running,
    /// The letter, or why there is none.
    outcome: Option<Result<String, String>>,
}

impl One {
    /// Whether it has a drive by now, or has ended without one.
    fn is_decided(&mut self) -> bool {
        let has_ended = self.running.has_ended();
        self.outcome = match self.running.written().split_once('\n') {
            Some((letter, _)) => Some(Ok(letter.to_owned())),
            None => has_ended.then(|| Err(self.running.said())),
        };
        self.outcome.is_some()
    }
}

/// A crowd that was started at one moment.
struct Crowd {
    session: Session,
    all: Vec<One>,
}

impl Crowd {
    /// Starts all, each with a way to ask for rights. Others use `used` of the free letters.
    fn start(name: &str, used: &[char], rights: &str, variables: &[Variable<'_>]) -> Self {
        let session = session(name);
        let (gate, setup) = (session.folder.join("gate"), image("setup.iso"));
        std::fs::create_dir(&gate).unwrap();
        used.iter().for_each(|letter| session.occupy(*letter));
        let variables = [variables, &[("ISODRIVE_TEST_GATE", gate.to_str().unwrap())]].concat();
        let start = |number: usize| {
            let name = format!("S{number}");
            let how = ["mount", "--foreground", "--print-path", rights, "--fs-name", &name, &setup];
            let mut command = session.command(&how, &variables);
            let running = Running::start(&mut command, &session.folder);
            One { running, outcome: None }
        };
        let all = (0..CROWD).map(start).collect();
        let mut crowd = Self { session, all };
        crowd.until("not all came to the gate", |crowd| {
            let came = std::fs::read_dir(&gate).unwrap().count();
            // One that failed before does not come.
            came + crowd.all.iter_mut().filter_map(|one| one.is_decided().then_some(())).count()
                >= CROWD
        });
        std::fs::write(gate.join("go"), "").unwrap();
        crowd
    }

    /// All that is known of the crowd, for who reads that a test failed.
    fn reported(&self) -> String {
        let each = self.all.iter().enumerate();
        let lines = each.map(|(number, one)| {
            let said = one.running.said();
            format!(
                "{number}: {:?}, written {:?}, said {said:?}",
                one.outcome,
                one.running.written()
            )
        });
        let folder = |name: &str| {
            let files = std::fs::read_dir(self.session.folder.join(name));
            let names = files.into_iter().flatten().flatten().map(|file| file.file_name());
            format!("{name}: {:?}", names.collect::<Vec<_>>())
        };
        let free = format!("letters that are free here: {:?}", free_letters());
        let all = lines.chain([folder("letters"), folder("state"), free]);
        all.collect::<Vec<_>>().join("\n")
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&mut Self) -> bool) {
        let since = Instant::now();
        while !is_so(self) {
            assert!(since.elapsed() < PATIENCE, "{what}\n{}", self.reported());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The letters that they got, when all are ejected. All others learned that none is free.
    fn letters(mut self, many: usize) -> Vec<String> {
        self.until("not all came to an end", |crowd| {
            crowd.all.iter_mut().map(One::is_decided).fold(true, |all, one| all & one)
        });
        let outcomes = || self.all.iter().filter_map(|one| one.outcome.as_ref());
        let letters: Vec<String> = outcomes().filter_map(|one| one.clone().ok()).collect();
        let message = "error: cannot make the drive: no drive letter is free\n";
        let is_refused = |why: &String| why.starts_with(message);
        let reported = || self.reported();
        assert!(outcomes().filter_map(|one| one.as_ref().err()).all(is_refused), "{}", reported());
        assert_eq!(letters.len(), many, "{}", reported());
        let different: HashSet<&String> = letters.iter().collect();
        assert_eq!(different.len(), letters.len(), "{}", reported());
        assert_eq!(self.session.records(), many, "{}", reported());
        let before = self.session.letters() - many;
        let ejected = self.session.run(&["eject", "--all"], &[]);
        assert!(ejected.status.success(), "{}\n{}", said(&ejected), reported());
        self.until("not all ended", |crowd| {
            crowd.all.iter_mut().map(|one| one.running.has_ended()).fold(true, |all, one| all & one)
        });
        let left = (self.session.records(), self.session.letters());
        assert_eq!(left, (0, before), "{}", self.reported());
        for one in self.all {
            let (end, outcome) = (one.running.end(), one.outcome);
            assert_eq!(end.status.success(), matches!(outcome, Some(Ok(_))), "{outcome:?} {end:?}");
        }
        letters
    }
}

#[test]
fn twenty_mounts_at_one_moment_get_a_letter_each() {
    let _turn = turn();
    let rounds = std::env::var("ISODRIVE_ROUNDS").map_or(2, |text| text.parse().unwrap());
    for round in 0..rounds {
        // Those of a session, and those for everybody.
        let rights = if round % 2 == 0 { "--local" } else { "--global" };
        let many = CROWD.min(free_letters().len());
        Crowd::start(&format!("crowd-{round}"), &[], rights, &[]).letters(many);
    }
}

#[test]
fn without_the_turn_a_crowd_gets_a_letter_each_too() {
    let _turn = turn();
    let mutex = held_mutex();
    // Long enough for all to define the same letter before one of them looks.
    let slow = [("ISODRIVE_TEST_SLOW", "60")];
    for rights in ["--local", "--global"] {
        let free = free_letters();
        let many = CROWD.min(free.len());
        Crowd::start(&format!("turnless{rights}"), &[], rights, &slow).letters(many);
        let (used, _) = free.split_at(free.len() - 7);
        Crowd::start(&format!("few{rights}"), used, rights, &slow).letters(7);
    }
    unsafe { ReleaseMutex(mutex) };
}

#[test]
fn a_letter_that_many_ask_for_is_given_to_one() {
    let _turn = turn();
    let mutex = held_mutex();
    let setup = image("setup.iso");
    // Those of a session; those and some for everybody, of which Windows does not tell the order.
    for (name, rights) in [("wanted", ["--local"; 2]), ("mixed", ["--local", "--global"])] {
        let session = session(name);
        let start = |number: usize| {
            let name = format!("S{number}");
            let how = ["mount", "-q", rights[number % 2], "--fs-name", &name, &setup, "R:"];
            let mut command = session.command(&how, &[("ISODRIVE_TEST_SLOW", "60")]);
            Running::start(&mut command, &session.folder)
        };
        let all: Vec<Running> = (0..6).map(start).collect();
        let all: Vec<Output> = all.into_iter().map(Running::end).collect();
        let taken = "error: cannot make the drive: R: is in use\n";
        assert_eq!(all.iter().filter(|one| one.status.success()).count(), 1, "{all:?}");
        assert_eq!(all.iter().filter(|one| said(one).starts_with(taken)).count(), 5, "{all:?}");
        assert_eq!((session.records(), session.letters()), (1, 1));
    }
    unsafe { ReleaseMutex(mutex) };
}

#[test]
fn of_twenty_with_too_few_letters_some_get_an_error() {
    let _turn = turn();
    let free = free_letters();
    let (used, _) = free.split_at(free.len() - 7);
    Crowd::start("few", used, "--local", &[]).letters(7);
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
    let path = session.reported(&["mount", "--print-path", "--local", &setup], &stolen);
    assert_eq!(path, format!("{}:\n", free[1]));
    session.reported(&["eject", "--all"], &[]);
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
    let timed = || {
        let since = Instant::now();
        session.reported(&["mount", "-q", &setup, "R:"], &[]);
        let took = since.elapsed();
        session.reported(&["eject", "R:"], &[]);
        took
    };
    // The turn is waited for 5 s, which a machine that is slow may take for a mount by itself.
    let waited = Duration::from_millis(4500);
    let usual = timed();
    // Its holder ended without giving it back.
    let left = std::thread::spawn(|| held_mutex() as usize).join().unwrap();
    let took = timed();
    assert!(took < usual + waited, "nobody holds it: {took:?}, {usual:?} before");
    let mutex = held_mutex();
    let took = timed();
    assert!(took > waited, "{took:?}, {usual:?} before");
    unsafe { ReleaseMutex(mutex) };
    let _ = left;
}
