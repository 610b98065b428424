//! Discs of several trees, made by other programs: which tree is shown, what is reported of the
//! others, and that finding out costs no more reads than it did when only roots were counted.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use iso_core::{Image, Limits, View, source};
use isodrive_tests::make::bytes;
use isodrive_tests::program::Session;

/// Reads that opening took at commit bc4634f, which looked into no folder: 12 for the bridge discs
/// below, 8 for the one without UDF.
const READS_BEFORE: u64 = 12;
const READS_BEFORE_WITHOUT_UDF: u64 = 8;

/// Whether genisoimage is there, which alone makes UDF. Says so where it is not.
fn has_genisoimage() -> bool {
    let has = Command::new("genisoimage").arg("--version").output().is_ok();
    if !has {
        println!("not run: genisoimage is not installed");
    }
    has
}

/// The folder `tree` of a session as an image. Options may name files of it.
fn made(session: &Session, program: &[&str], options: &[&str]) -> Result<Vec<u8>> {
    let (name, own) = program.split_first().context("a program")?;
    let mut command = Command::new(name);
    command.args(own).args(options).args(["-o", "made.iso", "tree"]);
    let output = command.current_dir(session.path("")).output().context("a writer of discs")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(fs::read(session.path("made.iso"))?)
}

const GENISOIMAGE: &[&str] = &["genisoimage", "-quiet"];
const XORRISO: &[&str] = &["xorriso", "-report_about", "SORRY", "-as", "mkisofs"];

/// Which tree is shown, the notes of two trees, other findings, and how many reads that took.
struct Seen {
    view: View,
    reason: String,
    notes: Vec<String>,
    others: Vec<String>,
    reads: u64,
}

fn seen(path: &Path) -> Result<Seen> {
    let image = Image::open(source::open_path(path)?, Limits::default())?;
    let reads = image.disc().counters().source_reads.load(Ordering::Relaxed);
    let shown = image.choose(None)?;
    let findings = image.disc().findings().list().into_iter().map(|finding| finding.text);
    let (notes, others) = findings.partition(|text| text.starts_with("two trees: "));
    Ok(Seen { view: shown.view, reason: shown.reason, notes, others, reads })
}

/// A tree with what formats hold differently: links, empty files, long names, deep folders.
fn plant(session: &Session) -> Result<()> {
    let tree = session.path("tree");
    for folder in ["docs", "sub/secret", "boot/loader"] {
        fs::create_dir_all(tree.join(folder))?;
    }
    for (seed, (path, len)) in (40..).zip([
        ("readme.txt", 30),
        ("docs/a rather long name.txt", 3000),
        ("docs/empty", 0),
        ("sub/a.txt", 5000),
        ("sub/secret/data.bin", 300_000),
        ("boot/loader/core.img", 90_000),
    ]) {
        fs::write(tree.join(path), bytes(seed, len))?;
    }
    symlink(".", tree.join("debian"))?;
    symlink("a.txt", tree.join("sub/link"))?;
    Ok(())
}

/// The Macintosh side of a hybrid disc may hold what the other hides, or lack what it holds.
#[test]
fn a_folder_that_the_macintosh_side_alone_holds_is_noticed() -> Result<()> {
    if !has_genisoimage() {
        return Ok(());
    }
    let session = Session::new()?;
    plant(&session)?;
    for (options, view, note) in [
        (&["-r", "-hfs"][..], View::RockRidge, None),
        (
            &["-r", "-hfs", "-hide", "tree/docs"],
            View::RockRidge,
            Some("HFS holds 1 file and 1 folder that"),
        ),
        (&["-hfs", "-hide-hfs", "tree/docs"], View::Iso9660, None),
        // Below the root.
        (
            &["-r", "-hfs", "-hide", "tree/sub/a.txt"],
            View::RockRidge,
            Some("HFS holds 1 file that"),
        ),
        (&["-hfs", "-hide-hfs", "tree/sub/secret"], View::Iso9660, None),
        (
            &["-J", "-hfs", "-hide", "tree/readme.txt", "-hide-joliet", "tree/readme.txt"],
            View::Joliet,
            Some("HFS holds 1 file that"),
        ),
    ] {
        made(&session, GENISOIMAGE, options)?;
        let seen = seen(&session.path("made.iso"))?;
        assert_eq!(seen.view, view, "{options:?}: {} {:?}", seen.reason, seen.notes);
        let is_told = |note: &str| seen.notes.iter().any(|text| text.contains(note));
        assert_eq!(seen.notes.len(), usize::from(note.is_some()), "{options:?}: {:?}", seen.notes);
        assert!(note.is_none_or(is_told), "{options:?}: {:?}", seen.notes);
    }
    Ok(())
}

