//! What rustfmt and clippy do not see: caps on files and functions, module headers, clauses beside
//! layouts, the dependency ban of the core, paths that documents name.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{circles, formats};

const MAX_FILE_LINES: usize = 600;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_WIDTH: usize = 100;

/// Standards whose clauses layouts cite.
const STANDARDS: [&str; 13] = [
    "ECMA-119",
    "ECMA-167",
    "UDF ",
    "SUSP ",
    "RRIP ",
    "El Torito",
    "zisofs format",
    "High Sierra",
    "Inside Macintosh",
    "TN1150",
    "UEFI ",
    "FAT ",
    "EROFS on-disk format",
];

/// Crates that must not be anywhere below the core, and those it must not use itself. (memmap2
/// brings libc in on Unix; the core calls none of it.)
const BANNED_BELOW_CORE: [&str; 6] = ["fuser", "winfsp", "clap", "tokio", "nix", "rustix"];
const BANNED_IN_CORE: [&str; 1] = ["libc"];

/// Words of everyday life that stood for mechanisms. CONTRIBUTING has the terms in their place.
const RETIRED: [&str; 10] =
    ["told", "Told", "Dear", "let_go", "letting_go", "LetGo", "mouth", "ear", "is_it", "Turns"];

/// Where retired words may stand: where it is written why one was retired, and this list.
const WITH_RETIRED: [&str; 2] = ["docs/DECISIONS.md", "xtask/src/tidy.rs"];

/// Runs every rule and gives all complaints at once.
pub fn run(root: &Path) -> Result<()> {
    let mut complaints = Vec::new();
    for file in sources(root)? {
        let text = fs::read_to_string(root.join(&file)).with_context(|| file.clone())?;
        check_source(&file, &text, &mut complaints);
        check_words(&file, &text, &mut complaints);
    }
    for file in tracked(root, "*.md")? {
        let text = fs::read_to_string(root.join(&file)).with_context(|| file.clone())?;
        check_words(&file, &text, &mut complaints);
    }
    check_dependencies(root, &mut complaints)?;
    check_licences(root, &mut complaints)?;
    check_named_paths(root, &mut complaints)?;
    formats::check(root, &sources(root)?, &mut complaints)?;
    circles::check(root, &mut complaints)?;
    for complaint in &complaints {
        println!("tidy: {complaint}");
    }
    ensure!(complaints.is_empty(), "{} things are untidy", complaints.len());
    Ok(())
}

/// Rust sources that git tracks or would track.
fn sources(root: &Path) -> Result<Vec<String>> {
    tracked(root, "*.rs")
}

/// Files of a kind that git tracks or would track.
fn tracked(root: &Path, kind: &str) -> Result<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", kind];
    let output = Command::new("git").args(arguments).current_dir(root).output()?;
    ensure!(output.status.success(), "git ls-files failed");
    let listed = String::from_utf8(output.stdout)?;
    Ok(listed.lines().filter(|file| root.join(file).is_file()).map(str::to_owned).collect())
}

fn check_source(file: &str, text: &str, complaints: &mut Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > MAX_FILE_LINES {
        complaints.push(format!("{file} has {} lines, {MAX_FILE_LINES} at most", lines.len()));
    }
    if !text.starts_with("//! ") {
        complaints.push(format!("{file} does not begin by saying what it is for"));
    }
    for (number, line) in lines.iter().enumerate() {
        let at = format!("{file}:{}", number + 1);
        if !line.is_ascii() {
            complaints.push(format!("{at} is not plain ASCII"));
        }
        if line.len() > MAX_WIDTH {
            complaints.push(format!("{at} is {} wide, {MAX_WIDTH} at most", line.len()));
        }
        if line.contains(concat!("TO", "DO")) && !line.contains('#') {
            complaints.push(format!("{at} leaves work without an issue"));
        }
        if line.trim() == concat!("#[ign", "ore]") {
            complaints.push(format!("{at} ignores a test without a reason"));
        }
        let is_format = file.starts_with("iso-core/") && !file.contains("/source/");
        if opens_an_image(file, line) {
            complaints.push(format!("{at} reads an image past confined.rs, outside the sandbox"));
        }
        if is_format && line.contains("cfg(target_os") {
            complaints.push(format!("{at} asks for the system in format code"));
        }
    }
    check_functions(file, &lines, complaints);
    check_advice(file, text, complaints);
    if file.ends_with("/disk.rs") {
        check_layouts(file, text, &lines, complaints);
    }
}

