//! Which record tells of a directory: its own, with which it begins, or, where that does not
//! count, the one that names it (ECMA-119 6.8.2). Reads first sectors of directories only.

use super::SECTOR_BYTES;
use super::dir_extent::DirExtent;
use super::disk::FileFlags;
use super::listing::{Listing, Numbering};
use super::record::{Record, sector_start, site};
use super::records::Records;
use super::rrip::RockRidge;
use super::volume::IsoVolume;
use crate::error::Result;
use crate::num::{to_u64, to_usize};
use crate::volume::{FileKind, NodeId};

/// Sectors before a record in which the beginning of its directory is looked for.
const MAX_SECTORS_BEFORE: u64 = 1024;

/// Bytes of a directory's own record without what a system adds to it (ECMA-119 6.8.2.2).
const OWN_BYTES: usize = 34;

impl IsoVolume {
    /// Whether a directory that lies at byte `at` begins with its own record: one that has the
    /// identifier and the flag of a directory's own, points at itself, and gives one length in both
    /// spellings. Some writers leave it out, forget its flag or give it another identifier.
    pub(super) fn has_own_record(&self, at: u64) -> Result<bool> {
        self.own_record_is(at, counts)
    }

    /// As `has_own_record`, whatever the record says of lengths: for volumes in which no record
    /// tells more.
    pub(super) fn has_some_own_record(&self, at: u64) -> Result<bool> {
        self.own_record_is(at, |_| true)
    }

