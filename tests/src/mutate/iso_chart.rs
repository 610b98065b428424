//! A chart of an ISO 9660 disc, drawn by following ECMA-119 and SUSP by hand. Good enough for sound
//! discs, and for nothing else.

use std::ops::Range;

use iso_core::View;

use super::{Chart, Charted, Key, digest_of};

const SECTOR: u64 = 2048;

struct Drawing<'i> {
    image: &'i [u8],
    block: u64,
    /// Bytes before the system use entries of every record but the root's own; nothing where there
    /// are none.
    skip: Option<usize>,
    shared: Vec<Range<u64>>,
    directories: Vec<Range<u64>>,
    areas: Vec<Range<u64>>,
    aims: Vec<u64>,
    files: Vec<Charted>,
}

/// The chart of a disc with a primary tree, as it is shown: with Rock Ridge where it has that.
pub(super) fn draw(image: &[u8]) -> Option<Chart> {
    let descriptor = image.get(16 * 2048..17 * 2048)?;
    if descriptor.get(1..6) != Some(b"CD001") || descriptor[0] != 1 {
        return None;
    }
    let block = u64::from(u16::from_le_bytes([descriptor[128], descriptor[129]]));
    let (at, len) = (number(descriptor, 158) * block, number(descriptor, 166));
    let own = image.get(at as usize..)?;
    let area = system_use(own);
    let skip = (area.get(..2) == Some(b"SP")).then(|| usize::from(area[6]));
    let mut drawing = Drawing {
        image,
        block,
        skip,
        shared: Vec::new(),
        directories: Vec::new(),
        areas: Vec::new(),
        aims: Vec::new(),
        files: Vec::new(),
    };
    drawing.shared.push(16 * SECTOR..descriptors_end(image));
    drawing.directory(at, len, &[], 0)?;
    let mut metadata = drawing.shared.clone();
    metadata.extend(drawing.directories);
    metadata.extend(drawing.areas);
    let shared = drawing.shared;
    let mut files = drawing.files;
    files.iter_mut().for_each(|file| file.depends_on.extend(shared.clone()));
    let view = if skip.is_some() { View::RockRidge } else { View::Iso9660 };
    let aims = drawing.aims;
    Some(Chart { view: Some(view), metadata, aims, files, ..Chart::default() })
}

/// The end of the volume descriptors and of the two sectors that writers put behind them.
fn descriptors_end(image: &[u8]) -> u64 {
    let is_last = |sector: &u64| image.get((sector * SECTOR) as usize) == Some(&255);
    (16..64).find(is_last).map_or(18 * SECTOR, |sector| (sector + 1) * SECTOR)
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}

/// What follows a record's name.
fn system_use(record: &[u8]) -> &[u8] {
    let (len, name) = (usize::from(record[0]), usize::from(record[32]));
    let start = 33 + name + usize::from(name.is_multiple_of(2));
    record.get(start.min(len)..len).unwrap_or_default()
}

