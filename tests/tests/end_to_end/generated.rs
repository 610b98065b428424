//! Discs of our own making: every oddity that no image of other programs shows, against what was
//! put on them and against what the kernel sees of them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use iso_core::source::testing::Counting;
use iso_core::volume::{Presentation, Volume, resolve};
use iso_core::{Image, Limits, Options, SessionChoice, View};
use isodrive_tests::compare::{Fields, differences};
use isodrive_tests::make::udf::{self, Entry, Layout};
use isodrive_tests::make::{self, FINDER_INFO, bytes, discs, hfs_forks, udf_entries};
use isodrive_tests::program::{Session, can_mount};
use isodrive_tests::suite::check;
use isodrive_tests::tree::Tree;
use isodrive_tests::{corpus, manifest};

use crate::golden::doors;

fn open(bytes: Vec<u8>) -> Result<Image> {
    Ok(Image::open(Box::new(bytes), Limits::default())?)
}

fn golden(name: &str) -> PathBuf {
    corpus::repository().join(format!("tests/corpus/generated/{name}.manifest.jsonl"))
}

#[test]
fn generated_discs_equal_the_kernel_through_every_door() -> Result<()> {
    let session = Session::new()?;
    for (name, bytes) in discs() {
        let image = session.path(name);
        fs::write(&image, bytes)?;
        if name == "iso-interleaved" {
            continue; // The kernel's driver gives the bytes of the gaps.
        }
        let report = check(&image, &golden(name), &doors(), true)?;
        assert!(report.compared > 0 && report.refused.is_empty(), "{name}: {report:?}");
        // An id of -1 is none, and shown as the mounting user's; the kernel shows 65534. Here the
        // kernel's names have lost their versions; an older version keeps its own with us.
        let explained = ["id is 0, should be 65534", "SAME.TXT;1: not in the golden tree"];
        let is_new = |line: &str| !explained.iter().any(|part| line.contains(part));
        let lines: Vec<_> = report.differences.iter().filter(|d| is_new(&d.line)).collect();
        assert!(lines.is_empty(), "{name}: {lines:#?}");
    }
    Ok(())
}

/// Every file of a tree of entries by its path, deleted ones left out.
fn expected(entries: &[Entry], prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in entries.iter().filter(|entry| entry.characteristics & 4 == 0) {
        let path = format!("{prefix}{}", entry.name);
        match &entry.entries {
            Some(below) => expected(below, &format!("{path}/"), files),
            None => drop(files.insert(path, entry.data.clone())),
        }
    }
}

fn read(volume: &dyn Volume, path: &str) -> iso_core::Result<Vec<u8>> {
    let node = resolve(volume, path.as_bytes(), false)?;
    let len = usize::try_from(volume.attr(node)?.size).unwrap_or(0);
    let mut bytes = vec![0; len];
    volume.read_into(node, 0, &mut bytes)?;
    Ok(bytes)
}

#[test]
fn udf_of_every_layout_holds_what_was_put_on_it_and_nothing_that_was_deleted() -> Result<()> {
    for layout in [Layout::Plain, Layout::Metadata, Layout::Virtual] {
        let mut files = BTreeMap::new();
        expected(&udf_entries(layout), "", &mut files);
        let image = open(udf::write(layout, &udf_entries(layout)))?;
        let volume = image.choose(None)?.volume;
        for (path, data) in &files {
            assert!(read(&*volume, path)? == *data, "{layout:?}: {path}");
        }
        let root = volume.read_dir(volume.root())?;
        assert!(root.find(b"deleted.txt", true).is_none(), "{layout:?}");
        let hidden: Vec<&[u8]> = root.iter().filter(|e| e.is_hidden).map(|e| e.name).collect();
        assert_eq!(hidden, [b"hidden.txt"], "{layout:?}");
        assert_eq!(image.disc().findings().list(), [], "{layout:?}");
    }
    Ok(())
}