/// A folder is looked into when it is listed, and not when a disc is opened.
#[test]
fn a_root_of_many_folders_is_opened_in_as_few_reads_as_one_of_few() -> Result<()> {
    let mut reads = Vec::new();
    for folders in [3, 30, 300] {
        let session = Session::new()?;
        for number in 0..folders {
            let folder = session.path("tree").join(format!("folder-{number:03}"));
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("file.txt"), bytes(number, 2000))?;
        }
        made(&session, XORRISO, &["-r", "-J"])?;
        reads.push(seen(&session.path("made.iso"))?.reads);
    }
    println!("{reads:?} reads");
    // The larger roots themselves lie in two blocks more at most, of each of two trees.
    assert!(reads.iter().all(|made| *made <= READS_BEFORE_WITHOUT_UDF + 4), "{reads:?}");
    Ok(())
}

/// The commonest damage: ISO 9660 records the length of a large file modulo 2^32.
#[test]
fn a_file_that_is_cut_in_a_folder_is_shown_whole_for_no_more_reads() -> Result<()> {
    if !has_genisoimage() {
        return Ok(());
    }
    let session = Session::new()?;
    let sources = session.path("tree/sources");
    fs::create_dir_all(&sources)?;
    for folder in ["boot", "docs", "efi", "support"] {
        fs::create_dir(session.path("tree").join(folder))?;
        for number in 0..12 {
            let path = session.path("tree").join(folder).join(format!("file-{number}.bin"));
            fs::write(path, bytes(number, 700))?;
        }
    }
    for number in 0..40 {
        fs::write(sources.join(format!("part-{number}.cab")), bytes(number, 3000))?;
    }
    let whole = (4 << 30) + (1 << 20);
    File::create(sources.join("install.wim"))?.set_len(whole)?;
    // The image is as large, and nearly all of it a hole.
    let mut writer = Command::new("genisoimage")
        .args(["-quiet", "-r", "-J", "-udf", "-allow-limited-size", "-o", "-", "tree"])
        .current_dir(session.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let holes = Command::new("dd")
        .args(["of=large.iso", "bs=1M", "iflag=fullblock", "conv=sparse", "status=none"])
        .current_dir(session.path(""))
        .stdin(writer.stdout.take().context("its output")?)
        .status()?;
    ensure!(writer.wait()?.success() && holes.success(), "no image is made");
    let path = session.path("large.iso");
    let seen = seen(&path)?;
    println!("{} reads", seen.reads);
    assert_eq!(seen.view, View::Udf, "{}", seen.reason);
    assert!(
        seen.reason.contains("the Rock Ridge side lacks 4096 MiB of its data"),
        "{}",
        seen.reason
    );
    let want =
        "two trees: Rock Ridge has 1 file shorter than UDF; --view rockridge shows the other";
    assert_eq!(seen.notes.first().map(String::as_str), Some(want), "{:?}", seen.notes);
    assert!(seen.reads <= READS_BEFORE, "{} reads", seen.reads);
    let image = Image::open(source::open_path(&path)?, Limits::default())?;
    let size = |view: View| -> Result<u64> {
        let volume = image.choose(Some(view))?.volume;
        let folder = volume.lookup(volume.root(), b"sources", false)?;
        Ok(volume.attr(volume.lookup(folder, b"install.wim", false)?)?.size)
    };
    assert_eq!((size(View::Udf)?, size(View::RockRidge)?), (whole, 1 << 20));
    Ok(())
}

#[test]
fn a_folder_that_one_side_hides_in_another_is_noticed() -> Result<()> {
    if !has_genisoimage() {
        return Ok(());
    }
    let session = Session::new()?;
    plant(&session)?;
    for (options, view, why, note) in [
        (
            &["-r", "-J", "-udf", "-hide", "tree/sub/secret"][..],
            View::Udf,
            "the Rock Ridge side lacks 293 KiB of its data",
            "two trees: UDF holds 1 file and 1 folder that Rock Ridge lacks",
        ),
        (
            &["-r", "-J", "-udf", "-hide-joliet", "tree/sub/secret"],
            View::RockRidge,
            "the UDF side lacks 293 KiB of its data",
            "two trees: Rock Ridge holds 1 file and 1 folder that UDF lacks",
        ),
        // In the roots: as many names, and other files.
        (
            &[
                "-r",
                "-J",
                "-hide-joliet",
                "tree/readme.txt",
                "-hide",
                "tree/sub",
                "-hide-joliet",
                "tree/boot",
            ],
            View::Joliet,
            "the Rock Ridge side lacks 298 KiB of its data",
            "two trees: Rock Ridge holds 2 files and 2 folders that Joliet lacks, Joliet holds 2",
        ),
    ] {
        made(&session, GENISOIMAGE, options)?;
        let seen = seen(&session.path("made.iso"))?;
        println!("{options:?}: {} reads", seen.reads);
        assert_eq!(seen.view, view, "{options:?}: {} {:?}", seen.reason, seen.notes);
        assert!(seen.reason.contains(why), "{options:?}: {}", seen.reason);
        let is_told = seen.notes.iter().any(|text| text.contains(note));
        assert!(is_told, "{options:?}: {:?}", seen.notes);
        let most = match options.contains(&"-udf") {
            true => READS_BEFORE,
            false => READS_BEFORE_WITHOUT_UDF,
        };
        assert!(seen.reads <= most, "{options:?}: {} reads", seen.reads);
    }
    Ok(())
}

#[test]
fn trees_that_only_their_formats_make_differ_are_not_noted() -> Result<()> {
    let session = Session::new()?;
    plant(&session)?;
    let deep = session.path("tree/d1/d2/d3/d4/d5/d6/d7/d8/d9");
    fs::create_dir_all(&deep)?;
    fs::write(deep.join("deep.txt"), b"deep\n")?;
    let status = Command::new("mkfifo").arg(session.path("tree/sub/fifo")).status()?;
    ensure!(status.success(), "mkfifo");
    let boot = ["-b", "boot/loader/core.img", "-no-emul-boot", "-c", "boot/boot.cat"];
    let mut discs: Vec<(&[&str], Vec<&str>)> = vec![
        (XORRISO, vec!["-R", "-J"]),
        (XORRISO, vec!["-R", "-J", "-joliet-long", "-iso-level", "3"]),
        (XORRISO, [&["-R", "-J"][..], &boot].concat()),
        (XORRISO, vec!["-R", "-J", "-z"]),
    ];
    if has_genisoimage() {
        for options in [
            &["-r", "-J"][..],
            &["-r", "-J", "-udf"],
            &["-r", "-J", "-T", "-udf"],
            &["-r", "-J", "-iso-level", "3", "-udf"],
        ] {
            discs.push((GENISOIMAGE, options.to_vec()));
            discs.push((GENISOIMAGE, [options, &boot].concat()));
        }
    }
    for (program, options) in discs {
        made(&session, program, &options)?;
        let seen = seen(&session.path("made.iso"))?;
        println!("{options:?}: {} reads", seen.reads);
        assert_eq!(seen.view, View::RockRidge, "{program:?} {options:?}: {}", seen.reason);
        assert_eq!(seen.notes, [""; 0], "{program:?} {options:?}");
    }
    Ok(())
}

/// The conditions of discs that people reported, made anew.
#[test]
fn reported_discs_show_the_tree_that_loses_least() -> Result<()> {
    if !has_genisoimage() {
        return Ok(());
    }
    type Case<'a> = (&'a [(&'a str, usize)], &'a [&'a str], View, &'a str);
    let cases: &[Case<'_>] = &[
        // A stub of two files beside one folder of UDF.
        (
            &[("content/f0.txt", 900), ("content/f1.txt", 900), ("N1.TXT", 9), ("N2.TXT", 9)],
            &[
                "-udf",
                "-hide",
                "tree/content",
                "-hide-joliet",
                "tree/N1.TXT",
                "-hide-joliet",
                "tree/N2.TXT",
            ],
            View::Udf,
            "",
        ),
        // One name more is no reason for names of eight letters.
        (
            &[("a rather long name.txt", 13), ("another long name.txt", 14), ("BOOT.CAT", 15)],
            &["-udf", "-hide-joliet", "tree/BOOT.CAT"],
            View::Udf,
            "two trees: ISO 9660 holds 1 file that UDF lacks",
        ),
        // The Macintosh side has two more files, which nobody sees.
        (&[("one.txt", 5000), ("two.txt", 7000)], &["-r", "-J", "-hfs"], View::RockRidge, ""),
        // A small folder that is in one tree alone is noted.
        (
            &[("a.txt", 90), ("b.txt", 91), ("folder/c.txt", 92)],
            &["-udf", "-J", "-hide-joliet", "tree/folder"],
            View::Udf,
            "two trees: ISO 9660 holds 1 file and 1 folder that UDF lacks",
        ),
    ];
    for (files, options, view, note) in cases {
        let session = Session::new()?;
        for (seed, (path, len)) in (60..).zip(*files) {
            let path = session.path("tree").join(path);
            fs::create_dir_all(path.parent().context("a folder")?)?;
            fs::write(path, bytes(seed, *len))?;
        }
        made(&session, GENISOIMAGE, options)?;
        let seen = seen(&session.path("made.iso"))?;
        assert_eq!(seen.view, *view, "{options:?}: {}", seen.reason);
        let notes = seen.notes.join("\n");
        assert!(
            notes.starts_with(note) && notes.is_empty() == note.is_empty(),
            "{options:?}: {notes}"
        );
    }
    Ok(())
}

/// A bridge disc whose UDF side is lost shows the other one, and says so.
#[test]
fn a_bridge_whose_udf_is_damaged_shows_the_other_side() -> Result<()> {
    if !has_genisoimage() {
        return Ok(());
    }
    const SECTOR: usize = 2048;
    let session = Session::new()?;
    fs::create_dir(session.path("tree"))?;
    fs::write(session.path("tree/PARAM.SFO"), bytes(70, 900))?;
    fs::write(session.path("tree/OTHER.TXT"), bytes(71, 30))?;
    let disc = made(&session, GENISOIMAGE, &["-udf"])?;
    // The root is the first file entry that genisoimage writes (ECMA-167 4/14.9: tag 261).
    let is_entry = |sector: &[u8]| sector.starts_with(&261u16.to_le_bytes());
    let root = disc.chunks(SECTOR).skip(257).position(is_entry).context("a file entry")? + 257;
    // The anchor names the sequences: bytes and first sector of each (ECMA-167 3/10.2).
    let word = |at: usize| -> Result<usize> {
        let word = disc.get(at..at + 4).context("an anchor")?;
        Ok(usize::try_from(u32::from_le_bytes(word.try_into()?))?)
    };
    let anchor = 256 * SECTOR;
    let sequence = |at: usize| Ok::<_, anyhow::Error>((word(at + 4)? * SECTOR, word(at)?));
    let sequences = vec![sequence(anchor + 16)?, sequence(anchor + 24)?];
    for ranges in [vec![(root * SECTOR, SECTOR)], sequences] {
        let mut damaged = disc.clone();
        for (at, len) in ranges {
            damaged[at..at + len].fill(0);
        }
        fs::write(session.path("damaged.iso"), damaged)?;
        let seen = seen(&session.path("damaged.iso"))?;
        assert_eq!(seen.view, View::Iso9660, "{}", seen.reason);
        assert!(seen.reason.contains("UDF cannot be opened"), "{}", seen.reason);
        let is_told = seen.others.iter().any(|text| text.contains("UDF is not shown"));
        assert!(is_told && seen.notes.is_empty(), "{:?} {:?}", seen.others, seen.notes);
    }
    Ok(())
}
