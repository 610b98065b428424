//! Directories of an ISO 9660 tree: which bytes they are, and which entries they show
//! (ECMA-119 6.8, RRIP 4.1.5). The rest of the volume is in `volume`.

use super::SECTOR_BYTES;
use super::disk::FileFlags;
use super::name::{enhanced_name, joliet_name, plain_name};
use super::record::{Form, Record, Records};
use super::rrip::RockRidge;
use super::volume::{IsoVolume, NameStyle, kind};
use crate::error::{Error, Result, Site};
use crate::num::{round_up, to_usize};
use crate::text::{Charset, Coding, make_component};
use crate::volume::{Dir, DirBuilder, DirEntry, FileKind, NodeId, finished};

/// The bytes of a directory and where they lie.
pub(super) struct DirBytes {
    bytes: Vec<u8>,
    at: u64,
    /// The directory's recorded length; `bytes` may hold the rest of the last sector too.
    len: u64,
    form: Form,
}

impl DirBytes {
    pub(super) fn records(&self) -> Records<'_> {
        Records::new(&self.bytes, self.at, self.len, self.form)
    }

    /// The record of the directory's parent, by rule the second one (ECMA-119 6.8.2.2).
    fn parent_record(&self) -> Option<Record<'_>> {
        self.records().flatten().find(Record::is_parent)
    }
}

impl IsoVolume {
    /// Whether any entry of the root has a Rock Ridge name. Discs by hdiutil use system use
    /// entries without giving names; there Joliet serves better.
    pub(crate) fn has_rock_ridge_names(&self) -> Result<bool> {
        let root = self.dir_bytes(self.root)?;
        let mut records = root.records().flatten();
        Ok(records.any(|record| self.rock_ridge(&record).name.is_some()))
    }

    /// All bytes of a directory, as its own record tells where they are.
    pub(super) fn dir_bytes(&self, node: NodeId) -> Result<DirBytes> {
        let own = self.file(node)?;
        let (at, len) = match own.extents.runs() {
            _ if own.kind != FileKind::Directory => return Err(Error::NotDirectory),
            [] => (node.position(), 0),
            [(_, run), ..] => (run.at.unwrap_or(0), run.len),
        };
        let place = Site::new("directory", "ECMA-119 6.8.1", at);
        let max = self.disc.limits().directory_bytes;
        if len > max {
            return Err(place.limit("bytes in one directory", max));
        }
        // Lengths that are no whole sectors are met (VirtualBox Guest Additions): a record that
        // begins before the end may reach past it.
        let whole = round_up(at.saturating_add(len), SECTOR_BYTES).saturating_sub(at);
        let left = self.disc.len().saturating_sub(at);
        let readable = whole.min(left.max(1));
        if readable < len {
            self.disc.findings().note_error(
                "its last entries are left out",
                &place.corrupt("it reaches past the end of the image"),
            );
        }
        let bytes = self.disc.metadata(at, to_usize(readable), place)?;
        Ok(DirBytes { bytes, at, len, form: self.form() })
    }

