//! Documents that name their tests: every feature in `docs/FORMATS.md` is in one of three states,
//! and every paragraph of `docs/SEMANTICS.md` is proved. Reads documents and sources.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const DOCUMENT: &str = "docs/FORMATS.md";
const SEMANTICS: &str = "docs/SEMANTICS.md";

/// Complains about rows in no known state, and about tests that are not there.
pub fn check(root: &Path, sources: &[String], complaints: &mut Vec<String>) -> Result<()> {
    let mut tests = HashSet::new();
    for file in sources {
        let text = fs::read_to_string(root.join(file)).with_context(|| file.clone())?;
        tests.extend(test_names(&text));
    }
    let text = fs::read_to_string(root.join(DOCUMENT)).context(DOCUMENT)?;
    check_rows(&text, &tests, complaints);
    let text = fs::read_to_string(root.join(SEMANTICS)).context(SEMANTICS)?;
    check_paragraphs(&text, &tests, complaints);
    Ok(())
}

/// Complains about statements without a test, or with one that is not there. Headings and what
/// stands before the first of them state nothing.
fn check_paragraphs(text: &str, tests: &HashSet<String>, complaints: &mut Vec<String>) {
    let stated = text.split_once("\n## ").map_or("", |(_, stated)| stated);
    for paragraph in stated.split("\n\n").skip(1).map(str::trim) {
        if paragraph.is_empty() || paragraph.starts_with("## ") {
            continue;
        }
        let head = paragraph.lines().next().unwrap_or_default();
        let named = paragraph.split_once("\nTests: ").map_or("", |(_, named)| named);
        let mut names = named.split('`').skip(1).step_by(2).peekable();
        if names.peek().is_none() {
            complaints.push(format!("{SEMANTICS}: \"{head}\" names no test"));
        }
        for name in names.filter(|name| !tests.contains(*name)) {
            complaints.push(format!("{SEMANTICS}: \"{head}\" names {name}, which is not there"));
        }
    }
}

/// The names of the tests in a source.
fn test_names(text: &str) -> Vec<String> {
    let mut lines = text.lines().map(str::trim);
    let mut names = Vec::new();
    while let Some(line) = lines.next() {
        if line != "#[test]" {
            continue;
        }
        let declared = lines.by_ref().find(|line| line.starts_with("fn "));
        let name = declared.and_then(|line| line.strip_prefix("fn ")?.split('(').next());
        names.extend(name.map(str::to_owned));
    }
    names
}

fn check_rows(text: &str, tests: &HashSet<String>, complaints: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        let at = format!("{DOCUMENT}:{}", number + 1);
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", _, feature, state, named, ""] = cells[..] else { continue };
        if state == "state" || state.starts_with("--") {
            continue;
        }
        let named: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        match state {
            "proved" if named.is_empty() => {
                complaints.push(format!("{at} says that {feature} is proved, and names no test"));
            }
            "proved" => {
                for name in named.iter().filter(|name| !tests.contains(**name)) {
                    complaints.push(format!("{at} names the test {name}, which is not there"));
                }
            }
            "read" | "absent" if named.is_empty() => {}
            "read" | "absent" => {
                complaints.push(format!("{at} names a test for what is said to be {state}"));
            }
            _ => complaints.push(format!("{at} is in no known state: {state}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_a_state_or_a_test_are_named() {
        let tests = HashSet::from(["there".to_owned()]);
        for (row, want) in [
            ("| 1 | a | proved | `there` |", ""),
            ("| 1 | a | read | |", ""),
            ("| clause | feature | state | test |", ""),
            ("| 1 | a | proved | |", "names no test"),
            ("| 1 | a | proved | `gone` |", "names the test gone"),
            ("| 1 | a | absent | `there` |", "names a test for what is said to be absent"),
            ("| 1 | a | soon | |", "is in no known state: soon"),
        ] {
            let mut complaints = Vec::new();
            check_rows(row, &tests, &mut complaints);
            assert_eq!(complaints.is_empty(), want.is_empty(), "{row}: {complaints:?}");
            assert!(complaints.iter().all(|line| line.contains(want)), "{row}: {complaints:?}");
        }
    }

    #[test]
    fn paragraphs_without_a_test_are_named() {
        let tests = HashSet::from(["there".to_owned()]);
        for (paragraph, want) in [
            ("**One.** It is so.\nTests: `there`.", ""),
            ("**One.** It is so.", "names no test"),
            ("**One.** It is so.\nTests: `there`, `gone`.", "names gone"),
        ] {
            let text = format!("# Title\n\nAbout it.\n\n## Part\n\n{paragraph}\n\n## End\n");
            let mut complaints = Vec::new();
            check_paragraphs(&text, &tests, &mut complaints);
            assert_eq!(complaints.is_empty(), want.is_empty(), "{paragraph}: {complaints:?}");
            assert!(complaints.iter().all(|line| line.contains(want)), "{complaints:?}");
        }
    }

    #[test]
    fn tests_are_found_by_their_attribute() {
        let text =
            "    #[test]\n    fn one() {}\n\n#[test]\n#[cfg(unix)]\nfn two() {}\nfn three() {}\n";
        assert_eq!(test_names(text), ["one", "two"]);
    }
}
