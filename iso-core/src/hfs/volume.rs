//! An HFS or HFS+ volume as a `Volume`: folders, attributes and forks by catalogue record.
//! Puts together what `btree` and `catalog` read; parses nothing itself.

use std::cmp::Ordering;
use std::sync::Arc;

use zerocopy::FromBytes;

use super::btree::{Record, RecordPlace, Tree};
use super::catalog::{Entry, Flavour, Fork, Item, Key, short_runs, timestamp};
use super::disk::{Run16, Run32};
use super::locate::Found;
use crate::cache::{Disc, zeroed};
use crate::error::{Error, Result, Site};
use crate::num::{to_u64, to_usize};
use crate::volume::{
    Attr, Data, Device, Dir, DirPart, Extent, Extents, ExtentsBuilder, FINDER_INFO, Facts,
    FileKind, NodeId, ParsedCaches, RESOURCE_FORK, Shelf, Volume, Xattr, lacks,
};

/// A volume of either kind.
pub(crate) struct HfsVolume {
    pub(super) disc: Arc<Disc>,
    facts: Facts,
    pub(super) flavour: Flavour,
    blocks: Blocks,
    pub(super) catalog: Tree,
    overflow: Option<Tree>,
    pub(super) root: NodeId,
    pub(super) shelf: Shelf,
}

/// Where allocation blocks lie in the image.
#[derive(Debug, Clone, Copy)]
struct Blocks {
    start_at: u64,
    block_bytes: u64,
}

/// Ids that the catalogue and the root folder have on every volume.
pub(super) const ROOT: u32 = 2;
const CATALOG: u32 = 4;

/// The two forks by their number in the extents overflow file.
const DATA_FORK: u8 = 0;
const RESOURCE: u8 = 0xFF;

impl HfsVolume {
    /// Opens a volume that was found. Reads the heads of its trees and the root's record.
    ///
    /// # Errors
    /// `Corrupt` where a tree or the root folder is missing, `Io`.
    pub(crate) fn open(disc: Arc<Disc>, caches: &Arc<ParsedCaches>, found: &Found) -> Result<Self> {
        let (flavour, blocks, catalog, overflow, facts) = described(found);
        let fork = |fork: &Fork| runs(&disc, blocks, &fork.runs, fork.bytes);
        let overflow =
            fork(&overflow).and_then(|file| Tree::open(&disc, file, flavour == Flavour::Plus));
        let overflow = overflow.map_err(|error| {
            disc.findings().note_error("files of many extents cannot be read", &error);
        });
        let mut volume = Self {
            catalog: Tree::open(&disc, fork(&catalog)?, flavour == Flavour::Plus)?,
            overflow: overflow.ok(),
            shelf: caches.shelf(),
            facts,
            flavour,
            blocks,
            root: NodeId::at(0),
            disc,
        };
        let file = volume.extents_of(CATALOG, DATA_FORK, &catalog)?;
        volume.catalog = Tree::open(&volume.disc, file, flavour == Flavour::Plus)?;
        let missing = volume_site(blocks.start_at).corrupt("lacks the root folder");
        let (_, record) = volume.folder(ROOT)?.ok_or(missing)?;
        volume.root = NodeId::at(record.at);
        if let Some(key) = flavour.key(&record.key) {
            volume.facts.label = flavour.name(&key.name);
        }
        Ok(volume)
    }

    /// The records whose parent is `parent`, a thread first, as long as `take` wants more.
    fn children(
        &self,
        parent: u32,
        mut take: impl FnMut(Key, &Record) -> Result<bool>,
    ) -> Result<()> {
        self.records_from(parent, None, |key, record| match key {
            Some(key) if key.parent == parent => take(key, record),
            _ => Ok(false),
        })
    }

