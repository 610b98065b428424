//! Extended attributes of files on ISO 9660: AAIP, Apple's type and creator, CD-ROM XA, and the
//! associated file that is a resource fork. Gathers what other rooms parse.

use std::collections::BTreeMap;

use super::SECTOR_BYTES;
use super::dir_extent::DirExtent;
use super::disk::FileFlags;
use super::record::{Record, sector_start};
use super::records::Records;
use super::rrip::RockRidge;
use super::susp::xa_record;
use super::volume::IsoVolume;
use crate::error::{Result, Site};
use crate::volume::{Data, ExtentsBuilder, NodeId, RESOURCE_FORK, Xattr};

/// The name of a CD-ROM XA attribute record, given as it stands.
const XA: &[u8] = b"cdrom.xa";

/// Associated files of one directory whose files are looked for.
const MAX_FORKS: usize = 10_000;

impl IsoVolume {
    /// Everything recorded of a node beside its `stat`.
    pub(super) fn attributes(&self, node: NodeId) -> Result<Vec<Xattr>> {
        let file = self.file(node)?;
        let mut found = self.recorded(file.site, &file.rock_ridge)?;
        if file.is_self && node != self.root {
            found.extend(self.named_attributes(node, file.at)?);
        }
        found.extend(file.xa.as_deref().map(|xa| Xattr::of_bytes(XA, xa)));
        if !file.is_self && self.may_have_fork(node)? {
            let fork = self.with_record(node, |record, at| self.associated(record, at))?;
            found.extend(fork.map(|value| Xattr { name: RESOURCE_FORK.to_vec(), value }));
        }
        Ok(found)
    }

    /// Whether any record of a directory has something for `attributes`, or may have where the
    /// medium fails: one pass over what asking for each file by itself would look for anew.
    pub(super) fn has_attributes_in(&self, dir: NodeId) -> Result<bool> {
        // That it has some is no harm to be found anew: the medium may have failed.
        self.last_attributes.get(dir, |has| !has, || self.look_for_attributes_in(dir))
    }

    fn look_for_attributes_in(&self, dir: NodeId) -> Result<bool> {
        let extent = self.dir_extent(dir)?;
        let budget = self.budget();
        let found = self.find_in(&extent, &mut |record| {
            let rock_ridge = self.rock_ridge_within(record, &budget);
            let may_have_any = record.flags().contains(FileFlags::ASSOCIATED)
                || xa_record(record).is_some()
                || rock_ridge.is_cut
                || self
                    .recorded(record.site(), &rock_ridge)
                    .map_or(true, |found| !found.is_empty());
            may_have_any.then_some(())
        })?;
        Ok(found.is_some() || budget.is_spent())
    }

    /// What the record that names a directory says of it: writers put its attributes there, and
    /// not into the directory's own record.
    fn named_attributes(&self, node: NodeId, at: u64) -> Result<Vec<Xattr>> {
        if self.sharing.is_none() {
            return Ok(Vec::new());
        }
        let dir = self.dir_extent(node)?;
        let holder = self.parent(node, &dir)?;
        // One pass for all directories that it holds, of which hardly any has attributes.
        if !self.has_attributes_in(holder)? {
            return Ok(Vec::new());
        }
        let names = |record: &Record<'_>| {
            !record.is_self() && !record.is_parent() && record.data_at(self.block_bytes) == at
        };
        let found = self.find_in(&self.dir_extent(holder)?, &mut |record| {
            names(record).then(|| self.recorded(record.site(), &self.rock_ridge(record)))
        });
        found?.unwrap_or(Ok(Vec::new()))
    }

    /// Whether records of associated files stand in the sector of a node's record, or in the one
    /// before it where that matters: one look for all records of a sector, which hardly ever has
    /// any.
    fn may_have_fork(&self, node: NodeId) -> Result<bool> {
        let base = sector_start(node.position());
        let is_first = base == node.position();
        let before = base.saturating_sub(SECTOR_BYTES);
        Ok(is_first && self.holds_forks(before)? || self.holds_forks(base)?)
    }

    fn holds_forks(&self, base: u64) -> Result<bool> {
        let look = || {
            let bytes = self.sectors(base, 2)?;
            let mut records = Records::new(&bytes, base, SECTOR_BYTES, self.form()).flatten();
            Ok(records.any(|record| record.flags().contains(FileFlags::ASSOCIATED)))
        };
        self.last_forks.get(base, |_| true, look)
    }

    /// The bytes of the associated file of a record, which stands before it under the same
    /// identifier (ECMA-119 6.5.4, 9.3).
    fn associated(
        &self,
        record: &Record<'_>,
        (base, sector): (u64, &[u8]),
    ) -> Result<Option<Data>> {
        let before = base.saturating_sub(SECTOR_BYTES);
        let previous = if record.at == base { self.sectors(before, 1)? } else { Vec::new() };
        let is_fork = |other: &Record<'_>| {
            other.flags().contains(FileFlags::ASSOCIATED) && other.identifier == record.identifier
        };
        let here = Records::new(sector, base, SECTOR_BYTES, self.form());
        let there = Records::new(&previous, before, SECTOR_BYTES, self.form());
        let Some(fork) = there.chain(here).flatten().find(is_fork) else { return Ok(None) };
        if fork.at == record.at {
            return Ok(None);
        }
        let mut extents = ExtentsBuilder::new(self.disc.limits(), fork.site());
        self.push_extents(&mut extents, &fork)?;
        let len = extents.len();
        Ok(Some(Data::Plain(extents.finish(len))))
    }

    /// Reports the associated files of a directory that are no file's: nothing shows them.
    pub(super) fn note_lone_forks(&self, dir: &DirExtent) -> Result<()> {
        let mut forks = BTreeMap::new();
        let is_fork = |record: &Record<'_>| record.flags().contains(FileFlags::ASSOCIATED);
        self.find_in(dir, &mut |record| {
            if is_fork(record) {
                forks.insert(record.identifier.to_vec(), record.site());
            }
            (forks.len() >= MAX_FORKS).then_some(())
        })?;
        self.find_in(dir, &mut |record| {
            if !is_fork(record) && !record.flags().contains(FileFlags::DIRECTORY) {
                forks.remove(record.identifier);
            }
            forks.is_empty().then_some(())
        })?;
        for site in forks.values() {
            let error = site.corrupt("is a part of a file that is not there");
            self.disc.findings().note_error("the bytes of that part are not shown", &error);
        }
        Ok(())
    }

    /// What system use entries record.
    fn recorded(&self, site: Site, rock_ridge: &RockRidge) -> Result<Vec<Xattr>> {
        let max = self.disc.limits().streams;
        let listed = rock_ridge.attribute_list.attributes(max);
        let listed = listed.ok_or(site.limit("attributes of one file", max))?;
        let mut found: Vec<Xattr> =
            listed.into_iter().map(|(name, value)| Xattr::of_bytes(&name, value)).collect();
        found.extend(rock_ridge.finder_info.as_deref().map(Xattr::finder_info));
        Ok(found)
    }
}
