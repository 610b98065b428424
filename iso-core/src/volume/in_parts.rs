//! Directories whole and in parts: a large one that was evicted is never parsed from its beginning
//! again while its outline is kept. Formats parse, this decides what is parsed and kept.

use std::sync::Arc;

use crate::cache::met_damage;
use crate::error::Result;
use crate::text::fold_eq;

use super::name_index::{NameHashes, NameIndex};
use super::outline::Outline;
use super::parsed::Shelf;
use super::{Dir, DirBuilder, DirEntry, NodeId, Volume};

/// Some of the entries of a directory, by their positions among all of them.
#[derive(Debug, Clone)]
pub struct DirPart {
    dir: Arc<Dir>,
    /// The position of the first one.
    first: usize,
    /// How many entries the directory has.
    len: usize,
}

impl DirPart {
    /// All entries of a directory.
    #[must_use]
    pub fn whole(dir: Arc<Dir>) -> Self {
        Self { first: 0, len: dir.len(), dir }
    }

    /// The directory's own node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.dir.node()
    }

    /// The directory that holds it; the root holds itself.
    #[must_use]
    pub fn parent(&self) -> NodeId {
        self.dir.parent()
    }

    /// How many entries the directory has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True for a directory without entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether all entries of the directory are here.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.dir.len() == self.len
    }

    /// Whether damage was met when the directory was read, as [`Dir::is_damaged`] says.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.dir.is_damaged()
    }

    /// The lowest and the highest number of the nodes that the directory names, of all its parts.
    #[must_use]
    pub fn nodes(&self) -> Option<(NodeId, NodeId)> {
        self.dir.nodes()
    }

    /// The entry at a position of the directory; nothing where it is in another part.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<DirEntry<'_>> {
        self.dir.get(position.checked_sub(self.first)?)
    }

    /// Bytes that it keeps alive.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        crate::cache::Weigh::weight_bytes(&*self.dir)
    }

    /// The same entries with other numbers for their nodes.
    pub(crate) fn renumbered(
        &self,
        node: NodeId,
        parent: NodeId,
        number: impl Fn(NodeId) -> NodeId,
    ) -> Self {
        let dir = Arc::new(self.dir.renumbered(node, parent, number));
        Self { dir, first: self.first, len: self.len }
    }
}

/// A volume that can parse its directories in parts.
pub(crate) trait InParts: Volume {
    /// Where directories are kept.
    fn shelf(&self) -> &Shelf;

    /// A whole directory, and the outline of a large one.
    fn parse_dir(&self, node: NodeId) -> Result<(Dir, Option<Outline>)>;

    /// As `parse_dir`, from this directory's bytes alone, and whether that is all that `parse_dir`
    /// would find out: directories that it names may be known by other nodes, and what it says of
    /// them may be untrue.
    fn parse_names(&self, node: NodeId) -> Result<(Dir, Option<Outline>, bool)> {
        self.parse_dir(node).map(|(dir, outline)| (dir, outline, true))
    }

    /// The entries of a part of a directory, as many as the outline says, before they are decoded
    /// and numbered.
    fn parse_part(&self, outline: &Outline, part: usize) -> Result<DirBuilder>;
}

/// A whole directory, from the cache or parsed and kept.
pub(crate) fn read_dir(volume: &impl InParts, node: NodeId) -> Result<Arc<Dir>> {
    if let Some(dir) = volume.shelf().whole(node) {
        return Ok(dir);
    }
    let (parsed, is_damaged) = met_damage(|| volume.parse_dir(node));
    let (dir, outline) = parsed?;
    Ok(keep(volume.shelf(), node, (dir, outline), is_damaged))
}

/// As `read_dir`, from the directory's own bytes where it is not known better.
pub(crate) fn read_names(volume: &impl InParts, node: NodeId) -> Result<Arc<Dir>> {
    let shelf = volume.shelf();
    if let Some(dir) = shelf.whole(node).or_else(|| shelf.by_place(node)) {
        return Ok(dir);
    }
    let (parsed, is_damaged) = met_damage(|| volume.parse_names(node));
    let (dir, outline, is_all) = parsed?;
    if is_all {
        return Ok(keep(shelf, node, (dir, outline), is_damaged));
    }
    let dir = Arc::new(dir);
    shelf.put_by_place(node, dir.clone());
    Ok(dir)
}

