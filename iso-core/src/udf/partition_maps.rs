//! The partition maps of a logical volume, and the tables that find the blocks of virtual, sparable
//! and metadata partitions (ECMA-167 3/10.7, UDF 2.60 2.2.8 to 2.2.10). Read once, at opening.

use zerocopy::FromBytes;

use super::address::{Address, Replica};
use super::allocation;
use super::disk::{
    LogicalDescriptor, MapHeader, MetadataMap, NamedMap, PlainMap, SparableMap, VirtualMap,
};
use super::icb::{self, Icb};
use super::partition::{Map, Partitions, Plain};
use super::sequence::Sequence;
use super::sparing::Sparing;
use super::virtual_table::Finder;
use crate::cache::Disc;
use crate::error::{Result, Site};
use crate::num::{to_u64, to_usize};
use crate::volume::Extents;

/// Reads the maps of a logical volume and the tables they need; of virtual allocation tables the
/// newest, or the one at `table_at`.
///
/// # Errors
/// `Unsupported` for partitions of no known kind; `Corrupt` for a map without a partition, or
/// without the table that finds its blocks.
pub(super) fn read(
    disc: &Disc,
    logical: &LogicalDescriptor,
    maps: &[u8],
    sequence: &Sequence,
    (sector_bytes, table_at): (u64, Option<u64>),
    site: Site,
) -> Result<Partitions> {
    let raw = split(logical, maps, disc.limits().partition_maps, site)?;
    let max_bytes = disc.limits().partition_table_bytes;
    let block_bytes = u64::from(logical.block_bytes.get());
    let reader = Reader { disc, sequence, sector_bytes, block_bytes, table_at, site };
    let mut partitions = Partitions::new(block_bytes, site);
    for map in &raw {
        partitions.push(reader.physical(map)?, max_bytes)?;
    }
    for (index, map) in raw.iter().enumerate() {
        if partitions.is_unread(index) {
            let (found, tables) = reader.mapped(map, &partitions)?;
            partitions.fill(index, found, tables, max_bytes)?;
        }
    }
    Ok(partitions)
}

/// Cuts the table of maps into maps.
fn split<'m>(
    logical: &LogicalDescriptor,
    maps: &'m [u8],
    max: u64,
    site: Site,
) -> Result<Vec<&'m [u8]>> {
    let count = u64::from(logical.maps.get());
    if count > max {
        return Err(site.limit("partition maps", max));
    }
    let mut raw = Vec::new();
    let mut rest = maps;
    while to_u64(raw.len()) < count {
        let (header, _) = MapHeader::ref_from_prefix(rest)
            .map_err(|_| site.corrupt("has fewer partition maps than announced"))?;
        let (map, after) = rest
            .split_at_checked(usize::from(header.len))
            .filter(|_| header.len > 0)
            .ok_or(site.corrupt("has a partition map that runs past the end of the maps"))?;
        raw.push(map);
        rest = after;
    }
    Ok(raw)
}

/// What a map of type 2 is for (UDF 2.60 2.2.8 to 2.2.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Virtual,
    Sparable,
    Metadata,
}

impl Kind {
    fn of(map: &[u8]) -> Option<Self> {
        let (named, _) = NamedMap::ref_from_prefix(map).ok()?;
        if named.header.kind != 2 {
            return None;
        }
        let identifier = &named.kind.identifier;
        [
            (&b"*UDF Virtual Partition"[..], Self::Virtual),
            (b"*UDF Sparable Partition", Self::Sparable),
            (b"*UDF Metadata Partition", Self::Metadata),
        ]
        .into_iter()
        .find_map(|(name, kind)| identifier.starts_with(name).then_some(kind))
    }
}

/// What is needed to read the tables of partitions.
struct Reader<'a> {
    disc: &'a Disc,
    sequence: &'a Sequence,
    sector_bytes: u64,
    block_bytes: u64,
    /// Byte of the ICB of the virtual allocation table to use, if not the newest.
    table_at: Option<u64>,
    site: Site,
}

