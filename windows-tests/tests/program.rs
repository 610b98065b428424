//! The program itself: without WinFsp, with a broken one, and with the imitation below it.
#![cfg(windows)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use isodrive_windows_tests::console::BREAK;
use isodrive_windows_tests::output::{self, Running};
use isodrive_windows_tests::session::{Session, WINFSP, image, real, said};
use isodrive_windows_tests::visitor::VISIT;
use windows_registry::{CURRENT_USER, LOCAL_MACHINE, Type};

fn simulated() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_simulated"))
}

fn session(name: &str) -> Session {
    Session::new(name, env!("CARGO_BIN_EXE_simulated"))
}

#[test]
fn without_winfsp_a_mount_says_so_and_everything_else_works() {
    let session = session("without");
    let (program, image) = (real(), image("setup.iso"));
    // A library of that name where the person works is not WinFsp.
    std::fs::write(session.folder.join("winfsp-x64.dll"), "no library at all").unwrap();
    for command in ["mount", "open"] {
        let output = session.run_of(&program, &[command, &image]);
        assert_eq!(output.status.code(), Some(8), "{}", said(&output));
        assert_eq!(
            said(&output),
            "error: WinFsp is not installed (isodrive needs it to create drives)\n  \
             fix     it asks for administrator rights once:  winget install WinFsp.WinFsp\n  \
             meanwhile `isodrive ls`, `cat`, `extract`, `info` work without it\n"
        );
    }
    let doctor = session.run_of(&program, &["doctor"]);
    assert_eq!(doctor.status.code(), Some(8));
    assert!(session.output_of(&program, &["ls", &image]).starts_with("README.TXT\n"));
    assert!(session.output_of(&program, &["info", &image]).contains("UDF 1.02, used"));
    let note = session.output_of(&program, &["cat", &image, "/sources/ei.cfg"]);
    assert!(note.starts_with("[EditionID]\n"));
    session.output_of(&program, &["extract", &image, "-C", "out"]);
    let extracted = std::fs::metadata(session.folder.join("out/sources/install.wim")).unwrap();
    assert_eq!(extracted.len(), 60_000);
    assert_eq!(session.records(), 0);
}

#[test]
fn a_broken_winfsp_is_named_with_its_place() {
    let session = session("broken");
    let key = LOCAL_MACHINE.create(WINFSP).unwrap();
    key.set_string("InstallDir", session.folder.to_str().unwrap()).unwrap();
    let tried = |session: &Session| session.run_of(&real(), &["mount", &image("setup.iso")]);
    let output = tried(&session);
    let place = session.folder.join("bin").join("winfsp-x64.dll");
    assert_eq!(output.status.code(), Some(8));
    let message = format!("error: WinFsp's library {} cannot be loaded", place.display());
    assert!(said(&output).starts_with(&message), "{}", said(&output));
    // One that is no WinFsp, and has none of its functions.
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::copy("C:\\windows\\system32\\version.dll", &place).unwrap();
    let output = tried(&session);
    assert_eq!(output.status.code(), Some(8));
    assert!(
        said(&output).contains("is too old: it has no FspFileSystemCreate"),
        "{}",
        said(&output)
    );
}

#[test]
fn without_its_driver_winfsp_is_of_no_use_and_that_is_said() {
    let session = session("driverless");
    let dll = PathBuf::from(std::env::var_os("ISODRIVE_WINFSP_DLL").unwrap());
    let folder = dll.parent().unwrap().parent().unwrap();
    let key = LOCAL_MACHINE.create(WINFSP).unwrap();
    key.set_string("InstallDir", folder.to_str().unwrap()).unwrap();
    let output = session.run_of(&real(), &["mount", &image("setup.iso")]);
    assert_eq!(output.status.code(), Some(8), "{}", said(&output));
    let message = "error: WinFsp is installed, and its driver does not run\n";
    assert!(said(&output).starts_with(message), "{}", said(&output));
    let doctor = session.run_of(&real(), &["doctor"]);
    assert_eq!(doctor.status.code(), Some(8));
    let reported = String::from_utf8_lossy(&doctor.stdout);
    assert!(reported.contains("ok      WinFsp: 2.1"), "{reported}");
    assert!(reported.contains("broken  its driver: does not run"), "{reported}");
}

