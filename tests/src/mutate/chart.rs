//! Where on a sound disc things stand: all metadata, and for each file what it depends on. Drawn by
//! programs that share no code with the reader.

use std::ops::Range;

use anyhow::Result;
use iso_core::{Image, Limits, View};

use super::{digest_of, iso_chart};
use crate::make::ecma167::BLOCK;
use crate::make::hfs;
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
    /// Those of them that decide most: lengths, kinds and flags of records and entries.
    pub aims: Vec<u64>,
    /// Descriptors whose checksums can be made right again after damage.
    pub tagged: Vec<Range<u64>>,
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
        } else if name.starts_with("hfs") {
            seeds.push(hfs_seed(name, image));
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

/// A bare HFS volume: its header, and the nodes of its trees with their descriptors.
fn hfs_seed(name: &str, image: Vec<u8>) -> Seed {
    const HEADER: u64 = 1024;
    const NODE: u64 = 512;
    let trees = hfs::TREES.map(|tree| tree.start as u64..tree.end as u64);
    // The kind of a node, how many records it has, and where the last ones begin; the lengths of
    // keys and the kinds of records stand behind.
    let aims = trees.iter().flat_map(|tree| {
        let nodes = (tree.start..tree.end).step_by(NODE as usize);
        nodes.flat_map(|node| (8..20).chain(NODE - 16..NODE).map(move |byte| node + byte))
    });
    let aims = aims.collect();
    let metadata = std::iter::once(HEADER..HEADER + 162).chain(trees).collect();
    let chart = Chart { metadata, aims, ..Chart::default() };
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
    let metadata: Vec<Range<u64>> = shared.into_iter().chain(all).collect();
    // Descriptors fill blocks; identifiers stand where their lists have them.
    let blocks = metadata.iter().flat_map(|area| (area.start..area.end).step_by(BLOCK));
    let blocks = blocks.map(|at| at..at + BLOCK as u64);
    let identifiers = places
        .iter()
        .flat_map(|place| listed(layout, place.identifier.0, &place.identifier.1))
        .filter(|range| is_tagged(&image, range));
    let tagged: Vec<Range<u64>> =
        blocks.filter(|range| is_tagged(&image, range)).chain(identifiers).collect();
    // Kinds, flags and lengths of descriptors stand in their first bytes.
    let aims = tagged.iter().flat_map(|range| (16..40).map(|byte| range.start + byte)).collect();
    let chart = Chart { view: Some(View::Udf), metadata, aims, tagged, files };
    Seed { name: format!("udf-{layout:?}"), image, chart }
}

/// Whether a whole descriptor with a right checksum stands in a range (ECMA-167 3/7.2.3).
fn is_tagged(image: &[u8], range: &Range<u64>) -> bool {
    let Some(bytes) = image.get(range.start as usize..range.end as usize) else { return false };
    let Some(tag) = bytes.get(..16).filter(|tag| tag[0] != 0 || tag[1] != 0) else { return false };
    let len = usize::from(u16::from_le_bytes([tag[10], tag[11]]));
    let rest = tag.iter().enumerate().filter(|(at, _)| *at != 4).map(|(_, byte)| byte);
    16 + len <= bytes.len() && tag[4] == rest.fold(0u8, |sum, byte| sum.wrapping_add(*byte))
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
