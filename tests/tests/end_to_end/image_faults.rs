//! What becomes of a mount whose image is cut, changed, removed, or lies on a medium that fails (F1
//! to F14 of the faults that must be survived): errors where bytes cannot be had, the right bytes
//! everywhere else, never zeros and never a mixture.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isodrive_tests::corpus;
use isodrive_tests::faulty::{Faults, Loop, Medium, Mishap};
use isodrive_tests::program::{self, PATIENCE, Running, Session, can_mount, until};

const EIO: i32 = 5;
const ENODEV: i32 = 19;
const O_DIRECT: i32 = 0o40000;

/// Files of 256 KiB each, filled with one letter and their number.
const FILES: u8 = 16;
const FILE_BYTES: usize = 256 << 10;

fn contents(letter: u8, number: u8) -> Vec<u8> {
    [letter, number].repeat(FILE_BYTES / 2)
}

/// An image of such files.
fn image(session: &Session, name: &str, letter: u8) -> Result<PathBuf> {
    let tree = session.path(&format!("{name}.tree"));
    fs::create_dir_all(&tree)?;
    for number in 0..FILES {
        fs::write(tree.join(format!("f{number:02}")), contents(letter, number))?;
    }
    let image = session.path(name);
    corpus::make_image(&tree, &image)?;
    fs::remove_dir_all(&tree)?;
    Ok(image)
}

/// Reads a file past the kernel's cache.
fn read_past_cache(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::options().read(true).custom_flags(O_DIRECT).open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where a file's bytes begin in an image.
fn place(image: &Path, letter: u8, number: u8) -> Result<u64> {
    let bytes = fs::read(image)?;
    let want = contents(letter, number);
    let sectors = bytes.chunks(2048);
    let at = sectors.enumerate().find(|(_, sector)| **sector == want[..2048]);
    Ok(u64::try_from(at.context("the file is in the image")?.0 * 2048)?)
}

#[test]
fn f1_a_cut_image_gives_what_lies_before_the_cut_and_errors_behind_it() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let whole = image(&session, "whole.iso", b'a')?;
    let len = fs::metadata(&whole)?.len();
    let first = place(&whole, b'a', 0)?;
    for (name, cut) in [("most", first + 1), ("half", len / 2), ("sector", len - 2048)] {
        let path = session.path(&format!("{name}.iso"));
        fs::copy(&whole, &path)?;
        File::options().write(true).open(&path)?.set_len(cut)?;
        let ended = session.run(&[Path::new("mount"), &path, &session.path(name)])?;
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(ended.err.contains("is shorter than its file system says"), "{}", ended.err);
        for number in 0..FILES {
            let begin = place(&whole, b'a', number)?;
            let file = File::open(session.path(name).join(format!("f{number:02}")))?;
            for at in (0..FILE_BYTES).step_by(4096) {
                let mut bytes = [0; 4096];
                let is_there = begin + u64::try_from(at + 4096)? <= cut;
                match file.read_exact_at(&mut bytes, u64::try_from(at)?) {
                    Ok(()) => assert!(is_there && bytes[..2] == [b'a', number], "{name} {at}"),
                    Err(error) => {
                        assert_eq!(error.raw_os_error(), Some(EIO), "{name} {at}");
                        assert!(!is_there, "{name}: byte {at} of f{number:02} is in the image");
                    }
                }
            }
        }
        let strict = session.run(&["mount", "--strict", path.to_str().unwrap(), "strict"])?;
        assert_eq!(strict.code, 5, "{}", strict.err);
    }
    Ok(())
}

