//! Where and how mounts come and go (F48 to F58 of the faults that must be survived): one image
//! twice, odd places, busy mounts, other ways of unmounting, mount(8), handed descriptors.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use isodrive_tests::corpus;
use isodrive_tests::faulty::{Faults, Medium};
use isodrive_tests::program::{
    self, Ended, Mount, PATIENCE, Running, Session, can_mount, is_alive, is_mounted, until,
};

fn is_gone(mount: &Mount) -> bool {
    !is_alive(mount.supervisor) && !is_alive(mount.worker) && !is_mounted(&mount.at)
}

#[test]
fn f48_the_same_image_is_mounted_once_and_equal_labels_get_numbers() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let first = session.mount(&["disc.iso"])?;
    assert_eq!(first.at, session.path("isodrive/SETUP_EN_DVD"));
    assert_eq!(session.mount(&["disc.iso"])?.at, first.at);
    let reported = session.run(&["mount", "--json", "disc.iso"])?;
    assert!(reported.out.contains("\"already_mounted\":true"), "{}", reported.out);
    // Asked for in another way, it is another mount.
    let other_view = session.mount(&["--view", "iso9660", "disc.iso"])?;
    assert_ne!(other_view.at, first.at);
    assert_eq!(session.run(&["eject", other_view.at.to_str().unwrap()])?.code, 0);
    fs::copy(session.path("disc.iso"), session.path("copy.iso"))?;
    let second = session.mount(&["copy.iso"])?;
    assert_eq!(second.at, session.path("isodrive/SETUP_EN_DVD (1)"));
    let taken = session.run(&[Path::new("mount"), Path::new("copy.iso"), &first.at])?;
    assert_eq!(taken.code, 7, "{}", taken.err);
    assert!(taken.err.contains("something is mounted there already"), "{}", taken.err);
    assert_eq!(session.run(&["eject", "disc.iso", "copy.iso"])?.code, 0);
    assert!(!session.path("isodrive").exists());
    Ok(())
}

#[test]
fn f49_mounts_inside_mounts_and_over_the_image_itself() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let outer = session.mount(&["disc.iso", "here"])?;
    let ended = session.run(&["mount", "disc.iso", "here/new"])?;
    assert_eq!(ended.code, 7, "{}", ended.err);
    assert!(ended.err.contains("Read-only file system"), "{}", ended.err);
    // Over a folder of the disc, and over the folder that holds the image.
    let inner = session.mount(&["--over", "disc.iso", "here/boot"])?;
    assert!(inner.at.join("sources").is_dir());
    assert_eq!(session.run(&["eject", "here/boot"])?.code, 0);
    assert!(outer.at.join("boot").is_dir());
    fs::create_dir(session.path("folder"))?;
    fs::copy(session.path("disc.iso"), session.path("folder/own.iso"))?;
    let over = session.mount(&["--over", "folder/own.iso", "folder"])?;
    assert_eq!(fs::read(over.at.join("sources/install.wim"))?.len(), 60_000);
    assert_eq!(session.run(&["eject", "folder"])?.code, 0);
    assert!(session.path("folder/own.iso").exists(), "the directory is not ours");
    symlink("folder", session.path("link"))?;
    assert_eq!(session.run(&["mount", "--over", "disc.iso", "link"])?.code, 7);
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn f49_a_directory_of_somebody_else_is_refused() -> Result<()> {
    let Some(session) = Session::of_nobody()?.filter(|_| can_mount()) else { return Ok(()) };
    fs::copy(corpus::repository().join("samples/setup-disc.iso"), session.path("disc.iso"))?;
    fs::create_dir(session.path("roots"))?;
    let ended = session.run(&["mount", "disc.iso", "roots"])?;
    assert_eq!(ended.code, 7, "{}", ended.err);
    assert!(ended.err.contains("user has no write access"), "{}", ended.err);
    Ok(())
}

