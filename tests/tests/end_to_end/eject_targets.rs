//! What `eject` takes a word for: a path where there is one, else a name of the caller's own
//! mounts; never a mount of somebody else, or of an image that is written almost the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use isodrive_tests::corpus;
use isodrive_tests::namespace;
use isodrive_tests::program::{self, Session, can_mount, is_mounted};

/// Another mount of the session's disc.
fn second_disc(session: &Session, name: &str) -> Result<()> {
    fs::copy(session.path("disc.iso"), session.path(name))?;
    Ok(())
}

#[test]
fn a_path_that_is_there_is_never_a_name() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    fs::create_dir_all(session.path("other/its-name"))?;
    fs::create_dir(session.path("its-name"))?;
    let mount = session.mount(&["disc.iso", "other/its-name"])?;
    // A folder of that name is here, and something of that name is mounted elsewhere.
    let ended = session.run(&["eject", "its-name"])?;
    assert_eq!(ended.code, 10, "{}", ended.err);
    let other = session.path("other/its-name");
    let advice = format!("isodrive eject {}", other.display());
    assert!(ended.err.contains("\"its-name\" is a path that is not mounted"), "{}", ended.err);
    assert!(ended.err.contains(&advice), "{}", ended.err);
    for path in ["./its-name", "elsewhere/its-name", "./SETUP_EN_DVD", "/its-name"] {
        let ended = session.run(&["eject", path])?;
        assert_eq!((ended.code, is_mounted(&mount.at)), (10, true), "{path}: {}", ended.err);
        assert_eq!(session.run(&["eject", "--if-mounted", path])?.code, 0, "{path}");
        assert!(is_mounted(&mount.at), "{path}");
    }
    // A file of the label's name.
    fs::write(session.path("SETUP_EN_DVD"), b"")?;
    assert_eq!(session.run(&["eject", "SETUP_EN_DVD"])?.code, 10);
    fs::remove_dir(session.path("its-name"))?;
    assert_eq!(session.run(&["eject", "its-name"])?.code, 0);
    assert!(!is_mounted(&mount.at));
    Ok(())
}