#[test]
fn iso_9660_gives_what_was_recorded_however_odd_the_record() -> Result<()> {
    for (name, bytes) in discs() {
        let files = match name {
            "iso-512" | "iso-1024-padded" => make::iso_files(),
            "iso-interleaved" => make::interleaved_files(),
            _ => continue,
        };
        let image = open(bytes)?;
        let volume = image.choose(None)?.volume;
        let mut seen = HashSet::new();
        for file in files.iter().filter(|file| file.flags & 4 == 0) {
            let bare = file.name.split(';').next().unwrap_or_default();
            let shown = match seen.insert(bare) {
                true => bare.to_owned(),
                false => file.name.to_owned(),
            };
            assert!(read(&*volume, &shown)? == file.data, "{name}: {shown}");
        }
        let findings: Vec<_> =
            image.disc().findings().list().into_iter().map(|finding| finding.text).collect();
        let reported = |text: &str| findings.iter().any(|finding| finding.contains(text));
        let has_oddities = name != "iso-interleaved";
        assert_eq!(
            reported("has a number whose two spellings differ"),
            has_oddities,
            "{findings:?}"
        );
        assert!(!reported("has names that are not unique"), "versions are lawful: {findings:?}");
        if has_oddities {
            let node = resolve(&*volume, b"FORK.BIN", false)?;
            assert!(volume.xattr(node, b"com.apple.ResourceFork")? == make::bytes(21, 900));
        }
    }
    Ok(())
}

#[test]
fn streams_forks_and_finder_information_are_attributes() -> Result<()> {
    let udf = udf::write(Layout::Metadata, &udf_entries(Layout::Metadata));
    let (_, fork) = hfs_forks();
    let [(_, _), .., (_, hfs)] = &discs()[..] else { panic!("there are discs") };
    for (image, path, name, want) in [
        (&udf, "streams.txt", &b"note"[..], &b"a named stream\n"[..]),
        (&udf, "streams.txt", b"com.apple.ResourceFork", &bytes(4, 4000)),
        (&udf, "streams.txt", b"com.apple.FinderInfo", &FINDER_INFO),
        (&udf, "apart.txt", b"com.apple.FinderInfo", &FINDER_INFO),
        (hfs, "FORKS", b"com.apple.ResourceFork", &fork),
    ] {
        let volume = open(image.clone())?.choose(None)?.volume;
        let node = resolve(&*volume, path.as_bytes(), false)?;
        assert!(volume.xattr(node, name)? == want, "{path} {}", name.escape_ascii());
        let none = volume.xattr(volume.root(), name).unwrap_err().to_string();
        assert_eq!(none, "no such attribute");
    }
    let volume = open(hfs.clone())?.choose(None)?.volume;
    let node = resolve(&*volume, b"FORKS", false)?;
    assert!(volume.xattr(node, b"com.apple.FinderInfo")?.starts_with(b"TEXTttxt"));
    Ok(())
}

