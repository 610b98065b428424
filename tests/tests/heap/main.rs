//! What caches really hold: the heap of this process, counted by its allocator, against the bounds
//! that a disc is opened with. A binary of its own, since no other test may allocate beside it.

mod counting;

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use iso_core::source::{Cost, Source};
use iso_core::volume::{FileKind, NodeId, Volume};
use iso_core::{Disc, Error, Image, Limits, Site, View};
use isodrive_tests::hostile::heavy;

/// One test at a time: the heap is that of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Limits with caches that hold next to nothing.
fn bare() -> Limits {
    Limits {
        parsed_cache_bytes: 1,
        file_cache_bytes: 1,
        kept_index_bytes: 1,
        metadata_cache_bytes: 1,
        bulk_cache_bytes: 1,
        decoded_cache_bytes: 1,
        ..Limits::default()
    }
}

/// What every open disc may hold beside its caches: one block and one directory that is alone in
/// its cache, findings, names.
const BESIDE: usize = 256 * KIB;

/// Opens a disc, does `work` with it, and compares what the heap has grown by with the bound of the
/// one cache that it fills: no more than that, and not so little that it was never filled.
fn check(
    what: &str,
    image: Vec<u8>,
    limits: Limits,
    bound: usize,
    work: impl Fn(&dyn Volume) -> Result<()>,
) -> Result<()> {
    let beside = BESIDE + 2 * alone_in_its_cache(&image, &limits)?;
    let image = Image::open(Box::new(image), limits)?;
    let shown = image.choose(None)?;
    let before = counting::live();
    work(&*shown.volume)?;
    let held = counting::live().saturating_sub(before);
    println!("{what}: {held} bytes held, bound {bound}");
    assert!(held <= bound + beside, "{what}: {held} bytes, and the bound is {bound} + {beside}");
    assert!(held >= bound / 2, "{what}: {held} bytes do not fill {bound}");
    Ok(())
}

/// What the largest directory takes that the bare caches hold alone.
fn alone_in_its_cache(image: &[u8], limits: &Limits) -> Result<usize> {
    if limits.parsed_cache_bytes > 1 {
        return Ok(0);
    }
    let image = Image::open(Box::new(image.to_vec()), bare())?;
    let shown = image.choose(None)?;
    let root = shown.volume.read_dir(shown.volume.root())?;
    Ok(root.len() * 40)
}

fn nodes(volume: &dyn Volume, kind: FileKind) -> Result<Vec<NodeId>> {
    let root = volume.read_dir(volume.root())?;
    let is_wanted = |found: Option<FileKind>| found.unwrap_or(FileKind::Regular) == kind;
    Ok(root.iter().filter(|entry| is_wanted(entry.kind)).map(|entry| entry.node).collect())
}

fn open_files(volume: &dyn Volume) -> Result<()> {
    for node in nodes(volume, FileKind::Regular)? {
        volume.data(node)?;
    }
    Ok(())
}

#[test]
fn files_hold_no_more_than_their_cache_may() -> Result<()> {
    let _alone = alone();
    let limits = |file_cache_bytes| Limits { file_cache_bytes, ..bare() };
    let bytes = heavy::packed_files(12);
    check("packed", bytes, limits(20 << 20), 20 * MIB, open_files)?;
    let bytes = heavy::fragmented_files(60, 20_000, 2048);
    check("fragmented", bytes, limits(8 << 20), 8 * MIB, open_files)?;
    let bytes = heavy::small_packed_files(4000);
    check("small", bytes, limits(512 << 10), 512 * KIB, open_files)
}

#[test]
fn a_file_that_there_is_no_memory_for_is_an_error() -> Result<()> {
    let _alone = alone();
    let image = Image::open(Box::new(heavy::packed_files(1)), bare())?;
    let shown = image.choose(None)?;
    let file = nodes(&*shown.volume, FileKind::Regular)?[0];
    let refused = counting::refusing(1 << 20, || shown.volume.data(file).err());
    assert!(matches!(refused, Some(Error::NoMemory)), "{refused:?}");
    assert!(shown.volume.data(file).is_ok(), "and the next attempt works");
    let image = Image::open(Box::new(heavy::fragmented_files(1, 100_000, 2048)), bare())?;
    let shown = image.choose(None)?;
    let file = nodes(&*shown.volume, FileKind::Regular)?[0];
    let refused = counting::refusing(1 << 20, || shown.volume.data(file).err());
    assert!(matches!(refused, Some(Error::NoMemory)), "{refused:?}");
    Ok(())
}

