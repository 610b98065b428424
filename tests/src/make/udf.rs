//! Writes small UDF volumes: plain, with a metadata partition, or with a virtual one.
//! Knows ECMA-167 and UDF 2.60, and nothing of iso-core.

use std::ops::Range;

use super::ecma167::{
    BLOCK, charset, cs0, domain, dstring, entity, extent, finder_attribute, icb_tag, identifier,
    identifier_of, le, long_ad, short_ad, tagged, time,
};

/// Where the partition begins, and how many blocks it has.
const PARTITION: usize = 272;
const PARTITION_BLOCKS: usize = 700;
/// Where, in the partition, things are put. The metadata file lies in two pieces.
const METADATA_ICB: usize = 0;
const MIRROR_ICB: usize = 1;
const METADATA_FIRST: usize = 8;
const METADATA_FIRST_BLOCKS: usize = 3;
const METADATA_REST: usize = 20;
const MIRROR: usize = 160;
const DATA: usize = 400;
/// Blocks of the metadata file, which has no more than it needs on real discs either.
const METADATA_BLOCKS: usize = 120;

/// How the blocks of directories and file entries are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// In the partition itself.
    Plain,
    /// In a metadata partition (UDF 2.50 and later).
    Metadata,
    /// In a virtual partition, by a table at the end (UDF 2.00 form).
    Virtual,
}

/// A file or directory to be written.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub data: Vec<u8>,
    /// What is in it, for a directory.
    pub entries: Option<Vec<Entry>>,
    /// Named streams.
    pub streams: Vec<(String, Vec<u8>)>,
    /// Bytes of an older version, which an indirect entry replaces (strategy 4096).
    pub replaced: Option<Vec<u8>>,
    /// File characteristics beside that of a directory: 1 hidden, 4 deleted.
    pub characteristics: u8,
    /// The 32 bytes of Finder information.
    pub finder_info: Option<[u8; 32]>,
    /// Whether its attributes stand in an ICB of their own.
    pub has_attributes_apart: bool,
    /// Its name as it lies on the disc, where `name` cannot say it.
    pub cs0: Option<Vec<u8>>,
}

impl Entry {
    /// A plain file.
    pub fn file(name: &str, data: &[u8]) -> Self {
        Self { name: name.to_owned(), data: data.to_vec(), ..Self::default() }
    }

    /// A directory.
    pub fn directory(name: &str, entries: Vec<Entry>) -> Self {
        Self { name: name.to_owned(), entries: Some(entries), ..Self::default() }
    }
}

/// Writes a volume that holds `entries`.
pub fn write(layout: Layout, entries: &[Entry]) -> Vec<u8> {
    write_with_places(layout, entries).0
}

/// As `write`; and where each file and directory stands, by the blocks that hold it.
pub fn write_with_places(layout: Layout, entries: &[Entry]) -> (Vec<u8>, Vec<Place>) {
    let (meta, data, places) = (vec![Vec::new()], Vec::new(), Vec::new());
    let mut writer = Writer { layout, meta, data, places };
    let root = writer.directory(entries, None);
    writer.meta[0] = file_set(root, writer.map());
    let places = std::mem::take(&mut writer.places);
    (writer.image(), places)
}

/// Where something stands on a written volume, in blocks of the directories and entries.
#[derive(Debug, Clone)]
pub struct Place {
    /// What it is, without what is in it.
    pub entry: Entry,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// The block of its first entry.
    pub icb: usize,
    /// Blocks that are its alone: entries, streams.
    pub blocks: Range<usize>,
    /// The block of the directory that names it.
    pub parent: usize,
    /// Its identifier: the block in which the list begins, and the bytes of the list.
    pub identifier: (usize, Range<usize>),
    /// Where its bytes are, and those of its streams, in the image.
    pub bytes: Range<usize>,
}

impl Place {
    /// Whether it is a file that a reader shows.
    #[must_use]
    pub fn is_shown_file(&self) -> bool {
        !self.is_directory && self.entry.characteristics & 4 == 0
    }
}

/// The byte in the image of block `block` of the directories and entries, in the mirror.
pub fn mirror_byte(block: usize) -> usize {
    (PARTITION + MIRROR + block) * BLOCK
}

/// Where what is no file stands: recognition, sequences, anchor, metadata files, table.
pub fn common_areas(layout: Layout) -> Vec<Range<usize>> {
    let blocks = |range: Range<usize>| range.start * BLOCK..range.end * BLOCK;
    let mut areas: Vec<_> = [16..19, 32..37, 48..53, 64..66, 256..257].map(blocks).into();
    match layout {
        Layout::Plain => {}
        Layout::Metadata => areas.push(blocks(PARTITION..PARTITION + 2)),
        Layout::Virtual => {
            let last = PARTITION + PARTITION_BLOCKS;
            areas.push(blocks(last - 1..last));
        }
    }
    areas
}

