//! Small discs that describe much: files in 200 000 extents, attributes by the thousand, tables
//! that many partition maps share (H49). A reader must count what it keeps of them.

use super::{Case, HEALTHY, Seen, rooted};
use crate::make::craft::{FILES, Record, SECTOR, entry, nm, px, sp, zf};
use crate::make::ecma167::{BLOCK, icb_tag, identifier, le, long_ad, retag, short_ad, tagged};
use crate::make::udf::{self, Entry, Layout};

/// Bytes of one packed file once it is unpacked, all of them zeros.
pub const PACKED_BYTES: usize = 1 << 15;

/// Extents of one file: as many as readers take.
pub const MOST_EXTENTS: usize = 200_000;

/// The first block of the partition that UDF volumes are written with.
const PARTITION: usize = 272;

pub(super) fn cases() -> Vec<Case> {
    let zeros = Seen::File(vec![0; PACKED_BYTES]);
    let packed = |name| (name, zeros.clone());
    vec![
        Case::new("H49", "packed files in 200 000 extents each", packed_files(3)).shows([
            packed("F00000"),
            packed("F00001"),
            packed("F00002"),
        ]),
        Case::new("H49", "a file of 20 000 descriptors", fragmented_files(1, 20_000, 32))
            .shows_only([("F00000", Seen::File(fragments(20_000, 32)))]),
        Case::new("H49", "an attribute list of 50 000 attributes", listed_attributes(50_000))
            .shows([("F00000", Seen::File(HEALTHY.to_vec()))]),
    ]
}

/// This many files in the root, each packed by zisofs and in 200 000 units with gaps between them
/// (ECMA-119 6.4.3), and the healthy file. All have the same block of packed bytes.
#[must_use]
pub fn packed_files(count: usize) -> Vec<u8> {
    let head = FILES + 1;
    let record = |number: usize| {
        let name = format!("F{number:05}");
        let file = Record {
            unit: 1,
            gap: 1,
            ..Record::file(format!("{name};1"), head, MOST_EXTENTS * SECTOR)
        };
        file.with(&[nm(0, &name), zf(4, 15, PACKED_BYTES as u32)])
    };
    let records: Vec<Record> = (0..count).map(record).collect();
    // The root is longer than the room before the files.
    let mut craft = rooted(&[sp(0), px(0o040_555)], &[]);
    craft.put(head, &packed_head());
    let mut craft = moved_root(craft.image(), &[sp(0), px(0o040_555)], &records);
    craft.truncate(craft.len() / SECTOR * SECTOR);
    craft
}

/// The head of a packed file whose blocks are all zeros.
fn packed_head() -> Vec<u8> {
    let mut head = vec![0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07];
    head.extend((PACKED_BYTES as u32).to_le_bytes());
    head.extend([4, 15, 0, 0]);
    head.extend([0; 8]);
    head
}

/// The image with a root of these records and the healthy file, behind everything else.
fn moved_root(image: Vec<u8>, own: &[Vec<u8>], records: &[Record]) -> Vec<u8> {
    use crate::make::craft::{Craft, both32};
    let root = image.len() / SECTOR;
    let mut craft = Craft { image };
    let first = Record::directory([0], root).with(own);
    let parent = Record::directory([1], root);
    let healthy = super::healthy();
    let all = [&first, &parent].into_iter().chain(records).chain([&healthy]);
    let len = craft.records(root, all) as u32;
    craft.patch(root, 10, &both32(len));
    craft.patch(16, 156 + 2, &both32(root as u32)).patch(16, 156 + 10, &both32(len));
    craft.image()
}

/// This many directories in the root, of this many files each. Equal names get numbers.
#[must_use]
pub fn directories(count: usize, entries: usize, name: impl Fn(usize) -> String) -> Vec<u8> {
    let craft = rooted(&[], &[]);
    let mut craft = crate::make::craft::Craft { image: craft.image() };
    let files: Vec<Record> =
        (0..entries).map(|number| Record::file(name(number), FILES, HEALTHY.len())).collect();
    let mut records = Vec::new();
    for number in 0..count {
        let at = craft.image.len() / SECTOR;
        let len = craft.directory(at, crate::make::craft::ROOT, &files) as u32;
        craft.patch(at, 10, &crate::make::craft::both32(len));
        records.push(Record { len, ..Record::directory(format!("D{number:05}"), at) });
    }
    moved_root(craft.image(), &[], &records)
}

