//! Records of ISO 9660 that lead elsewhere than they should: what was moved and what nothing leads
//! to, directories that are called files, and records that disagree about one directory. Whatever
//! lies there is shown, and the loss or the doubt is reported.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use isodrive_tests::make::craft::{Craft, FILES, ROOT, Record};
use isodrive_tests::program::Session;

/// Sector of the directory of the crafted disc.
const DIRECTORY: usize = 30;

/// A directory below eight others, as xorriso records it with Rock Ridge.
fn deep(session: &Session) -> Result<Vec<u8>> {
    let folder = session.path("tree/d1/d2/d3/d4/d5/d6/d7/d8/d9");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("deep.txt"), "deep")?;
    fs::create_dir(session.path("tree/plain"))?;
    fs::write(session.path("tree/plain/a.txt"), "a")?;
    let mut command = Command::new("xorriso");
    command.args(["-report_about", "SORRY", "-as", "mkisofs", "-quiet", "-r"]);
    command.args(["-rr_reloc_dir", "/rr_moved", "-o", "deep.iso", "tree"]);
    let status = command.current_dir(session.path("")).status()?;
    ensure!(status.success(), "xorriso made no disc");
    Ok(fs::read(session.path("deep.iso"))?)
}

/// Where a system use entry stands: its signature, length and version (SUSP 4).
fn entry_at(image: &[u8], head: &[u8; 4]) -> Result<usize> {
    image.windows(4).position(|bytes| bytes == head).context("no such entry")
}

#[test]
fn what_was_moved_is_shown_once_in_its_place() -> Result<()> {
    let session = Session::new()?;
    deep(&session)?;
    let listed = session.run(&["tree", "deep.iso"])?;
    assert_eq!((listed.code, listed.err.as_str()), (0, ""));
    assert_eq!(listed.out.matches("deep.txt").count(), 1, "{}", listed.out);
    assert!(!listed.out.contains("rr_moved"), "{}", listed.out);
    Ok(())
}

#[test]
fn what_says_it_was_moved_is_shown_where_nothing_leads_to_it() -> Result<()> {
    let session = Session::new()?;
    let sound = deep(&session)?;
    // The link to it is lost (RRIP 4.1.5.1), or the way back from it (4.1.5.2).
    for head in [b"CL\x0c\x01", b"PL\x0c\x01"] {
        let mut image = sound.clone();
        let at = entry_at(&image, head)?;
        image[at] = b'X';
        fs::write(session.path("disc.iso"), image)?;
        let listed = session.run(&["tree", "disc.iso"])?;
        assert_eq!(listed.code, 5, "{}", listed.out);
        assert!(listed.out.contains("deep.txt"), "{}", listed.out);
        assert!(listed.err.contains("says that its directory was moved"), "{}", listed.err);
    }
    // A directory that was never moved says so.
    let mut image = sound;
    let name = image.windows(10).position(|bytes| bytes == b"NM\x0a\x01\0plain").context("NM")?;
    let at = image[..name].windows(4).rposition(|bytes| bytes == b"TF\x1a\x01").context("TF")?;
    image[at..at + 2].copy_from_slice(b"RE");
    fs::write(session.path("disc.iso"), image)?;
    let listed = session.run(&["tree", "disc.iso"])?;
    assert_eq!(listed.code, 5, "{}", listed.out);
    assert!(listed.out.contains("a.txt"), "{}", listed.out);
    Ok(())
}

/// A disc with two folders, one in the other.
fn folders() -> Craft {
    let mut craft = Craft::new();
    craft.put(FILES, b"sound");
    let inner = DIRECTORY + 1;
    craft.directory(inner, DIRECTORY, &[Record::file("IN.TXT;1", FILES, 5)]);
    let files = [Record::file("A.TXT;1", FILES, 5), Record::directory("INNER", inner)];
    craft.directory(DIRECTORY, ROOT, &files);
    craft.root(&[Record::directory("SUB", DIRECTORY), Record::file("B.TXT;1", FILES, 5)]);
    craft
}

#[test]
fn records_that_disagree_with_what_lies_there_are_reported() -> Result<()> {
    let session = Session::new()?;
    // Behind the records of the root and of its parent, which have 34 bytes each.
    let sub = 2 * 34;
    for (what, sector, at, bytes, shown) in [
        ("the flag of a directory", ROOT, sub + 25, &[0][..], &["A.TXT", "IN.TXT"][..]),
        ("blocks of attributes before a directory", ROOT, sub + 1, &[1], &["IN.TXT"]),
        ("the length of the root", ROOT, 10, &[110, 0, 0, 0, 0, 0, 0, 110], &["SUB"]),
        ("the number of the disc", ROOT, sub + 28, &[2, 0, 0, 2], &["A.TXT", "IN.TXT"]),
        ("the name of a file", DIRECTORY, 2 * 34 + 32, &[1, 1], &["IN.TXT"]),
    ] {
        let mut craft = folders();
        craft.patch(sector, at, bytes);
        fs::write(session.path("disc.iso"), craft.image())?;
        let listed = session.run(&["tree", "disc.iso"])?;
        assert_eq!(listed.code, 5, "{what}: {}", listed.out);
        assert!(listed.err.contains("damaged"), "{what}: {}", listed.err);
        for name in shown {
            assert!(listed.out.contains(name), "{what}: {}", listed.out);
        }
    }
    fs::write(session.path("disc.iso"), folders().image())?;
    assert_eq!(session.run(&["tree", "disc.iso"])?.code, 0);
    Ok(())
}
