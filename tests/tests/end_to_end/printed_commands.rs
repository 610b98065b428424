//! Commands that isodrive prints: a shell runs nothing but them, with the words that were meant,
//! whatever a disc or a file is called.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use isodrive_tests::corpus;
use isodrive_tests::hostile_words;
use isodrive_tests::make::craft::{Craft, FILES, Record};
use isodrive_tests::program::{self, Ended, NOBODY, Session, can_mount};

/// A disc with a label and a finding.
fn disc(label: &[u8]) -> Vec<u8> {
    let mut craft = Craft::new();
    craft.put(FILES, b"hello\n");
    let damaged = Record { name_len: Some(0xFF), ..Record::file("DAMAGED.;1", FILES, 6) };
    craft.root(&[Record::file("FILE.TXT;1", FILES, 6), damaged]);
    let label = &label[..label.len().min(32)];
    craft.patch(16, 40, &[b' '; 32]);
    craft.patch(16, 40, label);
    craft.image()
}

/// Programs that only write down what they are called with, and the shells to call them from.
struct Shells {
    folder: tempfile::TempDir,
    shells: Vec<String>,
}

const RECORDER: &str = "#!/bin/sh
printf '%s\\0' \"${0##*/}\" \"$@\" >> \"$CALLS\"
echo >> \"$CALLS\"
";

impl Shells {
    /// The shells of this system, and those that `ISODRIVE_TEST_SHELLS` names, parted by colons.
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir_in(corpus::scratch()?)?;
        let programs = folder.path().join("programs");
        fs::create_dir(&programs)?;
        for name in ["isodrive", "umount", "sudo", "ls"] {
            let path = programs.join(name);
            fs::write(&path, RECORDER)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        std::os::unix::fs::symlink("/usr/bin/touch", programs.join("touch"))?;
        let more = std::env::var("ISODRIVE_TEST_SHELLS").unwrap_or_default();
        let all = ["/bin/sh", "/bin/dash", "/bin/bash", "/bin/zsh", "/usr/bin/fish"];
        let all = all.into_iter().chain(more.split(':').filter(|shell| !shell.is_empty()));
        let shells = all.filter(|shell| Path::new(shell).exists()).map(str::to_owned);
        let shells: Vec<String> = shells.collect();
        println!("shells: {shells:?}");
        ensure!(shells.iter().any(|shell| shell == "/bin/bash"), "there is no bash");
        Ok(Self { folder, shells })
    }

    /// What one shell does with a command: the words of the one program that it calls; nothing
    /// where it calls none.
    fn words(&self, shell: &str, command: &str) -> Result<Option<Vec<OsString>>> {
        let (here, calls) = (self.folder.path().join("empty"), self.folder.path().join("calls"));
        fs::create_dir(&here)?;
        Command::new(shell)
            .args(["-c", command])
            .current_dir(&here)
            .env_clear()
            .env("PATH", self.folder.path().join("programs"))
            .env("CALLS", &calls)
            .output()?;
        let left: Vec<_> = fs::read_dir(&here)?.flatten().map(|file| file.file_name()).collect();
        ensure!(left.is_empty(), "{shell} made {left:?} of {command:?}");
        fs::remove_dir(&here)?;
        let Ok(called) = fs::read(&calls) else { return Ok(None) };
        fs::remove_file(&calls)?;
        let called = called.strip_suffix(b"\0\n").context("an end")?;
        let words = called.split(|byte| *byte == 0);
        Ok(Some(words.map(|word| OsString::from_vec(word.to_vec())).collect()))
    }

    /// Runs a command in every shell: nothing but the one program may be called, and with the same
    /// words everywhere. Shells without `$'..'` call it with another last word, or not at all.
    /// Gives the words.
    fn try_command(&self, command: &str) -> Result<Vec<OsString>> {
        let want = self.words("/bin/bash", command)?.context("bash calls nothing")?;
        for shell in &self.shells {
            let words = self.words(shell, command)?;
            let is_known = ["bash", "zsh"].iter().any(|name| shell.ends_with(name));
            if is_known || !command.contains("$'") {
                ensure!(words.as_ref() == Some(&want), "{shell}, {command:?}: {words:?}");
            } else if let Some(words) = words {
                let (Some((_, words)), Some((_, want))) = (words.split_last(), want.split_last())
                else {
                    bail!("{shell}, {command:?}: no words");
                };
                ensure!(words == want, "{shell}, {command:?}: {words:?}");
            }
        }
        Ok(want)
    }
}

/// The command in the line of an output that has this beginning.
fn command<'o>(output: &'o str, line: &str, program: &str) -> Result<&'o str> {
    let found = output.lines().find(|other| other.starts_with(line));
    let found = found.with_context(|| format!("no line {line:?} in {output:?}"))?;
    let at = found.find(program).with_context(|| format!("no {program:?} in {found:?}"))?;
    Ok(&found[at..])
}

/// Whether the words are these fixed ones and then an operand, behind `--` where that is needed.
fn check(words: &[OsString], fixed: &[&str], operand: &OsStr) -> Result<()> {
    let mut want: Vec<OsString> = fixed.iter().map(OsString::from).collect();
    if operand.as_bytes().starts_with(b"-") {
        want.push("--".into());
    }
    want.push(operand.into());
    ensure!(words == want, "{words:?}, not {want:?}");
    Ok(())
}

/// A file name with these bytes, as far as the kernel allows.
fn file_name(word: &[u8]) -> OsString {
    let name: Vec<u8> = word.iter().map(|byte| if *byte == b'/' { b'_' } else { *byte }).collect();
    OsString::from_vec(name)
}

