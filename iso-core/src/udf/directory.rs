//! File identifiers: the entries of a directory (ECMA-167 4/14.4).
//! Parsing only; the bytes of the directory come from `volume`.

use zerocopy::FromBytes;

use super::disk::{Characteristics, FileIdentifier, LongAd};
use super::tag::{self, id};
use crate::error::{Result, Site};
use crate::num::to_u64;

/// One entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identifier<'a> {
    pub(super) characteristics: Characteristics,
    pub(super) icb: LongAd,
    /// The name in OSTA CS0.
    pub(super) name: &'a [u8],
    /// Bytes from the start of the directory.
    pub(super) offset: usize,
    /// Whether the checksum and the CRC fit.
    pub(super) is_sound: bool,
}

impl Identifier<'_> {
    /// Whether it stands for the parent directory, which is the first entry (UDF 2.60 2.3.4) and
    /// has no name (ECMA-167 4/14.4.8). `base` is the byte of the directory where the bytes begin.
    pub(super) const fn is_parent(&self, base: u64) -> bool {
        let is_first = base == 0 && self.offset == 0;
        self.characteristics.contains(Characteristics::PARENT) && (is_first || self.name.is_empty())
    }
}

/// The entries in the bytes of a directory. After a damaged one the next that can be recognised
/// follows: identifiers begin at multiples of four bytes (ECMA-167 4/14.4.9).
#[derive(Debug, Clone)]
pub(super) struct Identifiers<'a> {
    bytes: &'a [u8],
    pos: usize,
    /// The directory's own place, for errors.
    site: Site,
}

impl<'a> Identifiers<'a> {
    pub(super) const fn new(bytes: &'a [u8], site: Site) -> Self {
        Self { bytes, pos: 0, site }
    }

    /// The next position at which an identifier's tag stands.
    fn resume(&self, from: usize) -> usize {
        let is_tag = |pos: &usize| {
            let tag = self.bytes.get(*pos..).and_then(tag::parse);
            tag.is_some_and(|tag| tag.identifier.get() == id::FILE_IDENTIFIER)
        };
        (from..self.bytes.len()).step_by(4).find(is_tag).unwrap_or(self.bytes.len())
    }

    fn parse(&self, rest: &'a [u8]) -> Result<(Identifier<'a>, usize)> {
        let tag = tag::parse_liberally(rest);
        let tag = tag.filter(|(tag, _)| tag.identifier.get() == id::FILE_IDENTIFIER);
        let (_, is_sound) = tag.ok_or(self.here().corrupt("has a damaged tag"))?;
        let (head, tail) = FileIdentifier::ref_from_prefix(rest)
            .map_err(|_| self.here().corrupt("runs past its directory"))?;
        let implementation_len = usize::from(head.implementation_len.get());
        let name = tail
            .get(implementation_len..)
            .and_then(|tail| tail.get(..usize::from(head.name_len)))
            .ok_or(self.here().corrupt("runs past its directory"))?;
        let len = size_of::<FileIdentifier>()
            .saturating_add(implementation_len)
            .saturating_add(name.len())
            .next_multiple_of(4);
        let identifier = Identifier {
            characteristics: Characteristics::from_bits_retain(head.characteristics),
            icb: head.icb,
            name,
            offset: self.pos,
            is_sound,
        };
        Ok((identifier, len))
    }

    fn here(&self) -> Site {
        Site::new(
            "file identifier descriptor",
            "ECMA-167 4/14.4",
            self.site.at.saturating_add(to_u64(self.pos)),
        )
    }
}

impl<'a> Iterator for Identifiers<'a> {
    type Item = Result<Identifier<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.pos..).filter(|rest| !rest.is_empty())?;
        match self.parse(rest) {
            Ok((identifier, len)) => {
                self.pos = self.pos.saturating_add(len);
                Some(Ok(identifier))
            }
            Err(error) => {
                // What is left may be nothing but padding.
                let is_padding = rest.iter().all(|byte| *byte == 0);
                self.pos = self.resume(self.pos.saturating_add(4));
                if is_padding { None } else { Some(Err(error)) }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "identifiers built by hand in bytes")]
mod tests {
    use super::*;

    fn identifier(name: &[u8], implementation: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0u8; 38];
        bytes[0..2].copy_from_slice(&id::FILE_IDENTIFIER.to_le_bytes());
        bytes[19] = name.len() as u8;
        bytes[36] = implementation.len() as u8;
        bytes[4] = bytes[..16].iter().fold(0, |a: u8, b| a.wrapping_add(*b));
        bytes.extend_from_slice(implementation);
        bytes.extend_from_slice(name);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    const SITE: Site = Site::new("directory", "test", 0);

    #[test]
    fn names_stand_behind_the_implementation_use() {
        let bytes = [identifier(b"\x08a", b"impl"), identifier(b"\x08bcd", b"")].concat();
        let names: Vec<_> =
            Identifiers::new(&bytes, SITE).map(|entry| entry.unwrap().name.to_vec()).collect();
        assert_eq!(names, [&b"\x08a"[..], b"\x08bcd"]);
    }

    #[test]
    fn a_damaged_identifier_is_an_error_and_the_next_one_follows() {
        let mut bytes = [identifier(b"\x08a", b""), identifier(b"\x08b", b"")].concat();
        bytes[4] ^= 1;
        let entries: Vec<_> = Identifiers::new(&bytes, SITE).collect();
        assert_eq!(entries.len(), 2);
        assert!(entries[0].as_ref().unwrap_err().to_string().contains("has a damaged tag"));
        assert_eq!(entries[1].as_ref().unwrap().name, b"\x08b");
    }

    #[test]
    fn an_identifier_past_the_end_is_an_error_and_padding_is_not() {
        let mut cut = identifier(b"\x08abcdefgh", b"");
        cut.truncate(42);
        let entries: Vec<_> = Identifiers::new(&cut, SITE).collect();
        assert_eq!(entries.len(), 1);
        assert!(entries[0].is_err());
        let mut padded = identifier(b"\x08a", b"");
        padded.resize(512, 0);
        assert_eq!(Identifiers::new(&padded, SITE).count(), 1);
    }
}
