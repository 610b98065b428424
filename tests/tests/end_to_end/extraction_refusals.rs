//! What a destination does not take: files larger than a limit, more files than a file system has
//! room for, things in the way. The reason is given, and advice only where it helps.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use isodrive_tests::corpus;
use isodrive_tests::program::{Ended, Session};

use super::extraction_life::on_a_small_disk;

/// A session with `x.iso`: files `a`, `c`, `d/e` of a few bytes, `large` of 300 000, a link to `a`.
fn with_disc() -> Result<Session> {
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir_all(tree.join("d"))?;
    for (name, len) in [("a", 10), ("c", 10), ("large", 300_000), ("d/e", 10)] {
        fs::write(tree.join(name), vec![7u8; len])?;
    }
    symlink("a", tree.join("link"))?;
    corpus::make_image(&tree, &session.path("x.iso"))?;
    Ok(session)
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let mut names: Vec<String> =
        entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

#[test]
fn a_file_past_the_limit_of_the_shell_is_reported_and_no_part_of_it_stays() -> Result<()> {
    let session = with_disc()?;
    let limited = "ulimit -f 100; exec \"$0\" \"$@\"";
    let escape = env!("CARGO_BIN_EXE_escape");
    for (out, wrapper) in [
        ("nameless", &["bash", "-c", limited][..]),
        ("hidden", &["bash", "-c", limited, escape, "no-names"]),
    ] {
        let arguments = ["extract", "x.iso", "-C", out];
        let ended = Ended::of(&session.command_under(wrapper, &arguments)?.output()?);
        assert_eq!(ended.code, 1, "{out}: {}", ended.err);
        assert_eq!(
            ended.err,
            "warning: \"large\" is left out: File too large\n\
             error: 1 file could not be written: 3 of 4 files written\n  \
             cause   files may not be that large here: by the file system, or by ulimit -f\n"
        );
        assert_eq!(names(&session.path(out))?, ["a", "c", "d", "link"], "{out}");
    }
    let wrapper = ["bash", "-c", "ulimit -f 100; exec \"$0\" \"$@\" > to"];
    let ended = Ended::of(&session.command_under(&wrapper, &["cat", "x.iso", "large"])?.output()?);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("File too large"), "{}", ended.err);
    Ok(())
}

#[test]
fn more_files_than_a_file_system_takes_are_refused_before_anything_is_written() -> Result<()> {
    let session = with_disc()?;
    let few = |count: u32| {
        let script = format!(
            "mount -t tmpfs -o nr_inodes={count} none small && \
             \"$0\" extract x.iso -C small"
        );
        on_a_small_disk(&session, 4096, &script)
    };
    // The root of the file system is one. A link may be left out, so that it does not count.
    let Some(ended) = few(5)? else { return Ok(()) };
    assert_eq!((ended.code, &*ended.out), (1, ""), "{}", ended.err);
    let want = "error: there are 5 files and directories to write, and the file system takes 4 \
                more, of whatever size\n  try     another folder";
    assert!(ended.err.starts_with(want), "{}", ended.err);
    // What was not certain before is reported then.
    let ended = few(6)?.context("as before")?;
    assert_eq!(ended.code, 1, "{}", ended.err);
    let want = "No space left on device: ";
    assert!(ended.err.contains(want), "{}", ended.err);
    let cause = "  cause   the file system takes no further file, of whatever size\n";
    assert!(ended.err.ends_with(cause), "{}", ended.err);
    let ended = few(7)?.context("as before")?;
    assert_eq!((ended.code, &*ended.err), (0, ""));
    Ok(())
}

/// Something that is in the way of an extraction.
struct Obstacle {
    make: fn(&Path) -> Result<()>,
    overwrite: bool,
    warnings: &'static [&'static str],
    advice: Option<&'static str>,
}

const REPLACE: Option<&str> = Some("--overwrite, to replace those that are there already");
const MOVE: Option<&str> = Some("another folder, or move away what is in the place of others");

