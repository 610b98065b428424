//! Writes a small HFS volume with a file of two forks in more extents than its record holds.
//! Knows Inside Macintosh: Files, and nothing of iso-core.

const SECTOR: usize = 512;
const BLOCK: usize = 1024;
/// Sector at which allocation blocks begin.
const BLOCKS_AT: usize = 16;
const CATALOG: usize = 0;
const OVERFLOW: usize = 4;
const DATA: usize = 8;

/// Where the trees of the catalogue and of the extents stand in the image.
pub const TREES: [std::ops::Range<usize>; 2] = [
    BLOCKS_AT * SECTOR + CATALOG * BLOCK..BLOCKS_AT * SECTOR + OVERFLOW * BLOCK,
    BLOCKS_AT * SECTOR + OVERFLOW * BLOCK..BLOCKS_AT * SECTOR + DATA * BLOCK,
];

/// A volume that holds `FORKS`: a data fork in pieces of one block with a gap between each two,
/// and a resource fork. `FORKS` is of type `TEXT` and creator `ttxt`.
pub fn write(data: &[u8], resource: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = data.chunks(BLOCK).collect();
    let piece_at = |index: usize| DATA + 2 * index;
    let resource_at = piece_at(pieces.len());
    let blocks = resource_at + resource.len().div_ceil(BLOCK);
    let mut image = vec![0; BLOCKS_AT * SECTOR + blocks * BLOCK + 2 * SECTOR];
    for (index, piece) in pieces.iter().enumerate() {
        put(&mut image, piece_at(index), piece);
    }
    put(&mut image, resource_at, resource);

    let runs = |from: usize| -> Vec<(usize, usize)> {
        (from..from + 3).map(|i| if i < pieces.len() { (piece_at(i), 1) } else { (0, 0) }).collect()
    };
    let mut file = vec![2, 0, 0, 0];
    file.extend(b"TEXTttxt");
    file.extend([0; 8]);
    file.extend(be32(16));
    file.extend(be16(0));
    file.extend(be32(data.len()));
    file.extend(be32(pieces.len() * BLOCK));
    file.extend(be16(0));
    file.extend(be32(resource.len()));
    file.extend(be32(resource.len().next_multiple_of(BLOCK)));
    file.extend([date(), date(), vec![0; 4], vec![0; 16], be16(0)].concat());
    file.extend(extents(&runs(0)));
    file.extend(extents(&[(resource_at, resource.len().div_ceil(BLOCK)), (0, 0), (0, 0)]));
    file.extend([0; 4]);
    let mut folder = vec![1, 0, 0, 0, 0, 1];
    folder.extend(be32(2));
    folder.extend([date(), date(), vec![0; 52]].concat());
    let thread = [&[3, 0][..], &[0; 8], &be32(1), &[7], b"FORKDSK", &[0; 24]].concat();
    let records = [
        (catalog_key(1, b"FORKDSK"), folder),
        (catalog_key(2, b""), thread),
        (catalog_key(2, b"FORKS"), file),
    ];
    put(&mut image, CATALOG, &tree(&records, 37));

    let mut overflow = Vec::new();
    for first in (3..pieces.len()).step_by(3) {
        let key = [&[7, 0][..], &be32(16), &be16(first)].concat();
        overflow.push((key, extents(&runs(first))));
    }
    put(&mut image, OVERFLOW, &tree(&overflow, 7));
    let header = header(blocks);
    // The second copy stands in the last sector but one.
    let copy = image.len() - 2 * SECTOR;
    for at in [1024, copy] {
        image[at..at + header.len()].copy_from_slice(&header);
    }
    image
}

fn header(blocks: usize) -> Vec<u8> {
    let mut h = b"BD".to_vec();
    h.extend([date(), date(), vec![0; 2], be16(1), be16(3), be16(0), be16(blocks)].concat());
    h.extend([be32(BLOCK), be32(BLOCK), be16(BLOCKS_AT), be32(17), be16(0)].concat());
    h.extend([&[7][..], b"FORKDSK", &[0; 20]].concat());
    h.extend([0; 66]);
    h.extend([be32(4 * BLOCK), extents(&[(OVERFLOW, 4), (0, 0), (0, 0)])].concat());
    h.extend([be32(4 * BLOCK), extents(&[(CATALOG, 4), (0, 0), (0, 0)])].concat());
    h
}

/// A B-tree of a header node and one leaf.
fn tree(records: &[(Vec<u8>, Vec<u8>)], longest_key: usize) -> Vec<u8> {
    let depth = usize::from(!records.is_empty());
    let head = [
        be16(depth),
        be32(depth),
        be32(records.len()),
        be32(depth),
        be32(depth),
        be16(SECTOR),
        be16(longest_key),
        be32(8),
        be32(8 - 1 - depth),
        vec![0; 76],
    ];
    let map = vec![0; 256];
    let first = node(1, 0, &[head.concat(), vec![0; 128], map]);
    let leaf = records.iter().map(|(key, data)| {
        let mut record = key.clone();
        record.resize(record.len().next_multiple_of(2), 0);
        [record, data.clone()].concat()
    });
    [first, node(-1, 1, &leaf.collect::<Vec<_>>())].concat()
}

fn node(kind: i8, height: u8, records: &[Vec<u8>]) -> Vec<u8> {
    let mut node = vec![0; 8];
    node.extend([kind as u8, height]);
    node.extend([be16(records.len()), vec![0; 2]].concat());
    let mut offsets = Vec::new();
    for record in records {
        offsets.push(node.len());
        node.extend(record);
    }
    offsets.push(node.len());
    assert!(node.len() + 2 * offsets.len() <= SECTOR, "{} bytes", node.len());
    node.resize(SECTOR - 2 * offsets.len(), 0);
    node.extend(offsets.into_iter().rev().flat_map(be16));
    node
}

fn catalog_key(parent: usize, name: &[u8]) -> Vec<u8> {
    let key = [&[0][..], &be32(parent), &[name.len() as u8], name].concat();
    [vec![key.len() as u8], key].concat()
}

fn extents(runs: &[(usize, usize)]) -> Vec<u8> {
    runs.iter().flat_map(|(start, count)| [be16(*start), be16(*count)].concat()).collect()
}

/// 2010-01-01 00:00:00.
fn date() -> Vec<u8> {
    be32(3_345_148_800)
}

fn be16(number: usize) -> Vec<u8> {
    (number as u16).to_be_bytes().to_vec()
}

fn be32(number: usize) -> Vec<u8> {
    (number as u32).to_be_bytes().to_vec()
}

fn put(image: &mut [u8], block: usize, bytes: &[u8]) {
    let at = BLOCKS_AT * SECTOR + block * BLOCK;
    image[at..at + bytes.len()].copy_from_slice(bytes);
}
