//! A parsed directory: names in one run of bytes, an index for lookup, entries by position.
//! A pure function of the disc, so positions in it serve as cookies that never go stale.

use std::sync::{Arc, OnceLock};

use crate::cache::Weigh;
use crate::error::Result;
use crate::num::to_u64;
use crate::text::{Coding, fold_eq};

use super::name_index::{NameHashes, NameIndex};
use super::{FileKind, NodeId};

/// One name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// The name, one path component; WTF-8 where the format is Unicode, else as recorded.
    pub name: &'a [u8],
    /// The node it names.
    pub node: NodeId,
    /// The kind of that node; nothing where the directory does not tell (UDF) and it is not a
    /// directory: then the node itself must be asked.
    pub kind: Option<FileKind>,
    /// Whether the disc says that it is not meant to be seen.
    pub is_hidden: bool,
}

/// The entries of a directory, in the order of the disc.
#[derive(Debug)]
pub struct Dir {
    pub(super) node: NodeId,
    pub(super) parent: NodeId,
    pub(super) slots: Box<[Slot]>,
    pub(super) names: Arc<Names>,
    pub(super) coding: Option<Coding>,
    pub(super) has_versions: bool,
    /// The lowest and the highest node that it names.
    pub(super) nodes: Option<(NodeId, NodeId)>,
    /// Damage was met when it was parsed.
    pub(super) is_damaged: bool,
}

/// The names of a directory and the way to find them.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) bytes: Box<[u8]>,
    pub(super) index: Arc<NameIndex>,
    /// Made for the first lookup that disregards case.
    pub(super) folded: OnceLock<NameIndex>,
}

/// Where an entry's name lies in the run of names, and what it names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) name_start: u32,
    pub(super) name_len: u16,
    pub(super) kind: Option<FileKind>,
    pub(super) is_hidden: bool,
    pub(super) node: NodeId,
}

impl Slot {
    /// The name among all of them.
    pub(super) fn name<'n>(&self, names: &'n [u8]) -> &'n [u8] {
        let start = usize::try_from(self.name_start).unwrap_or(usize::MAX);
        names.get(start..start.saturating_add(self.name_len.into())).unwrap_or_default()
    }
}

impl Dir {
    /// The directory's own node.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// The directory that holds it; the root holds itself.
    #[must_use]
    pub const fn parent(&self) -> NodeId {
        self.parent
    }

    /// The lowest and the highest number of the nodes that it names.
    #[must_use]
    pub const fn nodes(&self) -> Option<(NodeId, NodeId)> {
        self.nodes
    }

    /// Whether damage was met when it was read: the disc may hold more in it, or other names. The
    /// findings tell what was met.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Whether any entry is an older version of another (ECMA-119 7.5.1): then the name of the
    /// newest with its version finds it too, without being listed.
    #[must_use]
    pub const fn has_versions(&self) -> bool {
        self.has_versions
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True for a directory without entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The entry at a position.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<DirEntry<'_>> {
        self.slots.get(position).map(|slot| self.entry(slot))
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = DirEntry<'_>> {
        self.slots.iter().map(|slot| self.entry(slot))
    }

    /// The entry of a name: the first with exactly this name, else, with `fold`, the first whose
    /// name differs in case alone. The bytes of a name as they are recorded find it as well.
    #[must_use]
    pub fn find(&self, name: &[u8], fold: bool) -> Option<DirEntry<'_>> {
        self.get(self.position(name, fold)?)
    }

    /// As `find`: the position of the entry.
    #[must_use]
    pub fn position(&self, name: &[u8], fold: bool) -> Option<usize> {
        self.position_shown(name, fold).or_else(|| {
            let coding = self.coding.filter(|_| std::str::from_utf8(name).is_err())?;
            self.position_shown(&coding.decode(name)?, false)
        })
    }

    fn position_shown(&self, name: &[u8], fold: bool) -> Option<usize> {
        let exact = self.first(&self.names.index, name, |found| found == name);
        if exact.is_some() || !fold {
            return exact;
        }
        let is_wanted = |found: &[u8]| fold_eq(found, name);
        match self.folded() {
            Ok(folded) => self.first(folded, name, is_wanted),
            // Without memory for an index every name is looked at.
            Err(_) => self.slots.iter().position(|slot| is_wanted(slot.name(&self.names.bytes))),
        }
    }

    /// The index without regard to case.
    fn folded(&self) -> Result<&NameIndex> {
        if let Some(folded) = self.names.folded.get() {
            return Ok(folded);
        }
        let mut hashes = NameHashes::folded(self.slots.len())?;
        self.slots.iter().for_each(|slot| hashes.push(slot.name(&self.names.bytes)));
        let folded = hashes.sorted().into_index()?;
        Ok(self.names.folded.get_or_init(|| folded))
    }

    fn first(
        &self,
        index: &NameIndex,
        name: &[u8],
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> Option<usize> {
        let mut positions = index.candidates(name).filter_map(|slot| usize::try_from(slot).ok());
        positions.find(|position| self.get(*position).is_some_and(|entry| is_wanted(entry.name)))
    }

    /// The same directory with other numbers for its nodes; the names are shared.
    pub(crate) fn renumbered(
        &self,
        node: NodeId,
        parent: NodeId,
        number: impl Fn(NodeId) -> NodeId,
    ) -> Self {
        let slots = self.slots.iter().map(|slot| Slot { node: number(slot.node), ..*slot });
        let (slots, names) = (slots.collect(), self.names.clone());
        let nodes = self.nodes.map(|(first, last)| (number(first), number(last)));
        Self { node, parent, slots, names, nodes, ..*self }
    }

    fn entry(&self, slot: &Slot) -> DirEntry<'_> {
        DirEntry {
            name: slot.name(&self.names.bytes),
            node: slot.node,
            kind: slot.kind,
            is_hidden: slot.is_hidden,
        }
    }
}

impl Weigh for Dir {
    fn weight_bytes(&self) -> u64 {
        // The index without regard to case may come later, and is as heavy as the other.
        let indexes = self.names.index.weight_bytes().saturating_mul(2);
        let slots = to_u64(size_of_val(&*self.slots));
        let names = to_u64(size_of::<Names>().saturating_add(self.names.bytes.len()));
        // Names and index are allocations of their own beside those that each holds.
        let allocations = ALLOCATION_BYTES.saturating_mul(4);
        let own = to_u64(size_of::<Self>()).saturating_add(names).saturating_add(allocations);
        own.saturating_add(slots).saturating_add(indexes)
    }
}

/// What an allocation takes beside its bytes, with the counters of an `Arc`.
const ALLOCATION_BYTES: u64 = 32;