#[test]
fn f50_a_mount_whose_folder_was_moved_is_ejected_by_its_image() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    fs::create_dir(session.path("a"))?;
    let mount = session.mount(&["disc.iso", "a/here"])?;
    fs::rename(session.path("a"), session.path("b"))?;
    program::signal(mount.supervisor, rustix::process::Signal::TERM)?;
    assert!(until(PATIENCE, || is_gone(&mount)) && !is_mounted(&session.path("b/here")));
    let mount = session.mount(&["disc.iso", "b/here"])?;
    fs::rename(session.path("b"), session.path("c"))?;
    let ended = session.run(&["eject", "disc.iso"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(until(PATIENCE, || is_gone(&mount)));
    assert!(!is_mounted(&session.path("c/here")));
    Ok(())
}

/// A program that holds something of a mount, and has said that it does.
fn client(how: &str, path: &Path) -> Result<Running> {
    Running::client(env!("CARGO_BIN_EXE_client"), &[how.as_ref(), path.as_ref()])
}

#[test]
fn f51_a_busy_mount_names_who_holds_it_and_lazily_goes_when_they_do() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for (how, name, words) in [
        ("cwd", "sources", "is in sources"),
        ("open", "sources/install.wim", "has sources/install.wim open"),
        ("map", "sources/install.wim", "has sources/install.wim in memory"),
    ] {
        let mount = session.mount(&["disc.iso", "here"])?;
        let holder = client(how, &mount.at.join(name))?;
        let ended = session.run(&["eject", "here"])?;
        assert_eq!(ended.code, 9, "{how}: {}", ended.err);
        let who = format!("client (pid {}) {words}", holder.0.id());
        assert!(ended.err.contains(&who), "{how}: {}", ended.err);
        assert!(session.listed_state()?.starts_with("in use (client "), "{how}");
        assert_eq!(session.run(&["eject", "--lazy", "here"])?.code, 0, "{how}");
        assert!(!is_mounted(&mount.at) && !mount.at.exists(), "{how}: the place is free");
        assert!(is_alive(mount.worker), "{how}: who holds it may finish");
        let status = holder.go_on()?;
        assert!(status.success(), "{how}: {status:?}");
        assert!(until(PATIENCE, || is_gone(&mount)), "{how}");
    }
    Ok(())
}

#[test]
fn f51_a_running_program_keeps_its_disc() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir(&tree)?;
    fs::copy("/bin/sleep", tree.join("sleep"))?;
    fs::write(tree.join("script"), "#!/bin/sh\necho from the disc\n")?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(tree.join("script"), mode)?;
    corpus::make_image(&tree, &session.path("disc.iso"))?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let said = Command::new(mount.at.join("script")).output()?;
    assert_eq!(said.stdout, b"from the disc\n");
    let running = Running(Command::new(mount.at.join("sleep")).arg("60").spawn()?);
    let ended = session.run(&["eject", "here"])?;
    assert_eq!(ended.code, 9);
    assert!(ended.err.contains(&format!("sleep (pid {}) runs sleep", running.0.id())));
    drop(running);
    assert_eq!(session.run(&["eject", "here"])?.code, 0);

    let mount = session.mount(&["--noexec", "disc.iso", "here"])?;
    let refused = Command::new(mount.at.join("script")).output().unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(13));
    Ok(())
}

/// Takes a mount away by umount(8); false while a child of another test, which is about to become a
/// program, still holds what it inherited.
fn is_unmounted(at: &str) -> bool {
    Command::new("umount").arg(at).status().is_ok_and(|status| status.success())
}

