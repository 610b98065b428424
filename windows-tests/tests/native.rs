//! `mount --native`, over a stand-in of `virtdisk.dll`: Windows makes the drive, gives it a letter
//! when it likes, and may have others take it away.
#![cfg(windows)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use isodrive_windows_tests::session::{Session, Variable, image, real, said};
use mount_winfsp::system::{is_letter_free, wide};
use windows_sys::Win32::Storage::FileSystem::{
    DDD_EXACT_MATCH_ON_REMOVE, DDD_RAW_TARGET_PATH, DDD_REMOVE_DEFINITION, DefineDosDeviceW,
};

/// When drives get their letters.
const LATE: Variable<'_> = ("ISODRIVE_TEST_LETTER", "W 1500");
const AT_V: Variable<'_> = ("ISODRIVE_TEST_LETTER", "V 0");
const AT_W: Variable<'_> = ("ISODRIVE_TEST_LETTER", "W 0");

/// The first device that the stand-in gives.
const FIRST: u32 = 9;

/// A session with two images.
fn session(name: &str) -> Session {
    let name = format!("native-{name}");
    let mut session = Session::new(&name, env!("CARGO_BIN_EXE_simulated"));
    let standin = std::env::var_os("ISODRIVE_STANDIN").expect("ISODRIVE_STANDIN");
    session.set("ISODRIVE_TEST_DISKS", session.folder.clone());
    session.set("ISODRIVE_TEST_VIRTDISK", standin);
    for copy in ["Setup.ISO", "Other.iso"] {
        std::fs::copy(image("setup.iso"), session.folder.join(copy)).unwrap();
    }
    session
}

/// The drives that are listed.
fn listed(session: &Session) -> Vec<serde_json::Value> {
    let lines = session.reported(&["list", "--json"], &[]);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn attached_file(session: &Session, device: u32) -> PathBuf {
    session.folder.join(format!("attached-{device}"))
}

/// Whether Windows shows something as a device.
fn is_attached(session: &Session, device: u32) -> bool {
    attached_file(session, device).exists()
}

fn define(letter: char, device: u32, flags: u32) {
    let (name, target) = (wide(&format!("{letter}:")), wide(&format!("\\Device\\CdRom{device}")));
    let flags = flags | DDD_RAW_TARGET_PATH;
    assert_ne!(unsafe { DefineDosDeviceW(flags, name.as_ptr(), target.as_ptr()) }, 0);
}

/// What Explorer does, by which a drive goes without us.
fn explorer_ejects(session: &Session, device: u32, letter: char) {
    std::fs::remove_file(attached_file(session, device)).unwrap();
    define(letter, device, DDD_REMOVE_DEFINITION | DDD_EXACT_MATCH_ON_REMOVE);
}

/// A drive that Explorer made, and ejects at the end.
struct OfExplorer<'s>(&'s Session, u32, char);

impl<'s> OfExplorer<'s> {
    fn attach(session: &'s Session, name: &str, device: u32, letter: char) -> Self {
        let image = session.folder.join(name).canonicalize().unwrap();
        let image = image.to_str().unwrap().trim_start_matches("\\\\?\\");
        std::fs::write(attached_file(session, device), format!("{image}\n{letter}")).unwrap();
        define(letter, device, 0);
        Self(session, device, letter)
    }
}

impl Drop for OfExplorer<'_> {
    fn drop(&mut self) {
        if is_attached(self.0, self.1) {
            explorer_ejects(self.0, self.1, self.2);
        }
    }
}

#[test]
fn a_drive_of_windows_itself_is_waited_for_known_and_ejected() {
    let session = session("life");
    let since = Instant::now();
    let path = session.reported(&["mount", "--native", "--print-path", "Setup.ISO"], &[LATE]);
    assert_eq!(path, "W:\n");
    assert!(since.elapsed() > Duration::from_millis(1500), "before there was a letter");
    assert_eq!(session.records(), 1);
    let line = &listed(&session)[0];
    assert_eq!((&line["at"]["name"], &line["state"]), (&"W:".into(), &"served by Windows".into()));
    assert_eq!((&line["label"]["name"], &line["process"]), (&"SETUP_EN_DVD".into(), &().into()));

    // Mounted once, it is mounted, under whatever name.
    for name in ["Setup.ISO", ".\\setup.iso"] {
        let again = session.reported(&["mount", "--native", name], &[LATE]);
        let want = "Already mounted  SETUP_EN_DVD, UDF 1.02 by Windows itself\nat       W:\n";
        assert!(again.starts_with(want), "{again}");
        assert!(again.ends_with("eject with:  isodrive eject W:\n"), "{again}");
    }
    assert_eq!(session.records(), 1);

    for target in ["w:", "Setup.ISO", "SETUP_EN_DVD", "--all"] {
        session.reported(&["eject", target], &[]);
        assert!(!is_attached(&session, FIRST), "{target}");
        assert!(is_letter_free('W'));
        assert_eq!(session.records(), 0);
        assert_eq!(session.reported(&["list"], &[]), "");
        session.reported(&["mount", "--native", "-q", "Setup.ISO"], &[AT_W]);
    }
}

