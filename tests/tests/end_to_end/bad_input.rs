//! Bad input: each gets its message and its exit code, and never an empty mount.

use std::fs;

use anyhow::Result;
use isodrive_tests::program::{Session, can_mount};
use isodrive_tests::{corpus, program};

fn sample() -> Vec<u8> {
    fs::read(corpus::repository().join("samples/setup-disc.iso")).expect("the sample is there")
}

/// Every command that reads an image ends the same way, with nothing mounted or left behind.
fn refused(session: &Session, image: &str, code: i32, words: &[&str]) -> Result<()> {
    let mount = ["mount", image, "here"];
    for arguments in
        [&mount[..], &["info", image], &["ls", image], &["extract", image, "-C", "out"]]
    {
        if arguments[0] == "mount" && !can_mount() {
            continue;
        }
        let ended = session.run(arguments)?;
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{arguments:?}");
        for word in words {
            assert!(ended.err.contains(word), "{arguments:?} lacks {word:?}: {}", ended.err);
        }
        assert!(!session.path("here").exists(), "{arguments:?} left its mount point");
    }
    Ok(())
}

#[test]
fn files_that_are_no_discs_are_named_with_what_to_try() -> Result<()> {
    let session = Session::new()?;
    let mut ntfs = vec![0; 70_000];
    ntfs[3..11].copy_from_slice(b"NTFS    ");
    for (name, bytes, code, words) in [
        (
            "text.iso",
            b"hello\n".to_vec(),
            4,
            &["not a disc image isodrive knows", "a text file"][..],
        ),
        ("empty.iso", Vec::new(), 4, &["an empty file", "download it again"]),
        ("setup.img", ntfs, 4, &["an NTFS disk", "udisksctl loop-setup"]),
        (
            "disc.iso.gz",
            b"\x1f\x8b\x08rest".to_vec(),
            4,
            &["compressed by gzip", "unpack it first"],
        ),
        ("zeros.iso", vec![0; 100_000], 4, &["zeros at its beginning", "its contents were never"]),
        ("page.iso", b"<!DOCTYPE html>".to_vec(), 4, &["a web page", "download it again"]),
        ("disk.img", b"QFI\xfb\0\0\0\x03".to_vec(), 4, &["qcow2", "qemu-img convert"]),
    ] {
        fs::write(session.path(name), bytes)?;
        refused(&session, name, code, words)?;
    }
    Ok(())
}

#[test]
fn what_cannot_be_opened_is_said_with_the_reason() -> Result<()> {
    let session = Session::new()?;
    refused(&session, "missing.iso", 3, &["cannot open \"missing.iso\": no such file"])?;
    fs::create_dir(session.path("folder"))?;
    refused(&session, "folder", 3, &["it is a directory, not an image"])?;
    refused(&session, "/dev/zero", 3, &["neither a file nor a block device"])?;
    let status = std::process::Command::new("mkfifo").arg(session.path("pipe")).status()?;
    assert!(status.success());
    refused(&session, "pipe", 3, &["neither a file nor a block device"])?;
    fs::write(session.path("d.iso.001"), sample())?;
    fs::write(session.path("d.iso.003"), b"x")?;
    refused(&session, "d.iso.001", 3, &["d.iso.002", "is missing"])
}

#[test]
fn a_disc_cut_before_its_root_is_damaged_and_says_so() -> Result<()> {
    let session = Session::new()?;
    let plain = corpus::unpack(&corpus::repository().join("tests/corpus/plain.iso.zst"))?;
    let bytes = fs::read(&plain.path)?;
    fs::write(session.path("cut.iso"), &bytes[..40_000])?;
    refused(
        &session,
        "cut.iso",
        5,
        &["is damaged", "of the image, which was cut short", "compare its size"],
    )
}

