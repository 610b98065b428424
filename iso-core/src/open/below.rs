//! Compares the trees of a disc below their roots, folder by folder and with few reads: one may
//! hold a file shorter than another does, or lack a folder, where the roots are the same.
//!
//! Folders and files are matched by name, and files by the place of their data where names are cut
//! to eight letters. What is not known for certain speaks for no tree and against none.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::cache::BLOCK_BYTES;
use crate::num::{quotient, to_u64};
use crate::view::Below;
use crate::volume::{FileKind, NodeId, Volume};

use super::groups::{Group, Groups, Held, key};
use super::survey::{extents, is_content, place_of};

/// One tree, and whether its directories tell sizes and places of their files. In UDF each file
/// has an entry of its own for that, which costs a read.
pub(super) struct Side<'a> {
    pub(super) volume: &'a dyn Volume,
    pub(super) has_extents: bool,
}

/// The blocks that may be read, as the cache reads them. Blocks that opening has read cost nothing;
/// they are known by where things lie and not by what a cache holds, so that the same disc is
/// always shown in the same way.
pub(super) struct Blocks {
    pub(super) known: BTreeSet<u64>,
    pub(super) left: usize,
}

impl Blocks {
    /// Whether a range is known, or can be: then it is from now on. So many blocks stay unspent.
    fn take(&mut self, (at, len): (u64, u64), unspent: usize) -> bool {
        let first = quotient(at, BLOCK_BYTES);
        let last = quotient(at.saturating_add(len.saturating_sub(1)), BLOCK_BYTES);
        let most = self.known.len().saturating_add(self.left);
        if last.saturating_sub(first) >= to_u64(most) {
            return false;
        }
        let new: BTreeSet<u64> =
            (first..=last).filter(|block| !self.known.contains(block)).collect();
        if new.len() > self.left.saturating_sub(unspent) && !new.is_empty() {
            return false;
        }
        self.left = self.left.saturating_sub(new.len());
        self.known.extend(new);
        true
    }

    /// As `take`, for what is known already.
    pub(super) fn know(&mut self, (at, len): (u64, u64)) {
        let first = quotient(at, BLOCK_BYTES);
        let last = quotient(at.saturating_add(len.saturating_sub(1)), BLOCK_BYTES);
        // A root that is longer was not read into any cache for good.
        self.known.extend((first..=last).take(1024));
    }
}

/// A folder that is the same in several trees. A tree without a node lacks it for certain.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Folder {
    /// Bytes behind one of its files that no file is known to hold: those first.
    gap: u64,
    /// Then those that were found first.
    order: std::cmp::Reverse<usize>,
    nodes: Vec<Option<NodeId>>,
    /// What it names in the trees whose directories were read to find the gap.
    listed: Vec<Option<Vec<Named>>>,
}

/// The comparison of some trees.
struct Comparison<'a> {
    sides: &'a [Side<'a>],
    blocks: Blocks,
    boot_catalog: Option<u64>,
    /// Names that may still be looked at.
    names: usize,
    /// Bytes that count as much.
    much: u64,
    /// Files that directories tell: first byte and bytes.
    starts: BTreeMap<u64, u64>,
    open: BinaryHeap<Folder>,
    order: usize,
    below: Vec<Below>,
    /// Whether anything was passed over because it takes more reads or names than are allowed.
    is_part: bool,
}

/// Blocks that are kept for the entries of UDF while directories of ISO 9660 are read.
const UNSPENT: usize = 3;