#[test]
fn attributes_are_shown_on_a_mount_and_hidden_files_can_be_left_out() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    fs::write(session.path("x.udf"), udf::write(Layout::Metadata, &udf_entries(Layout::Metadata)))?;
    let ended = session.run(&["mount", "--hidden", "hide", "x.udf", "here"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    // However many are asked for of a file that has none, those of another one are still found.
    for _ in 0..2000 {
        assert_eq!(rustix::fs::listxattr(session.path("here"), &mut [0u8; 64])?, 0);
    }
    let file = session.path("here/streams.txt");
    let mut value = vec![0; 4096];
    for (name, want) in [
        ("user.note", &b"a named stream\n"[..]),
        ("user.com.apple.FinderInfo", &FINDER_INFO),
        ("user.com.apple.ResourceFork", &bytes(4, 4000)),
        ("com.apple.ResourceFork", &bytes(4, 4000)),
    ] {
        let len = rustix::fs::getxattr(&file, name, &mut value).context(name)?;
        assert!(value[..len] == *want, "{name}");
    }
    let len = rustix::fs::listxattr(&file, &mut value)?;
    let names: Vec<&[u8]> = value[..len].split(|b| *b == 0).filter(|n| !n.is_empty()).collect();
    let want: [&[u8]; 3] =
        [b"user.com.apple.FinderInfo", b"user.note", b"user.com.apple.ResourceFork"];
    assert_eq!(names, want);
    let listed: Vec<_> = fs::read_dir(session.path("here"))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<_>>()?;
    assert!(!listed.iter().any(|name| name == "hidden.txt"), "{listed:?}");
    assert_eq!(fs::read(session.path("here/hidden.txt"))?, b"hidden\n", "found by name");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn the_mirror_stands_in_for_damage_in_the_metadata_file() -> Result<()> {
    let whole = udf::write(Layout::Metadata, &udf_entries(Layout::Metadata));
    let show = Presentation::default();
    let tree = |bytes: Vec<u8>| -> Result<(Tree, usize)> {
        let image = open(bytes)?;
        let volume = image.choose(None)?.volume;
        let tree = Tree::of_volume(&*volume, &show)?;
        let streams = resolve(&*volume, b"streams.txt", false)?;
        assert_eq!(volume.xattr(streams, b"note")?, b"a named stream\n");
        Ok((tree, image.disc().findings().list().len()))
    };
    let (want, _) = tree(whole.clone())?;
    let fields =
        Fields { permissions: true, times: true, other_times: true, directory_sizes: true };
    // The metadata file's own entry, the file set, the root's entry, entries of files, and every
    // block of identifiers.
    let block = |n: usize| udf::metadata_byte(Layout::Metadata, n);
    let identifiers = (0..100).map(block).filter(|at| whole[*at..*at + 2] == [1, 1]);
    let entries = [0, 1, 2, 3, 4, 8, 9].map(block);
    let places = [udf::metadata_icb_byte()].into_iter().chain(entries).chain(identifiers);
    for at in places {
        for damage in [1usize, 16, 60] {
            let mut bytes = whole.clone();
            bytes[at + damage] ^= 0x55;
            let (got, findings) = tree(bytes).with_context(|| format!("{at:#x}+{damage}"))?;
            let lines = differences(&got, &want, fields);
            assert!(lines.is_empty(), "{at:#x}+{damage}: {lines:#?}");
            assert!(findings > 0 || damage > 1, "{at:#x}+{damage}: damage is reported");
        }
    }
    Ok(())
}

#[test]
fn listing_a_udf_directory_reads_no_file_entry() -> Result<()> {
    // Plain files of one block each, so that entries and identifiers lie far apart.
    let files: Vec<Entry> = (0..90).map(|n| Entry::file(&format!("f{n:02}"), b"x")).collect();
    let bytes = udf::write(Layout::Plain, &files);
    let (source, read) = Counting::new(bytes.clone());
    let image = Image::open(Box::new(source), Limits::default())?;
    let volume = image.choose(None)?.volume;
    let opened = read.load(Ordering::Relaxed);
    assert_eq!(volume.read_dir(volume.root())?.len(), 90);
    assert_eq!(read.load(Ordering::Relaxed), opened, "the root was read when it was compared");
    // Entries that cannot be read at all cost a listing nothing.
    let mut blank = bytes;
    for block in 5..90 {
        let at = udf::metadata_byte(Layout::Plain, block);
        blank[at..at + 2048].fill(0);
    }
    let volume = open(blank)?.choose(None)?.volume;
    assert_eq!(volume.read_dir(volume.root())?.len(), 90);
    Ok(())
}

#[test]
fn hfs_plus_in_a_wrapper_of_hfs_is_found() -> Result<()> {
    let disc = corpus::unpack(&corpus::repository().join("tests/corpus/hfsplus.iso.zst"))?;
    let hybrid = fs::read(&disc.path)?;
    // The header of HFS+ stands 1024 bytes into its volume (TN1150).
    let header = hybrid.windows(4).position(|window| window == b"H+\0\x04").context("a header")?;
    let mut wrapped = vec![0; 65_536];
    wrapped[1024..1026].copy_from_slice(b"BD");
    wrapped[1044..1048].copy_from_slice(&4096u32.to_be_bytes());
    wrapped[1052..1054].copy_from_slice(&32u16.to_be_bytes());
    wrapped[1148..1154].copy_from_slice(b"H+\0\x0c\0\x40");
    wrapped.extend(&hybrid[header - 1024..]);
    let show = Presentation::default();
    let tree = |bytes: Vec<u8>| -> Result<Tree> {
        Tree::of_volume(&*open(bytes)?.choose(Some(View::Hfs))?.volume, &show)
    };
    let (got, want) = (tree(wrapped)?, tree(hybrid)?);
    let fields =
        Fields { permissions: true, times: true, other_times: true, directory_sizes: true };
    assert_eq!(differences(&got, &want, fields), [""; 0]);
    assert!(want.entries.len() > 10);
    Ok(())
}

#[test]
fn a_root_that_only_the_path_table_names_is_found() -> Result<()> {
    let plain = corpus::unpack(&corpus::repository().join("tests/corpus/plain.iso.zst"))?;
    let whole = fs::read(&plain.path)?;
    let show = Presentation::default();
    let tree = |bytes: Vec<u8>| -> Result<Tree> {
        Tree::of_volume(&*open(bytes)?.choose(None)?.volume, &show)
    };
    let want = tree(whole.clone())?;
    for (extent, what) in
        [([0; 8], "nothing"), ([0xFF; 8], "past the end"), ([9; 8], "no directory")]
    {
        let mut bytes = whole.clone();
        bytes[16 * 2048 + 158..][..8].copy_from_slice(&extent);
        let got = tree(bytes).context(what)?;
        let fields =
            Fields { permissions: true, times: true, other_times: true, directory_sizes: true };
        assert_eq!(differences(&got, &want, fields), [""; 0], "{what}");
    }
    Ok(())
}

#[test]
fn each_session_is_what_the_kernel_sees_of_it() -> Result<()> {
    let folder = corpus::repository().join("tests/corpus");
    let disc = corpus::unpack(&folder.join("multisession.iso.zst"))?;
    let session = Session::new()?;
    let path = disc.path.to_str().context("a path of ours")?;
    for (number, name) in [("2", "2"), ("3", "3"), ("last", "3")] {
        let cases = manifest::read(&folder.join(format!("multisession.iso.session{name}.jsonl")))?;
        let out = session.path(number);
        let to = out.to_str().context("a path of ours")?;
        let ended = session.run(&["extract", "--session", number, "-C", to, path])?;
        assert_eq!(ended.code, 0, "{}", ended.err);
        let fields =
            Fields { permissions: false, times: false, other_times: false, directory_sizes: false };
        let lines = differences(&Tree::of_folder(&out)?, &cases[0].tree, fields);
        assert!(lines.is_empty(), "session {number}: {lines:#?}");
    }
    let info = session.run(&["info", "--json", path])?.out;
    let info: serde_json::Value = serde_json::from_str(&info)?;
    assert_eq!(info["sessions"].as_array().map(Vec::len), Some(3));
    assert_eq!(info["sessions"][2]["shown"], true);
    let ended = session.run(&["ls", "--session", "4", path])?;
    assert!(ended.err.contains("has 3 sessions"), "{}", ended.err);
    Ok(())
}

#[test]
fn a_write_once_disc_is_shown_as_each_of_its_tables_had_it() -> Result<()> {
    let files = [Entry::file("a", b"first"), Entry::file("b", b"second")];
    // Block 0 is the file set's, 1 the root's, then one for each file.
    let disc = udf::with_older_table(udf::write(Layout::Virtual, &files), (2, 3));
    for (session, want) in [
        (SessionChoice::First, "second"),
        (SessionChoice::Number(2), "first"),
        (SessionChoice::Last, "first"),
    ] {
        let options = Options { session, ..Options::default() };
        let image = Image::open_with(Box::new(disc.clone()), Limits::default(), &options)?;
        assert_eq!(image.sessions().len(), 2);
        let volume = image.choose(None)?.volume;
        assert_eq!(read(&*volume, "a")?, want.as_bytes(), "{session:?}");
    }
    Ok(())
}

#[test]
fn the_seeds_of_generated_discs_differ() {
    assert_ne!(make::bytes(1, 64), make::bytes(2, 64), "else a mixed-up file would go unseen");
}
