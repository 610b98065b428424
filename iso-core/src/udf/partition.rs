//! Partition maps: from a block of a partition to bytes of the image (ECMA-167 3/10.7).
//! Plain, virtual, sparable and metadata partitions; their tables are read once, at opening.

use zerocopy::FromBytes;

use super::allocation;
use super::disk::{
    LogicalDescriptor, MapHeader, MetadataMap, NamedMap, PlainMap, SparableMap, VirtualMap,
};
use super::icb::{self, Icb};
use super::sequence::Sequence;
use super::sparing::Sparing;
use super::virtual_table::Finder;
use crate::cache::{Disc, Weigh};
use crate::error::{Result, Site};
use crate::num::{quotient, to_u64, to_usize};
use crate::volume::Extents;

/// A block of a logical volume, by the number of its partition map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) partition: u16,
    pub(super) block: u32,
}

impl Address {
    /// The block behind this one.
    pub(super) const fn next(self) -> Self {
        Self { block: self.block.saturating_add(1), ..self }
    }
}

/// The partitions of a logical volume, in the order of its maps.
#[derive(Debug)]
pub(super) struct Partitions {
    block_bytes: u64,
    maps: Vec<Map>,
    /// Where the tables of a virtual partition lie, the oldest first.
    tables: Vec<u64>,
    site: Site,
}

/// How a partition's blocks are found.
#[derive(Debug)]
enum Map {
    /// They lie in the image as they are.
    Plain(Plain),
    /// So do they, but for packets that went bad and have others in their place.
    Sparable(Plain, Sparing),
    /// A table names the place of each (write-once media).
    Virtual(Plain, Vec<u32>),
    /// They are the bytes of a file; `mirror` is the file that repeats it.
    Metadata { main: Option<Extents>, mirror: Option<Extents> },
    /// Not known yet: its table has to be found with the help of the others.
    Unread,
}

impl Weigh for Map {
    fn weight_bytes(&self) -> u64 {
        let held = match self {
            Self::Plain(_) | Self::Unread => 0,
            Self::Sparable(_, sparing) => sparing.weight_bytes(),
            Self::Virtual(_, table) => to_u64(size_of_val(table.as_slice())),
            Self::Metadata { main, mirror } => {
                let files = main.iter().chain(mirror);
                files.fold(0u64, |sum, file| sum.saturating_add(file.weight_bytes()))
            }
        };
        held.saturating_add(to_u64(size_of::<Self>()))
    }
}

/// A run of blocks in the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain {
    /// Number of the partition descriptor.
    number: u16,
    pub(super) start_at: u64,
    pub(super) blocks: u64,
}

/// Which copy of a metadata partition is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replica {
    Main,
    Mirror,
}

/// An entry of an allocation table for a block that is not recorded (UDF 2.60 2.2.11).
const UNRECORDED: u32 = u32::MAX;

impl Partitions {
    /// The first map's partition alone, in blocks of 2048 bytes, for tests.
    #[cfg(test)]
    pub(super) fn for_tests(start_at: u64) -> Self {
        let plain = Plain { number: 0, start_at, blocks: 1 << 20 };
        let site = Site::new("test", "none", 0);
        Self { block_bytes: 2048, maps: vec![Map::Plain(plain)], tables: Vec::new(), site }
    }

    /// Reads the maps of a logical volume and the tables they need; of virtual allocation tables
    /// the newest, or the one at `table_at`.
    ///
    /// # Errors
    /// `Unsupported` for partitions of no known kind; `Corrupt` for a map without a partition,
    /// or without the table that finds its blocks.
    pub(super) fn read(
        disc: &Disc,
        logical: &LogicalDescriptor,
        maps: &[u8],
        sequence: &Sequence,
        (sector_bytes, table_at): (u64, Option<u64>),
        site: Site,
    ) -> Result<Self> {
        let raw = split(logical, maps, disc.limits().partition_maps, site)?;
        let block_bytes = u64::from(logical.block_bytes.get());
        let reader = Reader { disc, sequence, sector_bytes, block_bytes, table_at, site };
        let mut partitions = Self { block_bytes, maps: Vec::new(), tables: Vec::new(), site };
        for map in &raw {
            partitions.maps.push(reader.physical(map)?);
            partitions.check_weight(disc)?;
        }
        for (index, map) in raw.iter().enumerate() {
            if matches!(partitions.maps.get(index), Some(Map::Unread)) {
                let (found, tables) = reader.mapped(map, &partitions)?;
                partitions.tables.extend(tables);
                if let Some(slot) = partitions.maps.get_mut(index) {
                    *slot = found;
                }
                partitions.check_weight(disc)?;
            }
        }
        Ok(partitions)
    }

    /// Refuses tables that are too heavy together: many maps may name one table, which each of them
    /// would hold.
    fn check_weight(&self, disc: &Disc) -> Result<()> {
        let max = disc.limits().partition_table_bytes;
        let bytes = self.maps.iter().fold(0u64, |sum, map| sum.saturating_add(map.weight_bytes()));
        if bytes > max {
            return Err(self.site.limit("bytes of tables of partitions", max));
        }
        Ok(())
    }

    /// The byte at which a block begins.
    ///
    /// # Errors
    /// As `span`.
    pub(super) fn byte_of(&self, address: Address) -> Result<u64> {
        Ok(self.span(address, Replica::Main)?.0)
    }