    pub(super) fn parse_dir(&self, node: NodeId) -> Result<Dir> {
        let dir = self.dir_bytes(node)?;
        let place = Site::new("directory", "ECMA-119 6.8.1", dir.at);
        let mut builder = DirBuilder::new(node, self.parent(&dir), self.disc.limits(), place);
        let mut is_continuation = false;
        for record in dir.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.disc
                        .findings()
                        .note_error("it and the rest of its sector are left out", &error);
                    continue;
                }
            };
            if !record.head.extent.agrees() || !record.head.data_len.agrees() {
                let error = record.site().corrupt("the two spellings of a number differ");
                self.disc.findings().note_error("the first one is used", &error);
            }
            let flags = record.flags();
            let continues =
                std::mem::replace(&mut is_continuation, flags.contains(FileFlags::MULTI_EXTENT));
            // Associated files are forks of the file of the same name (ECMA-119 6.5.4).
            if continues
                || record.is_self()
                || record.is_parent()
                || flags.contains(FileFlags::ASSOCIATED)
            {
                continue;
            }
            self.add_entry(&mut builder, &record, node)?;
        }
        if let Some(coding) = self.coding(&builder, node) {
            builder.decode(coding);
        }
        Ok(finished(builder, &self.disc, place))
    }

    /// The character set of a directory's names; nothing where they need none. What is found out
    /// rests on the directory and the root alone, so that it is the same each time.
    fn coding(&self, dir: &DirBuilder, node: NodeId) -> Option<Coding> {
        let has_bytes = !matches!(self.style, NameStyle::Joliet);
        match self.charset {
            Charset::Told(coding) => has_bytes.then_some(coding),
            Charset::Detect
                if has_bytes && dir.names().any(|n| std::str::from_utf8(n).is_err()) =>
            {
                let root = match node == self.root {
                    true => Vec::new(),
                    false => self.root_names(),
                };
                let coding = Coding::detect(dir.names().chain(root.iter().map(Vec::as_slice)))?;
                self.disc.findings().note(format!("names are no UTF-8; they are read as {coding}"));
                Some(coding)
            }
            Charset::Detect | Charset::Raw => None,
        }
    }

    /// The names of the root as they are recorded.
    fn root_names(&self) -> Vec<Vec<u8>> {
        let Ok(root) = self.dir_bytes(self.root) else { return Vec::new() };
        let records = root.records().flatten().filter(|r| !r.is_self() && !r.is_parent());
        records.map(|record| self.name(&record, self.rock_ridge(&record))).collect()
    }

    fn add_entry(&self, dir: &mut DirBuilder, record: &Record<'_>, holder: NodeId) -> Result<()> {
        let rock_ridge = self.rock_ridge(record);
        if rock_ridge.relocated {
            return Ok(());
        }
        let kind = kind(record, &rock_ridge);
        let node = match rock_ridge.child_link {
            Some(block) => self.node_at_block(block),
            None if kind == FileKind::Directory => NodeId::at(record.data_at(self.block_bytes)),
            None => NodeId::at(record.at),
        };
        let name = self.name(record, rock_ridge);
        if kind == FileKind::Directory
            && holder == self.root
            && self.is_relocation_store(&name, node)
        {
            return Ok(());
        }
        let is_hidden = record.flags().contains(FileFlags::HIDDEN);
        dir.push(DirEntry { name: &name, node, kind: Some(kind), is_hidden })
    }

    fn name(&self, record: &Record<'_>, rock_ridge: RockRidge) -> Vec<u8> {
        match (self.style, rock_ridge.name) {
            (NameStyle::RockRidge, Some(mut name)) => {
                if make_component(&mut name) {
                    self.disc.findings().note_error(
                        "it is shown with _ in place of what a name cannot hold",
                        &record.site().corrupt("its Rock Ridge name is no file name"),
                    );
                }
                name
            }
            (NameStyle::Joliet, _) => joliet_name(record.identifier),
            (NameStyle::Enhanced, _) => enhanced_name(record.identifier),
            (NameStyle::Plain | NameStyle::RockRidge | NameStyle::HighSierra, _) => {
                plain_name(record.identifier)
            }
        }
    }

    /// Whether a directory of the root holds nothing but relocated directories, which are shown
    /// in their true places (RRIP 4.1.5); writers call it `rr_moved`. BSD makefs writes no `RE`,
    /// but the `PL` in a relocated directory tells as well.
    fn is_relocation_store(&self, name: &[u8], node: NodeId) -> bool {
        let bare = name.strip_prefix(b".").unwrap_or(name);
        if self.sharing.is_none() || !bare.eq_ignore_ascii_case(b"rr_moved") {
            return false;
        }
        let Ok(dir) = self.dir_bytes(node) else { return false };
        let mut entries = dir
            .records()
            .flatten()
            .filter(|record| !record.is_self() && !record.is_parent())
            .map(|record| self.rock_ridge(&record).relocated || self.has_parent_link(&record));
        entries.next() == Some(true) && entries.all(|relocated| relocated)
    }

    /// Whether a record's directory says that it belongs elsewhere.
    fn has_parent_link(&self, record: &Record<'_>) -> bool {
        let node = NodeId::at(record.data_at(self.block_bytes));
        let Ok(dir) = self.dir_bytes(node) else { return false };
        let parent = dir.parent_record();
        parent.is_some_and(|parent| self.rock_ridge(&parent).parent_link.is_some())
    }

    /// The directory that holds a directory, by its second record.
    pub(super) fn parent(&self, dir: &DirBytes) -> NodeId {
        let Some(parent) = dir.parent_record() else { return self.root };
        match self.rock_ridge(&parent).parent_link {
            Some(block) => self.node_at_block(block),
            None => NodeId::at(parent.data_at(self.block_bytes)),
        }
    }

    /// The directory that begins at a block, as `CL` and `PL` name it.
    fn node_at_block(&self, block: u32) -> NodeId {
        NodeId::at(u64::from(block).saturating_mul(self.block_bytes))
    }
}