/// No retired word stands anywhere else.
fn check_words(file: &str, text: &str, complaints: &mut Vec<String>) {
    if WITH_RETIRED.contains(&file) {
        return;
    }
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(word) = words.find(|word| RETIRED.contains(word)) {
            complaints.push(format!("{file}:{} uses the retired word {word}", number + 1));
        }
    }
}

/// What to do is an `advice`, which takes fixed words and quoted commands alone: in plain text a
/// label or a path could become code of a shell.
fn check_advice(file: &str, text: &str, complaints: &mut Vec<String>) {
    let lines = text.split(concat!(".li", "ne(")).skip(1);
    let labels = ["\"try\"", "\"fix\"", "\"else\"", "\"or\""];
    let is_advice = |line: &str| labels.iter().any(|label| line.trim_start().starts_with(label));
    if file.starts_with("isodrive/src/") && lines.into_iter().any(is_advice) {
        complaints.push(format!("{file} says what to do without `advice`, which quotes"));
    }
}

/// Whether a line of the program opens an image by another way than the one into the sandbox.
fn opens_an_image(file: &str, line: &str) -> bool {
    let is_way = file.ends_with("/confined.rs") || file == "isodrive/src/image.rs";
    let opens = ["open_path(", "from_parts(", "FileSource::", "Image::open"];
    file.starts_with("isodrive/src/") && !is_way && opens.iter().any(|call| line.contains(call))
}

/// Functions end at a brace as far in as they begin: rustfmt has run before.
fn check_functions(file: &str, lines: &[&str], complaints: &mut Vec<String>) {
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let mut words = code.split(' ').skip_while(|word| {
            matches!(*word, "const" | "unsafe" | "async" | "pub") || word.starts_with("pub(")
        });
        if words.next() != Some("fn") {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let is_end =
            |line: &&&str| **line == format!("{indent}}}") || line.trim_end().ends_with("{}");
        let after = lines[start..].iter().position(|line| is_end(&line)).unwrap_or(0);
        if after + 1 > MAX_FUNCTION_LINES {
            let name = words.next().unwrap_or_default();
            complaints.push(format!("{file}:{} {name} has {} lines", start + 1, after + 1));
        }
    }
}

/// Every layout cites its clause and has its size asserted.
fn check_layouts(file: &str, text: &str, lines: &[&str], complaints: &mut Vec<String>) {
    for (number, line) in lines.iter().enumerate() {
        let Some(rest) = line.strip_prefix("pub(crate) struct ") else { continue };
        let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let above = lines[..number].iter().rev().take_while(|l| !l.trim().is_empty());
        let doc: String = above.filter(|l| l.starts_with("///")).copied().collect();
        if !STANDARDS.iter().any(|standard| doc.contains(standard)) {
            complaints.push(format!("{file}:{} {name} cites no clause", number + 1));
        }
        let is_number = name.starts_with("Both");
        if !is_number && !text.contains(&format!("size_of::<{name}>()")) {
            complaints.push(format!("{file}:{} {name} has no asserted size", number + 1));
        }
    }
}

