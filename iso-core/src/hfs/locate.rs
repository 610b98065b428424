//! Finding an HFS or HFS+ volume: at the beginning of the image, in an Apple partition map, and
//! HFS+ wrapped in HFS (Inside Macintosh: Files, 2-60; TN1150, "HFS Wrapper").

use zerocopy::FromBytes;

use super::disk::{MasterBlock, VolumeHeader};
use crate::boot::apple_partitions;
use crate::cache::Disc;
use crate::error::Site;
use crate::num::remainder;

/// A volume that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    /// HFS, with its master directory block and where allocation blocks begin.
    Hfs { header: MasterBlock, start_at: u64 },
    /// HFS+, with its volume header and where the volume begins.
    Plus { header: VolumeHeader, start_at: u64 },
}

/// Bytes of the sectors in which HFS counts.
const SECTOR_BYTES: u64 = 512;

/// Where the header of a volume stands in it.
const HEADER_AT: u64 = 1024;

/// The Macintosh volume of an image: HFS+ where there is one, else HFS.
pub(crate) fn find_volume(disc: &Disc) -> Option<Found> {
    let mapped = apple_partitions(disc);
    let volumes = mapped.iter().filter(|partition| partition.kind.starts_with("Apple_HFS"));
    let starts = std::iter::once(0).chain(volumes.map(|partition| partition.at));
    let found: Vec<Found> = starts.filter_map(|start| volume_at(disc, start)).collect();
    let plus = found.iter().find(|found| matches!(found, Found::Plus { .. }));
    plus.or(found.first()).copied()
}

/// The volume that begins at a byte. Two letters may stand there by chance, in the boot code of a
/// disc; then the numbers behind them make no sense.
fn volume_at(disc: &Disc, start: u64) -> Option<Found> {
    let at = start.checked_add(HEADER_AT)?;
    let site = Site::new("volume header", "TN1150", at);
    let bytes = disc.metadata(at, 512, site).ok()?;
    match bytes.get(..2)? {
        b"H+" | b"HX" => {
            let (header, _) = VolumeHeader::read_from_prefix(&bytes).ok()?;
            let is_one = matches!(header.version.get(), 4 | 5)
                && header.block_bytes.get().is_power_of_two()
                && header.block_bytes.get() >= 512;
            is_one.then_some(Found::Plus { header, start_at: start })
        }
        b"BD" => {
            let (header, _) = MasterBlock::read_from_prefix(&bytes).ok()?;
            let block_bytes = header.block_bytes.get();
            if block_bytes == 0 || remainder(block_bytes.into(), SECTOR_BYTES) != 0 {
                return None;
            }
            let blocks_at = u64::from(header.first_block.get()).saturating_mul(SECTOR_BYTES);
            let blocks_at = start.saturating_add(blocks_at);
            if matches!(&header.embedded_signature, b"H+" | b"HX") {
                let offset = u64::from(header.embedded.start.get())
                    .saturating_mul(u64::from(header.block_bytes.get()));
                let inner = blocks_at.saturating_add(offset);
                return volume_at(disc, inner).filter(|found| matches!(found, Found::Plus { .. }));
            }
            Some(Found::Hfs { header, start_at: blocks_at })
        }
        _ => None,
    }
}
