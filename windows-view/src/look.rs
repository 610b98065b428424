//! The facts of a volume as a whole: label, serial number, name of the file system.
//! Reads the one descriptor that the serial number is worked out from.

use iso_core::{Site, View, Volume};

use crate::info::file_time;
use crate::name::to_windows;

/// 16-bit units of a label at most, as Windows has room for.
const MAX_LABEL_UNITS: usize = 32;

/// Bytes of a volume descriptor.
const DESCRIPTOR_BYTES: usize = 2048;

/// The facts of a volume as Windows expects them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeLook {
    /// The label, at most 32 units.
    pub label: Vec<u16>,
    /// The serial number, as `vol` shows it.
    pub serial: u32,
    /// The name of the file system, as the drivers of Windows name theirs.
    pub system: &'static str,
    /// When the volume was made, in steps of 100 ns since 1601; 0 if that is not recorded.
    pub created: u64,
    /// Bytes of the volume.
    pub bytes: u64,
}

impl VolumeLook {
    /// The facts of `volume`, which is shown as `view`.
    #[must_use]
    pub fn of(volume: &dyn Volume, view: View) -> Self {
        let facts = volume.facts();
        Self {
            label: label(&facts.label),
            serial: serial(volume, view),
            system: system(view),
            created: facts.created.map_or(0, file_time),
            bytes: facts.volume_bytes,
        }
    }
}

/// The label with what no label may hold written as in names.
fn label(recorded: &[u8]) -> Vec<u16> {
    let mut label = to_windows(recorded);
    label.truncate(MAX_LABEL_UNITS);
    if matches!(label.last(), Some(0xD800..=0xDBFF)) {
        label.pop();
    }
    label
}

const fn system(view: View) -> &'static str {
    match view {
        View::Udf => "UDF",
        View::RockRidge
        | View::Joliet
        | View::Enhanced
        | View::Iso9660
        | View::HighSierra
        | View::Hfs
        | View::Boot
        | View::All => "CDFS",
    }
}

/// The serial number of the volume's descriptor; 0 where it has none or it cannot be read.
fn serial(volume: &dyn Volume, view: View) -> u32 {
    let Some(at) = volume.facts().descriptor_at else { return 0 };
    let site = if view == View::Udf {
        Site::new("file set descriptor", "ECMA-167 4/14.1", at)
    } else {
        Site::new("volume descriptor", "ECMA-119 8", at)
    };
    let descriptor = volume.disc().metadata(at, DESCRIPTOR_BYTES, site);
    descriptor.map_or(0, |descriptor| serial_of(&descriptor, view))
}

/// The serial number that Windows gives a volume: four sums of the bytes of its descriptor, byte
/// `k` into column `k` modulo 4. The CD driver takes column 0 for the highest byte of the number,
/// the UDF driver for the lowest. So does Wine (`udf_find_fsd_sector` and its caller), whose word
/// this is: of UDF no number of a real Windows was seen.
#[must_use]
pub fn serial_of(descriptor: &[u8], view: View) -> u32 {
    let mut columns = [0u8; 4];
    for four in descriptor.chunks(4) {
        for (column, byte) in columns.iter_mut().zip(four) {
            *column = column.wrapping_add(*byte);
        }
    }
    if view == View::Udf { u32::from_le_bytes(columns) } else { u32::from_be_bytes(columns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_sums_of_every_fourth_byte() {
        let mut descriptor = [0; DESCRIPTOR_BYTES];
        (descriptor[0], descriptor[1], descriptor[2047]) = (1, 2, 5);
        assert_eq!(serial_of(&descriptor, View::Joliet), 0x0102_0005);
        assert_eq!(serial_of(&descriptor, View::Udf), 0x0500_0201);
        descriptor[4] = 0xFF;
        assert_eq!(serial_of(&descriptor, View::Iso9660), 0x0002_0005);
        assert_eq!(serial_of(&descriptor, View::Udf), 0x0500_0200);
    }

    #[test]
    fn labels_are_cut_between_characters() {
        assert_eq!(label(b"GSP1RMCPRXFRER_EN_DVD").len(), 21);
        assert_eq!(label(&[b'x'; 40]).len(), 32);
        let text = format!("{}\u{1f600}", "x".repeat(31));
        assert_eq!(label(text.as_bytes()).len(), 31);
        assert_eq!(label(b"A:B"), [0x41, 0xF03A, 0x42]);
    }
}
