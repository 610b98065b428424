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

/// Bytes of a block on discs.
const DISC_SECTOR_BYTES: u64 = 2048;

/// All sizes of a block, in the order in which Linux tries them: a medium that was formatted
/// before with larger blocks may still carry the anchors of that time.
const SECTOR_BYTES: [u64; 7] = [512, 1024, DISC_SECTOR_BYTES, 4096, 8192, 16384, 32768];

/// Looks for an anchor of the session that begins at a byte, at its block 256, N - 256, N - 1 and
/// 512. The tag's own location tells a real anchor from one seen with the wrong size of block.
///
/// All sizes are tried where `step`, the distance of recognition descriptors, is known, those that
/// fit it first, of these that of discs where `is_iso` says that it is one. Where UDF is not
/// announced there, block 256 alone is looked at: most discs hold ISO 9660 alone, and opening
/// them stays cheap.
///
/// # Errors
/// `Io` if none is found, and a block in which one may lie cannot be read.
pub(crate) fn find_anchor(
    disc: &Disc,
    session_at: u64,
    step: Option<u64>,
    is_iso: bool,
) -> Result<Option<Anchor>> {
    let mut sizes = SECTOR_BYTES.to_vec();
    match step {
        // A disc that is ISO 9660 too has sectors of 2048 bytes: others are five reads for nothing.
        Some(step) => sizes.sort_by_key(|size| {
            let is_odd = is_iso && *size != DISC_SECTOR_BYTES;
            ((*size).max(DISC_SECTOR_BYTES) != step, is_odd)
        }),
        None if is_iso => sizes.retain(|size| *size == DISC_SECTOR_BYTES),
        None => {}
    }
    let mut unread = None;
    for sector_bytes in sizes {
        let blocks = quotient(disc.len(), sector_bytes);
        let back = |by: u64| blocks.saturating_sub(by);
        let first = quotient(session_at, sector_bytes);
        let here = |block: u64| first.saturating_add(block);
        // An anchor before the session belongs to one that was written earlier.
        let all = [here(256), back(257), back(1), back(256), here(512)];
        let looks = if step.is_none() && is_iso { 1 } else { all.len() };
        for block in all.into_iter().take(looks).filter(|block| *block > first && *block < blocks) {
            match anchor_at(disc, block, sector_bytes) {
                Ok(Some(anchor)) => return Ok(Some(anchor)),
                Ok(None) => {}
                Err(error) => unread = unread.or(Some(error)),
            }
        }
    }
    unread.map_or(Ok(None), Err)
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

/// The distance in bytes between the descriptors of a volume recognition sequence that says
/// `NSR02` or `NSR03` (ECMA-167 2/8.3.1, 3/9.1): a block, and 2048 at least. Nothing where there
/// is no such sequence; volumes without one are read all the same.
pub(crate) fn recognition_step(disc: &Disc, session_at: u64) -> Option<u64> {
    const SYSTEM_AREA_BYTES: u64 = 32_768;
    let first_at = session_at.saturating_add(SYSTEM_AREA_BYTES);
    let site = Site::new("volume recognition sequence", "ECMA-167 2/8.3", first_at);
    let says_nsr = |step: &u64| {
        (0..disc.limits().volume_descriptors)
            .map(|index| first_at.saturating_add(index.saturating_mul(*step)))
            .map_while(|at| disc.metadata(at, 6, site).ok())
            .map_while(|bytes| bytes.get(1..6).map(<[u8]>::to_vec))
            .take_while(|id| RECOGNISED.contains(&id.as_slice()))
            .any(|id| id.starts_with(b"NSR0"))
    };
    SECTOR_BYTES.into_iter().filter(|size| *size >= DISC_SECTOR_BYTES).find(says_nsr)
}

/// What a volume recognition sequence may hold (ECMA-167 2/9.1, UDF 2.60 2.1.7).
const RECOGNISED: [&[u8]; 7] =
    [b"BEA01", b"BOOT2", b"CD001", b"CDW02", b"NSR02", b"NSR03", b"TEA01"];