#[test]
fn an_image_is_not_another_one_that_the_mount_table_writes_alike() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for name in ["c,d.iso", "c_d.iso", "c\nd.iso", "c\\d.iso"] {
        second_disc(&session, name)?;
    }
    for mounted in ["c,d.iso", "c\nd.iso", "c\\d.iso"] {
        let mount = session.mount(&[mounted, "here"])?;
        let ended = session.run(&["eject", "c_d.iso"])?;
        assert_eq!((ended.code, is_mounted(&mount.at)), (10, true), "{mounted:?}: {}", ended.err);
        // Nor is it without the record.
        let record = fs::read_dir(session.state())?.next().context("a record")??.path();
        let text = fs::read(&record)?;
        fs::remove_file(&record)?;
        let ended = session.run(&["eject", "c_d.iso"])?;
        assert_eq!((ended.code, is_mounted(&mount.at)), (10, true), "{mounted:?}: {}", ended.err);
        fs::write(&record, text)?;
        assert_eq!(session.run(&["eject", mounted])?.code, 0, "{mounted:?}");
        assert!(!is_mounted(&mount.at), "{mounted:?}");
    }
    // By another path of the same file, also once the first is gone.
    fs::hard_link(session.path("c_d.iso"), session.path("linked.iso"))?;
    session.mount(&["c_d.iso", "here"])?;
    fs::remove_file(session.path("c_d.iso"))?;
    let ended = session.run(&["eject", "linked.iso"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    // Without a record the table is enough where nothing in it may stand for something else.
    let mount = session.mount(&["disc.iso", "here"])?;
    fs::remove_dir_all(session.state())?;
    let is_plain = !session.path("disc.iso").to_string_lossy().contains('_');
    assert_eq!(session.run(&["eject", "disc.iso"])?.code == 0, is_plain);
    let ended = session.run(&["eject", "--if-mounted", "./here"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(!is_mounted(&mount.at));
    Ok(())
}

#[test]
fn a_name_of_several_mounts_is_an_error_that_says_how_to_eject_each() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    for folder in ["a", "b", "c"] {
        fs::create_dir(session.path(folder))?;
    }
    session.mount(&["disc.iso", "a/shared-name"])?;
    session.mount(&["disc.iso", "b/shared-name"])?;
    for name in ["shared-name", "disc.iso"] {
        let ended = session.run(&["eject", name])?;
        assert_eq!(ended.code, 10, "{name}: {}", ended.err);
        assert!(ended.err.contains(&format!("\"{name}\" names several mounts")), "{}", ended.err);
        for folder in ["a", "b"] {
            let eject = format!("isodrive eject {}/shared-name\n", session.path(folder).display());
            assert!(ended.err.contains(&eject), "{name}: {}", ended.err);
        }
    }
    assert_eq!(session.list()?.len(), 2);
    assert_eq!(session.run(&["eject", "a/shared-name", "b/shared-name"])?.code, 0);
    Ok(())
}

#[test]
fn names_and_all_mean_ones_own_mounts_and_paths_those_of_others_too() -> Result<()> {
    if !can_mount() || !program::is_root("to mount as two users") {
        return Ok(());
    }
    let script = "
        export ISODRIVE_STATE_DIR=$HERE/home/state
        root() { ISODRIVE_STATE_DIR=$HERE/state $ISODRIVE \"$@\"; }
        count() { grep -c fuse.isodrive /proc/self/mountinfo; }
        mkdir mine; cp disc.iso home/theirs.iso
        as_user $ISODRIVE mount -q home/theirs.iso home/m || exit 1
        root mount -q disc.iso mine/n || exit 1
        # A mount that another user ejected goes in its own time.
        gone() { while [ -e $1 ]; do sleep 0.01; done; }

        echo 'by name'; root eject m; echo $? $(count)
        echo 'by label'; as_user $ISODRIVE eject n; echo $? $(count)
        as_user $ISODRIVE eject SETUP_EN_DVD; echo $? $(count)
        as_user $ISODRIVE mount -q home/theirs.iso home/m || exit 1
        echo 'all'; root eject --all; echo $? $(count)
        root mount -q disc.iso mine/n || exit 1
        echo 'all of a user'; as_user $ISODRIVE eject --all-users; echo $? $(count)
        as_user $ISODRIVE eject --all; echo $? $(count)
        as_user $ISODRIVE mount -q home/theirs.iso home/m || exit 1
        echo 'by path'; root eject $HERE/home/m; echo $? $(count); gone home/m
        as_user $ISODRIVE mount -q home/theirs.iso home/m || exit 1
        echo 'all users'; root eject --all-users; echo $? $(count)
        echo 'both'; root eject --all --all-users; echo $?
    ";
    let Some(ended) = namespace::run(script)? else { return Ok(()) };
    let reported: Vec<&str> = ended.out.lines().collect();
    assert_eq!(
        reported,
        [
            "by name",
            "10 2",
            "by label",
            "10 2",
            "0 1",
            "all",
            "0 1",
            "all of a user",
            "2 2",
            "0 1",
            "by path",
            "0 1",
            "all users",
            "0 0",
            "both",
            "0"
        ],
        "{}",
        ended.err
    );
    let err = ended.err.replace(namespace::HERE, "HERE");
    for line in [
        "error: \"m\" names no mount of yours; user 65534 has such a mount",
        "  try     isodrive eject HERE/home/m",
        "error: \"n\" names no mount of yours; user 0 has such a mount",
        "error: only root may eject the mounts of all users",
        "  try     your own alone:  isodrive eject --all",
    ] {
        assert!(err.contains(line), "{line}: {err}");
    }
    assert!(!err.contains("isodrive eject HERE/mine"), "a user is not sent to root's mount: {err}");
    Ok(())
}

#[test]
fn what_is_mounted_in_a_busy_mount_is_named() -> Result<()> {
    if !can_mount() || !program::is_root("to mount in a mount") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let inner = mount.at.join("support");
    let tmpfs = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&inner).status()?;
    assert!(tmpfs.success());
    let ended = session.run(&["eject", "here"])?;
    assert_eq!(ended.code, 9, "{}", ended.err);
    let (inner, at) = (inner.display().to_string(), mount.at.display().to_string());
    assert!(
        ended.err.contains(&format!("in use  \"{inner}\" is mounted in it (tmpfs)")),
        "{}",
        ended.err
    );
    assert!(ended.err.contains(&format!("try     umount {inner}\n")), "{}", ended.err);
    assert!(!ended.err.contains("--lazy"), "that would take the inner one along: {}", ended.err);
    assert!(Command::new("umount").arg(&inner).status()?.success());
    // One of ours.
    session.mount(&["--over", "disc.iso", &inner])?;
    let ended = session.run(&["eject", &at])?;
    assert!(ended.err.contains(&format!("try     isodrive eject {inner}\n")), "{}", ended.err);
    assert_eq!(session.run(&["eject", &inner])?.code, 0);
    assert_eq!(session.run(&["eject", &at])?.code, 0);
    Ok(())
}

#[test]
fn a_mount_of_an_image_that_lies_on_a_busy_mount_is_named() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    fs::create_dir_all(session.path("tree/folder"))?;
    fs::copy(session.path("disc.iso"), session.path("tree/inner.iso"))?;
    corpus::make_image(&session.path("tree"), &session.path("outer.iso"))?;
    let outer = session.mount(&["outer.iso", "outer"])?;
    let is_root = program::is_root("to mount in a mount");
    for driver in program::drivers() {
        let places: &[&str] = if is_root { &["inner", "outer/folder"] } else { &["inner"] };
        for place in places {
            let wanted = [&["--over"], &driver[..], &["outer/inner.iso", place]].concat();
            let inner = session.mount(&wanted)?.at.display().to_string();
            let ended = session.run(&["eject", "outer"])?;
            assert_eq!(ended.code, 9, "{driver:?}, {place}: {}", ended.err);
            let shows = format!("in use  \"{inner}\" shows an image that lies on it\n");
            assert!(ended.err.contains(&shows), "{driver:?}, {place}: {}", ended.err);
            let advice = format!("try     isodrive eject {inner}\n");
            assert_eq!(ended.err.matches("  try ").count(), 1, "{place}: {}", ended.err);
            assert!(ended.err.ends_with(&advice), "{driver:?}, {place}: {}", ended.err);
            assert!(!ended.err.contains("(pid "), "its own processes: {}", ended.err);
            assert_eq!(session.run(&["eject", &inner])?.code, 0, "{driver:?}, {place}");
        }
    }
    // Somebody else who holds it is named too, and may keep it.
    session.mount(&["outer/inner.iso", "inner"])?;
    let held = fs::File::open(outer.at.join("inner.iso"))?;
    let ended = session.run(&["eject", "outer"])?;
    assert!(ended.err.contains("has inner.iso open\n"), "{}", ended.err);
    assert!(ended.err.contains("isodrive eject --lazy"), "{}", ended.err);
    drop(held);
    assert_eq!(session.run(&["eject", "inner", "outer"])?.code, 0);
    assert!(!is_mounted(&outer.at));
    Ok(())
}

#[test]
fn a_loop_device_that_keeps_a_mount_busy_is_named() -> Result<()> {
    if !can_mount() || !program::is_root("losetup") {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let file = mount.at.join("sources/install.wim");
    let output = Command::new("losetup").args(["--find", "--show", "-r"]).arg(&file).output()?;
    if !output.status.success() {
        println!("not run: there is no loop device");
        return Ok(());
    }
    let device = String::from_utf8(output.stdout)?.trim().to_owned();
    let ended = session.run(&["eject", "here"])?;
    let detached = Command::new("losetup").args(["-d", &device]).status()?;
    assert!(detached.success());
    assert_eq!(ended.code, 9, "{}", ended.err);
    assert!(
        ended.err.contains(&format!("in use  {device} has sources/install.wim")),
        "{}",
        ended.err
    );
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn mount_fuse3_and_mount_8_mount_by_the_classic_type_fuse() -> Result<()> {
    if !can_mount() || !program::is_root("mount(8)") {
        return Ok(());
    }
    let helper =
        ["/sbin/mount.fuse3", "/usr/sbin/mount.fuse3"].into_iter().find(|p| Path::new(p).exists());
    let Some(helper) = helper else {
        println!("not run: there is no mount.fuse3");
        return Ok(());
    };
    // mount(8) and mount.fuse3 find programs in the system's own folders.
    let script = format!(
        "mount -t tmpfs none /usr/local/bin && ln -s $ISODRIVE /usr/local/bin/isodrive || exit 77
        PATH=/usr/local/bin:$PATH; helper={helper}; spec=isodrive#$HERE/disc.iso; mkdir here
        export ISODRIVE_STATE_DIR=$HERE/state
        reported() {{ echo $? $(grep -c fuse.isodrive /proc/self/mountinfo) $(ls here | wc -l)
            $ISODRIVE eject --if-mounted here; }}
        $helper $spec $HERE/here -o ro,allow_other; reported
        $helper $spec $HERE/here -o rw,nosuid,nodev,uid=7; reported
        mount -t fuse3 $spec here -o ro,allow_other; reported
        mount -t fuse $spec here; reported
        mount -t fuse.isodrive $HERE/disc.iso here -o ro,noexec; reported
        echo \"$spec $HERE/here fuse ro,nofail,allow_other 0 0\" > fstab
        mount -T fstab here; reported
        $helper isodrive#/no/such.iso $HERE/here -o ro 2> /dev/null; reported
        $helper $spec $HERE/here -o ro,writeback 2> /dev/null; reported"
    );
    if let Some(ended) = namespace::run(&script.replace("\\\"", "\""))? {
        let reported: Vec<&str> = ended.out.lines().collect();
        let works = "0 1 11";
        assert_eq!(
            reported,
            [works, works, works, works, works, works, "32 0 0", "1 0 0"],
            "{}",
            ended.err
        );
        assert_eq!(ended.err, "", "nothing is said of what mount.fuse3 asks by itself");
    }
    let session = Session::with_disc()?;
    // A command is that command, and a typing error is one.
    fs::copy(session.path("disc.iso"), session.path("ls"))?;
    for arguments in
        [&["ls", "here", "-o", "ro"][..], &["lst"], &["moutn", "disc.iso", "here", "-o", "ro"]]
    {
        let ended = session.run(arguments)?;
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.err);
    }
    let ended = session.run(&["lst"])?;
    assert!(ended.err.contains("unrecognized subcommand 'lst'"), "{}", ended.err);
    assert!(ended.err.contains("tip:") && ended.err.contains("'list'"), "{}", ended.err);
    assert_eq!(session.run(&["./ls", "here", "-o", "ro"])?.code, 0);
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}
