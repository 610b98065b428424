//! Versions of files (ECMA-119 7.5.1): the newest is listed under its plain name, and every one is
//! found under the name that says which it is, by every door.

use std::fs;

use anyhow::Result;
use iso_core::{Image, Limits};
use isodrive_tests::make::craft::{Craft, FILES, Record};
use isodrive_tests::program::{self, Session, can_mount};
use windows_view::{Choices, Tree};

/// Names of the disc, and what each file holds.
const RECORDED: [(&str, &[u8]); 5] = [
    ("A.TXT;3", b"a3"),
    ("A.TXT;2", b"a2"),
    ("A.TXT;1", b"a1"),
    ("B.TXT;2", b"b2"),
    ("NEWEST.;10", b"n10"),
];
const LISTED: [&str; 5] = ["A.TXT", "A.TXT;1", "A.TXT;2", "B.TXT", "NEWEST"];

/// Names that find a file: those that are listed, and the newest by its version.
const FOUND: [(&str, &[u8]); 8] = [
    ("A.TXT", b"a3"),
    ("A.TXT;3", b"a3"),
    ("A.TXT;2", b"a2"),
    ("A.TXT;1", b"a1"),
    ("B.TXT", b"b2"),
    ("B.TXT;2", b"b2"),
    ("NEWEST;10", b"n10"),
    ("a.txt;2", b"a2"),
];
const MISSING: [&str; 5] = ["A.TXT;4", "A.TXT;", "B.TXT;1", "A.TXT;99999", "A.TXT;3;3"];

fn disc() -> Vec<u8> {
    let mut craft = Craft::new();
    let records = RECORDED.iter().zip(FILES..).map(|((name, data), at)| {
        craft.put(at, data);
        Record::file(name, at, data.len())
    });
    let records: Vec<Record> = records.collect();
    craft.root(&records);
    craft.image()
}

#[test]
fn every_version_is_reached_by_commands_and_on_mounts() -> Result<()> {
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), disc())?;
    let ended = session.run(&["ls", "disc.iso"])?;
    assert_eq!((ended.code, &*ended.err), (0, ""), "nothing about it is damaged");
    assert_eq!(ended.out.lines().collect::<Vec<_>>(), LISTED);
    for (name, data) in FOUND {
        assert_eq!(session.run(&["cat", "disc.iso", name])?.bytes, data, "{name}");
    }
    for name in MISSING {
        assert_eq!(session.run(&["cat", "disc.iso", name])?.code, 13, "{name}");
    }
    assert_eq!(session.run(&["extract", "disc.iso", "-C", "out"])?.code, 0);
    for (name, data) in FOUND.iter().filter(|(name, _)| LISTED.contains(name)) {
        assert_eq!(fs::read(session.path("out").join(name))?, *data, "{name}");
    }
    assert_eq!(fs::read_dir(session.path("out"))?.count(), LISTED.len());
    if !can_mount() {
        return Ok(());
    }
    // EROFS has no names that are found and not listed, and leaves the disc to FUSE.
    for driver in program::drivers() {
        let mount = session.mount(&[&driver[..], &["--strict", "disc.iso", "here"]].concat())?;
        let names = fs::read_dir(&mount.at)?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        assert_eq!(names, LISTED, "{driver:?}");
        for (name, data) in FOUND {
            assert_eq!(fs::read(mount.at.join(name))?, data, "{driver:?} {name}");
        }
        for name in MISSING {
            assert!(!mount.at.join(name).exists(), "{driver:?} {name}");
        }
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    Ok(())
}

#[test]
fn every_version_is_reached_on_a_drive_of_windows() -> Result<()> {
    let image = Image::open(Box::new(disc()), Limits::default())?;
    let tree = Tree::new(image.choose(None)?.volume, Choices::default());
    let found = |name: &str| tree.find(&format!("\\{name}").encode_utf16().collect::<Vec<_>>());
    for (name, data) in FOUND {
        let found = found(name).unwrap_or_else(|_| panic!("{name}"));
        let mut bytes = vec![0; data.len()];
        tree.volume().read_into(found.attr().node, 0, &mut bytes)?;
        assert_eq!(bytes, data, "{name}");
    }
    for name in MISSING {
        assert!(found(name).is_err(), "{name}");
    }
    Ok(())
}

#[test]
fn iso_9660_1999_has_no_versions() -> Result<()> {
    let names = ["a;1", "a;2", "plain name.txt", "v;10"];
    let enhanced = FILES + 1;
    let mut craft = Craft::new();
    craft.put(FILES, b"text");
    craft.descriptor(17, 2, &Record::directory([0], enhanced)).patch(17, 6, &[2]);
    craft.put(18, b"\xFFCD001\x01");
    craft.directory(enhanced, enhanced, &names.map(|name| Record::file(name, FILES, 4)));
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), craft.image())?;
    let ended = session.run(&["ls", "disc.iso"])?;
    assert_eq!((ended.code, &*ended.err), (0, ""));
    assert_eq!(ended.out.lines().collect::<Vec<_>>(), names);
    Ok(())
}
