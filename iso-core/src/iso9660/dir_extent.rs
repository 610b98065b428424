//! Where the bytes of a directory lie, and its records, one after the other (ECMA-119 6.8.1).
//! Holds a piece of a directory at a time; what the records mean is decided elsewhere.

use std::ops::ControlFlow;

use super::SECTOR_BYTES;
use super::record::Record;
use super::records::Records;
use super::volume::IsoVolume;
use crate::error::{Error, Result, Site};
use crate::num::{round_up, to_usize};
use crate::volume::{FileKind, NodeId};

/// Bytes of a directory that are held while its records are read: whole sectors.
pub(super) const PIECE_BYTES: u64 = 256 << 10;

/// Where the bytes of a directory lie.
pub(super) struct DirExtent {
    pub(super) at: u64,
    /// The recorded length: records begin before its end.
    pub(super) len: u64,
    /// Bytes that are there; the rest of the last sector may be among them.
    pub(super) readable: u64,
}

impl DirExtent {
    pub(super) const fn site(&self) -> Site {
        Site::new("directory", "ECMA-119 6.8.1", self.at)
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }
}

/// Callback for each record of a directory, in their order.
pub(super) type Take<'t> = &'t mut dyn FnMut(Result<Record<'_>>) -> Result<ControlFlow<()>>;

impl IsoVolume {
    /// Where a directory lies, as its own record tells.
    pub(super) fn dir_extent(&self, node: NodeId) -> Result<DirExtent> {
        let own = self.file(node)?;
        if own.kind != FileKind::Directory {
            return Err(Error::NotDirectory);
        }
        let (at, len) = if own.len == 0 { (node.position(), 0) } else { (own.at, own.len) };
        let place = Site::new("directory", "ECMA-119 6.8.1", at);
        let max = self.disc.limits().pieced_directory_bytes;
        if len > max {
            return Err(place.limit("bytes in one directory", max));
        }
        // Lengths that are no whole sectors are met (VirtualBox Guest Additions): a record that
        // begins before the end may reach past it.
        let whole = round_up(at.saturating_add(len), SECTOR_BYTES).saturating_sub(at);
        let readable = whole.min(self.disc.len().saturating_sub(at));
        if readable < len {
            self.disc.findings().note_error(
                "the last entries of the directory are left out",
                &place.corrupt("reaches past the end of the image"),
            );
        }
        if readable == 0 && len > 0 {
            return Err(place.corrupt("lies past the end of the image"));
        }
        Ok(DirExtent { at, len, readable })
    }

    /// Hands every record of a directory to `take`, until that has enough. A piece of the
    /// directory is held at a time.
    pub(super) fn for_each_record(&self, dir: &DirExtent, take: Take<'_>) -> Result<()> {
        self.for_each_record_in(dir, (dir.at, PIECE_BYTES), take)
    }

    /// As `for_each_record`, from the record at byte `from` on, in pieces of so many bytes.
    pub(super) fn for_each_record_in(
        &self,
        dir: &DirExtent,
        (from, piece_bytes): (u64, u64),
        take: Take<'_>,
    ) -> Result<()> {
        let end = dir.at.saturating_add(dir.readable);
        let mut at = from;
        while at < end {
            // Pieces end where sectors do. A record that crosses that edge ends in the next one.
            let edge = round_up(at.saturating_add(piece_bytes.max(1)), SECTOR_BYTES).min(end);
            let reach = edge.saturating_add(SECTOR_BYTES).min(end);
            let bytes = self.disc.metadata(at, to_usize(reach.saturating_sub(at)), dir.site())?;
            let last = dir.at.saturating_add(dir.len).min(edge);
            let mut records = Records::new(&bytes, at, last.saturating_sub(at), self.form());
            for record in records.by_ref() {
                if take(record)?.is_break() {
                    return Ok(());
                }
            }
            at = edge.max(records.place());
        }
        Ok(())
    }

    /// The first sector of a directory whose length is not known.
    pub(super) fn first_sector(&self, at: u64) -> DirExtent {
        let readable = self.disc.len().saturating_sub(at).min(SECTOR_BYTES);
        DirExtent { at, len: readable, readable }
    }

    /// What `find` makes of the first record that it knows; damaged ones are passed over.
    pub(super) fn find_in<T>(
        &self,
        dir: &DirExtent,
        find: &mut dyn FnMut(&Record<'_>) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut found = None;
        self.for_each_record(dir, &mut |record| {
            found = record.ok().and_then(|record| find(&record));
            Ok(if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }
}