#[test]
fn f52_f53_other_ways_of_unmounting_leave_nothing_either() -> Result<()> {
    if !can_mount() || !program::is_root("umount and aborting a connection") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for way in ["umount", "fusermount3 -u", "umount -l", "umount -f", "abort"] {
        let mount = session.mount(&["--log-file", "log", "disc.iso", "here"])?;
        let script = match way {
            "abort" => {
                let minor = rustix::fs::minor(fs::metadata(&mount.at)?.dev());
                let control = "/sys/fs/fuse/connections";
                if fs::read_dir(control)?.next().is_none() {
                    let _ = Command::new("mount").args(["-t", "fusectl", "none", control]).status();
                }
                let abort = format!("{control}/{minor}/abort");
                if !Path::new(&abort).exists() {
                    println!("not run: there is no {abort}");
                    continue;
                }
                format!("echo 1 > {abort}")
            }
            other => format!("{other} here"),
        };
        let run = || {
            let mut command = Command::new("sh");
            let status = command.args(["-c", &script]).current_dir(session.path("")).status();
            status.is_ok_and(|status| status.success())
        };
        assert!(until(PATIENCE, run), "{way}");
        assert!(until(PATIENCE, || is_gone(&mount)), "{way}");
        assert!(!mount.at.exists(), "{way}: the directory that was made is removed");
        assert_eq!(fs::read_dir(session.state())?.count(), 0, "{way}");
        let log = fs::read_to_string(session.path("log"))?;
        let word = if way == "abort" { "the connection was cut" } else { "ejected" };
        // A last line of the worker may come after the supervisor's.
        let mut own = log.lines().rev().take_while(|line| !line.contains("mounted image="));
        assert!(own.any(|line| line.contains(word)), "{way}: {log}");
    }
    // The one in the foreground ends well too.
    let mut command = session.command(&["mount", "-f", "--quiet", "disc.iso", "here"])?;
    let mut running = Running(command.spawn()?);
    assert!(until(PATIENCE, || session.list().is_ok_and(|list| list.len() == 1)));
    assert!(Command::new("umount").arg(session.path("here")).status()?.success());
    assert_eq!(running.0.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn f54_odd_names_of_images_are_mounted_and_shown_as_they_are() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let long = format!("{}.iso", "n".repeat(251));
    for name in
        ["a,b.iso", "a\\b.iso", "a b.iso", "a\nb.iso", "caf\u{e9}.iso", "#1.iso", "100%.iso", &long]
    {
        fs::copy(session.path("disc.iso"), session.path(name))?;
        let mount = session.mount(&[name, "here"])?;
        let list = session.list()?;
        let image = list[0]["image"]["name"].as_str().context("a name")?.to_owned();
        assert_eq!(image, session.path(name).to_string_lossy());
        let flags = rustix::fs::statvfs(&mount.at)?.f_flag;
        use rustix::fs::StatVfsMountFlags as Flags;
        assert!(flags.contains(Flags::RDONLY | Flags::NOSUID | Flags::NODEV), "{name:?}");
        let table = session.run(&["list"])?.out;
        assert!(!table.contains("a\nb"), "escaped on a terminal: {table}");
        assert_eq!(session.run(&["eject", name])?.code, 0, "{name:?}");
    }
    Ok(())
}

/// Makes the program a helper of mount(8) for a while.
struct Helpers;

const HELPERS: [&str; 2] = ["/sbin/mount.isodrive", "/sbin/mount.fuse.isodrive"];

impl Helpers {
    /// Nothing where isodrive is installed already, which is said.
    fn install() -> Result<Option<Self>> {
        if HELPERS.iter().any(|link| fs::symlink_metadata(link).is_ok()) {
            println!("not run: mount(8) has helpers of that name here");
            return Ok(None);
        }
        let helpers = Self;
        for link in HELPERS {
            symlink(program::path()?, link)?;
        }
        Ok(Some(helpers))
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        for link in HELPERS {
            let _ = fs::remove_file(link);
        }
    }
}

#[test]
fn f55_f56_mount_8_mounts_unmounts_and_gets_its_exit_codes() -> Result<()> {
    if !can_mount() || !program::is_root("mount(8)") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let Some(_helpers) = Helpers::install()? else { return Ok(()) };
    fs::create_dir(session.path("here"))?;
    let run = |arguments: &[&str]| -> Result<Ended> {
        let mut command = Command::new("env");
        // mount(8) gives a helper no more than this.
        command.args(["-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]).args(arguments);
        Ok(Ended::of(&command.current_dir(session.path("")).output()?))
    };
    let (image, here) = (session.path("disc.iso"), session.path("here"));
    let (image, here) = (image.to_str().unwrap(), here.to_str().unwrap());
    // As mount(8) calls for either type, and as mount.fuse does with its own defaults.
    for (kind, call, notice) in [
        ("fuse.isodrive", &["mount", "-t", "fuse.isodrive", image, here][..], false),
        ("isodrive", &["mount", "-t", "isodrive", image, here], false),
        ("mount.fuse", &[HELPERS[1], image, here, "-o", "rw,dev,suid"], true),
    ] {
        let ended = run(call)?;
        assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{kind}: {}", ended.err);
        let reported = ended.err.matches("ro,nosuid,nodev").count();
        assert_eq!(reported, usize::from(notice), "{kind}: {}", ended.err);
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        let line = table.lines().find(|line| line.contains(here)).context("mounted")?;
        let options = line.split(' ').nth(5).context("options")?;
        for option in ["ro", "nosuid", "nodev"] {
            assert!(options.split(',').any(|o| o == option), "{kind}: {line}");
        }
        assert_eq!(fs::read(Path::new(here).join("sources/install.wim"))?.len(), 60_000);
        assert!(until(PATIENCE, || is_unmounted(here)), "{kind}");
        assert!(until(PATIENCE, || !is_mounted(Path::new(here))));
        assert!(Path::new(here).exists(), "not a directory that isodrive made");
    }
    let all = "ro,nofail,_netdev,noauto,user,x-systemd.automount,x-gvfs-show,uid=1000,noexec";
    let ended = run(&["mount", "-t", "isodrive", "-o", all, image, here])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(fs::metadata(here)?.uid(), 1000);
    assert!(until(PATIENCE, || is_unmounted(here)));

    let helper = HELPERS[0];
    assert_eq!(run(&[helper, image, here, "-sfnv", "-o", "ro,odd_option"])?.code, 0);
    assert!(!is_mounted(Path::new(here)), "-f mounts nothing");
    assert_eq!(run(&[helper, image, here, "-o", "odd_option"])?.code, 1);
    assert_eq!(run(&[helper, image])?.code, 1);
    let pid = std::process::id().to_string();
    let ended = run(&[helper, image, here, "-s", "-N", &pid, "-o", "odd_option"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(until(PATIENCE, || is_unmounted(here)));
    let missing = run(&["mount", "-t", "isodrive", "/no/such.iso", here])?;
    assert_eq!(missing.code, 32, "{}", missing.err);
    assert!(missing.err.contains("no such file"), "{}", missing.err);
    Ok(())
}

#[test]
fn f57_a_descriptor_that_was_handed_over_is_served_and_others_are_refused() -> Result<()> {
    if !can_mount() || !program::is_root("mounting by hand") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let here = session.path("here");
    fs::create_dir(&here)?;
    let device =
        mount_fuse::attach(&mount_fuse::Directory::open(&here)?, &mount_fuse::Attach::default())?;
    // Without close-on-exec, as a caller has it who means to hand it over.
    rustix::io::fcntl_setfd(&device, rustix::io::FdFlags::empty())?;
    let name = format!("/dev/fd/{}", device.as_raw_fd());
    let ended = session.run(&["mount", "disc.iso", &name])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    drop(device);
    assert_eq!(fs::read(here.join("sources/install.wim"))?.len(), 60_000);
    mount_fuse::unmount(&here, true)?;
    let is_over = || fs::read_dir(session.state()).is_ok_and(|files| files.count() == 0);
    assert!(until(PATIENCE, is_over), "the server ends with the mount");

    let null = fs::File::open("/dev/null")?;
    rustix::io::fcntl_setfd(&null, rustix::io::FdFlags::empty())?;
    let unmounted = fs::File::options().read(true).write(true).open("/dev/fuse")?;
    rustix::io::fcntl_setfd(&unmounted, rustix::io::FdFlags::empty())?;
    for (name, why) in [
        (format!("/dev/fd/{}", null.as_raw_fd()), "it is not one of /dev/fuse"),
        ("/dev/fd/987".to_owned(), "it is closed"),
        ("/dev/fd/x".to_owned(), "that is no descriptor"),
        (format!("/dev/fd/{}", unmounted.as_raw_fd()), "is not a FUSE mount"),
    ] {
        let ended = session.run(&["mount", "disc.iso", &name])?;
        assert_eq!(ended.code, 7, "{name}: {}", ended.err);
        assert!(ended.err.contains(why), "{name}: {}", ended.err);
    }
    Ok(())
}

#[test]
fn f58_what_fails_before_it_is_ready_leaves_nothing_and_says_why() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    fs::write(session.path("bad.iso"), "hello\n")?;
    for arguments in [&["mount", "bad.iso", "here"][..], &["mount", "bad.iso"]] {
        let ended = session.run(arguments)?;
        assert_eq!((ended.code, ended.out.as_str()), (4, ""), "{}", ended.err);
        assert!(ended.err.contains("is not a disc image isodrive knows"), "{}", ended.err);
        assert!(!session.path("here").exists() && !session.path("isodrive").exists());
    }
    assert_eq!(session.list()?.len(), 0);
    Ok(())
}

#[test]
fn what_is_not_ready_in_time_is_given_up_and_leaves_nothing() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let medium = Medium::with(&session.path("disc.iso"), true)?;
    medium.switch.set(Faults { is_silent: true, ..Faults::default() });
    let file = medium.file.to_str().context("a path")?;
    let ended = session.run(&["mount", "--ready-timeout", "2s", file, "here"])?;
    assert_eq!(ended.code, 12, "{}", ended.err);
    assert!(ended.err.contains("the mount was not ready in 2s"), "{}", ended.err);
    assert!(!session.path("here").exists());
    assert_eq!(session.list()?.len(), 0);
    Ok(())
}

#[test]
fn a_mount_that_is_idle_ejects_itself_and_one_in_use_does_not() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["--idle", "4s", "disc.iso", "here"])?;
    let holder = client("cwd", &mount.at.join("sources"))?;
    std::thread::sleep(Duration::from_secs(9));
    assert!(is_mounted(&mount.at), "somebody is in it");
    drop(holder);
    assert!(until(PATIENCE, || is_gone(&mount)));
    assert!(!mount.at.exists());
    Ok(())
}

#[test]
fn a_service_of_type_notify_is_notified_when_the_mount_is_ready() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let socket = UnixDatagram::bind(session.path("notify"))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut command = session.command(&["mount", "-f", "--quiet", "disc.iso", "here"])?;
    let _running = Running(command.env("NOTIFY_SOCKET", session.path("notify")).spawn()?);
    let mut bytes = [0; 100];
    let len = socket.recv(&mut bytes)?;
    assert_eq!(&bytes[..len], b"READY=1\n");
    assert!(session.path("here/sources").is_dir(), "usable at that moment");
    Ok(())
}