impl Reader<'_> {
    fn plain(&self, number: u16) -> Result<Plain> {
        let partition = self
            .sequence
            .partition(number)
            .ok_or(self.site.corrupt("maps a partition that has no descriptor"))?;
        Ok(Plain {
            number,
            start_at: u64::from(partition.start.get()).saturating_mul(self.sector_bytes),
            blocks: u64::from(partition.len.get()),
        })
    }

    /// A map of a partition that lies on the medium; the others wait.
    fn physical(&self, map: &[u8]) -> Result<Map> {
        let short = self.site.corrupt("has a partition map that is cut short");
        match (map.first(), Kind::of(map)) {
            (Some(1), _) => {
                let (plain, _) = PlainMap::ref_from_prefix(map).ok().ok_or(short)?;
                self.plain(plain.partition.get()).map(Map::Plain)
            }
            (_, Some(Kind::Sparable)) => {
                let (sparable, locations) = SparableMap::ref_from_prefix(map).ok().ok_or(short)?;
                let plain = self.plain(sparable.base.partition.get())?;
                let sparing = Sparing::read(self.disc, sparable, locations, self.sector_bytes);
                Ok(Map::Sparable(plain, sparing))
            }
            (_, Some(Kind::Virtual | Kind::Metadata)) => Ok(Map::Unread),
            (_, None) => Err(self.site.unsupported("UDF with an unknown kind of partition")),
        }
    }

    /// A map of a partition that lies in another one.
    /// With it, where the tables of a virtual one lie.
    fn mapped(&self, map: &[u8], partitions: &Partitions) -> Result<(Map, Vec<u64>)> {
        let (base, _) = VirtualMap::ref_from_prefix(map)
            .map_err(|_| self.site.corrupt("has a partition map that is cut short"))?;
        let (index, plain) = partitions
            .physical(base.partition.get())
            .ok_or(self.site.corrupt("maps a partition that is not on the medium"))?;
        if Kind::of(map) == Some(Kind::Virtual) {
            let finder =
                Finder { disc: self.disc, partitions, physical: index, start_at: plain.start_at };
            let table = match self.table_at {
                Some(at) => finder.at(at)?,
                None => finder.newest()?,
            };
            let tables = finder.chain(&table);
            return Ok((Map::Virtual(plain, table.entries), tables));
        }
        self.metadata(map, index, partitions).map(|map| (map, Vec::new()))
    }

    fn metadata(&self, map: &[u8], index: u16, partitions: &Partitions) -> Result<Map> {
        let (metadata, _) = MetadataMap::ref_from_prefix(map)
            .map_err(|_| self.site.corrupt("has a partition map that is cut short"))?;
        let file = |block: u32, types: &[u8]| {
            let address = Address { partition: index, block };
            self.system_file(partitions, address, types)
        };
        let main = file(metadata.main.get(), &[METADATA_FILE, PLAIN_FILE]);
        let mirror = file(metadata.mirror.get(), &[METADATA_MIRROR, METADATA_FILE, PLAIN_FILE]);
        match (main, mirror) {
            (Err(error), Err(_)) => Err(error),
            (Err(error), mirror) => {
                self.disc
                    .findings()
                    .note_made_up_for(format!("{error}; the metadata mirror file is used"));
                Ok(Map::Metadata { main: None, mirror: mirror.ok() })
            }
            (Ok(main), mirror) => {
                if let Err(error) = &mirror {
                    self.disc.findings().note_error("the metadata has no second copy", error);
                }
                Ok(Map::Metadata { main: Some(main), mirror: mirror.ok() })
            }
        }
    }

    /// Where the bytes of a file lie that the volume keeps for itself.
    fn system_file(
        &self,
        partitions: &Partitions,
        address: Address,
        types: &[u8],
    ) -> Result<Extents> {
        let at = partitions.byte_of(address)?;
        let block = self.disc.metadata(at, to_usize(self.block_bytes), icb::site(at))?;
        let file = Icb::parse_system(&block, at, address, types)?;
        allocation::extents(self.disc, partitions, &file, Replica::Main)
    }
}

/// File types of a volume's own files (UDF 2.60 2.3.5.2); 0 and 5 are met for them too.
const METADATA_FILE: u8 = 250;
const METADATA_MIRROR: u8 = 251;
const PLAIN_FILE: u8 = 5;
