//! What the records of one file say together: a file may have several, and several names
//! (ECMA-119 9.1.6, RRIP 4.1.1). Reads the sectors that the records stand in.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::SECTOR_BYTES;
use super::disk::FileFlags;
use super::kind::kind;
use super::links::places;
use super::record::{Record, sector_start, site};
use super::recorded::{File, extent_of};
use super::records::Records;
use super::rrip::RockRidge;
use super::susp::xa_record;
use super::volume::IsoVolume;
use crate::error::{Error, Result};
use crate::num::{quotient, to_u64};
use crate::volume::{Extent, Extents, ExtentsBuilder, FileExtent, FileKind, NodeId};

impl IsoVolume {
    /// Everything recorded of a node.
    pub(super) fn file(&self, node: NodeId) -> Result<Arc<File>> {
        // Where the medium failed, the next look may find more.
        let lasts = |file: &Arc<File>| !file.rock_ridge.is_cut;
        self.last_file.get(node, lasts, || {
            let (mut len, mut sections) = (0u64, 0u64);
            let mut file = self.for_each_section(node, &mut |record| {
                len = len.saturating_add(record.data_len());
                sections = sections.saturating_add(1);
                Ok(())
            })?;
            file.len = len;
            file.is_one_run &= sections == 1;
            Ok(Arc::new(file))
        })
    }

    /// Where the bytes of a node lie, of which `file` tells.
    pub(super) fn extents(&self, node: NodeId, file: &File) -> Result<Extents> {
        let mut extents = ExtentsBuilder::new(self.disc.limits(), site(node.position()));
        if file.is_one_run {
            extents.push(Extent { at: Some(file.at), len: file.len })?;
        } else {
            self.for_each_section(node, &mut |record| self.push_extents(&mut extents, record))?;
        }
        let len = extents.len();
        Ok(extents.finish(len))
    }

