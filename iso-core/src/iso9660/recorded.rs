//! What the records of one file or directory say together, as one value.
//! Holds what `file` gathers; reads nothing.

use super::links::Key;
use super::rrip::RockRidge;
use crate::error::Site;
use crate::time::Timestamp;
use crate::volume::FileKind;

/// What is recorded of one file or directory.
#[derive(Debug)]
pub(super) struct File {
    pub(super) kind: FileKind,
    /// Where the bytes of its first record begin.
    pub(super) at: u64,
    /// Bytes of all its records; of a directory its own.
    pub(super) len: u64,
    pub(super) rock_ridge: RockRidge,
    pub(super) recorded: Timestamp,
    /// What its names have in common, if it may have several.
    pub(super) link_key: Option<Key>,
    pub(super) site: Site,
    /// Whether the record is a directory's own.
    pub(super) is_self: bool,
    /// The CD-ROM XA attribute record.
    pub(super) xa: Option<Vec<u8>>,
    /// Whether its bytes are one run: one record, and no gaps.
    pub(super) is_one_run: bool,
}

impl File {
    /// First byte and bytes, of a regular file that has data.
    pub(super) fn extent(&self) -> Option<(u64, u64)> {
        extent_of(self.kind, &self.rock_ridge, (self.at, self.len))
    }
}

/// First byte and bytes of a regular file that has data, whose records say `at` and `len`.
pub(super) fn extent_of(
    kind: FileKind,
    rock_ridge: &RockRidge,
    (at, len): (u64, u64),
) -> Option<(u64, u64)> {
    let size = rock_ridge.compressed.map_or(len, |compressed| compressed.size);
    (kind == FileKind::Regular && size > 0).then_some((at, size))
}
