//! Making a directory of what a format reads: entries in the order of the disc, each with a name of
//! its own. Costs no more memory than the limits allow, whatever the names are.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result, Site};
use crate::limits::Limits;
use crate::num::to_u64;
use crate::text::Coding;

use super::dir::{Names, Slot};
use super::name_index::{NameHashes, NameIndex};
use super::outline::{Mark, Marks, Numbered, Outline};
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
    marks: Marks,
    /// The version of an entry whose version is not 1, by its slot.
    versions: BTreeMap<u32, u16>,
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
            marks: Marks::new(limits),
            versions: BTreeMap::new(),
        }
    }

    /// As `push`, for an entry whose record lies at `place`, as the format counts places: parsing
    /// can begin there again. `cost` tells how many bytes were read of the directory up to here.
    ///
    /// # Errors
    /// As `push`.
    pub(crate) fn push_at(&mut self, entry: DirEntry<'_>, place: u64, cost: u64) -> Result<()> {
        self.marks.passed(self.slots.len(), place, cost)?;
        self.push(entry)
    }

    /// Adds an entry after the others.
    ///
    /// # Errors
    /// `Limit` past the bounds on entries and names; `BadName` for a name of more than 65 535
    /// bytes; `NoMemory`.
    pub fn push(&mut self, entry: DirEntry<'_>) -> Result<()> {
        if to_u64(self.slots.len()) >= self.max_entries {
            return Err(self.site.limit("entries in one directory", self.max_entries));
        }
        let (name_start, name_len) = append(&mut self.names, entry.name)?;
        self.check_names()?;
        let DirEntry { kind, node, is_hidden, .. } = entry;
        self.slots.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.slots.push(Slot { name_start, name_len, kind, is_hidden, node });
        Ok(())
    }

    /// Says that the entry that comes next is this version of the file of its name. Of entries that
    /// share a name the newest has it alone; the others are called `NAME;VERSION`.
    pub(crate) fn next_is_version(&mut self, version: u16) {
        if version != 1
            && let Ok(slot) = u32::try_from(self.slots.len())
        {
            self.versions.insert(slot, version);
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
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

    /// Finds a name of its own for every entry but the first of those that share one, counted from
    /// the newest version on, else in the order of the disc, which is the same each time: an older
    /// version is `a.txt;2`, and others are `a~2.txt`, `a~3.txt`. The entries with what their names
    /// get, in order.
    fn numbers(&self, hashes: &NameHashes) -> Result<Vec<Numbered>> {
        // New names are given when all are found: until then names are those of the disc. No two
        // of them are the same, since the made name determines both the name and the number.
        let mut numbered = Vec::new();
        let mut name = Vec::new();
        for mut slots in hashes.alike() {
            let age = |slot: u32| (Reverse(self.version(slot)), slot);
            slots.sort_by(|a, b| self.name(*a).cmp(self.name(*b)).then(age(*a).cmp(&age(*b))));
            for same in slots.chunk_by(|a, b| self.name(*a) == self.name(*b)) {
                let mut number = 1u32;
                for (newer, slot) in same.iter().zip(same.iter().skip(1)) {
                    let is_free = |mark: Mark, name: &mut Vec<u8>| {
                        mark_name(self.name(*slot), mark, name);
                        hashes.candidates(name).all(|other| self.name(other) != *name)
                    };
                    let mut mark = Mark::Version(self.version(*slot));
                    if self.version(*newer) == self.version(*slot) || !is_free(mark, &mut name) {
                        loop {
                            number = number.saturating_add(1);
                            mark = Mark::Number(number);
                            if is_free(mark, &mut name) {
                                break;
                            }
                        }
                    }
                    numbered.try_reserve(1).map_err(|_| Error::NoMemory)?;
                    numbered.push(Numbered { position: *slot, mark });
                }
            }
        }
        numbered.sort_unstable();
        Ok(numbered)
    }

    fn version(&self, slot: u32) -> u16 {
        self.versions.get(&slot).copied().unwrap_or(1)
    }

    /// Marks the names of entries, which are counted from `first` on, as was found.
    fn rename(&mut self, numbered: &[Numbered], first: usize) -> Result<()> {
        let mut name = Vec::new();
        for Numbered { position, mark } in numbered {
            let slot = usize::try_from(*position).ok().and_then(|at| at.checked_sub(first));
            let Some(slot) = slot.and_then(|slot| self.slots.get_mut(slot)) else { continue };
            mark_name(slot.name(&self.names), *mark, &mut name);
            (slot.name_start, slot.name_len) = append(&mut self.names, &name)?;
        }
        Ok(())
    }

    fn name(&self, slot: u32) -> &[u8] {
        let slot = self.slots.get(usize::try_from(slot).unwrap_or(usize::MAX));
        slot.map(|slot| slot.name(&self.names)).unwrap_or_default()
    }

    /// The finished directory, and whether entries that shared a name, and are no versions of one
    /// file, were given others.
    ///
    /// # Errors
    /// `NoMemory` if the names take more than 4 GiB; `BadName` if one grew past 65 535 bytes.
    pub fn finish(self) -> Result<(Dir, bool)> {
        let finished = self.finish_marked()?;
        let changed = has_numbers(&finished.numbered);
        Ok((finished.dir, changed))
    }

    /// As `finish`, with the outline of a directory that is large enough to have one.
    pub(crate) fn finish_outlined(self) -> Result<(Dir, bool, Option<Outline>)> {
        let Finished { dir, numbered, marks } = self.finish_marked()?;
        let changed = has_numbers(&numbered);
        let outline = marks.outline(&dir, numbered.into());
        Ok((dir, changed, outline))
    }

    fn finish_marked(mut self) -> Result<Finished> {
        let mut hashes = NameHashes::new(self.slots.len(), self.names())?;
        let numbered = self.numbers(&hashes)?;
        if !numbered.is_empty() {
            drop(hashes);
            self.rename(&numbered, 0)?;
            hashes = NameHashes::new(self.slots.len(), self.names())?;
        }
        let index = hashes.into_index()?;
        let nodes = || self.slots.iter().map(|slot| slot.node);
        let nodes = nodes().min().zip(nodes().max());
        let marks = std::mem::take(&mut self.marks);
        let has_versions = numbered.iter().any(|n| matches!(n.mark, Mark::Version(_)));
        let dir = Dir { has_versions, ..self.into_dir(Arc::new(index), nodes) };
        Ok(Finished { dir, numbered, marks })
    }

    /// The finished part of a directory, which begins with the entry at position `first` of it.
    ///
    /// # Errors
    /// `Corrupt` if it is not the part that the outline knows.
    pub(crate) fn finish_part(mut self, outline: &Outline, part: usize) -> Result<Dir> {
        let positions = outline.positions(part);
        if self.slots.len() != positions.len() {
            return Err(self.site.corrupt("is not the same when read again"));
        }
        if let Some(coding) = outline.coding {
            self.decode(coding)?;
        }
        self.rename(outline.numbered_in(&positions), positions.start)?;
        Ok(self.into_dir(Arc::new(NameIndex::empty()), outline.nodes))
    }

    fn into_dir(self, index: Arc<NameIndex>, nodes: Option<(NodeId, NodeId)>) -> Dir {
        let names = Names { bytes: self.names.into(), index, folded: OnceLock::new() };
        Dir {
            node: self.node,
            parent: self.parent,
            slots: self.slots.into(),
            names: Arc::new(names),
            coding: self.coding,
            has_versions: false,
            nodes,
            is_damaged: false,
        }
    }
}

/// A directory with what an outline of it is made of.
struct Finished {
    dir: Dir,
    numbered: Vec<Numbered>,
    marks: Marks,
}

/// Keeps a name, and gives where it begins and its length.
fn append(names: &mut Vec<u8>, name: &[u8]) -> Result<(u32, u16)> {
    let start = u32::try_from(names.len()).map_err(|_| Error::NoMemory)?;
    let len = u16::try_from(name.len()).map_err(|_| Error::BadName("it is too long"))?;
    names.try_reserve(name.len()).map_err(|_| Error::NoMemory)?;
    names.extend_from_slice(name);
    Ok((start, len))
}

/// Whether any entry has a number, which no sound disc asks for.
fn has_numbers(numbered: &[Numbered]) -> bool {
    numbered.iter().any(|numbered| matches!(numbered.mark, Mark::Number(_)))
}

/// Makes a name with a number before its extension, or with a version behind it.
fn mark_name(name: &[u8], mark: Mark, made: &mut Vec<u8>) {
    let dot = name.iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0);
    let (at, text) = match mark {
        Mark::Number(number) => (dot, format!("~{number}")),
        Mark::Version(version) => (None, format!(";{version}")),
    };
    let (stem, extension) = name.split_at(at.unwrap_or(name.len()));
    made.clear();
    made.extend_from_slice(stem);
    made.extend_from_slice(text.as_bytes());
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
    fn the_newest_version_has_the_name_and_others_say_which_they_are() {
        for (versions, want, is_sound) in [
            (&[3, 2, 1][..], &["a.txt", "a.txt;2", "a.txt;1"][..], true),
            (&[1, 10, 9], &["a.txt;1", "a.txt", "a.txt;9"], true),
            (&[2, 2, 1], &["a.txt", "a~2.txt", "a.txt;1"], false),
            (&[1, 1], &["a.txt", "a~2.txt"], false),
        ] {
            let limits = Limits::default();
            let mut builder = DirBuilder::new(NodeId::at(64), NodeId::at(64), &limits, SITE);
            for (version, at) in versions.iter().zip(100..) {
                builder.next_is_version(*version);
                builder.push(entry("a.txt", at)).unwrap();
            }
            let (dir, changed) = builder.finish().unwrap();
            let names: Vec<&[u8]> = dir.iter().map(|e| e.name).collect();
            let want: Vec<&[u8]> = want.iter().map(|name| name.as_bytes()).collect();
            assert_eq!((names, !changed), (want, is_sound), "{versions:?}");
        }
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
