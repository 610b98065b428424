//! What cannot be read of a disc costs an exit code and has a name, at every door that lists or
//! copies: `ls`, `tree`, `extract`; and a mount counts what it met.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use isodrive_tests::make::craft::{Craft, FILES, ROOT, Record, SECTOR, both32};
use isodrive_tests::make::hfs;
use isodrive_tests::program::{Session, can_mount, until};
use serde_json::Value;

const DIRECTORY: usize = FILES + 1;

/// A disc with a directory `BAD` in which the record of `LOST.TXT` is shorter than one can be.
fn damaged() -> Vec<u8> {
    let mut craft = Craft::new();
    craft.put(FILES, b"sound");
    let file = |name: &str| Record::file(name, FILES, 5);
    let lost = Record { record_len: Some(20), ..file("LOST.TXT;1") };
    craft.directory(DIRECTORY, ROOT, &[file("KEPT.TXT;1"), lost]);
    craft.root(&[Record::directory("BAD", DIRECTORY), file("GOOD.TXT;1")]);
    craft.image()
}

#[test]
fn a_damaged_directory_is_named_and_costs_an_exit_code_at_every_door() -> Result<()> {
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), damaged())?;
    let named =
        "error: 1 directory is damaged, and the disc may hold more in it\n  damaged \"BAD\"\n";

    let whole = session.run(&["ls", "disc.iso"])?;
    assert_eq!((whole.code, whole.err.as_str()), (0, ""), "the root itself is sound");
    let listed = session.run(&["ls", "disc.iso", "BAD"])?;
    assert_eq!((listed.code, listed.out.as_str()), (5, "KEPT.TXT\n"), "{}", listed.err);
    assert!(listed.err.ends_with(named), "{}", listed.err);
    assert!(listed.err.contains("the directory record at byte"), "{}", listed.err);

    let tree = session.run(&["tree", "disc.iso"])?;
    assert_eq!(tree.code, 5);
    assert!(tree.out.contains("BAD/  [damaged: the disc may hold more in it]\n"), "{}", tree.out);
    assert!(tree.err.ends_with(named), "{}", tree.err);
    let lines = session.run(&["tree", "--json", "disc.iso"])?;
    assert_eq!(lines.code, 5);
    let lines: Vec<Value> =
        lines.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let damaged: Vec<&Value> = lines.iter().filter(|line| line["damaged"] == true).collect();
    assert_eq!(damaged.len(), 1, "{damaged:?}");
    assert!(damaged[0]["path"].to_string().contains("BAD"), "{damaged:?}");

    let copied = session.run(&["extract", "-C", "out", "disc.iso"])?;
    assert_eq!(copied.code, 5, "{}", copied.err);
    assert!(copied.err.contains("\"BAD\" is damaged: the disc may hold more in it"));
    assert!(copied.err.ends_with(named), "{}", copied.err);
    assert_eq!(fs::read(session.path("out/BAD/KEPT.TXT"))?, b"sound");
    assert_eq!(fs::read(session.path("out/GOOD.TXT"))?, b"sound");
    let sound = session.run(&["extract", "-C", "out2", "disc.iso", "GOOD.TXT"])?;
    assert_eq!((sound.code, sound.err.as_str()), (0, ""), "what was asked for is whole");
    Ok(())
}

#[test]
fn a_mount_counts_what_it_met_and_list_tells() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), damaged())?;
    let mount = session.mount(&["disc.iso", "here"])?;
    assert_eq!(session.list()?[0]["findings"], 0);
    assert_eq!(fs::read_dir(mount.at.join("BAD"))?.count(), 1);
    let counts = || session.list().is_ok_and(|list| list[0]["findings"] == 1);
    assert!(until(Duration::from_secs(12), counts), "{:?}", session.list()?);
    let table = session.run(&["list"])?.out;
    assert!(table.contains("; 1 finding\n"), "{table}");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

/// A disc whose root holds a damaged record beside a sound one.
fn damaged_root() -> Vec<u8> {
    let mut craft = Craft::new();
    craft.put(FILES, b"sound");
    let file = |name: &str| Record::file(name, FILES, 5);
    let lost = Record { record_len: Some(20), ..file("LOST.TXT;1") };
    craft.root(&[file("KEPT.TXT;1"), lost]);
    craft.image()
}

