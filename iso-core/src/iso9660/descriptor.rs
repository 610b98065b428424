//! The volume descriptor set: which trees an ISO 9660 or High Sierra volume has and where their
//! roots are (ECMA-119 8, Joliet specification "SVD Escape Sequences Field").

use zerocopy::{FromBytes, big_endian, little_endian};

use super::SECTOR_BYTES;
use super::disk::{BootRecord, DescriptorHeader, SierraDescriptor, VolumeDescriptor};
use crate::Timestamp;
use crate::cache::Disc;
use crate::error::{Error, Result, Site};
use crate::num::to_usize;
use crate::text::{decode_utf16_be, trim_padding};

/// Sectors of a session before its first descriptor (ECMA-119 6.2.1).
pub(crate) const SYSTEM_AREA_SECTORS: u64 = 16;

/// One tree of a volume, as its descriptor tells.
#[derive(Debug, Clone)]
pub(crate) struct TreeDescriptor {
    pub(crate) label: Vec<u8>,
    pub(crate) publisher: Vec<u8>,
    pub(crate) preparer: Vec<u8>,
    pub(crate) application: Vec<u8>,
    pub(crate) block_bytes: u32,
    pub(crate) volume_bytes: u64,
    pub(crate) created: Option<Timestamp>,
    /// Byte position of the descriptor itself.
    pub(crate) at: u64,
    /// Byte position of the root directory.
    pub(crate) root_at: u64,
    /// The root directory's record in the descriptor.
    pub(crate) root_record: Vec<u8>,
    /// Byte positions of the path tables, each with whether its numbers are big-endian.
    pub(crate) path_tables: Vec<(u64, bool)>,
}

/// The bytes of the root directory's record in a descriptor (ECMA-119 8.4.18), and in one of High
/// Sierra.
const ROOT: std::ops::Range<usize> = 156..190;
const SIERRA_ROOT: std::ops::Range<usize> = 180..214;

/// What the descriptor set of a volume holds.
#[derive(Debug, Default)]
pub(crate) struct DescriptorSet {
    /// The first usable primary descriptor.
    pub(crate) primary: Option<TreeDescriptor>,
    /// The first usable supplementary descriptor with a Joliet escape sequence.
    pub(crate) joliet: Option<TreeDescriptor>,
    /// The first usable enhanced descriptor (ISO 9660:1999 8.5).
    pub(crate) enhanced: Option<TreeDescriptor>,
    /// The first usable descriptor of a High Sierra volume.
    pub(crate) high_sierra: Option<TreeDescriptor>,
    /// Sector of the El Torito boot catalogue.
    pub(crate) boot_catalog: Option<u32>,
    /// Whether any sector said `CD001` or `CDROM`.
    pub(crate) recognised: bool,
    /// Why the set could not be read to its end.
    pub(crate) unread: Option<Error>,
}

impl DescriptorSet {
    /// Reads the descriptors of the session that begins at byte `session_at`, to the terminator
    /// or to where none is any more. Blank sectors between them are passed over.
    ///
    /// A sector that cannot be read ends the set and is kept; damaged descriptors are findings.
    pub(crate) fn read(disc: &Disc, session_at: u64) -> Self {
        let mut set = Self::default();
        let first = session_at.saturating_add(SYSTEM_AREA_SECTORS.saturating_mul(SECTOR_BYTES));
        for index in 0..disc.limits().volume_descriptors {
            let at = first.saturating_add(index.saturating_mul(SECTOR_BYTES));
            if at.saturating_add(SECTOR_BYTES) > disc.len() {
                break;
            }
            let sector = match disc.metadata(at, to_usize(SECTOR_BYTES), site(at)) {
                Ok(sector) => sector,
                Err(error) => {
                    set.unread = Some(error);
                    break;
                }
            };
            let is_blank = || sector.iter().all(|byte| *byte == 0);
            let goes_on = set.take(disc, &sector, at) || (set.recognised && is_blank());
            if !goes_on {
                break;
            }
        }
        set
    }

    /// Takes in one descriptor. Whether others may follow it.
    fn take(&mut self, disc: &Disc, sector: &[u8], at: u64) -> bool {
        if let Ok((sierra, _)) = SierraDescriptor::ref_from_prefix(sector)
            && sierra.identifier == *b"CDROM"
        {
            self.recognised = true;
            if sierra.kind == 1 && self.high_sierra.is_none() {
                self.high_sierra = kept(disc, TreeDescriptor::of_high_sierra(sierra, sector, at));
            }
            return sierra.kind != 255;
        }
        let Ok((header, _)) = DescriptorHeader::ref_from_prefix(sector) else { return false };
        if header.identifier != *b"CD001" {
            return false;
        }
        self.recognised = true;
        let tree = |ucs2: bool| kept(disc, TreeDescriptor::parse(disc, sector, at, ucs2));
        match header.kind {
            0 => self.boot_catalog = self.boot_catalog.or(boot_catalog(sector)),
            1 if self.primary.is_none() => self.primary = tree(false),
            2 if is_joliet(sector) && self.joliet.is_some() => {}
            2 if is_joliet(sector) => self.joliet = tree(true),
            2 if header.version == 2 && self.enhanced.is_none() => self.enhanced = tree(false),
            _ => {}
        }
        header.kind != 255
    }
}

/// A tree, or a finding if its descriptor is no good.
fn kept(disc: &Disc, parsed: Result<TreeDescriptor>) -> Option<TreeDescriptor> {
    parsed
        .map_err(|error| {
            disc.findings().note_error("the tree of the descriptor is left out", &error)
        })
        .ok()
}

