//! File entries: what an ICB records of a file (ECMA-167 4/14.9, 4/14.17).
//! Parsing only; where the file's bytes lie is worked out by `allocation`.

use zerocopy::FromBytes;

use super::address::Address;
use super::attribute_space::Known;
use super::disk::{EntryHead, ExtendedFileEntry, FileEntry, IndirectEntry, LongAd, UdfTime};
use super::tag::{self, id};
use crate::error::{Result, Site};
use crate::num::{to_u64, to_usize};
use crate::time::Timestamp;
use crate::volume::{Device, FileKind, Posix};

/// How a file's allocation descriptors are laid out (ECMA-167 4/14.6.8, bits 0-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AllocationKind {
    Short,
    Long,
    Extended,
    /// The file's bytes stand where the descriptors would.
    Embedded,
}

/// What an ICB records.
#[derive(Debug)]
pub(super) struct Icb {
    /// Byte position of the entry.
    pub(super) at: u64,
    pub(super) address: Address,
    pub(super) kind: FileKind,
    pub(super) information_len: u64,
    pub(super) links: u32,
    pub(super) posix: Posix,
    pub(super) device: Option<Device>,
    pub(super) modified: Timestamp,
    pub(super) accessed: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) created: Option<Timestamp>,
    /// Type, creator and flags of the Finder.
    pub(super) finder_info: Option<Vec<u8>>,
    /// Where the ICB of the directory of its named streams lies.
    pub(super) streams: Option<Address>,
    /// Where the ICB of more extended attributes lies.
    pub(super) more_attributes: Option<Address>,
    pub(super) allocation_kind: AllocationKind,
    /// The allocation descriptors, or the file itself.
    pub(super) allocation: Vec<u8>,
    /// Byte position of `allocation`.
    pub(super) allocation_at: u64,
    /// Whether the checksum and the CRC fit.
    pub(super) is_sound: bool,
    /// Whether the bytes recorded are not the file's, but what a transformation made of them.
    pub(super) is_transformed: bool,
    /// Whether the next block may name an entry that replaces this one (strategy 4096).
    pub(super) may_be_replaced: bool,
}

/// The parts in which the two kinds of entry differ.
struct Variant {
    size: usize,
    accessed: UdfTime,
    modified: UdfTime,
    changed: UdfTime,
    created: Option<UdfTime>,
    streams: Option<Address>,
    more_attributes: Option<Address>,
    attributes_len: u32,
    allocation_len: u32,
}

/// The flag of a file whose bytes are recorded in another form (ECMA-167 4/14.6.8, bit 11).
const TRANSFORMED: u16 = 1 << 11;

/// An ICB's place, for errors.
pub(super) const fn site(at: u64) -> Site {
    Site::new("file entry", "ECMA-167 4/14.9", at)
}

impl Icb {
    /// Parses the entry that a block begins with.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported`.
    pub(super) fn parse(block: &[u8], at: u64, address: Address) -> Result<Self> {
        Self::parse_as(block, at, address, file_kind)
    }

    /// As `parse`, for the files in which a volume keeps its own books; their type is one of
    /// `types` (UDF 2.60 2.3.5.2).
    pub(super) fn parse_system(
        block: &[u8],
        at: u64,
        address: Address,
        types: &[u8],
    ) -> Result<Self> {
        Self::parse_as(block, at, address, |t| types.contains(&t).then_some(FileKind::Regular))
    }

