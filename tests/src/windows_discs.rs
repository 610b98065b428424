//! Discs for the Windows adapter: names that Windows cannot hold, links of every kind, many names.
//! Made with xorriso from trees of this system; what has to be seen of them is the tests' business.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Result;

use crate::{corpus, sample};

/// Writes all of them into a folder, the sample disc among them.
pub fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::copy(corpus::repository().join("samples/setup-disc.iso"), folder.join("setup.iso"))?;
    let tree = tempfile::tempdir_in(corpus::scratch()?)?;
    for (name, fill) in
        [("names.iso", names as fn(&Path) -> Result<()>), ("links.iso", links), ("many.iso", many)]
    {
        let tree = tree.path().join(name);
        fs::create_dir(&tree)?;
        fill(&tree)?;
        corpus::make_image(&tree, &folder.join(name))?;
    }
    Ok(())
}

/// Each file holds its own name, so that a test can tell which one it read.
fn named(tree: &Path, name: &[u8]) -> Result<()> {
    Ok(fs::write(tree.join(OsStr::from_bytes(name)), name)?)
}

/// Names that Windows cannot hold, or takes for one another.
fn names(tree: &Path) -> Result<()> {
    for name in [
        &b"plain.txt"[..],
        b"a:b",
        b"what?",
        b"st*r",
        b"pipe|",
        b"quote\"",
        b"less<more>",
        b"back\\slash",
        b"tab\t",
        b"line\nbreak",
        b"ends.",
        b"ends ",
        b"CON",
        b"nul.txt",
        b"com1.log",
        b"ReadMe.txt",
        b"README.TXT",
        b"readme.txt",
        b"readme~2.txt",
        "caf\u{e9}".as_bytes(),
        "CAF\u{c9}".as_bytes(),
        "\u{f03a}private".as_bytes(),
        "\u{f02f}".as_bytes(),
        "\u{1f600}.txt".as_bytes(),
        "\u{212a}elvin".as_bytes(),
        b"kelvin",
    ] {
        named(tree, name)?;
    }
    let folder = tree.join("AUX");
    fs::create_dir(&folder)?;
    named(&folder, b"inside: AUX")
}

/// Links of every kind that there is.
fn links(tree: &Path) -> Result<()> {
    fs::create_dir_all(tree.join("folder/deeper"))?;
    fs::create_dir(tree.join("other"))?;
    fs::write(tree.join("folder/file"), "in the folder")?;
    fs::write(tree.join("other/README"), "upper")?;
    fs::write(tree.join("other/readme"), "lower")?;
    for (target, link) in [
        ("folder/file", "to-file"),
        ("folder", "to-folder"),
        ("../other/readme", "folder/to-lower"),
        ("../../other/./README", "folder/deeper/to-upper"),
        ("to-folder/to-lower", "through-links"),
        ("folder/deeper/../file", "with-dots"),
        ("missing/file", "to-nothing"),
        (".", "to-itself"),
        ("/etc/passwd", "absolute"),
        ("../outside", "outside"),
        ("loop-b", "loop-a"),
        ("loop-a", "loop-b"),
    ] {
        symlink(target, tree.join(link))?;
    }
    let made = std::process::Command::new("mkfifo").arg(tree.join("pipe")).status()?;
    anyhow::ensure!(made.success(), "mkfifo");
    Ok(())
}

/// A folder with many names, one of them as long as there are, and files of telling sizes.
fn many(tree: &Path) -> Result<()> {
    let folder = tree.join("many");
    fs::create_dir(&folder)?;
    for number in 0..500 {
        let name = format!("File name {number:03} \u{e9}\u{4e2d}.bin");
        fs::write(folder.join(name), sample::contents(number))?;
    }
    fs::write(folder.join("L".repeat(250)), "")?;
    for size in [0usize, 1, 2047, 2048, 2049, 70_000, 3_000_000] {
        fs::write(tree.join(format!("size-{size}")), sample::contents(size))?;
    }
    Ok(())
}
