//! An ISO 9660 tree as a `Volume`: directories, attributes and file extents by node.
//! Puts together what `record`, `susp`, `rrip` and `name` parse; parses nothing itself.

use std::sync::Arc;

use super::SECTOR_BYTES;
use super::descriptor::TreeDescriptor;
use super::disk::FileFlags;
use super::record::{Form, Record, Records, sector_start, site};
use super::rrip::RockRidge;
use super::susp::{Budget, Place, Sharing, for_each_entry};
use super::zisofs::Zisofs;
use crate::cache::Disc;
use crate::error::{Error, Result, Site};
use crate::num::{quotient, to_u64, to_usize};
use crate::text::Charset;
use crate::volume::{
    Attr, Data, Dir, DirPart, Extent, Extents, ExtentsBuilder, Facts, FileKind, NodeId,
    ParsedCaches, Posix, SameFile, Shelf, Volume, Xattr,
};

/// Which names of an ISO 9660 volume are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameStyle {
    /// The identifiers of the primary tree.
    Plain,
    /// The primary tree with the names and attributes of Rock Ridge.
    RockRidge,
    /// The Unicode identifiers of a Joliet tree.
    Joliet,
    /// The long identifiers of an enhanced tree (ISO 9660:1999).
    Enhanced,
    /// The identifiers of a High Sierra tree.
    HighSierra,
}

/// One tree of an ISO 9660 volume.
pub(crate) struct IsoVolume {
    pub(super) disc: Arc<Disc>,
    facts: Facts,
    pub(super) style: NameStyle,
    pub(super) charset: Charset,
    /// Set where Rock Ridge is shown.
    pub(super) sharing: Option<Sharing>,
    pub(super) block_bytes: u64,
    pub(super) root: NodeId,
    pub(super) shelf: Shelf,
}

/// What is recorded of one file or directory.
pub(super) struct File {
    pub(super) kind: FileKind,
    /// Where the bytes of its first record begin.
    pub(super) at: u64,
    /// Bytes of all its records; of a directory its own.
    pub(super) len: u64,
    rock_ridge: RockRidge,
    recorded: crate::Timestamp,
    site: Site,
}