    /// The byte at which a block begins, and how many bytes follow each other there.
    ///
    /// # Errors
    /// `Corrupt` for a partition that is not there, or a block that its table does not name. A
    /// block past a plain partition's recorded end is no error as long as the image has it:
    /// partition lengths are not needed to find bytes.
    pub(super) fn span(&self, address: Address, replica: Replica) -> Result<(u64, u64)> {
        let offset = u64::from(address.block).saturating_mul(self.block_bytes);
        match self.map(address.partition)? {
            Map::Plain(plain) => Ok((plain.start_at.saturating_add(offset), u64::MAX)),
            Map::Sparable(plain, sparing) => {
                let (at, blocks) = sparing.place(address.block);
                let at = at.unwrap_or_else(|| plain.start_at.saturating_add(offset));
                Ok((at, blocks.saturating_mul(self.block_bytes)))
            }
            Map::Virtual(plain, table) => {
                let entry = table.get(to_usize(address.block.into()));
                let block = entry
                    .filter(|block| **block != UNRECORDED)
                    .ok_or(self.site.corrupt("its virtual allocation table lacks a block"))?;
                let at = u64::from(*block).saturating_mul(self.block_bytes);
                Ok((plain.start_at.saturating_add(at), self.block_bytes))
            }
            Map::Metadata { main, mirror } => {
                let file = match replica {
                    Replica::Main => main.as_ref().or(mirror.as_ref()),
                    Replica::Mirror => mirror.as_ref(),
                };
                let run = file.and_then(|file| file.run_at(offset));
                run.and_then(|run| Some((run.at?, run.len)))
                    .ok_or(self.site.corrupt("its metadata file lacks a block"))
            }
            Map::Unread => Err(self.site.corrupt("its partitions need each other to be found")),
        }
    }

    /// Whether a block has a second copy that lies elsewhere.
    pub(super) fn has_mirror(&self, address: Address) -> bool {
        let mirror = self.span(address, Replica::Mirror).ok().map(|(at, _)| at);
        matches!(self.map(address.partition), Ok(Map::Metadata { main: Some(_), .. }))
            && mirror.is_some()
            && mirror != self.byte_of(address).ok()
    }

    /// Whether blocks lie in the image in their order, so that a byte tells its block.
    pub(super) fn is_plain(&self, partition: u16) -> bool {
        matches!(self.map(partition), Ok(Map::Plain(_)))
    }

    fn map(&self, partition: u16) -> Result<&Map> {
        self.maps
            .get(usize::from(partition))
            .ok_or(self.site.corrupt("it lacks a partition map that is used"))
    }

    /// Where the ICBs of the virtual allocation tables lie, the oldest first; none elsewhere.
    pub(super) fn tables(&self) -> &[u64] {
        &self.tables
    }

    /// Bytes of a logical block.
    pub(super) const fn block_bytes(&self) -> u64 {
        self.block_bytes
    }

    /// Where the last partition ends, in bytes; nothing on write-once media, where its length says
    /// what there is room for, and nothing of what was written.
    pub(super) fn end(&self) -> Option<u64> {
        let mut last = 0;
        for map in &self.maps {
            match map {
                Map::Plain(plain) | Map::Sparable(plain, _) => {
                    let len = plain.blocks.saturating_mul(self.block_bytes);
                    last = plain.start_at.saturating_add(len).max(last);
                }
                Map::Virtual(..) => return None,
                Map::Metadata { .. } | Map::Unread => {}
            }
        }
        Some(last)
    }

    /// The map of the partition, of those that lie on the medium, that has a number.
    fn physical(&self, number: u16) -> Option<(u16, Plain)> {
        let maps = (0u16..).zip(&self.maps);
        maps.filter_map(|(index, map)| match map {
            Map::Plain(plain) | Map::Sparable(plain, _) => Some((index, *plain)),
            Map::Virtual(..) | Map::Metadata { .. } | Map::Unread => None,
        })
        .find(|(_, plain)| plain.number == number)
    }
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
            .map_err(|_| site.corrupt("its partition maps end before their number"))?;
        let (map, after) = rest
            .split_at_checked(usize::from(header.len))
            .filter(|_| header.len > 0)
            .ok_or(site.corrupt("a partition map runs past its end"))?;
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
            .ok_or(self.site.corrupt("it maps a partition that has no descriptor"))?;
        Ok(Plain {
            number,
            start_at: u64::from(partition.start.get()).saturating_mul(self.sector_bytes),
            blocks: u64::from(partition.len.get()),
        })
    }

    /// A map of a partition that lies on the medium; the others wait.
    fn physical(&self, map: &[u8]) -> Result<Map> {
        let short = self.site.corrupt("a partition map is cut short");
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
            .map_err(|_| self.site.corrupt("a partition map is cut short"))?;
        let (index, plain) = partitions
            .physical(base.partition.get())
            .ok_or(self.site.corrupt("it maps a partition that is not on the medium"))?;
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
            .map_err(|_| self.site.corrupt("a partition map is cut short"))?;
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

/// The blocks of an image, counted in logical blocks from its beginning.
pub(super) fn blocks_of(disc: &Disc, block_bytes: u64) -> u64 {
    quotient(disc.len(), block_bytes)
}
