//! A parsed directory: names in one run of bytes, an index for lookup, entries by position.
//! A pure function of the disc, so positions in it serve as cookies that never go stale.

use std::collections::HashSet;
use std::sync::OnceLock;

use crate::cache::Weigh;
use crate::error::{Error, Result, Site};
use crate::limits::Limits;
use crate::num::to_u64;
use crate::text::{Coding, cmp_folded, fold_eq};

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
    node: NodeId,
    parent: NodeId,
    names: Box<[u8]>,
    slots: Box<[Slot]>,
    by_name: Box<[u32]>,
    by_folded_name: OnceLock<Box<[u32]>>,
    coding: Option<Coding>,
}

/// Where an entry's name lies in the run of names, and what it names.
#[derive(Debug, Clone, Copy)]
struct Slot {
    name_start: u32,
    name_len: u16,
    kind: Option<FileKind>,
    is_hidden: bool,
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
    /// name differs in case alone. The bytes of a name as they are recorded find it as well.
    #[must_use]
    pub fn find(&self, name: &[u8], fold: bool) -> Option<DirEntry<'_>> {
        self.find_shown(name, fold).or_else(|| {
            let coding = self.coding.filter(|_| std::str::from_utf8(name).is_err())?;
            self.find_shown(&coding.decode(name)?, false)
        })
    }

    fn find_shown(&self, name: &[u8], fold: bool) -> Option<DirEntry<'_>> {
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

    /// The same directory with other numbers for its nodes.
    pub(crate) fn renumbered(
        &self,
        node: NodeId,
        parent: NodeId,
        number: impl Fn(NodeId) -> NodeId,
    ) -> Self {
        let slots = self.slots.iter().map(|slot| Slot { node: number(slot.node), ..*slot });
        Self {
            node,
            parent,
            names: self.names.clone(),
            slots: slots.collect(),
            by_name: self.by_name.clone(),
            by_folded_name: OnceLock::new(),
            coding: self.coding,
        }
    }

    fn slot(&self, index: Option<&u32>) -> Option<DirEntry<'_>> {
        self.get(usize::try_from(*index?).ok()?)
    }

    fn name(&self, slot: u32) -> &[u8] {
        self.slot(Some(&slot)).map(|entry| entry.name).unwrap_or_default()
    }

    fn entry(&self, slot: &Slot) -> DirEntry<'_> {
        DirEntry {
            name: name_of(&self.names, slot),
            node: slot.node,
            kind: slot.kind,
            is_hidden: slot.is_hidden,
        }
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
    coding: Option<Coding>,
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
            coding: None,
        }
    }

    /// Adds an entry after the others.
    ///
    /// # Errors
    /// `Limit` past the bound on entries; `BadName` for a name of more than 65 535 bytes.
    pub fn push(&mut self, entry: DirEntry<'_>) -> Result<()> {
        if to_u64(self.slots.len()) >= self.max_entries {
            return Err(self.site.limit("entries in one directory", self.max_entries));
        }
        let slot = self.slot(entry)?;
        self.slots.push(slot);
        Ok(())
    }

    /// The names so far.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.slots.iter().map(|slot| name_of(&self.names, slot))
    }

    /// Reads all names in a character set; one that makes no sense in it stays as it is.
    pub(crate) fn decode(&mut self, coding: Coding) {
        self.coding = Some(coding);
        for slot in (0u32..).take(self.slots.len()) {
            let name = self.name(slot);
            if !name.is_ascii()
                && let Some(decoded) = coding.decode(name)
            {
                self.rename(slot, &decoded);
            }
        }
    }

    /// Keeps the name of an entry.
    fn slot(&mut self, entry: DirEntry<'_>) -> Result<Slot> {
        let name_start = u32::try_from(self.names.len()).map_err(|_| Error::NoMemory)?;
        let too_long = |_| Error::BadName("it is too long");
        let name_len = u16::try_from(entry.name.len()).map_err(too_long)?;
        self.names.extend_from_slice(entry.name);
        let DirEntry { kind, node, is_hidden, .. } = entry;
        Ok(Slot { name_start, name_len, kind, is_hidden, node })
    }

    /// The places in `slots` in the order of their names, equal ones in that of the disc.
    fn order(&self) -> Box<[u32]> {
        let mut order: Box<[u32]> = (0u32..).take(self.slots.len()).collect();
        order.sort_by(|a, b| self.name(*a).cmp(self.name(*b)).then(a.cmp(b)));
        order
    }

    fn name(&self, slot: u32) -> &[u8] {
        let slot = self.slots.get(usize::try_from(slot).unwrap_or(usize::MAX));
        slot.map(|slot| name_of(&self.names, slot)).unwrap_or_default()
    }

    /// Gives every entry but the first of those that share a name one of its own: `a.txt`,
    /// `a~2.txt`, `a~3.txt` in the order of the disc, which is the same each time.
    fn make_unique(&mut self, order: &[u32]) -> bool {
        let mut taken: HashSet<Vec<u8>> = HashSet::new();
        let mut renamed: Vec<(u32, Vec<u8>)> = Vec::new();
        // All new names are found before any is given: `order` is that of the old ones.
        for run in order.chunk_by(|a, b| self.name(*a) == self.name(*b)) {
            let mut number = 1u32;
            for slot in run.iter().skip(1) {
                let new = loop {
                    number = number.saturating_add(1);
                    let new = numbered(self.name(*slot), number);
                    let is_free =
                        order.binary_search_by(|other| self.name(*other).cmp(&new)).is_err();
                    if is_free && taken.insert(new.clone()) {
                        break new;
                    }
                };
                renamed.push((*slot, new));
            }
        }
        for (slot, name) in &renamed {
            self.rename(*slot, name);
        }
        !renamed.is_empty()
    }

    fn rename(&mut self, slot: u32, name: &[u8]) {
        let index = usize::try_from(slot).unwrap_or(usize::MAX);
        let Some(old) = self.slots.get(index).copied() else { return };
        let Slot { kind, node, is_hidden, .. } = old;
        if let Ok(new) = self.slot(DirEntry { name, node, kind, is_hidden })
            && let Some(slot) = self.slots.get_mut(index)
        {
            *slot = new;
        }
    }

    /// The finished directory, and whether entries that shared a name were given others.
    #[must_use]
    pub fn finish(mut self) -> (Dir, bool) {
        let order = self.order();
        let changed = self.make_unique(&order);
        let by_name = if changed { self.order() } else { order };
        let dir = Dir {
            node: self.node,
            parent: self.parent,
            names: self.names.into(),
            slots: self.slots.into(),
            by_name,
            by_folded_name: OnceLock::new(),
            coding: self.coding,
        };
        (dir, changed)
    }
}

