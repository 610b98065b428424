//! What opening and walking cost: few reads whatever the size of the image, little memory.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use anyhow::Result;
use iso_core::source::testing::Counting;
use iso_core::source::{FileSource, Medium};
use iso_core::{Image, Limits};
use isodrive_tests::corpus;
use isodrive_tests::program::{Session, can_mount};

/// Reads of the source, and bytes, that opening a disc and listing its root with attributes takes.
fn reads_of(path: &Path) -> Result<(u64, u64)> {
    let (source, bytes) = Counting::new(FileSource::from_file(File::open(path)?, Medium::Local)?);
    let image = Image::open(Box::new(source), Limits::default())?;
    let shown = image.choose(None)?;
    let root = shown.volume.read_dir(shown.volume.root())?;
    for entry in root.iter() {
        shown.volume.attr(entry.node)?;
    }
    let reads = shown.volume.disc().counters().source_reads.load(Ordering::Relaxed);
    let bytes = bytes.load(Ordering::Relaxed);
    println!("{}: {reads} reads, {bytes} bytes", path.display());
    Ok((reads, bytes))
}

#[test]
fn a_disc_of_gigabytes_is_opened_and_listed_in_eight_reads_and_a_mebibyte() -> Result<()> {
    // Behind the anchor of a volume of UDF alone, half a mebibyte may hold a later session.
    let discs = [
        ("large.iso.zst", 4, 1 << 20),
        ("bridge.iso.zst", 8, 1 << 20),
        ("udf-2.01-2048.udf.zst", 12, 3 << 19),
    ];
    for (name, most_reads, most_bytes) in discs {
        let disc = corpus::unpack(&corpus::repository().join("tests/corpus").join(name))?;
        // As long as a DVD, with a hole behind the disc's own end.
        if name.starts_with("bridge") {
            let mut file = fs::OpenOptions::new().write(true).open(&disc.path)?;
            file.seek(SeekFrom::Start(5 << 30))?;
            file.write_all(&[0])?;
        }
        let (reads, bytes) = reads_of(&disc.path)?;
        let is_frugal = reads <= most_reads && bytes <= most_bytes;
        assert!(is_frugal, "{name}: {reads} reads, {bytes} bytes");
    }
    Ok(())
}

#[test]
fn a_disc_without_udf_is_opened_and_listed_in_four_reads() -> Result<()> {
    let session = Session::new()?;
    let tree = session.path("tree");
    for folder in ["boot", "sources", "support"] {
        fs::create_dir_all(tree.join(folder))?;
        fs::write(tree.join(folder).join("a file with a long name.txt"), vec![7; 3000])?;
    }
    File::create(tree.join("install.wim"))?.set_len(64 << 20)?;
    for options in [&["-iso-level", "3"][..], &["-iso-level", "3", "-J", "-joliet-long"]] {
        let made = session.path("made.iso");
        let mut command = Command::new("genisoimage");
        command.arg("-quiet").args(options);
        let output = command.arg("-o").arg(&made).arg(&tree).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (reads, bytes) = reads_of(&made)?;
        assert!(reads <= 4 && bytes <= 1 << 20, "{options:?}: {reads} reads, {bytes} bytes");
    }
    Ok(())
}

#[test]
fn walking_a_hundred_thousand_files_keeps_memory_below_64_mebibytes() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let tree = session.path("tree");
    for d in 0..1000 {
        let dir = tree.join(format!("dir{d:04}"));
        fs::create_dir_all(&dir)?;
        for f in 0..100 {
            fs::File::create(dir.join(format!("file-{f:03}.txt")))?;
        }
    }
    corpus::make_image(&tree, &session.path("many.iso"))?;
    fs::remove_dir_all(&tree)?;
    let mount = session.mount(&["many.iso", "here"])?;
    let listed = Command::new("find").arg(session.path("here")).arg("-ls").output()?;
    let lines = listed.stdout.iter().filter(|b| **b == b'\n').count();
    assert_eq!(lines, 101_001, "every file is listed");
    let resident = resident_kib(mount.worker)?;
    println!("{resident} KiB resident after the walk");
    assert!(resident < 64 << 10, "{resident} KiB");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

/// Resident memory of a process.
fn resident_kib(pid: i32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse()?)
}
