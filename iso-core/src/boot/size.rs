//! How long a boot image really is. The sector count of a catalogue says how much is loaded, which
//! is often a small part; the emulation, the image itself and the partition tables know better.

use zerocopy::FromBytes;

use super::catalog::{BootEntry, Emulation};
use super::disk::{BootInformation, FatBootSector};
use super::partition::{Partition, master};
use crate::cache::Disc;
use crate::error::Site;
use crate::num::to_usize;

const SECTOR_BYTES: u64 = 512;

/// Bytes of floppy disks by their emulation (El Torito 1.0, 2.2: 1.2, 1.44 and 2.88 MB).
const FLOPPIES: [u64; 3] = [1_228_800, 1_474_560, 2_949_120];

/// What a boot image was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sized {
    pub(super) bytes: u64,
    /// A word for its name.
    pub(super) kind: &'static str,
}

/// Length and kind of the image of an entry.
pub(super) fn of(disc: &Disc, entry: &BootEntry, partitions: &[Partition]) -> Sized {
    let site = Site::new("boot image", "El Torito 1.0, 2.2", entry.at);
    let loaded = u64::from(entry.load_sectors.max(1)).saturating_mul(SECTOR_BYTES);
    let first = disc.metadata(entry.at, to_usize(SECTOR_BYTES), site).unwrap_or_default();
    match entry.emulation {
        Emulation::Floppy(size) => {
            let bytes = FLOPPIES.get(usize::from(size)).copied().unwrap_or(loaded);
            return Sized { bytes, kind: "floppy" };
        }
        Emulation::HardDisk => {
            let ends = master(&first, 0).into_iter().map(|p| p.at.saturating_add(p.len));
            return Sized { bytes: ends.max().unwrap_or(loaded), kind: "harddisk" };
        }
        Emulation::None | Emulation::Unknown(_) => {}
    }
    if let Some(bytes) = fat_bytes(&first) {
        return Sized { bytes, kind: "fat" };
    }
    if let Some(bytes) = told_bytes(&first, entry.at) {
        return Sized { bytes, kind: "loader" };
    }
    if let Some(partition) = partitions.iter().find(|partition| partition.at == entry.at) {
        return Sized { bytes: partition.len, kind: "partition" };
    }
    let inner = master(&first, 0).into_iter().map(|p| p.at.saturating_add(p.len)).max();
    match inner.filter(|bytes| entry.at.saturating_add(*bytes) <= disc.len()) {
        Some(bytes) => Sized { bytes, kind: "disk" },
        None => Sized { bytes: loaded, kind: "loader" },
    }
}

/// The size of a FAT volume by its boot sector.
fn fat_bytes(sector: &[u8]) -> Option<u64> {
    let (fat, _) = FatBootSector::ref_from_prefix(sector).ok()?;
    let sector_bytes = u64::from(fat.sector_bytes.get());
    let sectors = match fat.sectors16.get() {
        0 => fat.sectors32.get(),
        few => few.into(),
    };
    let is_fat = matches!(fat.jump, [0xEB, _, 0x90] | [0xE9, _, _])
        && matches!(sector_bytes, 512 | 1024 | 2048 | 4096)
        && fat.cluster_sectors.is_power_of_two()
        && (1..=2).contains(&fat.tables)
        && fat.media >= 0xF0
        && sectors > 0;
    is_fat.then(|| u64::from(sectors).saturating_mul(sector_bytes))
}

/// The size that a boot information table gives, if it is one: it knows where the file lies.
fn told_bytes(sector: &[u8], at: u64) -> Option<u64> {
    let (table, _) = BootInformation::ref_from_prefix(sector.get(8..)?).ok()?;
    let is_here = u64::from(table.first.get()).saturating_mul(2048) == at;
    (is_here && table.descriptor.get() == 16).then(|| table.bytes.get().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn fat(sectors16: u16, sectors32: u32) -> Vec<u8> {
        let mut sector = vec![0u8; 4096];
        sector[..3].copy_from_slice(&[0xEB, 0x3C, 0x90]);
        sector[11..13].copy_from_slice(&512u16.to_le_bytes());
        sector[13] = 4;
        sector[16] = 2;
        sector[19..21].copy_from_slice(&sectors16.to_le_bytes());
        sector[21] = 0xF8;
        sector[32..36].copy_from_slice(&sectors32.to_le_bytes());
        sector
    }

    fn size(bytes: Vec<u8>, emulation: Emulation) -> (u64, &'static str) {
        let disc = Disc::new(Box::new(bytes), Limits::default());
        let entry = BootEntry {
            entry_at: 0,
            platform: 0xEF,
            bootable: true,
            emulation,
            load_segment: 0,
            load_sectors: 4,
            at: 0,
        };
        let sized = of(&disc, &entry, &[]);
        (sized.bytes, sized.kind)
    }

    #[test]
    fn the_image_knows_better_than_the_sector_count() {
        assert_eq!(size(fat(2880, 0), Emulation::None), (1_474_560, "fat"));
        assert_eq!(size(fat(0, 70_000), Emulation::None), (35_840_000, "fat"));
        assert_eq!(size(vec![0; 4096], Emulation::None), (2048, "loader"));
        assert_eq!(size(vec![0; 4096], Emulation::Floppy(1)), (1_474_560, "floppy"));
        let mut loader = vec![0; 4096];
        loader[8] = 16;
        loader[16..20].copy_from_slice(&24_576u32.to_le_bytes());
        assert_eq!(size(loader, Emulation::None), (24_576, "loader"));
    }
}