#[test]
fn f2_an_image_truncated_while_mounted_gives_errors_one_line_and_a_state() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let path = image(&session, "disc.iso", b'a')?;
    let mount = session.mount(&["--log-file", "log", "disc.iso", "here"])?;
    assert_eq!(fs::read(mount.at.join("f00"))?, contents(b'a', 0));
    File::options().write(true).open(&path)?.set_len(100_000)?;
    for number in 1..FILES {
        let error = fs::read(mount.at.join(format!("f{number:02}"))).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(EIO), "{error}");
    }
    assert!(program::is_alive(mount.worker));
    let changed = || session.listed_state().is_ok_and(|state| state == "image changed");
    assert!(until(Duration::from_secs(12), changed), "{:?}", session.listed_state());
    let log = fs::read_to_string(session.path("log"))?;
    assert_eq!(log.matches("was changed after it was opened").count(), 1, "{log}");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn f3_who_has_a_map_of_a_truncated_image_dies_and_the_server_does_not() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let path = image(&session, "disc.iso", b'a')?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let kept = contents(b'a', 1);
    assert_eq!(fs::read(mount.at.join("f01"))?, kept, "in the kernel's cache from here on");
    let client = client("map", &mount.at.join("f00"))?;
    File::options().write(true).open(&path)?.set_len(100_000)?;
    let status = client.go_on()?;
    assert_eq!(status.signal(), Some(7), "SIGBUS, as for any file that shrank: {status:?}");
    assert!(program::is_alive(mount.worker));
    assert_eq!(fs::read(mount.at.join("f01"))?, kept);
    Ok(())
}

/// A program that uses a file in some way, and has said that it does.
fn client(how: &str, path: &Path) -> Result<Running> {
    Running::client(env!("CARGO_BIN_EXE_client"), &[how.as_ref(), path.as_ref()])
}

#[test]
fn f4_f6_a_removed_or_replaced_image_stays_readable_and_is_not_taken_for_the_new() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    image(&session, "disc.iso", b'a')?;
    let other = image(&session, "other.iso", b'b')?;
    let old = session.mount(&["disc.iso", "old"])?;
    fs::rename(&other, session.path("disc.iso"))?;
    let new = session.mount(&["disc.iso"])?;
    assert_ne!(new.at, old.at, "not the old mount under the new image's name");
    fs::remove_file(session.path("disc.iso"))?;
    for number in 0..FILES {
        let name = format!("f{number:02}");
        assert!(read_past_cache(&old.at.join(&name))? == contents(b'a', number), "{name}");
        assert!(read_past_cache(&new.at.join(&name))? == contents(b'b', number), "{name}");
    }
    Ok(())
}

#[test]
fn f5_an_image_overwritten_in_place_never_shows_bytes_of_both() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let a = image(&session, "a.iso", b'a')?;
    let b = fs::read(image(&session, "b.iso", b'b')?)?;
    let path = session.path("disc.iso");
    let (mut good, mut refused) = (0, 0);
    for _ in 0..5 {
        fs::copy(&a, &path)?;
        // So that the change has another time than the copy.
        std::thread::sleep(Duration::from_millis(20));
        let mount = session.mount(&["disc.iso", "here"])?;
        let (over, failed) = (AtomicBool::new(false), AtomicUsize::new(0));
        let read = std::thread::scope(|scope| -> Result<usize> {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut read = 0;
                        while !over.load(Ordering::Relaxed) {
                            for number in 0..FILES {
                                let file = mount.at.join(format!("f{number:02}"));
                                match read_past_cache(&file) {
                                    Ok(bytes) => {
                                        assert!(bytes == contents(b'a', number), "a mixture");
                                        read += 1;
                                    }
                                    Err(error) => {
                                        assert_eq!(error.raw_os_error(), Some(EIO));
                                        failed.fetch_add(1, Ordering::Relaxed);
                                    }
                                }
                            }
                        }
                        read
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(50));
            File::options().write(true).open(&path)?.write_all(&b)?;
            std::thread::sleep(Duration::from_millis(50));
            over.store(true, Ordering::Relaxed);
            Ok(readers.into_iter().map(|reader| reader.join().unwrap_or(0)).sum())
        })?;
        good += read;
        refused += failed.into_inner();
        let error = read_past_cache(&mount.at.join("f00")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(EIO));
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    println!("{good} whole files, {refused} refused");
    assert!(good > 0 && refused > 0);
    Ok(())
}

/// Memory as direct reads want it.
#[repr(align(4096))]
struct Aligned([u8; 4096]);