#[test]
fn what_is_in_the_way_is_named_and_overwrite_is_advised_only_where_it_helps() -> Result<()> {
    const FILE: &str = "\"a\" is left out: a file of that name is there";
    const LINK: &str = "\"link\" is left out: a file of that name is there";
    const DIRECTORY: &str = "\"a\" is left out: a directory of that name is there";
    const ABOVE: &str = "\"d\" is left out: a file is there in the place of a directory";
    const BELOW: &str = "\"d/e\" is left out: a file is there in the place of a directory";
    let a_file = |out: &Path| Ok(fs::write(out.join("a"), b"mine")?);
    let a_link = |out: &Path| Ok(symlink("nowhere", out.join("link"))?);
    let a_directory = |out: &Path| Ok(fs::create_dir_all(out.join("a/x"))?);
    let no_directory = |out: &Path| Ok(fs::write(out.join("d"), b"mine")?);
    let a_link_away = |out: &Path| Ok(symlink("/tmp", out.join("d"))?);
    let session = with_disc()?;
    for (number, Obstacle { make, overwrite, warnings, advice }) in [
        Obstacle { make: a_file, overwrite: false, warnings: &[FILE], advice: REPLACE },
        Obstacle { make: a_link, overwrite: false, warnings: &[LINK], advice: REPLACE },
        Obstacle { make: a_file, overwrite: true, warnings: &[], advice: None },
        Obstacle { make: a_link, overwrite: true, warnings: &[], advice: None },
        Obstacle { make: a_directory, overwrite: false, warnings: &[DIRECTORY], advice: MOVE },
        Obstacle { make: a_directory, overwrite: true, warnings: &[DIRECTORY], advice: MOVE },
        Obstacle { make: no_directory, overwrite: false, warnings: &[ABOVE, BELOW], advice: MOVE },
        Obstacle { make: no_directory, overwrite: true, warnings: &[ABOVE, BELOW], advice: MOVE },
        Obstacle { make: a_link_away, overwrite: true, warnings: &[ABOVE, BELOW], advice: MOVE },
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out{number}");
        fs::create_dir(session.path(&out))?;
        make(&session.path(&out))?;
        let arguments = ["extract", "x.iso", "-C", &out, "--overwrite"];
        let ended = session.run(&arguments[..if overwrite { 5 } else { 4 }])?;
        let reported: Vec<&str> =
            ended.err.lines().filter_map(|line| line.strip_prefix("warning: ")).collect();
        assert_eq!(reported, warnings, "{number}");
        let tries: Vec<&str> =
            ended.err.lines().filter_map(|line| line.strip_prefix("  try     ")).collect();
        assert_eq!(tries, Vec::from_iter(advice), "{number}: {}", ended.err);
        assert_eq!(ended.code, i32::from(advice.is_some()), "{number}: {}", ended.err);
        let hidden = names(&session.path(&out))?.iter().any(|name| name.starts_with(".isodrive"));
        assert!(!hidden, "{number}");
    }
    Ok(())
}

#[test]
fn a_read_only_file_system_is_named_and_nothing_else_is_advised() -> Result<()> {
    let session = with_disc()?;
    let script = "echo mine > small/a && mount -o remount,ro small && \
                  \"$0\" extract x.iso -C small";
    let Some(ended) = on_a_small_disk(&session, 4096, script)? else { return Ok(()) };
    assert_eq!(ended.code, 1, "{}", ended.err);
    let warnings = ended.err.matches("is left out: the file system is read-only\n").count();
    assert_eq!(warnings, ended.err.matches("warning: ").count(), "{}", ended.err);
    let want = "\nerror: 6 files could not be written: 0 of 4 files written\n  \
                try     another folder: the file system of this one is read-only\n";
    assert!(ended.err.ends_with(want), "{}", ended.err);
    Ok(())
}

#[test]
fn a_destination_that_is_no_directory_is_refused_in_one_message() -> Result<()> {
    let session = with_disc()?;
    fs::write(session.path("file"), b"")?;
    symlink("nowhere", session.path("link"))?;
    for (out, why) in [
        ("file", "it is a file, not a directory"),
        ("file/below", "a part of its path is a file, not a directory"),
        ("link", "it is a symbolic link that leads nowhere"),
    ] {
        let ended = session.run(&["extract", "x.iso", "-C", out])?;
        let want = format!(
            "error: cannot extract into \"{out}\": {why}\n  \
             try     -C with another directory; one that is missing is made\n"
        );
        assert_eq!((ended.code, ended.err), (1, want));
    }
    Ok(())
}