#[test]
fn every_printed_command_is_that_command_and_nothing_else() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let shells = Shells::new()?;
    let words = hostile_words::all();
    assert!(words.len() > 100, "{}", words.len());
    for word in &words {
        one_word(&shells, word)
            .with_context(|| format!("{:?}", word.escape_ascii().to_string()))?;
    }
    println!("{} words, {} shells", words.len(), shells.shells.len());
    Ok(())
}

/// A disc with a hostile label, in a file of that name, mounted at a place of that name.
fn one_word(shells: &Shells, word: &[u8]) -> Result<()> {
    let session = Session::new()?;
    let (image, place) = (file_name(&[word, b".iso"].concat()), file_name(&[word, b".d"].concat()));
    fs::write(session.path("").join(&image), disc(word))?;
    fs::write(session.path("other.iso"), disc(b"OTHER"))?;
    let at = session.path("").join(&place);
    let run = |arguments: &[&OsStr]| -> Result<Ended> {
        let ended = session.run(arguments)?;
        let acting =
            hostile_words::acting(&[ended.bytes.as_slice(), ended.err.as_bytes()].concat());
        ensure!(acting.is_empty(), "{arguments:?} prints {acting:?}");
        Ok(ended)
    };
    let os = OsStr::new;

    let ended = run(&[os("ls"), os("--session"), os("99"), os("--"), &image])?;
    let words = shells.try_command(command(&ended.err, "  try", "isodrive info ")?)?;
    check(&words, &["isodrive", "info"], &image)?;

    // By its label, below the home.
    let ended = run(&[os("mount"), os("--"), &image])?;
    ensure!(ended.code == 0, "{}", ended.err);
    let by_label = shells.try_command(command(&ended.out, "eject with:", "isodrive ")?)?;
    // At a place of that name.
    let ended = run(&[os("mount"), os("--"), &image, &place])?;
    ensure!(ended.code == 0, "{}", ended.err);
    let by_place = shells.try_command(command(&ended.out, "eject with:", "isodrive ")?)?;
    // A plain name is enough where it leads to the mount from here.
    check(&by_place, &["isodrive", "eject"], at.as_os_str())
        .or_else(|_| check(&by_place, &["isodrive", "eject"], &place))?;
    let ended = run(&[os("mount"), os("--"), os("other.iso"), &place])?;
    ensure!(ended.code == 7, "{}", ended.err);
    let words = shells.try_command(command(&ended.err, "  try", "isodrive ")?)?;
    check(&words, &["isodrive", "eject"], at.as_os_str())?;
    let open = fs::File::open(&at)?;
    let ended = run(&[os("eject"), os("--"), &place])?;
    ensure!(ended.code == 9, "{}", ended.err);
    let words = shells.try_command(command(&ended.err, "  try", "isodrive ")?)?;
    check(&words, &["isodrive", "eject", "--lazy"], at.as_os_str())?;
    drop(open);

    // What is printed does what it says.
    for words in [by_label, by_place] {
        let ended = run(&words[1..].iter().map(OsString::as_os_str).collect::<Vec<_>>())?;
        ensure!(ended.code == 0, "{words:?}: {}", ended.err);
    }
    ensure!(session.list()?.is_empty(), "both are ejected");
    Ok(())
}

#[test]
fn a_folder_that_is_called_like_a_mount_is_not_taken_for_it() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::with_disc()?;
    fs::create_dir(session.path("SETUP_EN_DVD"))?;
    let ended = session.run(&["mount", "disc.iso"])?;
    let at = session.path("isodrive/SETUP_EN_DVD");
    assert!(ended.out.ends_with(&format!("isodrive eject {}\n", at.display())), "{}", ended.out);
    fs::remove_dir(session.path("SETUP_EN_DVD"))?;
    let ended = session.run(&["mount", "disc.iso"])?;
    assert!(ended.out.ends_with("isodrive eject SETUP_EN_DVD\n"), "{}", ended.out);
    // Two mounts of that name: it would be an error.
    let other = session.mount(&["disc.iso", "below/SETUP_EN_DVD"]);
    assert!(other.is_err(), "its folder is missing");
    fs::create_dir(session.path("below"))?;
    session.mount(&["disc.iso", "below/SETUP_EN_DVD"])?;
    let ended = session.run(&["mount", "disc.iso", at.to_str().unwrap()])?;
    assert!(ended.out.ends_with(&format!("isodrive eject {}\n", at.display())), "{}", ended.out);
    Ok(())
}

#[test]
fn what_may_not_be_read_is_shown_by_a_command_that_is_quoted() -> Result<()> {
    if !program::is_root("to be another user") {
        return Ok(());
    }
    let shells = Shells::new()?;
    let folder = tempfile::tempdir()?;
    chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
    let copy: PathBuf = folder.path().join("program");
    fs::copy(program::path()?, &copy)?;
    for word in hostile_words::all() {
        let name = file_name(&[&word, &b".iso"[..]].concat());
        let image = folder.path().join(&name);
        fs::write(&image, b"")?;
        fs::set_permissions(&image, fs::Permissions::from_mode(0o000))?;
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&copy)
            .args([OsStr::new("info"), OsStr::new("--"), &name])
            .current_dir(folder.path())
            .output()?;
        let ended = Ended::of(&output);
        assert_eq!(ended.code, 3, "{}", ended.err);
        assert_eq!(hostile_words::acting(&output.stderr), [""; 0], "{name:?}");
        let words = shells.try_command(command(&ended.err, "  try", "ls -l")?)?;
        check(&words, &["ls", "-l"], &name)?;
    }
    Ok(())
}
