//! Mounts that the kernel's EROFS driver serves: their life without a process, what ends them, and
//! when FUSE takes their place. What they show is compared in `golden`, `hostile` and `model`.

use std::fs::{self, File};
use std::path::Path;

use anyhow::Result;
use iso_core::volume::Presentation;
use iso_core::{Image, Limits, source};
use isodrive_tests::kernel_driver::{self, KernelLog};
use isodrive_tests::program::{self, Session, is_mounted};
use isodrive_tests::sample::{contents, mounted};
use isodrive_tests::tree::Tree;
use mount_erofs::Through;

const EROFS: [&str; 2] = ["--driver", "erofs"];

#[test]
fn a_mount_by_the_kernel_needs_nobody_and_leaves_nothing() -> Result<()> {
    if !kernel_driver::can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let asked = [&EROFS[..], &["disc.iso"]].concat();
    for target in ["SETUP_EN_DVD", "disc.iso", "isodrive/SETUP_EN_DVD"] {
        let mount = session.mount(&asked)?;
        assert!(mount.is_kernels && mount.at == session.path("isodrive/SETUP_EN_DVD"));
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        let image = session.path("disc.iso");
        let line =
            table.lines().find(|line| line.contains(&format!("isodrive:{}", image.display())));
        let line = line.expect("the table names the image");
        assert!(line.contains("ro,nosuid,nodev,noatime"), "{line}");
        let holders = fs::read_dir("/proc")?.flatten().filter(|process| {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            line.windows(8).any(|part| part == b"isodrive")
                && String::from_utf8_lossy(&line).contains(&*image.to_string_lossy())
        });
        assert_eq!(holders.count(), 0, "no process is left");
        let again = session.run(&[&["mount"], &asked[..]].concat())?;
        assert!(again.code == 0 && again.out.starts_with("Already mounted"), "{again:?}");
        let ended = session.run(&["eject", target])?;
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(!session.path("isodrive").exists(), "the directories are gone");
        assert_eq!(fs::read_dir(session.state())?.count(), 0, "and the record");
    }
    Ok(())
}

#[test]
fn who_is_in_it_keeps_it_and_who_unmounts_by_hand_leaves_no_record() -> Result<()> {
    if !kernel_driver::can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let mount = session.mount(&[&EROFS[..], &["disc.iso", "here"]].concat())?;
    let held = File::open(mount.at.join("README.TXT"))?;
    let list = session.list()?;
    assert_eq!(list[0]["driver"], "erofs");
    assert!(list[0]["state"].as_str().is_some_and(|state| state.starts_with("in use")), "{list:?}");
    assert_eq!(session.run(&["eject", "here"])?.code, 9);
    drop(held);
    mount_fuse::unmount(&mount.at, false)?;
    assert_eq!(session.list()?.len(), 0);
    // The next mount sweeps up what umount(8) knew nothing of.
    assert!(mount.at.exists());
    let mount = session.mount(&[&EROFS[..], &["disc.iso", "there"]].concat())?;
    assert!(!session.path("here").exists());
    assert_eq!(session.run(&["eject", "there"])?.code, 0);
    assert!(!is_mounted(&mount.at));
    Ok(())
}

#[test]
fn what_erofs_cannot_do_is_served_by_fuse_and_said() -> Result<()> {
    if !kernel_driver::can_mount() || !program::can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let bytes = fs::read(session.path("disc.iso"))?;
    let (first, second) = bytes.split_at(100 << 10);
    fs::write(session.path("split.iso.001"), first)?;
    fs::write(session.path("split.iso.002"), second)?;
    for (arguments, why) in [
        (&["--idle", "15m", "disc.iso", "here"][..], "--idle needs a server process"),
        (&["--case", "insensitive", "disc.iso", "here"], "EROFS compares names case-sensitively"),
        (&["split.iso.001", "here"], "the image is split into several files"),
    ] {
        let ended = session.run(&[&["mount"], &EROFS[..], arguments].concat())?;
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(ended.err.contains("using FUSE") && ended.err.contains(why), "{}", ended.err);
        assert!(session.mounted(&session.path("here"))?.worker > 0);
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    Ok(())
}

#[test]
fn an_image_that_is_cut_gives_errors_and_a_state_through_files_and_loop_devices() -> Result<()> {
    if !kernel_driver::can_mount() {
        return Ok(());
    }
    let (session, mount) = mounted(&EROFS)?;
    let image = session.path("disc.iso");
    assert_eq!(fs::read(mount.at.join("size-4097"))?, contents(4097));
    File::options().write(true).open(&image)?.set_len(200_000)?;
    let error = fs::read(mount.at.join("size-3000000")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EIO), "never zeros");
    assert_eq!(session.listed_state()?, "image changed");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn loop_devices_do_where_the_kernel_takes_no_files() -> Result<()> {
    if !kernel_driver::can_mount() || !Path::new("/dev/loop-control").exists() {
        println!("not run: there are no loop devices");
        return Ok(());
    }
    let (session, mount) = mounted(&EROFS)?;
    let image = session.path("disc.iso");
    let opened = Image::open(source::open_path(&image)?, Limits::default())?;
    let volume = opened.choose(None)?.volume;
    let show = Presentation::default();
    let through = |how| kernel_driver::mount(&image, &*volume, &show, Some(how));
    let by_loops = through(Through::LoopDevices)?.expect("it can be shown");
    let by_files = through(Through::Files)?.expect("it can be shown");
    assert_eq!((by_loops.through, by_files.through), (Through::LoopDevices, Through::Files));
    let entries = |at: &Path| Tree::of_folder(at).map(|tree| format!("{:?}", tree.entries));
    assert!(entries(by_loops.at())? == entries(by_files.at())?, "the trees differ");
    File::options().write(true).open(&image)?.set_len(200_000)?;
    fs::write("/proc/sys/vm/drop_caches", "1")?;
    let error = fs::read(by_loops.at().join("size-3000000")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EIO), "never zeros");
    drop(mount);
    Ok(())
}

#[test]
fn a_large_directory_is_translated_whole() -> Result<()> {
    if !kernel_driver::can_mount() {
        return Ok(());
    }
    let mut log = KernelLog::from_now();
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), isodrive_tests::hostile::large::many_entries(200_000))?;
    let mount = session.mount(&[&EROFS[..], &["disc.iso", "here"]].concat())?;
    assert!(mount.is_kernels);
    assert_eq!(fs::read_dir(mount.at.join("D"))?.count(), 200_000);
    assert!(fs::metadata(mount.at.join("D/FILE0199999"))?.is_file());
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    assert_eq!(log.complaints(), Vec::<String>::new());
    Ok(())
}
