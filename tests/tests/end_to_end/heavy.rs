//! Small discs that describe much, on a mount: it survives them, and its worker holds no more
//! memory than it may.

use std::fs;
use std::io::Read;

use anyhow::Result;
use isodrive_tests::hostile::heavy;
use isodrive_tests::program::{Session, can_mount, is_alive};

/// What a worker may hold: 64 MiB beside its cache, which is 48 MiB by default.
const MAX_RESIDENT_KIB: u64 = (64 + 48) << 10;

/// The most memory that a process has had, in KiB.
fn peak(pid: i32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.map(|line| line.trim().trim_end_matches(" kB")).unwrap_or_default().parse()?)
}

/// Mounts a disc and reads the first byte of each of its files, by several readers at once.
fn read_all(bytes: Vec<u8>, files: usize, want: u8) -> Result<()> {
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), bytes)?;
    let mount = session.mount(&["disc.iso", "here"])?;
    std::thread::scope(|scope| {
        for reader in 0..4 {
            let at = &mount.at;
            scope.spawn(move || {
                for number in (reader..files).step_by(4) {
                    let mut byte = [9];
                    let file = fs::File::open(at.join(format!("F{number:05}")));
                    let read = file.and_then(|mut file| file.read_exact(&mut byte));
                    assert!(read.is_ok() && byte[0] == want, "{number}: {read:?} {byte:?}");
                }
            });
        }
    });
    let peak = peak(mount.worker)?;
    println!("{files} files: {peak} KiB at most");
    assert!(is_alive(mount.worker), "the worker is there");
    assert!(peak <= MAX_RESIDENT_KIB, "{peak} KiB");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn h49_files_of_two_hundred_thousand_extents_are_all_read_and_the_mount_survives() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let packed = heavy::packed_files(600);
    assert!(packed.len() < 160 << 10, "{} bytes", packed.len());
    read_all(packed, 600, 0)?;
    read_all(heavy::fragmented_files(150, 60_000, 2048), 150, 7)
}

#[test]
fn h49_attributes_by_the_thousand_are_refused_and_the_mount_survives() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    for (bytes, file) in
        [(heavy::streams(1000, 15_000), "f"), (heavy::listed_attributes(50_000), "F00000")]
    {
        let session = Session::new()?;
        fs::write(session.path("disc.iso"), bytes)?;
        let mount = session.mount(&["disc.iso", "here"])?;
        for _ in 0..8 {
            let mut names = [0; 1 << 16];
            let listed = rustix::fs::listxattr(mount.at.join(file), &mut names);
            assert_eq!(listed, Err(rustix::io::Errno::IO));
        }
        assert!(fs::read(mount.at.join(file)).is_ok(), "its bytes are there");
        let peak = peak(mount.worker)?;
        println!("{peak} KiB at most");
        assert!(peak <= MAX_RESIDENT_KIB, "{peak} KiB");
    }
    Ok(())
}
