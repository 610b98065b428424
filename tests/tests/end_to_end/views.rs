//! Views beside the file systems: boot images, all views at once, names in old character sets.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use iso_core::volume::Presentation;
use iso_core::{Image, Limits, View, source};
use isodrive_tests::corpus;
use isodrive_tests::make::bytes;
use isodrive_tests::make::craft::{Craft, FILES, ROOT, Record};
use isodrive_tests::program::{Session, can_mount};
use isodrive_tests::tree::Tree;
use serde_json::Value;

/// A FAT boot sector that says how many sectors of 512 bytes the volume has.
fn fat_image(sectors: u16) -> Vec<u8> {
    let mut image = bytes(11, usize::from(sectors) * 512);
    image[..36].fill(0);
    image[..3].copy_from_slice(&[0xEB, 0x3C, 0x90]);
    image[11..13].copy_from_slice(&512u16.to_le_bytes());
    image[13] = 1;
    image[14] = 1;
    image[16] = 2;
    image[19..21].copy_from_slice(&sectors.to_le_bytes());
    image[21] = 0xF8;
    image
}

/// A disc with a BIOS loader and a UEFI image, made by xorriso.
fn boot_disc(session: &Session) -> Result<(Vec<u8>, Vec<u8>)> {
    let tree = session.path("tree");
    fs::create_dir(&tree)?;
    let (loader, fat) = (bytes(12, 30_000), fat_image(400));
    fs::write(tree.join("loader.bin"), &loader)?;
    fs::write(tree.join("efi.img"), &fat)?;
    let mut command = Command::new("xorriso");
    command.args(["-report_about", "SORRY", "-as", "mkisofs", "-R", "-J", "-o"]);
    command.arg(session.path("boot.iso"));
    command.args(["-b", "loader.bin", "-no-emul-boot", "-boot-load-size", "4"]);
    command.args(["-boot-info-table", "-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot"]);
    ensure!(command.arg(&tree).output().context("xorriso")?.status.success());
    // xorriso writes a table into the loader (bytes 8 to 63).
    let loader = session.run(&["cat", "boot.iso", "loader.bin"])?.bytes;
    Ok((loader, fat))
}

#[test]
fn boot_images_are_files_of_their_true_size() -> Result<()> {
    let session = Session::new()?;
    let (loader, fat) = boot_disc(&session)?;
    assert_eq!(loader.len(), 30_000);
    let ended = session.run(&["ls", "--view", "boot", "boot.iso"])?;
    assert_eq!(ended.out, "1-bios-loader.img\n2-uefi-fat.img\n", "{}", ended.err);
    for (name, want) in [("1-bios-loader.img", loader), ("2-uefi-fat.img", fat)] {
        let got = session.run(&["cat", "--view", "boot", "boot.iso", name])?.bytes;
        assert!(got == want, "{name}: {} bytes against {}", got.len(), want.len());
    }
    let info: Value = serde_json::from_str(&session.run(&["info", "--json", "boot.iso"])?.out)?;
    assert_eq!(info["boot"][0]["load_sectors"], 4);
    assert_eq!(
        (&info["boot"][0]["bytes"], &info["boot"][1]["bytes"]),
        (&30_000.into(), &204_800.into())
    );
    let ended = session.run(&["ls", "--view", "boot", &sample_without_catalogue()?])?;
    assert!(ended.code == 1 && ended.err.contains("has no boot catalogue"), "{}", ended.err);
    Ok(())
}

