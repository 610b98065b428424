//! Large directories: read in parts they are what they are when they are parsed whole, on every
//! disc there is; and several of them at once take no more time than one after the other.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use iso_core::volume::{Dir, FileKind, NodeId, Volume};
use iso_core::{Charset, Error, Image, Limits, Options};
use isodrive_tests::hostile::{all, heavy};
use isodrive_tests::program::{Session, can_mount};
use isodrive_tests::{corpus, make};

/// Directories whose parts are compared on one disc: some describe trees without end.
const MOST_DIRECTORIES: usize = 300;

/// Entries of one directory that are looked up.
const MOST_LOOKUPS: usize = 200;

/// Limits by which every directory of more than one entry is read in parts.
fn in_parts(entries: usize, bytes: u64) -> Limits {
    Limits {
        whole_directory_entries: 1,
        directory_part_entries: entries,
        directory_part_bytes: bytes,
        // Each directory evicts all others.
        parsed_cache_bytes: 1,
        ..Limits::default()
    }
}

/// All views of an image under names of their own.
fn views(image: &Image) -> Vec<(String, Arc<dyn Volume>)> {
    let systems = image.systems().iter();
    let named = systems.map(|system| (system.view.to_string(), system.volume.clone()));
    let every = image.all_views(Vec::new()).map(|volume| ("all views".to_owned(), volume));
    named.chain(every.ok()).collect()
}

/// An error as it is reported.
fn reported<T>(result: iso_core::Result<T>) -> std::result::Result<T, String> {
    result.map_err(|error: Error| error.to_string())
}

/// A volume that is read in parts, beside one that shares its caches.
struct Parted<'v> {
    volume: &'v dyn Volume,
    /// A directory of it evicts those of `volume`.
    evicting: &'v dyn Volume,
}