#[test]
fn f7_a_faulty_block_device_gives_errors_for_the_files_that_touch_the_fault_alone() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let path = image(&session, "disc.iso", b'a')?;
    let medium = Medium::with(&path, true)?;
    let Some(device) = Loop::over(&medium.file)? else { return Ok(()) };
    // One sector: the kernel reads devices by pages, so the page around it is lost.
    let begin = place(&path, b'a', 5)?;
    let bad = (begin + 8192).next_multiple_of(4096);
    medium.switch.set(Faults { bad: vec![(bad..bad + 512, EIO)], ..Faults::default() });
    let bad = bad - begin;
    let mount = session.mount(&[device.0.as_str(), "here"])?;
    for number in 0..FILES {
        let got = fs::read(mount.at.join(format!("f{number:02}")));
        match number {
            5 => assert_eq!(got.unwrap_err().raw_os_error(), Some(EIO)),
            _ => {
                let got = got.with_context(|| format!("f{number:02} does not touch the fault"))?;
                assert!(got == contents(b'a', number), "f{number:02}");
            }
        }
    }
    // The same file before and behind the fault, past the kernel's cache: that keeps pages together
    // in pieces as large as it read ahead, and gives up the whole piece.
    let file = File::options().read(true).custom_flags(O_DIRECT).open(mount.at.join("f05"))?;
    let mut bytes = Aligned([0; 4096]);
    for at in [0, bad - 4096, bad + 4096, 200_704] {
        file.read_exact_at(&mut bytes.0, at)?;
        assert_eq!(bytes.0[..2], [b'a', 5]);
    }
    let error = file.read_exact_at(&mut bytes.0, bad).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(EIO));
    drop(file);
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn f8_f45_a_medium_that_is_silent_gives_errors_in_time_and_works_when_it_is_back() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let path = image(&session, "disc.iso", b'a')?;
    let medium = Medium::with(&path, true)?;
    let file = medium.file.to_str().context("a path")?.to_owned();
    let mount = session.mount(&[file.as_str(), "here"])?;
    assert!(fs::read(mount.at.join("f00"))? == contents(b'a', 0));
    medium.switch.set(Faults { is_silent: true, ..Faults::default() });
    // A client that waits can be ended at once.
    let mut waiting = client("read", &mount.at.join("f02"))?;
    waiting.0.stdin.take().context("its input")?.write_all(b"go\n")?;
    std::thread::sleep(Duration::from_millis(300));
    let before = Instant::now();
    waiting.0.kill()?;
    waiting.0.wait()?;
    assert!(before.elapsed() < PATIENCE, "{:?}", before.elapsed());

    let before = Instant::now();
    let error = File::open(mount.at.join("f03"))?.read_exact_at(&mut [0; 4096], 0).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(EIO), "{error}");
    println!("EIO after {:?}", before.elapsed());
    assert!(before.elapsed() < Duration::from_secs(25), "{:?}", before.elapsed());
    medium.switch.set(Faults::default());
    let is_back = || {
        let bytes = fs::read(mount.at.join("f03"));
        bytes.is_ok_and(|bytes| bytes == contents(b'a', 3))
    };
    assert!(until(Duration::from_secs(15), is_back));
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn f9_a_medium_that_was_pulled_out_gives_errors_and_can_be_ejected() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let path = image(&session, "disc.iso", b'a')?;
    let medium = Medium::with(&path, true)?;
    let mount = session.mount(&[medium.file.to_str().context("a path")?, "here"])?;
    medium.switch.set(Faults { bad: vec![(0..u64::MAX, ENODEV)], ..Faults::default() });
    let error = fs::read(mount.at.join("f01")).unwrap_err();
    assert!(matches!(error.raw_os_error(), Some(EIO | ENODEV)), "{error}");
    let ended = session.run(&["eject", "here"])?;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    Ok(())
}