/// What each of some trees holds, so far as `blocks` allow to find out, and whether that is a part
/// only.
pub(super) fn compare(
    sides: &[Side<'_>],
    blocks: Blocks,
    boot_catalog: Option<u64>,
    much: u64,
) -> (Vec<Below>, bool) {
    let names = sides.first().map_or(0, |side| side.volume.disc().limits().compared_names);
    let mut comparison = Comparison {
        sides,
        blocks,
        boot_catalog,
        names,
        much,
        starts: BTreeMap::new(),
        open: BinaryHeap::new(),
        order: 0,
        below: sides.iter().map(|_| Below::default()).collect(),
        is_part: false,
    };
    let roots: Vec<_> = sides.iter().map(|side| Some(side.volume.root())).collect();
    comparison.add(roots);
    while let Some(folder) = comparison.open.pop() {
        comparison.is_part |= comparison.compare(folder).is_none();
    }
    (comparison.below, comparison.is_part)
}

impl Comparison<'_> {
    /// Puts a folder among those to be compared.
    fn add(&mut self, nodes: Vec<Option<NodeId>>) {
        self.is_part |= self.push(nodes).is_none();
    }

    /// Puts a folder among those to be compared, if the directories that tell of their files can
    /// be read.
    fn push(&mut self, nodes: Vec<Option<NodeId>>) -> Option<()> {
        let mut gap = 0;
        let mut listed: Vec<Option<Vec<Named>>> = vec![None; nodes.len()];
        let sides = self.sides.iter().zip(&nodes).enumerate();
        for (index, (side, node)) in sides.filter(|(_, (side, _))| side.has_extents) {
            let Some(node) = *node else { continue };
            let mut names = list(side, node, &mut self.blocks, UNSPENT)?;
            self.names = self.names.checked_sub(names.len())?;
            let extent_of = extents(side.volume, node);
            // The record of a folder's own lies in the folder, which would be read for it.
            for file in names.iter_mut().filter(|named| !named.is_dir) {
                file.extent = extent_of(file.node);
                if let Some((at, len)) = file.extent {
                    let known = self.starts.entry(at).or_default();
                    *known = len.max(*known);
                    gap = gap.max(self.gap_behind(at, len));
                }
            }
            if let Some(kept) = listed.get_mut(index) {
                *kept = Some(names);
            }
        }
        self.order = self.order.saturating_add(1);
        self.open.push(Folder { gap, order: std::cmp::Reverse(self.order), nodes, listed });
        Some(())
    }

    /// Bytes between the end of a file and the next one that is known.
    fn gap_behind(&self, at: u64, len: u64) -> u64 {
        let end = self.sides.first().map_or(0, |side| side.volume.disc().len());
        let mut behind = self.starts.range(at.saturating_add(1)..);
        let next = behind.next().map_or(end, |(next, _)| *next);
        next.saturating_sub(at.saturating_add(len))
    }

    fn compare(&mut self, folder: Folder) -> Option<()> {
        let mut groups = Groups::new(&folder.nodes);
        let sides = self.sides.iter().zip(&folder.nodes).zip(folder.listed);
        for (index, ((side, node), listed)) in sides.enumerate() {
            let Some(node) = *node else { continue };
            let names = match listed {
                Some(names) => names,
                None => list(side, node, &mut self.blocks, 0)?,
            };
            if !side.has_extents {
                self.names = self.names.checked_sub(names.len())?;
            }
            for named in names {
                let Some(group) = groups.add(index, named.key, named.is_dir, named.node) else {
                    continue;
                };
                if side.has_extents && !named.is_dir {
                    weigh_extent(group, index, named.extent, self.boot_catalog);
                }
            }
        }
        groups.match_folders();
        groups.match_places();
        self.weigh_entries(&mut groups);
        groups.match_places();
        self.take(&groups);
        Some(())
    }

    /// Weighs the files that have entries of their own: those behind which data lies that nothing
    /// tells of, then those that other trees lack, and others where that costs nothing.
    fn weigh_entries(&mut self, groups: &mut Groups) {
        for (index, side) in self.sides.iter().enumerate().filter(|(_, side)| !side.has_extents) {
            let mut wanted: Vec<(u64, &mut Group)> = Vec::new();
            for group in groups.files() {
                if group.nodes.get(index).copied().flatten().is_none() || group.is_empty {
                    continue;
                }
                let gap = match group.longest() {
                    Some((at, len)) => self.gap_behind(at, len),
                    None => self.much.saturating_add(1),
                };
                wanted.push((gap, group));
            }
            wanted.sort_by_key(|(gap, _)| std::cmp::Reverse(*gap));
            for (gap, group) in wanted {
                let Some(node) = group.nodes.get(index).copied().flatten() else { continue };
                let place = (side.volume.place_of(node), 1);
                let unspent = if gap > self.much { 0 } else { usize::MAX };
                if self.blocks.take(place, unspent) {
                    weigh_entry(side.volume, node, index, group);
                } else {
                    self.is_part |= unspent == 0;
                }
            }
        }
    }

    /// Takes down what each tree holds, and goes on in the folders.
    fn take(&mut self, groups: &Groups) {
        let census = groups.census();
        for (index, below) in self.below.iter_mut().enumerate() {
            below.is_unclear |= census.is_unclear(index);
        }
        for group in groups.iter() {
            let held = census.held(group);
            if group.is_dir {
                if held.contains(&Held::Unclear) {
                    continue;
                }
                if held.contains(&Held::No) {
                    self.order = self.order.saturating_add(1);
                    for (held, below) in held.iter().zip(&mut self.below) {
                        if *held == Held::Yes {
                            below.folders.insert(self.order);
                        }
                    }
                }
                self.add(group.nodes.clone());
                continue;
            }
            let Some((at, longest)) = group.slot().filter(|_| !group.is_empty) else { continue };
            for (index, (held, below)) in held.iter().zip(&mut self.below).enumerate() {
                if *held == Held::No {
                    continue;
                }
                let len = group.len_in(index).unwrap_or(longest);
                let known = below.files.entry(at).or_default();
                *known = len.max(*known);
            }
        }
    }
}

