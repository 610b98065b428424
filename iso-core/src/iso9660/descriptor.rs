//! The volume descriptor set: which trees an ISO 9660 volume has and where their roots are
//! (ECMA-119 8, Joliet specification "SVD Escape Sequences Field").

use zerocopy::FromBytes;

use super::SECTOR_BYTES;
use super::disk::{BootRecord, DescriptorHeader, VolumeDescriptor};
use crate::Timestamp;
use crate::cache::Disc;
use crate::error::{Error, Result, Site};
use crate::num::to_usize;
use crate::text::{decode_utf16_be, trim_padding};

/// First sector of the set (ECMA-119 6.2.1): 16.
const FIRST_AT: u64 = 16 * SECTOR_BYTES;

/// One tree of a volume, as its descriptor tells.
#[derive(Debug, Clone)]
pub(crate) struct TreeDescriptor {
    pub(crate) label: Vec<u8>,
    pub(crate) publisher: Vec<u8>,
    pub(crate) application: Vec<u8>,
    pub(crate) block_bytes: u32,
    pub(crate) volume_bytes: u64,
    pub(crate) created: Option<Timestamp>,
    /// Byte position of the root directory.
    pub(crate) root_at: u64,
}

/// What the descriptor set of a volume holds.
#[derive(Debug, Default)]
pub(crate) struct DescriptorSet {
    /// The first usable primary descriptor.
    pub(crate) primary: Option<TreeDescriptor>,
    /// The first usable supplementary descriptor with a Joliet escape sequence.
    pub(crate) joliet: Option<TreeDescriptor>,
    /// Sector of the El Torito boot catalogue.
    pub(crate) boot_catalog: Option<u32>,
    /// Whether any sector said `CD001`.
    pub(crate) recognised: bool,
    /// Why the set could not be read to its end.
    pub(crate) unread: Option<Error>,
}

impl DescriptorSet {
    /// Reads descriptors from sector 16 to the terminator, or to where none is any more.
    ///
    /// A sector that cannot be read ends the set and is kept; damaged descriptors are findings.
    pub(crate) fn read(disc: &Disc) -> Self {
        let mut set = Self::default();
        for index in 0..disc.limits().volume_descriptors {
            let at = FIRST_AT.saturating_add(index.saturating_mul(SECTOR_BYTES));
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
            let Ok((header, _)) = DescriptorHeader::ref_from_prefix(&sector) else { break };
            if header.identifier != *b"CD001" {
                break;
            }
            set.recognised = true;
            match header.kind {
                0 => set.boot_catalog = set.boot_catalog.or(boot_catalog(&sector)),
                1 if set.primary.is_none() => set.primary = set.tree(disc, &sector, at, false),
                2 if set.joliet.is_none() && is_joliet(&sector) => {
                    set.joliet = set.tree(disc, &sector, at, true);
                }
                255 => break,
                _ => {}
            }
        }
        set
    }

    /// A tree, or a finding if its descriptor is no good.
    fn tree(&self, disc: &Disc, sector: &[u8], at: u64, ucs2: bool) -> Option<TreeDescriptor> {
        let parsed = TreeDescriptor::parse(sector, at, ucs2);
        parsed.map_err(|error| disc.findings().note_error("its tree is left out", &error)).ok()
    }
}

impl TreeDescriptor {
    /// Parses a primary or supplementary descriptor.
    fn parse(sector: &[u8], at: u64, ucs2: bool) -> Result<Self> {
        let (d, _) = VolumeDescriptor::ref_from_prefix(sector)
            .map_err(|_| site(at).corrupt("it is cut short"))?;
        let block_bytes = u32::from(d.block_bytes.get());
        if !block_bytes.is_power_of_two() || !(512..=2048).contains(&block_bytes) {
            return Err(site(at).corrupt("its block size is not 512, 1024 or 2048"));
        }
        let text = |field: &[u8]| {
            let decoded = if ucs2 { decode_utf16_be(field) } else { field.to_vec() };
            trim_padding(&decoded).to_vec()
        };
        let first = u64::from(d.root.extent.get()).saturating_add(u64::from(d.root.len_ear));
        Ok(Self {
            label: text(&d.volume),
            publisher: text(&d.publisher),
            application: text(&d.application),
            block_bytes,
            volume_bytes: u64::from(d.space.get()).saturating_mul(u64::from(block_bytes)),
            created: d.created.timestamp(),
            root_at: first.saturating_mul(u64::from(block_bytes)),
        })
    }
}

/// A volume descriptor's place, for errors.
const fn site(at: u64) -> Site {
    Site::new("volume descriptor", "ECMA-119 8", at)
}

/// Whether a supplementary descriptor's escape sequences name UCS-2 level 1, 2 or 3 and its
/// version is not that of an enhanced one.
fn is_joliet(sector: &[u8]) -> bool {
    let Ok((d, _)) = VolumeDescriptor::ref_from_prefix(sector) else { return false };
    d.header.version != 2 && matches!(d.escapes.get(..3), Some(b"%/@" | b"%/C" | b"%/E"))
}

fn boot_catalog(sector: &[u8]) -> Option<u32> {
    let (record, _) = BootRecord::ref_from_prefix(sector).ok()?;
    record.system.starts_with(b"EL TORITO SPECIFICATION").then(|| record.catalog.get())
}