#[test]
fn f10_holes_of_a_sparse_image_read_as_zeros() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir(&tree)?;
    File::create(tree.join("hole"))?.set_len(8 << 20)?;
    fs::write(tree.join("full"), contents(b'x', 1))?;
    corpus::make_image(&tree, &session.path("dense.iso"))?;
    let status = Command::new("cp")
        .args(["--sparse=always", "dense.iso", "disc.iso"])
        .current_dir(session.path(""))
        .status()?;
    assert!(status.success());
    let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(session.path("disc.iso"))?);
    assert!(blocks * 512 < 4 << 20, "the image has a hole: {blocks}");
    let mount = session.mount(&["disc.iso", "here"])?;
    assert!(fs::read(mount.at.join("hole"))? == vec![0; 8 << 20]);
    assert!(fs::read(mount.at.join("full"))? == contents(b'x', 1));
    Ok(())
}

#[test]
fn f11_a_block_device_mounts_and_what_has_no_end_is_refused_at_once() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let path = image(&session, "disc.iso", b'a')?;
    if let Some(device) = Loop::over(&path)? {
        let mount = session.mount(&[device.0.as_str(), "here"])?;
        assert!(fs::read(mount.at.join("f07"))? == contents(b'a', 7));
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    let pipe = Command::new("mkfifo").arg(session.path("pipe")).status()?;
    assert!(pipe.success());
    for odd in ["pipe", ".", "/dev/zero", "/proc/kmsg", "/dev/null", "/dev/tty"] {
        let before = Instant::now();
        let ended = session.run(&["mount", odd, "there"])?;
        assert!(matches!(ended.code, 3 | 4), "{odd}: {} {}", ended.code, ended.err);
        assert!(before.elapsed() < PATIENCE, "{odd}: {:?}", before.elapsed());
    }
    Ok(())
}

#[test]
fn f12_an_image_that_may_not_be_read_is_refused_with_the_reason() -> Result<()> {
    let Some(session) = Session::of_nobody()?.filter(|_| can_mount()) else { return Ok(()) };
    let path = image(&session, "disc.iso", b'a')?;
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(&path, mode(0o600))?;
    let ended = session.run(&["mount", "disc.iso"])?;
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("you may not read it"), "{}", ended.err);
    // Somebody else's, which may be read: nothing more is asked of it, such as leaving its time of
    // access alone.
    fs::set_permissions(&path, mode(0o444))?;
    let mount = session.mount(&["disc.iso"])?;
    assert!(program::is_mounted(&mount.at));
    assert_eq!(session.run(&["eject", "--all"])?.code, 0);
    Ok(())
}

#[test]
fn f13_a_damaged_compressed_block_gives_errors_for_itself_alone() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir(&tree)?;
    // Compresses by half: each byte of a random one in two.
    let random = fs::read(program::path()?)?;
    let want: Vec<u8> = random.iter().take(256 << 10).flat_map(|byte| [*byte, 0]).collect();
    fs::write(tree.join("file"), &want)?;
    let status = Command::new("xorriso")
        .args(["-report_about", "SORRY", "-outdev", "disc.iso", "-map", "tree", "/"])
        .args(["-set_filter_r", "--zisofs", "/", "--", "-commit"])
        .current_dir(session.path(""))
        .status()?;
    assert!(status.success());
    let path = session.path("disc.iso");
    let bytes = fs::read(&path)?;
    // The header of zisofs, its table of block pointers behind it, and one of the blocks.
    const MAGIC: [u8; 8] = [0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07];
    let at = bytes.chunks(2048).position(|sector| sector.starts_with(&MAGIC));
    let header = at.context("xorriso compressed the file")? * 2048;
    let pointer = |block: usize| -> Result<usize> {
        let place = header + 16 + 4 * block;
        Ok(usize::try_from(u32::from_le_bytes(bytes[place..place + 4].try_into()?))?)
    };
    let bad = 5;
    let place = header + (pointer(bad)? + pointer(bad + 1)?) / 2;
    let flipped = [bytes[place] ^ 0x55];
    File::options().write(true).open(&path)?.write_all_at(&flipped, u64::try_from(place)?)?;
    let mount = session.mount(&["disc.iso", "here"])?;
    let file = File::options().read(true).custom_flags(O_DIRECT).open(mount.at.join("file"))?;
    assert_eq!(usize::try_from(file.metadata()?.len())?, want.len());
    const BLOCK: usize = 32 << 10;
    for block in 0..want.len() / BLOCK {
        let mut got = vec![0; BLOCK];
        match file.read_exact_at(&mut got, u64::try_from(block * BLOCK)?) {
            Ok(()) => assert!(block != bad && got == want[block * BLOCK..][..BLOCK], "{block}"),
            Err(error) => assert_eq!((block, error.raw_os_error()), (bad, Some(EIO))),
        }
    }
    Ok(())
}

