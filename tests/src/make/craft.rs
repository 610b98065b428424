//! Writes ISO 9660 volumes sector by sector and record by record, as right or as wrong as the test
//! wants. Knows ECMA-119, SUSP and RRIP, and nothing of iso-core.

/// Bytes of a sector and of a logical block.
pub const SECTOR: usize = 2048;
/// Sector of the root directory.
pub const ROOT: usize = 20;
/// First sector for files.
pub const FILES: usize = 40;

/// File flags (ECMA-119 9.1.6).
pub const HIDDEN: u8 = 1;
/// A directory.
pub const DIRECTORY: u8 = 2;
/// A fork of the file of the same name.
pub const ASSOCIATED: u8 = 4;
/// Another extent follows in the next record.
pub const CONTINUES: u8 = 0x80;

/// A directory record, to be made wrong where that is wanted.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The identifier.
    pub name: Vec<u8>,
    /// First block, in both spellings.
    pub at: u32,
    /// Bytes, in both spellings.
    pub len: u32,
    /// File flags.
    pub flags: u8,
    /// Blocks of the extended attribute record.
    pub attribute_blocks: u8,
    /// Blocks per unit of an interleaved file.
    pub unit: u8,
    /// Blocks per gap of an interleaved file.
    pub gap: u8,
    /// What follows the name.
    pub system_use: Vec<u8>,
    /// The length of the record, where it is to be a lie.
    pub record_len: Option<u8>,
    /// The length of the name, where it is to be a lie.
    pub name_len: Option<u8>,
    /// The date, where it is not to be 2010-01-01.
    pub date: Option<[u8; 7]>,
}

impl Record {
    /// A file.
    #[must_use]
    pub fn file(name: impl AsRef<[u8]>, at: usize, len: usize) -> Self {
        let (at, len) = (at as u32, len as u32);
        Self { name: name.as_ref().to_vec(), at, len, ..Self::default() }
    }

    /// A directory of one sector.
    #[must_use]
    pub fn directory(name: impl AsRef<[u8]>, at: usize) -> Self {
        Self { flags: DIRECTORY, ..Self::file(name, at, SECTOR) }
    }

    /// The same with system use entries.
    #[must_use]
    pub fn with(mut self, entries: &[Vec<u8>]) -> Self {
        self.system_use = entries.concat();
        self
    }

    /// The record as it lies on the disc (ECMA-119 9.1).
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut record = vec![0, self.attribute_blocks];
        record.extend(both32(self.at));
        record.extend(both32(self.len));
        record.extend(self.date.unwrap_or([110, 1, 1, 0, 0, 0, 0]));
        record.extend([self.flags, self.unit, self.gap, 1, 0, 0, 1]);
        record.push(self.name_len.unwrap_or(self.name.len() as u8));
        record.extend(&self.name);
        record.resize(record.len().next_multiple_of(2), 0);
        record.extend(&self.system_use);
        record.resize(record.len().next_multiple_of(2), 0);
        record[0] = self.record_len.unwrap_or(record.len() as u8);
        record
    }
}

/// A volume in the making.
#[derive(Debug, Clone)]
pub struct Craft {
    /// Its bytes so far.
    pub image: Vec<u8>,
}

impl Default for Craft {
    fn default() -> Self {
        Self::new()
    }
}

impl Craft {
    /// A volume with an empty root directory.
    #[must_use]
    pub fn new() -> Self {
        let mut craft = Self { image: vec![0; FILES * SECTOR] };
        craft.descriptor(16, 1, &Record::directory([0], ROOT));
        craft.put(17, b"\xFFCD001\x01");
        craft.directory(ROOT, ROOT, &[]);
        craft
    }

    /// Writes bytes from a sector on; the volume grows where that is needed.
    pub fn put(&mut self, sector: usize, bytes: &[u8]) -> &mut Self {
        let (start, end) = (sector * SECTOR, sector * SECTOR + bytes.len());
        if end > self.image.len() {
            self.image.resize(end.next_multiple_of(SECTOR), 0);
        }
        self.image[start..end].copy_from_slice(bytes);
        self
    }

    /// Writes a volume descriptor of a kind: 1 primary, 2 supplementary (ECMA-119 8.4, 8.5).
    pub fn descriptor(&mut self, sector: usize, kind: u8, root: &Record) -> &mut Self {
        let mut d = vec![0; SECTOR];
        d[..7].copy_from_slice(b"\x01CD001\x01");
        d[0] = kind;
        d[8..72].fill(b' ');
        d[40..47].copy_from_slice(b"HOSTILE");
        d[80..88].copy_from_slice(&both32(FILES as u32));
        d[120..128].copy_from_slice(&[1, 0, 0, 1, 1, 0, 0, 1]);
        d[128..132].copy_from_slice(&[0, 8, 8, 0]);
        let root = root.bytes();
        d[156..156 + root.len().min(34)].copy_from_slice(&root[..root.len().min(34)]);
        d[190..813].fill(b' ');
        d[881] = 1;
        self.put(sector, &d)
    }

