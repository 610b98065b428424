//! Sparing tables: which packets of a rewritable medium went bad, and what stands in their place
//! (UDF 2.60 2.2.12). Reads the tables through `Disc`; a volume without a good one is read as is.

use std::collections::BTreeMap;

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::disk::{SparableMap, SparingEntry, SparingTable};
use super::tag;
use crate::cache::Disc;
use crate::error::{Result, Site};
use crate::num::to_usize;

/// The packets of a partition that lie elsewhere.
#[derive(Debug)]
pub(super) struct Sparing {
    packet_blocks: u32,
    /// Byte at which the stand-in of a packet begins, by the packet's first block.
    spared: BTreeMap<u32, u64>,
    block_bytes: u64,
}

impl Sparing {
    /// Reads the tables that a map names; the good one with the highest number counts.
    pub(super) fn read(
        disc: &Disc,
        map: &SparableMap,
        locations: &[u8],
        sector_bytes: u64,
    ) -> Self {
        let mut best: Option<(u32, BTreeMap<u32, u64>)> = None;
        let len = map.table_bytes.get();
        for location in locations.chunks_exact(size_of::<U32>()).take(map.tables.into()) {
            let Ok(block) = U32::read_from_bytes(location) else { continue };
            let at = u64::from(block.get()).saturating_mul(sector_bytes);
            match table(disc, at, len.into(), sector_bytes) {
                Ok(table) if best.as_ref().is_none_or(|best| table.0 > best.0) => {
                    best = Some(table);
                }
                Ok(_) => {}
                Err(error) => disc.findings().note_error("the next sparing table is used", &error),
            }
        }
        if best.is_none() {
            disc.findings().note("no sparing table can be read; no packet is taken as replaced");
        }
        let told = map.packet_blocks.get();
        if told == 0 {
            disc.findings().note("packets of a sparable partition have no blocks; 32 are assumed");
        }
        Self {
            // 32 on compact discs, and the one length that UDF 2.60 2.2.11 knows.
            packet_blocks: if told == 0 { 32 } else { told.into() },
            spared: best.unwrap_or_default().1,
            block_bytes: sector_bytes,
        }
    }

    /// Where a block of the partition stands, if not in its own place, and how many blocks from
    /// it on stand together.
    pub(super) fn place(&self, block: u32) -> (Option<u64>, u64) {
        let within = block.checked_rem(self.packet_blocks).unwrap_or(0);
        let packet = block.saturating_sub(within);
        if let Some(at) = self.spared.get(&packet) {
            let left = self.packet_blocks.saturating_sub(within);
            let offset = u64::from(within).saturating_mul(self.block_bytes);
            return (Some(at.saturating_add(offset)), left.into());
        }
        let next = self.spared.range(packet..).next();
        (None, next.map_or(u64::MAX, |(next, _)| u64::from(next.saturating_sub(block))))
    }
}

/// The number of a table and what it says.
fn table(disc: &Disc, at: u64, len: u64, sector_bytes: u64) -> Result<(u32, BTreeMap<u32, u64>)> {
    /// Entries from here on name no packet: a free or an unusable stand-in.
    const NO_PACKET: u32 = 0xFFFF_FFF0;
    let site = Site::new("sparing table", "UDF 2.60 2.2.12", at);
    let len = len.clamp(sector_bytes, disc.limits().partition_table_bytes);
    let bytes = disc.metadata(at, to_usize(len), site)?;
    let (head, rest) =
        SparingTable::ref_from_prefix(&bytes).map_err(|_| site.corrupt("it is cut short"))?;
    let is_one = tag::parse(&bytes).is_some_and(|tag| tag.identifier.get() == 0)
        && head.kind.identifier.starts_with(b"*UDF Sparing Table");
    if !is_one {
        return Err(site.corrupt("there is none where one is announced"));
    }
    let entries = rest.chunks_exact(size_of::<SparingEntry>());
    let spared = entries
        .take(head.entries.get().into())
        .filter_map(|entry| SparingEntry::read_from_bytes(entry).ok())
        .filter(|entry| entry.original.get() < NO_PACKET)
        .map(|entry| {
            let at = u64::from(entry.mapped.get()).saturating_mul(sector_bytes);
            (entry.original.get(), at)
        });
    Ok((head.sequence.get(), spared.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spared_packet_stands_elsewhere_and_its_neighbours_do_not() {
        let sparing = Sparing {
            packet_blocks: 32,
            spared: BTreeMap::from([(64, 1 << 20)]),
            block_bytes: 2048,
        };
        assert_eq!(sparing.place(10), (None, 54));
        assert_eq!(sparing.place(64), (Some(1 << 20), 32));
        assert_eq!(sparing.place(66), (Some((1 << 20) + 4096), 30));
        assert_eq!(sparing.place(96), (None, u64::MAX));
    }
}
