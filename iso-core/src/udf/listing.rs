//! Directories of a UDF file set: which bytes they are, and which entries they show
//! (ECMA-167 4/8.6, UDF 2.60 2.3.4). The rest of the volume is in `volume`.

use super::directory::Identifiers;
use super::disk::Characteristics;
use super::icb::Icb;
use super::partition::Replica;
use super::volume::{UdfVolume, address_of, node_of};
use crate::error::{Error, Result, Site};
use crate::num::to_u64;
use crate::text::{decode_cs0, make_component};
use crate::volume::{Dir, DirBuilder, DirEntry, FileKind, NodeId, finished};

impl UdfVolume {
    /// The bytes of a directory; where they are damaged and have a mirror, those.
    pub(super) fn dir_bytes(&self, icb: &Icb, place: Site) -> Result<Vec<u8>> {
        let max = self.disc.limits().directory_bytes;
        let read = |replica: Replica| self.small_file(icb, replica, max, "bytes in one directory");
        let is_good = |bytes: &Vec<u8>| {
            Identifiers::new(bytes, place).all(|entry| entry.is_ok_and(|entry| entry.is_sound))
        };
        let main = read(Replica::Main);
        if main.as_ref().is_ok_and(is_good) || !self.partitions.has_mirror(icb.address) {
            return main;
        }
        // One of them is held at a time.
        let has_main = main.is_ok();
        drop(main);
        match read(Replica::Mirror) {
            Ok(mirror) if is_good(&mirror) || !has_main => {
                self.note_mirror("a directory");
                Ok(mirror)
            }
            _ => read(Replica::Main),
        }
    }

    pub(super) fn parse_dir(&self, node: NodeId) -> Result<Dir> {
        let icb = self.icb(node)?;
        if icb.kind != FileKind::Directory {
            return Err(Error::NotDirectory);
        }
        let limits = self.disc.limits();
        let place = Site::new("directory", "ECMA-167 4/8.6", icb.at);
        let _turn = self.disc.turn(icb.information_len);
        self.dirs.make_room(icb.information_len);
        let bytes = self.dir_bytes(&icb, place)?;
        let entries = Identifiers::new(&bytes, place);
        let parent = entries
            .clone()
            .flatten()
            .find(|entry| entry.characteristics.contains(Characteristics::PARENT))
            .and_then(|entry| node_of(&self.partitions, address_of(&entry.icb)).ok());
        let mut builder = DirBuilder::new(node, parent.unwrap_or(self.root), limits, place);
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.disc.findings().note_error("it is left out", &error);
                    continue;
                }
            };
            if !entry.is_sound {
                let error = place.corrupt("the checksum or CRC of an identifier in it is wrong");
                self.disc.findings().note_error("it is used all the same", &error);
            }
            let skipped = Characteristics::PARENT | Characteristics::DELETED;
            if entry.characteristics.intersects(skipped) {
                continue;
            }
            let is_hidden = entry.characteristics.contains(Characteristics::HIDDEN);
            if is_hidden && self.is_bad_block_file(node, entry.name) {
                continue;
            }
            let is_dir = entry.characteristics.contains(Characteristics::DIRECTORY);
            let kind = is_dir.then_some(FileKind::Directory);
            let name = self.name(entry.name, icb.at, entry.offset);
            match node_of(&self.partitions, address_of(&entry.icb)) {
                Ok(node) => {
                    builder.push(DirEntry { name: &name, node, kind, is_hidden })?;
                }
                Err(error) => self.disc.findings().note_error("an entry is left out", &error),
            }
        }
        finished(builder, &self.disc, place, || true)
    }

    /// Whether an entry is the file of the root that holds the blocks nobody may use: it stands
    /// for defects of the medium and holds nothing (UDF 1.50 2.3.13, UDF 2.60 2.2.5).
    fn is_bad_block_file(&self, dir: NodeId, cs0: &[u8]) -> bool {
        dir == self.root && decode_cs0(cs0).as_deref() == Some(b"Non-Allocatable Space")
    }

    /// The name of an entry; one that cannot be decoded is made from its bytes.
    pub(super) fn name(&self, cs0: &[u8], dir_at: u64, offset: usize) -> Vec<u8> {
        let decoded = decode_cs0(cs0);
        let is_readable = decoded.is_some();
        let mut name = decoded.unwrap_or_else(|| cs0.escape_ascii().to_string().into_bytes());
        if make_component(&mut name) || !is_readable {
            let place = Site::new(
                "file identifier descriptor",
                "UDF 2.60 2.3.4",
                dir_at.saturating_add(to_u64(offset)),
            );
            // Damage to it would be known by the descriptor's CRC.
            let error = place.corrupt("its name is no file name");
            self.disc.findings().note_harmless(format!(
                "{error}; it is shown with _ in place of what a name cannot hold"
            ));
        }
        name
    }
}
