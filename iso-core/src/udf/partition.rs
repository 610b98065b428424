//! Partition maps: from a block of a partition to a byte of the image (ECMA-167 3/10.7).
//! Plain partitions; the other kinds of UDF are named and refused.

use zerocopy::FromBytes;

use super::disk::{LogicalDescriptor, MapHeader, NamedMap, PlainMap};
use super::sequence::Sequence;
use crate::error::{Result, Site};
use crate::num::to_u64;

/// A block of a logical volume, by the number of its partition map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) partition: u16,
    pub(super) block: u32,
}

/// The partitions of a logical volume, in the order of its maps.
#[derive(Debug)]
pub(super) struct Partitions {
    block_bytes: u64,
    plain: Vec<Plain>,
    site: Site,
}

/// A partition that lies in the image as it is.
#[derive(Debug, Clone, Copy)]
struct Plain {
    start_at: u64,
    blocks: u64,
}

impl Partitions {
    /// The first map's partition alone, in blocks of 2048 bytes, for tests.
    #[cfg(test)]
    pub(super) fn for_tests(start_at: u64) -> Self {
        let site = Site::new("test", "none", 0);
        Self { block_bytes: 2048, plain: vec![Plain { start_at, blocks: 1 << 20 }], site }
    }

    /// Reads the maps of a logical volume.
    ///
    /// # Errors
    /// `Unsupported` for virtual, sparable and metadata partitions; `Corrupt` for a map without
    /// a partition.
    pub(super) fn read(
        logical: &LogicalDescriptor,
        maps: &[u8],
        sequence: &Sequence,
        sector_bytes: u64,
        site: Site,
    ) -> Result<Self> {
        let mut plain = Vec::new();
        let mut rest = maps;
        while to_u64(plain.len()) < u64::from(logical.maps.get()) {
            let (header, _) = MapHeader::ref_from_prefix(rest)
                .map_err(|_| site.corrupt("its partition maps end before their number"))?;
            let (map, after) = rest
                .split_at_checked(usize::from(header.len))
                .filter(|_| header.len > 0)
                .ok_or(site.corrupt("a partition map runs past its end"))?;
            plain.push(parse_map(map, sequence, sector_bytes, site)?);
            rest = after;
        }
        Ok(Self { block_bytes: u64::from(logical.block_bytes.get()), plain, site })
    }

    /// The byte at which a block begins.
    ///
    /// # Errors
    /// `Corrupt` for a partition that is not there. A block past the partition's recorded end is
    /// no error as long as the image has it: partition lengths are not needed to find bytes.
    pub(super) fn byte_of(&self, address: Address) -> Result<u64> {
        let plain = self
            .plain
            .get(usize::from(address.partition))
            .ok_or(self.site.corrupt("it lacks a partition map that is used"))?;
        Ok(plain.start_at.saturating_add(u64::from(address.block).saturating_mul(self.block_bytes)))
    }

    /// Bytes of a logical block.
    pub(super) const fn block_bytes(&self) -> u64 {
        self.block_bytes
    }

    /// Where the last partition ends, in bytes.
    pub(super) fn end(&self) -> u64 {
        let ends = self.plain.iter().map(|plain| {
            plain.start_at.saturating_add(plain.blocks.saturating_mul(self.block_bytes))
        });
        ends.max().unwrap_or(0)
    }
}

fn parse_map(map: &[u8], sequence: &Sequence, sector_bytes: u64, site: Site) -> Result<Plain> {
    if let Ok((named, _)) = NamedMap::ref_from_prefix(map)
        && named.header.kind == 2
    {
        return Err(site.unsupported(match named.kind.identifier.get(..19) {
            Some(b"*UDF Virtual Partit") => "UDF with a virtual partition",
            Some(b"*UDF Sparable Parti") => "UDF with a sparable partition",
            Some(b"*UDF Metadata Parti") => "UDF with a metadata partition",
            _ => "UDF with an unknown kind of partition",
        }));
    }
    let (plain, _) = PlainMap::ref_from_prefix(map)
        .map_err(|_| site.corrupt("a partition map is shorter than 6 bytes"))?;
    if plain.header.kind != 1 {
        return Err(site.unsupported("UDF with an unknown kind of partition"));
    }
    let partition = sequence
        .partition(plain.partition.get())
        .ok_or(site.corrupt("it maps a partition that has no descriptor"))?;
    Ok(Plain {
        start_at: u64::from(partition.start.get()).saturating_mul(sector_bytes),
        blocks: u64::from(partition.len.get()),
    })
}