/// The most blocks that entries and their bytes may take.
pub const MOST_BLOCKS: (usize, usize) = (METADATA_BLOCKS, PARTITION_BLOCKS - DATA - 8);

/// Blocks of directories and file entries, and of bytes, that entries take at most.
#[must_use]
pub fn blocks_of(entries: &[Entry]) -> (usize, usize) {
    let names: usize = entries.iter().map(|entry| 48 + 2 * entry.name.len()).sum();
    entries.iter().fold((2 + names.div_ceil(BLOCK), 0), |(meta, data), entry| {
        let (below, inside) = entry.entries.as_deref().map_or((1, 0), blocks_of);
        (meta + below, data + inside + entry.data.len().div_ceil(BLOCK))
    })
}

/// The byte in the image of block `block` of the directories and file entries, in the main copy.
pub fn metadata_byte(layout: Layout, block: usize) -> usize {
    let in_partition = match layout {
        Layout::Plain => METADATA_FIRST + block,
        Layout::Metadata if block < METADATA_FIRST_BLOCKS => METADATA_FIRST + block,
        Layout::Metadata => METADATA_REST + block - METADATA_FIRST_BLOCKS,
        Layout::Virtual => virtual_place(block),
    };
    (PARTITION + in_partition) * BLOCK
}

/// The byte in the image of the entry of the metadata file.
pub fn metadata_icb_byte() -> usize {
    (PARTITION + METADATA_ICB) * BLOCK
}

/// Where a virtual block lies: backwards, so that no two follow each other.
fn virtual_place(block: usize) -> usize {
    METADATA_FIRST + METADATA_BLOCKS - block
}

struct Writer {
    layout: Layout,
    /// Blocks of directories and file entries.
    meta: Vec<Vec<u8>>,
    /// Bytes of files, in whole blocks.
    data: Vec<u8>,
    places: Vec<Place>,
}

impl Writer {
    /// The partition map through which `meta` is found, and the block that its first one has.
    fn map(&self) -> (u16, usize) {
        match self.layout {
            Layout::Plain => (0, METADATA_FIRST),
            Layout::Metadata | Layout::Virtual => (1, 0),
        }
    }

    fn reserve(&mut self, blocks: usize) -> usize {
        self.meta.resize(self.meta.len() + blocks, Vec::new());
        self.meta.len() - blocks
    }

    /// A long allocation descriptor of an entry in `meta`.
    fn reference(&self, index: usize) -> Vec<u8> {
        let (map, first) = self.map();
        long_ad(BLOCK, first + index, map)
    }

    fn tagged(&self, id: u16, index: usize, body: &[u8]) -> Vec<u8> {
        tagged(id, self.map().1 + index, body)
    }

    /// Puts bytes into the partition and gives the descriptor of them.
    fn bytes(&mut self, data: &[u8]) -> Vec<u8> {
        if data.is_empty() {
            return Vec::new();
        }
        let block = DATA + self.data.len() / BLOCK;
        self.data.extend(data);
        self.data.resize(self.data.len().next_multiple_of(BLOCK), 0);
        long_ad(data.len(), block, 0)
    }

    fn directory(&mut self, entries: &[Entry], parent: Option<usize>) -> usize {
        let own = self.reserve(1);
        let mut identifiers = identifier("", 0x0A, &self.reference(parent.unwrap_or(own)));
        let mut placed = Vec::new();
        for entry in entries {
            let (block, byte) = (self.meta.len(), self.data.len());
            let child = match &entry.entries {
                Some(below) => self.directory(below, Some(own)),
                None => self.file(entry),
            };
            let characteristics =
                entry.characteristics | if entry.entries.is_some() { 2 } else { 0 };
            let icb = if characteristics & 4 == 0 { self.reference(child) } else { vec![0; 16] };
            let name = entry.cs0.clone().unwrap_or_else(|| cs0(&entry.name));
            let start = identifiers.len();
            identifiers.extend(identifier_of(&name, characteristics, &icb));
            placed.push(Place {
                entry: Entry { entries: None, ..entry.clone() },
                is_directory: entry.entries.is_some(),
                icb: child,
                blocks: if entry.entries.is_some() {
                    child..child + 1
                } else {
                    block..self.meta.len()
                },
                parent: own,
                identifier: (0, start..identifiers.len()),
                bytes: byte..self.data.len(),
            });
        }
        let list = self.list(own, 4, &identifiers);
        self.places.extend(placed.into_iter().map(|mut place| {
            place.identifier.0 = list;
            let data = (PARTITION + DATA) * BLOCK;
            place.bytes = data + place.bytes.start..data + place.bytes.end;
            place
        }));
        own
    }

