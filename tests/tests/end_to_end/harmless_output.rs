//! What commands print: nothing that a disc or a file is called acts on a terminal or stays unseen,
//! whichever field it stands in and whichever command tells of it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use anyhow::{Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::hostile_words::{self, acting};
use isodrive_tests::make::craft::{Craft, FILES, Record, nm, px, sl, sp};
use isodrive_tests::make::udf::{self, Entry, Layout};
use isodrive_tests::program::{Ended, Session, can_mount, until};
use serde_json::Value;

/// Where the root directory of the Joliet tree is.
const JOLIET: usize = FILES + 1;

/// Strings of a primary volume descriptor, by their first byte and length (ECMA-119 8.4): the
/// system, the volume, its set, who published and prepared it, the application, three files.
const FIELDS: [(usize, usize); 9] = [
    (8, 32),
    (40, 32),
    (190, 128),
    (318, 128),
    (446, 128),
    (574, 128),
    (702, 37),
    (739, 37),
    (776, 37),
];

/// An ISO 9660 disc with a word in every field that holds text: descriptor, Rock Ridge names and
/// link targets, Joliet names, plain names.
fn iso(word: &[u8]) -> Vec<u8> {
    let mut craft = Craft::new();
    craft.put(FILES, b"hello\n");
    let component: Vec<u8> = word.iter().copied().filter(|byte| *byte != 0).take(60).collect();
    let file = |name: &str| Record::file(name, FILES, 6);
    let records = [
        file("F0.;1").with(&[nm(0, &component), px(0o100_644)]),
        file("F1.;1").with(&[
            nm(0, [b"dangling ", &component[..]].concat()),
            px(0o120_777),
            sl(0, &[(0, &component)]),
        ]),
        file("F2.;1").with(&[nm(0, "link"), px(0o120_777), sl(0, &[(8, b""), (0, &component)])]),
        Record { name_len: Some(0xFF), ..file("DAMAGED.;1") },
    ];
    craft.root_with(&[sp(0)], &records);
    for (at, len) in FIELDS {
        let text = &word[..word.len().min(len)];
        craft.patch(16, at, &vec![b' '; len]).patch(16, at, text);
    }
    // The names of Joliet are UCS-2 with the high byte first (Joliet, "UCS-2 Level 3").
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let text: String = String::from_utf8_lossy(word).chars().filter(|c| *c != '\0').collect();
    let mut name = wide(&format!("{text}.bin"));
    name.truncate(110);
    craft.directory(
        JOLIET,
        JOLIET,
        &[Record::file(name, FILES, 6), Record::file(wide("one more"), FILES, 6)],
    );
    craft.descriptor(17, 2, &Record::directory([0], JOLIET));
    craft.patch(17, 88, b"%/E");
    let mut label = wide(&text);
    label.resize(32, 0);
    craft.patch(17, 40, &label);
    craft.put(18, b"\xFFCD001\x01");
    craft.image()
}

/// A UDF disc with a word as the name of a file, of a directory, and of a stream.
fn udf(word: &[u8]) -> Vec<u8> {
    let text: String =
        String::from_utf8_lossy(word).chars().filter(|c| *c != '\0').take(40).collect();
    let mut file = Entry::file(&format!("{text}.txt"), b"hello\n");
    file.streams = vec![(text.clone(), b"stream".to_vec())];
    udf::write(Layout::Plain, &[file, Entry::directory(&text, vec![Entry::file("in it", b"")])])
}

/// Words that would do something: each hidden character, bytes that are no text, edges.
fn words() -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = vec![
        (1..=31u8).collect(),
        "\u{7f}\u{80}\u{85}\u{90}\u{9b}\u{9d}\u{9f}".into(),
        "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}".into(),
        "\u{2066}\u{2067}\u{2069}\u{2028}\u{2029}".into(),
        "\u{200b}\u{200d}\u{2060}\u{feff}\u{ad}".into(),
        "a\u{e0041}\u{fff9}b\u{180e}".into(),
        b"\x1b]0;title\x07\x1b[2J".to_vec(),
        b"\xff\xfe\xc3\x9b".to_vec(),
        b"\x9b31m\x80".to_vec(),
        b" \" quoted \" ".to_vec(),
    ];
    words.extend(hostile_words::all().into_iter().filter(|word| word.contains(&0x1b)).step_by(9));
    words
}

