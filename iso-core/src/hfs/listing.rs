//! Folders of HFS and HFS+: which entries they show, and whether those are as many as the folder
//! records. The rest of the volume is in `volume`.

use std::ops::RangeInclusive;

use super::btree::{Record, RecordPlace};
use super::catalog::{Entry, Flavour, Item, Key};
use super::volume::{HfsVolume, ROOT, site};
use crate::error::{Error, Result};
use crate::text::make_component;
use crate::volume::{
    Dir, DirBuilder, DirEntry, FileKind, InParts, NodeId, Outline, Shelf, finished,
};

/// Records of other folders in a row after which no more of a folder's are looked for.
const MAX_STRANGERS: u32 = 64;

/// Folders of the root in which HFS+ keeps files and folders that have several names.
const PRIVATE_FILES: &[u8] = b"\0\0\0\0HFS+ Private Data";
const PRIVATE_FOLDERS: &[u8] = b".HFS+ Private Directory Data";

/// A scan of the records of one folder.
struct Listing<'v> {
    volume: &'v HfsVolume,
    builder: &'v mut DirBuilder,
    folder: u32,
    /// Entries after which the first record of another folder ends the scan.
    expected: u64,
    /// Files and folders met, hidden, private and unreadable ones as well.
    met: u64,
    /// How many of them are folders in which HFS+ keeps hard links.
    private: u64,
    /// Records of other folders met in a row.
    strangers: u32,
    /// Nodes met, and the last of them.
    nodes: u64,
    last: Option<u64>,
}

impl Listing<'_> {
    /// Takes a record. `false` if it is behind those of the folder: a damaged parent or place of
    /// one record must not cost the records behind it, so that some of other folders are passed.
    fn take(&mut self, key: Option<Key>, record: &Record) -> Result<bool> {
        let is_own = key.as_ref().is_some_and(|key| key.parent == self.folder);
        let Some(key) = key.filter(|key| is_own || self.is_its_thread(key, record)) else {
            self.strangers = self.strangers.saturating_add(1);
            return Ok(self.met < self.expected && self.strangers < MAX_STRANGERS);
        };
        if !is_own {
            let error =
                site(record.at).corrupt("has a record that names another parent than its thread");
            let what = format!("the record is shown in folder {}, as the thread says", self.folder);
            self.volume.disc.findings().note_error(&what, &error);
        }
        self.strangers = 0;
        let disc = &self.volume.disc;
        match self.volume.flavour.entry(&record.data) {
            None => {
                self.met = self.met.saturating_add(1);
                let error =
                    site(record.at).corrupt("has a record that is no file, folder or thread");
                disc.findings().note_error("the record is left out", &error);
            }
            Some(Entry::Thread(_)) => {}
            Some(Entry::Item(child)) => {
                self.met = self.met.saturating_add(1);
                self.push(&key, &child, record)?;
            }
        }
        Ok(true)
    }

    /// Whether a record among those of the folder, whose key names another parent, is the folder's
    /// all the same: its thread gives it this parent and the same name (TN1150, "Catalog File").
    fn is_its_thread(&self, key: &Key, record: &Record) -> bool {
        let Some(Entry::Item(item)) = self.volume.flavour.entry(&record.data) else { return false };
        if self.met >= self.expected {
            return false;
        }
        let thread = self.volume.thread(item.id).ok().flatten();
        thread.is_some_and(|own| own.parent == self.folder && own.name == key.name)
    }

    fn push(&mut self, key: &Key, child: &Item, record: &Record) -> Result<()> {
        const INVISIBLE: u8 = 0x40;
        let mut name = self.volume.flavour.name(&key.name);
        // The folder in which HFS+ keeps the files of hard links is nobody's.
        if name.starts_with(PRIVATE_FILES) {
            self.private = self.private.saturating_add(1);
            return Ok(());
        }
        if name.starts_with(PRIVATE_FOLDERS) {
            self.private = self.private.saturating_add(1);
        }
        if name.is_empty() {
            let error = site(record.at).corrupt("has an entry with an empty name");
            self.volume.disc.findings().note_error("the entry is shown as _", &error);
        }
        make_component(&mut name);
        let is_hidden = child.finder_info.get(8).is_some_and(|f| f & INVISIBLE != 0);
        let node = NodeId::at(record.at);
        if self.last.replace(record.place.node()) != Some(record.place.node()) {
            self.nodes = self.nodes.saturating_add(1);
        }
        let cost = self.nodes.saturating_mul(self.volume.catalog.node_bytes());
        let entry = DirEntry { name: &name, node, kind: Some(child.kind), is_hidden };
        self.builder.push_at(entry, record.place.number(), cost)
    }
}

