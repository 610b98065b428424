//! The commands that need no mount: info, ls, tree, cat; what people and scripts get of them.

use std::fs;

use anyhow::Result;
use isodrive_tests::corpus;
use isodrive_tests::program::Session;
use serde_json::Value;

fn sample() -> String {
    corpus::repository().join("samples/setup-disc.iso").to_string_lossy().into_owned()
}

#[test]
fn info_says_what_is_there_which_is_shown_and_why() -> Result<()> {
    let session = Session::new()?;
    let ended = session.run(&["info", &sample()])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    for line in [
        "UDF 1.02, used; label SETUP_EN_DVD; 11 in the root",
        "ISO 9660; label SETUP_EN_DVD; 1 in the root",
        "the ISO 9660 side holds only a note",
        "BIOS  El Torito, no emulation, 8 sectors",
        "UEFI  El Torito, no emulation",
        "Findings   none",
    ] {
        assert!(ended.out.contains(line), "lacks {line:?}:\n{}", ended.out);
    }
    let json: Value = serde_json::from_str(&session.run(&["info", "--json", &sample()])?.out)?;
    assert_eq!(json["schema"], 1);
    assert_eq!(json["shown"], "udf");
    assert_eq!(json["label"]["name"], "SETUP_EN_DVD");
    assert_eq!(json["boot"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[test]
fn ls_and_tree_list_for_people_and_for_programs() -> Result<()> {
    let session = Session::new()?;
    let ended = session.run(&["ls", &sample(), "sources"])?;
    assert_eq!(
        ended.out.lines().collect::<Vec<_>>(),
        ["boot.wim", "cversion.ini", "ei.cfg", "en-us/", "install.wim", "license/"],
    );
    let ended = session.run(&["tree", &sample(), "support"])?;
    assert_eq!(ended.out, "`-- logging/\n    `-- readme.txt\n");
    let ended = session.run(&["tree", "--json", &sample()])?;
    let lines: Vec<Value> =
        ended.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let install = lines.iter().find(|line| line["path"]["name"] == "sources/install.wim");
    let install = install.expect("the file is listed");
    assert_eq!((&install["kind"], &install["size"]), (&"f".into(), &60_000.into()));
    assert!(lines.iter().all(|line| line["schema"] == 1));
    Ok(())
}

#[test]
fn cat_writes_the_bytes_of_each_view() -> Result<()> {
    let session = Session::new()?;
    let ended = session.run(&["cat", &sample(), "sources/ei.cfg", "/sources/cversion.ini"])?;
    assert_eq!(
        ended.out,
        "[EditionID]\r\nProfessional\r\n[Channel]\r\nRetail\r\n[VL]\r\n0\r\nMinServer=7100\r\n"
    );
    let ended = session.run(&["cat", "--view", "iso9660", &sample(), "readme.txt"])?;
    assert!(ended.out.starts_with("This disc contains a \"UDF\""), "found in another case");
    for (path, code) in [("no/such", 13), ("sources/ei.cfg/x", 13), ("sources", 1)] {
        let ended = session.run(&["cat", &sample(), path])?;
        assert_eq!(ended.code, code, "{path}: {}", ended.err);
    }
    let ended = session.run(&["cat", "--view", "joliet", &sample(), "x"])?;
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("has no Joliet") && ended.err.contains("--view udf"),
        "{}",
        ended.err
    );
    Ok(())
}

#[test]
fn links_are_followed_inside_the_image_only() -> Result<()> {
    let session = Session::new()?;
    let disc = corpus::unpack(&corpus::repository().join("tests/corpus/rockridge-joliet.iso.zst"))?;
    let disc = disc.path.to_str().unwrap();
    assert_eq!(session.run(&["cat", disc, "docs/link"])?.out, "read me\n");
    let ended = session.run(&["cat", disc, "docs/absolute"])?;
    assert_eq!(ended.code, 13, "/etc/hostname is not in the image: {}", ended.err);
    Ok(())
}

#[test]
fn names_cannot_act_on_the_terminal_and_json_keeps_their_bytes() -> Result<()> {
    let session = Session::new()?;
    let folder = session.path("tree");
    fs::create_dir(&folder)?;
    fs::write(folder.join("evil\u{1b}[2J\u{202e}"), b"x")?;
    let image = session.path("evil.iso");
    corpus::make_image(&folder, &image)?;
    let image = image.to_str().unwrap();
    for command in ["ls", "tree"] {
        let ended = session.run(&[command, image])?;
        assert!(ended.out.contains("evil\\u{1b}[2J\\u{202e}"), "{command}: {:?}", ended.out);
        assert!(!ended.bytes.contains(&0x1b));
    }
    let json: Value = serde_json::from_str(session.run(&["ls", "--json", image])?.out.trim())?;
    assert_eq!(json["path"]["name"], "evil\u{1b}[2J\u{202e}");
    Ok(())
}

#[test]
fn split_sets_and_images_inside_files_open() -> Result<()> {
    let session = Session::new()?;
    let bytes = fs::read(sample())?;
    for (number, part) in bytes.chunks(300_000).enumerate() {
        fs::write(session.path(&format!("disc.iso.{:03}", number + 1)), part)?;
    }
    let split = session.run(&["cat", "disc.iso.001", "sources/install.wim"])?;
    let whole = session.run(&["cat", &sample(), "sources/install.wim"])?;
    assert_eq!((split.code, split.bytes == whole.bytes), (0, true), "{}", split.err);
    fs::write(session.path("inside.bin"), [&[7; 4096][..], &bytes].concat())?;
    let inside =
        session.run(&["cat", "--image-offset", "4096", "inside.bin", "sources/install.wim"])?;
    assert!(inside.bytes == whole.bytes, "{}", inside.err);
    Ok(())
}

#[test]
fn names_as_a_drive_of_windows_shows_them_are_shown_and_found() -> Result<()> {
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir_all(tree.join("AUX"))?;
    for (name, text) in [("a:b", "colon"), ("Same", "first"), ("same", "second"), ("AUX/x.", "dot")]
    {
        fs::write(tree.join(name), text)?;
    }
    corpus::make_image(&tree, &session.path("disc.iso"))?;
    let plain = session.run(&["ls", "disc.iso"])?;
    assert_eq!(plain.out.lines().collect::<Vec<_>>(), ["AUX/", "Same", "a:b", "same"]);
    let ended = session.run(&["ls", "--verbose", "disc.iso"])?;
    let lines: Vec<_> = ended.out.lines().collect();
    assert_eq!(lines[..2], ["AUX/  [on Windows: \\u{f041}UX]", "Same"]);
    assert_eq!(lines[2..], ["a:b  [on Windows: a\\u{f03a}b]", "same  [on Windows: same~2]"]);
    let json = session.run(&["tree", "-v", "--json", "disc.iso", "AUX"])?.out;
    let line: Value = serde_json::from_str(json.trim_end())?;
    assert_eq!((&line["path"]["name"], &line["windows_name"]), (&"x.".into(), &"x\u{f02e}".into()));
    for (typed, text) in [
        ("a\u{f03a}b", "colon"),
        ("SAME~2", "second"),
        ("\u{f041}ux/x\u{f02e}", "dot"),
        ("same", "second"),
    ] {
        let ended = session.run(&["cat", "disc.iso", typed])?;
        assert_eq!((ended.code, ended.out.as_str()), (0, text), "{typed:?}");
    }
    Ok(())
}

#[test]
fn a_link_that_leads_nowhere_is_reported_with_its_target() -> Result<()> {
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir(&tree)?;
    std::os::unix::fs::symlink("/etc/passwd", tree.join("absolute"))?;
    std::os::unix::fs::symlink("no/such", tree.join("lost"))?;
    std::os::unix::fs::symlink("/there", tree.join("found"))?;
    fs::write(tree.join("there"), b"from the disc")?;
    corpus::make_image(&tree, &session.path("x.iso"))?;
    let cause = "  cause   a link that begins with / leads on from the root of the disc, not of \
                 this system\n";
    for (command, path, link, target, cause) in [
        ("cat", "absolute", "absolute", "/etc/passwd", cause),
        ("ls", "absolute", "absolute", "/etc/passwd", cause),
        ("cat", "lost", "lost", "no/such", ""),
        ("cat", "lost/below", "lost", "no/such", ""),
    ] {
        let ended = session.run(&[command, "x.iso", path])?;
        let want = format!(
            "error: \"{link}\" in the image is a symbolic link to \"{target}\", which is not in \
             the image\n{cause}  try     a file of the disc; ls -l shows where links lead\n"
        );
        assert_eq!((ended.code, ended.err), (13, want), "{command} {path}");
    }
    assert_eq!(session.run(&["cat", "x.iso", "found"])?.out, "from the disc");
    let ended = session.run(&["cat", "x.iso", "no/such"])?;
    assert_eq!(ended.err, "error: \"no/such\" in the image: no such file or directory\n");
    Ok(())
}
