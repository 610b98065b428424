//! The bodies of the fuzz targets: what is asked of bytes that a fuzzer makes. They panic where an
//! answer is wrong and return otherwise; `fuzz/` runs them under a fuzzer, tests replay its finds.

mod metadata;
mod packed;
mod template;

use std::time::{Duration, Instant};

use iso_core::source::testing::OneByte;
use iso_core::source::{Medium, Source, SplitSource, from_parts};
use iso_core::{Image, Limits, Options};

use crate::probe::{Effort, ask, other_sessions};

pub use metadata::metadata;
pub use packed::Packed;

/// A body: takes what the fuzzer made.
pub type Target = fn(&[u8]);

/// All targets by their names.
pub const TARGETS: [(&str, Target); 9] = [
    ("walk_iso", walk),
    ("walk_udf", walk),
    ("walk_hfs", walk),
    ("susp", susp),
    ("names", names),
    ("zisofs", zisofs),
    ("split", split),
    ("options", options),
    ("metadata", metadata),
];

/// One seed of each target that takes no image.
#[must_use]
pub fn seeds() -> [(&'static str, &'static [u8]); 6] {
    [
        ("susp", b"\x16NM\x05\x01\0TF\x05\x01\0SL\x05\x01\0PN\x04\x01RE\x04\x01"),
        ("names", b"\x05A.B;1\x04\x08abc\x03\x10\x04\x16\x03\x83\x65\x83"),
        ("zisofs", b"\x04\x0f\x09\0\0\0\x37\xE4\x53\x96\xC9\xDB\xD6\x07\x09\0\0\0\x04\x0f\0\0"),
        ("split", b"\x01\x02\x03\x04\x05\x06\x07\x08abcdefghijklmnopqrstuvwxyz"),
        ("options", b"ro,uid=7,fmode=0640,permissions=image,x-gvfs-show,view=udf"),
        ("metadata", b"\x0a\0\0\0\x10\0\0\0\x05\0\0\0\x04\0\0\0\x34\x12\0\0"),
    ]
}

/// What one input may cost: far below what a disc of its size takes.
const EFFORT: Effort = Effort { nodes: 150, file_bytes: 3000, view_bytes: 1 << 20 };

/// Longest that one input may take under the instruments of a fuzzer.
const PATIENCE: Duration = Duration::from_secs(10);

/// An image, packed: everything is asked of it, twice, and by three ways to its bytes.
pub fn walk(data: &[u8]) {
    if let Some(image) = Packed::parse(data) {
        check(&image);
    }
}

/// System use entries: those of a record and the areas in which they continue.
pub fn susp(data: &[u8]) {
    check_bytes(&template::rock_ridge(data));
}

/// Names in every coding: of ISO 9660, Joliet, Rock Ridge and UDF.
pub fn names(data: &[u8]) {
    for image in template::with_names(data) {
        check_bytes(&image);
    }
}

/// A compressed file.
pub fn zisofs(data: &[u8]) {
    check_bytes(&template::compressed(data));
}

/// Parts of a set: the whole reads as if it were in one piece.
pub fn split(data: &[u8]) {
    let Some((cuts, whole)) = data.split_at_checked(8) else { return };
    let mut parts: Vec<Box<dyn Source>> = Vec::new();
    let mut rest = whole;
    for cut in cuts {
        let (part, tail) = rest.split_at(rest.len().min(usize::from(*cut)));
        parts.push(Box::new(part.to_vec()));
        rest = tail;
    }
    parts.push(Box::new(rest.to_vec()));
    let joined = SplitSource::new(parts);
    assert_eq!(joined.len(), whole.len() as u64);
    for (offset, len) in cuts.iter().zip(cuts.iter().rev()) {
        let (start, len) = (usize::from(*offset), usize::from(*len));
        let mut buf = vec![0; len];
        match (joined.read_at(&mut buf, start as u64), whole.get(start..start + len)) {
            (Ok(()), Some(want)) => assert_eq!(buf, want),
            (Err(_), None) => {}
            (Ok(()), None) => assert_eq!(len, 0, "bytes behind the end"),
            (Err(error), Some(_)) => panic!("{error}"),
        }
    }
}

/// The text behind `-o`: read or refused, and the same each time.
pub fn options(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert_eq!(isodrive::mount_options(&text), isodrive::mount_options(&text));
}

fn check_bytes(image: &[u8]) {
    let described = Packed::describe(image).and_then(|bytes| Packed::parse(&bytes));
    check(&described.expect("templates are short"));
}

/// Asks everything of an image by three ways, and twice by the first.
fn check(image: &Packed) {
    let since = Instant::now();
    let from_memory = opened(Box::new(image.clone()), &Options::default());
    let answers = |image: &Result<Image, String>| {
        image.as_ref().map(|image| ask(image, EFFORT)).map_err(String::clone)
    };
    let first = answers(&from_memory);
    assert_eq!(answers(&from_memory), first, "another answer the second time");
    if is_turn(image, 16) {
        let one_byte = opened(Box::new(OneByte(image.clone())), &Options::default());
        assert_eq!(answers(&one_byte), first, "another answer byte by byte");
    }
    if is_turn(image, 4) {
        let from_file = opened(in_file(image), &Options::default());
        assert_eq!(answers(&from_file), first, "another answer from a file");
    }
    for options in from_memory.iter().flat_map(other_sessions).take(2) {
        if let Ok(session) = opened(Box::new(image.clone()), &options) {
            ask(&session, EFFORT);
        }
    }
    assert!(since.elapsed() < PATIENCE, "it took {:?}", since.elapsed());
}

/// Whether a slow question is asked of this image, as of one in `nth`.
fn is_turn(image: &Packed, nth: u64) -> bool {
    image.checksum().is_multiple_of(nth)
}

fn opened(source: Box<dyn Source>, options: &Options) -> Result<Image, String> {
    Image::open_with(source, Limits::default(), options).map_err(|error| error.to_string())
}

/// The image in a file that is removed once it is open.
fn in_file(image: &Packed) -> Box<dyn Source> {
    let file = tempfile::tempfile().and_then(|file| {
        image.write_to(&file)?;
        from_parts(vec![file], Medium::Local, None)
    });
    file.expect("a scratch file can be written")
}
