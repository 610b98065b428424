//! What a UDF file has beside its bytes: Finder information, named streams, and attributes that
//! stand in an ICB of their own (ECMA-167 4/9.1, 4/9.2, UDF 2.60 3.3.5).

use super::address::Replica;
use super::allocation;
use super::attribute_space::Known;
use super::directory::Identifiers;
use super::disk::Characteristics;
use super::icb::{Icb, site};
use super::volume::{UdfVolume, address_of};
use crate::cache::Weigh;
use crate::error::{Result, Site};
use crate::num::to_u64;
use crate::volume::{Data, Extents, FINDER_INFO, NodeId, RESOURCE_FORK, Xattr};

/// The name that a stream has as an attribute.
fn attribute_name(stream: Vec<u8>) -> Vec<u8> {
    match stream.as_slice() {
        b"*UDF Macintosh Resource Fork" => RESOURCE_FORK.to_vec(),
        _ => stream,
    }
}

impl UdfVolume {
    /// Finder information and named streams of a node.
    pub(super) fn attributes(&self, node: NodeId) -> Result<Vec<Xattr>> {
        let icb = self.icb(node)?;
        let mut found = Vec::new();
        if let Some(value) = &icb.finder_info {
            found.push(Xattr::of_bytes(FINDER_INFO, value.clone()));
        }
        if let Some(streams) = icb.streams {
            self.add_streams(&self.stream_directory(streams)?, &mut found)?;
        }
        Ok(found)
    }

    /// Reads the attributes of an entry that stand in an ICB of their own (ECMA-167 4/9.1). What
    /// cannot be read of them is a finding: the file is there without them.
    pub(super) fn read_more_attributes(&self, icb: &mut Icb) {
        const EXTENDED_ATTRIBUTES: u8 = 8;
        let Some(address) = icb.more_attributes else { return };
        let max = self.disc.limits().icb_bytes;
        let space = self
            .entry_at(address, |block, at, address| {
                Icb::parse_system(block, at, address, &[EXTENDED_ATTRIBUTES])
            })
            .and_then(|own| self.small_file(&own, Replica::Main, max, "bytes of attributes"));
        match space {
            Ok(space) => icb.add_attributes(Known::parse(&space)),
            Err(error) => self
                .disc
                .findings()
                .note_error("extended attributes of the file are left out", &error),
        }
    }

    /// Adds the streams that a stream directory names (ECMA-167 4/9.2).
    fn add_streams(&self, directory: &Icb, found: &mut Vec<Xattr>) -> Result<()> {
        let place = Site::new("stream directory", "ECMA-167 4/9.2", directory.at);
        let (bytes, _) = self.dir_bytes(directory, place)?;
        let limits = self.disc.limits();
        let (max, max_bytes) = (limits.streams, limits.attribute_bytes);
        let mut held_bytes = 0u64;
        let skipped = Characteristics::PARENT | Characteristics::DELETED;
        for entry in Identifiers::new(&bytes, place).flatten() {
            if entry.characteristics.intersects(skipped) {
                continue;
            }
            if to_u64(found.len()) >= max {
                return Err(place.limit("streams of one file", max));
            }
            match self.icb_at(address_of(&entry.icb)).and_then(|icb| self.stream(&icb)) {
                Ok(value) => {
                    let name = self.name(entry.name, directory.at, to_u64(entry.offset));
                    let stream = Xattr { name: attribute_name(name), value };
                    held_bytes = held_bytes.saturating_add(stream.weight_bytes());
                    if held_bytes > max_bytes {
                        return Err(place.limit("bytes of streams of one file", max_bytes));
                    }
                    found.push(stream);
                }
                Err(error) => {
                    self.disc.findings().note_error("a stream of the file is left out", &error)
                }
            }
        }
        Ok(())
    }

    /// The bytes of a stream. One that is too long for an attribute is not looked for: a thousand
    /// streams may share one chain of allocation descriptors without end.
    fn stream(&self, icb: &Icb) -> Result<Data> {
        if icb.information_len > self.disc.limits().xattr_bytes {
            return Ok(Data::Plain(Extents::unread(icb.information_len, site(icb.at))));
        }
        const MAX_ALLOCATION_EXTENTS: u64 = 64;
        let (disc, partitions, max) = (&self.disc, &self.partitions, MAX_ALLOCATION_EXTENTS);
        allocation::extents_within(disc, partitions, icb, Replica::Main, max).map(Data::Plain)
    }
}