impl Parted<'_> {
    /// Has the caches forget every whole directory.
    fn evict(&self) -> Result<()> {
        let root = self.evicting.read_dir(self.evicting.root())?;
        for entry in root.iter().filter(|entry| entry.kind == Some(FileKind::Directory)) {
            if self.evicting.read_dir(entry.node).is_ok() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Compares one directory with the whole of it. Whether it was read in parts.
    fn compare(&self, node: NodeId, whole: &Dir) -> Result<bool> {
        let mut part = self.volume.read_dir_part(node, 0)?;
        if part.is_whole() && whole.len() > 1 {
            self.evict()?;
            part = self.volume.read_dir_part(node, 0)?;
        }
        let is_parted = !part.is_whole();
        // From the end, so that no part follows from the one before.
        for position in (0..whole.len()).rev() {
            if part.get(position).is_none() {
                part = self.volume.read_dir_part(node, position)?;
            }
            ensure!(part.get(position) == whole.get(position), "{position} differs");
        }
        ensure!((part.len(), part.node()) == (whole.len(), whole.node()), "length or node");
        ensure!(
            (part.parent(), part.nodes()) == (whole.parent(), whole.nodes()),
            "parent or nodes"
        );
        ensure!(self.volume.read_dir_part(node, whole.len())?.get(whole.len()).is_none());
        for name in names(whole) {
            for fold in [false, true] {
                let want = whole.find(&name, fold).map(|entry| entry.node);
                let got = self.volume.find(node, &name, fold)?;
                ensure!(got == want, "{}: {got:?}, not {want:?}", name.escape_ascii());
            }
        }
        Ok(is_parted)
    }
}

/// Names to look up: those of the directory, some in another case or as they may be recorded, and
/// some that are not there.
fn names(dir: &Dir) -> HashSet<Vec<u8>> {
    let mut names = HashSet::from([b"no such name".to_vec(), b"~2".to_vec(), b"\xFF".to_vec()]);
    for entry in dir.iter().take(MOST_LOOKUPS) {
        names.insert(entry.name.to_vec());
        names.insert(entry.name.to_ascii_lowercase());
        names.insert(entry.name.to_ascii_uppercase());
        names.insert(entry.name.iter().map(|byte| byte ^ 0x80).collect());
        if let Some(latin) = std::str::from_utf8(entry.name).ok().filter(|name| !name.is_ascii()) {
            names.insert(latin.chars().map(|c| c as u32 as u8).collect());
        }
    }
    names
}

/// What differs between a disc in parts and the same disc whole; counts what was read in parts.
fn complaints(name: &str, image: &Path, charset: Charset, parted: &mut usize) -> Vec<String> {
    let open = |limits: Limits| {
        let options = Options { charset, ..Options::default() };
        let source = iso_core::source::open_path(image)?;
        Image::open_with(source, limits, &options).map_err(anyhow::Error::from)
    };
    let Ok(whole) = open(Limits::default()) else { return Vec::new() };
    let mut wrong = Vec::new();
    for limits in [in_parts(2, 1 << 18), in_parts(1000, 100), in_parts(3, 1 << 18)] {
        let entries = limits.directory_part_entries;
        let Ok(parts) = open(limits) else {
            wrong.push(format!("{name}: it does not open"));
            continue;
        };
        let (whole, parts) = (views(&whole), views(&parts));
        let Some((_, evicting)) = parts.last() else { continue };
        for ((view, whole), (_, volume)) in whole.iter().zip(&parts) {
            let both = Parted { volume: &**volume, evicting: &**evicting };
            let is_system = view != "all views";
            let mut open = vec![whole.root()];
            let mut seen: HashSet<NodeId> = open.iter().copied().collect();
            while let Some(node) = open.pop() {
                let dir = match reported(whole.read_dir(node)) {
                    Ok(dir) => dir,
                    Err(error) => {
                        let other = reported(volume.read_dir_part(node, 0)).err();
                        if other.as_ref() != Some(&error) {
                            wrong.push(format!("{name} {view}: {other:?}, not {error}"));
                        }
                        continue;
                    }
                };
                match both.compare(node, &dir) {
                    Ok(true) => *parted += 1,
                    Ok(false) if is_system && dir.len() > entries => {
                        wrong.push(format!("{name} {view} {node:?}: it is not read in parts"));
                    }
                    Ok(false) => {}
                    Err(error) => wrong.push(format!("{name} {view} {node:?}: {error}")),
                }
                let directories = dir.iter().filter(|e| e.kind == Some(FileKind::Directory));
                for entry in directories {
                    if seen.len() < MOST_DIRECTORIES && seen.insert(entry.node) {
                        open.push(entry.node);
                    }
                }
            }
        }
    }
    wrong
}

/// Compares discs by path; gives what is wrong, and how many directories were read in parts.
fn compared(images: &[(String, PathBuf)], charset: Charset) -> Result<usize> {
    let mut parted = 0;
    let wrong: Vec<String> = images
        .iter()
        .flat_map(|(name, image)| complaints(name, image, charset, &mut parted))
        .collect();
    ensure!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    println!("{} discs, {parted} directories in parts", images.len());
    Ok(parted)
}

#[test]
fn directories_in_parts_are_what_they_are_when_they_are_parsed_whole() -> Result<()> {
    let mut held = Vec::new();
    let mut images = Vec::new();
    for packed in corpus::files(&corpus::repository().join("tests/corpus"), ".zst")? {
        let image = corpus::unpack(&packed)?;
        images.push((packed.display().to_string(), image.path.clone()));
        held.push(image);
    }
    let session = Session::new()?;
    let made = make::discs().into_iter().map(|(name, bytes)| (name.to_owned(), bytes));
    let hostile =
        all().into_iter().map(|case| (format!("{} {}", case.class, case.name), case.image));
    for (number, (name, bytes)) in made.chain(hostile).enumerate() {
        let path = session.path(&format!("{number}.img"));
        fs::write(&path, bytes)?;
        images.push((name, path));
    }
    assert!(images.len() > 160, "{}", images.len());
    assert!(compared(&images, Charset::Detect)? > 500);
    let reported = Charset::by_name("cp932").context("a character set")?;
    assert!(compared(&images, reported)? > 500);
    Ok(())
}

#[test]
fn equal_names_and_names_of_old_character_sets_are_the_same_in_parts() -> Result<()> {
    let session = Session::new()?;
    let name = |number: usize| match number % 7 {
        0 => "A.TXT".to_owned(),
        1 => "A~2.TXT".to_owned(),
        2 => format!("a{:03}", number / 40),
        3 => format!("A{:03}", number / 40),
        4 => "\u{e9}t\u{e9}".to_owned(),
        _ => format!("F{number:05}.;1"),
    };
    let mut images = Vec::new();
    for (label, bytes) in
        [("equal", heavy::directories(2, 3000, name)), ("latin", heavy::directories(2, 3000, name))]
    {
        let mut bytes = bytes;
        if label == "latin" {
            // Letters of Latin-1 in place of those of UTF-8, in names of the same length.
            while let Some(at) = bytes.windows(2).position(|pair| pair == "\u{e9}".as_bytes()) {
                bytes[at..at + 2].copy_from_slice(b"\xE9x");
            }
        }
        let path = session.path(label);
        fs::write(&path, bytes)?;
        images.push((label.to_owned(), path));
    }
    assert!(compared(&images, Charset::Detect)? > 5);
    Ok(())
}

/// The names of a directory of a mount, in the order in which they come.
fn listed(at: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(at)? {
        entry?;
        count += 1;
    }
    Ok(count)
}

/// Entries of each of three directories; their sum is more than the caches hold.
const ENTRIES: usize = 60_000;

/// Mounts three large directories with a cache that holds less than one of them.
fn mounted(session: &Session) -> Result<isodrive_tests::program::Mount> {
    session.mount(&["--cache", "8M", "disc.iso", "here"])
}

#[test]
fn three_readers_in_three_large_directories_take_three_times_as_long_as_one() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let name = |number| format!("F{number:07}.;1");
    fs::write(session.path("disc.iso"), heavy::directories(3, ENTRIES, name))?;
    let directory = |mount: &isodrive_tests::program::Mount, d| mount.at.join(format!("D{d:05}"));
    // The best of some: other tests run beside this one.
    let mut one = Duration::MAX;
    for _ in 0..3 {
        let mount = mounted(&session)?;
        let since = Instant::now();
        assert_eq!(listed(&directory(&mount, 0))?, ENTRIES);
        one = one.min(since.elapsed());
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    let mut three = Duration::MAX;
    for _ in 0..5 {
        let mount = mounted(&session)?;
        let since = Instant::now();
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|d| {
                    let at = directory(&mount, d);
                    scope.spawn(move || listed(&at))
                })
                .collect();
            for reader in readers {
                assert_eq!(reader.join().unwrap().unwrap(), ENTRIES);
            }
        });
        three = three.min(since.elapsed());
        if three * 2 <= one * 7 {
            break;
        }
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    println!("one {one:?}, three at once {three:?}");
    assert!(three * 2 <= one * 7, "one {one:?}, three at once {three:?}");
    Ok(())
}

#[test]
fn names_in_three_large_directories_are_found_without_parsing_them_again() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let session = Session::new()?;
    let name = |number| format!("F{number:07}.;1");
    fs::write(session.path("disc.iso"), heavy::directories(3, ENTRIES, name))?;
    let mount = mounted(&session)?;
    // Each directory is parsed once.
    for d in 0..3 {
        fs::metadata(mount.at.join(format!("D{d:05}/F0000000")))?;
        fs::metadata(mount.at.join(format!("D{d:05}/none"))).unwrap_err();
    }
    let since = Instant::now();
    for number in 0..300 {
        let file = number * 7919 % ENTRIES;
        let at = mount.at.join(format!("D{:05}", number % 3));
        assert!(fs::metadata(at.join(format!("F{file:07}")))?.is_file());
        fs::metadata(at.join(format!("G{file:07}"))).unwrap_err();
    }
    println!("300 names and 300 that are not there: {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    Ok(())
}
