//! How many names files and directories have, as programs rely on it: walks of the C library that
//! look for no more directories than a count announces, and names that are one file.

use std::ffi::{c_char, c_int, c_void};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use iso_core::volume::resolve;
use iso_core::{Image, Limits};
use isodrive_tests::corpus;
use isodrive_tests::make::craft::{Craft, FILES, Record, nm, px_serial, sp};
use isodrive_tests::make::udf::{self, Entry, Layout};
use isodrive_tests::program::{self, Session, can_mount};
use isodrive_tests::sample::{c, walk};

unsafe extern "C" {
    fn fts_open(paths: *const *mut c_char, options: c_int, compare: *const c_void) -> *mut c_void;
    fn fts_read(walk: *mut c_void) -> *mut c_void;
    fn fts_close(walk: *mut c_void) -> c_int;
}

/// How many steps the C library's `fts` takes through a tree that it need not ask for the
/// attributes of every file: twice each directory, once everything else.
fn steps_of_fts(at: &Path) -> Result<usize> {
    const FTS_NOSTAT: c_int = 0x8;
    const FTS_PHYSICAL: c_int = 0x10;
    let path = c(at)?;
    let paths = [path.as_ptr().cast_mut(), std::ptr::null_mut()];
    // SAFETY: a list of one path with its end, which is not written to; no order is asked for.
    let walk = unsafe { fts_open(paths.as_ptr(), FTS_PHYSICAL | FTS_NOSTAT, std::ptr::null()) };
    ensure!(!walk.is_null(), "{}", std::io::Error::last_os_error());
    let mut steps = 0;
    // SAFETY: a walk that is open; what it gives is compared with null only.
    while !unsafe { fts_read(walk) }.is_null() {
        steps += 1;
    }
    // SAFETY: the walk is open and not used any more.
    unsafe { fts_close(walk) };
    Ok(steps)
}

/// A tree whose directories hold directories, after and before files.
fn folders() -> Vec<Entry> {
    let file = |name: &str| Entry::file(name, b"here\n");
    let leaf = |name: &str| Entry::directory(name, vec![file("x"), file("y")]);
    let middle = |name: &str| {
        Entry::directory(name, vec![file("a"), leaf("b"), file("c"), leaf("d"), leaf("e")])
    };
    vec![file("f"), middle("one"), middle("two"), leaf("three"), middle("four"), file("z")]
}

#[test]
fn walks_of_the_c_library_reach_every_directory() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let corpus = ["hfsplus.iso", "rockridge-joliet.iso", "udf-2.01-2048.udf"];
    let mut discs = vec![("folders", udf::write(Layout::Plain, &folders()))];
    for name in corpus {
        let packed = corpus::repository().join(format!("tests/corpus/{name}.zst"));
        discs.push((name, fs::read(corpus::unpack(&packed)?.path)?));
    }
    for (name, bytes) in discs {
        for driver in program::drivers() {
            let session = Session::new()?;
            fs::write(session.path("disc.iso"), &bytes)?;
            let mount = session.mount(&[&driver[..], &["disc.iso", "here"]].concat())?;
            let mut paths = Vec::new();
            walk(&mount.at, &mut paths)?;
            let is_directory =
                |path: &&std::path::PathBuf| path.symlink_metadata().is_ok_and(|m| m.is_dir());
            let directories = paths.iter().filter(is_directory).count();
            // The root is met twice as well.
            let want = paths.len() + directories + 2;
            ensure!(directories > 0, "{name}: no directories");
            assert_eq!(steps_of_fts(&mount.at)?, want, "{name} {driver:?}");
            for path in paths.iter().filter(is_directory) {
                assert_eq!(path.metadata()?.nlink(), 1, "{name} {driver:?}: {path:?}");
            }
        }
    }
    Ok(())
}

/// The nodes of files in the root and how many names each has, by name.
fn nodes(image: Vec<u8>, names: &[&str]) -> Result<Vec<(u64, u32)>> {
    let image = Image::open(Box::new(image), Limits::default())?;
    let volume = image.choose(None)?.volume;
    volume.read_dir(volume.root())?;
    let node = |name: &&str| {
        let attr = volume.attr(resolve(&*volume, name.as_bytes(), false)?)?;
        Ok((attr.node.number(), attr.links))
    };
    names.iter().map(node).collect()
}

