//! An ISO 9660 tree as a `Volume`: directories, attributes and file extents by node.
//! Puts together what `record`, `susp`, `rrip` and `name` parse; parses nothing itself.

use std::sync::Arc;

use super::SECTOR_BYTES;
use super::descriptor::TreeDescriptor;
use super::links::HardLinks;
use super::recent::Recent;
use super::record::{Form, Record, sector_start, site};
use super::recorded::File;
use super::records::{Records, certain_record};
use super::rrip::RockRidge;
use super::style::NameStyle;
use super::susp::{Budget, Place, Sharing, for_each_entry};
use super::zisofs::Zisofs;
use crate::cache::Disc;
use crate::error::{Error, Result, Site};
use crate::num::{to_u64, to_usize};
use crate::text::Charset;
use crate::volume::{
    Attr, Data, Dir, DirPart, Facts, FileExtent, FileKind, NodeId, ParsedCaches, Posix, Shelf,
    Volume, Xattr, lacks,
};

/// One tree of an ISO 9660 volume.
pub(crate) struct IsoVolume {
    pub(super) disc: Arc<Disc>,
    pub(super) facts: Facts,
    pub(super) style: NameStyle,
    pub(super) charset: Charset,
    /// Set where Rock Ridge is shown.
    pub(super) sharing: Option<Sharing>,
    pub(super) block_bytes: u64,
    pub(super) root: NodeId,
    /// The root's record in the volume descriptor, where its own does not count.
    pub(super) root_record: Option<Box<[u8]>>,
    /// The same, where both may count.
    pub(super) named_root: Box<[u8]>,
    pub(super) shelf: Shelf,
    pub(super) links: HardLinks,
    pub(super) last_file: Recent<NodeId, Arc<File>>,
    /// Whether records of associated files stand in a sector, by its place.
    pub(super) last_forks: Recent<u64, bool>,
    /// Whether records of a directory may have extended attributes.
    pub(super) last_attributes: Recent<NodeId, bool>,
}

/// Which record of the root directory counts.
#[derive(Debug, Clone, Copy)]
enum RootRecord {
    /// The one that it begins with.
    Own,
    /// The one in the volume descriptor.
    Descriptor,
    /// The one that it begins with, though its lengths contradict each other: no record of the
    /// volume may give both spellings.
    AnyOwn,
}

/// Where a volume descriptor has the record of the root: its place as a node, which no other
/// record has.
const ROOT_IN_DESCRIPTOR: u64 = 156;

impl IsoVolume {
    /// Opens a tree. Reads its root directory's first sector and nothing else of a sound one.
    ///
    /// # Errors
    /// `Corrupt` if there is no directory where the descriptor or a path table says the root is;
    /// `Unsupported` for `NameStyle::RockRidge` on a tree without Rock Ridge.
    pub(crate) fn open(
        disc: &Arc<Disc>,
        caches: &Arc<ParsedCaches>,
        tree: &TreeDescriptor,
        style: NameStyle,
        charset: Charset,
    ) -> Result<Self> {
        let open_at = |at, root| Self::open_at((disc, caches), tree, (style, charset), (at, root));
        let error = match open_at(tree.root_at, RootRecord::Own) {
            Err(error @ Error::Corrupt { .. }) => error,
            outcome => return outcome,
        };
        let others = tree.other_roots(disc).into_iter();
        let mut opened = others.filter_map(|at| open_at(at, RootRecord::Own).ok());
        if let Some(volume) = opened.next() {
            disc.findings().note_error("the root that the path table names is used", &error);
            return Ok(volume);
        }
        match open_at(tree.root_at, RootRecord::Descriptor) {
            Err(Error::Corrupt { .. }) => {
                open_at(tree.root_at, RootRecord::AnyOwn).map_err(|_| error)
            }
            Ok(volume) => {
                let text = format!("{error}; the root's record in the volume descriptor is used");
                disc.findings().note_made_up_for(text);
                Ok(volume)
            }
            Err(other) => Err(other),
        }
    }

