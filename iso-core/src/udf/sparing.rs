//! Sparing tables: which packets of a rewritable medium went bad, and what stands in their place
//! (UDF 2.60 2.2.12). Reads the tables through `Disc`; a volume without a good one is read as is.

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::disk::{SparableMap, SparingEntry, SparingTable};
use super::tag;
use crate::cache::{Disc, Weigh};
use crate::error::{Result, Site};
use crate::num::{to_u64, to_usize};

/// The packets of a partition that lie elsewhere.
#[derive(Debug)]
pub(super) struct Sparing {
    packet_blocks: u32,
    /// In the order of their packets.
    spared: Box<[Spared]>,
    block_bytes: u64,
}

/// A packet that lies elsewhere.
#[derive(Debug, Clone, Copy)]
struct Spared {
    /// Its first block.
    packet: u32,
    /// Byte at which its stand-in begins.
    at: u64,
}

/// A table as it was read.
struct Table {
    sequence: u32,
    spared: Box<[Spared]>,
}

impl Sparing {
    /// Reads the tables that a map names; the good one with the highest number counts.
    pub(super) fn read(
        disc: &Disc,
        map: &SparableMap,
        locations: &[u8],
        sector_bytes: u64,
    ) -> Self {
        let mut best: Option<Table> = None;
        let len = map.table_bytes.get();
        for location in locations.chunks_exact(size_of::<U32>()).take(map.tables.into()) {
            let Ok(block) = U32::read_from_bytes(location) else { continue };
            let at = u64::from(block.get()).saturating_mul(sector_bytes);
            match table(disc, at, len.into(), sector_bytes) {
                Ok(table) if best.as_ref().is_none_or(|best| table.sequence > best.sequence) => {
                    best = Some(table);
                }
                Ok(_) => {}
                Err(error) => disc.findings().note_error("the next sparing table is used", &error),
            }
        }
        if best.is_none() {
            disc.findings().note(
                "no sparing table can be read; packets that were replaced on the medium are read \
                 where they were first",
            );
        }
        let recorded = map.packet_blocks.get();
        if recorded == 0 {
            disc.findings().note(
                "the sparable partition has packets of no blocks; packets of 32 blocks are assumed",
            );
        }
        Self {
            // 32 on compact discs, and the one length that UDF 2.60 2.2.11 knows.
            packet_blocks: if recorded == 0 { 32 } else { recorded.into() },
            spared: best.map(|table| table.spared).unwrap_or_default(),
            block_bytes: sector_bytes,
        }
    }

    /// Where a block of the partition stands, if not in its own place, and how many blocks from
    /// it on stand together.
    pub(super) fn place(&self, block: u32) -> (Option<u64>, u64) {
        let within = block.checked_rem(self.packet_blocks).unwrap_or(0);
        let packet = block.saturating_sub(within);
        let index = self.spared.partition_point(|spared| spared.packet < packet);
        let next = self.spared.get(index);
        if let Some(spared) = next.filter(|next| next.packet == packet) {
            let left = self.packet_blocks.saturating_sub(within);
            let offset = u64::from(within).saturating_mul(self.block_bytes);
            return (Some(spared.at.saturating_add(offset)), left.into());
        }
        (None, next.map_or(u64::MAX, |next| u64::from(next.packet.saturating_sub(block))))
    }
}

impl Weigh for Sparing {
    fn weight_bytes(&self) -> u64 {
        to_u64(size_of::<Self>().saturating_add(size_of_val(&*self.spared)))
    }
}

/// The table at a byte of the image.
fn table(disc: &Disc, at: u64, len: u64, sector_bytes: u64) -> Result<Table> {
    /// Entries from here on name no packet: a free or an unusable stand-in.
    const NO_PACKET: u32 = 0xFFFF_FFF0;
    let site = Site::new("sparing table", "UDF 2.60 2.2.12", at);
    let len = len.clamp(sector_bytes, disc.limits().partition_table_bytes);
    let bytes = disc.metadata(at, to_usize(len), site)?;
    let (head, rest) =
        SparingTable::ref_from_prefix(&bytes).map_err(|_| site.corrupt("is cut short"))?;
    let is_one = tag::parse(&bytes).is_some_and(|tag| tag.identifier.get() == 0)
        && head.kind.identifier.starts_with(b"*UDF Sparing Table");
    if !is_one {
        return Err(site.corrupt("is missing, though the volume announces it"));
    }
    let entries = rest.chunks_exact(size_of::<SparingEntry>());
    let spared = entries
        .take(head.entries.get().into())
        .filter_map(|entry| SparingEntry::read_from_bytes(entry).ok())
        .filter(|entry| entry.original.get() < NO_PACKET)
        .map(|entry| {
            let at = u64::from(entry.mapped.get()).saturating_mul(sector_bytes);
            Spared { packet: entry.original.get(), at }
        });
    // At most as many as 16 bits count.
    let mut spared: Vec<Spared> = spared.collect();
    spared.sort_by_key(|spared| spared.packet);
    // Of entries for one packet the last one counts.
    spared.reverse();
    spared.dedup_by_key(|spared| spared.packet);
    spared.reverse();
    Ok(Table { sequence: head.sequence.get(), spared: spared.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spared_packet_stands_elsewhere_and_its_neighbours_do_not() {
        let sparing = Sparing {
            packet_blocks: 32,
            spared: Box::new([Spared { packet: 64, at: 1 << 20 }]),
            block_bytes: 2048,
        };
        assert_eq!(sparing.place(10), (None, 54));
        assert_eq!(sparing.place(64), (Some(1 << 20), 32));
        assert_eq!(sparing.place(66), (Some((1 << 20) + 4096), 30));
        assert_eq!(sparing.place(96), (None, u64::MAX));
    }
}