/// What a directory names that counts as content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    /// The name, as names are compared.
    key: String,
    is_dir: bool,
    node: NodeId,
    /// First byte and bytes of a file that has data, where the directory tells.
    extent: Option<(u64, u64)>,
}

/// What a directory names, if it can be read.
fn list(side: &Side<'_>, node: NodeId, blocks: &mut Blocks, unspent: usize) -> Option<Vec<Named>> {
    let place = (side.volume.place_of(node), 1);
    let span = blocks.take(place, unspent).then(|| side.volume.dir_span(node)).flatten()?;
    let is_known = blocks.take(span, unspent);
    let dir = is_known.then(|| side.volume.read_names(node).ok()).flatten()?;
    let entries = dir.iter().filter(|entry| is_content(entry.name));
    let named = entries.map(|entry| Named {
        key: key(entry.name),
        is_dir: entry.kind == Some(FileKind::Directory),
        node: entry.node,
        extent: None,
    });
    Some(named.collect())
}

/// Weighs a file by what its directory tells.
fn weigh_extent(
    group: &mut Group,
    index: usize,
    extent: Option<(u64, u64)>,
    boot_catalog: Option<u64>,
) {
    match extent {
        Some((at, _)) if Some(at) == boot_catalog => group.is_empty = true,
        Some(place) => group.set(index, place),
        None => group.is_empty = true,
    }
}

/// Weighs a file by its own entry.
fn weigh_entry(volume: &dyn Volume, node: NodeId, index: usize, group: &mut Group) {
    match volume.attr(node) {
        Ok(attr) if attr.kind == FileKind::Regular => {
            let at = place_of(volume, node, attr.size).unwrap_or(node.position());
            group.set(index, (at, attr.size));
            group.is_empty |= group.longest().is_none_or(|(_, len)| len == 0);
        }
        Ok(_) => group.is_empty = true,
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_spent_once_and_some_stay_unspent() {
        let mut blocks = Blocks { known: BTreeSet::from([0]), left: 4 };
        assert!(blocks.take((5, 100), UNSPENT));
        assert_eq!(blocks.left, 4);
        assert!(blocks.take((BLOCK_BYTES - 1, 2), UNSPENT));
        assert!(!blocks.take((BLOCK_BYTES * 9, 1), UNSPENT));
        assert!(blocks.take((BLOCK_BYTES * 9, BLOCK_BYTES * 3), 0));
        assert_eq!((blocks.left, blocks.known.len()), (0, 5));
        assert!(!blocks.take((0, u64::MAX), 0));
    }
}
