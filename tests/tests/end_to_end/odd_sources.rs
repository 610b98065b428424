//! Whole volumes on sources that behave badly: the answer never depends on how bytes arrive, a
//! failed read is an error and the next attempt works, and a cut image gives errors, not zeros.

use std::fs;

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
    let image = Image::open(source, Limits::default())?;
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

#[test]
fn each_failed_read_is_an_error_somewhere_and_does_no_harm() -> Result<()> {
    for (name, bytes) in small_discs()? {
        let whole = survey(Box::new(bytes.clone()))?;
        for nth in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55] {
            // A read that fails once may be made good by reading again what was asked for.
            if let Ok(lines) = survey(Box::new(Failing::new(bytes.clone(), Fault::Nth(nth)))) {
                for line in lines.iter().filter(|line| !whole.contains(line)) {
                    assert!(line.contains("error: Some"), "{}: {line}", name);
                }
            }
            let broken = Failing::new(bytes.clone(), Fault::From(nth));
            if let Ok(lines) = survey(Box::new(broken)) {
                for line in lines.iter().filter(|line| !whole.contains(line)) {
                    assert!(line.contains("error: Some"), "{}: {line}", name);
                }
            }
        }
    }
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
    assert!(error.contains("it contains itself"), "{error}");
    assert!(steps.iter().any(|step| step.path.starts_with(b"SIZES/")), "the rest is walked");
    Ok(())
}
