//! Files compressed by zisofs: read at any place, one block decompressed at a time (zisofs format,
//! versions 1 and 2). The `ZF` entry that announces them is parsed by `rrip`.

use miniz_oxide::inflate::decompress_slice_iter_to_slice;
use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U64};

use super::disk::{ZisofsHead, ZisofsHead2};
use super::rrip::Compressed;
use crate::cache::{Disc, Weigh, zeroed};
use crate::error::{Result, Site};
use crate::num::{quotient, remainder, to_u64, to_usize};
use crate::volume::{Decode, Extents};

const MAGIC: [u8; 8] = [0x37, 0xE4, 0x53, 0x96, 0xC9, 0xDB, 0xD6, 0x07];
const MAGIC_2: [u8; 8] = [0xEF, 0x22, 0x55, 0xA1, 0xBC, 0x1B, 0x95, 0xA0];

/// Blocks have 32 KiB to 128 KiB in version 1, to 1 MiB in version 2.
const BLOCK_SIZES_LOG2: std::ops::RangeInclusive<u8> = 15..=20;

/// A compressed file: the packed bytes, and how to find a block in them.
pub(super) struct Zisofs {
    packed: Extents,
    size: u64,
    block_bytes: u64,
    /// Byte of the packed file at which the block pointers begin.
    pointers_at: u64,
    pointer_bytes: u64,
    site: Site,
}

impl Zisofs {
    /// Reads the head of a packed file, which has to fit what its `ZF` entry says.
    ///
    /// # Errors
    /// `Corrupt` where they differ, `Unsupported` for unknown compression, `Io`.
    pub(super) fn open(
        disc: &Disc,
        packed: Extents,
        recorded: Compressed,
        record: Site,
    ) -> Result<Self> {
        let site = Site::new("compressed file", "zisofs format", record.at);
        if !BLOCK_SIZES_LOG2.contains(&recorded.block_size_log2) {
            return Err(site.corrupt("has blocks of a size that zisofs does not know"));
        }
        let mut head = [0u8; size_of::<ZisofsHead2>()];
        // The shortest packed file of version 1 is the head and one pointer.
        let len = packed.read_into(disc, 0, &mut head)?;
        let head = head.get(..len).unwrap_or_default();
        let broken = site.corrupt("has another header than its record announces");
        let (size, block_size_log2, head_words, pointer_bytes) = if recorded.is_version_2 {
            let (head, _) = ZisofsHead2::ref_from_prefix(head).ok().ok_or(broken)?;
            if head.magic != MAGIC_2 || head.version != 0 {
                return Err(site.corrupt("has another header than its record announces"));
            }
            if head.algorithm != 1 {
                return Err(site.unsupported("zisofs with another compression than zlib"));
            }
            (head.size.get(), head.block_size_log2, head.head_words, size_of::<U64>())
        } else {
            let (head, _) = ZisofsHead::ref_from_prefix(head).ok().ok_or(broken)?;
            if head.magic != MAGIC {
                return Err(site.corrupt("has another header than its record announces"));
            }
            (head.size.get().into(), head.block_size_log2, head.head_words, size_of::<U32>())
        };
        if size != recorded.size || block_size_log2 != recorded.block_size_log2 {
            return Err(site.corrupt("has another header than its record announces"));
        }
        Ok(Self {
            packed,
            size,
            block_bytes: 1u64.checked_shl(block_size_log2.into()).unwrap_or(0),
            pointers_at: u64::from(head_words).saturating_mul(4),
            pointer_bytes: to_u64(pointer_bytes),
            site,
        })
    }

    /// Where block `index` begins in the packed file, and its packed length.
    fn packed_block(&self, disc: &Disc, index: u64) -> Result<(u64, u64)> {
        let mut raw = [0u8; 2 * size_of::<U64>()];
        let width = to_usize(self.pointer_bytes);
        let pair = raw.get_mut(..width.saturating_mul(2)).unwrap_or_default();
        let at = self.pointers_at.saturating_add(index.saturating_mul(self.pointer_bytes));
        if self.packed.read_into(disc, at, pair)? < pair.len() {
            return Err(self.site.corrupt("has block pointers that end before its length"));
        }
        let (low, high) = pair.split_at(width);
        let pointer = |bytes: &[u8]| match bytes.try_into() {
            Ok(bytes) => Some(u64::from_le_bytes(bytes)),
            Err(_) => Some(u32::from_le_bytes(bytes.try_into().ok()?).into()),
        };
        let (Some(start), Some(end)) = (pointer(low), pointer(high)) else {
            return Err(self.site.corrupt("has block pointers that end before its length"));
        };
        // zlib makes incompressible bytes longer by less than a thousandth and a few.
        let longest = self.block_bytes.saturating_add(self.block_bytes >> 3).saturating_add(64);
        match end.checked_sub(start).filter(|len| *len <= longest && end <= self.packed.len()) {
            Some(len) => Ok((start, len)),
            None => Err(self.site.corrupt("has block pointers that lead nowhere")),
        }
    }

