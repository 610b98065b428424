//! Directories that Rock Ridge shows elsewhere than they are recorded, since ISO 9660 has eight
//! levels at most (RRIP 4.1.5). Reads the records that say so; shows nothing.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::SECTOR_BYTES;
use super::dir_extent::DirExtent;
use super::disk::FileFlags;
use super::listing::{Links, Listing, Numbering};
use super::record::Record;
use super::volume::IsoVolume;
use crate::error::{Error, Result};
use crate::volume::NodeId;

/// Bytes of directories that are read, while one is listed, to find the links to what was moved.
const MAX_LINK_BYTES: u64 = 16 << 20;

impl IsoVolume {
    /// Whether a directory that says that it was moved is found where it belongs. By place, it is
    /// taken at its word.
    pub(super) fn is_shown_elsewhere(&self, record: &Record<'_>, listing: &Listing) -> bool {
        match listing.numbering {
            Numbering::ByPlace => true,
            Numbering::ByRecord => self.is_linked(record, &mut listing.links.borrow_mut()),
        }
    }

    /// Whether a record's directory is shown elsewhere: its second record names the directory that
    /// it belongs in (`PL`), and a record there leads back (`CL`). Without both it would be lost.
    ///
    /// Where the medium fails it is taken at its word: on a sound disc that is true.
    fn is_linked(&self, record: &Record<'_>, links: &mut Links) -> bool {
        match self.find_link(record, links) {
            Ok(is_linked) => is_linked,
            Err(error) => error.may_pass(),
        }
    }

    fn find_link(&self, record: &Record<'_>, links: &mut Links) -> Result<bool> {
        let Some((at, holder)) = self.parent_link(record)? else { return Ok(false) };
        if !links.by_holder.contains_key(&holder) {
            let found = match self.links_in(holder, &mut links.read) {
                Err(error) if error.may_pass() => return Err(error),
                found => found.unwrap_or_default(),
            };
            links.by_holder.insert(holder, found);
        }
        Ok(links.by_holder.get(&holder).is_some_and(|found| found.contains(&at)))
    }

    /// Where the links of a directory lead; nothing where too much was read for such already.
    fn links_in(&self, holder: u64, read: &mut u64) -> Result<HashSet<u64>> {
        let node = self.node_of_dir(holder, || Err(Error::NotFound))?;
        let dir = self.dir_extent(node)?;
        *read = read.saturating_add(dir.len());
        let mut found = HashSet::new();
        if *read > MAX_LINK_BYTES {
            return Ok(found);
        }
        let budget = self.budget();
        self.find_in(&dir, &mut |record| {
            let link = self.rock_ridge_within(record, &budget).child_link;
            found.extend(link.map(|block| u64::from(block).saturating_mul(self.block_bytes)));
            budget.is_spent().then_some(())
        })?;
        Ok(found)
    }

    /// Whether a directory of the root holds nothing but relocated directories, which are shown
    /// in their true places (RRIP 4.1.5); writers call it `rr_moved`, or mark it as moved. BSD
    /// makefs writes no `RE`, but the `PL` in a relocated directory tells as well.
    ///
    /// # Errors
    /// `Io` where the medium fails: what is there is neither shown nor left out then.
    pub(super) fn is_relocation_store(&self, node: NodeId, numbering: Numbering) -> Result<bool> {
        if self.sharing.is_none() {
            return Ok(false);
        }
        let budget = self.budget();
        // Past this it is a directory like any other, and looking on would take too long.
        const MAX_RELOCATED: usize = 10_000;
        let mut relocated = 0usize;
        let mut links = Links::default();
        let others = self.dir_extent(node).and_then(|store| {
            self.find_in(&store, &mut |record| {
                if record.is_self() || record.is_parent() {
                    return None;
                }
                relocated = relocated.saturating_add(1);
                let belongs_elsewhere = relocated <= MAX_RELOCATED
                    && !budget.is_spent()
                    && match numbering {
                        Numbering::ByRecord => self.is_linked(record, &mut links),
                        // The records are taken at their word, from the store's own bytes.
                        Numbering::ByPlace => {
                            self.rock_ridge_within(record, &budget).relocated
                                || self.parent_link(record).is_ok_and(|link| link.is_some())
                        }
                    };
                (!belongs_elsewhere).then_some(())
            })
        });
        match others {
            Err(error) if error.may_pass() => Err(error),
            others => Ok(relocated > 0 && matches!(others, Ok(None))),
        }
    }

    /// Where a record's directory lies and where the one that it says it belongs in (`PL`).
    fn parent_link(&self, record: &Record<'_>) -> Result<Option<(u64, u64)>> {
        if !record.flags().contains(FileFlags::DIRECTORY) {
            return Ok(None);
        }
        let dir = self.dir_extent(self.dir_node(record, Numbering::ByRecord))?;
        let link = self.parent_record(&dir, |parent| self.rock_ridge(parent).parent_link)?;
        let place = |block: u32| (dir.at, u64::from(block).saturating_mul(self.block_bytes));
        Ok(link.flatten().map(place))
    }

    /// Where a directory's second record says that its parent lies, if that is its parent's.
    pub(super) fn parent_at(&self, dir: &DirExtent) -> Result<Option<u64>> {
        self.parent_record(dir, |parent| match self.rock_ridge(parent).parent_link {
            Some(block) => u64::from(block).saturating_mul(self.block_bytes),
            None => parent.data_at(self.block_bytes),
        })
    }

    /// The directory of the root that holds relocated directories.
    pub(super) fn relocation_store(&self) -> Result<DirExtent> {
        let root = self.dir_extent(self.root)?;
        let store = self.find_in(&root, &mut |record| {
            let is_store = record.flags().contains(FileFlags::DIRECTORY)
                && is_store_name(&self.name(record, self.rock_ridge(record)));
            is_store.then(|| self.dir_node(record, Numbering::ByRecord))
        })?;
        self.dir_extent(store.ok_or(Error::NotFound)?)
    }

    /// What `of` makes of a directory's second record, if that is its parent's.
    fn parent_record<T>(
        &self,
        dir: &DirExtent,
        of: impl Fn(&Record<'_>) -> T,
    ) -> Result<Option<T>> {
        let mut found = None;
        let mut is_second = false;
        // Of a long directory no more than its beginning.
        self.for_each_record_in(dir, (dir.at, SECTOR_BYTES), &mut |record| {
            found = record.ok().filter(Record::is_parent).map(|parent| of(&parent));
            let is_over = found.is_some() || std::mem::replace(&mut is_second, true);
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }
}

/// Whether writers give this name to the directory of relocated directories.
pub(super) fn is_store_name(name: &[u8]) -> bool {
    name.strip_prefix(b".").unwrap_or(name).eq_ignore_ascii_case(b"rr_moved")
}
