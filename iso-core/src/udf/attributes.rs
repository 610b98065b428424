//! Extended attributes of UDF files: those in a file entry, and named streams (ECMA-167 4/14.10,
//! UDF 2.60 3.3.4, 3.3.5). Parsing first, then what a volume gives of it.

use zerocopy::FromBytes;

use super::allocation;
use super::directory::Identifiers;
use super::disk::{
    AttributeHead, AttributeSpace, Characteristics, DeviceSpecification, FileTimes,
    ImplementationUse, MacFinderInfo,
};
use super::icb::{Icb, site};
use super::partition::Replica;
use super::volume::{UdfVolume, address_of};
use crate::cache::Weigh;
use crate::error::{Result, Site};
use crate::num::{to_u64, to_usize};
use crate::time::Timestamp;
use crate::volume::{Data, Device, Extents, FINDER_INFO, NodeId, RESOURCE_FORK, Xattr};

/// The attributes of a file entry, each with its type and what follows its head.
pub(super) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The attributes in an extended attribute space, which begins with a descriptor.
    pub(super) fn new(space: &'a [u8]) -> Self {
        Self(space.get(size_of::<AttributeSpace>()..).unwrap_or_default())
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let space = std::mem::take(&mut self.0);
        let (head, _) = AttributeHead::ref_from_prefix(space).ok()?;
        let (attribute, rest) = space.split_at_checked(to_usize(head.len.get().into()))?;
        let data = attribute.get(size_of::<AttributeHead>()..)?;
        self.0 = rest;
        Some((head.kind.get(), data))
    }
}

/// What is read of a file entry's attributes; the rest (DVD copyright management, OS/2 and others)
/// is stepped over.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) device: Option<Device>,
    pub(super) created: Option<Timestamp>,
    pub(super) finder_info: Option<Vec<u8>>,
}

impl Known {
    pub(super) fn parse(space: &[u8]) -> Self {
        const FILE_TIMES: u32 = 5;
        const DEVICE_SPECIFICATION: u32 = 12;
        const IMPLEMENTATION_USE: u32 = 2048;
        let mut known = Self::default();
        for (kind, data) in Attributes::new(space) {
            match kind {
                FILE_TIMES => known.created = known.created.or(created(data)),
                DEVICE_SPECIFICATION => known.device = known.device.or(device(data)),
                IMPLEMENTATION_USE => {
                    known.finder_info = known.finder_info.take().or(finder_info(data));
                }
                _ => {}
            }
        }
        known
    }
}

/// The creation time in a file times attribute (ECMA-167 4/14.10.5).
fn created(data: &[u8]) -> Option<Timestamp> {
    const CREATION: u32 = 1;
    let (times, _) = FileTimes::ref_from_prefix(data).ok()?;
    times.first.timestamp().filter(|_| times.existence.get() & CREATION != 0)
}

/// The number in a device specification (ECMA-167 4/14.10.7).
fn device(data: &[u8]) -> Option<Device> {
    let (device, _) = DeviceSpecification::ref_from_prefix(data).ok()?;
    Some(Device { major: device.major.get(), minor: device.minor.get() })
}

/// The 32 bytes in a Mac Finder information attribute (UDF 2.60 3.3.4.5.4.2).
fn finder_info(data: &[u8]) -> Option<Vec<u8>> {
    let (head, rest) = ImplementationUse::ref_from_prefix(data).ok()?;
    if !head.kind.identifier.starts_with(b"*UDF Mac FinderInfo") {
        return None;
    }
    let (mac, _) = MacFinderInfo::ref_from_prefix(rest).ok()?;
    Some(mac.finder_info.to_vec())
}

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
            found.push(Xattr::told(FINDER_INFO, value.clone()));
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
            Err(error) => self.disc.findings().note_error("attributes are left out", &error),
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
                Err(error) => self.disc.findings().note_error("a stream is left out", &error),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u32, data: &[u8]) -> Vec<u8> {
        let len = u32::try_from(data.len()).unwrap().saturating_add(12);
        [&kind.to_le_bytes()[..], &[1, 0, 0, 0], &len.to_le_bytes(), data].concat()
    }

    #[test]
    fn what_matters_is_found_among_what_does_not() {
        let mut space = vec![0; 24];
        space.extend(attribute(65536, &[9; 20]));
        let number = |n: u32| n.to_le_bytes();
        space.extend(attribute(12, &[number(0), number(8), number(3)].concat()));
        let time = [0, 0x10, 218, 7, 1, 1, 0, 0, 0, 0, 0, 0];
        space.extend(attribute(5, &[&number(12)[..], &number(1), &time].concat()));
        let mut mac = number(48).to_vec();
        mac.push(0);
        mac.extend(b"*UDF Mac FinderInfo");
        mac.resize(4 + 32 + 8, 0);
        mac.extend(b"TEXTttxt");
        mac.resize(4 + 32 + 8 + 32, 0);
        space.extend(attribute(2048, &mac));
        let known = Known::parse(&space);
        assert_eq!(known.device, Some(Device { major: 8, minor: 3 }));
        assert_eq!(known.created.map(|t| t.seconds), Some(1_262_304_000));
        assert_eq!(known.finder_info.map(|info| info[..8].to_vec()), Some(b"TEXTttxt".to_vec()));
    }

    #[test]
    fn an_attribute_without_length_or_past_the_end_ends_the_search() {
        let mut space = vec![0; 24];
        space.extend([attribute(5, b""), attribute(12, &[0; 12])].concat());
        space[24 + 8] = 0;
        assert_eq!(Known::parse(&space), Known::default());
        space[24 + 8] = 200;
        assert_eq!(Known::parse(&space), Known::default());
        assert_eq!(Known::parse(b""), Known::default());
    }
}