    /// All records from the first one on whose parent is `parent`, or from the one on that lies at
    /// a place of the catalogue, as long as `take` wants more. A key that cannot be read is none.
    pub(super) fn records_from(
        &self,
        parent: u32,
        place: Option<RecordPlace>,
        mut take: impl FnMut(Option<Key>, &Record) -> Result<bool>,
    ) -> Result<()> {
        let flavour = self.flavour;
        let compare = |key: &[u8]| {
            flavour.key(key).map_or(Ordering::Less, |key| {
                key.parent.cmp(&parent).then(if key.name.is_empty() {
                    Ordering::Equal
                } else {
                    Ordering::Greater
                })
            })
        };
        let take = |record: &Record| take(flavour.key(&record.key), record);
        match place {
            None => self.catalog.scan(&self.disc, compare, take),
            Some(place) => self.catalog.scan_from(&self.disc, place, compare, take),
        }
    }

    /// Parent and name of a folder or file, as its thread records them. Files of HFS have none.
    pub(super) fn thread(&self, id: u32) -> Result<Option<Key>> {
        let mut thread = None;
        self.children(id, |_, record| {
            thread = match self.flavour.entry(&record.data) {
                Some(Entry::Thread(key)) => Some(key),
                _ => None,
            };
            Ok(false)
        })?;
        Ok(thread)
    }

    /// Parent and record of a folder, by way of its thread.
    pub(super) fn folder(&self, id: u32) -> Result<Option<(u32, Record)>> {
        let Some(own) = self.thread(id)? else { return Ok(None) };
        let mut found = None;
        self.children(own.parent, |key, record| {
            if key.name == own.name {
                found = Some(record.clone());
            }
            Ok(found.is_none())
        })?;
        Ok(found.map(|record| (own.parent, record)))
    }

    /// What a node's record says. A hard link stands for the file it names.
    pub(super) fn item(&self, node: NodeId) -> Result<Item> {
        let stale = Error::Stale(node.number());
        // A thread may be so short that it shares the 32 bytes of a number with its neighbour.
        let is_wanted = |record: &Record| {
            NodeId::at(record.at) == node
                && matches!(self.flavour.entry(&record.data), Some(Entry::Item(_)))
        };
        let record = self.catalog.record_at(&self.disc, is_wanted, node.position())?;
        match record.and_then(|record| self.flavour.entry(&record.data)) {
            Some(Entry::Item(item)) => self.linked(item),
            _ => Err(stale),
        }
    }

    /// The file that a hard link of HFS+ names (TN1150, "Hard Links"), else the item itself.
    fn linked(&self, item: Item) -> Result<Item> {
        const PRIVATE: &[u8] = b"\0\0\0\0HFS+ Private Data";
        if !item.finder_info.starts_with(b"hlnkhfs+") || item.kind != FileKind::Regular {
            return Ok(item);
        }
        let private: Vec<u8> = PRIVATE.iter().flat_map(|byte| [0, *byte]).collect();
        let name = format!("iNode{}", item.special);
        let name: Vec<u8> = name.bytes().flat_map(|byte| [0, byte]).collect();
        let missing = volume_site(self.blocks.start_at).corrupt("lacks the file of a hard link");
        let Some(folder) = self.child(ROOT, &private)? else { return Err(missing) };
        self.child(folder.id, &name)?.ok_or(missing)
    }