#[test]
fn names_of_one_serial_number_and_place_are_one_file_and_others_are_not() -> Result<()> {
    const FILE: u32 = 0o100_644;
    let (at, other_at) = (FILES, FILES + 1);
    let later = Some([120, 1, 1, 0, 0, 0, 0]);
    type Name = (usize, usize, u32, u32, u32, Option<[u8; 7]>);
    let cases: [(&str, Name, Name, bool, u32); 8] = [
        ("both alike", (at, 9, FILE, 2, 7, None), (at, 9, FILE, 2, 7, None), true, 2),
        ("a count of 1", (at, 9, FILE, 1, 7, None), (at, 9, FILE, 1, 7, None), true, 2),
        ("another serial", (at, 9, FILE, 2, 7, None), (at, 9, FILE, 2, 8, None), false, 2),
        ("no serial", (at, 9, FILE, 2, 0, None), (at, 9, FILE, 2, 0, None), false, 2),
        ("other bytes", (at, 9, FILE, 2, 7, None), (other_at, 9, FILE, 2, 7, None), false, 2),
        ("empty", (at, 0, FILE, 2, 7, None), (at, 0, FILE, 2, 7, None), false, 2),
        ("another mode", (at, 9, FILE, 1, 7, None), (at, 9, 0o100_755, 1, 7, None), false, 1),
        ("another time", (at, 9, FILE, 1, 7, None), (at, 9, FILE, 1, 7, later), false, 1),
    ];
    for (what, one, other, want, want_links) in cases {
        let record = |name: &str, (at, len, mode, links, serial, date): Name| {
            let entries = [nm(0, name), px_serial(mode, links, serial)];
            Record { date, ..Record::file(format!("{name}.;1"), at, len).with(&entries) }
        };
        let mut craft = Craft::new();
        craft.put(at, b"the bytes").put(other_at, b"the other");
        craft.root_with(&[sp(0)], &[record("one", one), record("two", other)]);
        let nodes = nodes(craft.image(), &["one", "two"])?;
        let [(one, links), (other, _)] = nodes[..] else { panic!("{nodes:?}") };
        assert_eq!((one == other, links), (want, want_links), "{what}");
    }
    Ok(())
}

#[test]
fn names_of_one_file_are_one_inode_on_every_mount() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir_all(tree.join("d/e"))?;
    fs::write(tree.join("a"), vec![1u8; 300_000])?;
    for other in ["b", "d/c", "d/e/f"] {
        fs::hard_link(tree.join("a"), tree.join(other))?;
    }
    fs::write(tree.join("alone"), vec![1u8; 300_000])?;
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-report_about", "SORRY", "-as", "mkisofs", "-R", "--hardlinks", "-o"]);
    let made = xorriso.arg(session.path("x.iso")).arg(&tree).status().context("xorriso")?;
    ensure!(made.success());
    for driver in program::drivers() {
        let mount = session.mount(&[&driver[..], &["x.iso", "here"]].concat())?;
        let reported = |name: &str| -> Result<(u64, u64)> {
            let metadata = fs::metadata(mount.at.join(name))?;
            Ok((metadata.ino(), metadata.nlink()))
        };
        let first = reported("d/c")?;
        for other in ["a", "b", "d/e/f"] {
            assert_eq!(reported(other)?, first, "{driver:?} {other}");
        }
        assert_eq!(first.1, 4, "{driver:?}");
        let alone = reported("alone")?;
        assert!(alone.0 != first.0 && alone.1 == 1, "{driver:?} {alone:?}");
        let du =
            Command::new("du").args(["-s", "--apparent-size", "-B1"]).arg(&mount.at).output()?;
        let du = String::from_utf8(du.stdout)?;
        let bytes: u64 = du.split_whitespace().next().unwrap_or("0").parse()?;
        assert!((600_000..700_000).contains(&bytes), "{driver:?}: {bytes}");
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    Ok(())
}