impl TreeDescriptor {
    /// Parses a primary, supplementary or enhanced descriptor.
    fn parse(disc: &Disc, sector: &[u8], at: u64, ucs2: bool) -> Result<Self> {
        let (d, _) = VolumeDescriptor::ref_from_prefix(sector)
            .map_err(|_| site(at).corrupt("is cut short"))?;
        if !d.space.agrees() || !d.root.extent.agrees() || !d.root.data_len.agrees() {
            let error = site(at).corrupt("has a number whose two spellings differ");
            disc.findings().note_error("the first spelling is used", &error);
        }
        let block_bytes = block_bytes(d.block_bytes.get(), at)?;
        let text = |field: &[u8]| {
            let decoded =
                if ucs2 { decode_utf16_be(without_filler(field)) } else { field.to_vec() };
            trim_padding(&decoded).to_vec()
        };
        let byte = |block: u64| block.saturating_mul(u64::from(block_bytes));
        let first = u64::from(d.root.extent.get()).saturating_add(u64::from(d.root.len_ear));
        Ok(Self {
            label: text(&d.volume),
            publisher: text(&d.publisher),
            preparer: text(&d.preparer),
            application: text(&d.application),
            block_bytes,
            volume_bytes: byte(d.space.get().into()),
            created: d.created.timestamp(),
            at,
            root_at: byte(first),
            root_record: sector.get(ROOT).unwrap_or_default().to_vec(),
            path_tables: vec![
                (byte(d.path_table_le.get().into()), false),
                (byte(d.path_table_be.get().into()), true),
            ],
        })
    }

    fn of_high_sierra(d: &SierraDescriptor, sector: &[u8], at: u64) -> Result<Self> {
        let block_bytes = block_bytes(d.block_bytes.get(), at)?;
        let byte = |block: u64| block.saturating_mul(u64::from(block_bytes));
        let first = u64::from(d.root.extent.get()).saturating_add(u64::from(d.root.len_ear));
        Ok(Self {
            label: trim_padding(&d.volume).to_vec(),
            publisher: trim_padding(&d.publisher).to_vec(),
            preparer: trim_padding(&d.preparer).to_vec(),
            application: trim_padding(&d.application).to_vec(),
            block_bytes,
            volume_bytes: byte(d.space.get().into()),
            created: None,
            at,
            root_at: byte(first),
            root_record: sector.get(SIERRA_ROOT).unwrap_or_default().to_vec(),
            path_tables: Vec::new(),
        })
    }

    /// Where the path tables say that the root directory is; none that repeats the descriptor
    /// (ECMA-119 9.4: the first record is the root's).
    pub(crate) fn other_roots(&self, disc: &Disc) -> Vec<u64> {
        let mut roots = Vec::new();
        for (at, is_big_endian) in &self.path_tables {
            let site = Site::new("path table", "ECMA-119 9.4", *at);
            let Ok(record) = disc.metadata(*at, 10, site) else { continue };
            let [1, len_ear, extent @ ..] = record.as_slice() else { continue };
            let Some(Ok(extent)) = extent.get(..4).map(<[u8; 4]>::try_from) else { continue };
            let extent = match is_big_endian {
                true => big_endian::U32::from_bytes(extent).get(),
                false => little_endian::U32::from_bytes(extent).get(),
            };
            let block = u64::from(extent).saturating_add(u64::from(*len_ear));
            let root = block.saturating_mul(u64::from(self.block_bytes));
            if root != self.root_at && !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }
}

fn block_bytes(recorded: u16, at: u64) -> Result<u32> {
    let block_bytes = u32::from(recorded);
    if block_bytes.is_power_of_two() && (512..=2048).contains(&block_bytes) {
        return Ok(block_bytes);
    }
    Err(site(at).corrupt("has a block size other than 512, 1024 or 2048"))
}

/// A volume descriptor's place, for errors.
const fn site(at: u64) -> Site {
    Site::new("volume descriptor", "ECMA-119 8", at)
}

/// Whether a supplementary descriptor's escape sequences name UCS-2 level 1, 2 or 3.
fn is_joliet(sector: &[u8]) -> bool {
    let Ok((d, _)) = VolumeDescriptor::ref_from_prefix(sector) else { return false };
    matches!(d.escapes.get(..3), Some(b"%/@" | b"%/C" | b"%/E"))
}

/// A UCS-2 field without the single-byte spaces that some writers fill its end with, where
/// Joliet asks for 00 20 or zeros; read as UCS-2, two of them are a dagger (U+2020). A single
/// dagger at the end may be meant.
fn without_filler(field: &[u8]) -> &[u8] {
    const FILLER: [u8; 2] = *b"  ";
    let filled = field.rchunks_exact(FILLER.len()).take_while(|pair| *pair == FILLER).count();
    match filled {
        0 | 1 => field,
        pairs => {
            let len = field.len().saturating_sub(pairs.saturating_mul(FILLER.len()));
            field.get(..len).unwrap_or_default()
        }
    }
}

fn boot_catalog(sector: &[u8]) -> Option<u32> {
    let (record, _) = BootRecord::ref_from_prefix(sector).ok()?;
    record.system.starts_with(b"EL TORITO SPECIFICATION").then(|| record.catalog.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_byte_spaces_at_the_end_of_a_ucs2_field_are_no_daggers() {
        for (field, want) in [
            (b"        ".to_vec(), ""),
            (b"\0A\0B    ".to_vec(), "AB"),
            (b"\0A\0B\0 \0 ".to_vec(), "AB"),
            (b"\0A\0B  ".to_vec(), "AB\u{2020}"),
        ] {
            let decoded = decode_utf16_be(without_filler(&field));
            assert_eq!(trim_padding(&decoded), want.as_bytes(), "{field:?}");
        }
    }
}
