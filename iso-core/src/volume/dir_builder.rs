//! Making a directory of what a format reads: entries in the order of the disc, each with a name of
//! its own. Costs no more memory than the limits allow, whatever the names are.

use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result, Site};
use crate::limits::Limits;
use crate::num::to_u64;
use crate::text::Coding;

use super::dir::{Names, Slot};
use super::name_index::NameIndex;
use super::{Dir, DirEntry, NodeId};

/// Gathers the entries of one directory.
#[derive(Debug)]
pub struct DirBuilder {
    node: NodeId,
    parent: NodeId,
    names: Vec<u8>,
    slots: Vec<Slot>,
    max_entries: u64,
    max_name_bytes: u64,
    site: Site,
    coding: Option<Coding>,
}

impl DirBuilder {
    /// An empty directory; `site` is named if it grows past a limit.
    #[must_use]
    pub const fn new(node: NodeId, parent: NodeId, limits: &Limits, site: Site) -> Self {
        Self {
            node,
            parent,
            names: Vec::new(),
            slots: Vec::new(),
            max_entries: limits.directory_entries,
            max_name_bytes: limits.directory_name_bytes,
            site,
            coding: None,
        }
    }

    /// Adds an entry after the others.
    ///
    /// # Errors
    /// `Limit` past the bounds on entries and names; `BadName` for a name of more than 65 535
    /// bytes.
    pub fn push(&mut self, entry: DirEntry<'_>) -> Result<()> {
        if to_u64(self.slots.len()) >= self.max_entries {
            return Err(self.site.limit("entries in one directory", self.max_entries));
        }
        let (name_start, name_len) = append(&mut self.names, entry.name)?;
        self.check_names()?;
        let DirEntry { kind, node, is_hidden, .. } = entry;
        self.slots.push(Slot { name_start, name_len, kind, is_hidden, node });
        Ok(())
    }

    fn check_names(&self) -> Result<()> {
        if to_u64(self.names.len()) > self.max_name_bytes {
            return Err(self.site.limit("bytes of names in one directory", self.max_name_bytes));
        }
        Ok(())
    }

    /// The names so far.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.slots.iter().map(|slot| slot.name(&self.names))
    }

    /// Reads all names in a character set; one that makes no sense in it stays as it is.
    ///
    /// # Errors
    /// `Limit` past the bound on names, which grow by this.
    pub(crate) fn decode(&mut self, coding: Coding) -> Result<()> {
        self.coding = Some(coding);
        let recorded = std::mem::take(&mut self.names);
        let mut slots = std::mem::take(&mut self.slots);
        for slot in &mut slots {
            let name = slot.name(&recorded);
            let decoded = if name.is_ascii() { None } else { coding.decode(name) };
            let name = decoded.as_deref().unwrap_or(name);
            (slot.name_start, slot.name_len) = append(&mut self.names, name)?;
            self.check_names()?;
        }
        self.slots = slots;
        Ok(())
    }

    /// Gives every entry but the first of those that share a name one of its own: `a.txt`,
    /// `a~2.txt`, `a~3.txt` in the order of the disc, which is the same each time. Whether there
    /// was any.
    fn make_unique(&mut self, index: &NameIndex) -> Result<bool> {
        // New names are given when all are found: until then names are those of the disc. No two
        // of them are the same, since name and number can be told from what they make together.
        let mut renamed: Vec<(u32, u32, u16)> = Vec::new();
        let mut made: Vec<u8> = Vec::new();
        let mut name = Vec::new();
        for mut slots in index.alike() {
            slots.sort_by(|a, b| self.name(*a).cmp(self.name(*b)).then(a.cmp(b)));
            for same in slots.chunk_by(|a, b| self.name(*a) == self.name(*b)) {
                let mut number = 1u32;
                for slot in same.iter().skip(1) {
                    loop {
                        number = number.saturating_add(1);
                        number_name(self.name(*slot), number, &mut name);
                        if index.candidates(&name).all(|other| self.name(other) != name) {
                            break;
                        }
                    }
                    let (start, len) = append(&mut made, &name)?;
                    renamed.push((*slot, start, len));
                }
            }
        }
        let first = u32::try_from(self.names.len()).map_err(|_| Error::NoMemory)?;
        append_all(&mut self.names, &made)?;
        for (slot, start, len) in &renamed {
            let slot = usize::try_from(*slot).ok().and_then(|slot| self.slots.get_mut(slot));
            if let Some(slot) = slot {
                (slot.name_start, slot.name_len) = (first.saturating_add(*start), *len);
            }
        }
        Ok(!renamed.is_empty())
    }

    fn name(&self, slot: u32) -> &[u8] {
        let slot = self.slots.get(usize::try_from(slot).unwrap_or(usize::MAX));
        slot.map(|slot| slot.name(&self.names)).unwrap_or_default()
    }

    /// The finished directory, and whether entries that shared a name were given others.
    ///
    /// # Errors
    /// `NoMemory` if the names take more than 4 GiB; `BadName` if one grew past 65 535 bytes.
    pub fn finish(mut self) -> Result<(Dir, bool)> {
        let mut index = NameIndex::new(self.names());
        let changed = self.make_unique(&index)?;
        if changed {
            drop(index);
            index = NameIndex::new(self.names());
        }
        let bytes = self.names.into();
        let dir = Dir {
            node: self.node,
            parent: self.parent,
            slots: self.slots.into(),
            names: Arc::new(Names { bytes, index, folded: OnceLock::new() }),
            coding: self.coding,
        };
        Ok((dir, changed))
    }
}

/// Keeps a name, and gives where it begins and its length.
fn append(names: &mut Vec<u8>, name: &[u8]) -> Result<(u32, u16)> {
    let start = u32::try_from(names.len()).map_err(|_| Error::NoMemory)?;
    let len = u16::try_from(name.len()).map_err(|_| Error::BadName("it is too long"))?;
    names.extend_from_slice(name);
    Ok((start, len))
}

/// Keeps names that are found by where they begin, which must stay within 4 GiB.
fn append_all(names: &mut Vec<u8>, more: &[u8]) -> Result<()> {
    names.extend_from_slice(more);
    u32::try_from(names.len()).map(drop).map_err(|_| Error::NoMemory)
}

/// Makes a name with a number before its extension.
fn number_name(name: &[u8], number: u32, made: &mut Vec<u8>) {
    let dot = name.iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    made.clear();
    made.extend_from_slice(stem);
    made.extend_from_slice(format!("~{number}").as_bytes());
    made.extend_from_slice(extension);
}

#[cfg(test)]
mod tests {
    use super::super::FileKind;
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
        builder.finish().unwrap().0
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

    #[test]
    fn names_that_grow_past_the_limit_are_an_error() {
        let limits = Limits { directory_name_bytes: 5, ..Limits::default() };
        let mut builder = DirBuilder::new(NodeId::at(64), NodeId::at(64), &limits, SITE);
        builder.push(entry("\u{e9}\u{e9}", 7)).unwrap();
        let said = builder.push(entry("ab", 8)).unwrap_err().to_string();
        assert!(said.contains("more than 5 bytes of names"), "{said}");
    }
}
