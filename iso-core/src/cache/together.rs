//! Which pieces of a disc are read whole, since opening looks at several blocks of each.
//! Knows places, and reads nothing.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where descriptors lie on most discs. The first piece holds the boot blocks, HFS's master
/// directory block, and from sector 16 on the volume descriptors of ISO 9660 and the recognition
/// sequence of UDF; the second UDF's anchor in sector 256 (ECMA-167 3/8.4.2.1) and what most
/// writers put behind it.
const PIECES: [Range<u64>; 2] = [0..128 << 10, 512 << 10..704 << 10];

/// The pieces, and whether each was handed out.
#[derive(Debug, Default)]
pub(super) struct Together {
    is_taken: [AtomicBool; PIECES.len()],
}

impl Together {
    /// The piece in which a byte lies, if it was not handed out before: a medium with a bad sector
    /// in it answers late, and is asked once.
    pub(super) fn piece(&self, at: u64) -> Option<Range<u64>> {
        let mut pieces = PIECES.into_iter().zip(&self.is_taken);
        let (piece, is_taken) = pieces.find(|(piece, _)| piece.contains(&at))?;
        (!is_taken.swap(true, Ordering::Relaxed)).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_handed_out_once() {
        let together = Together::default();
        assert_eq!(together.piece(200_000), None);
        assert_eq!(together.piece(32_768), Some(0..131_072));
        assert_eq!(together.piece(0), None);
        assert_eq!(together.piece(720_895), Some(524_288..720_896));
        assert_eq!(together.piece(524_288), None);
        assert_eq!(together.piece(720_896), None);
    }
}