    /// The item of a recorded name in a folder.
    fn child(&self, parent: u32, name: &[u8]) -> Result<Option<Item>> {
        let mut found = None;
        self.children(parent, |key, record| {
            if key.name == name
                && let Some(Entry::Item(item)) = self.flavour.entry(&record.data)
            {
                found = Some(item);
            }
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    /// Where the bytes of a fork lie: in its record's runs, and in the extents overflow file.
    fn extents_of(&self, id: u32, number: u8, fork: &Fork) -> Result<Extents> {
        let mut all = fork.runs.clone();
        let covered = |all: &[(u32, u32)]| {
            let blocks: u64 = all.iter().map(|(_, count)| u64::from(*count)).sum();
            blocks.saturating_mul(self.blocks.block_bytes)
        };
        let max = to_usize(self.disc.limits().extents);
        while covered(&all) < fork.bytes && all.len() < max {
            let blocks: u64 = all.iter().map(|(_, count)| u64::from(*count)).sum();
            let more = self.overflow_runs(id, number, blocks)?;
            if more.iter().all(|(_, count)| *count == 0) {
                break;
            }
            all.try_reserve(more.len()).map_err(|_| Error::NoMemory)?;
            all.extend(more);
        }
        runs(&self.disc, self.blocks, &all, fork.bytes)
    }

    /// The runs of a fork that begin at block `first` of it (TN1150, "Extents Overflow File").
    fn overflow_runs(&self, id: u32, fork: u8, first: u64) -> Result<Vec<(u32, u32)>> {
        let Some(tree) = &self.overflow else { return Ok(Vec::new()) };
        let wanted = (id, fork, first);
        let flavour = self.flavour;
        let mut found = Vec::new();
        let compare =
            |key: &[u8]| overflow_key(flavour, key).map_or(Ordering::Less, |key| key.cmp(&wanted));
        tree.scan(&self.disc, compare, |record| {
            if overflow_key(flavour, &record.key) == Some(wanted) {
                found = match flavour {
                    Flavour::Hfs => <[Run16; 3]>::read_from_prefix(&record.data)
                        .map(|(runs, _)| short_runs(&runs))
                        .unwrap_or_default(),
                    Flavour::Plus => <[Run32; 8]>::read_from_prefix(&record.data)
                        .map(|(runs, _)| runs.map(|run| (run.start.get(), run.count.get())))
                        .map(|runs| runs.to_vec())
                        .unwrap_or_default(),
                };
            }
            Ok(false)
        })?;
        Ok(found)
    }
}

/// Kind, place of blocks, catalogue, overflow file and facts of a volume.
fn described(found: &Found) -> (Flavour, Blocks, Fork, Fork, Facts) {
    let facts = |system: &str, block_bytes: u32, blocks: u32, created: u32| Facts {
        system: system.to_owned(),
        block_bytes,
        volume_bytes: u64::from(block_bytes).saturating_mul(blocks.into()),
        created: Some(timestamp(created)),
        ignores_case: true,
        ..Facts::default()
    };
    match found {
        Found::Hfs { header: h, start_at } => {
            let block_bytes = h.block_bytes.get();
            let blocks = Blocks { start_at: *start_at, block_bytes: block_bytes.into() };
            let fork =
                |bytes: u32, runs: &[Run16]| Fork { bytes: bytes.into(), runs: short_runs(runs) };
            let facts = facts("HFS", block_bytes, h.blocks.get().into(), h.created.get());
            let catalog = fork(h.catalog_bytes.get(), &h.catalog);
            let overflow = fork(h.overflow_bytes.get(), &h.overflow);
            (Flavour::Hfs, blocks, catalog, overflow, facts)
        }
        Found::Plus { header: h, start_at } => {
            let block_bytes = h.block_bytes.get();
            let blocks = Blocks { start_at: *start_at, block_bytes: block_bytes.into() };
            let mut facts = facts("HFS+", block_bytes, h.blocks.get(), h.created.get());
            facts.ignores_case = h.signature != *b"HX";
            (Flavour::Plus, blocks, (&h.catalog).into(), (&h.overflow).into(), facts)
        }
    }
}

/// File, fork and first block of a key of the extents overflow file.
fn overflow_key(flavour: Flavour, key: &[u8]) -> Option<(u32, u8, u64)> {
    let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.try_into().ok()?));
    let fork = *key.first()?;
    match flavour {
        Flavour::Hfs => {
            let first = u16::from_be_bytes(key.get(5..7)?.try_into().ok()?);
            Some((number(key.get(1..5)?)?, fork, first.into()))
        }
        Flavour::Plus => Some((number(key.get(2..6)?)?, fork, number(key.get(6..10)?)?.into())),
    }
}

/// The bytes that runs of allocation blocks cover, cut at the length of the fork.
fn runs(disc: &Disc, blocks: Blocks, runs: &[(u32, u32)], bytes: u64) -> Result<Extents> {
    let mut builder = ExtentsBuilder::new(disc.limits(), volume_site(blocks.start_at));
    for (start, count) in runs {
        let offset = u64::from(*start).saturating_mul(blocks.block_bytes);
        let len = u64::from(*count).saturating_mul(blocks.block_bytes);
        let len = len.min(bytes.saturating_sub(builder.len()));
        builder.push(Extent { at: Some(blocks.start_at.saturating_add(offset)), len })?;
    }
    Ok(builder.finish(bytes))
}

pub(super) const fn site(at: u64) -> Site {
    Site::new("record of the catalogue file", "TN1150", at)
}

/// The volume whose allocation blocks begin at a byte, where no record tells more.
const fn volume_site(at: u64) -> Site {
    Site::new("HFS volume", "TN1150", at)
}

impl Volume for HfsVolume {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn disc(&self) -> &Disc {
        &self.disc
    }

