//! Where on a sound disc things stand: all metadata, and for each file what it depends on. Drawn by
//! programs that share no code with the reader.

use std::ops::Range;

use anyhow::Result;
use iso_core::{Image, Limits, View};

use super::{digest_of, iso_chart};
use crate::make::ecma167::BLOCK;
use crate::make::udf::{self, Layout};
use crate::{corpus, make};

/// A sound disc.
#[derive(Debug)]
pub struct Seed {
    /// What it is called.
    pub name: String,
    /// Its bytes.
    pub image: Vec<u8>,
    /// Where things stand on it.
    pub chart: Chart,
}

/// Where things stand on a disc.
#[derive(Debug, Default)]
pub struct Chart {
    /// The view whose files are charted; nothing where damage is only to be survived.
    pub view: Option<View>,
    /// Bytes that say where things are.
    pub metadata: Vec<Range<u64>>,
    /// The files.
    pub files: Vec<Charted>,
}

/// How a file is found again on a damaged disc.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// By the place of its record, whatever it is called.
    Record(u64),
    /// By its path.
    Path(Vec<u8>),
}

/// A file, and what it depends on.
#[derive(Debug, Clone)]
pub struct Charted {
    /// Its name as it is shown.
    pub name: Vec<u8>,
    /// How it is found again.
    pub key: Key,
    /// Its own metadata, that of the directories it is in, that of the whole disc, and its bytes.
    pub depends_on: Vec<Range<u64>>,
    /// SHA-256 of its first MiB.
    pub digest: [u8; 32],
}

/// All seeds: discs of our own, and those of the shared corpus that were made for this project.
///
/// # Errors
/// The corpus cannot be unpacked.
pub fn seeds() -> Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for layout in [Layout::Plain, Layout::Metadata, Layout::Virtual] {
        seeds.push(udf_seed(layout));
    }
    for (name, image) in make::discs() {
        if name.starts_with("iso-") {
            seeds.extend(iso_seed(name, image));
        } else if !name.starts_with("udf") {
            seeds.push(uncharted(name, image));
        }
    }
    let own = corpus::repository().join("tests/corpus");
    for path in corpus::files(&own, ".iso.zst")? {
        let image = std::fs::read(&corpus::unpack(&path)?.path)?;
        if image.len() < 8 << 20 {
            seeds.extend(iso_seed(&path.display().to_string(), image));
        }
    }
    if let Some(set) = corpus::shared_set("oracle-dev")? {
        for path in corpus::files(&set, ".zst")? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let plain = corpus::unpack(&path)?;
            let is_small = std::fs::metadata(&plain.path)?.len() < 4 << 20;
            // Discs that are damaged already are no measure.
            if !is_small || name.starts_with("d-") || name.starts_with("s-") {
                continue;
            }
            let image = std::fs::read(&plain.path)?;
            if name.contains(".iso") {
                seeds.extend(iso_seed(&name, image));
            } else if name.contains(".udf") {
                seeds.push(uncharted(&name, image));
            }
        }
    }
    Ok(seeds)
}

/// A disc of which only its beginning is known to be metadata.
fn uncharted(name: &str, image: Vec<u8>) -> Seed {
    let len = image.len() as u64;
    let mut chart = Chart::default();
    chart.metadata.push(32_768.min(len)..(1 << 20).min(len));
    Seed { name: name.to_owned(), image, chart }
}

fn iso_seed(name: &str, image: Vec<u8>) -> Option<Seed> {
    // A later session has a tree of its own, and shows that one.
    let opened = Image::open(Box::new(image.clone()), Limits::default()).ok()?;
    if opened.sessions().len() > 1 {
        return Some(uncharted(name, image));
    }
    let chart = iso_chart::draw(&image)?;
    Some(Seed { name: name.to_owned(), image, chart })
}

fn udf_seed(layout: Layout) -> Seed {
    let (image, places) = udf::write_with_places(layout, &make::udf_entries(layout));
    let wide = |range: &Range<usize>| range.start as u64..range.end as u64;
    let shared: Vec<Range<u64>> = udf::common_areas(layout).iter().map(wide).collect();
    // Block 0 holds the file set, block 1 the root's entry.
    let root = [block(layout, 0), block(layout, 1)].concat();
    let last = places.iter().map(|place| place.blocks.end.max(place.identifier.0 + 1)).max();
    let all = (0..last.unwrap_or(2)).flat_map(|number| block(layout, number));
    let mut files = Vec::new();
    for place in places.iter().filter(|place| place.is_shown_file()) {
        let mut depends_on = [shared.clone(), root.clone(), vec![wide(&place.bytes)]].concat();
        // It, and the directories that it is in, up to the root.
        let mut next = Some(place);
        let mut path = Vec::new();
        while let Some(here) = next {
            path.insert(0, here.entry.name.as_bytes());
            depends_on.extend(here.blocks.clone().flat_map(|number| block(layout, number)));
            depends_on.extend(listed(layout, here.identifier.0, &here.identifier.1));
            // The parent's own identifier stands before all others.
            depends_on.extend(listed(layout, here.identifier.0, &(0..40)));
            next = places.iter().find(|other| other.icb == here.parent);
        }
        let key = Key::Path(path.join(&b'/'));
        let digest = digest_of(&place.entry.data);
        files.push(Charted {
            name: place.entry.name.clone().into_bytes(),
            key,
            depends_on,
            digest,
        });
    }
    let metadata = shared.into_iter().chain(all).collect();
    let chart = Chart { view: Some(View::Udf), metadata, files };
    Seed { name: format!("udf-{layout:?}"), image, chart }
}

/// The bytes of a block of directories and entries, in every copy.
fn block(layout: Layout, number: usize) -> Vec<Range<u64>> {
    listed(layout, number, &(0..BLOCK))
}

/// Bytes of a list of identifiers that begins in a block, in every copy.
fn listed(layout: Layout, first: usize, bytes: &Range<usize>) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    for number in bytes.start / BLOCK..bytes.end.div_ceil(BLOCK) {
        let within = bytes.start.max(number * BLOCK)..bytes.end.min((number + 1) * BLOCK);
        let mut copies = vec![udf::metadata_byte(layout, first + number)];
        if layout == Layout::Metadata {
            copies.push(udf::mirror_byte(first + number));
        }
        for at in copies {
            let start = at + within.start % BLOCK;
            ranges.push(start as u64..(start + within.len()) as u64);
        }
    }
    ranges
}
