//! Names that fool programs, terminals and people (H12).

use super::{Case, HEALTHY, Seen, disc, healthy, rooted};
use crate::make::craft::{FILES, Record, nm, sp};

pub(super) fn cases() -> Vec<Case> {
    [plain(), rock_ridge(), equal()].into_iter().flatten().collect()
}

fn file() -> Seen {
    Seen::File(HEALTHY.to_vec())
}

fn record(name: impl AsRef<[u8]>) -> Record {
    Record::file(name, FILES, HEALTHY.len())
}

/// Names of the plain tree.
fn plain() -> Vec<Case> {
    let image = |names: &[&[u8]]| disc(&names.iter().map(record).collect::<Vec<_>>()).image();
    let version_only = &b";1"[..];
    vec![
        Case::new("H12", "a name that is a version alone", image(&[version_only]))
            .shows([(";1", file())]),
        Case::new("H12", "dots", image(&[b".", b"..", b"...;1"])).shows([
            ("_", file()),
            ("__", file()),
            ("...", file()),
        ]),
        Case::new("H12", "slashes", image(&[b"/", b"../../etc/passwd;1", b"A/B"])).shows([
            ("_", file()),
            (".._.._etc_passwd", file()),
            ("A_B", file()),
        ]),
        Case::new("H12", "zero bytes", image(&[b"A\0B;1", b"\0\0"]))
            .shows([("A_B", file()), ("__", file())]),
        Case::new("H12", "a new line and an escape", image(&[b"A\nB", b"\x1b[31mRED"]))
            .shows([("A\nB", file()), ("\x1b[31mRED", file())]),
        Case::new("H12", "a name of 190 bytes", image(&[&[b'X'; 190]]))
            .shows([(vec![b'X'; 190], file())]),
    ]
}

/// Names that Rock Ridge gives.
fn rock_ridge() -> Vec<Case> {
    let image = |names: &[&[u8]]| {
        let numbered = names.iter().enumerate();
        let records: Vec<Record> = numbered
            .map(|(number, name)| {
                let parts = name.chunks(120).collect::<Vec<_>>();
                let last = parts.len().saturating_sub(1);
                let entries: Vec<Vec<u8>> = match parts.is_empty() {
                    true => vec![nm(0, b"")],
                    false => parts
                        .iter()
                        .enumerate()
                        .map(|(at, part)| nm(u8::from(at < last), part))
                        .collect(),
                };
                record(format!("F{number}.;1")).with(&entries)
            })
            .collect();
        let mut all = records;
        all.push(healthy().with(&[nm(0, "OK.TXT")]));
        let mut craft = rooted(&[sp(0)], &[]);
        craft.root_with(&[sp(0)], &all);
        craft.image()
    };
    let same = |name: &'static [u8]| (name, file());
    vec![
        Case::new("H12", "an empty Rock Ridge name", image(&[b""])).shows([("_", file())]),
        Case::new("H12", "Rock Ridge dots", image(&[b".", b".."]))
            .shows([("_", file()), ("__", file())]),
        Case::new("H12", "Rock Ridge slashes and zeros", image(&[b"../up", b"/etc", b"a\0b"]))
            .shows([(".._up", file()), ("_etc", file()), ("a_b", file())]),
        Case::new(
            "H12",
            "what acts on a terminal",
            image(&[b"\x1b]0;own\x07", b"\xc2\x9b31m", "txt.\u{202e}exe".as_bytes(), b"\x7f"]),
        )
        .shows([
            same(b"\x1b]0;own\x07"),
            same(b"\xc2\x9b31m"),
            same("txt.\u{202e}exe".as_bytes()),
            same(b"\x7f"),
        ]),
        Case::new(
            "H12",
            "what Windows takes otherwise",
            image(&[b"CON", b"a:b", b"dot.", b"blank ", b"-rf", b"~", b"nul.txt"]),
        )
        .shows([
            same(b"CON"),
            same(b"a:b"),
            same(b"dot."),
            same(b"blank "),
            same(b"-rf"),
            same(b"~"),
            same(b"nul.txt"),
        ]),
    ]
}

/// Names that are equal, or are so for a system that ignores case.
fn equal() -> Vec<Case> {
    let image = |names: &[&str]| disc(&names.iter().map(record).collect::<Vec<_>>()).image();
    let numbered = &["has names that are not unique"][..];
    let many: Vec<String> = (0..300).map(|_| "SAME.TXT;1".to_owned()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let shown = (2..=300).map(|n| format!("SAME~{n}.TXT")).chain(["SAME.TXT".to_owned()]);
    vec![
        Case::new("H12", "one version twice", image(&["A.TXT;1", "A.TXT;1"]))
            .shows([("A.TXT", file()), ("A~2.TXT", file())])
            .reported(numbered),
        Case::new("H12", "the name of the healthy file before it", image(&["OK.TXT;9"]))
            .shows([("OK.TXT;1", file())]),
        Case::new("H12", "names that differ in case", image(&["a.txt", "A.TXT"]))
            .shows([("a.txt", file()), ("A.TXT", file())]),
        Case::new("H12", "a number that is taken", image(&["A", "A", "A~2", "A~3"])).shows([
            ("A", file()),
            ("A~4", file()),
            ("A~2", file()),
            ("A~3", file()),
        ]),
        Case::new("H12", "300 equal names", image(&many)).shows(shown.map(|name| (name, file()))),
    ]
}