fn keep(
    shelf: &Shelf,
    node: NodeId,
    (mut dir, outline): (Dir, Option<Outline>),
    is_damaged: bool,
) -> Arc<Dir> {
    dir.is_damaged = is_damaged;
    if let Some(mut outline) = outline {
        outline.is_damaged = is_damaged;
        shelf.keep_outline(node, outline);
    }
    let dir = Arc::new(dir);
    shelf.put_whole(node, dir.clone());
    dir
}

/// The entries of a directory around a position: all of them, or the part that is there without
/// parsing what stands before it.
pub(crate) fn read_part(volume: &impl InParts, node: NodeId, position: usize) -> Result<DirPart> {
    let shelf = volume.shelf();
    if let Some(dir) = shelf.whole(node) {
        return Ok(DirPart::whole(dir));
    }
    let Some(outline) = shelf.outline(node) else {
        return read_dir(volume, node).map(DirPart::whole);
    };
    let part = outline.part_of(position);
    let dir = part_of(volume, &outline, part, true)?;
    Ok(DirPart { dir, first: outline.positions(part).start, len: outline.len })
}

/// The node of an entry by name, as `Dir::find` finds it.
pub(crate) fn find(
    volume: &impl InParts,
    node: NodeId,
    name: &[u8],
    fold: bool,
) -> Result<Option<NodeId>> {
    let shelf = volume.shelf();
    let outline = match shelf.whole(node) {
        Some(dir) => return Ok(dir.find(name, fold).map(|entry| entry.node)),
        None => shelf.outline(node),
    };
    let Some(outline) = outline else {
        return Ok(read_dir(volume, node)?.find(name, fold).map(|entry| entry.node));
    };
    let exact = first(volume, &outline, &outline.index, name, |found| found == name)?;
    if exact.is_some() {
        return Ok(exact);
    }
    if fold {
        let folded = shelf.folded(node, || folded(volume, &outline))?;
        let found = first(volume, &outline, &folded, name, |found| fold_eq(found, name))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    // The bytes of a name as they are recorded find it as well.
    let coding = outline.coding.filter(|_| std::str::from_utf8(name).is_err());
    match coding.and_then(|coding| coding.decode(name)) {
        Some(name) => first(volume, &outline, &outline.index, &name, |found| found == name),
        None => Ok(None),
    }
}

/// A part of a directory, from the cache or parsed, and kept if it is `worth` it.
fn part_of(
    volume: &impl InParts,
    outline: &Outline,
    part: usize,
    is_worth_keeping: bool,
) -> Result<Arc<Dir>> {
    let shelf = volume.shelf();
    if let Some(dir) = shelf.part(outline.node, part) {
        return Ok(dir);
    }
    let builder = volume.parse_part(outline, part)?;
    let mut dir = builder.finish_part(outline, part)?;
    dir.is_damaged = outline.is_damaged;
    let dir = Arc::new(dir);
    if is_worth_keeping {
        shelf.put_part(outline.node, part, dir.clone());
    }
    Ok(dir)
}

/// The node of the first entry with a name of which that holds.
fn first(
    volume: &impl InParts,
    outline: &Outline,
    index: &NameIndex,
    name: &[u8],
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Result<Option<NodeId>> {
    for slot in index.candidates(name) {
        let Ok(position) = usize::try_from(slot) else { continue };
        let part = outline.part_of(position);
        let dir = part_of(volume, outline, part, true)?;
        let within = position.saturating_sub(outline.positions(part).start);
        if let Some(entry) = dir.get(within).filter(|entry| is_wanted(entry.name)) {
            return Ok(Some(entry.node));
        }
    }
    Ok(None)
}

/// The names of a directory without regard to case: every part is parsed once.
fn folded(volume: &impl InParts, outline: &Outline) -> Result<NameIndex> {
    let mut hashes = NameHashes::folded(outline.len)?;
    for part in 0..outline.parts() {
        let dir = part_of(volume, outline, part, false)?;
        dir.iter().for_each(|entry| hashes.push(entry.name));
    }
    hashes.sorted().into_index()
}
