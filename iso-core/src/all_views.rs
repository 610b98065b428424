//! All views of a disc side by side, each in a directory of its own, with the disc itself as one
//! file. Opens a view when it is first looked into; reads and decides nothing by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::Timestamp;
use crate::cache::Disc;
use crate::error::{Error, Result, Site};
use crate::volume::{
    Attr, Data, Dir, DirBuilder, DirEntry, DirPart, Extents, Facts, FileKind, NodeId, ParsedCaches,
    Shelf, Volume, Xattr,
};

/// What stands in the directory of all views.
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) content: Content,
}

/// What a slot holds.
pub(crate) enum Content {
    /// A file system, opened on demand.
    View(Box<dyn Fn() -> Result<Arc<dyn Volume>> + Send + Sync>),
    /// All bytes of the image.
    Disc,
    /// A report, written on demand and again when there are new findings.
    Report(Report),
}

/// Writes a report about a disc.
pub type Report = Box<dyn Fn(&Disc) -> Vec<u8> + Send + Sync>;

/// All views of a disc.
pub(crate) struct AllViews {
    disc: Arc<Disc>,
    facts: Facts,
    slots: Vec<(Slot, OnceLock<Opened>)>,
    /// The reports by their slots, each with the number of findings when it was written.
    reports: Mutex<BTreeMap<usize, (u64, Arc<Data>)>>,
    root: Arc<Dir>,
    shelf: Shelf,
}

/// A slot that has been looked into; a failure of the medium is not kept.
enum Opened {
    View(Arc<dyn Volume>),
    Failed(Error),
    File(Arc<Data>),
}

impl Opened {
    /// The content, or why there is none.
    fn checked(&self) -> Result<&Self> {
        match self {
            Self::Failed(error) => Err(error.repeated()),
            Self::View(_) | Self::File(_) => Ok(self),
        }
    }
}

/// Nodes of our own: the root, and what stands in it. They lie in the system area of a disc.
const ROOT: NodeId = NodeId::from_number(2);
const FIRST_SLOT: u64 = 16;

/// Where the number of a node carries the slot it lies in, from 1: above the places of any image
/// and below the mark of a UDF partition.
const SLOT_SHIFT: u32 = 48;
const SLOT_MASK: u64 = 0xFF << SLOT_SHIFT;

/// Slots that numbers have room for.
const MAX_SLOTS: usize = 254;

impl AllViews {
    pub(crate) fn new(
        disc: Arc<Disc>,
        caches: &Arc<ParsedCaches>,
        label: Vec<u8>,
        mut slots: Vec<Slot>,
    ) -> Result<Self> {
        slots.truncate(MAX_SLOTS);
        let site = Site::new("views of the disc", "none", 0);
        let mut builder = DirBuilder::new(ROOT, ROOT, disc.limits(), site);
        for (number, slot) in (FIRST_SLOT..).zip(&slots) {
            let kind = match slot.content {
                Content::View(_) => FileKind::Directory,
                Content::Disc | Content::Report(_) => FileKind::Regular,
            };
            let (name, node) = (slot.name.as_bytes(), NodeId::from_number(number));
            builder.push(DirEntry { name, node, kind: Some(kind), is_hidden: false })?;
        }
        let facts = Facts {
            system: "all views".to_owned(),
            label,
            block_bytes: 2048,
            volume_bytes: disc.held_bytes(),
            // An exact name goes first in any case; views in which case counts lose nothing.
            ignores_case: true,
            ..Facts::default()
        };
        let slots = slots.into_iter().map(|slot| (slot, OnceLock::new())).collect();
        let root = Arc::new(builder.finish()?.0);
        let reports = Mutex::default();
        Ok(Self { facts, slots, reports, root, shelf: caches.shelf(), disc })
    }

    /// What a slot holds, opened.
    fn opened(&self, slot: usize) -> Result<&Opened> {
        let (slot, opened) = self.slots.get(slot).ok_or(Error::NotFound)?;
        if opened.get().is_none() {
            let content = self.open(&slot.content);
            if let Opened::Failed(error) = &content
                && error.may_pass()
            {
                // Another thread may have had more luck meanwhile.
                return opened.get().map_or(Err(error.repeated()), Opened::checked);
            }
            opened.get_or_init(|| content);
        }
        opened.get().ok_or(Error::NotFound)?.checked()
    }