#[test]
fn a_truncated_image_mounts_with_a_warning_and_gives_errors_behind_the_cut() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let whole = corpus::unpack(&corpus::repository().join("tests/corpus/plain.iso.zst"))?;
    let bytes = fs::read(&whole.path)?;
    let cut = bytes.len() - 380_000;
    fs::write(session.path("cut.iso"), &bytes[..cut])?;
    let ended = session.run(&["mount", "cut.iso", "here"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("is shorter than its file system says"), "{}", ended.err);
    let golden = session.run(&["mount", whole.path.to_str().unwrap(), "whole"])?;
    assert_eq!(golden.code, 0, "{}", golden.err);
    let (mut good, mut failed) = (0, 0);
    for entry in fs::read_dir(session.path("whole/SIZES"))? {
        let name = entry?.file_name();
        let want = fs::read(session.path("whole/SIZES").join(&name))?;
        match fs::read(session.path("here/SIZES").join(&name)) {
            Ok(got) => {
                assert!(got == want, "{name:?} differs and no error was given");
                good += 1;
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(5), "{name:?}: {error}");
                failed += 1;
            }
        }
    }
    assert!(good > 0 && failed > 0, "{good} good, {failed} failed");
    assert_eq!(session.run(&["eject", "here", "whole"])?.code, 0);

    let strict = session.run(&["mount", "--strict", "cut.iso", "here"])?;
    assert_eq!(strict.code, 5, "{}", strict.err);
    assert!(strict.err.contains("--strict"), "{}", strict.err);
    Ok(())
}

#[test]
fn a_comma_in_the_name_brings_in_no_option() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    for name in ["a,rw.iso", "b\\,dev,suid.iso", "c d #%\u{e9}\n.iso"] {
        let session = Session::new()?;
        fs::write(session.path(name), sample())?;
        let ended = session.run(&["mount", name, "here"])?;
        assert_eq!(ended.code, 0, "{name}: {}", ended.err);
        let here = session.path("here");
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        let line = table.lines().find(|l| l.contains(here.to_str().unwrap())).expect("mounted");
        let options = line.split(' ').nth(5).unwrap_or_default();
        for option in ["ro", "nosuid", "nodev"] {
            assert!(options.split(',').any(|o| o == option), "{name}: {line}");
        }
        let error = fs::write(here.join("new"), b"x").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(30), "{error}");
        assert_eq!(session.run(&["eject", name])?.code, 0, "by its image's name");
        assert!(!here.exists());
    }
    Ok(())
}

#[test]
fn a_stub_is_not_shown_in_place_of_a_file_system_that_cannot_be_read() -> Result<()> {
    let session = Session::new()?;
    let mut bytes = sample();
    // Every anchor of the UDF side: descriptors with tag 2 that say where they lie.
    for (block, bytes) in bytes.chunks_exact_mut(2048).enumerate() {
        let is_here = bytes[12..16] == u32::try_from(block)?.to_le_bytes();
        if bytes.starts_with(&[2, 0]) && is_here {
            bytes.fill(0);
        }
    }
    fs::write(session.path("bridge.iso"), bytes)?;
    refused(&session, "bridge.iso", 5, &["announces UDF, and no anchor is found", "--view iso"])?;
    let ended = session.run(&["ls", "--view", "iso9660", "bridge.iso"])?;
    assert_eq!((ended.code, ended.out.as_str()), (0, "README.TXT\n"), "{}", ended.err);
    Ok(())
}

#[test]
fn wrong_usage_is_exit_code_2() -> Result<()> {
    let session = Session::new()?;
    for arguments in [&["mount"][..], &["nonsense"], &["ls", "--view", "ntfs", "x.iso"]] {
        assert_eq!(session.run(arguments)?.code, 2, "{arguments:?}");
    }
    let ended = session.run(&["mount", "-o", "writeback", "x.iso"])?;
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("unknown mount option"), "{}", ended.err);
    Ok(())
}

#[test]
fn a_mount_point_that_cannot_be_used_is_exit_code_7() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), sample())?;
    fs::write(session.path("file"), b"x")?;
    fs::create_dir(session.path("full"))?;
    fs::write(session.path("full/kept"), b"x")?;
    std::os::unix::fs::symlink("full", session.path("link"))?;
    for (at, why) in [
        ("file", "it is not a directory"),
        ("full", "the directory is not empty"),
        ("link", "it is a symbolic link"),
        ("no/such/parent", "No such file or directory"),
    ] {
        let ended = session.run(&["mount", "disc.iso", at])?;
        assert_eq!(ended.code, 7, "{at}: {}", ended.err);
        assert!(ended.err.contains(why), "{at}: {}", ended.err);
    }
    assert_eq!(fs::read(session.path("full/kept"))?, b"x");
    let _ = program::path()?;
    Ok(())
}
