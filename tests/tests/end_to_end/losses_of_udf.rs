//! Fields of UDF that contradict each other, with checksums that fit, hide no file in silence.

use std::fs;

use anyhow::Result;
use isodrive_tests::make::ecma167::{BLOCK, retag};
use isodrive_tests::make::udf::{Entry, Layout, Place, metadata_byte, write_with_places};
use isodrive_tests::program::{Ended, Session};

const LAYOUT: Layout = Layout::Plain;

/// A disc with a directory `sub` of two files beside a file `alone`.
struct Disc {
    image: Vec<u8>,
    places: Vec<Place>,
}

impl Disc {
    fn new() -> Self {
        let inside = vec![Entry::file("first", b"1"), Entry::file("second", b"22")];
        let entries = [Entry::directory("sub", inside), Entry::file("alone", b"a sound file")];
        let (image, places) = write_with_places(LAYOUT, &entries);
        Self { image, places }
    }

    fn place(&self, name: &str) -> &Place {
        self.places.iter().find(|place| place.entry.name == name).expect("a place")
    }

    /// Changes bytes of the file entry of a name (ECMA-167 4/14.9, 4/14.17).
    fn entry(mut self, name: &str, at: usize, bytes: &[u8]) -> Self {
        let start = metadata_byte(LAYOUT, self.place(name).icb);
        let entry = &mut self.image[start..start + BLOCK];
        entry[at..][..bytes.len()].copy_from_slice(bytes);
        retag(entry);
        self
    }

    /// Sets the characteristics in the identifier of a name (ECMA-167 4/14.4.3).
    fn identifier(mut self, name: &str, characteristics: u8) -> Self {
        let (block, range) = self.place(name).identifier.clone();
        let start = metadata_byte(LAYOUT, block);
        let identifier = &mut self.image[start + range.start..start + range.end];
        identifier[18] = characteristics;
        retag(identifier);
        self
    }

    fn run(&self, session: &Session, command: &[&str]) -> Result<Ended> {
        fs::write(session.path("disc.udf"), &self.image)?;
        session.run(&[command, &["disc.udf"]].concat())
    }
}

/// Bytes of a file entry: the type and the flags of the ICB tag, and the length of the file.
const FILE_TYPE: usize = 27;
const FLAGS: usize = 34;
const LENGTH: usize = 56;

#[test]
fn a_directory_whose_entry_has_another_type_is_shown_and_reported() -> Result<()> {
    let session = Session::new()?;
    let sound = Disc::new().run(&session, &["tree"])?;
    assert_eq!((sound.code, sound.err.as_str()), (0, ""), "{}", sound.out);
    for file_type in [0, 5, 249] {
        let disc = Disc::new().entry("sub", FILE_TYPE, &[file_type]);
        let tree = disc.run(&session, &["tree"])?;
        assert_eq!(tree.code, 5, "{file_type}: {}", tree.err);
        assert!(tree.err.contains("\"sub\" is shown as a directory"), "{}", tree.err);
        assert!(tree.out.contains("first") && tree.out.contains("second"), "{}", tree.out);
        let listed = disc.run(&session, &["ls"])?;
        assert_eq!((listed.code, listed.out.as_str()), (5, "alone\nsub/\n"), "{}", listed.err);
        let to = format!("out{file_type}");
        assert_eq!(disc.run(&session, &["extract", "-C", &to])?.code, 5);
        assert_eq!(fs::read(session.path(&to).join("sub/second"))?, b"22");
    }
    // A file whose identifier says that it is a directory stays one.
    let tree = Disc::new().identifier("alone", 2).run(&session, &["ls"])?;
    assert_eq!((tree.code, tree.out.as_str()), (5, "alone\nsub/\n"), "{}", tree.err);
    assert!(tree.err.contains("\"alone\" is shown as what its file entry says"));
    Ok(())
}