    /// Opens what a slot holds.
    fn open(&self, content: &Content) -> Opened {
        match content {
            Content::View(open) => open().map_or_else(Opened::Failed, Opened::View),
            Content::Disc => {
                self.whole_disc().map_or_else(Opened::Failed, |data| Opened::File(Arc::new(data)))
            }
            Content::Report(_) => Opened::Failed(Error::NotDirectory),
        }
    }

    fn whole_disc(&self) -> Result<Data> {
        let site = Site::new("image", "none", 0);
        let extents = Extents::in_one_piece(
            self.disc.limits(),
            site,
            self.disc.begin(),
            self.disc.held_bytes(),
        );
        extents.map(Data::Plain)
    }

    /// The slot of a node that stands in the root.
    fn slot_of(node: NodeId) -> Option<usize> {
        let number = node.number().checked_sub(FIRST_SLOT)?;
        usize::try_from(number).ok().filter(|slot| *slot < MAX_SLOTS)
    }

    /// The view that a node belongs to, with the view's own number for it.
    fn inner(&self, node: NodeId) -> Result<(usize, &Arc<dyn Volume>, NodeId)> {
        let tag = (node.number() & SLOT_MASK) >> SLOT_SHIFT;
        let in_view = usize::try_from(tag).ok().and_then(|tag| tag.checked_sub(1));
        let slot = in_view.or(Self::slot_of(node)).ok_or(Error::Stale(node.number()))?;
        let Opened::View(volume) = self.opened(slot)? else { return Err(Error::NotDirectory) };
        let inner = match in_view {
            Some(_) => NodeId::from_number(node.number() & !SLOT_MASK),
            None => volume.root(),
        };
        Ok((slot, volume, inner))
    }

    /// The number under which a view's node is shown.
    fn outer(slot: usize, volume: &dyn Volume, node: NodeId) -> NodeId {
        let slot = crate::num::to_u64(slot);
        if node == volume.root() {
            return NodeId::from_number(slot.saturating_add(FIRST_SLOT));
        }
        NodeId::from_number(node.number() | slot.saturating_add(1) << SLOT_SHIFT)
    }

    /// The number under which the parent of a view's directory is shown.
    fn outer_parent(slot: usize, volume: &dyn Volume, (dir, parent): (NodeId, NodeId)) -> NodeId {
        if dir == volume.root() { ROOT } else { Self::outer(slot, volume, parent) }
    }

    /// The report of a slot, as of now.
    fn report(&self, slot: usize, report: &Report) -> Arc<Data> {
        let findings = self.disc.findings().count();
        let reports = || self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, data)) = reports().get(&slot)
            && *of == findings
        {
            return data.clone();
        }
        let data = Arc::new(Data::Synthetic(report(&self.disc)));
        reports().insert(slot, (findings, data.clone()));
        data
    }

    /// When a report was written, by the number of findings: all a kernel needs is that the time
    /// differs where the bytes do.
    fn written(&self) -> Timestamp {
        let findings = self.disc.findings().count().min(999_999_999);
        Timestamp { seconds: 0, nanoseconds: u32::try_from(findings).unwrap_or(0) }
    }

    /// The file of a node that stands in the root and is no view.
    fn file(&self, node: NodeId) -> Result<Option<Arc<Data>>> {
        let Some(slot) = Self::slot_of(node) else { return Ok(None) };
        match self.slots.get(slot).map(|(slot, _)| &slot.content) {
            Some(Content::Report(report)) => return Ok(Some(self.report(slot, report))),
            Some(Content::Disc) => {}
            Some(Content::View(_)) | None => return Ok(None),
        }
        match self.opened(slot)? {
            Opened::File(data) => Ok(Some(data.clone())),
            Opened::View(_) | Opened::Failed(_) => Ok(None),
        }
    }
}

impl Volume for AllViews {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn disc(&self) -> &Disc {
        &self.disc
    }

    fn root(&self) -> NodeId {
        ROOT
    }

