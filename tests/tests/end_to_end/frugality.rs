//! What opening and walking cost: few reads whatever the size of the image, little memory.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;
use std::sync::atomic::Ordering;

use anyhow::Result;
use iso_core::source::testing::Counting;
use iso_core::source::{FileSource, Medium};
use iso_core::{Image, Limits};
use isodrive_tests::corpus;
use isodrive_tests::program::{Session, can_mount};

#[test]
fn opening_and_listing_a_disc_of_gigabytes_reads_less_than_two_mebibytes() -> Result<()> {
    for name in ["large.iso.zst", "udf-2.01-2048.udf.zst", "bridge.iso.zst"] {
        let disc = corpus::unpack(&corpus::repository().join("tests/corpus").join(name))?;
        // As long as a DVD, with a hole behind the disc's own end.
        if name != "large.iso.zst" && !name.starts_with("udf") {
            let mut file = fs::OpenOptions::new().write(true).open(&disc.path)?;
            file.seek(SeekFrom::Start(5 << 30))?;
            file.write_all(&[0])?;
        }
        let (source, bytes) =
            Counting::new(FileSource::from_file(File::open(&disc.path)?, Medium::Local)?);
        let image = Image::open(Box::new(source), Limits::default())?;
        let shown = image.choose(None)?;
        let root = shown.volume.read_dir(shown.volume.root())?;
        for entry in root.iter() {
            shown.volume.attr(entry.node)?;
        }
        let read = bytes.load(Ordering::Relaxed);
        println!("{name}: {read} bytes read");
        assert!(read < 2 << 20, "{name}: {read} bytes");
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