#[test]
fn a_directory_that_there_is_no_memory_for_is_an_error() -> Result<()> {
    let _alone = alone();
    for name in [|_| "A".to_owned(), |number| format!("FILE{number:06}")] {
        let image = Image::open(Box::new(heavy::directories(1, 60_000, name)), bare())?;
        let shown = image.choose(None)?;
        let dir = nodes(&*shown.volume, FileKind::Directory)?[0];
        // Every size at which a builder may stop growing.
        for bytes in [128 << 10, 300 << 10, 500 << 10, 900 << 10] {
            let refused = counting::refusing(bytes, || shown.volume.read_dir(dir).err());
            assert!(matches!(refused, Some(Error::NoMemory)), "{bytes}: {refused:?}");
        }
        assert_eq!(shown.volume.read_dir(dir)?.len(), 60_000);
    }
    Ok(())
}

fn list_directories(volume: &dyn Volume) -> Result<()> {
    for node in nodes(volume, FileKind::Directory)? {
        volume.read_dir(node)?;
        volume.find(node, b"No Such Name", true)?;
    }
    Ok(())
}

#[test]
fn directories_hold_no_more_than_their_cache_may() -> Result<()> {
    let _alone = alone();
    let limits = |parsed_cache_bytes| Limits { parsed_cache_bytes, ..bare() };
    let name = |number| format!("FILE{number:05}");
    for (what, count, entries, bound) in [
        ("directories of one file", 3000, 1, 512 * KIB),
        ("directories of 2000", 100, 2000, 4 * MIB),
    ] {
        let bytes = heavy::directories(count, entries, name);
        check(what, bytes, limits(bound as u64), bound, list_directories)?;
    }
    let bytes = heavy::directories(60, 2000, |_| "A".to_owned());
    check("equal names", bytes, limits(3 << 20), 3 * MIB, list_directories)?;
    // In parts, of which there are more than of directories.
    let bytes = heavy::directories(40, 2000, name);
    let limits = Limits {
        whole_directory_entries: 100,
        directory_part_entries: 4,
        kept_index_bytes: 16 << 20,
        ..limits(MIB as u64)
    };
    let by_parts = |volume: &dyn Volume| {
        list_directories(volume)?;
        for node in nodes(volume, FileKind::Directory)? {
            for position in 0..2000 {
                assert!(volume.read_dir_part(node, position)?.get(position).is_some());
            }
        }
        Ok(())
    };
    // What is kept of forty directories comes to less than this.
    check("parts", bytes, limits, MIB + 40 * 2000 * 22, by_parts)
}

#[test]
fn what_is_kept_of_large_directories_is_no_more_than_may_be() -> Result<()> {
    let _alone = alone();
    let limits = Limits {
        whole_directory_entries: 100,
        directory_part_entries: 16,
        kept_index_bytes: 2 << 20,
        ..bare()
    };
    let by_parts = |volume: &dyn Volume| {
        list_directories(volume)?;
        for node in nodes(volume, FileKind::Directory)? {
            volume.find(node, b"No Such Name", true)?;
        }
        Ok(())
    };
    for name in [|_| "A".to_owned(), |number| format!("FILE{number:05}")] {
        let bytes = heavy::directories(120, 4000, name);
        check("kept", bytes, limits.clone(), 2 * MIB, by_parts)?;
    }
    Ok(())
}

/// Bytes that are fetched, as from a stick or a network.
struct Fetched(Vec<u8>);

impl Source for Fetched {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0.read_at(buf, offset)
    }

    fn cost(&self) -> Cost {
        Cost::Expensive
    }
}