    /// The bytes of one block.
    fn block(&self, disc: &Disc, index: u64) -> Result<std::sync::Arc<[u8]>> {
        let start = index.saturating_mul(self.block_bytes);
        let len = to_usize(self.size.saturating_sub(start).min(self.block_bytes));
        let (at, packed_len) = self.packed_block(disc, index)?;
        if packed_len == 0 {
            return Ok(zeroed(len)?.into());
        }
        let place = self.packed.run_at(at).and_then(|run| run.at).unwrap_or(at);
        disc.decoded((place, packed_len, len), || {
            let mut packed = zeroed(to_usize(packed_len))?;
            self.packed.read_into(disc, at, &mut packed)?;
            let mut block = zeroed(len)?;
            let chunks = std::iter::once(packed.as_slice());
            let decoded = decompress_slice_iter_to_slice(&mut block, chunks, true, false);
            if decoded != Ok(len) {
                let site = self.site.moved(place);
                return Err(site.corrupt("has a block that does not decompress"));
            }
            Ok(block.into())
        })
    }
}

impl Decode for Zisofs {
    fn file_len(&self) -> u64 {
        self.size
    }

    fn fill(&self, disc: &Disc, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut rest = buf;
        let mut offset = offset;
        while !rest.is_empty() {
            let block = self.block(disc, quotient(offset, self.block_bytes))?;
            let within = to_usize(remainder(offset, self.block_bytes));
            let bytes = block.get(within..).unwrap_or_default();
            let take = bytes.len().min(rest.len());
            let (Some(bytes), Some((head, tail))) =
                (bytes.get(..take).filter(|b| !b.is_empty()), rest.split_at_mut_checked(take))
            else {
                return Err(self.site.corrupt("has blocks that end before its length"));
            };
            head.copy_from_slice(bytes);
            offset = offset.saturating_add(to_u64(take));
            rest = tail;
        }
        Ok(())
    }

    fn weight_bytes(&self) -> u64 {
        // The packed extents are counted with their own size, which is a part of this value's.
        to_u64(size_of::<Self>()).saturating_add(self.packed.weight_bytes())
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a packed file built by hand")]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::volume::{Data, Extent, ExtentsBuilder};

    const BLOCK: usize = 1 << 15;
    const SITE: Site = Site::new("test", "none", 0);

    /// A packed file of version 1: a block of text, a hole, and a last block that is damaged.
    fn disc() -> (Disc, Extents, Compressed) {
        let size = 2 * BLOCK + 100;
        let text = b"0123456789abcdef".repeat(BLOCK / 16);
        let block = miniz_oxide::deflate::compress_to_vec_zlib(&text, 6);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::try_from(size).unwrap().to_le_bytes());
        bytes.extend([4, 15, 0, 0]);
        let first = u32::try_from(16 + 4 * 4).unwrap();
        let second = first + u32::try_from(block.len()).unwrap();
        for pointer in [first, second, second, second + 20] {
            bytes.extend(pointer.to_le_bytes());
        }
        bytes.extend(&block);
        bytes.extend([0xAA; 20]);
        let mut builder = ExtentsBuilder::new(&Limits::default(), SITE);
        let len = to_u64(bytes.len());
        builder.push(Extent { at: Some(0), len }).unwrap();
        let recorded = Compressed { is_version_2: false, block_size_log2: 15, size: to_u64(size) };
        (Disc::new(Box::new(bytes), Limits::default()), builder.finish(len), recorded)
    }

    #[test]
    fn any_range_is_read_and_a_bad_block_costs_itself_alone() {
        let (disc, packed, recorded) = disc();
        let data = Data::Decoded(Box::new(Zisofs::open(&disc, packed, recorded, SITE).unwrap()));
        assert_eq!(data.len(), recorded.size);
        let bytes = data.read(&disc, to_u64(BLOCK - 4), 8).unwrap();
        assert_eq!(&*bytes, b"cdef\0\0\0\0");
        assert_eq!(&*data.read(&disc, 17, 3).unwrap(), b"123");
        let said = data.read(&disc, to_u64(2 * BLOCK), 1).unwrap_err().to_string();
        assert!(said.contains("has a block that does not decompress"), "{said}");
        assert_eq!(&*data.read(&disc, 0, 2).unwrap(), b"01");
        assert!(data.read(&disc, recorded.size, 9).unwrap().is_empty());
    }

    #[test]
    fn a_head_that_differs_from_its_record_is_an_error() {
        for recorded in [
            Compressed { size: 7, ..disc().2 },
            Compressed { block_size_log2: 16, ..disc().2 },
            Compressed { block_size_log2: 63, ..disc().2 },
            Compressed { is_version_2: true, ..disc().2 },
        ] {
            let (disc, packed, _) = disc();
            assert!(Zisofs::open(&disc, packed, recorded, SITE).is_err(), "{recorded:?}");
        }
    }
}