    fn open_at(
        (disc, caches): (&Arc<Disc>, &Arc<ParsedCaches>),
        tree: &TreeDescriptor,
        (style, charset): (NameStyle, Charset),
        (root_at, root): (u64, RootRecord),
    ) -> Result<Self> {
        let block_bytes = u64::from(tree.block_bytes);
        let mut volume = Self {
            facts: facts(tree, style),
            style,
            charset,
            sharing: None,
            block_bytes,
            root: NodeId::at(root_at),
            root_record: None,
            named_root: tree.root_record.as_slice().into(),
            shelf: caches.shelf(),
            links: HardLinks::default(),
            last_file: Recent::default(),
            last_forks: Recent::default(),
            last_attributes: Recent::default(),
            disc: disc.clone(),
        };
        let bytes = volume.sectors(root_at, 1)?;
        let is_there = match root {
            RootRecord::Own => volume.has_own_record(root_at)?,
            RootRecord::AnyOwn => volume.has_some_own_record(root_at)?,
            RootRecord::Descriptor => {
                volume.root = NodeId::at(tree.at.saturating_add(ROOT_IN_DESCRIPTOR));
                volume.root_record = Some(tree.root_record.as_slice().into());
                volume.holds_records(root_at)?
            }
        };
        if !is_there {
            return Err(
                site(root_at).corrupt("is not the record with which the root directory begins")
            );
        }
        if style == NameStyle::RockRidge {
            let mut records = Records::new(&bytes, root_at, SECTOR_BYTES, volume.form()).flatten();
            let sharing = records.next().and_then(|own| Sharing::detect(&own));
            let missing = site(root_at).unsupported("Rock Ridge on a volume without it");
            volume.sharing = Some(sharing.ok_or(missing)?);
        }
        Ok(volume)
    }

    /// How the records of this tree are laid out.
    pub(super) fn form(&self) -> Form {
        match self.style {
            NameStyle::HighSierra => Form::HighSierra,
            NameStyle::Plain | NameStyle::RockRidge | NameStyle::Joliet | NameStyle::Enhanced => {
                Form::Iso9660
            }
        }
    }

    /// The bytes from `at` on, up to the end of the sector in which byte `at` lies or of the next.
    pub(super) fn sectors(&self, at: u64, sectors: u64) -> Result<Vec<u8>> {
        // The last sector may be cut; what is there is parsed.
        let end = sector_start(at).saturating_add(SECTOR_BYTES.saturating_mul(sectors));
        let len = self.disc.len().min(end).saturating_sub(at);
        self.disc.metadata(at, to_usize(len.max(1)), site(at))
    }

    /// What `take` makes of the record of a node. It is given the bytes of its sector too, and of
    /// the next one for a record that crosses into that, and where they begin.
    pub(super) fn with_record<T>(
        &self,
        node: NodeId,
        take: impl FnOnce(&Record<'_>, (u64, &[u8])) -> Result<T>,
    ) -> Result<T> {
        let base = sector_start(node.position());
        let sector = self.sectors(base, 1)?;
        if let Ok(record) = self.find_record((base, &sector), node) {
            return take(&record, (base, &sector));
        }
        let sectors = self.sectors(base, 2)?;
        take(&self.find_record((base, &sectors), node)?, (base, &sectors))
    }

    /// The record of a node in the bytes of its sector: the one that stands there for certain, else
    /// the one to which the records before it lead. Directories begin at a block, and hardly any
    /// record crosses the edge of a sector, so walking from a block's beginning leads to it.
    fn find_record<'a>(
        &'a self,
        (base, bytes): (u64, &'a [u8]),
        node: NodeId,
    ) -> Result<Record<'a>> {
        if let Some(record) = self.root_record.as_deref().filter(|_| node == self.root) {
            return Record::parse(record, node.position(), self.form());
        }
        let position = node.position();
        if let Some(record) = certain_record(bytes, (base, position), self.form()) {
            return record;
        }
        let mut start = 0u64;
        while base.saturating_add(start) <= position {
            let rest = bytes.get(to_usize(start)..).unwrap_or_default();
            let records = Records::new(rest, base.saturating_add(start), SECTOR_BYTES, self.form());
            for record in records.flatten() {
                if NodeId::at(record.at) == node {
                    return Ok(record);
                }
                if record.at > position {
                    break;
                }
            }
            start = start.saturating_add(self.block_bytes);
        }
        Err(site(position).corrupt("is missing, though an entry of the disc leads there"))
    }

    /// The Rock Ridge entries of a record; nothing where Rock Ridge is not shown.
    pub(super) fn rock_ridge(&self, record: &Record<'_>) -> RockRidge {
        self.rock_ridge_within(record, &Budget::new(self.disc.limits().system_use_bytes))
    }

    /// As `rock_ridge`, for one of many records that share a budget.
    pub(super) fn rock_ridge_within(&self, record: &Record<'_>, budget: &Budget) -> RockRidge {
        let mut rock_ridge = RockRidge::default();
        if let Some(sharing) = self.sharing {
            let is_root = record.is_self() && NodeId::at(record.at) == self.root;
            let place = Place { is_root, block_bytes: self.block_bytes };
            let limits = self.disc.limits();
            let is_whole =
                for_each_entry(&self.disc, sharing, record, place, budget, &mut |entry| {
                    rock_ridge.take(entry, limits);
                });
            rock_ridge.is_cut = !is_whole;
        }
        rock_ridge
    }
}

