//! One block of a directory: entries first, then their names, each name above the one before it.
//! Knows the block's bytes alone; what the entries name is checked in `tree`.

use zerocopy::FromBytes;

use super::refused::{Refused, require, unsound};
use crate::disk::{DIRENT_BYTES, Dirent};

/// The longest name that the kernel takes.
const MAX_NAME_BYTES: usize = 255;

/// One entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'b> {
    pub(super) name: &'b [u8],
    pub(super) nid: u64,
    pub(super) file_type: u8,
}

/// The entries of one block.
pub(super) struct Block<'b> {
    bytes: &'b [u8],
    dirents: &'b [Dirent],
    /// Where the last name ends.
    end: usize,
    at: u64,
}

impl<'b> Block<'b> {
    /// A block whose bytes stand at `at`. Those of the last one end with its last name, and those
    /// of the others with zeros.
    ///
    /// # Errors
    /// The block is not laid out as the translator does it.
    pub(super) fn parse(bytes: &'b [u8], is_last: bool, at: u64) -> Result<Self, Refused> {
        let broken = || unsound("a block of a directory that is not ours", at);
        let (first, _) = Dirent::ref_from_prefix(bytes).map_err(|_| broken())?;
        let names = usize::from(first.name_offset.get());
        let head = bytes.get(..names).ok_or_else(broken)?;
        require(names > 0 && names.is_multiple_of(DIRENT_BYTES), "an entry out of place", at)?;
        let dirents = <[Dirent]>::ref_from_bytes(head).map_err(|_| broken())?;
        let last = dirents.last().map_or(0, |dirent| usize::from(dirent.name_offset.get()));
        let rest = bytes.get(last..).ok_or_else(broken)?;
        let len = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        let padding = rest.get(len..).unwrap_or_default();
        require(padding.iter().all(|byte| *byte == 0), "bytes behind the last name", at)?;
        require(!is_last || padding.is_empty(), "a directory that ends before its size", at)?;
        Ok(Self { bytes, dirents, end: last.saturating_add(len), at })
    }

    /// All entries. Each name may stand in a directory.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Entry<'b>, Refused>> {
        let ends = self.dirents.iter().skip(1).map(|dirent| usize::from(dirent.name_offset.get()));
        let (bytes, at) = (self.bytes, self.at);
        self.dirents.iter().zip(ends.chain([self.end])).map(move |(dirent, end)| {
            let start = usize::from(dirent.name_offset.get());
            let name = bytes.get(start..end).unwrap_or_default();
            let is_name = (1..=MAX_NAME_BYTES).contains(&name.len())
                && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
            require(is_name, "a name that no file has", at)?;
            require(dirent.reserved == 0, "an entry's field that is not ours", at)?;
            Ok(Entry { name, nid: dirent.nid.get(), file_type: dirent.file_type })
        })
    }
}