    /// First byte and bytes of the files that the records of a directory tell of, without those
    /// that have several records.
    pub(super) fn file_extents(&self, dir: NodeId) -> Result<Vec<FileExtent>> {
        let dir = self.dir_extent(dir)?;
        let budget = self.budget();
        let mut found = Vec::new();
        self.for_each_record(&dir, &mut |record| {
            if let Ok(record) = record
                && !record.flags().contains(FileFlags::MULTI_EXTENT)
            {
                let rock_ridge = self.rock_ridge_within(&record, &budget);
                let range = (record.data_at(self.block_bytes), record.data_len());
                let extent = extent_of(kind(&record, &rock_ridge), &rock_ridge, range);
                found.push((NodeId::at(record.at), extent));
            }
            let is_over = budget.is_spent();
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// What the first record of a node says, all of whose records are handed to `take`: a file
    /// may have several (ECMA-119 9.1.6, bit 7), which follow each other, into the next sectors of
    /// the directory too.
    fn for_each_section(
        &self,
        node: NodeId,
        take: &mut dyn FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<File> {
        if node != self.root && node.position() >= self.disc.len() {
            return Err(Error::Stale(node.number()));
        }
        self.with_record(node, |first, _| {
            let file = self.file_of(first);
            take(first)?;
            let is_in_parts = first.flags().contains(FileFlags::MULTI_EXTENT);
            if is_in_parts && file.kind != FileKind::Directory {
                self.for_each_further_section(first, take)?;
            }
            Ok(file)
        })
    }

    /// Hands the records of a file after its first one to `take`.
    pub(super) fn for_each_further_section(
        &self,
        first: &Record<'_>,
        take: &mut dyn FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<()> {
        let missing = first.site().corrupt("lacks the record of its file's last extent");
        let mut at = first.at.saturating_add(to_u64(first.len()));
        loop {
            let bytes = self.sectors(at, 2)?;
            let sector_end = sector_start(at).saturating_add(SECTOR_BYTES);
            let is_over = at == sector_start(at) && bytes.first() == Some(&0);
            let mut records = Records::new(&bytes, at, sector_end.saturating_sub(at), self.form());
            for record in records.by_ref() {
                let record = record?;
                if record.identifier != first.identifier {
                    return Err(missing);
                }
                take(&record)?;
                if !record.flags().contains(FileFlags::MULTI_EXTENT) {
                    return Ok(());
                }
            }
            if is_over {
                return Err(missing);
            }
            at = records.place();
        }
    }

    /// What one record says of its file.
    fn file_of(&self, record: &Record<'_>) -> File {
        let rock_ridge = self.rock_ridge(record);
        File {
            kind: kind(record, &rock_ridge),
            at: record.data_at(self.block_bytes),
            len: record.data_len(),
            recorded: record.recorded(),
            link_key: self.links.key(record, &rock_ridge),
            site: record.site(),
            is_self: record.is_self(),
            xa: xa_record(record).map(<[u8]>::to_vec),
            is_one_run: record.head.unit_size == 0,
            rock_ridge,
        }
    }

    /// Adds the bytes of one record's file section. An interleaved one is in units with gaps
    /// between them, the first of them for the extended attributes (ECMA-119 6.4.3).
    pub(super) fn push_extents(
        &self,
        extents: &mut ExtentsBuilder,
        record: &Record<'_>,
    ) -> Result<()> {
        let unit_bytes = u64::from(record.head.unit_size).saturating_mul(self.block_bytes);
        let mut left = record.data_len();
        if unit_bytes == 0 {
            return extents.push(Extent { at: Some(record.data_at(self.block_bytes)), len: left });
        }
        let max = self.disc.limits().extents;
        if quotient(left, unit_bytes) > max {
            return Err(record.site().limit("extents in one file", max));
        }
        // Without gaps all units are one run.
        if record.head.gap_size > 0 {
            extents.reserve(quotient(left, unit_bytes).saturating_add(1))?;
        }
        let gap_bytes = u64::from(record.head.gap_size).saturating_mul(self.block_bytes);
        let step = unit_bytes.saturating_add(gap_bytes);
        let mut at = u64::from(record.head.extent.get()).saturating_mul(self.block_bytes);
        if record.head.len_ear > 0 {
            at = at.saturating_add(step);
        }
        while left > 0 {
            let len = left.min(unit_bytes);
            extents.push(Extent { at: Some(at), len })?;
            at = at.saturating_add(step);
            left = left.saturating_sub(len);
        }
        Ok(())
    }

    /// The node of a file's record: that of the first name that was read of the same file, else
    /// its own.
    pub(super) fn file_node(&self, record: &Record<'_>, rock_ridge: &RockRidge) -> NodeId {
        let own = NodeId::at(record.at);
        let Some(key) = self.links.key(record, rock_ridge) else { return own };
        // Files that claim one name leave room for those that claim several.
        let claims_several = rock_ridge.attributes.is_some_and(|a| a.links > 1);
        let room = self.disc.limits().linked_files;
        let first = self.links.first(key, own, if claims_several { room } else { room / 2 });
        let is_in_parts = record.flags().contains(FileFlags::MULTI_EXTENT);
        if first == own || (is_in_parts && !self.have_equal_parts(first, own)) {
            return own;
        }
        self.links.note_shared(key);
        first
    }

    /// Whether two files of several records have their bytes in the same places.
    fn have_equal_parts(&self, one: NodeId, other: NodeId) -> bool {
        let one = self.parts(one);
        one.is_some() && one == self.parts(other)
    }

    /// Where the bytes of a file's records lie; nothing for a file of so many that comparing it
    /// would take long.
    fn parts(&self, node: NodeId) -> Option<Vec<(u32, u64, u8, u8)>> {
        const MAX_PARTS: usize = 64;
        let mut parts = Vec::new();
        let walked = self.with_record(node, |first, _| {
            parts.push(places(first));
            self.for_each_further_section(first, &mut |record| {
                parts.push(places(record));
                if parts.len() > MAX_PARTS {
                    return Err(record.site().limit("extents in one file with several names", 64));
                }
                Ok(())
            })
        });
        walked.ok().map(|()| parts)
    }
}