#[test]
fn a_mount_returns_when_it_can_be_used_and_eject_leaves_nothing() {
    let session = session("life");
    let (program, image) = (simulated(), image("setup.iso"));
    let path = session.output_of(&program, &["mount", "--print-path", &image]);
    let letter = path.trim_end().strip_suffix(':').expect("a letter").to_owned();
    assert!(letter.len() == 1 && path.ends_with('\n'), "{path:?}");
    assert_eq!(session.records(), 1);
    let icon =
        format!("Software\\Classes\\Applications\\Explorer.exe\\Drives\\{letter}\\DefaultIcon");
    assert!(CURRENT_USER.open(&icon).is_ok(), "the drive has no icon");

    let listed = session.output_of(&program, &["list", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(line["at"]["name"], format!("{letter}:"));
    assert_eq!(
        (&line["label"]["name"], &line["state"]),
        (&"SETUP_EN_DVD".into(), &"serving".into())
    );
    // Mounted once, it is mounted.
    let again = session.output_of(&program, &["mount", &image]);
    assert!(again.starts_with("Already mounted  SETUP_EN_DVD, UDF 1.02\n"), "{again}");
    assert_eq!(session.records(), 1);

    for target in ["nothing", "Y:"] {
        let output = session.run_of(&program, &["eject", target]);
        assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    }
    session.output_of(&program, &["eject", "--if-mounted", "nothing"]);
    session.output_of(&program, &["eject", &path.trim_end().to_lowercase()]);
    assert_eq!(session.records(), 0);
    assert!(CURRENT_USER.open(&icon).is_err(), "the icon stayed");
    assert_eq!(session.output_of(&program, &["list"]), "");
}

#[test]
fn drives_go_by_image_label_and_all_at_once() {
    let session = session("targets");
    let program = simulated();
    let (setup, names) = (image("setup.iso"), image("names.iso"));
    let mount = |at: &str, image: &str| session.output_of(&program, &["mount", "-q", image, at]);
    mount("R:", &setup);
    mount("S:", &names);
    session.output_of(&program, &["eject", &setup]);
    assert_eq!(session.records(), 1);
    mount("R:", &setup);
    session.output_of(&program, &["eject", "SETUP_EN_DVD"]);
    assert_eq!(session.records(), 1);
    mount("R:", &setup);
    session.output_of(&program, &["eject", "--all"]);
    assert_eq!(session.records(), 0);
}

#[test]
fn many_ejects_of_one_drive_at_one_moment_all_succeed() {
    let session = session("ejects");
    for _ in 0..3 {
        session.reported(&["mount", "-q", &image("setup.iso"), "R:"], &[]);
        let eject = || session.command(&["eject", "--if-mounted", "R:"], &[]);
        let all: Vec<_> = (0..5).map(|_| Running::start(&mut eject(), &session.folder)).collect();
        let all: Vec<_> = all.into_iter().map(Running::end).collect();
        assert!(all.iter().all(|one| one.status.success()), "{all:?}");
        assert_eq!(session.records(), 0);
    }
}

#[test]
fn what_a_killed_server_left_is_swept_up() {
    let session = session("killed");
    let program = simulated();
    session.output_of(&program, &["mount", "-q", &image("setup.iso"), "R:"]);
    let listed = session.output_of(&program, &["list", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let pid = line["process"].to_string();
    session.output_of(Path::new("taskkill"), &["/f", "/pid", &pid]);
    assert!(session.output_of(&program, &["list"]).contains("dead: server exited"));
    let doctor = session.run_of(&program, &["doctor"]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("dead    a drive: at R: is gone"));
    session.run_of(&program, &["doctor", "--fix"]);
    assert_eq!(session.records(), 0);
    let icon = "Software\\Classes\\Applications\\Explorer.exe\\Drives\\R";
    assert!(CURRENT_USER.open(icon).is_err(), "the icon stayed");
}

#[test]
fn a_mount_that_cannot_be_made_says_why() {
    let session = session("refused");
    let program = simulated();
    std::fs::write(session.folder.join("text.iso"), "no disc at all").unwrap();
    std::fs::create_dir(session.folder.join("there")).unwrap();
    let setup = image("setup.iso");
    for (arguments, code, want) in [
        (&["mount", "missing.iso"][..], 3, "error: cannot open \"missing.iso\": no such file\n"),
        (&["mount", "text.iso"], 4, "error: \"text.iso\" is not a disc image isodrive knows\n"),
        (&["mount", &setup, "there"], 7, "error: cannot mount at \"there\": it is there already"),
        (
            &["mount", &setup, "no\\such\\folder"],
            7,
            "error: cannot mount at \"no\\such\\folder\": ",
        ),
        (
            &["mount", "--fs-name", "A NAME OF 20 LETTERS", &setup],
            2,
            "error: cannot make the drive: the name of",
        ),
    ] {
        let output = session.run_of(&program, arguments);
        assert!(said(&output).starts_with(want), "{arguments:?}: {}", said(&output));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
    assert_eq!(session.records(), 0);
}

#[test]
fn explorer_gets_its_verbs_and_loses_them_again() {
    let session = session("setup");
    let program = real();
    let classes = CURRENT_USER.create("Software\\Classes").unwrap();
    // Somebody else's, in the two kinds of text that Windows takes: they stay.
    let theirs = classes.create(".cdr").unwrap();
    for kind in [Type::String, Type::ExpandString] {
        let bytes: Vec<u8> = "%O%.Program\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        theirs.set_bytes("", kind, &bytes).unwrap();
        let before = theirs.get_value("").unwrap();
        assert_eq!(before.ty(), kind);
        for what in ["install", "remove"] {
            session.output_of(&program, &["setup", what]);
            assert_eq!(theirs.get_value("").unwrap(), before, "{what}");
        }
    }
    session.output_of(&program, &["setup", "install"]);
    let text = |place: &str| classes.open(place).and_then(|key| key.get_string("")).ok();
    let verb = "SystemFileAssociations\\.iso\\shell\\isodrive.mount";
    assert_eq!(text(verb).as_deref(), Some("Mount with isodrive"));
    let command = text(&format!("{verb}\\command")).unwrap();
    assert!(command.ends_with("isodrive.exe\" open \"%1\""), "{command}");
    assert_eq!(text("Drive\\shell\\isodrive.eject").as_deref(), Some("Eject with isodrive"));
    assert_eq!(text(".udf").as_deref(), Some("isodrive.image"));
    assert_eq!(text(".cdr").as_deref(), Some("%O%.Program"));
    assert_eq!(text(".iso"), None, "a type that Windows knows was taken over");
    session.output_of(&program, &["setup", "remove"]);
    for place in [verb, "Drive\\shell\\isodrive.eject", ".udf", "isodrive.image"] {
        assert!(classes.open(place).is_err(), "{place} stayed");
    }
    assert_eq!(text(".cdr").as_deref(), Some("%O%.Program"));
    classes.remove_tree(".cdr").unwrap();
}

#[test]
fn what_is_extracted_gets_names_that_windows_can_hold() {
    let session = session("extract");
    session.output_of(&real(), &["extract", &image("names.iso"), "-C", "out"]);
    let out = session.folder.join("out");
    for (name, holds) in [
        ("plain.txt", "plain.txt"),
        ("a\u{F03A}b", "a:b"),
        ("ends\u{F02E}", "ends."),
        ("\u{F043}ON", "CON"),
        ("\u{F041}UX/inside\u{F03A} AUX", "inside: AUX"),
    ] {
        assert_eq!(std::fs::read(out.join(name)).unwrap(), holds.as_bytes(), "{name:?}");
    }
    let files = std::fs::read_dir(&out).unwrap().count();
    assert_eq!(files, 27, "one of those that differ in case alone is missing");
    // A second time, they are there already.
    let output = session.run_of(&real(), &["extract", &image("names.iso"), "-C", "out"]);
    assert_eq!(output.status.code(), Some(1));
    session.output_of(&real(), &["extract", "--overwrite", &image("names.iso"), "-C", "out"]);
}

#[test]
fn the_mark_of_an_image_is_on_what_is_extracted_and_nothing_is_invented() {
    let session = session("marked");
    let image_path = session.folder.join("marked.iso");
    std::fs::copy(image("setup.iso"), &image_path).unwrap();
    session.output_of(&real(), &["extract", "marked.iso", "setup.exe", "-C", "plain"]);
    let mark_of = |folder: &str| {
        std::fs::read(session.folder.join(folder).join("setup.exe:Zone.Identifier")).ok()
    };
    assert_eq!(mark_of("plain"), None);
    let mark = b"[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=https://example.org/marked.iso\r\n";
    std::fs::write(session.folder.join("marked.iso:Zone.Identifier"), mark).unwrap();
    session.output_of(&real(), &["extract", "marked.iso", "setup.exe", "-C", "out"]);
    assert_eq!(mark_of("out").as_deref(), Some(&mark[..]));
}

#[test]
fn a_directory_is_made_listed_and_taken_away() {
    let session = session("directory");
    let (program, setup) = (simulated(), image("setup.iso"));
    let reported = session.output_of(&program, &["mount", &setup, "disc"]);
    let at = session.folder.join("disc");
    assert!(reported.contains(&format!("at       {}\n", at.display())), "{reported}");
    assert!(reported.ends_with("eject with:  isodrive eject disc\n"), "{reported}");
    assert!(at.is_dir());
    let listed = session.output_of(&program, &["list"]);
    assert!(listed.contains(&format!("{}  ", at.display())), "{listed}");
    // The image under its one name, however it was named.
    assert!(listed.contains("Z:\\") && !listed.contains("?"), "{listed}");
    session.output_of(&program, &["eject", "disc"]);
    assert!(!at.exists());
    assert_eq!(session.records(), 0);
}

#[test]
fn an_idle_drive_goes_by_itself() {
    let session = session("idle");
    session.output_of(&simulated(), &["mount", "-q", "--idle", "1s", &image("setup.iso")]);
    assert_eq!(session.records(), 1);
    gone_after(&session);
}

/// How long the only drive of a session still lives.
fn gone_after(session: &Session) -> Duration {
    let since = Instant::now();
    while session.records() > 0 {
        assert!(since.elapsed().as_secs() < 30, "it is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    since.elapsed()
}

#[test]
fn a_drive_idles_when_the_last_handle_is_closed_and_not_before() {
    let session = session("visited");
    let mut command = session.command_of(&simulated(), &["mount", "-q", "--idle", "1s"]);
    command.arg(image("setup.iso")).env(VISIT, "4000 \\setup.exe");
    let output = output::of(&mut command, &session.folder);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(session.records(), 1);
    // The cache manager holds on to the file for good: that keeps no drive.
    let lived = gone_after(&session);
    assert!(lived > Duration::from_secs(3), "it went under who used it, after {lived:?}");
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
fn in_the_foreground_ctrl_break_ends_a_drive_cleanly() {
    let session = session("break");
    let pressed = session.folder.join("pressed");
    let mount = ["mount", "--foreground", &image("setup.iso")];
    let mut command = session.command(&mount, &[(BREAK, pressed.to_str().unwrap())]);
    let child = Running::start(&mut command, &session.folder);
    until(|| child.written().contains('\n'));
    assert!(child.written().starts_with("Mounted  SETUP_EN_DVD"), "{}", child.written());
    assert_eq!(session.records(), 1);
    std::fs::write(pressed, "").unwrap();
    assert!(child.end().status.success());
    assert_eq!((session.records(), session.letters()), (0, 0));
}
