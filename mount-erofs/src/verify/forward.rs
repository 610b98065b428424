//! Bytes of the metadata, for readers that go forward: each byte is read once, in large pieces.
//! Knows nothing of what they mean.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::refused::{Refused, unsound};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// A piece of the metadata in memory.
pub(super) struct Forward<'f> {
    file: &'f File,
    /// Bytes of the file.
    len: u64,
    /// Where the piece begins.
    at: u64,
    piece: Vec<u8>,
}

impl<'f> Forward<'f> {
    /// Nothing is read yet.
    pub(super) const fn new(file: &'f File, len: u64) -> Self {
        Self { file, len, at: 0, piece: Vec::new() }
    }

    /// Bytes of the file.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// The bytes from `at` on.
    ///
    /// # Errors
    /// The file ends before, or what reading said.
    pub(super) fn get(&mut self, at: u64, len: usize) -> Result<&[u8], Refused> {
        let past = || unsound("it reaches past the end of the metadata", at);
        let wanted = u64::try_from(len).map_err(|_| past())?;
        let end = at.checked_add(wanted).filter(|end| *end <= self.len).ok_or_else(past)?;
        let held = self.at.saturating_add(u64::try_from(self.piece.len()).unwrap_or(0));
        if at < self.at || end > held {
            self.read(at, len)?;
        }
        let from = usize::try_from(at.saturating_sub(self.at)).map_err(|_| past())?;
        self.piece.get(from..from.saturating_add(len)).ok_or_else(past)
    }

    fn read(&mut self, at: u64, least: usize) -> Result<(), Refused> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = least.max(PIECE_BYTES).min(left);
        self.piece
            .try_reserve(bytes.saturating_sub(self.piece.len()))
            .map_err(|_| Refused::NoMemory)?;
        self.piece.resize(bytes, 0);
        self.at = at;
        Ok(self.file.read_exact_at(&mut self.piece, at)?)
    }
}
