//! Whole volumes on sources that behave badly: the answer never depends on how bytes arrive, a
//! failed read is an error and the next attempt works, and a cut image gives errors, not zeros.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

use anyhow::Result;
use iso_core::source::testing::{Failing, Fault, OneByte};
use iso_core::source::{Source, Window};
use iso_core::volume::{FileKind, Presentation, Walk};
use iso_core::{Image, Limits};
use isodrive_tests::tree::Tree;
use isodrive_tests::{corpus, make};

/// Every disc of our own that is small, by name.
fn small_discs() -> Result<Vec<(String, Vec<u8>)>> {
    let images = corpus::files(&corpus::repository().join("tests/corpus"), ".zst")?;
    let small = images.iter().filter(|image| !image.to_string_lossy().contains("large"));
    let mut discs: Vec<(String, Vec<u8>)> = small
        .map(|image| Ok((image.display().to_string(), fs::read(&corpus::unpack(image)?.path)?)))
        .collect::<Result<_>>()?;
    discs.extend(make::discs().into_iter().map(|(name, bytes)| (name.to_owned(), bytes)));
    Ok(discs)
}

/// All that a disc shows: files with their digests, in every view.
fn survey(source: Box<dyn Source>) -> Result<Vec<String>> {
    survey_of(&Image::open(source, Limits::default())?)
}

fn survey_of(image: &Image) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for system in image.systems() {
        let tree = Tree::of_volume(&*system.volume, &Presentation::default())?;
        for (path, entry) in tree.entries {
            lines.push(format!("{} {} {entry:?}", system.view, path.escape_ascii()));
        }
    }
    Ok(lines)
}

#[test]
fn the_answer_does_not_depend_on_how_bytes_arrive() -> Result<()> {
    for (name, bytes) in small_discs()? {
        let whole = survey(Box::new(bytes.clone()))?;
        assert!(whole.len() > 1, "{}", name);
        assert_eq!(survey(Box::new(OneByte(bytes)))?, whole, "{}", name);
    }
    Ok(())
}

/// How many reads it takes to see everything.
fn reads_of(bytes: &[u8]) -> Result<u64> {
    let source = Arc::new(Failing::new(bytes.to_vec(), Fault::Nth(u64::MAX)));
    survey(Box::new(Shared(source.clone())))?;
    Ok(source.reads())
}

/// A source that a test keeps a hand on.
struct Shared(Arc<Failing<Vec<u8>>>);

impl Source for Shared {
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0.read_at(buf, offset)
    }
}

#[test]
fn each_failed_read_is_an_error_somewhere_and_the_next_attempt_works() -> Result<()> {
    let mut faults = 0;
    for (name, bytes) in small_discs()? {
        let whole: HashSet<String> = survey(Box::new(bytes.clone()))?.into_iter().collect();
        let is_right = |line: &&String| !whole.contains(*line);
        for nth in 0..reads_of(&bytes)? {
            for fault in [Fault::Nth(nth), Fault::From(nth), Fault::Short(nth)] {
                faults += 1;
                let source = Box::new(Failing::new(bytes.clone(), fault));
                let Ok(image) = Image::open(source, Limits::default()) else { continue };
                let lines = survey_of(&image).unwrap_or_default();
                for line in lines.iter().filter(is_right) {
                    assert!(line.contains("error: Some"), "{name} {fault:?}: {line}");
                }
                // What failed once is not remembered as if it were so.
                if matches!(fault, Fault::Nth(_) | Fault::Short(_)) {
                    let again = survey_of(&image)?;
                    let wrong: Vec<&String> = again.iter().filter(is_right).collect();
                    assert!(wrong.is_empty(), "{name} {fault:?}: {wrong:?}");
                }
            }
        }
    }
    println!("{faults} faults");
    Ok(())
}

#[test]
fn an_image_cut_anywhere_gives_right_bytes_or_errors() -> Result<()> {
    for (_, bytes) in small_discs()? {
        let whole = Image::open(Box::new(bytes.clone()), Limits::default())?;
        let step = u64::try_from(bytes.len() / 40)?;
        for cut in (1..40).map(|n| n * step) {
            let source = Box::new(Window::new(bytes.clone(), 0, cut));
            let Ok(image) = Image::open(source, Limits::default()) else { continue };
            for system in image.systems() {
                let same = whole.systems().iter().find(|other| other.view == system.view);
                let Some(same) = same else { panic!("{} appeared", system.view) };
                let Ok(walk) = Walk::new(&*system.volume, system.volume.root()) else { continue };
                for step in walk.filter(|step| step.kind == FileKind::Regular) {
                    let len = usize::try_from(same.volume.attr(step.node)?.size)?;
                    let Ok(got) = system.volume.read(step.node, 0, len) else { continue };
                    assert!(got == same.volume.read(step.node, 0, len)?, "cut at {cut}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_directory_that_contains_itself_ends_a_walk_and_nothing_else() -> Result<()> {
    let plain = corpus::unpack(&corpus::repository().join("tests/corpus/plain.iso.zst"))?;
    let mut bytes = fs::read(&plain.path)?;
    let root: [u8; 8] = bytes[16 * 2048 + 158..][..8].try_into()?;
    let name = bytes.windows(5).position(|window| window == b"\x04DOCS").expect("the record");
    // The extent of a record stands 30 bytes before its name's length (ECMA-119 9.1).
    bytes[name - 30..][..8].copy_from_slice(&root);
    let image = Image::open(Box::new(bytes), Limits::default())?;
    let volume = image.choose(None)?.volume;
    let steps: Vec<_> = Walk::new(&*volume, volume.root())?.collect();
    let docs = steps.iter().find(|step| step.path == b"DOCS").expect("it is listed");
    let error = docs.error.as_ref().expect("it cannot be entered").to_string();
    assert!(error.contains("contains itself"), "{error}");
    assert!(steps.iter().any(|step| step.path.starts_with(b"SIZES/")), "the rest is walked");
    Ok(())
}