    /// Writes a directory or stream directory: its entry at `own`, its identifiers behind it.
    /// Gives the first block of those.
    fn list(&mut self, own: usize, file_type: u8, identifiers: &[u8]) -> usize {
        let blocks = identifiers.len().div_ceil(BLOCK);
        let first = self.reserve(blocks);
        let (map, base) = self.map();
        let mut descriptors = Vec::new();
        for (index, piece) in identifiers.chunks(BLOCK).enumerate() {
            self.meta[first + index] = piece.to_vec();
            descriptors.extend(long_ad(piece.len(), base + first + index, map));
        }
        let entry = Icb { file_type, len: identifiers.len(), descriptors, ..Icb::default() };
        self.meta[own] = self.tagged(266, own, &entry.body());
        first
    }

    fn file(&mut self, file: &Entry) -> usize {
        let own = self.reserve(1);
        let streams = (!file.streams.is_empty()).then(|| self.streams(&file.streams, own));
        let attributes = file.finder_info.map(|info| finder_attribute(&info)).unwrap_or_default();
        let (attributes, apart) = match file.has_attributes_apart {
            true => (Vec::new(), Some(self.attributes(&attributes))),
            false => (attributes, None),
        };
        let descriptors = self.bytes(&file.data);
        let icb = Icb {
            file_type: 5,
            len: file.data.len(),
            descriptors,
            streams: streams.map(|index| self.reference(index)),
            attributes,
            attributes_icb: apart.map(|index| self.reference(index)),
            strategy: if file.replaced.is_some() { 4096 } else { 4 },
        };
        let Some(old) = &file.replaced else {
            self.meta[own] = self.tagged(266, own, &icb.body());
            return own;
        };
        // The old entry, an indirect entry behind it, and the new one elsewhere, with a blank
        // block behind that (ECMA-167 4/8.10, UDF 2.60 6.6).
        let indirect = self.reserve(1);
        let new = self.reserve(2);
        assert_eq!(indirect, own + 1, "an indirect entry stands behind the one it replaces");
        let descriptors = self.bytes(old);
        let old = Icb { len: old.len(), descriptors, strategy: 4096, ..Icb::default() };
        self.meta[own] = self.tagged(266, own, &old.body());
        let body = [icb_tag(4096, 3, 0), self.reference(new)].concat();
        self.meta[indirect] = self.tagged(259, indirect, &body);
        self.meta[new] = self.tagged(266, new, &icb.body());
        own
    }

    /// Writes an attribute space as a file of its own.
    fn attributes(&mut self, space: &[u8]) -> usize {
        let own = self.reserve(1);
        let descriptors = self.bytes(space);
        let icb = Icb { file_type: 8, len: space.len(), descriptors, ..Icb::default() };
        self.meta[own] = self.tagged(266, own, &icb.body());
        own
    }

    fn streams(&mut self, streams: &[(String, Vec<u8>)], file: usize) -> usize {
        let own = self.reserve(1);
        let mut identifiers = identifier("", 0x0A, &self.reference(file));
        for (name, data) in streams {
            let icb = self.reserve(1);
            let descriptors = self.bytes(data);
            let stream = Icb { len: data.len(), descriptors, ..Icb::default() };
            self.meta[icb] = self.tagged(266, icb, &stream.body());
            identifiers.extend(identifier(name, 0, &self.reference(icb)));
        }
        self.list(own, 13, &identifiers);
        own
    }

