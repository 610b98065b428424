//! From a block of a partition to bytes of the image: plain, virtual, sparable and metadata
//! partitions (ECMA-167 3/10.7). Reads nothing; `partition_maps` reads the tables at opening.

use super::address::{Address, Replica};
use super::sparing::Sparing;
use crate::cache::Weigh;
use crate::error::{Result, Site};
use crate::num::{to_u64, to_usize};
use crate::volume::Extents;

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
pub(super) enum Map {
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
    pub(super) number: u16,
    pub(super) start_at: u64,
    pub(super) blocks: u64,
}

/// An entry of an allocation table for a block that is not recorded (UDF 2.60 2.2.11).
const UNRECORDED: u32 = u32::MAX;

impl Partitions {
    /// No partition yet, in blocks of this many bytes.
    pub(super) const fn new(block_bytes: u64, site: Site) -> Self {
        Self { block_bytes, maps: Vec::new(), tables: Vec::new(), site }
    }

    /// Adds the next map. `Unread` keeps the place of one that the others are needed for.
    ///
    /// # Errors
    /// `Limit` for tables that are too heavy together: many maps may name one table, which each
    /// of them would hold.
    pub(super) fn push(&mut self, map: Map, max_bytes: u64) -> Result<()> {
        self.maps.push(map);
        self.check_weight(max_bytes)
    }

    /// Puts a map in the place that was kept for it, and notes where its tables lie.
    ///
    /// # Errors
    /// As `push`.
    pub(super) fn fill(
        &mut self,
        index: usize,
        map: Map,
        tables: Vec<u64>,
        max_bytes: u64,
    ) -> Result<()> {
        self.tables.extend(tables);
        if let Some(slot) = self.maps.get_mut(index) {
            *slot = map;
        }
        self.check_weight(max_bytes)
    }

    /// Whether the place of a map is still to be filled.
    pub(super) fn is_unread(&self, index: usize) -> bool {
        matches!(self.maps.get(index), Some(Map::Unread))
    }

    fn check_weight(&self, max: u64) -> Result<()> {
        let bytes = self.maps.iter().fold(0u64, |sum, map| sum.saturating_add(map.weight_bytes()));
        if bytes > max {
            return Err(self.site.limit("bytes of tables of partitions", max));
        }
        Ok(())
    }

    /// The first map's partition alone, in blocks of 2048 bytes, for tests.
    #[cfg(test)]
    pub(super) fn for_tests(start_at: u64) -> Self {
        let plain = Plain { number: 0, start_at, blocks: 1 << 20 };
        let site = Site::new("test", "none", 0);
        Self { block_bytes: 2048, maps: vec![Map::Plain(plain)], tables: Vec::new(), site }
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
                let block = entry.filter(|block| **block != UNRECORDED).ok_or(
                    self.site.corrupt("needs a block that the virtual allocation table lacks"),
                )?;
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
                    .ok_or(self.site.corrupt("needs a block that the metadata file lacks"))
            }
            Map::Unread => {
                Err(self.site.corrupt("has partitions that need each other to be found"))
            }
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
            .ok_or(self.site.corrupt("lacks a partition map that is used"))
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
    pub(super) fn physical(&self, number: u16) -> Option<(u16, Plain)> {
        let maps = (0u16..).zip(&self.maps);
        maps.filter_map(|(index, map)| match map {
            Map::Plain(plain) | Map::Sparable(plain, _) => Some((index, *plain)),
            Map::Virtual(..) | Map::Metadata { .. } | Map::Unread => None,
        })
        .find(|(_, plain)| plain.number == number)
    }
}
