//! Directories of a UDF file set: which bytes they are, and which entries they show
//! (ECMA-167 4/8.6, UDF 2.60 2.3.4). The rest of the volume is in `volume`.

use super::address::{Address, Replica};
use super::allocation;
use super::directory::Identifiers;
use super::disk::Characteristics;
use super::icb::{Icb, site};
use super::volume::{UdfVolume, address_of, as_directory, node_of};
use crate::error::{Error, Result, Site};
use crate::num::to_u64;
use crate::text::{decode_cs0, make_component};
use crate::volume::{
    Dir, DirBuilder, DirEntry, FileKind, InParts, NodeId, Outline, Shelf, finished,
};

/// Bytes that one identifier may reach into what follows it: its length, or what its CRC covers.
const LONGEST_IDENTIFIER: u64 = 128 << 10;

impl UdfVolume {
    /// The bytes of a directory; where they are damaged and have a mirror, those. With them, which
    /// copy they are.
    pub(super) fn dir_bytes(&self, icb: &Icb, place: Site) -> Result<(Vec<u8>, Replica)> {
        let max = self.disc.limits().directory_bytes;
        let read = |replica: Replica| self.small_file(icb, replica, max, "bytes in one directory");
        let is_good = |bytes: &Vec<u8>| {
            Identifiers::new(bytes, place).all(|entry| entry.is_ok_and(|entry| entry.is_sound))
        };
        let main = read(Replica::Main);
        if main.as_ref().is_ok_and(is_good) || !self.partitions.has_mirror(icb.address) {
            return main.map(|bytes| (bytes, Replica::Main));
        }
        // One of them is held at a time.
        let has_main = main.is_ok();
        drop(main);
        match read(Replica::Mirror) {
            Ok(mirror) if is_good(&mirror) || !has_main => {
                self.note_mirror("a directory");
                Ok((mirror, Replica::Mirror))
            }
            _ => read(Replica::Main).map(|bytes| (bytes, Replica::Main)),
        }
    }

    /// Adds entries of a directory to `builder` until there are `wanted`; `base` is the byte of the
    /// directory at which they begin. Whether all of them were sound.
    fn add_entries(
        &self,
        builder: &mut DirBuilder,
        entries: Identifiers<'_>,
        dir: &ListedDir,
        base: u64,
        wanted: usize,
    ) -> Result<bool> {
        let mut is_sound = true;
        for entry in entries {
            if builder.len() >= wanted {
                break;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    is_sound = false;
                    self.disc.findings().note_error("the identifier is left out", &error);
                    continue;
                }
            };
            if !entry.is_sound {
                is_sound = false;
                let error = dir.place.corrupt("has an identifier with a wrong checksum or CRC");
                self.disc.findings().note_error("the identifier is used all the same", &error);
            }
            if entry.characteristics.contains(Characteristics::DELETED) || entry.is_parent(base) {
                continue;
            }
            if entry.characteristics.contains(Characteristics::PARENT) {
                let error =
                    dir.place.corrupt("has an identifier with a name that is marked as the parent");
                self.disc.findings().note_error("the identifier is shown as an entry", &error);
            }
            let is_hidden = entry.characteristics.contains(Characteristics::HIDDEN);
            if is_hidden && self.is_bad_block_file(dir.node, entry.name) {
                continue;
            }
            let is_dir = entry.characteristics.contains(Characteristics::DIRECTORY);
            let offset = base.saturating_add(to_u64(entry.offset));
            let name = self.name(entry.name, dir.place.at, offset);
            match node_of(&self.partitions, address_of(&entry.icb)) {
                Ok(node) => {
                    let (node, kind) = match is_dir {
                        true if dir.is_believed => (node, Some(FileKind::Directory)),
                        true => self.directory_at(node, address_of(&entry.icb), &name),
                        false => (node, None),
                    };
                    let entry = DirEntry { name: &name, node, kind, is_hidden };
                    builder.push_at(entry, offset, offset)?;
                }
                Err(error) => self
                    .disc
                    .findings()
                    .note_error("the entry of the directory is left out", &error),
            }
        }
        Ok(is_sound)
    }

    /// Node and kind of what an identifier says is a directory. Where its ICB says that it is
    /// something else, its first bytes decide. Damage to the ICB itself is reported when the
    /// directory is read.
    fn directory_at(
        &self,
        node: NodeId,
        address: Address,
        name: &[u8],
    ) -> (NodeId, Option<FileKind>) {
        let said = (node, Some(FileKind::Directory));
        let Ok((at, block)) = self.block(address, Replica::Main) else { return said };
        let Ok(icb) = Icb::parse(&block, at, address) else { return said };
        // Another entry may stand for it, and is not looked for here.
        if icb.kind == FileKind::Directory || icb.may_be_replaced || !icb.is_sound {
            return said;
        }
        let is_one = icb.kind == FileKind::Regular && self.begins_as_directory(&icb);
        let what = match is_one {
            true => "is shown as a directory",
            false => "is shown as what its file entry says",
        };
        let error = site(at).corrupt("says that a directory is another kind of file");
        let what = format!("\"{}\" {what}", name.escape_ascii());
        self.disc.findings().note_error(&what, &error);
        if is_one { (as_directory(node), said.1) } else { (node, None) }
    }

    /// Whether the bytes of a file begin as those of a directory do, with its parent.
    fn begins_as_directory(&self, icb: &Icb) -> bool {
        const PARENT_BYTES: u64 = 40;
        let extents = allocation::extents(&self.disc, &self.partitions, icb, Replica::Main);
        let bytes = extents.and_then(|extents| {
            self.metadata_of(&extents, 0..PARENT_BYTES.min(extents.len()), icb.at)
        });
        let Ok(bytes) = bytes else { return false };
        let first = Identifiers::new(&bytes, site(icb.at)).next();
        first.is_some_and(|first| first.is_ok_and(|first| first.is_parent(0)))
    }

    /// Whether an entry is the file of the root that holds the blocks nobody may use: it stands
    /// for defects of the medium and holds nothing (UDF 1.50 2.3.13, UDF 2.60 2.2.5).
    fn is_bad_block_file(&self, dir: NodeId, cs0: &[u8]) -> bool {
        dir == self.root && decode_cs0(cs0).as_deref() == Some(b"Non-Allocatable Space")
    }

    /// The name of an entry; one that cannot be decoded is made from its bytes.
    pub(super) fn name(&self, cs0: &[u8], dir_at: u64, offset: u64) -> Vec<u8> {
        let decoded = decode_cs0(cs0);
        let is_readable = decoded.is_some();
        let mut name = decoded.unwrap_or_else(|| cs0.escape_ascii().to_string().into_bytes());
        if make_component(&mut name) || !is_readable {
            let place = Site::new(
                "file identifier descriptor",
                "UDF 2.60 2.3.4",
                dir_at.saturating_add(offset),
            );
            // Damage to it would be known by the descriptor's CRC.
            let error = place.corrupt("has a name that is no file name");
            self.disc.findings().note_harmless(format!(
                "{error}; it is shown with _ in place of what a name cannot hold"
            ));
        }
        name
    }

    /// Parses a directory. Its identifiers are taken at their word, or what they lead to is looked
    /// at.
    fn parse_whole(&self, node: NodeId, is_believed: bool) -> Result<(Dir, Option<Outline>)> {
        let icb = self.icb(node)?;
        if icb.kind != FileKind::Directory {
            return Err(Error::NotDirectory);
        }
        let limits = self.disc.limits();
        let dir = ListedDir { is_believed, ..ListedDir::new(node, &icb) };
        let place = dir.place;
        let _permit = self.disc.permit(icb.information_len);
        self.shelf.make_room(icb.information_len);
        self.note_excess(&icb, place);
        let (bytes, replica) = self.dir_bytes(&icb, place)?;
        let entries = Identifiers::new(&bytes, place);
        let parent = entries
            .clone()
            .flatten()
            .find(|entry| entry.is_parent(0))
            .and_then(|entry| node_of(&self.partitions, address_of(&entry.icb)).ok());
        let mut builder = DirBuilder::new(node, parent.unwrap_or(self.root), limits, place);
        self.add_entries(&mut builder, entries, &dir, 0, usize::MAX)?;
        drop(bytes);
        let (dir, outline) = finished(builder, &self.disc, place, || true)?;
        let Some(mut outline) = outline else { return Ok((dir, None)) };
        let extents = allocation::extents(&self.disc, &self.partitions, &icb, replica)?;
        outline.extents = Some(extents);
        Ok((dir, Some(outline)))
    }
}

