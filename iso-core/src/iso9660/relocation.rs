//! Directories that Rock Ridge shows elsewhere than they are recorded, since ISO 9660 has eight
//! levels at most (RRIP 4.1.5). Reads the records that say so; shows nothing.

use std::ops::ControlFlow;

use super::directory::DirExtent;
use super::disk::FileFlags;
use super::own::Numbering;
use super::record::Record;
use super::volume::IsoVolume;
use crate::error::{Error, Result};
use crate::volume::NodeId;

impl IsoVolume {
    /// Whether a directory of the root holds nothing but relocated directories, which are shown
    /// in their true places (RRIP 4.1.5); writers call it `rr_moved`. BSD makefs writes no `RE`,
    /// but the `PL` in a relocated directory tells as well.
    pub(super) fn is_relocation_store(&self, name: &[u8], node: NodeId) -> bool {
        if self.sharing.is_none() || !is_store_name(name) {
            return false;
        }
        let budget = self.budget();
        // Past this it is a directory like any other, and looking on would take too long.
        const MAX_RELOCATED: usize = 10_000;
        let mut relocated = 0usize;
        let others = self.dir_extent(node).and_then(|store| {
            self.find_in(&store, &mut |record| {
                if record.is_self() || record.is_parent() {
                    return None;
                }
                relocated = relocated.saturating_add(1);
                let belongs_elsewhere = relocated <= MAX_RELOCATED
                    && !budget.is_spent()
                    && (self.rock_ridge_within(record, &budget).relocated
                        || self.has_parent_link(record));
                (!belongs_elsewhere).then_some(())
            })
        });
        relocated > 0 && matches!(others, Ok(None))
    }

    /// Whether a record's directory says that it belongs elsewhere.
    fn has_parent_link(&self, record: &Record<'_>) -> bool {
        let Ok(dir) = self.dir_extent(self.dir_node(record, Numbering::ByRecord)) else {
            return false;
        };
        matches!(self.parent_record(&dir, |parent| self.rock_ridge(parent)),
            Ok(Some(parent)) if parent.parent_link.is_some())
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
        self.for_each_record(dir, &mut |record| {
            found = record.ok().filter(Record::is_parent).map(|parent| of(&parent));
            let is_over = found.is_some() || std::mem::replace(&mut is_second, true);
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }
}

/// Whether writers give this name to the directory of relocated directories.
fn is_store_name(name: &[u8]) -> bool {
    name.strip_prefix(b".").unwrap_or(name).eq_ignore_ascii_case(b"rr_moved")
}