    fn place_of(&self, node: NodeId) -> u64 {
        self.inner(node).map_or(0, |(_, volume, inner)| volume.place_of(inner))
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        let plain = |kind, size| Attr::plain(node, kind, size, Timestamp::default());
        if node == ROOT {
            return Ok(plain(FileKind::Directory, 0));
        }
        if let Some(data) = self.file(node)? {
            // A report is no program, whoever may read it.
            let posix = crate::volume::Posix { permissions: 0o444, uid: None, gid: None };
            let attr = Attr { posix: Some(posix), ..plain(FileKind::Regular, data.len()) };
            if self.may_change(node) {
                let written = self.written();
                return Ok(Attr { modified: written, changed: written, ..attr });
            }
            return Ok(attr);
        }
        // List a view that failed to open, so that entering it reports the error.
        if Self::slot_of(node).is_some_and(|slot| self.opened(slot).is_err()) {
            return Ok(plain(FileKind::Directory, 0));
        }
        let (_, volume, inner) = self.inner(node)?;
        Ok(Attr { node, ..volume.attr(inner)? })
    }

    fn read_dir(&self, node: NodeId) -> Result<Arc<Dir>> {
        if node == ROOT {
            return Ok(self.root.clone());
        }
        if let Some(dir) = self.shelf.whole(node) {
            return Ok(dir);
        }
        let (slot, volume, inner) = self.inner(node)?;
        let dir = volume.read_dir(inner)?;
        let parent = Self::outer_parent(slot, &**volume, (inner, dir.parent()));
        let dir = Arc::new(dir.renumbered(node, parent, |n| Self::outer(slot, &**volume, n)));
        self.shelf.put_whole(node, dir.clone());
        Ok(dir)
    }

    fn read_dir_part(&self, node: NodeId, position: usize) -> Result<DirPart> {
        if node == ROOT {
            return Ok(DirPart::whole(self.root.clone()));
        }
        if let Some(dir) = self.shelf.whole(node) {
            return Ok(DirPart::whole(dir));
        }
        let (slot, volume, inner) = self.inner(node)?;
        let part = volume.read_dir_part(inner, position)?;
        if part.is_whole() {
            return self.read_dir(node).map(DirPart::whole);
        }
        let parent = Self::outer_parent(slot, &**volume, (inner, part.parent()));
        Ok(part.renumbered(node, parent, |n| Self::outer(slot, &**volume, n)))
    }

    fn find(&self, dir: NodeId, name: &[u8], fold: bool) -> Result<Option<NodeId>> {
        if dir == ROOT {
            return Ok(self.root.find(name, fold).map(|entry| entry.node));
        }
        let (slot, volume, inner) = self.inner(dir)?;
        let found = volume.find(inner, name, fold)?;
        Ok(found.map(|node| Self::outer(slot, &**volume, node)))
    }

    fn data(&self, node: NodeId) -> Result<Arc<Data>> {
        if node == ROOT {
            return Err(Error::IsDirectory);
        }
        if let Some(data) = self.file(node)? {
            return Ok(data);
        }
        let (_, volume, inner) = self.inner(node)?;
        volume.data(inner)
    }

    fn may_change(&self, node: NodeId) -> bool {
        let is_report = |slot: &Slot| matches!(slot.content, Content::Report(_));
        if node == ROOT {
            return self.slots.iter().any(|(slot, _)| is_report(slot));
        }
        let slot = Self::slot_of(node).and_then(|slot| self.slots.get(slot));
        slot.is_some_and(|(slot, _)| is_report(slot))
    }

    fn lacks_bytes(&self, node: NodeId) -> bool {
        self.inner(node).is_ok_and(|(_, volume, inner)| volume.lacks_bytes(inner))
    }

    fn is_cut(&self, node: NodeId) -> bool {
        self.inner(node).is_ok_and(|(_, volume, inner)| volume.is_cut(inner))
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Xattr>> {
        if node == ROOT || self.file(node)?.is_some() {
            return Ok(Vec::new());
        }
        let (_, volume, inner) = self.inner(node)?;
        volume.xattrs(inner)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        if node == ROOT || self.file(node)?.is_some() {
            return Err(Error::NotSymlink);
        }
        let (_, volume, inner) = self.inner(node)?;
        volume.read_link(inner)
    }
}