    fn parse_as(
        block: &[u8],
        at: u64,
        address: Address,
        kind_of: impl Fn(u8) -> Option<FileKind>,
    ) -> Result<Self> {
        let none = || site(at).corrupt("is missing, though an entry of the disc leads there");
        let (tag, is_sound) = tag::parse_liberally(block).ok_or_else(none)?;
        let variant = Variant::parse(block, tag.identifier.get()).ok_or_else(none)?;
        let (head, _) =
            EntryHead::ref_from_prefix(block).map_err(|_| site(at).corrupt("is cut short"))?;
        let may_be_replaced = match head.icb.strategy.get() {
            4 => false,
            4096 => true,
            _ => return Err(site(at).unsupported("ICB strategies other than 4 and 4096")),
        };
        let attributes_end = variant.size.saturating_add(to_usize(variant.attributes_len.into()));
        let attributes = block
            .get(variant.size..attributes_end)
            .ok_or(site(at).corrupt("has extended attributes that run past its block"))?;
        let allocation_end = attributes_end.saturating_add(to_usize(variant.allocation_len.into()));
        let allocation = block
            .get(attributes_end..allocation_end)
            .ok_or(site(at).corrupt("has allocation descriptors that run past its block"))?;
        let known = Known::parse(attributes);
        let time = |time: UdfTime| time.timestamp().unwrap_or_default();
        Ok(Self {
            at,
            address,
            kind: kind_of(head.icb.file_type)
                .ok_or(site(at).unsupported("a file type that is no file of a user's"))?,
            information_len: information_len(head, at)?,
            links: u32::from(head.links.get()).max(1),
            posix: posix(head),
            device: known.device,
            finder_info: known.finder_info,
            streams: variant.streams,
            more_attributes: variant.more_attributes,
            modified: time(variant.modified),
            accessed: time(variant.accessed),
            changed: time(variant.changed),
            created: variant.created.and_then(|time| time.timestamp()).or(known.created),
            allocation_kind: allocation_kind(head.icb.flags.get())
                .ok_or(site(at).corrupt("has allocation descriptors of a kind without meaning"))?,
            allocation: allocation.to_vec(),
            allocation_at: at.saturating_add(to_u64(attributes_end)),
            is_sound,
            is_transformed: head.icb.flags.get() & TRANSFORMED != 0,
            may_be_replaced,
        })
    }
}

impl Icb {
    /// Fails where the bytes of the file cannot be had from those recorded.
    ///
    /// # Errors
    /// `Unsupported`.
    pub(super) fn check_form(&self) -> Result<()> {
        match self.is_transformed {
            true => Err(site(self.at).unsupported("files whose bytes are recorded transformed")),
            false => Ok(()),
        }
    }

    /// Takes in attributes that stand in an ICB of their own; those in the entry go before.
    pub(super) fn add_attributes(&mut self, more: Known) {
        self.device = self.device.or(more.device);
        self.created = self.created.or(more.created);
        self.finder_info = self.finder_info.take().or(more.finder_info);
    }
}

/// Bytes of the file. No system knows files of 2^63 bytes, and no disc holds one.
fn information_len(head: &EntryHead, at: u64) -> Result<u64> {
    let len = head.information_len.get();
    i64::try_from(len).map_err(|_| site(at).corrupt("has a length that no file can have"))?;
    Ok(len)
}

/// Where the entry lies that replaces the one in the block before, if this block says so
/// (ECMA-167 4/14.7, UDF 2.60 6.6).
pub(super) fn replacement(block: &[u8]) -> Option<Address> {
    let tag = tag::parse(block).filter(|tag| tag.identifier.get() == id::INDIRECT)?;
    let (entry, _) =
        IndirectEntry::ref_from_prefix(block).ok().filter(|_| tag.crc_len.get() > 0)?;
    used(&entry.next)
}

/// The address of an ICB, unless the descriptor says that there is none.
fn used(icb: &LongAd) -> Option<Address> {
    (icb.len.get() > 0)
        .then(|| Address { partition: icb.address.partition.get(), block: icb.address.block.get() })
}

impl Variant {
    fn parse(block: &[u8], identifier: u16) -> Option<Self> {
        match identifier {
            id::FILE_ENTRY => {
                let (entry, _) = FileEntry::ref_from_prefix(block).ok()?;
                Some(Self {
                    size: size_of::<FileEntry>(),
                    accessed: entry.accessed,
                    modified: entry.modified,
                    changed: entry.changed,
                    created: None,
                    streams: None,
                    more_attributes: used(&entry.attributes_icb),
                    attributes_len: entry.attributes_len.get(),
                    allocation_len: entry.allocation_len.get(),
                })
            }
            id::EXTENDED_FILE_ENTRY => {
                let (entry, _) = ExtendedFileEntry::ref_from_prefix(block).ok()?;
                Some(Self {
                    size: size_of::<ExtendedFileEntry>(),
                    accessed: entry.accessed,
                    modified: entry.modified,
                    changed: entry.changed,
                    created: Some(entry.created),
                    streams: used(&entry.streams_icb),
                    more_attributes: used(&entry.attributes_icb),
                    attributes_len: entry.attributes_len.get(),
                    allocation_len: entry.allocation_len.get(),
                })
            }
            _ => None,
        }
    }
}