#[test]
fn a_mount_says_what_opening_found() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), damaged_root())?;
    fs::write(session.path("below.iso"), damaged())?;
    let mounted = |options: &[&str], image: &str| -> Result<_> {
        let ended = session.run(&[&["mount"], options, &[image, "here"]].concat())?;
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
        Ok(ended)
    };
    for options in [&[][..], &["--print-path"]] {
        let said = mounted(options, "disc.iso")?.err;
        assert!(said.starts_with("warning: 1 finding about this disc: "), "{said}");
        assert!(said.contains("the directory record at byte"), "{said}");
    }
    assert_eq!(mounted(&["-q"], "disc.iso")?.err, "");
    let json: Value = serde_json::from_str(&mounted(&["--json"], "disc.iso")?.out)?;
    assert_eq!(json["findings"]["count"], 1, "{json}");
    assert!(json["findings"]["first"].as_str().is_some_and(|text| text.contains("record")));
    assert_eq!(mounted(&[], "below.iso")?.err, "", "opening reads no directory but the root");
    Ok(())
}

#[test]
fn strict_refuses_damage_in_any_directory() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let (sound, _) = folder();
    fs::write(session.path("sound.iso"), sound.image())?;
    fs::write(session.path("root.iso"), damaged_root())?;
    fs::write(session.path("below.iso"), damaged())?;
    let mut outside = sound.clone();
    // The place of the file behind the two records of the directory itself and of its parent.
    outside.patch(DIRECTORY, 2 * 34 + 2, &both32(900_000));
    fs::write(session.path("outside.iso"), outside.image())?;
    for (name, found) in [
        ("root.iso", "the directory record at byte"),
        ("below.iso", "\"BAD\": the disc may hold more in this directory"),
        ("outside.iso", "\"SUB/F10.TXT\": the image does not hold all of its bytes"),
    ] {
        let ended = session.run(&["mount", "--strict", name, "here"])?;
        assert_eq!(ended.code, 5, "{name}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(&format!("  found   {found}")), "{name}: {}", ended.err);
        let without = session.mount(&[name, "here"])?;
        let again = session.run(&["mount", "--strict", name, "here"])?;
        assert!(matches!(again.code, 5 | 9), "{name}: {}", again.err);
        drop(without);
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    session.mount(&["--strict", "sound.iso", "here"])?;
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn info_puts_the_cut_first_and_says_what_it_has_read() -> Result<()> {
    let session = Session::new()?;
    let mut craft = Craft::new();
    craft.put(FILES, b"sound").put(FILES + 8, b"more");
    craft.root(&[Record::file("A.TXT;1", FILES, 5), Record::file("B.TXT;1", FILES + 8, 4)]);
    let image = craft.image();
    fs::write(session.path("whole.iso"), &image)?;
    fs::write(session.path("cut.iso"), &image[..image.len() - SECTOR])?;
    let row = |name: &str| -> Result<Vec<String>> {
        let out = session.run(&["info", name])?.out;
        let rows = out.lines().skip_while(|line| !line.starts_with("Findings"));
        Ok(rows.map(str::to_owned).collect())
    };
    let read = "in the descriptors and root directories";
    assert_eq!(
        row("whole.iso")?,
        [format!("Findings   none {read}; isodrive tree reads the others")]
    );
    let found = row("cut.iso")?;
    assert_eq!(found[0], format!("Findings   1 {read}"));
    let cut = "the image is cut short: the last 2.0 KiB of";
    assert!(found[1].trim_start().starts_with(cut), "{found:?}");
    let report: Value = serde_json::from_str(&session.run(&["info", "--json", "cut.iso"])?.out)?;
    assert!(report["findings"][0].as_str().is_some_and(|text| text.starts_with(cut)), "{report}");
    Ok(())
}

/// Bytes of a node of an HFS catalogue.
const NODE: usize = 512;

/// Damages the place that a leaf of an HFS catalogue gives for the record of a name (TN1150, "Node
/// Structure"): a descriptor of 14 bytes is first, and the places stand at the end, the first last.
fn lose_record(image: &mut [u8], name: &[u8]) {
    let place = |index: usize| NODE - 2 * (index + 1);
    let begin = |node: &[u8], index: usize| {
        usize::from(u16::from_be_bytes([node[place(index)], node[place(index) + 1]]))
    };
    let count = |node: &[u8]| usize::from(u16::from_be_bytes([node[10], node[11]]));
    // Behind the records of a node lie remains of others.
    let holds = |node: &[u8]| {
        let at = node.windows(name.len()).position(|window| window == name);
        at.filter(|at| node[8] == 0xFF && *at < begin(node, count(node)))
    };
    let mut nodes = image.chunks_exact_mut(NODE);
    let leaf = nodes.find(|node| holds(node).is_some()).expect("a leaf");
    let at = holds(leaf).unwrap();
    let index = (0..count(leaf)).rfind(|index| begin(leaf, *index) < at).expect("its record");
    leaf[place(index)..][..2].copy_from_slice(&[0xFF, 0xF0]);
}

#[test]
fn a_bad_place_in_a_node_of_hfs_costs_one_record() -> Result<()> {
    let session = Session::new()?;
    fs::create_dir(session.path("put-in"))?;
    let names: Vec<String> = (1..=9).map(|number| format!("file number {number}.txt")).collect();
    for name in &names {
        fs::write(session.path("put-in").join(name), name)?;
    }
    let mut making = Command::new("genisoimage");
    making.args(["-quiet", "-hfs", "-o"]).args([session.path("disc.iso"), session.path("put-in")]);
    assert!(making.status()?.success(), "genisoimage");
    let sound = fs::read(session.path("disc.iso"))?;
    for lost in &names {
        let mut image = sound.clone();
        lose_record(&mut image, lost.as_bytes());
        fs::write(session.path("damaged.iso"), image)?;
        let listed = session.run(&["ls", "--view", "hfs", "damaged.iso"])?;
        let shown: Vec<&str> =
            listed.out.lines().filter(|name| names.iter().any(|n| n == name)).collect();
        let kept: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| name != lost).collect();
        assert_eq!((listed.code, shown), (5, kept), "{lost}: {}", listed.err);
        assert!(listed.err.contains("the record is left out"), "{}", listed.err);
    }
    Ok(())
}

/// A disc with a folder of 30 files; the first byte of the folder's record in the root.
fn folder() -> (Craft, usize) {
    let mut craft = Craft::new();
    craft.put(FILES, b"sound");
    let files: Vec<Record> =
        (10..40).map(|number| Record::file(format!("F{number}.TXT;1"), FILES, 5)).collect();
    craft.directory(DIRECTORY, ROOT, &files);
    craft.root(&[Record::directory("SUB", DIRECTORY), Record::file("A.TXT;1", FILES, 5)]);
    // Behind the records of the root and of its parent, which have 34 bytes each.
    (craft, 2 * 34)
}

#[test]
fn a_damaged_record_of_a_directory_by_itself_costs_nothing() -> Result<()> {
    let session = Session::new()?;
    let (sound, _) = folder();
    // Length of the record; length of the directory in the first spelling, or in both.
    let damages: [(usize, &[u8]); 6] =
        [(0, &[0]), (0, &[32]), (10, &[0; 4]), (10, &[0; 8]), (10, &[0xFF; 4]), (11, &[0x10])];
    for sector in [DIRECTORY, ROOT] {
        for (at, bytes) in damages {
            let mut craft = sound.clone();
            craft.patch(sector, at, bytes);
            fs::write(session.path("disc.iso"), craft.image())?;
            let whole = session.run(&["ls", "disc.iso"])?;
            assert_eq!(whole.out, "A.TXT\nSUB/\n", "{sector} {at} {bytes:?}: {}", whole.err);
            let listed = session.run(&["ls", "disc.iso", "SUB"])?;
            assert_eq!(listed.out.lines().count(), 30, "{sector} {at} {bytes:?}: {}", listed.err);
        }
    }
    Ok(())
}

#[test]
fn of_two_spellings_the_one_at_which_a_directory_stands_counts() -> Result<()> {
    let session = Session::new()?;
    let (mut craft, record) = folder();
    craft.patch(ROOT, record + 2, &[FILES as u8]);
    fs::write(session.path("disc.iso"), craft.image())?;
    let listed = session.run(&["ls", "disc.iso", "SUB"])?;
    assert_eq!(listed.out.lines().count(), 30, "{}", listed.err);
    Ok(())
}

#[test]
fn a_record_whose_flags_or_name_cannot_be_is_reported() -> Result<()> {
    let session = Session::new()?;
    let (sound, _) = folder();
    // Behind two records of 34 bytes and the first file's 42: flags, and a name of one byte 0.
    let second = 2 * 34 + 42;
    // An associated file (ECMA-119 9.1.6, bit 2) is a part of a file, which is not there.
    for (at, bytes, names) in [(25, &[0xFE][..], 30), (32, &[1, 0], 29), (25, &[4], 29)] {
        let mut craft = sound.clone();
        craft.patch(DIRECTORY, second + at, bytes);
        fs::write(session.path("disc.iso"), craft.image())?;
        let listed = session.run(&["ls", "disc.iso", "SUB"])?;
        assert_eq!(listed.code, 5, "{at}: {}", listed.out);
        assert_eq!(listed.out.lines().count(), names, "{at}: {}", listed.err);
        assert!(listed.err.contains("damaged \"SUB\""), "{at}: {}", listed.err);
    }
    Ok(())
}

/// Of two lengths that are sound by themselves one is wrong: entries may be lost.
#[test]
fn two_lengths_of_a_directory_that_differ_are_reported() -> Result<()> {
    let session = Session::new()?;
    let (sound, record) = folder();
    for len in [1024, 4096] {
        let mut craft = sound.clone();
        craft.patch(ROOT, record + 10, &both32(len));
        fs::write(session.path("disc.iso"), craft.image())?;
        for command in ["ls", "tree"] {
            let listed = session.run(&[command, "disc.iso"])?;
            assert_eq!(listed.code, 5, "{command} {len}: {}", listed.err);
            assert!(listed.err.contains("damaged"), "{command} {len}: {}", listed.err);
        }
        assert_eq!(session.run(&["ls", "disc.iso", "SUB"])?.out.lines().count(), 30);
    }
    Ok(())
}

#[test]
fn a_boot_image_that_the_disc_cuts_is_named() -> Result<()> {
    let session = Session::new()?;
    fs::create_dir(session.path("tree"))?;
    // The boot sector of a FAT volume of a gibibyte.
    let mut sector = vec![0; 2048];
    sector[..3].copy_from_slice(&[0xEB, 0x3C, 0x90]);
    for (at, byte) in [(12, 2), (13, 4), (16, 2), (21, 0xF8), (34, 0x20)] {
        sector[at] = byte;
    }
    fs::write(session.path("tree/boot.img"), sector)?;
    let mut making = Command::new("xorriso");
    making.args(["-as", "mkisofs", "-quiet", "-b", "boot.img", "-no-emul-boot", "-o", "disc.iso"]);
    let made = making.arg("tree").current_dir(session.path("")).output()?;
    anyhow::ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for command in [&["ls"][..], &["tree"], &["extract", "-C", "out"]] {
        let ended = session.run(&[command, &["--view", "boot", "disc.iso"]].concat())?;
        assert_eq!(ended.code, 5, "{command:?}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains("damaged \"1-bios-fat.img\""), "{command:?}: {}", ended.err);
    }
    assert!(fs::read(session.path("out/1-bios-fat.img"))?.starts_with(&[0xEB, 0x3C, 0x90]));
    assert_eq!(session.run(&["tree", "disc.iso"])?.code, 0, "other views lose nothing");
    Ok(())
}