impl HfsVolume {
    /// Adds what stands in a folder to `builder`, from the record at a place on, until there are
    /// `wanted` entries. Gives the number of files and folders met, or none where damage ended the
    /// scan; with the private ones and without. `expected` is how many the folder should have.
    fn add_entries(
        &self,
        builder: &mut DirBuilder,
        (folder, expected): (u32, u64),
        place: Option<RecordPlace>,
        wanted: usize,
    ) -> Result<Option<RangeInclusive<u64>>> {
        let mut listing = Listing {
            volume: self,
            builder,
            folder,
            expected,
            met: 0,
            private: 0,
            strangers: 0,
            nodes: 0,
            last: None,
        };
        let scanned = self.records_from(folder, place, |key, record| {
            Ok(listing.take(key, record)? && listing.builder.len() < wanted)
        });
        match scanned {
            // What stands before the damage is shown.
            Err(error @ Error::Corrupt { .. }) if listing.builder.len() > 0 => {
                let text = format!("{error}; the rest of folder {folder} is left out");
                self.disc.findings().note(text);
                Ok(None)
            }
            outcome => {
                // Whether the private folders count is not the same with all writers.
                let public = listing.met.saturating_sub(listing.private);
                outcome.map(|()| Some(public..=listing.met))
            }
        }
    }

    /// Reports a folder in which not as many files and folders were met as it records (its
    /// valence; Inside Macintosh: Files, 2-72; TN1150, HFSPlusCatalogFolder).
    fn check_valence(&self, node: NodeId, folder: &Item, met: &RangeInclusive<u64>) {
        let recorded = u64::from(folder.valence);
        let is_right = match self.flavour {
            // Writers let the 16 bits overflow.
            Flavour::Hfs => met.end() & u64::from(u16::MAX) == recorded,
            Flavour::Plus => met.contains(&recorded),
        };
        if is_right {
            return;
        }
        let why = match *met.end() < recorded {
            true => "a folder holds fewer entries than it records",
            false => "a folder holds more entries than it records",
        };
        let error = site(node.position()).corrupt(why);
        let found = met.end();
        let what = format!("folder {} records {recorded}, and {found} are found", folder.id);
        self.disc.findings().note_error(&what, &error);
    }
}

impl InParts for HfsVolume {
    fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    fn parse_dir(&self, node: NodeId) -> Result<(Dir, Option<Outline>)> {
        let item = self.item(node)?;
        if item.kind != FileKind::Directory {
            return Err(Error::NotDirectory);
        }
        let parent = self.folder(item.id)?.map_or(ROOT, |(parent, _)| parent);
        let parent = self.folder(parent)?.map_or(self.root, |(_, record)| NodeId::at(record.at));
        let place = site(node.position());
        // How large it is shows only when it is read.
        let _permit = self.disc.permit(self.disc.limits().directory_bytes);
        let mut builder = DirBuilder::new(node, parent, self.disc.limits(), place);
        let folder = (item.id, u64::from(item.valence));
        if let Some(met) = self.add_entries(&mut builder, folder, None, usize::MAX)? {
            self.check_valence(node, &item, &met);
        }
        finished(builder, &self.disc, place, || true)
    }

    fn parse_part(&self, outline: &Outline, part: usize) -> Result<DirBuilder> {
        let (node, place) = (outline.node, site(outline.node.position()));
        let mut builder = DirBuilder::new(node, outline.parent, self.disc.limits(), place);
        let from = RecordPlace::from_number(outline.places(part).0);
        let wanted = outline.positions(part).len();
        let folder = (self.item(node)?.id, u64::MAX);
        self.add_entries(&mut builder, folder, Some(from), wanted)?;
        Ok(builder)
    }
}
