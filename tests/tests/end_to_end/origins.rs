//! Volumes that do not begin with their image: in partitions, behind a pause, behind another
//! volume, and tracks that were copied alone. Each gives the files that were put in, by every door.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use iso_core::{Image, Limits};
use isodrive_tests::make;
use isodrive_tests::make::udf::{self, Entry, Layout};
use isodrive_tests::program::{self, Session, can_mount};
use serde_json::Value;
use windows_view::{Choices, Tree as WindowsTree};

const SECTOR: usize = 512;
const MEBIBYTE: usize = 1 << 20;

/// What the discs hold.
fn files(session: &Session) -> Result<PathBuf> {
    let folder = session.path("put-in");
    fs::create_dir_all(folder.join("deep"))?;
    fs::write(folder.join("readme.txt"), "to be found")?;
    fs::write(folder.join("deep/data.bin"), make::bytes(7, 300_001))?;
    Ok(folder)
}

/// An image of the files by genisoimage, whose numbers count from `first` sectors before it.
fn image(session: &Session, first: u32) -> Result<Vec<u8>> {
    let (folder, path) = (files(session)?, session.path("volume"));
    let count = format!("0,{first}");
    let mut command = Command::new("genisoimage");
    command.args(["-quiet", "-R", "-J"]);
    if first > 0 {
        command.args(["-C", &count]);
    }
    let output = command.arg("-o").args([&path, &folder]).output().context("genisoimage")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(fs::read(path)?)
}

/// A disk with volumes at multiples of a mebibyte.
fn disk(volumes: &[(usize, &[u8])]) -> Vec<u8> {
    let end = volumes.iter().map(|(at, bytes)| at * MEBIBYTE + bytes.len()).max().unwrap_or(0);
    let mut disk = vec![0; end.next_multiple_of(2048)];
    for (at, bytes) in volumes {
        disk[at * MEBIBYTE..][..bytes.len()].copy_from_slice(bytes);
    }
    disk
}

/// Writes an entry of a boot record: type, first sector and number of sectors.
fn entry(
    disk: &mut [u8],
    record_at: usize,
    number: usize,
    (kind, first, count): (u8, usize, usize),
) {
    let record = &mut disk[record_at..][..SECTOR];
    record[446 + 16 * number + 4] = kind;
    for (at, value) in [(8, first), (12, count)] {
        let value = u32::try_from(value).unwrap().to_le_bytes();
        record[446 + 16 * number + at..][..4].copy_from_slice(&value);
    }
    record[510..].copy_from_slice(&[0x55, 0xAA]);
}

fn mbr(volume: &[u8]) -> Vec<u8> {
    let mut disk = disk(&[(1, volume)]);
    entry(&mut disk, 0, 0, (0x0C, MEBIBYTE / SECTOR, volume.len() / SECTOR));
    disk
}

/// A disk whose second partition is an extended one, with two logical ones in it.
fn logical(volume: &[u8]) -> Vec<u8> {
    let sectors = MEBIBYTE / SECTOR;
    let mut disk = disk(&[(4, volume)]);
    entry(&mut disk, 0, 0, (0x83, sectors, 64));
    entry(&mut disk, 0, 1, (0x0F, 2 * sectors, 9 * sectors));
    entry(&mut disk, 2 * MEBIBYTE, 0, (0x83, 64, 64));
    entry(&mut disk, 2 * MEBIBYTE, 1, (0x05, sectors, 8 * sectors));
    entry(&mut disk, 3 * MEBIBYTE, 0, (0x83, sectors, volume.len() / SECTOR));
    disk
}

/// A disk with a GUID partition table, as far as a reader of the image needs it (UEFI 2.10, 5.3).
fn gpt(volume: &[u8]) -> Vec<u8> {
    gpt_of(SECTOR, volume)
}

/// As `gpt`, of a disk with sectors of 4096 bytes.
fn gpt_of_large_sectors(volume: &[u8]) -> Vec<u8> {
    gpt_of(4096, volume)
}

fn gpt_of(sector: usize, volume: &[u8]) -> Vec<u8> {
    let mut disk = disk(&[(2, volume)]);
    let first = 2 * MEBIBYTE / sector;
    let sectors = disk.len() / sector;
    entry(&mut disk, 0, 0, (0xEE, 1, sectors - 1));
    disk[sector..][..8].copy_from_slice(b"EFI PART");
    disk[sector + 72] = 2;
    disk[sector + 80] = 4;
    disk[sector + 84] = 128;
    // The second of four entries.
    let raw = &mut disk[2 * sector + 128..][..128];
    raw[..16].fill(0xA5);
    raw[32..40].copy_from_slice(&first.to_le_bytes());
    raw[40..48].copy_from_slice(&(first + volume.len() / sector - 1).to_le_bytes());
    disk
}