    /// Puts everything in its place.
    fn image(self) -> Vec<u8> {
        let mut image = vec![0; (PARTITION + PARTITION_BLOCKS) * BLOCK];
        assert!(self.meta.len() <= METADATA_BLOCKS, "{} blocks", self.meta.len());
        assert!(DATA * BLOCK + self.data.len() <= (PARTITION_BLOCKS - 8) * BLOCK);
        for (block, id) in [(16, b"BEA01"), (17, b"NSR03"), (18, b"TEA01")] {
            put(&mut image, block, &[&[0], &id[..], &[1]].concat());
        }
        for start in [32, 48] {
            for (index, descriptor) in self.sequence(start).into_iter().enumerate() {
                put(&mut image, start + index, &descriptor);
            }
        }
        put(&mut image, 64, &integrity());
        put(&mut image, 65, &tagged(8, 65, &[0; 496]));
        let anchor = [extent(16, 32), extent(16, 48), vec![0; 480]].concat();
        put(&mut image, 256, &tagged(2, 256, &anchor));
        for (index, block) in self.meta.iter().enumerate() {
            let at = metadata_byte(self.layout, index);
            image[at..at + block.len()].copy_from_slice(block);
            if self.layout == Layout::Metadata {
                put(&mut image, PARTITION + MIRROR + index, block);
            }
        }
        put(&mut image, PARTITION + DATA, &self.data);
        match self.layout {
            Layout::Plain => {}
            Layout::Metadata => put_metadata_files(&mut image),
            Layout::Virtual => {
                put_table(&mut image, PARTITION_BLOCKS - 1, u32::MAX, virtual_place);
            }
        }
        image
    }

    /// A volume descriptor sequence that begins at a block.
    fn sequence(&self, start: usize) -> [Vec<u8>; 5] {
        let (maps, count) = self.maps();
        let (map, _) = self.map();
        let mut primary = vec![0; 496];
        primary[8..40].copy_from_slice(&dstring("GENERATED", 32));
        primary[56..184].copy_from_slice(&dstring("0123456789ABCDEF set", 128));
        primary[184..248].copy_from_slice(&charset());
        primary[248..312].copy_from_slice(&charset());
        primary[360..372].copy_from_slice(&time());
        let mut partition = vec![0; 496];
        partition[4] = 1;
        partition[8..40].copy_from_slice(&entity("+NSR03", &[]));
        partition[168..172].copy_from_slice(&1u32.to_le_bytes());
        partition[172..176].copy_from_slice(&le(PARTITION));
        partition[176..180].copy_from_slice(&le(PARTITION_BLOCKS));
        let logical = [
            vec![0; 4],
            charset(),
            dstring("GENERATED", 128),
            le(BLOCK),
            domain(),
            long_ad(BLOCK, self.map().1, map),
            vec![0; 0],
            le(maps.len()),
            le(count),
            entity("*isodrive tests", &[]),
            vec![0; 128],
            extent(2, 64),
            maps,
        ]
        .concat();
        [
            tagged(1, start, &primary),
            tagged(5, start + 1, &partition),
            tagged(6, start + 2, &logical),
            tagged(7, start + 3, &[0; 8]),
            tagged(8, start + 4, &[0; 496]),
        ]
    }

    fn maps(&self) -> (Vec<u8>, usize) {
        let plain = vec![1, 6, 1, 0, 0, 0];
        let named = |name: &str, rest: &[u8]| {
            let mut map = vec![2, 64, 0, 0];
            map.extend(entity(name, &[0x50, 2]));
            map.extend([1, 0, 0, 0]);
            map.extend(rest);
            map.resize(64, 0);
            map
        };
        match self.layout {
            Layout::Plain => (plain, 1),
            Layout::Virtual => ([plain, named("*UDF Virtual Partition", &[])].concat(), 2),
            Layout::Metadata => {
                let mut rest = [le(METADATA_ICB), le(MIRROR_ICB)].concat();
                rest.extend(u32::MAX.to_le_bytes());
                rest.extend([1, 0, 0, 0, 1, 0, 1]);
                ([plain, named("*UDF Metadata Partition", &rest)].concat(), 2)
            }
        }
    }
}

/// The metadata file in its two pieces, and its mirror in one.
fn put_metadata_files(image: &mut [u8]) {
    let pieces = [
        (METADATA_FIRST_BLOCKS, METADATA_FIRST),
        (METADATA_BLOCKS - METADATA_FIRST_BLOCKS, METADATA_REST),
    ];
    let main: Vec<u8> =
        pieces.iter().flat_map(|(count, block)| short_ad(count * BLOCK, *block)).collect();
    let mirror = short_ad(METADATA_BLOCKS * BLOCK, MIRROR);
    for (file_type, block, descriptors) in [(250, METADATA_ICB, main), (251, MIRROR_ICB, mirror)] {
        let icb = Icb { file_type, len: METADATA_BLOCKS * BLOCK, descriptors, ..Icb::default() };
        put(image, PARTITION + block, &tagged(266, block, &icb.body_with(0)));
    }
}