impl Drawing<'_> {
    /// Follows the records of a directory. `above` is what the directory itself depends on.
    fn directory(&mut self, at: u64, len: u64, above: &[Range<u64>], depth: usize) -> Option<()> {
        if depth > 32 || self.directories.iter().any(|known| known.start == at) {
            return Some(());
        }
        self.directories.push(at..at + len.next_multiple_of(SECTOR));
        let mut above = above.to_vec();
        let mut pos = at;
        let mut previous: Option<Charted> = None;
        while pos < at + len {
            let record = self.image.get(pos as usize..)?;
            let record_len = u64::from(record[0]);
            if record_len == 0 {
                pos = (pos / SECTOR + 1) * SECTOR;
                continue;
            }
            let name = record.get(33..33 + usize::from(record[32]))?;
            // Its length, that of its attributes, its flags, how it is interleaved, that of its
            // name, and its first character.
            self.aims.extend([0, 1, 25, 26, 27, 32, 33].map(|byte| pos + byte));
            let own = self.depends_on(pos, record);
            let (flags, attributes) = (record[25], u64::from(record[1]));
            let (extent, bytes) =
                ((number(record, 2) + attributes) * self.block, number(record, 10));
            let is_plain = record[26] == 0;
            if name == [0] || name == [1] {
                above.extend(own);
            } else if flags & 2 != 0 && self.is_relocated(name, record) {
                // Shown where another record links it in, on which its files depend too.
                self.directories.push(extent..extent + bytes);
            } else if flags & 2 != 0 {
                let own = [&above[..], &own].concat();
                self.directory(extent, bytes, &own, depth + 1)?;
            } else if flags & 4 == 0 && is_plain && !self.is_special(pos, record) {
                let mut file = previous.take().unwrap_or(Charted {
                    name: self.shown_name(name, record),
                    key: Key::Record(pos),
                    depends_on: above.clone(),
                    digest: [0; 32],
                });
                file.depends_on.extend(own);
                file.depends_on.push(extent..extent + bytes);
                match flags & 0x80 {
                    0 => self.keep(file),
                    _ => previous = Some(file),
                }
            }
            pos += record_len;
        }
        Some(())
    }

    /// Charts a file whose bytes stand on the disc in one piece.
    fn keep(&mut self, mut file: Charted) {
        let Some(bytes) = file.depends_on.last() else { return };
        let bytes =
            bytes.start as usize..(bytes.end as usize).min(bytes.start as usize + (1 << 20));
        let is_single =
            file.depends_on.iter().filter(|range| file.key == Key::Record(range.start)).count()
                == 1;
        if let Some(bytes) = self.image.get(bytes).filter(|_| is_single) {
            file.digest = digest_of(bytes);
            self.files.push(file);
        }
    }

    /// The record and the areas in which its system use entries go on.
    fn depends_on(&mut self, pos: u64, record: &[u8]) -> Vec<Range<u64>> {
        let mut ranges = Vec::new();
        ranges.push(pos..pos + u64::from(record[0]));
        let lengths = self.entries(record, &mut |_, _| {}, &mut ranges);
        self.aims.extend(lengths.into_iter().map(|at| pos + at as u64));
        self.areas.extend(ranges[1..].iter().cloned());
        ranges
    }

    /// The name by Rock Ridge, else the identifier without its version.
    fn shown_name(&self, identifier: &[u8], record: &[u8]) -> Vec<u8> {
        let mut name = Vec::new();
        let mut see = |signature: &[u8], entry: &[u8]| {
            if signature == b"NM" {
                name.extend(entry.get(5..).unwrap_or_default());
            }
        };
        self.entries(record, &mut see, &mut Vec::new());
        if !name.is_empty() {
            return name;
        }
        let bare = identifier.split(|byte| *byte == b';').next().unwrap_or_default();
        bare.strip_suffix(b".").unwrap_or(bare).to_vec()
    }

    /// Whether a directory is shown elsewhere, or holds such.
    fn is_relocated(&self, name: &[u8], record: &[u8]) -> bool {
        let mut is_relocated = name.eq_ignore_ascii_case(b"RR_MOVED");
        let mut see = |signature: &[u8], _: &[u8]| is_relocated |= signature == b"RE";
        self.entries(record, &mut see, &mut Vec::new());
        is_relocated
    }

    /// Whether a file is no plain one, or not as it stands on the disc.
    fn is_special(&self, _: u64, record: &[u8]) -> bool {
        let mut is_special = false;
        let mut see = |signature: &[u8], data: &[u8]| {
            is_special |= matches!(signature, b"ZF" | b"SL" | b"CL" | b"RE" | b"SF" | b"PN");
            let mode = data.get(4..6).map(|mode| u16::from_le_bytes([mode[0], mode[1]]));
            is_special |= signature == b"PX" && mode.is_some_and(|mode| mode & 0xF000 != 0x8000);
        };
        self.entries(record, &mut see, &mut Vec::new());
        is_special
    }

    /// Shows the system use entries of a record to `see`, and adds the areas in which they go on to
    /// `ranges`. Gives the places in the record at which signatures and lengths stand.
    fn entries(
        &self,
        record: &[u8],
        see: &mut dyn FnMut(&[u8], &[u8]),
        ranges: &mut Vec<Range<u64>>,
    ) -> Vec<usize> {
        let mut lengths = Vec::new();
        let Some(skip) = self.skip else { return lengths };
        let is_own = record[32] == 1 && record[33] == 0;
        let mut area = system_use(record).get(if is_own { 0 } else { skip }..).unwrap_or_default();
        let end = usize::from(record[0]);
        for round in 0..64 {
            let mut next = None;
            while area.len() >= 4 && usize::from(area[2]) >= 4 && usize::from(area[2]) <= area.len()
            {
                if round == 0 {
                    lengths.extend([end - area.len(), end - area.len() + 2]);
                }
                let (entry, rest) = area.split_at(usize::from(area[2]));
                if &entry[..2] == b"CE" && entry.len() >= 28 {
                    let at = number(entry, 4) * self.block + number(entry, 12);
                    next = Some(at..at + number(entry, 20));
                }
                see(&entry[..2], entry);
                area = rest;
            }
            let Some(range) = next else { return lengths };
            area = self.image.get(range.start as usize..range.end as usize).unwrap_or_default();
            ranges.push(range);
        }
        lengths
    }
}
