//! Writes a small ISO 9660 volume with what mastering programs do not write any more: small
//! blocks, interleaved files, extended attribute records, associated files, equal names.
//! Knows ECMA-119, and nothing of iso-core.

const SECTOR: usize = 2048;

/// What is odd about a volume.
#[derive(Debug, Clone, Copy)]
pub struct Oddities {
    /// Bytes of a logical block: 512, 1024 or 2048.
    pub block: usize,
    /// Blank sectors between the primary descriptor and the terminator.
    pub padding: usize,
    /// File-structure version in the descriptor.
    pub version: u8,
}

/// A file as it is recorded.
#[derive(Debug, Clone)]
pub struct File {
    /// Its identifier, version included.
    pub name: &'static str,
    /// Its bytes.
    pub data: Vec<u8>,
    /// File flags: 1 hidden, 4 associated.
    pub flags: u8,
    /// Blocks per unit and gap of an interleaved file.
    pub interleave: Option<(u8, u8)>,
    /// Blocks of the extended attribute record before it.
    pub attribute_blocks: u8,
    /// Record a block number behind the end of the volume (for empty files).
    pub is_nowhere: bool,
    /// Let the two spellings of its length differ; the first is right.
    pub disagrees: bool,
}

impl File {
    /// A file without oddities.
    pub fn new(name: &'static str, data: Vec<u8>) -> Self {
        Self {
            name,
            data,
            flags: 0,
            interleave: None,
            attribute_blocks: 0,
            is_nowhere: false,
            disagrees: false,
        }
    }
}

/// A volume with these files in its root. The root's length is that of its records, not of whole
/// sectors, as VirtualBox writes it.
pub fn write(oddities: Oddities, files: &[File]) -> Vec<u8> {
    let Oddities { block, padding, .. } = oddities;
    let root_at = (18 + padding) * SECTOR;
    let mut image = vec![0; root_at + SECTOR];
    let mut records = Vec::new();
    for file in files {
        let start = image.len().next_multiple_of(block);
        image.resize(start, 0);
        append(&mut image, file, block);
        let extent = if file.is_nowhere { 0x00FF_FFFF } else { start / block };
        records.push(record(file.name.as_bytes(), extent, file));
    }
    image.resize(image.len().next_multiple_of(SECTOR), 0);
    let len = 2 * 34 + records.iter().map(Vec::len).sum::<usize>();
    let own = |name: &[u8]| {
        let mut own = File::new("", vec![0; len]);
        own.flags = 2;
        record(name, root_at / block, &own)
    };
    let root = [own(b"\0"), own(b"\x01"), records.concat()].concat();
    image[root_at..root_at + root.len()].copy_from_slice(&root);
    let blocks = image.len() / block;
    let descriptor = descriptor(oddities, blocks, &own(b"\0"));
    image[16 * SECTOR..][..descriptor.len()].copy_from_slice(&descriptor);
    image[(17 + padding) * SECTOR..][..7].copy_from_slice(b"\xFFCD001\x01");
    image
}

/// Adds a file's attribute record and bytes, in units with gaps where it is interleaved.
fn append(image: &mut Vec<u8>, file: &File, block: usize) {
    let attributes = usize::from(file.attribute_blocks) * block;
    let Some((unit, gap)) = file.interleave else {
        image.extend(vec![0xEA; attributes]);
        image.extend(&file.data);
        return;
    };
    let (unit, gap) = (usize::from(unit) * block, usize::from(gap) * block);
    let mut pieces: Vec<Vec<u8>> = file.data.chunks(unit).map(<[u8]>::to_vec).collect();
    if attributes > 0 {
        pieces.insert(0, vec![0xEA; attributes]);
    }
    for mut piece in pieces {
        piece.resize(unit, 0);
        image.extend(piece);
        image.extend(vec![0x9A; gap]);
    }
}

fn record(name: &[u8], extent: usize, file: &File) -> Vec<u8> {
    let (unit, gap) = file.interleave.unwrap_or((0, 0));
    let mut record = vec![0, file.attribute_blocks];
    record.extend(both32(extent));
    let mut len = both32(file.data.len());
    if file.disagrees {
        len[7] ^= 0x55;
    }
    record.extend(len);
    record.extend([110, 1, 1, 0, 0, 0, 0, file.flags, unit, gap, 1, 0, 0, 1]);
    record.push(name.len() as u8);
    record.extend(name);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = record.len() as u8;
    record
}

fn descriptor(oddities: Oddities, blocks: usize, root: &[u8]) -> Vec<u8> {
    let mut d = vec![0; SECTOR];
    d[..7].copy_from_slice(b"\x01CD001\x01");
    d[8..72].fill(b' ');
    d[40..48].copy_from_slice(b"ODDITIES");
    d[80..88].copy_from_slice(&both32(blocks));
    d[120..128].copy_from_slice(&[1, 0, 0, 1, 1, 0, 0, 1]);
    let block = oddities.block as u16;
    d[128..130].copy_from_slice(&block.to_le_bytes());
    d[130..132].copy_from_slice(&block.to_be_bytes());
    d[156..190].copy_from_slice(root);
    d[190..813].fill(b' ');
    d[881] = oddities.version;
    d
}

fn both32(number: usize) -> Vec<u8> {
    let number = number as u32;
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}