    fn root(&self) -> NodeId {
        self.root
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        let item = self.item(node)?;
        let is_device = matches!(item.kind, FileKind::BlockDevice | FileKind::CharDevice);
        Ok(Attr {
            node,
            kind: item.kind,
            size: item.data.bytes,
            links: 1,
            posix: item.posix,
            device: is_device
                .then_some(Device { major: item.special >> 24, minor: item.special & 0xFF_FFFF }),
            modified: item.modified,
            accessed: item.accessed,
            changed: item.changed,
            created: Some(item.created),
        })
    }

    fn read_dir(&self, node: NodeId) -> Result<Arc<Dir>> {
        crate::volume::read_dir(self, node)
    }

    fn read_dir_part(&self, node: NodeId, position: usize) -> Result<DirPart> {
        crate::volume::read_part(self, node, position)
    }

    fn find(&self, dir: NodeId, name: &[u8], fold: bool) -> Result<Option<NodeId>> {
        crate::volume::find(self, dir, name, fold)
    }

    fn data(&self, node: NodeId) -> Result<Arc<Data>> {
        let item = self.item(node)?;
        item.kind.has_bytes()?;
        if item.is_compressed && item.data.bytes == 0 {
            return Err(site(node.position()).unsupported("files compressed by HFS+"));
        }
        Ok(Arc::new(Data::Plain(self.extents_of(item.id, DATA_FORK, &item.data)?)))
    }

    fn lacks_bytes(&self, node: NodeId) -> bool {
        let item = self.item(node).ok().filter(|item| item.kind == FileKind::Regular);
        let extents = item.map(|item| self.extents_of(item.id, DATA_FORK, &item.data));
        extents.is_some_and(|extents| lacks(&self.disc, &extents))
    }

    fn first_byte(&self, node: NodeId) -> Option<u64> {
        let item = self.item(node).ok().filter(|item| item.kind == FileKind::Regular)?;
        self.extents_of(item.id, DATA_FORK, &item.data).ok()?.run_at(0)?.at
    }

    /// All directories lie in the catalogue.
    fn dir_span(&self, _: NodeId) -> Option<(u64, u64)> {
        self.catalog.span()
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Xattr>> {
        let item = self.item(node)?;
        let mut found = Vec::new();
        if item.finder_info.iter().any(|byte| *byte != 0) {
            found.push(Xattr::of_bytes(FINDER_INFO, item.finder_info.clone()));
        }
        if item.resource.bytes > 0 {
            let extents = self.extents_of(item.id, RESOURCE, &item.resource)?;
            found.push(Xattr { name: RESOURCE_FORK.to_vec(), value: Data::Plain(extents) });
        }
        Ok(found)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        let item = self.item(node)?;
        if item.kind != FileKind::Symlink {
            return Err(Error::NotSymlink);
        }
        let max = to_u64(self.disc.limits().symlink_bytes);
        if item.data.bytes > max {
            return Err(site(node.position()).limit("bytes in one symbolic link", max));
        }
        let mut target = zeroed(to_usize(item.data.bytes))?;
        let extents = self.extents_of(item.id, DATA_FORK, &item.data)?;
        extents.read_into(&self.disc, 0, &mut target)?;
        if target.contains(&0) {
            return Err(site(node.position()).corrupt("has a link whose target holds a zero byte"));
        }
        Ok(target)
    }
}