#[test]
fn two_drives_of_windows_are_distinguished_by_their_devices() {
    let session = session("two");
    session.reported(&["mount", "--native", "-q", "Setup.ISO"], &[AT_W]);
    let path = session.reported(&["mount", "--native", "--print-path", "Other.iso"], &[AT_V]);
    assert_eq!((path.as_str(), session.records()), ("V:\n", 2));
    session.reported(&["eject", "W:"], &[]);
    assert_eq!((is_attached(&session, FIRST), is_attached(&session, FIRST + 1)), (false, true));
    let left = listed(&session);
    assert_eq!((left.len(), &left[0]["at"]["name"]), (1, &"V:".into()));

    // Explorer makes the drive anew as another device: that one is its own.
    explorer_ejects(&session, FIRST + 1, 'V');
    let _theirs = OfExplorer::attach(&session, "Other.iso", FIRST, 'V');
    assert_eq!(listed(&session)[0]["state"], "dead (ejected) - isodrive doctor --fix");
    session.reported(&["eject", "--all"], &[]);
    assert_eq!((session.records(), is_attached(&session, FIRST)), (0, true));
}

#[test]
fn a_record_of_an_earlier_start_of_windows_is_dead_though_its_device_is_there_again() {
    let session = session("boot");
    session.reported(&["mount", "--native", "-q", "Setup.ISO"], &[AT_W]);
    let _theirs = OfExplorer(&session, FIRST, 'W');
    assert_eq!(listed(&session)[0]["state"], "served by Windows");
    let file = &session.record_files()[0];
    let mut record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let boot = record["boot"].as_u64().expect("when Windows was started");
    // A minute before, in steps of 100 ns. Explorer has mounted the image since.
    record["boot"] = (boot - 600_000_000).into();
    std::fs::write(file, record.to_string()).unwrap();
    assert_eq!(listed(&session)[0]["state"], "dead (ejected) - isodrive doctor --fix");
    session.reported(&["eject", "--all"], &[]);
    assert_eq!((session.records(), is_attached(&session, FIRST)), (0, true));
}

#[test]
fn a_drive_without_a_letter_is_taken_away_again() {
    let session = session("letterless");
    let output = session.run(&["mount", "--native", "Setup.ISO"], &[]);
    assert_eq!(
        said(&output),
        "error: Windows cannot mount \"Setup.ISO\": Windows gave the drive no letter in 10 s\n  \
         try     isodrive mount Setup.ISO\n"
    );
    assert_eq!(output.status.code(), Some(12));
    assert!(output.stdout.is_empty());
    assert!(!is_attached(&session, FIRST), "the drive stayed");
    assert_eq!(session.records(), 0);
}

#[test]
fn a_drive_without_a_letter_that_windows_keeps_is_known() {
    let session = session("kept");
    let kept = ("ISODRIVE_TEST_KEPT", "1");
    let mount = ["mount", "--native", "Setup.ISO"];
    assert_eq!(
        session.refused(1, &mount, &[kept]),
        "error: Windows cannot mount \"Setup.ISO\": Windows gave the drive \\\\.\\CDROM9 no \
         letter, and keeps it (error 170)\n  try     isodrive eject Setup.ISO\n"
    );
    let drives = listed(&session);
    let known: Vec<_> = drives.iter().map(|one| (&one["at"]["name"], &one["state"])).collect();
    assert_eq!(known, [(&"\\\\.\\CDROM9".into(), &"served by Windows".into())]);
    // It cannot be used, and stays the one drive of its image.
    let why = session.refused(12, &mount, &[]);
    assert!(why.contains("Windows gave the drive no letter in 10 s\n"), "{why}");
    assert_eq!((session.records(), is_attached(&session, FIRST + 1)), (1, false));
    assert_eq!(
        session.refused(1, &["eject", "Setup.ISO"], &[kept]),
        "error: cannot take \\\\.\\CDROM9 away: Windows refused (error 170)\n  \
         try     powershell Dismount-DiskImage -DevicePath \\\\.\\CDROM9\n"
    );
    session.reported(&["eject", "\\\\.\\CDROM9"], &[]);
    assert_eq!((session.records(), is_attached(&session, FIRST)), (0, false));
}

#[test]
fn what_explorer_ejects_is_forgotten() {
    let session = session("gone");
    session.reported(&["mount", "--native", "-q", "Setup.ISO"], &[LATE]);
    explorer_ejects(&session, FIRST, 'W');
    assert_eq!(listed(&session)[0]["state"], "dead (ejected) - isodrive doctor --fix");
    session.refused(10, &["eject", "W:"], &[]);
    assert_eq!(session.records(), 0);
    // Once more there is something to make.
    session.reported(&["mount", "--native", "-q", "Setup.ISO"], &[LATE]);
    assert!(is_attached(&session, FIRST));
}

#[test]
fn what_explorer_mounted_is_listed_and_stays_its_own() {
    let session = session("theirs");
    let _theirs = OfExplorer::attach(&session, "Setup.ISO", FIRST, 'W');
    let again = session.reported(&["mount", "--native", "Setup.ISO"], &[LATE]);
    let want = "Already mounted  SETUP_EN_DVD, UDF 1.02 by Windows itself\nat       W:\n";
    assert!(again.starts_with(want), "{again}");
    assert_eq!(session.records(), 0);
    session.reported(&["eject", "--all"], &[]);
    assert!(is_attached(&session, FIRST), "a drive of somebody else was taken away");
}

#[test]
fn the_program_for_people_asks_the_library_of_windows_alone() {
    let session = session("own");
    // A library of that name where the person works is not that of Windows.
    std::fs::copy(
        std::env::var_os("ISODRIVE_STANDIN").unwrap(),
        session.folder.join("virtdisk.dll"),
    )
    .unwrap();
    let output = session.run_of(&real(), &["mount", "--native", "Setup.ISO"]);
    assert!(!is_attached(&session, FIRST));
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
