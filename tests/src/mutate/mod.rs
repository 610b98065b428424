//! Random damage to the metadata of sound discs, and what must come of it: no panic, no hang, and
//! every file whose own bytes and metadata were left alone is there as it was, or its loss costs an
//! exit code and a name: an error of a node, or a directory that is known as damaged.

mod chart;
mod iso_chart;

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::Result;
use iso_core::volume::{FileKind, NodeId, Volume, Walk};
use iso_core::{Image, Limits};
use sha2::{Digest, Sha256};

use crate::make::ecma167::retag;
use crate::probe::{Effort, ask};

pub use chart::{Chart, Charted, Key, Seed, seeds};

/// What came of many mutations.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Discs that were tried.
    pub discs: u64,
    /// Discs that were refused as a whole, with an error.
    pub refused: u64,
    /// Files that nothing was done to, over all discs.
    pub untouched: u64,
    /// Those of them that were there as they should be.
    pub as_before: u64,
    /// Those whose loss costs `tree` and `extract` their exit code 5 and is named.
    pub reported: u64,
    /// The longest that one disc took.
    pub slowest: Duration,
    /// What must not be: panics, hangs, silent differences; each with the number of its mutation.
    pub wrong: Vec<String>,
    /// Losses of which a finding tells, and no exit code.
    pub mute: Vec<String>,
}

const EFFORT: Effort = Effort { nodes: 400, file_bytes: 4096, view_bytes: 4 << 20 };

/// Longest that one disc may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A generator of numbers (splitmix64): the same for the same start.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Tries mutations with these numbers on the seeds in turn.
pub fn run(seeds: &[Seed], numbers: Range<u64>) -> Outcome {
    let mut outcome = Outcome::default();
    for number in numbers {
        let seed = &seeds[(number % seeds.len() as u64) as usize];
        let mut image = seed.image.clone();
        let edits = damage(&mut image, &seed.chart, &mut Numbers(number));
        let since = Instant::now();
        let tried = catch_unwind(AssertUnwindSafe(|| judge(seed, image, &edits, &mut outcome)));
        let took = since.elapsed();
        outcome.discs += 1;
        outcome.slowest = outcome.slowest.max(took);
        let reported = |what: &str| format!("mutation {number} of {}: {what} {edits:?}", seed.name);
        match tried {
            Ok(Ok(Verdict::Well)) if took <= PATIENCE => {}
            Ok(Ok(Verdict::Well)) => outcome.wrong.push(reported(&format!("it took {took:?}"))),
            Ok(Ok(Verdict::Mute(what))) => outcome.mute.push(reported(&what)),
            Ok(Err(silent)) => outcome.wrong.push(reported(&silent.to_string())),
            Err(_) => outcome.wrong.push(reported("a panic")),
        }
    }
    outcome
}

/// What is to be said of one damaged disc.
enum Verdict {
    Well,
    /// This was lost, and only a finding tells of it.
    Mute(String),
}

/// Changes one to four places in the metadata, and gives what was changed. Descriptors may get
/// right checksums over their damage, as what a hostile program writes has.
fn damage(image: &mut [u8], chart: &Chart, numbers: &mut Numbers) -> Vec<Range<u64>> {
    let mut edits = Vec::new();
    for _ in 0..=numbers.below(4) {
        if !chart.aims.is_empty() && numbers.below(3) == 0 {
            let at = chart.aims[numbers.below(chart.aims.len())];
            // Where a length stands, the length of what follows it.
            let next = (at + u64::from(image[at as usize])).min(image.len() as u64 - 1);
            let next = image[next as usize];
            let byte = &mut image[at as usize];
            *byte = match numbers.below(6) {
                0 => 0,
                1 => byte.wrapping_add(1),
                2 => byte.wrapping_sub(1),
                3 => *byte ^ (1 << numbers.below(8)),
                4 => byte.wrapping_add(next),
                _ => numbers.next() as u8,
            };
            edits.push(at..at + 1);
            continue;
        }
        let area = &chart.metadata[numbers.below(chart.metadata.len())];
        let at = area.start as usize + numbers.below((area.end - area.start) as usize);
        let len = match numbers.below(4) {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => 1 + numbers.below(24),
        };
        let end = (at + len).min(area.end as usize);
        let kind = numbers.below(6);
        let from = chart.metadata[numbers.below(chart.metadata.len())].start as usize;
        for place in at..end {
            image[place] = match kind {
                0 => numbers.next() as u8,
                1 => 0,
                2 => 0xFF,
                3 => image[place] ^ (1 << numbers.below(8)),
                4 => image[place].wrapping_add(1),
                _ => image[(from + place - at).min(image.len() - 1)],
            };
        }
        edits.push(at as u64..end as u64);
    }
    if numbers.below(2) == 0 {
        for range in &chart.tagged {
            let is_damaged = |edit: &Range<u64>| edit.start < range.end && range.start < edit.end;
            if edits.iter().any(is_damaged) {
                retag(&mut image[range.start as usize..range.end as usize]);
            }
        }
    }
    edits
}