/// A name with a number before its extension.
fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    let dot = name.iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    [stem, format!("~{number}").as_bytes(), extension].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: Site = Site::new("directory", "test", 0);

    fn entry(name: &str, number: u64) -> DirEntry<'_> {
        DirEntry {
            name: name.as_bytes(),
            node: NodeId::from_number(number),
            kind: Some(FileKind::Regular),
            is_hidden: false,
        }
    }

    fn dir(names: &[&str]) -> Dir {
        let mut builder = DirBuilder::new(NodeId::at(64), NodeId::at(64), &Limits::default(), SITE);
        for (name, at) in names.iter().zip(100..) {
            builder.push(entry(name, at)).unwrap();
        }
        builder.finish().0
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
    fn entries_keep_the_order_of_the_disc_and_equal_names_are_numbered() {
        let dir = dir(&["z.txt", "a", "z.txt", "z~2.txt", "z.txt", "a", "a.txt", "a~2", "b", "b"]);
        let names: Vec<&[u8]> = dir.iter().map(|e| e.name).collect();
        let want: [&[u8]; 10] = [
            b"z.txt", b"a", b"z~3.txt", b"z~2.txt", b"z~4.txt", b"a~3", b"a.txt", b"a~2", b"b",
            b"b~2",
        ];
        assert_eq!(names, want);
        for (entry, number) in dir.iter().zip(100..) {
            assert_eq!(dir.find(entry.name, false).map(|e| e.node.number()), Some(number));
        }
        assert_eq!(dir.get(10), None);
    }

    #[test]
    fn more_entries_than_the_limit_are_an_error() {
        let limits = Limits { directory_entries: 1, ..Limits::default() };
        let mut builder = DirBuilder::new(NodeId::at(64), NodeId::at(64), &limits, SITE);
        builder.push(entry("a", 7)).unwrap();
        let said = builder.push(entry("b", 8)).unwrap_err().to_string();
        assert!(said.contains("more than 1 entries in one directory"), "{said}");
    }
}
