//! A parsed directory: names in one run of bytes, an index for lookup, entries by position.
//! A pure function of the disc, so positions in it serve as cookies that never go stale.

use std::sync::OnceLock;

use crate::cache::Weigh;
use crate::error::{Error, Result, Site};
use crate::limits::Limits;
use crate::num::to_u64;
use crate::text::{cmp_folded, fold_eq};

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
}

/// The entries of a directory, in the order of the disc.
#[derive(Debug)]
pub struct Dir {
    node: NodeId,
    parent: NodeId,
    names: Box<[u8]>,
    slots: Box<[Slot]>,
    by_name: Box<[u32]>,
    by_folded_name: OnceLock<Box<[u32]>>,
}

/// Where an entry's name lies in the run of names, and what it names.
#[derive(Debug, Clone, Copy)]
struct Slot {
    name_start: u32,
    name_len: u16,
    kind: Option<FileKind>,
    node: NodeId,
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
    /// name differs in case alone.
    #[must_use]
    pub fn find(&self, name: &[u8], fold: bool) -> Option<DirEntry<'_>> {
        let first = self.by_name.partition_point(|slot| self.name(*slot) < name);
        if let Some(entry) = self.slot(self.by_name.get(first)).filter(|e| e.name == name) {
            return Some(entry);
        }
        if !fold {
            return None;
        }
        let folded = self.by_folded_name.get_or_init(|| {
            let mut order = self.by_name.clone();
            order.sort_by(|a, b| cmp_folded(self.name(*a), self.name(*b)).then(a.cmp(b)));
            order
        });
        let first = folded.partition_point(|slot| cmp_folded(self.name(*slot), name).is_lt());
        self.slot(folded.get(first)).filter(|entry| fold_eq(entry.name, name))
    }

    fn slot(&self, index: Option<&u32>) -> Option<DirEntry<'_>> {
        self.get(usize::try_from(*index?).ok()?)
    }

    fn name(&self, slot: u32) -> &[u8] {
        self.slot(Some(&slot)).map(|entry| entry.name).unwrap_or_default()
    }

    fn entry(&self, slot: &Slot) -> DirEntry<'_> {
        DirEntry { name: name_of(&self.names, slot), node: slot.node, kind: slot.kind }
    }
}

fn name_of<'a>(names: &'a [u8], slot: &Slot) -> &'a [u8] {
    let start = usize::try_from(slot.name_start).unwrap_or(usize::MAX);
    names.get(start..start.saturating_add(usize::from(slot.name_len))).unwrap_or_default()
}

impl Weigh for Dir {
    fn weight_bytes(&self) -> u64 {
        // A slot, its place in both indexes, and its share of the names.
        let per_entry = size_of::<Slot>().saturating_add(8);
        let entries = self.slots.len().saturating_mul(per_entry);
        to_u64(entries.saturating_add(self.names.len()).saturating_add(size_of::<Self>()))
    }
}

/// Gathers the entries of one directory.
#[derive(Debug)]
pub struct DirBuilder {
    node: NodeId,
    parent: NodeId,
    names: Vec<u8>,
    slots: Vec<Slot>,
    max_entries: u64,
    site: Site,
}

impl DirBuilder {
    /// An empty directory; `site` is named if it grows past the limit.
    #[must_use]
    pub const fn new(node: NodeId, parent: NodeId, limits: &Limits, site: Site) -> Self {
        Self {
            node,
            parent,
            names: Vec::new(),
            slots: Vec::new(),
            max_entries: limits.directory_entries,
            site,
        }
    }

    /// Adds an entry after the others.
    ///
    /// # Errors
    /// `Limit` past the bound on entries; `BadName` for a name of more than 65 535 bytes.
    pub fn push(&mut self, name: &[u8], node: NodeId, kind: Option<FileKind>) -> Result<()> {
        if to_u64(self.slots.len()) >= self.max_entries {
            return Err(self.site.limit("entries in one directory", self.max_entries));
        }
        let slot = Slot {
            name_start: u32::try_from(self.names.len()).map_err(|_| Error::NoMemory)?,
            name_len: u16::try_from(name.len()).map_err(|_| Error::BadName("it is too long"))?,
            kind,
            node,
        };
        self.names.extend_from_slice(name);
        self.slots.push(slot);
        Ok(())
    }

    /// The finished directory.
    #[must_use]
    pub fn finish(self) -> Dir {
        let mut by_name: Box<[u32]> = (0u32..).take(self.slots.len()).collect();
        let name = |slot: &u32| {
            let slot = self.slots.get(usize::try_from(*slot).unwrap_or(usize::MAX));
            slot.map(|slot| name_of(&self.names, slot)).unwrap_or_default()
        };
        by_name.sort_by(|a, b| name(a).cmp(name(b)).then(a.cmp(b)));
        Dir {
            node: self.node,
            parent: self.parent,
            names: self.names.into(),
            slots: self.slots.into(),
            by_name,
            by_folded_name: OnceLock::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: Site = Site::new("directory", "test", 0);

    fn dir(names: &[&str]) -> Dir {
        let mut builder = DirBuilder::new(NodeId::at(64), NodeId::at(64), &Limits::default(), SITE);
        for (name, at) in names.iter().zip(100..) {
            builder
                .push(name.as_bytes(), NodeId::from_number(at), Some(FileKind::Regular))
                .unwrap();
        }
        builder.finish()
    }

    #[test]
    fn the_exact_name_wins_over_one_that_differs_in_case() {
        let dir = dir(&["b", "README", "readme", "a"]);
        for (name, fold, want) in [
            ("readme", true, Some(102)),
            ("README", true, Some(101)),
            ("ReadMe", true, Some(101)),
            ("ReadMe", false, None),
            ("a", false, Some(103)),
            ("c", true, None),
            ("", true, None),
        ] {
            let found = dir.find(name.as_bytes(), fold).map(|e| e.node.number());
            assert_eq!(found, want, "{name} {fold}");
        }
    }

    #[test]
    fn entries_keep_the_order_of_the_disc() {
        let dir = dir(&["z", "a", "z"]);
        let names: Vec<&[u8]> = dir.iter().map(|e| e.name).collect();
        assert_eq!(names, [b"z", b"a", b"z"]);
        assert_eq!(dir.get(3), None);
        assert_eq!(dir.find(b"z", false).map(|e| e.node.number()), Some(100), "the first one");
    }

    #[test]
    fn more_entries_than_the_limit_are_an_error() {
        let limits = Limits { directory_entries: 1, ..Limits::default() };
        let mut builder = DirBuilder::new(NodeId::at(64), NodeId::at(64), &limits, SITE);
        builder.push(b"a", NodeId::at(64), Some(FileKind::Regular)).unwrap();
        let said =
            builder.push(b"b", NodeId::at(64), Some(FileKind::Regular)).unwrap_err().to_string();
        assert!(said.contains("more than 1 entries in one directory"), "{said}");
    }
}
