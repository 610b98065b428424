//! `extract`: everything arrives whole, and nothing arrives outside the destination.

use std::fs;
use std::path::Path;

use anyhow::Result;
use isodrive_tests::corpus;
use isodrive_tests::make::craft::{Craft, FILES, Record, er, nm, pn, px, sp};
use isodrive_tests::program::Session;

#[test]
fn files_come_with_contents_and_times_and_are_not_replaced_unasked() -> Result<()> {
    let session = Session::new()?;
    let disc = corpus::repository().join("samples/setup-disc.iso");
    let disc = disc.to_str().unwrap();
    let ended = session.run(&["extract", disc, "sources", "-C", "out"])?;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert_eq!(fs::metadata(session.path("out/sources/install.wim"))?.len(), 60_000);
    assert!(!session.path("out/setup.exe").exists(), "only what was asked for");
    let modified = fs::metadata(session.path("out/sources/ei.cfg"))?.modified()?;
    let seconds = modified.duration_since(std::time::UNIX_EPOCH)?.as_secs();
    assert_eq!(seconds, 1_290_254_400, "2010-11-20 12:00:00 UTC");

    fs::write(session.path("out/sources/ei.cfg"), b"mine")?;
    let ended = session.run(&["extract", disc, "sources/ei.cfg", "-C", "out"])?;
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert_eq!(fs::read(session.path("out/sources/ei.cfg"))?, b"mine");
    let ended = session.run(&["extract", "--overwrite", disc, "sources/ei.cfg", "-C", "out"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(fs::read(session.path("out/sources/ei.cfg"))?.starts_with(b"[EditionID]"));
    Ok(())
}

#[test]
fn links_that_lead_out_are_left_out_unless_asked_for() -> Result<()> {
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir_all(tree.join("sub"))?;
    fs::write(tree.join("sub/file"), b"x")?;
    for (name, target) in [
        ("in", "sub/file"),
        ("sub/up", ".."),
        ("absolute", "/etc/passwd"),
        ("out", "../outside"),
        ("sub/tricky", "../sub/up/../../outside"),
    ] {
        std::os::unix::fs::symlink(target, tree.join(name))?;
    }
    corpus::make_image(&tree, &session.path("links.iso"))?;
    let ended = session.run(&["extract", "links.iso", "-C", "safe"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let is_there = |name: &str| session.path("safe").join(name).symlink_metadata().is_ok();
    assert!(is_there("in") && is_there("sub/up"));
    assert!(!is_there("absolute") && !is_there("out") && !is_there("sub/tricky"));
    assert!(ended.err.contains("it links to \"/etc/passwd\", outside the directory"));

    let ended = session.run(&["extract", "--unsafe-links", "links.iso", "-C", "unsafe"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(fs::read_link(session.path("unsafe/absolute"))?, Path::new("/etc/passwd"));
    Ok(())
}

#[test]
fn devices_pipes_and_sockets_are_named() -> Result<()> {
    let session = Session::new()?;
    let mut craft = Craft::new();
    craft.put(FILES, b"sound");
    let own = [sp(0), px(0o040_755), er()];
    let mut records = vec![Record::file("FILE", FILES, 5).with(&[px(0o100_644), nm(0, "file")])];
    for (name, mode) in [("null", 0o020_666), ("disk", 0o060_660), ("pipe", 0o010_644)] {
        let entries = [px(mode), nm(0, name), pn(1, 3)];
        records.push(Record::file(name.to_uppercase(), FILES, 0).with(&entries));
    }
    for number in 0..4 {
        let entries = [px(0o140_644), nm(0, format!("socket{number}"))];
        records.push(Record::file(format!("S{number}"), FILES, 0).with(&entries));
    }
    craft.root_with(&own, &records);
    fs::write(session.path("disc.iso"), craft.image())?;
    let ended = session.run(&["extract", "disc.iso", "-C", "out"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(fs::read(session.path("out/file"))?, b"sound");
    let want = "warning: 7 files are not copied, since extract makes no devices, pipes or \
                sockets\n  \"disk\", a block device\n  \"null\", a character device\n  \
                \"pipe\", a pipe\n  \"socket0\", a socket\n  \"socket1\", a socket\n  \
                and 2 more\n";
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let (said, hint) = ended.err.rsplit_once("  root can copy them").expect("a hint");
    assert_eq!(lines(said), lines(want), "{}", ended.err);
    assert!(!hint.contains("unsafe-links"), "{}", ended.err);
    Ok(())
}

#[test]
fn no_link_is_followed_that_stands_in_the_way() -> Result<()> {
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir_all(tree.join("sub"))?;
    fs::write(tree.join("sub/file"), b"from the disc")?;
    fs::write(tree.join("top"), b"from the disc")?;
    corpus::make_image(&tree, &session.path("disc.iso"))?;
    fs::create_dir_all(session.path("victim"))?;
    fs::create_dir_all(session.path("out"))?;
    fs::write(session.path("victim/top"), b"mine")?;
    std::os::unix::fs::symlink("../victim", session.path("out/sub"))?;
    std::os::unix::fs::symlink("../victim/top", session.path("out/top"))?;
    let ended = session.run(&["extract", "disc.iso", "-C", "out"])?;
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(!session.path("victim/file").exists(), "a directory link was followed");
    assert_eq!(fs::read(session.path("victim/top"))?, b"mine", "a file link was followed");
    Ok(())
}

#[test]
fn a_file_that_cannot_be_read_whole_is_not_left_half() -> Result<()> {
    let session = Session::new()?;
    let whole = corpus::unpack(&corpus::repository().join("tests/corpus/plain.iso.zst"))?;
    let bytes = fs::read(&whole.path)?;
    fs::write(session.path("cut.iso"), &bytes[..bytes.len() - 380_000])?;
    let ended = session.run(&["extract", "cut.iso", "-C", "out"])?;
    assert_eq!(ended.code, 5, "{}", ended.err);
    assert!(ended.err.contains("past the end of the image"), "{}", ended.err);
    let golden = Session::new()?;
    assert_eq!(golden.run(&["extract", whole.path.to_str().unwrap(), "-C", "out"])?.code, 0);
    let mut missing = 0;
    for entry in fs::read_dir(golden.path("out/SIZES"))? {
        let name = entry?.file_name();
        let want = fs::read(golden.path("out/SIZES").join(&name))?;
        match fs::read(session.path("out/SIZES").join(&name)) {
            Ok(got) => assert!(got == want, "{name:?} is there and differs"),
            Err(_) => missing += 1,
        }
    }
    assert!(missing > 0);
    Ok(())
}