#[test]
fn an_entry_marked_as_the_parent_is_shown_and_reported() -> Result<()> {
    let session = Session::new()?;
    for (name, characteristics) in [("sub", 0x0A), ("alone", 8)] {
        let disc = Disc::new().identifier(name, characteristics);
        let listed = disc.run(&session, &["ls"])?;
        assert_eq!((listed.code, listed.out.as_str()), (5, "alone\nsub/\n"), "{}", listed.err);
        assert!(listed.err.contains("marked as the parent"), "{}", listed.err);
    }
    Ok(())
}

#[test]
fn a_directory_shorter_than_what_is_recorded_of_it_is_reported() -> Result<()> {
    let session = Session::new()?;
    // Nothing is left of it, only its parent, or its parent and the first file.
    for (len, left) in [(0u64, 0), (40, 0), (84, 1)] {
        let disc = Disc::new().entry("sub", LENGTH, &len.to_le_bytes());
        fs::write(session.path("disc.udf"), &disc.image)?;
        let listed = session.run(&["ls", "disc.udf", "sub"])?;
        assert_eq!((listed.code, listed.out.lines().count()), (5, left), "{len}: {}", listed.err);
        assert!(listed.err.contains("has more bytes recorded than its length says"));
        assert!(listed.err.contains("damaged \"sub\""), "{len}: {}", listed.err);
    }
    Ok(())
}

#[test]
fn bytes_that_are_recorded_transformed_are_not_passed_off_as_the_file() -> Result<()> {
    let session = Session::new()?;
    let transformed = (1u16 << 11 | 1).to_le_bytes();
    for (name, lost, kept) in
        [("alone", "out0/alone", "out0/sub/first"), ("sub", "out1/sub/first", "out1/alone")]
    {
        let disc = Disc::new().entry(name, FLAGS, &transformed);
        let to = &lost[..4];
        let copied = disc.run(&session, &["extract", "-C", to])?;
        assert_eq!(copied.code, 5, "{name}: {}", copied.err);
        assert!(copied.err.contains("transformed"), "{name}: {}", copied.err);
        assert!(!session.path(lost).exists() && session.path(kept).exists(), "{name}");
    }
    Ok(())
}

#[test]
fn a_file_shorter_than_what_is_recorded_of_it_is_named() -> Result<()> {
    let session = Session::new()?;
    let disc = Disc::new().entry("alone", LENGTH, &7u64.to_le_bytes());
    for command in [&["ls"][..], &["tree"], &["extract", "-C", "out"]] {
        let ended = disc.run(&session, command)?;
        assert_eq!(ended.code, 5, "{command:?}: {}", ended.err);
        assert!(ended.err.contains("damaged \"alone\""), "{command:?}: {}", ended.err);
        assert!(ended.err.contains("1 file is damaged, and does not hold all of its bytes"));
    }
    assert_eq!(fs::read(session.path("out/alone"))?, b"a sound");
    assert_eq!(fs::read(session.path("out/sub/second"))?, b"22");
    let shown = session.run(&["cat", "disc.udf", "alone", "sub/first"])?;
    assert_eq!((shown.code, shown.out.as_str()), (5, "a sound1"), "{}", shown.err);
    let listed = session.run(&["ls", "--json", "disc.udf"])?;
    let damaged: Vec<&str> =
        listed.out.lines().filter(|l| l.contains("\"damaged\":true")).collect();
    assert!(damaged.len() == 1 && damaged[0].contains("alone"), "{}", listed.out);
    // One that has fewer bytes than its length is left out.
    let disc = Disc::new().entry("alone", LENGTH, &5000u64.to_le_bytes());
    let copied = disc.run(&session, &["extract", "-C", "short"])?;
    assert_eq!(copied.code, 5, "{}", copied.err);
    assert!(copied.err.contains("\"alone\" is left out"), "{}", copied.err);
    assert!(!session.path("short/alone").exists());
    Ok(())
}