    fn own_record_is(&self, at: u64, fits: impl Fn(&Record<'_>) -> bool) -> Result<bool> {
        let bytes = self.first_bytes(at)?;
        Ok(self.own_record(&bytes, at).is_some_and(|own| fits(&own)))
    }

    /// What a directory's own record would be parsed from: a folder is asked for those of all its
    /// folders, of which nothing else may be wanted.
    fn first_bytes(&self, at: u64) -> Result<Vec<u8>> {
        let len = self.disc.len().saturating_sub(at).min(to_u64(OWN_BYTES));
        self.disc.glance(at, to_usize(len.max(1)), site(at))
    }

    /// The record of its own with which the directory at byte `at` begins.
    fn own_record<'a>(&self, bytes: &'a [u8], at: u64) -> Option<Record<'a>> {
        let own = Record::parse_cut(bytes, at, self.form(), bytes.len()).ok()?;
        (own.is_self() && self.leads_to(&own, at)).then_some(own)
    }

    /// Whether the directory at byte `at` is known by the record that names it: its own does not
    /// count, and other records stand there. What cannot be read tells what is wrong when it is
    /// asked for.
    fn is_known_by_name(&self, at: u64) -> bool {
        matches!(self.has_own_record(at), Ok(false)) && self.holds_records(at).unwrap_or(false)
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
    /// count and other records stand there, the record that names it. By its place alone, the
    /// directory's first sector is not read, and its own record taken for good.
    pub(super) fn dir_node(&self, record: &Record<'_>, numbering: Numbering) -> NodeId {
        let at = record.data_at(self.block_bytes);
        if numbering == Numbering::ByPlace {
            return NodeId::at(at);
        }
        // Of two spellings the one counts at which a directory stands.
        let other = record.other_data_at(self.block_bytes);
        if other != at
            && !matches!(self.has_own_record(at), Ok(true))
            && matches!(self.has_own_record(other), Ok(true))
        {
            return NodeId::at(other);
        }
        if at >= self.disc.len() {
            return NodeId::at(record.at);
        }
        let Ok(bytes) = self.first_bytes(at) else { return NodeId::at(at) };
        let own = self.own_record(&bytes, at);
        if !own.as_ref().is_some_and(counts) && self.holds_records(at).unwrap_or(false) {
            return NodeId::at(record.at);
        }
        if let Some(own) = own {
            self.note_other_length(record, &own);
        }
        NodeId::at(at)
    }

    /// Reports a directory whose own record is sound and gives another length or beginning than the
    /// one that names it: entries are not listed, or are another directory's.
    fn note_other_length(&self, record: &Record<'_>, own: &Record<'_>) {
        let begins = |record: &Record<'_>| (record.head.extent.get(), record.head.len_ear);
        let differs = own.data_len() != record.data_len() || begins(own) != begins(record);
        if record.data_len() > 0 && differs {
            let error = record
                .site()
                .corrupt("differs from the directory's own record in length or first block");
            self.disc.findings().note_error("the directory's own record is used", &error);
        }
    }

    /// Whether a record names another disc of the volume set than the one that the root is on
    /// (ECMA-119 6.6). Writers leave 0 or 1 where there is no set.
    pub(super) fn is_of_another_disc(&self, record: &Record<'_>) -> bool {
        let number = record.head.volume_seq;
        let is_named = number.get() > 1;
        is_named
            && Record::parse(&self.named_root, 0, self.form())
                .is_ok_and(|root| root.head.volume_seq.get() != number.get())
    }

    /// As `note_other_length`, for the root and its record in the volume descriptor.
    pub(super) fn note_other_root(&self, node: NodeId, dir: &DirExtent) {
        let at = self.facts.descriptor_at.unwrap_or(0);
        let named = Record::parse(&self.named_root, at, self.form());
        let is_known_by_its_own = node == self.root && self.root_record.is_none();
        if let Ok(named) = named
            && is_known_by_its_own
            && named.data_at(self.block_bytes) == dir.at
        {
            let bytes = self.first_bytes(dir.at).unwrap_or_default();
            if let Some(own) = self.own_record(&bytes, dir.at) {
                self.note_other_length(&named, &own);
            }
        }
    }

    /// The node of the directory that begins at byte `at`, as records refer to it that do not name
    /// it; `holder` gives the directory that holds the record which names it.
    pub(super) fn node_of_dir(
        &self,
        at: u64,
        holder: impl FnOnce() -> Result<DirExtent>,
    ) -> Result<NodeId> {
        if !self.is_known_by_name(at) {
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

    /// Whether a record leads to a directory although its flags say that it leads to a file: its
    /// identifier has neither a dot nor a semicolon, as those of files do (ECMA-119 7.5.1), or
    /// Rock Ridge calls it a directory, and a directory's own record stands there.
    pub(super) fn is_unmarked_dir(
        &self,
        record: &Record<'_>,
        rock_ridge: &RockRidge,
        listing: &Listing,
    ) -> bool {
        let len = record.data_len();
        let may_be = !record.flags().contains(FileFlags::DIRECTORY)
            && rock_ridge.child_link.is_none()
            && len > 0
            && len.is_multiple_of(SECTOR_BYTES)
            && match rock_ridge.attributes {
                Some(attributes) => {
                    FileKind::from_mode(attributes.mode) == Some(FileKind::Directory)
                }
                None => !record.identifier.iter().any(|byte| matches!(byte, b'.' | b';')),
            };
        if may_be {
            listing.note_guess();
        }
        may_be
            && listing.numbering == Numbering::ByRecord
            && self.has_own_record(record.data_at(self.block_bytes)).unwrap_or(false)
    }

    /// Whether a record of a directory stands for that directory or its parent although its
    /// identifier is another: it leads to the directory that it begins, or stands at the beginning
    /// and has an identifier that is no name.
    pub(super) fn is_misnamed(&self, record: &Record<'_>, dir: &DirExtent) -> bool {
        let is_early = record.at < early_end(dir);
        let is_nameless = record.flags().contains(FileFlags::DIRECTORY)
            && matches!(record.identifier, [0..=b' ']);
        (record.at == dir.at && self.leads_to(record, dir.at)) || (is_early && is_nameless)
    }
}

/// Whether a directory's own record tells of it: it gives one length in both spellings.
fn counts(own: &Record<'_>) -> bool {
    let len = usize::from(own.head.len_dr);
    len >= OWN_BYTES && own.head.spells_alike() && own.data_len() > 0
}

/// Where the second record of a directory has begun at the latest.
const fn early_end(dir: &DirExtent) -> u64 {
    const LONGEST: u64 = 255;
    dir.at.saturating_add(LONGEST.saturating_mul(2))
}