#[test]
fn zeros_in_joliet_names_hide_no_file() -> Result<()> {
    let session = Session::new()?;
    fs::create_dir(session.path("tree"))?;
    for name in ["abcd.txt", "abce.txt", "lmno.txt", "wxyz.txt"] {
        fs::write(session.path(&format!("tree/{name}")), name)?;
    }
    let mut making = Command::new("genisoimage");
    making.args(["-quiet", "-J", "-o", "disc.iso", "tree"]).current_dir(session.path(""));
    anyhow::ensure!(making.output()?.status.success(), "genisoimage");
    let mut image = fs::read(session.path("disc.iso"))?;
    for (old, new) in [
        ("abcd.txt", "abc\0.txt"),
        ("abce.txt", "abc\0\0\0\0\0"),
        ("lmno.txt", "abc_.txt"),
        ("wxyz.txt", "abc\0\0\0\0\0"),
    ] {
        let utf16 = |s: &str| s.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        let at = image.windows(16).position(|name| name == utf16(old)).expect("the name");
        image[at..at + 16].copy_from_slice(&utf16(new));
    }
    fs::write(session.path("disc.iso"), image)?;
    let listed = session.run(&["ls", "--view", "joliet", "disc.iso"])?;
    assert_eq!(listed.out, "abc\nabc_.txt\nabc_~2.txt\nabc~2\n", "{}", listed.err);
    for reported in ["has a Joliet name that is no file name", "has names that are not unique"] {
        assert!(listed.err.contains(reported), "{}", listed.err);
    }
    session.run(&["extract", "--view", "joliet", "-C", "out", "disc.iso"])?;
    let mut bytes = Vec::new();
    for file in fs::read_dir(session.path("out"))? {
        bytes.push(fs::read_to_string(file?.path())?);
    }
    bytes.sort();
    assert_eq!(bytes, ["abcd.txt", "abce.txt", "lmno.txt", "wxyz.txt"]);
    Ok(())
}

