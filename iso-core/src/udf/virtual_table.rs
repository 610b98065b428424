//! The virtual allocation table of write-once media: where each block of a virtual partition lies
//! (UDF 1.50 2.2.10, UDF 2.60 2.2.11). It is the last thing written, and is searched from the end.

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::allocation;
use super::disk::{VirtualTableHead, VirtualTableTail};
use super::icb::{Icb, site};
use super::partition::{Address, Copy, Partitions, blocks_of};
use super::tag::{self, id};
use crate::cache::{Disc, zeroed};
use crate::error::{Result, Site};
use crate::num::{quotient, to_usize};

/// File types of a table: 248 since UDF 2.00, none before (UDF 2.60 2.2.11, UDF 1.50 2.2.10).
const TABLE: u8 = 248;
const UNTYPED: u8 = 0;

/// The newest table of the partition of map `physical`, which begins at byte `start_at`.
///
/// # Errors
/// `Corrupt` if none is found near the end of the image; what is wrong with the one found.
pub(super) fn find(
    disc: &Disc,
    partitions: &Partitions,
    physical: u16,
    start_at: u64,
) -> Result<Vec<u32>> {
    let block_bytes = partitions.block_bytes();
    let last = blocks_of(disc, block_bytes);
    let first = quotient(start_at, block_bytes);
    for index in 1..=disc.limits().padding_blocks {
        let Some(block) = last.checked_sub(index).filter(|block| *block >= first) else { break };
        let Ok(relative) = u32::try_from(block.saturating_sub(first)) else { continue };
        let at = block.saturating_mul(block_bytes);
        let Ok(bytes) = disc.metadata(at, to_usize(block_bytes), site(at)) else { continue };
        // An entry that names its own place; any other of this kind is user data.
        let is_entry = tag::parse(&bytes).is_some_and(|tag| {
            matches!(tag.identifier.get(), id::FILE_ENTRY | id::EXTENDED_FILE_ENTRY)
                && tag.location.get() == relative
        });
        if !is_entry {
            continue;
        }
        let address = Address { partition: physical, block: relative };
        if let Ok(icb) = Icb::parse_system(&bytes, at, address, &[TABLE, UNTYPED])
            && let Some(table) = read(disc, partitions, &icb)?
        {
            if index > 1 {
                disc.findings().note(format!(
                    "the virtual allocation table stands {index} blocks before the end"
                ));
            }
            return Ok(table);
        }
    }
    Err(Site::new("virtual allocation table", "UDF 2.60 2.2.11", disc.len())
        .corrupt("there is none near the end of the image, which is cut short or not finished"))
}

/// The entries of the table that an ICB holds; nothing where that file is none.
fn read(disc: &Disc, partitions: &Partitions, icb: &Icb) -> Result<Option<Vec<u32>>> {
    let place = Site::new("virtual allocation table", "UDF 2.60 2.2.11", icb.at);
    let max = disc.limits().partition_table_bytes;
    if icb.information_len > max {
        return Err(place.limit("bytes in one virtual allocation table", max));
    }
    let extents = allocation::extents(disc, partitions, icb, Copy::Main)?;
    let mut bytes = zeroed(to_usize(extents.len()))?;
    extents.read_into(disc, 0, &mut bytes)?;
    Ok(entries(&bytes).map(<[U32]>::iter).map(|entries| entries.map(|e| e.get()).collect()))
}

/// The entries between the head of the newer form, or before the trailer of the older one.
fn entries(bytes: &[u8]) -> Option<&[U32]> {
    let tail_at = bytes.len().saturating_sub(size_of::<VirtualTableTail>());
    let tail = VirtualTableTail::ref_from_suffix(bytes).ok().map(|(_, tail)| tail);
    let is_old =
        tail.is_some_and(|tail| tail.kind.identifier.starts_with(b"*UDF Virtual Alloc Tbl"));
    let raw = if is_old {
        bytes.get(..tail_at)?
    } else {
        let (head, _) = VirtualTableHead::ref_from_prefix(bytes).ok()?;
        let start = usize::from(head.header_len.get());
        bytes.get(start..).filter(|_| start >= size_of::<VirtualTableHead>())?
    };
    let whole = raw.len().saturating_sub(raw.len() & 3);
    <[U32]>::ref_from_bytes(raw.get(..whole)?).ok()
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
        old.resize(8 + 36, 0);
        let mut new = vec![0; 152];
        new[0] = 152;
        new.extend(&list);
        for (bytes, want) in
            [(&old[..], Some(vec![7, 9])), (&new, Some(vec![7, 9])), (&[9; 200], None), (b"", None)]
        {
            let got = entries(bytes).map(|e| e.iter().map(|e| e.get()).collect::<Vec<u32>>());
            assert_eq!(got, want, "{bytes:?}");
        }
    }
}