fn check_dependencies(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    for (depth, banned) in [("99", &BANNED_BELOW_CORE[..]), ("1", &BANNED_IN_CORE[..])] {
        let arguments = ["tree", "--package", "iso-core", "--edges", "normal", "--prefix", "none"];
        let mut command = Command::new("cargo");
        command.args(arguments).args(["--depth", depth, "--target", "all"]).current_dir(root);
        let output = command.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout)?;
        let names = tree.lines().filter_map(|line| line.split(' ').next());
        for name in names.filter(|name| banned.contains(name)) {
            complaints.push(format!("iso-core depends on {name}"));
        }
    }
    Ok(())
}

/// Nothing of WinFsp, whose crates are under the GPL, is in the program for Linux.
fn check_licences(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    let arguments =
        ["tree", "--package", "isodrive", "--edges", "normal,build", "--prefix", "none"];
    let mut command = Command::new("cargo");
    command.args(arguments).args(["--target", "x86_64-unknown-linux-gnu"]).current_dir(root);
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout)?;
    let is_winfsp = |name: &&str| name.contains("winfsp");
    for name in tree.lines().filter_map(|line| line.split(' ').next()).filter(is_winfsp) {
        complaints.push(format!("the program for Linux depends on {name}, which is GPL"));
    }
    Ok(())
}

/// Paths in backticks in the documents must exist.
fn check_named_paths(root: &Path, complaints: &mut Vec<String>) -> Result<()> {
    for document in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let text = fs::read_to_string(root.join(document)).with_context(|| document.to_owned())?;
        for quoted in text.split('`').skip(1).step_by(2) {
            let is_path = quoted.contains('/')
                && quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
                && !quoted.starts_with(['/', '.', '~'])
                // What a build leaves there is no file of the repository.
                && !quoted.starts_with("target/");
            if is_path && !root.join(quoted).exists() {
                complaints.push(format!("{document} names {quoted}, which is not there"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retired_words_are_refused_but_where_they_are_listed() {
        for (file, line, is_refused) in [
            ("iso-core/src/x.rs", "/// What is told of it.", true),
            ("iso-core/src/x.rs", "Data::Told(bytes)", true),
            ("iso-core/src/x.rs", "let untold = early;", false),
            ("README.md", "as it was told", true),
            ("tests/src/x.rs", "// told", true),
            ("docs/DECISIONS.md", "told was retired", false),
        ] {
            let mut complaints = Vec::new();
            check_words(file, line, &mut complaints);
            assert_eq!(!complaints.is_empty(), is_refused, "{file}: {line}");
        }
    }

    fn complaints(file: &str, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        check_source(file, text, &mut complaints);
        complaints
    }

    #[test]
    fn untidy_sources_are_named() {
        let long = format!("//! x\nfn f() {{\n{}}}\n", "    a();\n".repeat(69));
        let layout = "//! x\n/// A thing.\npub(crate) struct Thing {\n}\n";
        for (file, text, want) in [
            ("a.rs", "fn f() {}\n", "does not begin by saying"),
            ("a.rs", "//! x\nlet a = \"\u{e9}\";\n", "is not plain ASCII"),
            ("isodrive/src/a.rs", "//! x\nf.line(\n    \"try\", x);\n", "without `advice`"),
            ("a.rs", &format!("//! x\n//{}\n", "x".repeat(99)), "is 101 wide"),
            ("a.rs", &"//! x\n".repeat(601), "has 601 lines"),
            ("a.rs", &long, "f() has 71 lines"),
            ("iso-core/src/udf/disk.rs", layout, "cites no clause"),
            ("iso-core/src/udf/disk.rs", layout, "has no asserted size"),
            (
                "iso-core/src/udf/tag.rs",
                "//! x\n#[cfg(target_os = \"linux\")]\n",
                "asks for the system",
            ),
        ] {
            let found = complaints(file, text);
            assert!(found.iter().any(|line| line.contains(want)), "{want}: {found:?}");
        }
        assert_eq!(complaints("a.rs", "//! x\nfn f() {\n    a();\n}\n"), [""; 0]);
    }
}
