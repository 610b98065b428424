//! Finding a UDF volume: the recognition sequence and the anchors that lead to everything else
//! (ECMA-167 2/9.1.2, 3/10.2; UDF 2.60 2.2.3).

use zerocopy::FromBytes;

use super::disk::{AnchorPointer, ExtentAd};
use super::tag;
use crate::cache::Disc;
use crate::error::{Result, Site};
use crate::num::quotient;

/// An anchor that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anchor {
    /// Byte position of the anchor.
    pub(crate) at: u64,
    /// Bytes of the blocks in which the volume counts.
    pub(crate) sector_bytes: u64,
    pub(super) main: ExtentAd,
    pub(super) reserve: ExtentAd,
}

/// Sizes of a block, the usual one first.
const SECTOR_BYTES: [u64; 7] = [2048, 512, 1024, 4096, 8192, 16384, 32768];

/// Looks for an anchor at block 256, N - 256, N - 1 and 512, for every size of block or for that
/// of discs alone. The tag's own location tells a real anchor from one seen with the wrong size.
///
/// # Errors
/// `Io` if a block cannot be read.
pub(crate) fn find_anchor(disc: &Disc, any_size: bool) -> Result<Option<Anchor>> {
    let sizes = if any_size { SECTOR_BYTES.len() } else { 1 };
    for sector_bytes in SECTOR_BYTES.into_iter().take(sizes) {
        let blocks = quotient(disc.len(), sector_bytes);
        let last = blocks.saturating_sub(1);
        let mut candidates =
            vec![256, last.saturating_sub(256), last, blocks.saturating_sub(256), 512];
        candidates.retain(|block| *block > 0 && *block < blocks);
        for block in candidates {
            if let Some(anchor) = anchor_at(disc, block, sector_bytes)? {
                return Ok(Some(anchor));
            }
        }
    }
    Ok(None)
}

fn anchor_at(disc: &Disc, block: u64, sector_bytes: u64) -> Result<Option<Anchor>> {
    let at = block.saturating_mul(sector_bytes);
    let site = Site::new("anchor volume descriptor pointer", "ECMA-167 3/10.2", at);
    let bytes = disc.metadata(at, 512, site)?;
    let Some(tag) = tag::parse(&bytes) else { return Ok(None) };
    let is_here = tag.identifier.get() == tag::id::ANCHOR && u64::from(tag.location.get()) == block;
    let anchor = AnchorPointer::ref_from_prefix(&bytes).ok().filter(|_| is_here);
    Ok(anchor.map(|(anchor, _)| Anchor {
        at,
        sector_bytes,
        main: anchor.main,
        reserve: anchor.reserve,
    }))
}

/// Whether the volume recognition sequence says `NSR02` or `NSR03` (ECMA-167 3/9.1). Volumes
/// without one are read all the same.
pub(crate) fn has_recognition_sequence(disc: &Disc) -> bool {
    const FIRST_AT: u64 = 32_768;
    const STEP: u64 = 2048;
    let site = Site::new("volume recognition sequence", "ECMA-167 2/8.3", FIRST_AT);
    (0..disc.limits().volume_descriptors)
        .map(|index| FIRST_AT.saturating_add(index.saturating_mul(STEP)))
        .map_while(|at| disc.metadata(at, 6, site).ok())
        .any(|bytes| matches!(bytes.get(1..6), Some(b"NSR02" | b"NSR03")))
}
