//! What is kept of a large directory when its entries are evicted: where parsing can begin again,
//! and its names as hashes. A pure function of the directory, so that what is parsed with its help
//! is the same as before.

use std::ops::Range;
use std::sync::Arc;

use crate::cache::Weigh;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::num::to_u64;
use crate::text::Coding;

use super::name_index::NameIndex;
use super::{Dir, Extents, NodeId};

/// The first entry of a part of a directory.
#[derive(Debug, Clone, Copy)]
struct PartStart {
    /// Its position among all entries.
    position: u32,
    /// Where its record lies, as the format counts places.
    place: u64,
}

/// An entry whose name is marked, because another has the name as it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Numbered {
    pub(super) position: u32,
    pub(super) mark: Mark,
}

/// What tells entries apart that share a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// It is an older version of the file.
    Version(u16),
    /// Nothing on the disc: they are counted.
    Number(u32),
}

/// Cuts a directory into parts while it is parsed.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    marks: Vec<PartStart>,
    last_cost: u64,
    /// Entries, and bytes that are read for them, after which another part begins.
    part_entries: usize,
    part_bytes: u64,
    /// Entries up to which a directory has no outline.
    whole_entries: usize,
}

impl Marks {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self {
            marks: Vec::new(),
            last_cost: 0,
            part_entries: limits.directory_part_entries,
            part_bytes: limits.directory_part_bytes,
            whole_entries: limits.whole_directory_entries,
        }
    }

    /// Notes the record of the entry at a position; `cost` grows with the bytes that were read.
    pub(super) fn passed(&mut self, position: usize, place: u64, cost: u64) -> Result<()> {
        let position = u32::try_from(position).map_err(|_| Error::NoMemory)?;
        let is_due = self.marks.last().is_none_or(|last| {
            let entries = position.saturating_sub(last.position);
            usize::try_from(entries).is_ok_and(|entries| entries >= self.part_entries)
                || cost.saturating_sub(self.last_cost) >= self.part_bytes
        });
        if is_due {
            self.marks.try_reserve(1).map_err(|_| Error::NoMemory)?;
            self.marks.push(PartStart { position, place });
            self.last_cost = cost;
        }
        Ok(())
    }

    /// The outline of the directory that was parsed, if it is large.
    pub(super) fn outline(self, dir: &Dir, numbered: Box<[Numbered]>) -> Option<Outline> {
        let is_large = dir.len() > self.whole_entries && !self.marks.is_empty();
        is_large.then(|| Outline {
            node: dir.node,
            parent: dir.parent,
            len: dir.len(),
            coding: dir.coding,
            nodes: dir.nodes,
            marks: self.marks.into(),
            numbered,
            index: dir.names.index.clone(),
            extents: None,
            is_damaged: false,
        })
    }
}

/// A large directory without its entries.
#[derive(Debug)]
pub(crate) struct Outline {
    pub(crate) node: NodeId,
    pub(crate) parent: NodeId,
    /// How many entries there are.
    pub(super) len: usize,
    pub(super) coding: Option<Coding>,
    pub(super) nodes: Option<(NodeId, NodeId)>,
    marks: Box<[PartStart]>,
    /// In the order of their positions.
    numbered: Box<[Numbered]>,
    pub(super) index: Arc<NameIndex>,
    /// Where the bytes of the directory lie, for formats that would have to work it out again.
    pub(crate) extents: Option<Extents>,
    /// Damage was met when the directory was parsed.
    pub(super) is_damaged: bool,
}

impl Outline {
    /// How many parts there are.
    pub(super) fn parts(&self) -> usize {
        self.marks.len()
    }

    /// The part that holds the entry at a position; the last one for positions past the end.
    pub(super) fn part_of(&self, position: usize) -> usize {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        self.marks.partition_point(|mark| mark.position <= position).saturating_sub(1)
    }

    /// The positions of the entries of a part.
    pub(crate) fn positions(&self, part: usize) -> Range<usize> {
        let start =
            |part: usize| self.marks.get(part).and_then(|mark| usize::try_from(mark.position).ok());
        start(part).unwrap_or(self.len)..start(part.saturating_add(1)).unwrap_or(self.len)
    }

    /// Where the record of the first entry of a part lies, and that of the part behind it.
    pub(crate) fn places(&self, part: usize) -> (u64, Option<u64>) {
        let place = |part: usize| self.marks.get(part).map(|mark| mark.place);
        (place(part).unwrap_or(u64::MAX), place(part.saturating_add(1)))
    }

    /// Which entries at these positions have a number.
    pub(super) fn numbered_in(&self, positions: &Range<usize>) -> &[Numbered] {
        let index = |position: usize| {
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            self.numbered.partition_point(|numbered| numbered.position < position)
        };
        self.numbered.get(index(positions.start)..index(positions.end)).unwrap_or_default()
    }
}

impl Weigh for Outline {
    fn weight_bytes(&self) -> u64 {
        let tables = size_of_val(&*self.marks).saturating_add(size_of_val(&*self.numbered));
        let extents = self.extents.as_ref().map_or(0, Weigh::weight_bytes);
        // The whole directory may hold the index too; while this is kept, it stays.
        let index = self.index.weight_bytes();
        to_u64(size_of::<Self>().saturating_add(tables))
            .saturating_add(extents)
            .saturating_add(index)
    }
}
