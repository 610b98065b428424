//! `mount --native`, over a stand-in of `virtdisk.dll`: Windows makes the drive, gives it a letter
//! when it likes, and may have others take it away.
#![cfg(windows)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use isodrive_windows_tests::output;
use isodrive_windows_tests::setup::images;
use mount_winfsp::system::{is_letter_free, wide};
use windows_sys::Win32::Storage::FileSystem::{
    DDD_EXACT_MATCH_ON_REMOVE, DDD_RAW_TARGET_PATH, DDD_REMOVE_DEFINITION, DefineDosDeviceW,
};

/// When the drive gets its letter.
const LATE: Option<&str> = Some("W 1500");

/// A scratch folder with an image in it; one test at a time, since letters are everybody's.
struct Session {
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Session {
    fn new(name: &str) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("isodrive-native-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(images().join("setup.iso"), folder.join("Setup.ISO")).unwrap();
        Self { folder, _turn: turn }
    }

    fn run_as(&self, program: &Path, letter: Option<&str>, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder);
        command.env("ISODRIVE_STATE_DIR", self.folder.join("state"));
        command.env("ISODRIVE_TEST_DISKS", &self.folder);
        let standin = std::env::var_os("ISODRIVE_STANDIN").expect("ISODRIVE_STANDIN");
        command.env("ISODRIVE_TEST_VIRTDISK", standin);
        command.envs(letter.map(|letter| ("ISODRIVE_TEST_LETTER", letter)));
        output::of(&mut command, &self.folder)
    }

    fn run(&self, letter: Option<&str>, arguments: &[&str]) -> Output {
        self.run_as(Path::new(env!("CARGO_BIN_EXE_simulated")), letter, arguments)
    }

    /// Runs a command that must do, and gives what it said.
    fn told(&self, arguments: &[&str]) -> String {
        let output = self.run(LATE, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().replace('\r', "")
    }

    /// The one drive that is listed.
    fn listed(&self) -> serde_json::Value {
        serde_json::from_str(&self.told(&["list", "--json"])).unwrap()
    }

    /// The image that Windows shows.
    fn attached(&self) -> Option<PathBuf> {
        std::fs::read_to_string(self.folder.join("attached")).ok().map(PathBuf::from)
    }

    /// What Explorer does, by which the drive comes and goes without us.
    fn explorer_attaches(&self, is_attached: bool) {
        let image = self.folder.join("Setup.ISO");
        let image = image.canonicalize().unwrap();
        let image = image.to_str().unwrap().trim_start_matches("\\\\?\\");
        let file = self.folder.join("attached");
        let flags = if is_attached {
            std::fs::write(file, image).unwrap();
            DDD_RAW_TARGET_PATH
        } else {
            std::fs::remove_file(file).unwrap();
            DDD_RAW_TARGET_PATH | DDD_REMOVE_DEFINITION | DDD_EXACT_MATCH_ON_REMOVE
        };
        let (name, target) = (wide("W:"), wide("\\Device\\CdRom9"));
        assert_ne!(unsafe { DefineDosDeviceW(flags, name.as_ptr(), target.as_ptr()) }, 0);
    }

    fn records(&self) -> usize {
        std::fs::read_dir(self.folder.join("state")).map_or(0, Iterator::count)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.attached().is_some() {
            self.explorer_attaches(false);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).replace('\r', "")
}

#[test]
fn a_drive_of_windows_itself_is_waited_for_known_and_ejected() {
    let session = Session::new("life");
    let since = Instant::now();
    let path = session.told(&["mount", "--native", "--print-path", "Setup.ISO"]);
    assert_eq!(path, "W:\n");
    assert!(since.elapsed() > Duration::from_millis(1500), "before there was a letter");
    assert_eq!(session.records(), 1);
    let line = session.listed();
    assert_eq!((&line["at"]["name"], &line["state"]), (&"W:".into(), &"served by Windows".into()));
    assert_eq!((&line["label"]["name"], &line["process"]), (&"SETUP_EN_DVD".into(), &().into()));

    // Mounted once, it is mounted, under whatever name.
    for name in ["Setup.ISO", ".\\setup.iso"] {
        let again = session.told(&["mount", "--native", name]);
        let want = "Mounted before  SETUP_EN_DVD, UDF 1.02 by Windows itself\nat       W:\n";
        assert!(again.starts_with(want), "{again}");
        assert!(again.ends_with("eject with:  isodrive eject W:\n"), "{again}");
    }
    assert_eq!(session.records(), 1);

    for target in ["w:", "Setup.ISO", "SETUP_EN_DVD", "--all"] {
        session.told(&["eject", target]);
        assert_eq!(session.attached(), None, "{target}");
        assert!(is_letter_free('W'));
        assert_eq!(session.records(), 0);
        assert_eq!(session.told(&["list"]), "");
        session.told(&["mount", "--native", "-q", "Setup.ISO"]);
    }
}

#[test]
fn a_drive_without_a_letter_is_taken_away_again() {
    let session = Session::new("letterless");
    let output = session.run(None, &["mount", "--native", "Setup.ISO"]);
    assert_eq!(
        said(&output),
        "error: Windows cannot mount \"Setup.ISO\": Windows gave the drive no letter in 10 s\n  \
         try     isodrive mount Setup.ISO\n"
    );
    assert_eq!(output.status.code(), Some(12));
    assert!(output.stdout.is_empty());
    assert_eq!(session.attached(), None, "the drive stayed");
    assert_eq!(session.records(), 0);
}

#[test]
fn what_explorer_ejects_is_forgotten() {
    let session = Session::new("gone");
    session.told(&["mount", "--native", "-q", "Setup.ISO"]);
    session.explorer_attaches(false);
    assert_eq!(session.listed()["state"], "dead (ejected) - isodrive doctor --fix");
    let output = session.run(LATE, &["eject", "W:"]);
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    assert_eq!(session.records(), 0);
    // Once more there is something to make.
    session.told(&["mount", "--native", "-q", "Setup.ISO"]);
    assert!(session.attached().is_some());
}

#[test]
fn what_explorer_mounted_is_told_and_stays_its_own() {
    let session = Session::new("theirs");
    session.explorer_attaches(true);
    let again = session.told(&["mount", "--native", "Setup.ISO"]);
    let want = "Mounted before  SETUP_EN_DVD, UDF 1.02 by Windows itself\nat       W:\n";
    assert!(again.starts_with(want), "{again}");
    assert_eq!(session.records(), 0);
    session.told(&["eject", "--all"]);
    assert!(session.attached().is_some(), "a drive of somebody else was taken away");
}

#[test]
fn the_program_for_people_asks_the_library_of_windows_alone() {
    let session = Session::new("own");
    let program = PathBuf::from(std::env::var_os("ISODRIVE_PROGRAM").expect("ISODRIVE_PROGRAM"));
    // A library of that name where the person works is not that of Windows.
    std::fs::copy(
        std::env::var_os("ISODRIVE_STANDIN").unwrap(),
        session.folder.join("virtdisk.dll"),
    )
    .unwrap();
    let output = session.run_as(&program, LATE, &["mount", "--native", "Setup.ISO"]);
    assert_eq!(session.attached(), None);
    let system = Path::new("C:\\windows\\system32\\virtdisk.dll");
    if system.exists() {
        println!("not tried: this Windows has a library of its own");
        return;
    }
    let want =
        "error: Windows cannot mount \"Setup.ISO\": this Windows cannot mount images by itself\n";
    assert!(said(&output).starts_with(want), "{}", said(&output));
    assert_eq!(output.status.code(), Some(1));
}