/// Behind the cut of an image its boot images go on: what lies there is an error and no end.
#[test]
fn a_boot_image_of_a_cut_image_keeps_its_length() -> Result<()> {
    let session = Session::new()?;
    let (_, fat) = boot_disc(&session)?;
    let image = fs::read(session.path("boot.iso"))?;
    let at = image.windows(512).position(|bytes| bytes == &fat[..512]).context("the FAT volume")?;
    fs::write(session.path("cut.iso"), &image[..at + 100_000])?;
    let listed = session.run(&["ls", "--view", "boot", "cut.iso"])?;
    let cut = "2-uefi-fat.img  [cut: the image does not hold all of it]\n";
    assert!(listed.code == 5 && listed.out.contains(cut), "{}{}", listed.out, listed.err);
    let finding = "the last 104800 of 204800 bytes of 2-uefi-fat.img cannot be read";
    assert!(session.run(&["info", "cut.iso"])?.out.contains(finding));
    let read = session.run(&["cat", "--view", "boot", "cut.iso", "2-uefi-fat.img"])?;
    assert_eq!(read.code, 5, "{}", read.err);
    if !can_mount() {
        return Ok(());
    }
    let ended = session.run(&["mount", "--view", "boot", "cut.iso", "here"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.starts_with("Mounted  the boot images of ISOIMAGE\n"), "{}", ended.out);
    assert!(ended.err.contains("2 findings about this disc; the first: "), "{}", ended.err);
    let file = session.path("here/2-uefi-fat.img");
    assert_eq!(fs::metadata(&file)?.len(), 204_800);
    let read = fs::read(&file);
    assert_eq!(read.err().and_then(|error| error.raw_os_error()), Some(5), "EIO");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

fn sample_without_catalogue() -> Result<String> {
    let path = corpus::scratch()?.join("no-catalogue.iso");
    if !path.exists() {
        let plain = corpus::unpack(&corpus::repository().join("tests/corpus/plain.iso.zst"))?;
        fs::copy(&plain.path, &path)?;
    }
    Ok(path.to_string_lossy().into_owned())
}

#[test]
fn isohybrid_partitions_are_listed() -> Result<()> {
    let session = Session::new()?;
    let mut bytes = fs::read(
        corpus::unpack(&corpus::repository().join("tests/corpus/rockridge-joliet.iso.zst"))?.path,
    )?;
    bytes[446..462].copy_from_slice(&[0x80, 0, 0, 0, 0xEF, 0, 0, 0, 64, 0, 0, 0, 100, 0, 0, 0]);
    bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
    fs::write(session.path("hybrid.iso"), bytes)?;
    let info: Value = serde_json::from_str(&session.run(&["info", "--json", "hybrid.iso"])?.out)?;
    let partition = &info["partitions"][0];
    assert_eq!((&partition["scheme"], &partition["type"]), (&"MBR".into(), &"ef".into()));
    assert_eq!((&partition["at"], &partition["bytes"]), (&32_768.into(), &51_200.into()));
    let text = session.run(&["info", "hybrid.iso"])?.out;
    assert!(text.contains("Partitions MBR 1  type ef, 50.0 KiB at byte 0x8000"), "{text}");
    Ok(())
}

#[test]
fn all_views_stand_side_by_side_on_one_mount() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    boot_disc(&session)?;
    let ended = session.run(&["mount", "--all-views", "boot.iso", "here"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let here = session.path("here");
    let mut names: Vec<String> = fs::read_dir(&here)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    let want = ["boot", "disc.iso", "findings.json", "info.json", "iso9660", "joliet", "rockridge"];
    assert_eq!(names, want);
    let image = fs::read(session.path("boot.iso"))?;
    assert!(fs::read(here.join("disc.iso"))? == image, "the disc is the image");
    let info: Value = serde_json::from_slice(&fs::read(here.join("info.json"))?)?;
    assert_eq!((&info["schema"], &info["shown"]), (&1.into(), &"rockridge".into()));
    let fat = fs::read(session.path("tree/efi.img"))?;
    for path in ["rockridge/efi.img", "joliet/efi.img", "iso9660/EFI.IMG", "boot/2-uefi-fat.img"] {
        assert!(fs::read(here.join(path))? == fat, "{path}");
    }
    let up = fs::canonicalize(here.join("joliet/.."))?;
    assert_eq!(up, fs::canonicalize(&here)?, "`..` of a view is where the views are");
    let findings: Value = serde_json::from_slice(&fs::read(here.join("findings.json"))?)?;
    assert_eq!(findings["findings"], Value::Array(Vec::new()));
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

/// What is met while the mount is used is in the report that is read after it, past every cache.
#[test]
fn the_findings_beside_all_views_are_those_of_now() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let mut craft = Craft::new();
    craft.put(FILES, b"sound");
    let lost = Record { record_len: Some(20), ..Record::file("LOST.TXT;1", FILES, 5) };
    craft.directory(FILES + 1, ROOT, &[Record::file("KEPT.TXT;1", FILES, 5), lost]);
    craft.root(&[Record::directory("BAD", FILES + 1)]);
    fs::write(session.path("disc.iso"), craft.image())?;
    let mount = session.mount(&["--all-views", "disc.iso", "here"])?;
    let report = mount.at.join("findings.json");
    let findings = || -> Result<usize> {
        let bytes = fs::read(&report)?;
        ensure!(u64::try_from(bytes.len())? == fs::metadata(&report)?.len(), "its length");
        let report: Value = serde_json::from_slice(&bytes)?;
        Ok(report["findings"].as_array().context("a list")?.len())
    };
    assert_eq!(fs::read_dir(&mount.at)?.count(), 4, "listed with attributes");
    assert_eq!(findings()?, 0);
    assert_eq!(fs::read_dir(mount.at.join("iso9660/BAD"))?.count(), 1);
    assert_eq!(findings()?, 1);
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn sessions_stand_among_all_views() -> Result<()> {
    let session = Session::new()?;
    let disc = corpus::unpack(&corpus::repository().join("tests/corpus/multisession.iso.zst"))?;
    let disc = disc.path.to_str().context("a path of ours")?;
    let listed = session.run(&["tree", "--json", "--view", "all", disc])?.out;
    for (path, is_there) in [
        ("session1/only-1.txt", true),
        ("session1/only-3.txt", false),
        ("session3/only-3.txt", true),
        ("rockridge/only-3.txt", true),
    ] {
        assert_eq!(listed.contains(&format!("\"name\":\"{path}\"")), is_there, "{path}: {listed}");
    }
    Ok(())
}

/// A name in a character set, by iconv.
fn in_charset(name: &str, charset: &str) -> Result<Vec<u8>> {
    use std::io::Write;
    let mut child = Command::new("iconv")
        .args(["-f", "UTF-8", "-t", charset])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .context("iconv writes names of old discs")?;
    child.stdin.take().context("a pipe")?.write_all(name.as_bytes())?;
    Ok(child.wait_with_output()?.stdout)
}

/// A Rock Ridge disc with one file of each name, the bytes of the names as given.
fn disc_with_names(session: &Session, image: &Path, names: &[Vec<u8>]) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let tree = session.path("names");
    let _ = fs::remove_dir_all(&tree);
    fs::create_dir(&tree)?;
    for name in names {
        fs::write(tree.join(std::ffi::OsStr::from_bytes(name)), b"x")?;
    }
    let mut command = Command::new("xorriso");
    command.args(["-report_about", "SORRY", "-as", "mkisofs", "-R"]);
    command.args(["-input-charset", "iso-8859-1", "-output-charset", "iso-8859-1", "-o"]);
    ensure!(command.arg(image).arg(&tree).output().context("xorriso")?.status.success());
    Ok(())
}

#[test]
fn names_of_old_discs_are_read_in_their_character_set() -> Result<()> {
    let session = Session::new()?;
    for (charset, names) in [
        (
            "CP932",
            &[
                "\u{30c7}\u{30fc}\u{30bf}.txt",
                "\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{30d5}\u{30a1}\u{30a4}\u{30eb}",
            ][..],
        ),
        ("GBK", &["\u{8f6f}\u{4ef6}\u{5b89}\u{88c5}\u{8bf4}\u{660e}.txt", "\u{6e38}\u{620f}"]),
        ("CP949", &["\u{d55c}\u{ad6d}\u{c5b4} \u{c124}\u{ba85}\u{c11c}.txt", "\u{ac8c}\u{c784}"]),
        ("BIG5", &["\u{5b89}\u{88dd}\u{8aaa}\u{660e}.txt", "\u{904a}\u{6232}\u{5149}\u{789f}"]),
        (
            "CP1251",
            &[
                "\u{41f}\u{440}\u{43e}\u{433}\u{440}\u{430}\u{43c}\u{43c}\u{44b}",
                "\u{447}\u{438}\u{442}\u{430}\u{439}.txt",
            ],
        ),
        (
            "CP866",
            &[
                "\u{41f}\u{440}\u{43e}\u{433}\u{440}\u{430}\u{43c}\u{43c}\u{44b}",
                "\u{447}\u{438}\u{442}\u{430}\u{439}.txt",
            ],
        ),
        ("CP437", &["gr\u{fc}n.txt", "\u{e4}pfel"]),
        ("ISO-8859-1", &["caf\u{e9}.txt", "stra\u{df}e"]),
    ] {
        let raw: Vec<Vec<u8>> =
            names.iter().map(|name| in_charset(name, charset)).collect::<Result<_>>()?;
        let image = session.path("old.iso");
        disc_with_names(&session, &image, &raw)?;
        for arguments in [&["ls", "old.iso"][..], &["ls", "--charset", charset, "old.iso"]] {
            let ended = session.run(arguments)?;
            for name in names {
                assert!(ended.out.contains(name), "{charset}: no {name} in {}", ended.out);
            }
        }
        let raw_name = std::os::unix::ffi::OsStrExt::from_bytes(raw[0].as_slice());
        let arguments: [&std::ffi::OsStr; 3] = ["cat".as_ref(), "old.iso".as_ref(), raw_name];
        assert_eq!(session.run(&arguments)?.out, "x", "{charset}: recorded bytes find it too");
        fs::remove_file(&image)?;
    }
    let ended = session.run(&["ls", "--charset", "klingon", "old.iso"])?;
    assert!(ended.code == 2 && ended.err.contains("cp932"), "{}", ended.err);
    Ok(())
}

#[test]
fn posix_acls_and_user_attributes_come_from_the_disc() -> Result<()> {
    let Some(folder) = corpus::shared_set("oracle-dev")? else { return Ok(()) };
    if !can_mount() {
        return Ok(());
    }
    let disc = corpus::unpack(&folder.join("iso/x-aaip.iso.zst"))?;
    let session = Session::new()?;
    let image = disc.path.to_str().context("a path of ours")?;
    assert_eq!(session.run(&["mount", image, "here"])?.code, 0);
    let here = session.path("here");
    let mut value = vec![0; 65536];
    let mut get = |path: &str, name: &str| -> Result<Vec<u8>> {
        let len = rustix::fs::getxattr(here.join(path), name, &mut value)
            .with_context(|| format!("{path} {name}"))?;
        Ok(value[..len].to_vec())
    };
    assert_eq!(get("user", "user.comment")?, b"hello world");
    assert_eq!(get("acldir", "user.dirattr")?, b"dir");
    assert_eq!(get("many", "user.attribute-01")?, b"value 1");
    assert!(get("big", "user.big")?.starts_with(b"big 00000000\nbig 00000001\n"));
    let acl = get("acl", "system.posix_acl_access")?;
    // user::rw-, user:1000:rwx, group::r--, group:100:r-x, mask::rwx, other::r--: what xorriso
    // recorded.
    assert_eq!(acl.len(), 4 + 6 * 8);
    assert_eq!(acl[12..20], [2, 0, 7, 0, 0xE8, 3, 0, 0]);
    assert!(get("cap", "security.capability").is_err(), "a stranger's disc gives no privileges");
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    Ok(())
}

#[test]
fn sessions_and_partitions_of_discs_by_others_are_found() -> Result<()> {
    let session = Session::new()?;
    let info = |folder: &Path, name: &str, wanted: &str| -> Result<Value> {
        let disc = corpus::unpack(&folder.join(name))?;
        let image = disc.path.to_str().context("a path of ours")?;
        let ended = session.run(&["info", "--json", "--session", wanted, image])?;
        serde_json::from_str(&ended.out).with_context(|| ended.err)
    };
    let places = |info: &Value| -> Vec<u64> {
        let sessions = info["sessions"].as_array().cloned().unwrap_or_default();
        sessions.iter().filter_map(|session| Some(session["at"].as_u64()? / 2048)).collect()
    };
    if let Some(folder) = corpus::shared_set("oracle-dev")? {
        let found = info(&folder, "iso/x-multisession.iso.zst", "last")?;
        assert_eq!(places(&found), [32, 160, 256]);
        let found = info(&folder, "iso/x-appended.iso.zst", "last")?;
        let names: Vec<&str> = found["partitions"]
            .as_array()
            .context("partitions")?
            .iter()
            .filter(|partition| partition["scheme"] == "GPT")
            .filter_map(|partition| partition["name"]["name"].as_str())
            .collect();
        assert_eq!(names, ["Gap0", "Appended2", "Gap1"]);
    }
    if let Some(folder) = corpus::shared_set("foreign-dev")? {
        let name = "util-linux/udf-multi-0-320-640-mkudffs.img.zst";
        for (wanted, label) in
            [("first", "first session"), ("2", "second session"), ("last", "third session")]
        {
            let found = info(&folder, name, wanted)?;
            assert_eq!(places(&found), [0, 320, 640]);
            assert_eq!(found["label"]["name"], label);
        }
    }
    Ok(())
}

#[test]
fn the_enhanced_tree_has_the_long_names_that_its_writer_gave() -> Result<()> {
    let Some(folder) = corpus::shared_set("oracle-dev")? else { return Ok(()) };
    let disc = corpus::unpack(&folder.join("iso/x-l4.iso.zst"))?;
    let image = Image::open(source::open_path(&disc.path)?, Limits::default())?;
    let tree = |view: View| -> Result<Tree> {
        let volume = image.choose(Some(view))?.volume;
        Tree::of_volume(&*volume, &Presentation::default())
    };
    let (long, posix) = (tree(View::Enhanced)?, tree(View::RockRidge)?);
    // The kernel shows the names of Rock Ridge, and `golden` compares them. Identifiers have 207
    // characters at most, and end where a version would begin.
    let fits = |path: &[u8]| path.len() <= 207 && !path.contains(&b';');
    let mut compared = 0;
    for (path, want) in posix.entries.iter().filter(|(path, _)| fits(path)) {
        let got = long.entries.get(path).with_context(|| path.escape_ascii().to_string())?;
        assert_eq!((got.kind, &got.sha256), (want.kind, &want.sha256), "{}", path.escape_ascii());
        compared += 1;
    }
    assert!(compared > 25, "only {compared} names");
    Ok(())
}

#[test]
fn zisofs_of_version_2_gives_the_files_that_version_1_gives() -> Result<()> {
    let Some(folder) = corpus::shared_set("oracle-dev")? else { return Ok(()) };
    let session = Session::new()?;
    let mut trees = Vec::new();
    for name in ["x-zisofs1", "x-zisofs2"] {
        let disc = corpus::unpack(&folder.join(format!("iso/{name}.iso.zst")))?;
        let out = session.path(name);
        let (image, to) = (disc.path.to_str(), out.to_str());
        let arguments = ["extract", "-C", to.context("a path")?, image.context("a path")?];
        let ended = session.run(&arguments)?;
        assert_eq!(ended.code, 0, "{}", ended.err);
        let tree = Tree::of_folder(&out)?;
        let digests: Vec<_> =
            tree.entries.into_iter().map(|(path, e)| (path, e.size, e.sha256)).collect();
        trees.push(digests);
    }
    // The kernel decompresses version 1, and `golden` compares that.
    assert_eq!(
        trees[0].iter().filter(|f| f.2.is_some()).collect::<Vec<_>>(),
        trees[1].iter().filter(|f| f.2.is_some()).collect::<Vec<_>>()
    );
    Ok(())
}

/// The view that is right for discs that real writers made, and whether their trees differ.
#[test]
fn discs_of_several_trees_show_the_one_that_loses_least() -> Result<()> {
    let discs = corpus::repository().join("../shared/cases/discs");
    if !discs.exists() {
        return Ok(());
    }
    for (name, want, differs, reads) in [
        ("rr-udf-links", View::RockRidge, false, 14),
        ("view-stub2-udf1dir", View::Udf, false, 14),
        ("view-one-more-in-iso", View::Udf, true, 14),
        ("hfs-desktop-db", View::RockRidge, false, 14),
        ("bridge-udf-root-lost", View::Iso9660, false, 14),
        ("bridge-udf-vds-lost", View::Iso9660, false, 14),
        ("view-reason-untrue", View::Udf, true, 14),
    ] {
        let disc = corpus::unpack(&discs.join(format!("{name}.iso.zst")))?;
        let image = Image::open(source::open_path(&disc.path)?, Limits::default())?;
        let shown = image.choose(None)?;
        assert_eq!(shown.view, want, "{name}: {}", shown.reason);
        let findings = image.disc().findings().list();
        let reported = findings.iter().any(|finding| finding.text.starts_with("two trees"));
        assert_eq!(reported, differs, "{name}: {findings:?}");
        let lost = name.starts_with("bridge-udf");
        let is_lost = findings.iter().any(|finding| finding.text.contains("UDF is not shown"));
        assert_eq!(is_lost, lost, "{name}: {findings:?}");
        let made = image.disc().counters().source_reads.load(Ordering::Relaxed);
        assert!(made <= reads, "{name}: {made} reads");
    }
    Ok(())
}
