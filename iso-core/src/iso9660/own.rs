//! Which record tells of a directory: its own, with which it begins, or, where that does not
//! count, the one that names it (ECMA-119 6.8.2). Reads first sectors of directories only.

use super::SECTOR_BYTES;
use super::directory::DirExtent;
use super::disk::FileFlags;
use super::record::{Record, sector_start, site};
use super::records::Records;
use super::volume::IsoVolume;
use crate::error::Result;
use crate::num::to_usize;
use crate::volume::NodeId;

/// Sectors before a record in which the beginning of its directory is looked for.
const MAX_SECTORS_BEFORE: u64 = 1024;

impl IsoVolume {
    /// Whether a directory that lies at byte `at` begins with its own record: one that has the
    /// identifier and the flag of a directory's own, and points at itself. Some writers leave it
    /// out, forget its flag or give it another identifier.
    pub(super) fn has_own_record(&self, at: u64) -> Result<bool> {
        const OWN_BYTES: u64 = 34;
        let len = self.disc.len().saturating_sub(at).min(OWN_BYTES);
        let bytes = self.disc.metadata(at, to_usize(len.max(1)), site(at))?;
        let own = Record::parse_cut(&bytes, at, self.form(), bytes.len());
        Ok(own.is_ok_and(|own| own.is_self() && self.leads_to(&own, at)))
    }

    /// Whether a record is a directory's that lies at byte `at`.
    pub(super) fn leads_to(&self, record: &Record<'_>, at: u64) -> bool {
        record.flags().contains(FileFlags::DIRECTORY) && record.data_at(self.block_bytes) == at
    }

    /// Whether sound records stand in the sector at byte `at`.
    pub(super) fn holds_records(&self, at: u64) -> Result<bool> {
        let bytes = self.sectors(at, 1)?;
        let mut records = Records::new(&bytes, at, SECTOR_BYTES, self.form()).flatten();
        Ok(records.any(|record| record.is_sound()))
    }

    /// The node of the directory that a record names: its own record, or, where that does not
    /// count and other records stand there, the record that names it.
    pub(super) fn dir_node(&self, record: &Record<'_>) -> NodeId {
        let at = record.data_at(self.block_bytes);
        // What cannot be read tells what is wrong when it is asked for.
        let is_named =
            matches!(self.has_own_record(at), Ok(false)) && self.holds_records(at).unwrap_or(false);
        NodeId::at(if is_named { record.at } else { at })
    }

    /// Where the directories begin that the records of a directory name, whose first sectors are
    /// read to number them.
    pub(super) fn dirs_named_in(&self, (at, len): (u64, u64)) -> Vec<u64> {
        let bytes = self.disc.metadata(at, to_usize(len), site(at)).unwrap_or_default();
        let records = Records::new(&bytes, at, len, self.form()).flatten();
        let dirs = records.filter(|record| record.flags().contains(FileFlags::DIRECTORY));
        dirs.map(|record| record.data_at(self.block_bytes)).collect()
    }

    /// The node of the directory that begins at byte `at`, as records refer to it that do not name
    /// it; `holder` gives the directory that holds the record which names it.
    pub(super) fn node_of_dir(
        &self,
        at: u64,
        holder: impl FnOnce() -> Result<DirExtent>,
    ) -> Result<NodeId> {
        if self.has_own_record(at).unwrap_or(true) {
            return Ok(NodeId::at(at));
        }
        if self.is_root(at) {
            return Ok(self.root);
        }
        let named = self.find_in(&holder()?, &mut |record| {
            self.leads_to(record, at).then_some(NodeId::at(record.at))
        })?;
        Ok(named.unwrap_or(NodeId::at(at)))
    }

    /// Whether the root lies at byte `at` and is known by its record in the descriptor.
    fn is_root(&self, at: u64) -> bool {
        self.root_record.is_some() && self.dir_extent(self.root).is_ok_and(|root| root.at == at)
    }

    /// The directory that holds a directory, by its second record (ECMA-119 6.8.2.2); one that
    /// does not say is held by the directory that holds the record which names it.
    pub(super) fn parent(&self, node: NodeId, dir: &DirExtent) -> Result<NodeId> {
        if let Some(at) = self.parent_at(dir)? {
            let above = || {
                let above = self.parent_at(&self.first_sector(at))?;
                self.dir_extent(above.map_or(self.root, NodeId::at))
            };
            return Ok(self.node_of_dir(at, above).unwrap_or(self.root));
        }
        let mut at = sector_start(node.position());
        for _ in 0..MAX_SECTORS_BEFORE {
            if node == self.root || dir.at == node.position() || self.is_root(at) {
                break;
            }
            if self.has_own_record(at)? {
                return Ok(NodeId::at(at));
            }
            at = at.saturating_sub(SECTOR_BYTES);
        }
        Ok(self.root)
    }

    /// Whether a record of a directory stands for that directory or its parent although its
    /// identifier is another: it leads to the directory that it begins, or stands at the beginning
    /// and has an identifier that is no name.
    pub(super) fn is_misnamed(&self, record: &Record<'_>, dir: &DirExtent) -> bool {
        const LONGEST: u64 = 255;
        let is_early = record.at < dir.at.saturating_add(LONGEST.saturating_mul(2));
        let is_nameless = record.flags().contains(FileFlags::DIRECTORY)
            && matches!(record.identifier, [0..=b' ']);
        (record.at == dir.at && self.leads_to(record, dir.at)) || (is_early && is_nameless)
    }
}
