//! What kind of file a directory record is of.
//! Decides by what was parsed; reads nothing.

use super::disk::FileFlags;
use super::record::Record;
use super::rrip::RockRidge;
use crate::volume::FileKind;

/// The kind of file: a directory where the record says so or Rock Ridge links one in, else what
/// the mode says, else a plain file.
pub(super) fn kind(record: &Record<'_>, rock_ridge: &RockRidge) -> FileKind {
    if record.flags().contains(FileFlags::DIRECTORY) || rock_ridge.child_link.is_some() {
        return FileKind::Directory;
    }
    let by_mode = rock_ridge.attributes.and_then(|a| FileKind::from_mode(a.mode));
    match by_mode {
        Some(FileKind::Directory) => FileKind::Regular,
        Some(kind) => kind,
        None if rock_ridge.target.is_some() => FileKind::Symlink,
        None => FileKind::Regular,
    }
}
