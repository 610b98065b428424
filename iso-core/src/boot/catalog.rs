//! The El Torito boot catalogue: what a computer could start from this disc (El Torito 1.0).
//! Listed for people; isodrive starts nothing.

use zerocopy::FromBytes;

use super::disk::BootCatalogEntry;
use crate::cache::Disc;
use crate::error::{Result, Site};
use crate::iso9660::SECTOR_BYTES;
use crate::num::to_usize;

/// What a boot image claims to be (El Torito 1.0, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emulation {
    /// Loaded as it is.
    None,
    /// A floppy disk: 0 of 1.2, 1 of 1.44, 2 of 2.88 megabytes.
    Floppy(u8),
    /// A hard disk.
    HardDisk,
    /// A value without meaning.
    Unknown(u8),
}

/// One entry of the boot catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootEntry {
    /// Byte position of the entry itself.
    pub entry_at: u64,
    /// 0 BIOS, 1 PowerPC, 2 Macintosh, 0xEF UEFI.
    pub platform: u8,
    /// Whether it is marked bootable.
    pub bootable: bool,
    /// What it claims to be.
    pub emulation: Emulation,
    /// Segment to load it at; 0 means 0x7C0.
    pub load_segment: u16,
    /// Sectors of 512 bytes that are loaded; often less than the image has.
    pub load_sectors: u16,
    /// Byte position of the image.
    pub at: u64,
}

const ENTRY_BYTES: u64 = 32;

/// A short word for a platform (El Torito 1.0, 2.1; UEFI 2.10, 13.3.2.1).
pub(super) fn platform_word(platform: u8) -> String {
    match platform {
        0 => "bios".to_owned(),
        1 => "powerpc".to_owned(),
        2 => "macintosh".to_owned(),
        0xEF => "uefi".to_owned(),
        other => format!("platform{other:02x}"),
    }
}

/// The entries of the boot catalogue in a sector; none on a disc without one.
///
/// # Errors
/// `Corrupt` where the catalogue is no catalogue, `Limit` where it goes on for ever, `Io`.
pub(crate) fn boot_entries(disc: &Disc, catalog: Option<u32>) -> Result<Vec<BootEntry>> {
    let Some(sector) = catalog else { return Ok(Vec::new()) };
    let start = u64::from(sector).saturating_mul(SECTOR_BYTES);
    let validation = entry_at(disc, start)?;
    if validation.indicator != 1 {
        return Err(site(start).corrupt("does not begin with a validation entry"));
    }
    let mut entries = Vec::new();
    let mut platform = validation.media;
    // After the validation entry stands the default one; section heads announce the others.
    let mut announced = 1u16;
    let mut is_last_section = false;
    for index in 1..=disc.limits().boot_entries {
        let at = start.saturating_add(index.saturating_mul(ENTRY_BYTES));
        let entry = entry_at(disc, at)?;
        match entry.indicator {
            0x90 | 0x91 if announced == 0 && !is_last_section => {
                platform = entry.media;
                announced = entry.segment.get();
                is_last_section = entry.indicator == 0x91;
            }
            // An extension of the entry before it.
            0x44 => {}
            0 | 0x88 if announced > 0 => {
                announced = announced.saturating_sub(1);
                entries.push(parse(&entry, at, platform));
            }
            _ => return Ok(entries),
        }
        if is_last_section && announced == 0 {
            return Ok(entries);
        }
    }
    let max = disc.limits().boot_entries;
    Err(site(start).limit("boot catalogue entries", max))
}

fn entry_at(disc: &Disc, at: u64) -> Result<BootCatalogEntry> {
    let bytes = disc.metadata(at, to_usize(ENTRY_BYTES), site(at))?;
    BootCatalogEntry::read_from_bytes(&bytes).map_err(|_| site(at).corrupt("is cut short"))
}

fn parse(entry: &BootCatalogEntry, entry_at: u64, platform: u8) -> BootEntry {
    BootEntry {
        entry_at,
        platform,
        bootable: entry.indicator == 0x88,
        emulation: match entry.media & 0x0F {
            0 => Emulation::None,
            kind @ 1..=3 => Emulation::Floppy(kind.saturating_sub(1)),
            4 => Emulation::HardDisk,
            other => Emulation::Unknown(other),
        },
        load_segment: entry.segment.get(),
        load_sectors: entry.sectors.get(),
        at: u64::from(entry.first.get()).saturating_mul(SECTOR_BYTES),
    }
}

const fn site(at: u64) -> Site {
    Site::new("boot catalogue", "El Torito 1.0, 2.0", at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    /// A disc whose boot catalogue at sector 20 holds the given entries.
    fn disc(entries: &[[u8; 12]]) -> Disc {
        let mut bytes = vec![0; 40 * 2048];
        for (slot, entry) in bytes[20 * 2048..].chunks_mut(32).zip(entries) {
            slot[..12].copy_from_slice(entry);
        }
        Disc::new(Box::new(bytes), Limits::default())
    }

    const VALIDATION: [u8; 12] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn default_and_section_entries_are_listed_with_their_platform() {
        let disc = disc(&[
            VALIDATION,
            [0x88, 0, 0, 0, 0, 0, 4, 0, 22, 0, 0, 0],
            [0x91, 0xEF, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0x88, 2, 0, 0, 0, 0, 1, 0, 23, 0, 0, 0],
        ]);
        let entries = boot_entries(&disc, Some(20)).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].platform, entries[0].emulation), (0, Emulation::None));
        assert_eq!((entries[0].load_sectors, entries[0].at), (4, 22 * 2048));
        assert_eq!((entries[1].platform, entries[1].emulation), (0xEF, Emulation::Floppy(1)));
    }

    #[test]
    fn a_catalogue_that_is_none_or_never_ends_is_an_error() {
        let said = boot_entries(&disc(&[[0x88; 12]]), Some(20)).unwrap_err().to_string();
        assert!(said.contains("validation entry"), "{said}");
        let mut endless = vec![VALIDATION, [0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]];
        endless.push([0x90, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0]);
        let said = boot_entries(&disc(&endless), Some(20)).unwrap_err().to_string();
        assert!(said.contains("more than 256 boot catalogue entries"), "{said}");
    }

    #[test]
    fn a_disc_without_a_catalogue_boots_nothing() {
        let disc = Disc::new(Box::new(vec![0; 65536]), Limits::default());
        assert_eq!(boot_entries(&disc, None).unwrap(), []);
    }
}