/// Commands that look at an image without mounting it.
const LOOKS: [&[&str]; 20] = [
    &["info"],
    &["info", "--json"],
    &["info", "-v"],
    &["ls"],
    &["ls", "-l"],
    &["ls", "--json"],
    &["ls", "-v"],
    &["ls", "-vvv", "-l"],
    &["ls", "-v", "--json"],
    &["ls", "--view", "joliet", "-v"],
    &["ls", "--view", "joliet", "-v", "-l"],
    &["ls", "--view", "iso9660"],
    &["ls", "--view", "hfs"],
    &["ls", "--session", "7"],
    &["tree"],
    &["tree", "-v"],
    &["tree", "--json", "-v"],
    &["tree", "--view", "joliet", "-v"],
    &["tree", "--view", "boot"],
    &["tree", "--view", "all"],
];

/// Runs a command whose output a person may see.
fn run(session: &Session, arguments: &[&OsStr]) -> Result<Ended> {
    let ended = session.run(arguments)?;
    for (what, bytes) in [("stdout", ended.bytes.as_slice()), ("stderr", ended.err.as_bytes())] {
        let acting = acting(bytes);
        ensure!(acting.is_empty(), "{arguments:?}, {what}: {acting:?}\n{}{}", ended.out, ended.err);
    }
    if arguments.iter().any(|argument| *argument == "--json") {
        for line in ended.out.lines() {
            let _: Value = serde_json::from_str(line)?;
        }
    }
    Ok(ended)
}

fn words_of<'w>(words: &[&'w str]) -> Vec<&'w OsStr> {
    words.iter().map(|word| OsStr::new(*word)).collect()
}

/// The name of an image file with a word in it.
fn file_name(word: &[u8]) -> OsString {
    let name = word.iter().map(|byte| if matches!(byte, b'/' | 0) { b'_' } else { *byte });
    OsString::from_vec(name.chain(*b".iso").collect())
}

#[test]
fn no_field_of_a_disc_acts_on_a_terminal_whatever_looks_at_it() -> Result<()> {
    let session = Session::new()?;
    for word in words() {
        let image = file_name(&word);
        let path = OsString::from_vec(word.iter().copied().filter(|b| *b != 0).collect());
        for bytes in [iso(&word), udf(&word), b"no disc".to_vec(), Vec::new()] {
            fs::write(session.path("").join(&image), &bytes)?;
            for look in LOOKS {
                run(&session, &[&words_of(look)[..], &[OsStr::new("--"), &image]].concat())?;
            }
            for (command, inside) in [("cat", &path), ("ls", &path), ("tree", &path)] {
                run(&session, &[OsStr::new(command), OsStr::new("--"), &image, inside])?;
                let missing = OsString::from_vec([inside.as_bytes(), b"/no"].concat());
                run(&session, &[OsStr::new(command), OsStr::new("--"), &image, &missing])?;
            }
            for _ in 0..2 {
                // The second time all files are there already.
                let extract = [OsStr::new("extract"), OsStr::new("-C"), &path, OsStr::new("--")];
                run(&session, &[&extract[..], &[&image]].concat())?;
            }
        }
        fs::remove_file(session.path("").join(&image))?;
    }
    // The parser of the command line repeats what it is given.
    for odd in ["--\u{1b}[2J\u{202e}", "\u{9b}2J", "x\u{7f}"] {
        for arguments in
            [&[odd][..], &["ls", odd, "a", "b"], &["mount", "a", "-o", odd], &["list", odd]]
        {
            let ended = run(&session, &words_of(arguments))?;
            assert_ne!(ended.code, 0);
        }
    }
    Ok(())
}

#[test]
fn no_name_acts_on_a_terminal_while_a_disc_is_mounted() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    for word in words() {
        for bytes in [iso(&word), udf(&word)] {
            let session = Session::new()?;
            mounted(&session, &word, &bytes)?;
        }
    }
    Ok(())
}