/// This many files of this many bytes each, in blocks of their own, packed by zisofs one by one.
#[must_use]
pub fn small_packed_files(count: usize) -> Vec<u8> {
    let mut craft = rooted(&[sp(0), px(0o040_555)], &[]);
    let mut records = Vec::new();
    for number in 0..count {
        let mut packed = vec![0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07];
        packed.extend(1u32.to_le_bytes());
        packed.extend([4, 15, 0, 0]);
        packed.extend(24u32.to_le_bytes());
        // One stored byte: zlib's head, a stored block, Adler-32.
        let byte = number as u8;
        let mut block = vec![0x78, 1, 1, 1, 0, 0xFE, 0xFF, byte];
        block.extend(((u32::from(byte) + 1) << 16 | (u32::from(byte) + 1)).to_be_bytes());
        packed.extend((24 + block.len() as u32).to_le_bytes());
        packed.extend(block);
        let at = craft.image.len() / SECTOR;
        craft.put(at, &packed);
        let name = format!("F{number:05}");
        let file = Record::file(format!("{name};1"), at, packed.len());
        records.push(file.with(&[nm(0, &name), zf(4, 15, 1)]));
    }
    moved_root(craft.image(), &[sp(0), px(0o040_555)], &records)
}

/// A file whose attribute list has this many attributes of one byte, in continuations.
#[must_use]
pub fn listed_attributes(count: usize) -> Vec<u8> {
    let mut craft = rooted(&[sp(0), px(0o040_555)], &[]);
    let mut list: Vec<u8> = Vec::new();
    for number in 0..count {
        let name = format!("\x03{number:x}");
        list.extend([0, name.len() as u8]);
        list.extend(name.as_bytes());
        list.extend([0, 1, b'v']);
    }
    let entries: Vec<u8> =
        list.chunks(250).flat_map(|piece| entry(b"AL", &[&[1], piece].concat())).collect();
    let at = craft.image.len() / SECTOR;
    craft.put(at, &entries);
    let ce = crate::make::craft::ce(at as u32, 0, entries.len() as u32);
    let file = Record::file("F00000", FILES, HEALTHY.len()).with(&[nm(0, "F00000"), ce]);
    moved_root(craft.image(), &[sp(0), px(0o040_555)], &[file])
}

/// A volume with a spare block of zeros and one of sevens, and its root emptied; where both lie in
/// the partition.
struct Udf {
    image: Vec<u8>,
    identifiers: Vec<u8>,
}

/// Blocks of entries on a volume of one file.
const ROOT_ICB: usize = 1;
const FILE_ICB: usize = 2;
/// A block of the partition with the bytes of the file, which are sevens, and a free one.
const SEVENS: usize = 400;
const ZEROS: usize = 402;

impl Udf {
    fn new() -> Self {
        let image = udf::write(Layout::Plain, &[Entry::file("f", &[7; BLOCK])]);
        let place = udf::metadata_byte(Layout::Plain, ROOT_ICB) / BLOCK - PARTITION;
        Self { image, identifiers: identifier("", 0x0A, &long_ad(BLOCK, place, 0)) }
    }

    /// Adds a block behind the others, made with its own place in the partition.
    fn block(&mut self, make: impl FnOnce(usize) -> Vec<u8>) -> usize {
        let place = self.image.len() / BLOCK - PARTITION;
        let block = make(place);
        self.image.extend(block);
        self.image.resize(self.image.len().next_multiple_of(BLOCK), 0);
        place
    }

    /// A chain of this many short descriptors of alternating places; where it begins.
    fn chain(&mut self, runs: usize, run_bytes: usize) -> usize {
        const PER_BLOCK: usize = 250;
        let first = self.image.len() / BLOCK - PARTITION;
        let blocks = runs.div_ceil(PER_BLOCK);
        for index in 0..blocks {
            let mut ads: Vec<u8> = (index * PER_BLOCK..runs.min((index + 1) * PER_BLOCK))
                .flat_map(|run| short_ad(run_bytes, if run % 2 == 0 { SEVENS } else { ZEROS }))
                .collect();
            if index + 1 < blocks {
                ads.extend(continued(first + index + 1));
            }
            self.block(|place| tagged(258, place, &[le(0), le(ads.len()), ads].concat()));
        }
        first
    }

    /// A copy of the file's entry for this many bytes, whose descriptors begin in a chain.
    fn file(&mut self, len: usize, chain: usize) -> usize {
        let icb = udf::metadata_byte(Layout::Plain, FILE_ICB);
        let mut icb = self.image[icb..icb + BLOCK].to_vec();
        icb[34] = 0;
        icb[56..64].copy_from_slice(&(len as u64).to_le_bytes());
        icb[212..216].copy_from_slice(&le(8));
        icb[216..224].copy_from_slice(&continued(chain));
        self.block(|place| {
            icb[12..16].copy_from_slice(&le(place));
            retag(&mut icb);
            icb
        })
    }

    fn name(&mut self, name: &str, icb: usize) {
        self.identifiers.extend(identifier(name, 0, &long_ad(BLOCK, icb, 0)));
    }