/// Puts a table in force that was there before the newest one, in which the blocks of two entries
/// have changed places: the disc as it was then showed one file under the name of the other.
pub fn with_older_table(mut image: Vec<u8>, (one, other): (usize, usize)) -> Vec<u8> {
    let older = PARTITION_BLOCKS - 2;
    let place = |block: usize| match block {
        _ if block == one => virtual_place(other),
        _ if block == other => virtual_place(one),
        _ => virtual_place(block),
    };
    put_table(&mut image, older, u32::MAX, place);
    put_table(&mut image, PARTITION_BLOCKS - 1, older as u32, virtual_place);
    image
}

/// A table of the virtual partition, in a block of that; `previous` is the block of the one before.
fn put_table(image: &mut [u8], block: usize, previous: u32, place: impl Fn(usize) -> usize) {
    let table: Vec<u8> = (0..METADATA_BLOCKS).flat_map(|block| le(place(block))).collect();
    let mut bytes = vec![0; 152];
    bytes[0] = 152;
    bytes[132..136].copy_from_slice(&previous.to_le_bytes());
    bytes[144..150].copy_from_slice(&[0x50, 2, 0x50, 2, 0x50, 2]);
    bytes.extend(table);
    let icb = Icb { file_type: 248, len: bytes.len(), descriptors: bytes, ..Icb::default() };
    put(image, PARTITION + block, &tagged(266, block, &icb.body_with(3)));
}

/// What an extended file entry says.
struct Icb {
    file_type: u8,
    len: usize,
    descriptors: Vec<u8>,
    streams: Option<Vec<u8>>,
    attributes: Vec<u8>,
    attributes_icb: Option<Vec<u8>>,
    strategy: u16,
}

impl Default for Icb {
    fn default() -> Self {
        let (descriptors, attributes) = (Vec::new(), Vec::new());
        Self {
            file_type: 5,
            len: 0,
            descriptors,
            streams: None,
            attributes,
            attributes_icb: None,
            strategy: 4,
        }
    }
}

impl Icb {
    /// An extended file entry without its tag, with long allocation descriptors.
    fn body(&self) -> Vec<u8> {
        self.body_with(1)
    }

    /// As `body`, with descriptors of another kind: 0 short, 3 the bytes themselves.
    fn body_with(&self, descriptors: u16) -> Vec<u8> {
        let none = vec![0; 16];
        [
            icb_tag(self.strategy, self.file_type, descriptors),
            u32::MAX.to_le_bytes().to_vec(),
            u32::MAX.to_le_bytes().to_vec(),
            0b00101_00101_00101u32.to_le_bytes().to_vec(),
            vec![1, 0, 0, 0, 0, 0, 0, 0],
            (self.len as u64).to_le_bytes().to_vec(),
            (self.len as u64).to_le_bytes().to_vec(),
            (self.len.div_ceil(BLOCK) as u64).to_le_bytes().to_vec(),
            time(),
            time(),
            time(),
            time(),
            le(1),
            le(0),
            self.attributes_icb.clone().unwrap_or(none.clone()),
            self.streams.clone().unwrap_or(none),
            entity("*isodrive tests", &[]),
            vec![0; 8],
            le(self.attributes.len()),
            le(self.descriptors.len()),
            self.attributes.clone(),
            self.descriptors.clone(),
        ]
        .concat()
    }
}

/// A file set descriptor whose root directory is block `root` of the directories and entries.
fn file_set(root: usize, (map, first): (u16, usize)) -> Vec<u8> {
    let mut body = vec![0; 496];
    body[0..12].copy_from_slice(&time());
    body[12..16].copy_from_slice(&[3, 0, 3, 0]);
    body[16..24].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0]);
    body[32..96].copy_from_slice(&charset());
    body[96..224].copy_from_slice(&dstring("GENERATED", 128));
    body[224..288].copy_from_slice(&charset());
    body[288..320].copy_from_slice(&dstring("GENERATED", 32));
    body[384..400].copy_from_slice(&long_ad(BLOCK, first + root, map));
    body[400..432].copy_from_slice(&domain());
    tagged(256, first, &body)
}

/// A logical volume integrity descriptor of a closed volume.
fn integrity() -> Vec<u8> {
    let mut body = time();
    body.extend(le(1));
    body.extend(vec![0; 8]);
    body.extend([vec![0x40], vec![0; 31]].concat());
    body.extend([le(1), le(46)].concat());
    body.extend([le(0), le(PARTITION_BLOCKS)].concat());
    body.extend(entity("*isodrive tests", &[]));
    body.extend([le(9), le(9)].concat());
    body.extend([0x50, 2, 0x50, 2, 0x50, 2]);
    tagged(9, 64, &body)
}

fn put(image: &mut [u8], block: usize, bytes: &[u8]) {
    image[block * BLOCK..block * BLOCK + bytes.len()].copy_from_slice(bytes);
}
