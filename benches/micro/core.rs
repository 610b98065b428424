//! What the core does most, each by itself: directories parsed, names found, attributes read, the
//! place of a byte in a file, the cache of blocks. `cargo bench -p isodrive-benches`.

use std::sync::{Arc, OnceLock};

use divan::{Bencher, black_box};
use iso_core::volume::{Extent, Extents, ExtentsBuilder, NodeId, Presentation};
use iso_core::{Image, Limits, Site, Volume, WeightedCache};
use isodrive_tests::hostile::large::{many_entries, many_udf_entries};

fn main() {
    divan::main();
}

const ENTRIES: usize = 50_000;

/// A disc in memory with one folder of many files, and that folder.
struct Disc {
    volume: Arc<dyn Volume>,
    folder: NodeId,
}

fn disc(image: Vec<u8>, limits: Limits, folder: &[u8]) -> Disc {
    let image = Image::open(Box::new(image), limits).expect("a sound disc");
    let volume = image.choose(None).expect("a volume").volume;
    let root = volume.root();
    let folder = if folder == b"." { root } else { volume.lookup(root, folder, false).unwrap() };
    Disc { volume, folder }
}

/// Parsed anew each time: nothing parsed is kept.
fn forgetful() -> Limits {
    Limits { parsed_cache_bytes: 1, ..Limits::default() }
}

fn kept() -> &'static Disc {
    static KEPT: OnceLock<Disc> = OnceLock::new();
    KEPT.get_or_init(|| {
        let disc = disc(many_entries(ENTRIES), Limits::default(), b"D");
        disc.volume.read_dir(disc.folder).expect("a folder");
        disc
    })
}

/// Records parsed, names indexed: ISO 9660.
#[divan::bench]
fn parse_50_000_records(bencher: Bencher) {
    let disc = disc(many_entries(ENTRIES), forgetful(), b"D");
    let other = disc.volume.root();
    bencher.counter(divan::counter::ItemsCount::new(ENTRIES)).bench(|| {
        // Another directory takes the only place in the cache.
        disc.volume.read_dir(other).unwrap();
        disc.volume.read_dir(disc.folder).unwrap().len()
    });
}

/// The same of UDF.
#[divan::bench]
fn parse_50_000_file_identifiers(bencher: Bencher) {
    let image = many_udf_entries(ENTRIES);
    bencher.counter(divan::counter::ItemsCount::new(ENTRIES)).bench(|| {
        let disc = disc(image.clone(), forgetful(), b".");
        disc.volume.read_dir(disc.folder).unwrap().len()
    });
}

/// A name in a folder of 50 000.
#[divan::bench]
fn lookup(bencher: Bencher) {
    let disc = kept();
    bencher.bench(|| disc.volume.lookup(disc.folder, black_box(b"FILE0043210"), false).unwrap());
}

/// A name in another case.
#[divan::bench]
fn lookup_in_another_case(bencher: Bencher) {
    let disc = kept();
    bencher.bench(|| disc.volume.lookup(disc.folder, black_box(b"file0043210"), true).unwrap());
}

/// A name that is not there.
#[divan::bench]
fn lookup_of_nothing(bencher: Bencher) {
    let disc = kept();
    bencher.bench(|| disc.volume.lookup(disc.folder, black_box(b"FILE9999999"), true).is_err());
}

/// Attributes of one file after the other.
#[divan::bench]
fn attr(bencher: Bencher) {
    let disc = kept();
    let dir = disc.volume.read_dir(disc.folder).unwrap();
    let mut position = 0;
    bencher.bench_local(|| {
        position = (position + 1) % dir.len();
        let attr = disc.volume.attr(dir.get(position).unwrap().node).unwrap();
        Presentation::default().stat(&attr)
    });
}

/// 4 KiB of a file in memory.
#[divan::bench]
fn read(bencher: Bencher) {
    let disc = kept();
    let node = disc.volume.lookup(disc.folder, b"FILE0043210", false).unwrap();
    let mut buffer = [0; 4096];
    bencher.bench_local(|| disc.volume.read_into(node, 0, &mut buffer).unwrap());
}

/// The run of a byte, of a file in so many runs.
#[divan::bench(args = [1, 1000, 200_000])]
fn run_at(bencher: Bencher, runs: u64) {
    let mut builder = ExtentsBuilder::new(&Limits::default(), Site::new("file", "none", 0));
    for run in 0..runs {
        builder.push(Extent { at: Some(run * 8192), len: 4096 }).unwrap();
    }
    let extents: Extents = builder.finish(runs * 4096);
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 0x9E37_79B9) % (runs * 4096);
        extents.run_at(black_box(at))
    });
}

/// A block that the cache has.
#[divan::bench]
fn cache_hit(bencher: Bencher) {
    let cache: WeightedCache<u64, [u8]> = WeightedCache::new(64 << 20);
    for key in 0..2000 {
        cache.put(key, vec![0; 32 << 10].into());
    }
    let mut key = 0;
    bencher.bench_local(|| {
        key = (key + 7) % 2000;
        cache.get(&key)
    });
}

/// A block that takes the place of another.
#[divan::bench]
fn cache_put(bencher: Bencher) {
    let cache: WeightedCache<u64, [u8]> = WeightedCache::new(1 << 20);
    let block: Arc<[u8]> = vec![0; 32 << 10].into();
    let mut key = 0;
    bencher.bench_local(|| {
        key += 1;
        cache.put(key, block.clone());
    });
}