/// Asks everything, and looks for the files that were left alone.
fn judge(
    seed: &Seed,
    image: Vec<u8>,
    edits: &[Range<u64>],
    outcome: &mut Outcome,
) -> Result<Verdict> {
    let Ok(image) = Image::open(Box::new(image), Limits::default()) else {
        outcome.refused += 1;
        return Ok(Verdict::Well);
    };
    ask(&image, EFFORT);
    let touches = |ranges: &[Range<u64>]| {
        ranges.iter().any(|range| edits.iter().any(|e| e.start < range.end && range.start < e.end))
    };
    let alone: Vec<&Charted> =
        seed.chart.files.iter().filter(|file| !touches(&file.depends_on)).collect();
    let Some(view) = seed.chart.view else { return Ok(Verdict::Well) };
    let Some(system) = image.systems().iter().find(|system| system.view == view) else {
        outcome.refused += 1;
        return Ok(Verdict::Well);
    };
    outcome.untouched += alone.len() as u64;
    let (found, named) = files(&*system.volume)?;
    let findings = image.disc().findings().list();
    let mut verdict = Verdict::Well;
    for file in alone {
        // Where a record was taken for something else, that is in its place under another name. The
        // same bytes under another name are the file: damage to its neighbours may change the
        // character set of the directory, or give it a number.
        let is_wanted = |(name, contents): &&(Vec<u8>, Contents)| {
            *name == file.name || contents.as_ref().is_ok_and(|digest| *digest == file.digest)
        };
        // Of the names of one Rock Ridge file, the first that is read gives all of them its record.
        let is_other_name = |(name, contents): &&(Vec<u8>, Contents)| {
            *name == file.name && contents.as_ref().is_ok_and(|digest| *digest == file.digest)
        };
        let found = found
            .get(&rounded(&file.key))
            .filter(is_wanted)
            .or_else(|| found.values().find(is_other_name));
        let name = file.name.escape_ascii();
        match found.map(|(_, contents)| contents) {
            Some(Ok(digest)) if *digest == file.digest => outcome.as_before += 1,
            Some(Ok(_)) => anyhow::bail!("{name} has other bytes, and no error"),
            Some(Err(error)) => anyhow::bail!("{name} cannot be read: {error}"),
            None if named > 0 => outcome.reported += 1,
            None => match findings.first() {
                Some(finding) => {
                    verdict = Verdict::Mute(format!("{name} is lost beside {:?}", finding.text));
                }
                None => anyhow::bail!("{name} is not there, and nothing tells why"),
            },
        }
    }
    Ok(verdict)
}

/// The digest of a file, or why it cannot be read.
type Contents = std::result::Result<[u8; 32], String>;
/// Files with their names, by the ways to find them.
type Found = HashMap<Key, (Vec<u8>, Contents)>;

/// A key as nodes tell it, whose numbers leave out the last bits of a place.
fn rounded(key: &Key) -> Key {
    match key {
        Key::Record(at) => Key::Record(NodeId::at(*at).position()),
        Key::Path(path) => Key::Path(path.clone()),
    }
}

/// The digests of all files by the places of their records, and how many files and directories
/// were met that `tree` and `extract` name and fail for.
fn files(volume: &dyn Volume) -> Result<(Found, usize)> {
    let mut found = HashMap::new();
    let walk = Walk::new(volume, volume.root())?;
    let mut named = usize::from(walk.is_start_damaged());
    for step in walk.take(20_000) {
        let is_cut = step.kind == FileKind::Regular
            && (volume.is_cut(step.node) || volume.lacks_bytes(step.node));
        named += usize::from(step.error.is_some() || step.is_damaged || is_cut);
        if step.kind == FileKind::Regular && step.error.is_none() {
            let file = (step.name().to_vec(), digest(volume, step.node));
            found.insert(Key::Record(step.node.position()), file.clone());
            found.insert(Key::Path(step.path), file);
        }
    }
    Ok((found, named))
}

fn digest(volume: &dyn Volume, node: NodeId) -> Contents {
    const MOST: u64 = 1 << 20;
    let len = volume.attr(node).map_err(|error| error.to_string())?.size.min(MOST);
    let mut bytes = vec![0; len as usize];
    volume.read_into(node, 0, &mut bytes).map_err(|error| error.to_string())?;
    Ok(Sha256::digest(&bytes).into())
}

/// The digest of bytes, as `digest` makes it.
fn digest_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