/// File types (ECMA-167 4/14.6.6, UDF 2.60 2.3.5.2); 0 is met for plain files.
const fn file_kind(file_type: u8) -> Option<FileKind> {
    Some(match file_type {
        0 | 5 | 249 => FileKind::Regular,
        4 => FileKind::Directory,
        6 => FileKind::BlockDevice,
        7 => FileKind::CharDevice,
        9 => FileKind::Fifo,
        10 => FileKind::Socket,
        12 => FileKind::Symlink,
        _ => return None,
    })
}

const fn allocation_kind(flags: u16) -> Option<AllocationKind> {
    Some(match flags & 7 {
        0 => AllocationKind::Short,
        1 => AllocationKind::Long,
        2 => AllocationKind::Extended,
        3 => AllocationKind::Embedded,
        _ => return None,
    })
}

/// Mode and owner (ECMA-167 4/14.9.5; set-id and sticky bits 4/14.6.8). Ids of -1 are none
/// (UDF 2.60 2.3.6.1).
fn posix(head: &EntryHead) -> Posix {
    let bits = head.permissions.get();
    let flags = head.icb.flags.get();
    let rwx = |shift: u32| u16::try_from(bits.checked_shr(shift).unwrap_or(0) & 7).unwrap_or(0);
    let special = |flag: u16, mode: u16| if flags & flag == 0 { 0 } else { mode };
    let permissions = rwx(0)
        | rwx(5) << 3
        | rwx(10) << 6
        | special(1 << 6, 0o4000)
        | special(1 << 7, 0o2000)
        | special(1 << 8, 0o1000);
    let id = |id: u32| (id != u32::MAX).then_some(id);
    Posix { permissions, uid: id(head.uid.get()), gid: id(head.gid.get()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file entry with the given permissions, ICB flags and ids, and room for `tail`.
    fn entry(permissions: u32, flags: u16, uid: u32, tail: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 2048];
        bytes[0..2].copy_from_slice(&id::FILE_ENTRY.to_le_bytes());
        bytes[20] = 4;
        bytes[27] = 5;
        bytes[34..36].copy_from_slice(&flags.to_le_bytes());
        bytes[36..40].copy_from_slice(&uid.to_le_bytes());
        bytes[44..48].copy_from_slice(&permissions.to_le_bytes());
        bytes[176..][..tail.len()].copy_from_slice(tail);
        bytes[4] = bytes[..16].iter().fold(0, |a: u8, b| a.wrapping_add(*b));
        bytes
    }

    const HERE: Address = Address { partition: 0, block: 0 };

    #[test]
    fn permissions_come_in_fives_and_ids_of_minus_one_are_none() {
        for (permissions, flags, uid, mode, want_uid) in [
            (0b00111_00101_00100, 0, 7, 0o754, Some(7)),
            (0b11111_11111_11111, 1 << 6, u32::MAX, 0o4777, None),
            (0, 1 << 8 | 1 << 7, 0, 0o3000, Some(0)),
        ] {
            let icb = Icb::parse(&entry(permissions, flags, uid, b""), 0, HERE).unwrap();
            assert_eq!(icb.posix, Posix { permissions: mode, uid: want_uid, gid: Some(0) });
        }
    }

    #[test]
    fn lengths_past_the_block_are_named() {
        for (at, want) in [
            (168, "has extended attributes that run past its block"),
            (172, "has allocation descriptors that run past its block"),
        ] {
            let mut bytes = entry(0, 0, 0, b"");
            bytes[at..at + 4].copy_from_slice(&1873u32.to_le_bytes());
            let error = Icb::parse(&bytes, 0, HERE).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_block_without_a_file_entry_is_an_error() {
        let said = Icb::parse(&[0; 2048], 0, HERE).unwrap_err().to_string();
        assert!(said.contains("is missing, though an entry"), "{said}");
    }
}
