//! Discs made from nothing, by writers that share no code with the readers: what no image of
//! other programs shows. `discs` names them all, so that other programs can be asked about them.

pub mod craft;
pub mod ecma167;
pub mod hfs;
pub mod iso;
pub mod sierra;
pub mod udf;

use iso::{File, Oddities};
use udf::{Entry, Layout};

/// Bytes that depend on nothing but a number, `len` of them.
pub fn bytes(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..len).map(|_| next()).collect()
}

/// The Finder information of one of the files.
pub const FINDER_INFO: [u8; 32] = *b"TEXTttxt\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// What is on the UDF discs: every oddity of a file that the format knows. Where blocks are
/// virtual, nothing is replaced: a table there does what indirect entries do elsewhere.
pub fn udf_entries(layout: Layout) -> Vec<Entry> {
    let mut replaced = Entry::file("replaced.bin", &bytes(2, 3000));
    replaced.replaced = (layout != Layout::Virtual).then(|| bytes(3, 5000));
    let mut streams = Entry::file("streams.txt", b"the main stream\n");
    streams.streams = vec![
        ("note".to_owned(), b"a named stream\n".to_vec()),
        ("*UDF Macintosh Resource Fork".to_owned(), bytes(4, 4000)),
    ];
    streams.finder_info = Some(FINDER_INFO);
    let mut apart = Entry::file("apart.txt", b"its attributes stand elsewhere\n");
    apart.finder_info = Some(FINDER_INFO);
    apart.has_attributes_apart = true;
    let mut hidden = Entry::file("hidden.txt", b"hidden\n");
    hidden.characteristics = 1;
    let mut deleted = Entry::file("deleted.txt", b"gone\n");
    deleted.characteristics = 4;
    let many = (0..60).map(|n| Entry::file(&format!("file-{n:03}"), b""));
    vec![
        Entry::file("plain.bin", &bytes(1, 10_000)),
        Entry::file("caf\u{e9} \u{4e2d}\u{6587}.txt", b"unicode\n"),
        replaced,
        streams,
        apart,
        hidden,
        deleted,
        Entry::directory("many", many.collect()),
        Entry::directory(
            "deep",
            vec![Entry::directory("deeper", vec![Entry::file("end", &bytes(5, 2048))])],
        ),
    ]
}

/// The two files of the High Sierra disc.
pub fn sierra_files() -> (Vec<u8>, Vec<u8>) {
    (b"High Sierra\r\n".to_vec(), bytes(6, 5000))
}

/// The two forks of the HFS disc.
pub fn hfs_forks() -> (Vec<u8>, Vec<u8>) {
    (bytes(7, 9 * 1024 - 100), bytes(8, 1500))
}

/// The files of the ISO 9660 discs, one oddity each.
pub fn iso_files() -> Vec<File> {
    let file = File::new;
    vec![
        file("PLAIN.BIN;1", bytes(20, 5000)),
        File { flags: 4, ..file("FORK.BIN;1", bytes(21, 900)) },
        file("FORK.BIN;1", bytes(22, 3000)),
        File { flags: 1, ..file("HIDDEN.TXT;1", b"hidden\r\n".to_vec()) },
        File { attribute_blocks: 1, ..file("XAR.BIN;1", bytes(23, 3000)) },
        File { is_nowhere: true, ..file("EMPTY.TXT;1", Vec::new()) },
        File { disagrees: true, ..file("BOTH.BIN;1", bytes(24, 700)) },
        file("SAME.TXT;2", b"second\r\n".to_vec()),
        file("SAME.TXT;1", b"first\r\n".to_vec()),
    ]
}

/// Interleaved files, which the kernel's driver does not read.
pub fn interleaved_files() -> Vec<File> {
    let data = bytes(25, 20_001);
    vec![
        File { interleave: Some((2, 3)), ..File::new("LEAVES.BIN;1", data.clone()) },
        File { interleave: Some((2, 1)), attribute_blocks: 1, ..File::new("LEAVEX.BIN;1", data) },
    ]
}

/// All discs by their names.
pub fn discs() -> Vec<(&'static str, Vec<u8>)> {
    let (readme, note) = sierra_files();
    let (data, resource) = hfs_forks();
    let udf = |layout: Layout| udf::write(layout, &udf_entries(layout));
    vec![
        ("udf-plain", udf(Layout::Plain)),
        ("udf-metadata", udf(Layout::Metadata)),
        ("udf-virtual", udf(Layout::Virtual)),
        ("iso-512", iso::write(Oddities { block: 512, padding: 0, version: 1 }, &iso_files())),
        (
            "iso-1024-padded",
            iso::write(Oddities { block: 1024, padding: 2, version: 2 }, &iso_files()),
        ),
        (
            "iso-interleaved",
            iso::write(Oddities { block: 2048, padding: 0, version: 1 }, &interleaved_files()),
        ),
        ("high-sierra", sierra::write(&readme, &note)),
        ("hfs-forks", hfs::write(&data, &resource)),
    ]
}
