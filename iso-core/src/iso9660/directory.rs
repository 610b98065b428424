//! Which entries the directories of an ISO 9660 tree show (ECMA-119 6.8, RRIP 4.1.5).
//! Where their records lie is in `dir_extent`, the rest of the volume in `volume`.

use std::ops::ControlFlow;

use super::dir_extent::{DirExtent, PIECE_BYTES};
use super::disk::FileFlags;
use super::kind::kind;
use super::listing::{Listing, Numbering};
use super::name::{self, enhanced_name, joliet_name, plain_name, split_version, version};
use super::padding::Padding;
use super::record::Record;
use super::relocation::is_store_name;
use super::rrip::RockRidge;
use super::style::NameStyle;
use super::susp::Budget;
use super::volume::IsoVolume;
use crate::error::Result;
use crate::text::make_component;
use crate::volume::{
    Dir, DirBuilder, DirEntry, FileKind, InParts, NodeId, Outline, Shelf, finished,
};

/// What becomes of a name that no directory can hold.
const UNDERSCORED: &str = "the name is shown with _ in place of what a name cannot hold";

/// What was met among the entries of a directory.
struct Met {
    has_forks: bool,
    /// Nothing was left to be looked for outside the directory.
    is_all: bool,
}

impl IsoVolume {
    /// Whether any entry of the root has a Rock Ridge name. Discs by hdiutil use system use
    /// entries without giving names; there Joliet serves better.
    pub(crate) fn has_rock_ridge_names(&self) -> Result<bool> {
        let root = self.dir_extent(self.root)?;
        let budget = self.budget();
        let named = |record: &Record<'_>| {
            self.rock_ridge_within(record, &budget).name.is_some().then_some(())
        };
        Ok(self.find_in(&root, &mut |record| named(record))?.is_some())
    }

    /// The system use bytes that may be read for one directory.
    pub(super) fn budget(&self) -> Budget {
        Budget::new(self.disc.limits().directory_system_use_bytes)
    }

    /// Adds the entries of a directory to `builder`, from the record at byte `from` on, until there
    /// are `wanted`.
    fn add_entries(
        &self,
        builder: &mut DirBuilder,
        dir: &DirExtent,
        node: NodeId,
        (from, piece_bytes): (u64, u64),
        (wanted, numbering): (usize, Numbering),
    ) -> Result<Met> {
        let budget = self.budget();
        // The identifier of the file that goes on in the next record.
        let mut continued: Option<Vec<u8>> = None;
        let mut padding = Padding::default();
        let mut has_forks = false;
        let listing = Listing::new(node, numbering);
        // The two records that a directory begins with are its own and its parent's.
        let mut is_early = from == dir.at;
        let mut is_first = is_early;
        self.for_each_record_in(dir, (from, piece_bytes), &mut |record| {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.disc.findings().note_error(
                        "the record is left out, and reading goes on at the next record",
                        &error,
                    );
                    return Ok(ControlFlow::Continue(()));
                }
            };
            self.note_oddities(&record);
            if !record.hides_another() {
                padding.look(&record);
            }
            let flags = record.flags();
            let continues = continued.as_deref() == Some(record.identifier);
            continued = flags.contains(FileFlags::MULTI_EXTENT).then(|| record.identifier.to_vec());
            // Associated files are forks of the file of the same name (ECMA-119 6.5.4).
            let is_fork = flags.contains(FileFlags::ASSOCIATED);
            has_forks |= is_fork;
            let is_other = record.is_self() || record.is_parent() || self.is_misnamed(&record, dir);
            if (record.is_self() && record.at != dir.at) || (record.is_parent() && !is_early) {
                let error =
                    record.site().corrupt("has no name, and stands among records with names");
                self.disc.findings().note_error("the record is left out", &error);
            }
            if !continues && !is_other && !is_fork {
                self.add_entry(builder, &record, &listing, &budget)?;
            }
            is_early = std::mem::take(&mut is_first);
            if budget.is_spent() {
                let max = self.disc.limits().directory_system_use_bytes;
                return Err(dir.site().limit("bytes of system use in one directory", max));
            }
            let is_over = builder.len() >= wanted;
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if let Some(site) = padding.damaged() {
            let error = site.corrupt("has an odd length");
            self.disc.findings().note_error("the record is read all the same", &error);
        }
        Ok(Met { has_forks, is_all: !listing.has_guesses() })
    }

    fn note_oddities(&self, record: &Record<'_>) {
        if !record.head.extent.agrees() || !record.head.data_len.agrees() {
            let error = record.site().corrupt("has a number whose two spellings differ");
            self.disc.findings().note_error("the first spelling is used", &error);
        }
        if self.is_of_another_disc(record) {
            let error = record.site().corrupt("is of a file on another disc of the set");
            self.disc
                .findings()
                .note_error("the bytes at its place on this disc are shown", &error);
        }
        if record.has_reserved_flags() {
            let error = record.site().corrupt("has reserved file flags set");
            self.disc.findings().note_error("the flags are not believed", &error);
        }
        if record.hides_another() {
            let error = record.site().corrupt("has another record inside");
            self.disc.findings().note_error("reading goes on at the inner record", &error);
        }
    }

    fn add_entry(
        &self,
        dir: &mut DirBuilder,
        record: &Record<'_>,
        listing: &Listing,
        budget: &Budget,
    ) -> Result<()> {
        let rock_ridge = self.rock_ridge_within(record, budget);
        let is_moved = rock_ridge.relocated;
        if is_moved {
            listing.note_guess();
        }
        if is_moved && self.is_shown_elsewhere(record, listing) {
            return Ok(());
        }
        let (holder, numbering) = (listing.holder, listing.numbering);
        let mut kind = kind(record, &rock_ridge);
        if self.is_unmarked_dir(record, &rock_ridge, listing) {
            let error = record.site().corrupt("says by its flags that a directory is a file");
            self.disc.findings().note_error("the directory that lies there is shown", &error);
            kind = FileKind::Directory;
        }
        if kind == FileKind::Directory {
            listing.note_guess();
        }
        let node = match rock_ridge.child_link {
            Some(block) => {
                let at = u64::from(block).saturating_mul(self.block_bytes);
                self.node_of_dir(at, || self.relocation_store()).unwrap_or(NodeId::at(at))
            }
            None if kind == FileKind::Directory => self.dir_node(record, numbering),
            None => self.file_node(record, &rock_ridge),
        };
        let name = self.name(record, rock_ridge);
        // The store itself says that it was moved on discs by xorriso, and belongs nowhere.
        if kind == FileKind::Directory
            && holder == self.root
            && (is_moved || is_store_name(&name))
            && self.is_relocation_store(node, numbering)?
        {
            return Ok(());
        }
        if is_moved {
            let error = record
                .site()
                .corrupt("says that its directory was moved, and nothing leads to that directory");
            self.disc
                .findings()
                .note_error("the directory is shown where the record stands", &error);
        }
        if kind != FileKind::Directory
            && let Some(version) = self.version(record)
        {
            dir.next_is_version(version);
        }
        let is_hidden = record.flags().contains(FileFlags::HIDDEN);
        let entry = DirEntry { name: &name, node, kind: Some(kind), is_hidden };
        // A record that begins a file can be parsed without those before it.
        dir.push_at(entry, record.at, record.at.saturating_add(budget.spent()))
    }

    pub(super) fn name(&self, record: &Record<'_>, rock_ridge: RockRidge) -> Vec<u8> {
        match (self.style, rock_ridge.name) {
            (NameStyle::RockRidge, Some(mut name)) => {
                if make_component(&mut name) {
                    let error = record.site().corrupt("has a Rock Ridge name that is no file name");
                    self.disc.findings().note_error(UNDERSCORED, &error);
                }
                name
            }
            (NameStyle::Joliet, _) => {
                let (name, is_changed) = joliet_name(record.identifier);
                if is_changed {
                    let error = record.site().corrupt("has a Joliet name that is no file name");
                    self.disc.findings().note_harmless(format!("{error}; {UNDERSCORED}"));
                }
                name
            }
            (NameStyle::Enhanced, _) => enhanced_name(record.identifier),
            (NameStyle::Plain | NameStyle::RockRidge | NameStyle::HighSierra, _) => {
                plain_name(record.identifier)
            }
        }
    }

    /// Which version of its file a record is, if its identifier says so.
    fn version(&self, record: &Record<'_>) -> Option<u16> {
        let version_of = |name: &[u8]| split_version(name).map(|(_, digits)| version(digits));
        match self.style {
            NameStyle::Joliet => version_of(&name::joliet_identifier(record.identifier)),
            NameStyle::Plain | NameStyle::RockRidge | NameStyle::HighSierra => {
                version_of(record.identifier)
            }
            NameStyle::Enhanced => None,
        }
    }

    /// The node of a file by its name with the version behind it: the newest one is listed without.
    pub(super) fn find_version(
        &self,
        dir: NodeId,
        name: &[u8],
        fold: bool,
    ) -> Result<Option<NodeId>> {
        let Some((plain, digits)) = split_version(name) else { return Ok(None) };
        let Some(node) = crate::volume::find(self, dir, plain, fold)? else { return Ok(None) };
        let recorded = self.with_record(node, |record, _| Ok(self.version(record)))?;
        let wanted = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        Ok((recorded.is_some() && recorded == wanted).then_some(node))
    }

    /// Parses a whole directory, and says whether nothing was left to be looked for elsewhere.
    fn parse_numbered(
        &self,
        node: NodeId,
        numbering: Numbering,
    ) -> Result<(Dir, Option<Outline>, bool)> {
        let dir = self.dir_extent(node)?;
        let place = dir.site();
        let parent = self.parent(node, &dir)?;
        self.note_other_root(node, &dir);
        let _permit = self.disc.permit(dir.len);
        self.shelf.make_room(dir.len);
        let mut builder = DirBuilder::new(node, parent, self.disc.limits(), place);
        let wanted = (usize::MAX, numbering);
        let met = self.add_entries(&mut builder, &dir, node, (dir.at, PIECE_BYTES), wanted)?;
        if met.has_forks {
            self.note_lone_forks(&dir)?;
        }
        if let Some(coding) = self.coding(&builder, node) {
            builder.decode(coding)?;
        }
        let (dir, outline) =
            finished(builder, &self.disc, place, || self.repeats_an_identifier(&dir))?;
        Ok((dir, outline, met.is_all))
    }
}

impl InParts for IsoVolume {
    fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    fn parse_dir(&self, node: NodeId) -> Result<(Dir, Option<Outline>)> {
        self.parse_numbered(node, Numbering::ByRecord).map(|(dir, outline, _)| (dir, outline))
    }

    fn parse_names(&self, node: NodeId) -> Result<(Dir, Option<Outline>, bool)> {
        self.parse_numbered(node, Numbering::ByPlace)
    }

    fn parse_part(&self, outline: &Outline, part: usize) -> Result<DirBuilder> {
        let dir = self.dir_extent(outline.node)?;
        let limits = self.disc.limits();
        let mut builder = DirBuilder::new(outline.node, outline.parent, limits, dir.site());
        let (from, next) = outline.places(part);
        let end = next.unwrap_or(dir.at.saturating_add(dir.readable));
        // Past its last entry there may be much that belongs to no part.
        let bytes = end.saturating_sub(from).min(limits.directory_part_bytes).max(1);
        let wanted = (outline.positions(part).len(), Numbering::ByRecord);
        self.add_entries(&mut builder, &dir, outline.node, (from, bytes), wanted)?;
        Ok(builder)
    }
}
