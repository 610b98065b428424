//! Sound metadata to begin with: of discs of every format, in every block size.
//! Translates and keeps; damages nothing.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use iso_core::volume::{Permissions, Presentation};
use iso_core::{Image, Limits, source};
use mount_erofs::{Output, translate};

use super::chart::Chart;
use super::hand::{File, by_hand};
use crate::make::craft::{self, Craft, FILES, ROOT, Record, SECTOR};
use crate::{corpus, make};

/// The metadata of one volume, shown in one way.
pub struct Base {
    /// The disc, the view and the permissions.
    pub name: String,
    pub bytes: Vec<u8>,
    pub chart: Chart,
    pub permissions: Permissions,
    /// Bytes of the image.
    pub image_bytes: u64,
    /// The image, where it is a file.
    pub image: Option<PathBuf>,
}

/// Metadata in memory.
#[derive(Default)]
struct Memory(Vec<u8>);

impl Output for Memory {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = at as usize;
        let end = at + bytes.len();
        self.0.resize(self.0.len().max(end), 0);
        self.0[at..end].copy_from_slice(bytes);
        Ok(())
    }
}

/// The longest metadata that is damaged: it is written anew each time.
const MAX_BYTES: usize = 200 << 10;

/// Metadata of discs that are generated.
pub fn generated() -> Vec<Base> {
    let mut bases = Vec::new();
    for (name, image) in make::discs().into_iter().chain([("links-and-devices", rock_ridge())]) {
        let bytes = image.len() as u64;
        let opened = Image::open(Box::new(image), Limits::default()).expect("it is sound");
        add(&mut bases, name, &opened, bytes, None);
    }
    bases
}

/// Metadata of the discs of our own corpus and of the generated ones, all as files in `folder`.
pub fn of_corpus(folder: &Path) -> Result<Vec<Base>> {
    let mut bases = Vec::new();
    let mut add_file = |name: &str, path: PathBuf| -> Result<()> {
        let bytes = std::fs::metadata(&path)?.len();
        let opened = Image::open(source::open_path(&path)?, Limits::default())
            .with_context(|| name.to_owned())?;
        add(&mut bases, name, &opened, bytes, Some(&path));
        Ok(())
    };
    for (name, image) in make::discs().into_iter().chain([("links-and-devices", rock_ridge())]) {
        let path = folder.join(name);
        std::fs::write(&path, image)?;
        add_file(name, path)?;
    }
    for packed in corpus::files(&corpus::repository().join("tests/corpus"), ".zst")? {
        let name = packed.file_stem().context("a name")?.to_string_lossy().into_owned();
        // Sparse, and larger than the rest together.
        if name.contains("large") {
            continue;
        }
        let plain = corpus::unpack(&packed)?;
        let path = folder.join(&name);
        std::fs::rename(&plain.path, &path)
            .or_else(|_| std::fs::copy(&plain.path, &path).map(|_| ()))?;
        add_file(&name, path)?;
    }
    let other = bases.first().context("no base")?;
    let (image, image_bytes) = (other.image.clone(), other.image_bytes);
    let bytes = by_hand(&[File::new("one"), File::new("two")], image_bytes, &[("three", 0)]);
    bases.push(Base {
        name: "hard links".to_owned(),
        chart: Chart::of(&bytes),
        bytes,
        permissions: Permissions::Safe,
        image_bytes,
        image,
    });
    Ok(bases)
}

fn add(bases: &mut Vec<Base>, name: &str, image: &Image, len: u64, path: Option<&Path>) {
    for system in image.systems() {
        for permissions in [Permissions::Safe, Permissions::Image] {
            let show = Presentation { permissions, ..Presentation::default() };
            let mut memory = Memory::default();
            let translated = translate(&*system.volume, &show, len, &mut memory);
            if translated.is_err() || memory.0.len() > MAX_BYTES {
                continue;
            }
            bases.push(Base {
                name: format!("{name} {} {permissions:?}", system.view),
                chart: Chart::of(&memory.0),
                bytes: memory.0,
                permissions,
                image_bytes: len,
                image: path.map(Path::to_path_buf),
            });
        }
    }
}

/// A disc with files of one and many blocks, short and long links, devices, a pipe and folders.
fn rock_ridge() -> Vec<u8> {
    let mut craft = Craft::new();
    let long: Vec<u8> = (0..150u8).map(|at| b'a' + at % 26).collect();
    let deep: Vec<(u8, &[u8])> = vec![(0, &long[..])];
    let named = |name: &str, mode: u32| [craft::px(mode), craft::nm(0, name)];
    let node = |iso: &str, name: &str, mode: u32, more: &[Vec<u8>]| {
        Record::file(iso, FILES, 0).with(&[&named(name, mode)[..], more].concat())
    };
    let mut records = vec![
        node("LINK", "link", 0o120_777, &[craft::sl(0, &[(0, b"here"), (0, b"there")])]),
        node("BLOCK", "block", 0o060_640, &[craft::pn(8, 1)]),
        node("CHAR", "char", 0o020_640, &[craft::pn(1, 3)]),
        node("PIPE", "pipe", 0o010_644, &[]),
        node("SOCKET", "socket", 0o140_644, &[]),
        node("SETUID", "setuid", 0o104_755, &[]),
    ];
    // The record would be too long with its name beside it.
    records.push(Record::file("LONG", FILES, 0).with(&[craft::px(0o120_777), craft::sl(0, &deep)]));
    for number in 0..90 {
        let (iso, name) = (format!("F{number:02}.DAT"), format!("file number {number}.data"));
        let len = [1, SECTOR, SECTOR + 1, 5 * SECTOR][number % 4];
        let record = Record::file(iso, FILES + 10 + number % 7, len);
        records.push(record.with(&named(&name, 0o100_644)));
    }
    let folder =
        |iso: &str, name: &str, at: usize| Record::directory(iso, at).with(&named(name, 0o040_755));
    records.push(folder("SUB", "sub", FILES + 1));
    records.push(folder("OTHER", "other", FILES + 3));
    records.sort_by(|a, b| a.name.cmp(&b.name));
    craft.root_with(&[craft::sp(0), craft::px(0o040_755)], &records);
    craft.directory(FILES + 1, ROOT, &[folder("DEEP", "deep", FILES + 2)]);
    craft.directory(FILES + 2, FILES + 1, &[]);
    craft.directory(FILES + 3, ROOT, &[]);
    craft.put(FILES + 10, &make::bytes(7, 12 * SECTOR));
    craft.image()
}