#[test]
fn blocks_hold_no_more_than_their_caches_may() -> Result<()> {
    let _alone = alone();
    let site = Site::new("test", "none", 0);
    let limits = || Limits { metadata_cache_bytes: 3 << 20, bulk_cache_bytes: 5 << 20, ..bare() };
    let disc = Disc::new(Box::new(Fetched(vec![7; 16 << 20])), limits());
    let before = counting::live();
    for at in (0..disc.len()).step_by(4096) {
        disc.metadata(at, 8, site)?;
    }
    let metadata = counting::live() - before;
    for at in (0..disc.len()).step_by(4096) {
        disc.read_data(&mut [0; 8], at)?;
    }
    let bulk = counting::live() - before - metadata;
    println!("{metadata} bytes of metadata, {bulk} of data");
    assert!((2 * MIB..=3 * MIB + 64 * KIB).contains(&metadata), "{metadata}");
    assert!((4 * MIB..=5 * MIB + 64 * KIB).contains(&bulk), "{bulk}");
    let limits = Limits { decoded_cache_bytes: 256 << 10, ..bare() };
    let read = |volume: &dyn Volume| {
        for (number, node) in nodes(volume, FileKind::Regular)?.into_iter().enumerate() {
            let mut byte = [0; 1];
            volume.read_into(node, 0, &mut byte)?;
            assert!(number >= 4000 || byte[0] == number as u8, "{number}");
        }
        Ok(())
    };
    check("decoded", heavy::small_packed_files(4000), limits, 256 * KIB, read)
}

#[test]
fn names_as_windows_shows_them_hold_no_more_than_their_cache_may() -> Result<()> {
    let _alone = alone();
    // Names that Windows takes for one: all but the first are given others.
    let name = |number: usize| -> String {
        (0..12).map(|bit| if number >> bit & 1 == 1 { 'A' } else { 'a' }).collect()
    };
    let bytes = heavy::directories(60, 1000, name);
    let bound = 2 * MIB;
    let limits = Limits { parsed_cache_bytes: bound as u64, ..bare() };
    let image = Image::open(Box::new(bytes), limits)?;
    let volume = image.choose(None)?.volume;
    let tree = windows_view::Tree::new(volume.clone(), windows_view::Choices::default());
    let before = counting::live();
    for node in nodes(&*volume, FileKind::Directory)? {
        tree.names(node).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    }
    let held = counting::live() - before;
    println!("names: {held} bytes held, bound {bound} for them and for directories each");
    // The cache of the names and that of the directories, which are the same ones for the most.
    assert!((bound / 2..=2 * bound + BESIDE).contains(&held), "{held}");
    Ok(())
}

#[test]
fn attributes_of_one_file_take_no_more_than_they_may() -> Result<()> {
    let _alone = alone();
    for (what, bytes, view, said) in [
        ("streams", heavy::streams(1000, 15_000), View::Udf, "bytes of streams of one file"),
        ("list", heavy::listed_attributes(50_000), View::RockRidge, "attributes of one file"),
    ] {
        let image = Image::open(Box::new(bytes), bare())?;
        let volume = image.choose(Some(view))?.volume;
        let file = nodes(&*volume, FileKind::Regular)?[0];
        let before = counting::live();
        counting::forget_peak();
        let refused = volume.xattrs(file).err();
        let peak = counting::peak() - before;
        println!("{what}: {peak} bytes at most");
        let refused = refused.map(|error| error.to_string()).unwrap_or_default();
        let findings = image.disc().findings().list();
        assert!(refused.contains(said), "{what}: {refused} {findings:?}");
        assert!(peak <= 16 * MIB, "{what}: {peak} bytes");
    }
    let few = Image::open(Box::new(heavy::streams(1000, 1)), bare())?;
    let volume = few.choose(None)?.volume;
    assert_eq!(volume.xattrs(nodes(&*volume, FileKind::Regular)?[0])?.len(), 1000);
    Ok(())
}

#[test]
fn tables_that_many_partitions_share_take_no_more_than_they_may() -> Result<()> {
    let _alone = alone();
    counting::forget_peak();
    let before = counting::live();
    let refused = Image::open(Box::new(heavy::shared_table(20, 12 << 20)), bare()).err();
    let peak = counting::peak() - before;
    let refused = refused.map(|error| error.to_string()).unwrap_or_default();
    println!("{peak} bytes at most: {refused}");
    assert!(refused.contains("bytes of tables of partitions"), "{refused}");
    assert!(peak <= 64 * MIB, "{peak} bytes");
    let one = Image::open(Box::new(heavy::shared_table(1, 12 << 20)), bare())?;
    let volume = one.choose(None)?.volume;
    assert_eq!(volume.read_dir(volume.root())?.len(), 1);
    Ok(())
}
