//! The virtual allocation table of write-once media: where each block of a virtual partition lies
//! (UDF 1.50 2.2.10, UDF 2.60 2.2.11). It is the last thing written, and is searched from the end.

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::address::{Address, Replica, blocks_of};
use super::allocation;
use super::disk::{VirtualTableHead, VirtualTableTail};
use super::icb::{Icb, site};
use super::partition::Partitions;
use super::tag::{self, id};
use crate::cache::{Disc, zeroed};
use crate::error::{Error, Result, Site};
use crate::num::{quotient, to_usize};

/// File types of a table: 248 since UDF 2.00, none before (UDF 2.60 2.2.11, UDF 1.50 2.2.10).
const TABLE: u8 = 248;
const UNTYPED: u8 = 0;

/// A table, and where the one lies that it replaced.
#[derive(Debug)]
pub(super) struct VirtualTable {
    /// For each virtual block, the block of the partition in which it lies.
    pub(super) entries: Vec<u32>,
    /// Byte position of the table's own ICB.
    pub(super) at: u64,
    /// Block of the ICB of the table before; nothing for the first one.
    previous: Option<u32>,
}

/// Finds the tables of one partition.
pub(super) struct Finder<'a> {
    pub(super) disc: &'a Disc,
    pub(super) partitions: &'a Partitions,
    /// The map of the partition that the tables lie in, and the byte at which that begins.
    pub(super) physical: u16,
    pub(super) start_at: u64,
}

impl Finder<'_> {
    /// The newest table.
    ///
    /// # Errors
    /// `Corrupt` if none is found near the end of the image; what is wrong with the one found.
    pub(super) fn newest(&self) -> Result<VirtualTable> {
        let disc = self.disc;
        let block_bytes = self.partitions.block_bytes();
        let last = blocks_of(disc, block_bytes);
        let first = quotient(self.start_at, block_bytes);
        for index in 1..=disc.limits().padding_blocks {
            let Some(block) = last.checked_sub(index).filter(|block| *block >= first) else {
                break;
            };
            let Ok(relative) = u32::try_from(block.saturating_sub(first)) else { continue };
            if let Some(table) = self.table_in(relative)? {
                if index > 1 {
                    disc.findings().note_harmless(format!(
                        "the virtual allocation table stands {index} blocks before the end"
                    ));
                }
                return Ok(table);
            }
        }
        Err(Site::new("virtual allocation table", "UDF 2.60 2.2.11", disc.len()).corrupt(
            "is missing near the end of the image, which is cut short or was not finished",
        ))
    }

    /// The table whose ICB lies at a byte position.
    ///
    /// # Errors
    /// `Corrupt` if there is none, or what is wrong with it.
    pub(super) fn at(&self, at: u64) -> Result<VirtualTable> {
        let offset = at.saturating_sub(self.start_at);
        let block = u32::try_from(quotient(offset, self.partitions.block_bytes())).ok();
        let missing = site(at).corrupt("holds no virtual allocation table");
        block.and_then(|block| self.table_in(block).transpose()).unwrap_or(Err(missing))
    }

    /// Where the ICBs of a table and of those before it lie, the oldest first.
    pub(super) fn chain(&self, newest: &VirtualTable) -> Vec<u64> {
        let mut places = vec![newest.at];
        let mut previous = newest.previous;
        while let Some(block) = previous
            && places.len() < self.disc.limits().sessions
            && let Ok(Some(table)) = self.table_in(block)
            && !places.contains(&table.at)
        {
            places.push(table.at);
            previous = table.previous;
        }
        places.reverse();
        places
    }

    /// The table whose ICB lies in a block of the partition; nothing where that is none. Only an
    /// entry that names its own place counts: any other of this kind is user data.
    fn table_in(&self, block: u32) -> Result<Option<VirtualTable>> {
        let address = Address { partition: self.physical, block };
        let at = self.partitions.byte_of(address)?;
        let len = to_usize(self.partitions.block_bytes());
        let Ok(bytes) = self.disc.metadata(at, len, site(at)) else { return Ok(None) };
        let is_entry = tag::parse(&bytes).is_some_and(|tag| {
            matches!(tag.identifier.get(), id::FILE_ENTRY | id::EXTENDED_FILE_ENTRY)
                && tag.location.get() == block
        });
        if !is_entry {
            return Ok(None);
        }
        match Icb::parse_system(&bytes, at, address, &[TABLE, UNTYPED]) {
            Ok(icb) => self.read(&icb),
            Err(_) => Ok(None),
        }
    }

    /// The table that an ICB holds; nothing where that file is none.
    fn read(&self, icb: &Icb) -> Result<Option<VirtualTable>> {
        let place = Site::new("virtual allocation table", "UDF 2.60 2.2.11", icb.at);
        let max = self.disc.limits().partition_table_bytes;
        if icb.information_len > max {
            return Err(place.limit("bytes in one virtual allocation table", max));
        }
        let extents = allocation::extents(self.disc, self.partitions, icb, Replica::Main)?;
        let mut bytes = zeroed(to_usize(extents.len()))?;
        extents.read_into(self.disc, 0, &mut bytes)?;
        let Some((recorded, previous)) = parse(&bytes) else { return Ok(None) };
        let mut entries = Vec::new();
        entries.try_reserve_exact(recorded.len()).map_err(|_| Error::NoMemory)?;
        entries.extend(recorded.iter().map(|entry| entry.get()));
        let previous = (previous != NONE).then_some(previous);
        Ok(Some(VirtualTable { entries, at: icb.at, previous }))
    }
}

/// The number of no block, where there is no table before.
const NONE: u32 = u32::MAX;

/// The entries behind the head of the newer form, or before the trailer of the older one, and the
/// block of the table before.
fn parse(bytes: &[u8]) -> Option<(&[U32], u32)> {
    let tail_at = bytes.len().saturating_sub(size_of::<VirtualTableTail>());
    let tail = VirtualTableTail::ref_from_suffix(bytes).ok().map(|(_, tail)| tail);
    let old = tail.filter(|tail| tail.kind.identifier.starts_with(b"*UDF Virtual Alloc Tbl"));
    let (raw, previous) = match old {
        Some(tail) => (bytes.get(..tail_at)?, tail.previous.get()),
        None => {
            let (head, _) = VirtualTableHead::ref_from_prefix(bytes).ok()?;
            let start = usize::from(head.header_len.get());
            let entries = bytes.get(start..).filter(|_| start >= size_of::<VirtualTableHead>())?;
            (entries, head.previous.get())
        }
    };
    let whole = raw.len().saturating_sub(raw.len() & 3);
    Some((<[U32]>::ref_from_bytes(raw.get(..whole)?).ok()?, previous))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_give_their_entries_and_other_files_none() {
        let list = [7u32.to_le_bytes(), 9u32.to_le_bytes()].concat();
        let mut old = list.clone();
        old.push(0);
        old.extend(b"*UDF Virtual Alloc Tbl");
        old.resize(8 + 32, 0);
        old.extend([5, 0, 0, 0]);
        let mut new = vec![0; 152];
        new[0] = 152;
        new[132..136].copy_from_slice(&NONE.to_le_bytes());
        new.extend(&list);
        for (bytes, want) in [
            (&old[..], Some((vec![7, 9], 5))),
            (&new, Some((vec![7, 9], NONE))),
            (&[9; 200], None),
            (b"", None),
        ] {
            let got = parse(bytes).map(|(entries, previous)| {
                (entries.iter().map(|entry| entry.get()).collect::<Vec<u32>>(), previous)
            });
            assert_eq!(got, want, "{bytes:?}");
        }
    }
}