/// All that is printed of a mount: while it is made, while it is there, and when it goes.
fn mounted(session: &Session, word: &[u8], bytes: &[u8]) -> Result<()> {
    let image = file_name(word);
    let place = OsString::from_vec([image.as_bytes(), b".d"].concat());
    let path = session.path("").join(&image);
    fs::write(&path, bytes)?;
    let os = OsStr::new;
    if run(session, &[os("mount"), os("--strict"), os("--"), &image, &place])?.code == 0 {
        // A disc without a finding.
        ensure!(run(session, &[os("eject"), os("--"), &place])?.code == 0, "it is there");
    }
    let ended = run(session, &[os("mount"), os("--"), &image])?;
    ensure!(ended.code == 0, "{}", ended.err);
    let mount = [os("mount"), os("--json"), os("-vvv"), os("--log-file"), os("log")];
    let ended = run(session, &[&mount[..], &[os("--"), &image, &place]].concat())?;
    ensure!(ended.code == 0, "{}", ended.err);
    let open = fs::File::open(session.path("").join(&place))?;
    for command in [&["list"][..], &["list", "--json"], &["doctor"], &["doctor", "--json"]] {
        run(session, &words_of(command))?;
    }
    ensure!(run(session, &[os("eject"), os("--"), &place])?.code == 9, "it is busy");
    drop(open);
    for missing in [file_name(&[word, b"x"].concat()), OsString::from_vec(word.to_vec())] {
        run(session, &[os("eject"), os("--"), &missing])?;
    }
    let names_two = run(session, &[os("eject"), os("--"), &image])?;
    ensure!(names_two.code == 10 && names_two.err.contains("names several"), "{}", names_two.err);
    for folder in fs::read_dir(session.path("isodrive")).into_iter().flatten().flatten() {
        let name = folder.file_name();
        ensure!(acting(name.as_bytes()).is_empty(), "{name:?}");
        ensure!(!name.as_bytes().starts_with(b"-"), "{name:?}");
        run(session, &[os("eject"), os("--"), folder.path().as_os_str()])?;
    }
    ensure!(run(session, &[os("eject"), os("--"), &place])?.code == 0, "it is there");
    // The line of its end is written when nobody waits any more.
    until(std::time::Duration::from_secs(2), || {
        fs::read_to_string(session.path("log")).is_ok_and(|log| log.contains("ejected"))
    });
    let log = fs::read(session.path("log"))?;
    let acting_in_log = acting(&log);
    ensure!(acting_in_log.is_empty(), "{acting_in_log:?} in {}", String::from_utf8_lossy(&log));

    run(session, &[os("mount"), os("--all-views"), os("--"), &image, os("all")])?;
    for report in ["info.json", "findings.json"] {
        let text = fs::read(session.path("all").join(report))?;
        ensure!(acting(&text).is_empty(), "{report}: {:?}", acting(&text));
        let _: Value = serde_json::from_slice(&text)?;
    }
    ensure!(run(session, &[os("eject"), os("all")])?.code == 0, "it is there");
    Ok(())
}

#[test]
fn json_loses_no_character_of_a_name() -> Result<()> {
    let session = Session::new()?;
    for name in ["\u{7f}\u{9b}\u{202e}\u{feff}\u{e0041}", "\u{1b}\n\t\"\\", "\u{e9}\u{1f600}"] {
        fs::write(session.path("disc.iso"), udf(name.as_bytes()))?;
        let ended = session.run(&["ls", "--json", "disc.iso"])?;
        let lines: Vec<Value> =
            ended.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let names: Vec<&str> =
            lines.iter().filter_map(|line| line["path"]["name"].as_str()).collect();
        assert_eq!(names, [name, &format!("{name}.txt")], "{}", ended.out);
    }
    Ok(())
}

#[test]
fn a_windows_name_is_escaped_like_every_other() -> Result<()> {
    let session = Session::new()?;
    fs::write(session.path("disc.iso"), iso("f:\u{9b}\u{202e}\u{1b}".as_bytes()))?;
    for command in [["-v", "ls"], ["-v", "tree"]] {
        let looks = [&command[..], &["--view", "joliet", "disc.iso"]].concat();
        let ended = run(&session, &words_of(&looks))?;
        let want = "[on Windows: f\\u{f03a}\\u{9b}\\u{202e}\\u{f01b}.bin]";
        assert!(ended.out.contains(want), "{}", ended.out);
    }
    let case = corpus::repository().join("../shared/cases/attacks/windows-name-c1.iso.zst");
    if !Path::new(&case).exists() {
        println!("not compared: the shared cases are not beside this checkout");
        return Ok(());
    }
    let disc = corpus::unpack(&case)?;
    for command in [["-v", "ls"], ["-v", "tree"]] {
        let looks = [&words_of(&command)[..], &words_of(&["--view", "joliet"])].concat();
        let ended = run(&session, &[&looks[..], &[disc.path.as_os_str()]].concat())?;
        assert!(ended.out.contains("[on Windows: "), "{}", ended.out);
    }
    Ok(())
}
