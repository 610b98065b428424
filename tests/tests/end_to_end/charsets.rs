//! Names in old character sets: sets of names as people gave them, written by iconv's idea of each
//! character set, in Rock Ridge and in plain ISO 9660.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use iso_core::volume::{Volume, resolve};
use iso_core::{Charset, Image, Limits, Options};
use isodrive_tests::corpus;
use isodrive_tests::make::craft::{Craft, FILES, Record, er, nm, px, sp};

/// Names of one disc.
struct Names {
    charset: String,
    language: String,
    names: Vec<String>,
}

/// The sets of names: a line each, the character set and the language before them.
fn sets() -> Result<Vec<Names>> {
    let table = corpus::repository().join("tests/corpus/names.txt");
    let table = std::fs::read_to_string(table)?;
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('|').map(str::to_owned);
            let charset = fields.next().context("a character set")?;
            let language = fields.next().context("a language")?;
            Ok(Names { charset, language, names: fields.collect() })
        })
        .collect()
}

/// Names in a character set, by iconv.
fn recorded(names: &[String], charset: &str) -> Result<Vec<Vec<u8>>> {
    let mut child = Command::new("iconv")
        .args(["-f", "UTF-8", "-t", charset])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("iconv writes names of old discs")?;
    child.stdin.take().context("a pipe")?.write_all(names.join("\n").as_bytes())?;
    let bytes = child.wait_with_output()?.stdout;
    Ok(bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
}

/// A disc whose root has an empty file of each name, which Rock Ridge or the identifier gives.
fn disc(names: &[Vec<u8>], is_rock_ridge: bool) -> Vec<u8> {
    let records = names.iter().enumerate().map(|(number, name)| match is_rock_ridge {
        true => Record::file(format!("F{number}.;1"), FILES, 0).with(&[px(0o100_644), nm(0, name)]),
        false => Record::file([name.as_slice(), b";1"].concat(), FILES, 0),
    });
    let records: Vec<_> = records.collect();
    let mut craft = Craft::new();
    match is_rock_ridge {
        true => craft.root_with(&[sp(0), px(0o040_755), er()], &records),
        false => craft.root(&records),
    };
    craft.image()
}

fn open(image: Vec<u8>, charset: Charset) -> Result<std::sync::Arc<dyn Volume>> {
    let options = Options { charset, ..Options::default() };
    Ok(Image::open_with(Box::new(image), Limits::default(), &options)?.choose(None)?.volume)
}

fn shown(volume: &dyn Volume) -> Result<Vec<String>> {
    let dir = volume.read_dir(volume.root())?;
    Ok(dir.iter().map(|entry| String::from_utf8_lossy(entry.name).into_owned()).collect())
}

#[test]
fn names_in_23_character_sets_are_read_as_they_were_written() -> Result<()> {
    let sets = sets()?;
    assert_eq!(sets.len(), 34);
    let mut wrong = Vec::new();
    for Names { charset, language, names } in &sets {
        let recorded = recorded(names, charset)?;
        for is_rock_ridge in [true, false] {
            let volume = open(disc(&recorded, is_rock_ridge), Charset::Detect)?;
            let seen = shown(&*volume)?;
            if seen != *names {
                wrong.push(format!("{language} in {charset}: {seen:?}"));
            }
            let first = recorded.first().context("a name")?;
            assert!(resolve(&*volume, first, false).is_ok(), "{charset}: recorded bytes find it");
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), sets.len() * 2);
    Ok(())
}

#[test]
fn a_given_character_set_is_used_for_every_name() -> Result<()> {
    for Names { charset, names, .. } in sets()? {
        let reported = Charset::by_name(&charset).with_context(|| charset.clone())?;
        let volume = open(disc(&recorded(&names, &charset)?, true), reported)?;
        assert_eq!(shown(&*volume)?, names, "{charset}");
    }
    Ok(())
}

#[test]
fn bytes_without_a_meaning_stay_as_they_are_recorded() -> Result<()> {
    let names = [b"caf\xE9.txt".to_vec(), b"na\xEFve".to_vec(), b"odd\x81\x8D".to_vec()];
    for charset in [Charset::Detect, Charset::by_name("latin1").context("Latin-1")?] {
        let volume = open(disc(&names, true), charset)?;
        let dir = volume.read_dir(volume.root())?;
        let seen: Vec<_> = dir.iter().map(|entry| entry.name.to_vec()).collect();
        let controls = |name: &[u8]| String::from_utf8_lossy(name).chars().any(char::is_control);
        assert!(!seen.iter().any(|name| controls(name)), "{charset:?}: {seen:?}");
    }
    Ok(())
}