#[test]
fn logs_keep_paths_to_themselves_when_asked() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for (redact, want) in [(false, true), (true, false)] {
        let mut arguments = vec!["mount", "--quiet", "--log-file", "log", "disc.iso", "here"];
        if redact {
            arguments.insert(1, "--redact");
        }
        assert_eq!(session.run(&arguments)?.code, 0);
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
        let log = fs::read_to_string(session.path("log"))?;
        assert!(log.contains("mounted") && log.contains("ejected"), "{log}");
        assert_eq!(log.contains("disc.iso"), want, "{log}");
        assert_eq!(log.contains("/here"), want, "{log}");
        fs::remove_file(session.path("log"))?;
    }
    Ok(())
}

/// What a background mount writes to a socket of the machine's log that a test stands in for.
fn heard(socket: &str) -> Result<String> {
    let session = Session::with_disc()?;
    fs::create_dir_all(Path::new(socket).parent().context("a folder")?)?;
    let log = UnixDatagram::bind(socket)?;
    let outcome = (|| -> Result<String> {
        log.set_read_timeout(Some(Duration::from_secs(10)))?;
        session.mount(&["disc.iso", "here"])?;
        let mut bytes = [0; 4000];
        // The journal's own library begins with a message of nothing.
        let len = loop {
            match log.recv(&mut bytes)? {
                0 => {}
                len => break len,
            }
        };
        Ok(String::from_utf8_lossy(&bytes[..len]).into_owned())
    })();
    fs::remove_file(socket)?;
    outcome
}

#[test]
fn logs_of_background_mounts_go_to_the_journal_and_else_to_syslog() -> Result<()> {
    if !can_mount() || !program::is_root("standing in for the machine's log") {
        return Ok(());
    }
    const JOURNAL: &str = "/run/systemd/journal/socket";
    if Path::new("/dev/log").exists() || Path::new(JOURNAL).exists() {
        println!("not run: this machine has a log of its own");
        return Ok(());
    }
    let entry = heard(JOURNAL)?;
    for word in ["SYSLOG_IDENTIFIER", "isodrive", "PRIORITY", "mounted", "SANDBOX", "full"] {
        assert!(entry.contains(word), "{word}: {entry}");
    }
    let line = heard("/dev/log")?;
    assert!(line.contains("isodrive[") && line.contains("mounted"), "{line}");
    Ok(())
}