    /// Writes into a descriptor, from byte `at` of a sector.
    pub fn patch(&mut self, sector: usize, at: usize, bytes: &[u8]) -> &mut Self {
        let start = sector * SECTOR + at;
        self.image[start..start + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Writes a directory: itself, its parent, and these records, none across a sector's edge.
    /// Gives the bytes it has.
    pub fn directory(&mut self, at: usize, parent: usize, records: &[Record]) -> usize {
        let own = [Record::directory([0], at), Record::directory([1], parent)];
        self.records(at, own.iter().chain(records))
    }

    /// Writes records from a sector on, and gives the bytes that they have.
    pub fn records<'a>(
        &mut self,
        at: usize,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> usize {
        let mut bytes: Vec<u8> = Vec::new();
        for record in records {
            let record = record.bytes();
            let room = SECTOR - bytes.len() % SECTOR;
            if record.len() > room {
                bytes.resize(bytes.len() + room, 0);
            }
            bytes.extend(record);
        }
        let len = bytes.len().next_multiple_of(SECTOR);
        bytes.resize(len, 0);
        self.put(at, &bytes);
        len
    }

    /// The root directory with these records, as long as they need; and its descriptor.
    pub fn root(&mut self, records: &[Record]) -> &mut Self {
        self.root_with(&[], records)
    }

    /// The root directory whose own record has system use entries, which make it Rock Ridge.
    pub fn root_with(&mut self, own_entries: &[Vec<u8>], records: &[Record]) -> &mut Self {
        let own = Record::directory([0], ROOT).with(own_entries);
        let parent = Record::directory([1], ROOT);
        let len = self.records(ROOT, [&own, &parent].into_iter().chain(records)) as u32;
        self.patch(16, 156 + 10, &both32(len));
        self.patch(ROOT, 10, &both32(len))
    }

    /// The finished image; the descriptor tells its size.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        let mut image = self.image.clone();
        let sectors = (image.len() / SECTOR) as u32;
        if image[16 * SECTOR + 80..][..8] == both32(FILES as u32) {
            image[16 * SECTOR + 80..][..8].copy_from_slice(&both32(sectors));
        }
        image
    }
}

/// A number in both byte orders (ECMA-119 7.3.3).
#[must_use]
pub fn both32(number: u32) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

/// A system use entry (SUSP 4.1).
#[must_use]
pub fn entry(signature: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let len = u8::try_from(data.len() + 4).expect("an entry fits into 255 bytes");
    [&signature[..], &[len, 1], data].concat()
}

/// `SP`: system use entries are used, behind `skip` bytes (SUSP 5.3).
#[must_use]
pub fn sp(skip: u8) -> Vec<u8> {
    entry(b"SP", &[0xBE, 0xEF, skip])
}

/// `CE`: the entries go on elsewhere (SUSP 5.1).
#[must_use]
pub fn ce(block: u32, offset: u32, len: u32) -> Vec<u8> {
    entry(b"CE", &[both32(block), both32(offset), both32(len)].concat())
}

/// `ER`: which extension is used (SUSP 5.5).
#[must_use]
pub fn er() -> Vec<u8> {
    entry(b"ER", b"\x0A\0\0\x01RRIP_1991A")
}

/// `PX`: mode, links, user, group (RRIP 4.1.1).
#[must_use]
pub fn px(mode: u32) -> Vec<u8> {
    entry(b"PX", &[both32(mode), both32(1), both32(0), both32(0)].concat())
}

/// `PX` with the serial number of the file behind the name (RRIP 1.12 4.1.1).
#[must_use]
pub fn px_serial(mode: u32, links: u32, serial: u32) -> Vec<u8> {
    entry(b"PX", &[both32(mode), both32(links), both32(0), both32(0), both32(serial)].concat())
}

/// `PN`: a device number (RRIP 4.1.2).
#[must_use]
pub fn pn(major: u32, minor: u32) -> Vec<u8> {
    entry(b"PN", &[both32(major), both32(minor)].concat())
}

/// `NM`: a name, or a part of one (RRIP 4.1.4).
#[must_use]
pub fn nm(flags: u8, name: impl AsRef<[u8]>) -> Vec<u8> {
    entry(b"NM", &[&[flags], name.as_ref()].concat())
}

/// `SL`: a symbolic link, of components with their flags (RRIP 4.1.3).
#[must_use]
pub fn sl(flags: u8, components: &[(u8, &[u8])]) -> Vec<u8> {
    let mut data = vec![flags];
    for (flags, text) in components {
        data.extend([*flags, text.len() as u8]);
        data.extend(*text);
    }
    entry(b"SL", &data)
}

/// `CL` or `PL`: a directory that stands elsewhere (RRIP 4.1.5).
#[must_use]
pub fn link_to(signature: &[u8; 2], block: u32) -> Vec<u8> {
    entry(signature, &both32(block))
}

/// `ZF`: the file is compressed (zisofs).
#[must_use]
pub fn zf(header_words: u8, block_size_log2: u8, size: u32) -> Vec<u8> {
    entry(b"ZF", &[b"pz", &[header_words, block_size_log2][..], &both32(size)].concat())
}