    /// Gives a directory's entry the identifiers so far.
    fn list(&mut self, icb_at: usize) {
        let list = std::mem::take(&mut self.identifiers);
        let len = list.len();
        let first = self.block(|_| list);
        let icb = &mut self.image[icb_at..][..BLOCK];
        icb[56..64].copy_from_slice(&(len as u64).to_le_bytes());
        icb[212..216].copy_from_slice(&le(16));
        icb[216..232].copy_from_slice(&long_ad(len, first, 0));
        retag(icb);
    }

    fn finished(mut self) -> Vec<u8> {
        self.list(udf::metadata_byte(Layout::Plain, ROOT_ICB));
        self.image
    }
}

/// A short descriptor that says where more of them stand.
fn continued(block: usize) -> Vec<u8> {
    let mut ad = short_ad(BLOCK, block);
    ad[3] = 0xC0;
    ad
}

/// A UDF disc with this many files that share a chain of this many descriptors of so many bytes.
#[must_use]
pub fn fragmented_files(count: usize, runs: usize, run_bytes: usize) -> Vec<u8> {
    let mut udf = Udf::new();
    let chain = udf.chain(runs, run_bytes);
    for number in 0..count {
        let icb = udf.file(runs * run_bytes, chain);
        udf.name(&format!("F{number:05}"), icb);
    }
    udf.finished()
}

/// What such a file holds.
fn fragments(runs: usize, run_bytes: usize) -> Vec<u8> {
    (0..runs * run_bytes).map(|at| if (at / run_bytes).is_multiple_of(2) { 7 } else { 0 }).collect()
}

/// A UDF disc with a file `f` that has this many named streams, which share a chain of this many
/// descriptors of one byte.
#[must_use]
pub fn streams(count: usize, runs: usize) -> Vec<u8> {
    let mut udf = Udf::new();
    let chain = udf.chain(runs, 1);
    let root = std::mem::take(&mut udf.identifiers);
    udf.identifiers = root.clone();
    let stream = udf.file(runs, chain);
    for number in 0..count {
        udf.name(&format!("stream {number:04}"), stream);
    }
    let icb_at = udf::metadata_byte(Layout::Plain, FILE_ICB);
    let mut directory = udf.image[icb_at..icb_at + BLOCK].to_vec();
    directory[16..36].copy_from_slice(&icb_tag(4, 13, 1));
    let directory = udf.block(|place| {
        directory[12..16].copy_from_slice(&le(place));
        directory
    });
    udf.list((PARTITION + directory) * BLOCK);
    let file = &mut udf.image[icb_at..icb_at + BLOCK];
    file[152..168].copy_from_slice(&long_ad(BLOCK, directory, 0));
    retag(file);
    udf.identifiers = root;
    udf.name("f", icb_at / BLOCK - PARTITION);
    udf.finished()
}

/// A write-once UDF disc with this many partition maps that share one table of this many bytes,
/// which is the same few blocks over and over.
#[must_use]
pub fn shared_table(maps: usize, bytes: usize) -> Vec<u8> {
    let mut image = udf::write(Layout::Virtual, &[Entry::file("f", &[7; BLOCK])]);
    for start in [32, 48] {
        let logical = &mut image[(start + 2) * BLOCK..][..BLOCK];
        let plain = logical[440..446].to_vec();
        let table = logical[446..510].to_vec();
        let all = [plain, table.repeat(maps)].concat();
        logical[264..268].copy_from_slice(&le(all.len()));
        logical[268..272].copy_from_slice(&le(maps + 1));
        logical[440..440 + all.len()].copy_from_slice(&all);
        logical[10..12].copy_from_slice(&((440 + all.len() - 16) as u16).to_le_bytes());
        retag(logical);
    }
    // The table that stands in its own entry becomes the beginning of a file of many extents.
    let last = image.len() - BLOCK;
    let place = last / BLOCK - PARTITION;
    let embedded = image[last + 216..].to_vec();
    let first = last - BLOCK;
    image[first..first + embedded.len()].copy_from_slice(&embedded);
    let piece = 256 * BLOCK;
    let mut ads = short_ad(BLOCK, place - 1);
    for _ in 0..bytes.div_ceil(piece).min(200) {
        ads.extend(short_ad(piece, 300));
    }
    let icb = &mut image[last..];
    icb[34] = 0;
    let len = BLOCK + piece * bytes.div_ceil(piece).min(200);
    icb[56..64].copy_from_slice(&(len as u64).to_le_bytes());
    icb[212..216].copy_from_slice(&le(ads.len()));
    icb[216..].fill(0);
    icb[216..216 + ads.len()].copy_from_slice(&ads);
    icb[10..12].copy_from_slice(&((216 + ads.len() - 16) as u16).to_le_bytes());
    retag(icb);
    image
}
