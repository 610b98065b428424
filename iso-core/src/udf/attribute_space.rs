//! Extended attributes that stand in a file entry (ECMA-167 4/14.10, UDF 2.60 3.3.4).
//! Parsing only.

use zerocopy::FromBytes;

use super::disk::{
    AttributeHead, AttributeSpace, DeviceSpecification, FileTimes, ImplementationUse, MacFinderInfo,
};
use crate::num::to_usize;
use crate::time::Timestamp;
use crate::volume::Device;

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