/// A disk with an Apple partition map, which names itself first (Inside Macintosh: Devices 3-25).
fn apple(volume: &[u8]) -> Vec<u8> {
    let mut disk = disk(&[(1, volume)]);
    let parts =
        [(1, 63, "Apple_partition_map"), (MEBIBYTE / SECTOR, volume.len() / SECTOR, "Data")];
    for (number, (first, count, kind)) in parts.into_iter().enumerate() {
        let raw = &mut disk[SECTOR * (number + 1)..][..SECTOR];
        raw[..2].copy_from_slice(b"PM");
        for (at, value) in [(4, 2), (8, first), (12, count)] {
            raw[at..][..4].copy_from_slice(&u32::try_from(value).unwrap().to_be_bytes());
        }
        raw[48..][..kind.len()].copy_from_slice(kind.as_bytes());
    }
    disk
}

/// Everything that the doors show is what was put in.
fn is_shown_by_every_door(session: &Session, name: &str, disc: &[u8], want: &Path) -> Result<()> {
    let image = format!("{name}.img");
    fs::write(session.path(&image), disc)?;
    let data = fs::read(want.join("deep/data.bin"))?;
    let listed = session.run(&["ls", &image])?;
    assert_eq!((listed.code, &*listed.out, &*listed.err), (0, "deep/\nreadme.txt\n", ""), "{name}");
    assert!(session.run(&["cat", &image, "deep/data.bin"])?.bytes == data, "{name}");
    let out = session.path(&format!("{name}.out"));
    let ended = session.run(&["extract", &image, "-C", out.to_str().context("a name")?])?;
    assert_eq!((ended.code, &*ended.err), (0, ""), "{name}");
    assert!(fs::read(out.join("deep/data.bin"))? == data, "{name}");
    let whole = session.run(&["cat", "--view", "all", &image, "disc.iso"])?;
    assert!(disc.ends_with(&whole.bytes) || disc.starts_with(&whole.bytes), "{name}: disc.iso");
    assert!(whole.bytes.len() > data.len(), "{name}: disc.iso");
    let opened = Image::open(Box::new(disc.to_vec()), Limits::default())?;
    let volume = opened.choose(None)?.volume;
    let tree = WindowsTree::new(volume, Choices::default());
    let path: Vec<u16> = "\\deep\\data.bin".encode_utf16().collect();
    let found = tree.find(&path).map_err(|_| anyhow::anyhow!("{name}: not on Windows"))?;
    let mut bytes = vec![0; data.len()];
    tree.volume().read_into(found.attr().node, 0, &mut bytes)?;
    assert!(bytes == data, "{name}: on Windows");
    if !can_mount() {
        return Ok(());
    }
    for driver in program::drivers() {
        let mount = session.mount(&[&driver[..], &["--strict", &image, "here"]].concat())?;
        assert!(fs::read(mount.at.join("deep/data.bin"))? == data, "{name} {driver:?}");
        assert_eq!(fs::read(mount.at.join("readme.txt"))?, b"to be found", "{name} {driver:?}");
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    Ok(())
}

#[test]
fn a_volume_in_a_partition_is_opened() -> Result<()> {
    let session = Session::new()?;
    let volume = image(&session, 0)?;
    let want = session.path("put-in");
    let data = fs::read(want.join("deep/data.bin"))?;
    let stick = udf::write(
        Layout::Plain,
        &[
            Entry::directory("deep", vec![Entry::file("data.bin", &data)]),
            Entry::file("readme.txt", b"to be found"),
        ],
    );
    for (name, disc) in [
        ("mbr", mbr(&volume)),
        ("mbr-udf", mbr(&stick)),
        ("logical", logical(&volume)),
        ("gpt", gpt(&volume)),
        ("gpt4096", gpt_of_large_sectors(&volume)),
        ("apple", apple(&volume)),
    ] {
        is_shown_by_every_door(&session, name, &disc, &want)?;
        let image = format!("{name}.img");
        let report: Value = serde_json::from_str(&session.run(&["info", "--json", &image])?.out)?;
        assert_eq!(report["image_bytes"], disc.len(), "{name}");
        let begins = report["begins_at"].as_u64().context("a place")?;
        let partitions = report["partitions"].as_array().context("a list")?;
        assert!(partitions.iter().any(|part| part["at"] == begins), "{name}: {partitions:?}");
        // What `info` prints can be pasted; so can other ways to write a number.
        let place = format!("{begins:#x}");
        let text = session.run(&["info", &image])?.out;
        assert!(text.contains(&format!("(--image-offset {place})")), "{name}: {text}");
        assert!(text.contains(&format!("{} bytes (", disc.len())), "{name}: {text}");
        for place in [place, begins.to_string(), format!("{}K", begins >> 10)] {
            let listed = session.run(&["ls", "--image-offset", &place, &image])?;
            assert_eq!((listed.code, &*listed.out), (0, "deep/\nreadme.txt\n"), "{name}: {place}");
        }
    }
    Ok(())
}

#[test]
fn a_volume_behind_a_pause_and_a_track_alone_are_opened() -> Result<()> {
    let session = Session::new()?;
    let volume = image(&session, 0)?;
    let want = session.path("put-in");
    for sectors in [75, 150, 225] {
        let disc = [vec![0; sectors * 2048], volume.clone()].concat();
        is_shown_by_every_door(&session, &format!("pause-{sectors}"), &disc, &want)?;
    }
    for first in [11_702, 45_000] {
        let track = image(&session, first)?;
        is_shown_by_every_door(&session, &format!("track-{first}"), &track, &want)?;
        let reported = session.run(&["info", &format!("track-{first}.img")])?.out;
        let behind = format!("behind {} bytes of its disc", u64::from(first) * 2048);
        assert!(reported.contains(&behind), "{reported}");
    }
    Ok(())
}

/// The image of other files, whose numbers count from itself.
fn other_image(session: &Session) -> Result<Vec<u8>> {
    fs::create_dir(session.path("other"))?;
    fs::write(session.path("other/other.txt"), "other")?;
    isodrive_tests::corpus::make_image(&session.path("other"), &session.path("other.iso"))?;
    Ok(fs::read(session.path("other.iso"))?)
}

#[test]
fn a_volume_behind_another_one_is_reported_and_opened_by_its_offset() -> Result<()> {
    let session = Session::new()?;
    let (first, other) = (image(&session, 0)?, other_image(&session)?);
    // Where the volume ends by its descriptor; genisoimage puts 150 sectors of padding into it.
    let sectors = u32::from_le_bytes(first[32_768 + 80..][..4].try_into()?);
    let end = usize::try_from(sectors)? * 2048;
    // The second layer of a PS2 DVD has its descriptor where the first volume ends.
    for (name, at) in [("behind.iso", end), ("two-layers.iso", end - 32_768)] {
        let mut disc = first.clone();
        disc.resize(at + other.len(), 0);
        disc[at + 32_768..].copy_from_slice(&other[32_768..]);
        fs::write(session.path(name), disc)?;
        assert_eq!(session.run(&["ls", name])?.out, "deep/\nreadme.txt\n", "{name}");
        let reported = session.run(&["info", name])?.out;
        let option = format!("another volume begins at byte {at}; --image-offset {at} shows it");
        assert!(reported.contains(&option), "{name}: {reported}");
        let offset = at.to_string();
        let ended = session.run(&["cat", "--image-offset", &offset, name, "other.txt"])?;
        assert_eq!((ended.code, &*ended.out), (0, "other"), "{name}: {}", ended.err);
    }
    Ok(())
}

#[test]
fn of_two_volumes_each_is_opened_by_the_option_that_is_named() -> Result<()> {
    let session = Session::new()?;
    let volume = image(&session, 0)?;
    let other = other_image(&session)?;
    let mut disk = disk(&[(1, &volume), (4, &other)]);
    entry(&mut disk, 0, 0, (0x0C, MEBIBYTE / SECTOR, volume.len() / SECTOR));
    entry(&mut disk, 0, 1, (0x0C, 4 * MEBIBYTE / SECTOR, other.len() / SECTOR));
    fs::write(session.path("two.img"), disk)?;
    let refused = session.run(&["ls", "two.img"])?;
    assert_eq!(refused.code, 4);
    for (at, listed) in [(MEBIBYTE, "deep/\nreadme.txt\n"), (4 * MEBIBYTE, "other.txt\n")] {
        assert!(refused.err.contains(&format!("--image-offset {at}\n")), "{}", refused.err);
        let ended = session.run(&["ls", "--image-offset", &at.to_string(), "two.img"])?;
        assert_eq!((ended.code, &*ended.out), (0, listed), "{}", ended.err);
    }
    Ok(())
}

#[test]
fn a_track_with_udf_and_one_behind_a_pause_are_opened() -> Result<()> {
    let session = Session::new()?;
    let want = files(&session)?;
    let path = session.path("volume");
    let mut making = Command::new("genisoimage");
    making.args(["-quiet", "-R", "-J", "-udf", "-C", "0,45000", "-o"]);
    ensure!(making.args([&path, &want]).output()?.status.success(), "genisoimage");
    let bridge = fs::read(path)?;
    is_shown_by_every_door(&session, "track-udf", &bridge, &want)?;
    let paused = [vec![0; 150 * 2048], image(&session, 45_000)?].concat();
    is_shown_by_every_door(&session, "paused-track", &paused, &want)
}

#[test]
fn an_image_without_its_first_sector_is_named() -> Result<()> {
    let session = Session::new()?;
    let whole = image(&session, 0)?;
    for missing in [512, 2048, 4096] {
        fs::write(session.path("cut.iso"), &whole[missing..])?;
        let refused = session.run(&["ls", "cut.iso"])?;
        assert_eq!(refused.code, 4, "{missing}: {}{}", refused.out, refused.err);
        let words = format!("without its first {missing} bytes");
        assert!(refused.err.contains(&words), "{}", refused.err);
    }
    Ok(())
}

#[test]
fn a_volume_where_none_is_looked_for_is_named_with_the_option_that_opens_it() -> Result<()> {
    let session = Session::new()?;
    let volume = image(&session, 0)?;
    let stick = udf::write(Layout::Plain, &[Entry::file("readme.txt", b"to be found")]);
    let blank = |bytes: usize| vec![0; bytes];
    for (name, head, volume) in [
        ("blank sectors", blank(451 * 2048), &volume),
        ("a blank header", blank(512), &volume),
        ("a header", make::bytes(9, 1000), &volume),
        ("UDF behind a header", blank(128), &stick),
    ] {
        let at = head.len().to_string();
        fs::write(session.path("disc.img"), [&head[..], volume].concat())?;
        let refused = session.run(&["ls", "disc.img"])?;
        assert_eq!(refused.code, 4, "{name}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(&format!("a volume that begins at byte {at}\n")), "{name}");
        assert!(refused.err.contains(&format!("--image-offset {at}\n")), "{}", refused.err);
        assert!(!refused.err.contains("download"), "{name}: {}", refused.err);
        let shown = session.run(&["cat", "--image-offset", &at, "disc.img", "readme.txt"])?;
        assert_eq!((shown.code, &*shown.out), (0, "to be found"), "{name}: {}", shown.err);
    }
    // The words of a descriptor without a volume behind them are none.
    let mut words = blank(3 << 20);
    words[1 << 20..][..7].copy_from_slice(b"\x01CD001\x01");
    fs::write(session.path("disc.img"), words)?;
    let refused = session.run(&["ls", "disc.img"])?;
    assert!(refused.code == 4 && !refused.err.contains("--image-offset"), "{}", refused.err);
    Ok(())
}

#[test]
fn a_later_session_alone_says_so_and_names_the_files_of_earlier_ones() -> Result<()> {
    let session = Session::new()?;
    let (first, later) = (session.path("first.iso"), session.path("later.iso"));
    fs::write(&first, image(&session, 0)?)?;
    fs::create_dir(session.path("added"))?;
    fs::write(session.path("added/new.txt"), "added")?;
    let mut making = Command::new("genisoimage");
    making.args(["-quiet", "-R", "-J", "-C", "0,11856", "-M"]).arg(&first).arg("-o");
    ensure!(making.args([&later, &session.path("added")]).output()?.status.success());
    let reported = session.run(&["info", "later.iso"])?.out;
    assert!(reported.contains("a later session or track by itself"), "{reported}");
    let lost = "copied without the earlier sessions: 1 of the 2 files in its root lie in those";
    assert!(reported.contains(lost), "{reported}");
    let tree = session.run(&["tree", "later.iso"])?;
    assert_eq!(tree.code, 5, "{}{}", tree.out, tree.err);
    for name in ["deep/data.bin", "readme.txt"] {
        assert!(tree.err.contains(&format!("cut     \"{name}\"")), "{}", tree.err);
    }
    assert!(!tree.err.contains("new.txt"), "{}", tree.err);
    let copied = session.run(&["extract", "later.iso", "-C", "out"])?;
    assert_eq!(copied.code, 5, "{}", copied.err);
    assert!(copied.err.contains("in an earlier session or track of the disc"), "{}", copied.err);
    assert!(copied.err.contains("2 files could not be read"), "{}", copied.err);
    assert_eq!(fs::read(session.path("out/new.txt"))?, b"added");
    assert!(!session.path("out/readme.txt").exists());
    Ok(())
}