#[test]
fn f14_a_changed_part_of_a_set_gives_errors() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let whole = fs::read(image(&session, "disc.iso", b'a')?)?;
    let (first, second) = whole.split_at(whole.len() / 2);
    fs::write(session.path("set.iso.001"), first)?;
    fs::write(session.path("set.iso.002"), second)?;
    let mount = session.mount(&["set.iso.001", "here"])?;
    assert!(fs::read(mount.at.join("f15"))? == contents(b'a', 15));
    std::thread::sleep(Duration::from_millis(20));
    File::options().write(true).open(session.path("set.iso.002"))?.write_all(b"other")?;
    let error = fs::read(mount.at.join("f14")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(EIO));
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

/// Everything that a mount shows, errors included.
fn seen(at: &Path, tree: &mut BTreeMap<PathBuf, Result<Vec<u8>, i32>>) {
    let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(0);
    let listed = fs::read_dir(at).and_then(|dir| dir.collect::<std::io::Result<Vec<_>>>());
    let entries = match listed {
        Ok(entries) => entries,
        Err(error) => return drop(tree.insert(at.to_path_buf(), Err(errno(error)))),
    };
    for entry in entries {
        let path = entry.path();
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => seen(&path, tree),
            Ok(_) => drop(tree.insert(path.clone(), fs::read(&path).map_err(errno))),
            Err(error) => drop(tree.insert(path, Err(errno(error)))),
        }
    }
}

#[test]
fn each_read_of_the_medium_may_fail_while_a_mount_is_walked_and_the_next_walk_works() -> Result<()>
{
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    let medium = Medium::with(&session.path("disc.iso"), true)?;
    let file = medium.file.to_str().context("a path")?.to_owned();
    let walk = || -> Result<BTreeMap<PathBuf, Result<Vec<u8>, i32>>> {
        let mut tree = BTreeMap::new();
        let mount = session.mount(&[file.as_str(), "here"])?;
        seen(&mount.at, &mut tree);
        Ok(tree)
    };
    let never = 1 << 40;
    medium.switch.set(Faults { countdown: Some((never, Mishap::Once)), ..Faults::default() });
    let whole = walk()?;
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    assert!(whole.len() > 3 && whole.values().all(Result::is_ok), "{whole:?}");
    let reads = never - medium.switch.left();
    let mut failed = 0;
    for nth in 0..reads {
        for mishap in [Mishap::Once, Mishap::ForEver, Mishap::Short] {
            medium.switch.set(Faults { countdown: Some((nth, mishap)), ..Faults::default() });
            // A disc whose descriptors cannot be read is not mounted.
            let first = walk();
            medium.switch.set(Faults::default());
            let Ok(first) = first else {
                failed += 1;
                continue;
            };
            for (path, got) in &first {
                match got {
                    Ok(bytes) => assert!(whole.get(path) == Some(&Ok(bytes.clone())), "{path:?}"),
                    Err(errno) => assert_eq!(*errno, EIO, "{nth} {mishap:?} {path:?}"),
                }
            }
            failed += usize::from(first != whole);
            let mut again = BTreeMap::new();
            seen(&session.path("here"), &mut again);
            assert!(again == whole, "{nth} {mishap:?}: the next walk");
            assert_eq!(session.run(&["eject", "here"])?.code, 0);
        }
    }
    println!("{reads} reads, {failed} walks that met the fault");
    assert!(failed > 0);
    Ok(())
}