/// A download that stopped: what lies behind the cut is named, whichever format records it.
#[test]
fn a_cut_image_names_the_files_that_it_does_not_hold() -> Result<()> {
    let session = Session::new()?;
    fs::create_dir_all(session.path("tree/sub"))?;
    for number in 0..30 {
        let name = if number < 5 { format!("f{number:02}") } else { format!("sub/g{number:02}") };
        fs::write(session.path("tree").join(name), vec![b'x'; 20_000])?;
    }
    let mut making = Command::new("genisoimage");
    making.args(["-quiet", "-r", "-J", "-udf", "-o", "whole.iso", "tree"]);
    anyhow::ensure!(making.current_dir(session.path("")).output()?.status.success(), "genisoimage");
    let image = fs::read(session.path("whole.iso"))?;
    let first = image.windows(64).position(|bytes| bytes == [b'x'; 64]).expect("the first file");
    // The first file is whole, the second is cut at its last byte but one.
    let sectors = 20_000usize.div_ceil(SECTOR) * SECTOR;
    fs::write(session.path("cut.iso"), &image[..first + sectors + 19_999])?;
    for view in ["rockridge", "joliet", "iso9660", "udf"] {
        let run = |command: &[&str]| session.run(&[command, &["--view", view]].concat());
        assert_eq!(run(&["tree", "whole.iso"])?.code, 0, "{view}");
        let listed = run(&["ls", "cut.iso"])?;
        assert_eq!(listed.code, 5, "{view}: {}{}", listed.out, listed.err);
        let marked =
            |out: &str| out.matches("  [cut: the image does not hold all of it]\n").count();
        assert_eq!(marked(&listed.out), 4, "{view}: {}", listed.out);
        assert!(listed.err.contains("error: 4 files cannot be read whole"), "{}", listed.err);
        assert!(listed.err.contains("is shorter than its file system says"), "{}", listed.err);
        let tree = run(&["tree", "cut.iso"])?;
        assert_eq!((tree.code, marked(&tree.out)), (5, 29), "{view}: {}", tree.out);
        assert!(tree.err.contains("error: 29 files cannot be read whole"), "{}", tree.err);
        assert_eq!(tree.err.matches("\n  cut  ").count(), 20, "{}", tree.err);
        assert!(tree.err.ends_with("and 9 more\n"), "{}", tree.err);
        let lines = run(&["tree", "--json", "cut.iso"])?.out;
        assert_eq!(lines.matches("\"damaged\":true").count(), 29, "{view}: {lines}");
    }
    // What was asked for is whole.
    let whole = session.run(&["ls", "--view", "iso9660", "cut.iso", "F00"])?;
    assert_eq!((whole.code, whole.err.as_str()), (0, ""), "{}", whole.out);
    Ok(())
}

#[test]
fn a_cut_hfs_volume_names_the_files_that_it_does_not_hold() -> Result<()> {
    let session = Session::new()?;
    let whole = hfs::write(&vec![b'x'; 9_000], b"fork");
    let at = whole.windows(64).position(|bytes| bytes == [b'x'; 64]).expect("the data fork");
    fs::write(session.path("whole.hfs"), &whole)?;
    fs::write(session.path("cut.hfs"), &whole[..at + 8_999])?;
    assert_eq!(session.run(&["tree", "whole.hfs"])?.code, 0);
    let tree = session.run(&["tree", "cut.hfs"])?;
    assert_eq!(tree.code, 5, "{}{}", tree.out, tree.err);
    assert!(tree.out.contains("  [cut: the image does not hold all of it]\n"), "{}", tree.out);
    assert!(tree.err.contains("error: 1 file cannot be read whole"), "{}", tree.err);
    Ok(())
}