/// A directory whose entries are read.
struct ListedDir {
    node: NodeId,
    place: Site,
    /// Whether its identifiers are taken at their word, and no entry of another file is read.
    is_believed: bool,
}

impl ListedDir {
    fn new(node: NodeId, icb: &Icb) -> Self {
        let place = Site::new("directory", "ECMA-167 4/8.6", icb.at);
        Self { node, place, is_believed: false }
    }
}

impl InParts for UdfVolume {
    fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    fn parse_dir(&self, node: NodeId) -> Result<(Dir, Option<Outline>)> {
        self.parse_whole(node, false)
    }

    fn parse_names(&self, node: NodeId) -> Result<(Dir, Option<Outline>, bool)> {
        let (dir, outline) = self.parse_whole(node, true)?;
        let names_a_dir = dir.iter().any(|entry| entry.kind == Some(FileKind::Directory));
        Ok((dir, outline, !names_a_dir))
    }

    fn parse_part(&self, outline: &Outline, part: usize) -> Result<DirBuilder> {
        let node = outline.node;
        let icb = self.icb(node)?;
        let limits = self.disc.limits();
        let dir = ListedDir::new(node, &icb);
        let missing =
            site(icb.at).corrupt("leads to extents that end before the length of the file");
        let extents = outline.extents.as_ref().ok_or(missing)?;
        let (from, next) = outline.places(part);
        let end = from.saturating_add(limits.directory_part_bytes);
        // Its own bytes are enough unless one of its identifiers is damaged, and reaches further.
        let ends = [end.min(next.unwrap_or(u64::MAX)), end.saturating_add(LONGEST_IDENTIFIER)];
        let wanted = outline.positions(part).len();
        let mut builder = DirBuilder::new(node, outline.parent, limits, dir.place);
        for end in ends {
            let bytes = self.metadata_of(extents, from..end.min(extents.len()), icb.at)?;
            let place = dir.place.moved(dir.place.at.saturating_add(from));
            let entries = Identifiers::new(&bytes, place);
            builder = DirBuilder::new(node, outline.parent, limits, dir.place);
            let is_sound = self.add_entries(&mut builder, entries, &dir, from, wanted)?;
            if is_sound && builder.len() == wanted {
                break;
            }
        }
        Ok(builder)
    }
}
