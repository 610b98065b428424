//! What `info` tells of a disc beside its files: who published it and how, by the descriptors.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use isodrive_tests::make::craft::{Craft, FILES, Record};
use isodrive_tests::program::Session;
use serde_json::Value;

/// The sector of the primary descriptor, and where its three fields of 128 bytes begin
/// (ECMA-119 8.4.20 to 8.4.22).
const PRIMARY: usize = 16;
const FIELDS: [usize; 3] = [318, 446, 574];

#[test]
fn publisher_preparer_and_program_come_from_the_side_that_records_them() -> Result<()> {
    let session = Session::new()?;
    fs::create_dir(session.path("put-in"))?;
    fs::write(session.path("put-in/a long name.txt"), "text")?;
    let mut making = Command::new("genisoimage");
    making.args(["-quiet", "-udf", "-V", "LABEL", "-publisher", "ACME LTD", "-p", "J. DOE"]);
    making.args(["-A", "A PROGRAM", "-o"]);
    let made = making.args([session.path("disc.iso"), session.path("put-in")]).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let reported = session.run(&["info", "disc.iso"])?.out;
    for (row, text) in [("Publisher", "ACME LTD"), ("Preparer", "J. DOE")] {
        let reported = reported.lines().find_map(|line| line.strip_prefix(row));
        assert_eq!(reported.map(str::trim), Some(text), "{row}");
    }
    // UDF is shown, and its own program is recorded behind a byte of flags.
    let program = reported.lines().find_map(|line| line.strip_prefix("Program")).map(str::trim);
    assert_eq!(program, Some("genisoimage"), "{reported}");
    let json: Value = serde_json::from_str(&session.run(&["info", "--json", "disc.iso"])?.out)?;
    assert_eq!((&json["shown"], &json["begins_at"]), (&"udf".into(), &0.into()));
    assert_eq!(json["publisher"]["name"], "ACME LTD");
    assert_eq!(json["preparer"]["name"], "J. DOE");
    Ok(())
}

#[test]
fn what_is_blank_is_not_told() -> Result<()> {
    let session = Session::new()?;
    for blank in [0, b' '] {
        let mut craft = Craft::new();
        craft.put(FILES, b"text");
        craft.root(&[Record::file("A.TXT;1", FILES, 4)]);
        for field in FIELDS {
            craft.patch(PRIMARY, field, &[blank; 128]);
        }
        // The label has 32 bytes (ECMA-119 8.4.9).
        craft.patch(PRIMARY, 40, &[blank; 32]);
        fs::write(session.path("disc.iso"), craft.image())?;
        let reported = session.run(&["info", "disc.iso"])?.out;
        for row in ["Label", "Publisher", "Preparer", "Program"] {
            assert!(!reported.lines().any(|line| line.starts_with(row)), "{blank}: {reported}");
        }
        assert!(!reported.contains("label"), "{blank}: {reported}");
    }
    Ok(())
}

#[test]
fn json_says_that_trees_were_compared_in_part() -> Result<()> {
    let session = Session::new()?;
    for (folders, is_part) in [(2, false), (200, true)] {
        for number in 0..folders {
            fs::create_dir_all(session.path(&format!("tree/folder{number}")))?;
            fs::write(session.path(&format!("tree/folder{number}/file.txt")), b"x")?;
        }
        let mut making = Command::new("genisoimage");
        making.args(["-quiet", "-r", "-J", "-udf", "-o", "made.iso", "tree"]);
        ensure!(making.current_dir(session.path("")).output()?.status.success(), "genisoimage");
        let reported = session.run(&["info", "made.iso"])?;
        assert!(
            reported.code == 0 && reported.out.contains("none in the descriptors"),
            "{}",
            reported.out
        );
        let json = session.run(&["info", "--json", "made.iso"])?.out;
        assert_eq!(json.contains("\"compared_in_part\":true"), is_part, "{json}");
    }
    Ok(())
}