impl Volume for IsoVolume {
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
        let file = self.file(node)?;
        let rock_ridge = &file.rock_ridge;
        let recorded = file.recorded;
        let times = rock_ridge.times;
        let attributes = rock_ridge.attributes;
        Ok(Attr {
            node,
            kind: file.kind,
            size: match (file.kind, &rock_ridge.target) {
                (FileKind::Symlink, target) => {
                    target.as_ref().map_or(0, |target| to_u64(target.path.len()))
                }
                (FileKind::Regular, _) => {
                    rock_ridge.compressed.map_or(file.len, |compressed| compressed.size)
                }
                (FileKind::Directory, _) => file.len,
                (
                    FileKind::BlockDevice
                    | FileKind::CharDevice
                    | FileKind::Fifo
                    | FileKind::Socket,
                    _,
                ) => 0,
            },
            links: self.links.count(file.link_key, attributes.map_or(1, |a| a.links.max(1))),
            posix: attributes.map(|a| Posix {
                permissions: u16::try_from(a.mode & 0o7777).unwrap_or(0),
                uid: Some(a.uid),
                gid: Some(a.gid),
            }),
            device: rock_ridge.device,
            modified: times.modified.unwrap_or(recorded),
            accessed: times.accessed.unwrap_or(recorded),
            changed: times.changed.unwrap_or(recorded),
            created: times.created,
        })
    }

    fn read_dir(&self, node: NodeId) -> Result<Arc<Dir>> {
        crate::volume::read_dir(self, node)
    }

    fn read_names(&self, node: NodeId) -> Result<Arc<Dir>> {
        crate::volume::read_names(self, node)
    }

    fn read_dir_part(&self, node: NodeId, position: usize) -> Result<DirPart> {
        crate::volume::read_part(self, node, position)
    }

    fn find(&self, dir: NodeId, name: &[u8], fold: bool) -> Result<Option<NodeId>> {
        match crate::volume::find(self, dir, name, fold)? {
            Some(node) => Ok(Some(node)),
            None => self.find_version(dir, name, fold),
        }
    }

    fn data(&self, node: NodeId) -> Result<Arc<Data>> {
        self.shelf.file(node, || {
            let file = self.file(node)?;
            file.kind.has_bytes()?;
            if file.rock_ridge.sparse {
                return Err(file.site.unsupported("sparse files of Rock Ridge"));
            }
            let extents = self.extents(node, &file)?;
            let Some(compressed) = file.rock_ridge.compressed else {
                return Ok(Arc::new(Data::Plain(extents)));
            };
            let zisofs = Zisofs::open(&self.disc, extents, compressed, file.site)?;
            Ok(Arc::new(Data::Decoded(Box::new(zisofs))))
        })
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Xattr>> {
        self.attributes(node)
    }

    fn has_xattrs_in(&self, dir: NodeId) -> Result<bool> {
        self.has_attributes_in(dir)
    }

    fn lacks_bytes(&self, node: NodeId) -> bool {
        let file = match self.file(node) {
            Ok(file) if !matches!(file.kind, FileKind::Regular | FileKind::Directory) => {
                return false;
            }
            file => file,
        };
        let begins = file.as_ref().ok().map(|file| file.at);
        let extents = file.and_then(|file| self.extents(node, &file));
        let is_before = begins.is_some_and(|at| at < self.disc.begin())
            && extents.as_ref().is_ok_and(|extents| !extents.is_empty());
        if is_before {
            self.disc.findings().note(
                "files lie in an earlier session or track of the disc, which the image does not \
                 hold, and cannot be read; isodrive tree names them",
            );
        }
        is_before || lacks(&self.disc, &extents)
    }

    fn first_byte(&self, node: NodeId) -> Option<u64> {
        self.file(node).ok().map(|file| file.at)
    }

    fn extent(&self, node: NodeId) -> Option<(u64, u64)> {
        self.file(node).ok()?.extent()
    }

    fn extents_in(&self, dir: NodeId) -> Vec<FileExtent> {
        // What could not be read is missing, and is asked for by itself.
        self.file_extents(dir).unwrap_or_default()
    }

    fn dir_span(&self, dir: NodeId) -> Option<(u64, u64)> {
        self.file(dir).ok().map(|file| (file.at, file.len))
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        let file = self.file(node)?;
        match &file.rock_ridge.target {
            Some(target) if file.kind == FileKind::Symlink && !target.damaged => {
                Ok(target.path.clone())
            }
            _ if file.kind != FileKind::Symlink => Err(Error::NotSymlink),
            _ => Err(Site::new("symbolic link", "RRIP 4.1.3", node.position())
                .corrupt("has no target, or a target that is cut off")),
        }
    }
}

fn facts(tree: &TreeDescriptor, style: NameStyle) -> Facts {
    Facts {
        system: style.system().to_owned(),
        label: tree.label.clone(),
        block_bytes: tree.block_bytes,
        volume_bytes: tree.volume_bytes,
        created: tree.created,
        publisher: tree.publisher.clone(),
        preparer: tree.preparer.clone(),
        application: tree.application.clone(),
        ignores_case: style != NameStyle::RockRidge,
        descriptor_at: Some(tree.at),
    }
}