impl IsoVolume {
    /// Opens a tree. Reads its root directory's own record and nothing else.
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
        let open_at = |at| Self::open_at((disc, caches), tree, (style, charset), at);
        let error = match open_at(tree.root_at) {
            Err(error @ Error::Corrupt { .. }) => error,
            outcome => return outcome,
        };
        let others = tree.other_roots(disc).into_iter();
        let mut opened = others.filter_map(|at| open_at(at).ok());
        let volume = opened.next().ok_or_else(|| error.repeated())?;
        disc.findings().note_error("the root that the path table names is used", &error);
        Ok(volume)
    }

    fn open_at(
        (disc, caches): (&Arc<Disc>, &Arc<ParsedCaches>),
        tree: &TreeDescriptor,
        (style, charset): (NameStyle, Charset),
        root_at: u64,
    ) -> Result<Self> {
        let block_bytes = u64::from(tree.block_bytes);
        let mut volume = Self {
            facts: facts(tree, style),
            style,
            charset,
            sharing: None,
            block_bytes,
            root: NodeId::at(root_at),
            shelf: caches.shelf(),
            disc: disc.clone(),
        };
        let sector = volume.sector(sector_start(root_at))?;
        let own = volume
            .find_record(&sector, volume.root)
            .ok()
            .filter(Record::is_self)
            .ok_or(site(root_at).corrupt("the root directory does not begin with itself"))?;
        if style == NameStyle::RockRidge {
            let missing = own.site().unsupported("Rock Ridge on a volume without it");
            volume.sharing = Some(Sharing::detect(&own).ok_or(missing)?);
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

    pub(super) fn sector(&self, at: u64) -> Result<Vec<u8>> {
        // The last sector may be cut; what is there is parsed.
        let len = self.disc.len().saturating_sub(at).min(SECTOR_BYTES);
        self.disc.metadata(at, to_usize(len.max(1)), site(at))
    }

    /// The record of a node in its sector. Directories begin at a block, and no record crosses
    /// the edge of a sector, so walking from a block's beginning leads to it.
    pub(super) fn find_record<'a>(&self, sector: &'a [u8], node: NodeId) -> Result<Record<'a>> {
        let position = node.position();
        let base = sector_start(position);
        let mut start = 0u64;
        while base.saturating_add(start) <= position {
            let bytes = sector.get(to_usize(start)..).unwrap_or_default();
            let records =
                Records::new(bytes, base.saturating_add(start), SECTOR_BYTES, self.form());
            for record in records.map_while(Result::ok) {
                if NodeId::at(record.at) == node {
                    return Ok(record);
                }
                if record.at > position {
                    break;
                }
            }
            start = start.saturating_add(self.block_bytes);
        }
        Err(site(position).corrupt("there is none where one is referred to"))
    }

    /// Everything recorded of a node.
    pub(super) fn file(&self, node: NodeId) -> Result<File> {
        let mut len = 0u64;
        let mut file = self.for_each_section(node, &mut |record| {
            len = len.saturating_add(record.data_len());
            Ok(())
        })?;
        file.len = len;
        Ok(file)
    }

    /// Everything recorded of a node, and where its bytes lie.
    fn file_with_extents(&self, node: NodeId) -> Result<(File, Extents)> {
        let mut extents = ExtentsBuilder::new(self.disc.limits(), site(node.position()));
        let mut file =
            self.for_each_section(node, &mut |record| self.push_extents(&mut extents, record))?;
        let len = extents.len();
        file.len = len;
        Ok((file, extents.finish(len)))
    }

    /// What the first record of a node says, all of whose records are handed to `take`: a file
    /// may have several (ECMA-119 9.1.6, bit 7), which follow each other, into the next sectors of
    /// the directory too.
    fn for_each_section(
        &self,
        node: NodeId,
        take: &mut dyn FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<File> {
        let mut base = sector_start(node.position());
        if node != self.root && base >= self.disc.len() {
            return Err(Error::Stale(node.number()));
        }
        let mut sector = self.sector(base)?;
        let first = self.find_record(&sector, node)?;
        let file = self.file_of(&first);
        take(&first)?;
        if !first.flags().contains(FileFlags::MULTI_EXTENT) || file.kind == FileKind::Directory {
            return Ok(file);
        }
        let missing = first.site().corrupt("its last extent is missing");
        let identifier = first.identifier.to_vec();
        let mut skip = to_usize(first.at.saturating_sub(base)).saturating_add(first.len());
        loop {
            let rest = sector.get(skip..).unwrap_or_default();
            let at = base.saturating_add(to_u64(skip));
            for record in Records::new(rest, at, SECTOR_BYTES, self.form()) {
                let record = record?;
                if record.identifier != identifier {
                    return Err(missing);
                }
                take(&record)?;
                if !record.flags().contains(FileFlags::MULTI_EXTENT) {
                    return Ok(file);
                }
            }
            base = base.saturating_add(SECTOR_BYTES);
            sector = self.sector(base)?;
            skip = 0;
            if sector.first() == Some(&0) {
                return Err(missing);
            }
        }
    }

    /// What one record says of its file.
    fn file_of(&self, record: &Record<'_>) -> File {
        let rock_ridge = self.rock_ridge(record);
        File {
            kind: kind(record, &rock_ridge),
            at: record.data_at(self.block_bytes),
            len: record.data_len(),
            recorded: record.recorded(),
            site: record.site(),
            rock_ridge,
        }
    }

    /// Adds the bytes of one record's file section. An interleaved one is in units with gaps
    /// between them, the first of them for the extended attributes (ECMA-119 6.4.3).
    pub(super) fn push_extents(
        &self,
        extents: &mut ExtentsBuilder,
        record: &Record<'_>,
    ) -> Result<()> {
        let unit_bytes = u64::from(record.head.unit_size).saturating_mul(self.block_bytes);
        let mut left = record.data_len();
        if unit_bytes == 0 {
            return extents.push(Extent { at: Some(record.data_at(self.block_bytes)), len: left });
        }
        let max = self.disc.limits().extents;
        if quotient(left, unit_bytes) > max {
            return Err(record.site().limit("extents in one file", max));
        }
        // Without gaps all units are one run.
        if record.head.gap_size > 0 {
            extents.reserve(quotient(left, unit_bytes).saturating_add(1))?;
        }
        let gap_bytes = u64::from(record.head.gap_size).saturating_mul(self.block_bytes);
        let step = unit_bytes.saturating_add(gap_bytes);
        let mut at = u64::from(record.head.extent.get()).saturating_mul(self.block_bytes);
        if record.head.len_ear > 0 {
            at = at.saturating_add(step);
        }
        while left > 0 {
            let len = left.min(unit_bytes);
            extents.push(Extent { at: Some(at), len })?;
            at = at.saturating_add(step);
            left = left.saturating_sub(len);
        }
        Ok(())
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
                (FileKind::Regular, _) => rock_ridge.compressed.map_or(file.len, |told| told.size),
                (FileKind::Directory, _) => file.len,
                (
                    FileKind::BlockDevice
                    | FileKind::CharDevice
                    | FileKind::Fifo
                    | FileKind::Socket,
                    _,
                ) => 0,
            },
            links: attributes.map_or(1, |a| a.links.max(1)),
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

    fn read_dir_part(&self, node: NodeId, position: usize) -> Result<DirPart> {
        crate::volume::read_part(self, node, position)
    }

    fn find(&self, dir: NodeId, name: &[u8], fold: bool) -> Result<Option<NodeId>> {
        crate::volume::find(self, dir, name, fold)
    }

    fn data(&self, node: NodeId) -> Result<Arc<Data>> {
        self.shelf.file(node, || {
            let (file, extents) = self.file_with_extents(node)?;
            file.kind.has_bytes()?;
            if file.rock_ridge.sparse {
                return Err(file.site.unsupported("sparse files of Rock Ridge"));
            }
            let Some(told) = file.rock_ridge.compressed else {
                return Ok(Arc::new(Data::Plain(extents)));
            };
            let zisofs = Zisofs::open(&self.disc, extents, told, file.site)?;
            Ok(Arc::new(Data::Decoded(Box::new(zisofs))))
        })
    }

    /// Each name has a record of its own. Rock Ridge numbers the files behind them (RRIP 4.1.1);
    /// some writers number none, or all alike, so a number counts for bytes in the same places.
    fn same_file(&self, node: NodeId) -> Result<Option<SameFile>> {
        const MAX_PLACES: usize = 8;
        let (file, extents) = self.file_with_extents(node)?;
        let serial = file.rock_ridge.attributes.and_then(|a| a.serial).filter(|n| *n != 0);
        let runs = extents.runs();
        let is_known = !runs.is_empty() && runs.len() <= MAX_PLACES;
        let places = runs.iter().map(|(_, run)| (run.at.unwrap_or(0), run.len));
        Ok(serial.filter(|_| is_known).map(|serial| SameFile::serial(serial, places)))
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Xattr>> {
        self.attributes(node)
    }

    fn has_xattrs_in(&self, dir: NodeId) -> Result<bool> {
        self.has_attributes_in(dir)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        let file = self.file(node)?;
        match file.rock_ridge.target {
            Some(target) if file.kind == FileKind::Symlink && !target.damaged => Ok(target.path),
            _ if file.kind != FileKind::Symlink => Err(Error::NotSymlink),
            _ => Err(Site::new("symbolic link", "RRIP 4.1.3", node.position())
                .corrupt("its target is missing or cut off")),
        }
    }
}

/// The kind of file: a directory where the record says so or Rock Ridge links one in, else what
/// the mode says, else a plain file.
pub(super) fn kind(record: &Record<'_>, rock_ridge: &RockRidge) -> FileKind {
    if record.flags().contains(FileFlags::DIRECTORY) || rock_ridge.child_link.is_some() {
        return FileKind::Directory;
    }
    let by_mode = rock_ridge.attributes.and_then(|a| FileKind::from_mode(a.mode));
    match by_mode {
        Some(FileKind::Directory) => FileKind::Regular,
        Some(kind) => kind,
        None if rock_ridge.target.is_some() => FileKind::Symlink,
        None => FileKind::Regular,
    }
}

fn facts(tree: &TreeDescriptor, style: NameStyle) -> Facts {
    let system = match style {
        NameStyle::Plain => "ISO 9660",
        NameStyle::RockRidge => "ISO 9660 + Rock Ridge",
        NameStyle::Joliet => "ISO 9660 + Joliet",
        NameStyle::Enhanced => "ISO 9660:1999",
        NameStyle::HighSierra => "High Sierra",
    };
    Facts {
        system: system.to_owned(),
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
