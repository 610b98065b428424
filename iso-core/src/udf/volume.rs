//! A UDF file set as a `Volume`: directories, attributes and file extents by ICB.
//! Puts together what `icb`, `allocation`, `directory` and `symlink` parse; parses nothing itself.

use std::ops::Range;
use std::sync::Arc;

use zerocopy::FromBytes;

use super::address::{Address, Replica};
use super::anchor::Anchor;
use super::disk::{FileSetDescriptor, LogicalDescriptor, LongAd};
use super::icb::{self, Icb, site};
use super::partition::Partitions;
use super::partition_maps;
use super::sequence::Sequence;
use super::tag::{self, id};
use super::{allocation, symlink};
use crate::cache::{Disc, zeroed};
use crate::error::{Error, Result, Site};
use crate::num::{quotient, to_u64, to_usize};
use crate::text::{decode_dstring, trim_padding};
use crate::volume::{
    Attr, Data, Dir, DirPart, Extents, Facts, FileKind, NodeId, ParsedCaches, Shelf, Volume, Xattr,
    lacks,
};

/// The file set of a UDF logical volume.
pub(crate) struct UdfVolume {
    pub(super) disc: Arc<Disc>,
    facts: Facts,
    pub(super) partitions: Partitions,
    pub(super) root: NodeId,
    pub(super) shelf: Shelf,
}

impl UdfVolume {
    /// Opens the volume that an anchor leads to, on write-once media as the virtual allocation
    /// table at `table_at` shows it, or as the newest does. Reads descriptors and the root's ICB.
    ///
    /// # Errors
    /// `Corrupt` where a descriptor that is needed is missing or wrong; `Unsupported` for
    /// partitions of no known kind.
    pub(crate) fn open(
        disc: Arc<Disc>,
        caches: &Arc<ParsedCaches>,
        anchor: &Anchor,
        table_at: Option<u64>,
    ) -> Result<Self> {
        let sequence = Sequence::read(&disc, anchor)?;
        let (logical, maps, place) = sequence.logical(anchor)?;
        let block_bytes = logical.block_bytes.get();
        if !block_bytes.is_power_of_two() || !(512..=32_768).contains(&block_bytes) {
            return Err(place.corrupt("has a block size that is no power of two from 512 to 32768"));
        }
        let partitions = partition_maps::read(
            &disc,
            logical,
            maps,
            &sequence,
            (anchor.sector_bytes, table_at),
            place,
        )?;
        let facts = facts(&disc, &sequence, logical, &partitions);
        let root = root_icb(&disc, &partitions, logical)?;
        let no_root = |error| {
            let is_nowhere = matches!(error, Error::Stale(_));
            let nowhere = place.corrupt("leads to a root directory past the end of the image");
            if is_nowhere { nowhere } else { error }
        };
        let volume = Self {
            facts,
            root: node_of(&partitions, address_of(&root)).map_err(no_root)?,
            partitions,
            shelf: caches.shelf(),
            disc,
        };
        let icb = volume.icb(volume.root).map_err(no_root)?;
        if icb.kind != FileKind::Directory {
            return Err(
                site(icb.at).corrupt("is that of the root, and says that the root is no directory")
            );
        }
        Ok(volume)
    }

    /// Where the ICBs of the virtual allocation tables lie that the volume has had, the oldest
    /// first: each shows it as it was then. None on other media.
    pub(crate) fn tables(&self) -> &[u64] {
        self.partitions.tables()
    }

    /// The file entry of a node: the last of those that replace each other (strategy 4096).
    pub(super) fn icb(&self, node: NodeId) -> Result<Icb> {
        let mut icb = self.icb_at(self.address_of_node(node)?)?;
        if node.number() & AS_DIRECTORY != 0 && icb.kind == FileKind::Regular {
            icb.kind = FileKind::Directory;
        }
        Ok(icb)
    }

    /// As `icb`, by address.
    pub(super) fn icb_at(&self, first: Address) -> Result<Icb> {
        let mut address = first;
        let max = self.disc.limits().indirections;
        for _ in 0..max {
            let mut icb = self.entry_at(address, Icb::parse)?;
            let replaced_by = match icb.may_be_replaced {
                true => self.block(address.next(), Replica::Main).ok(),
                false => None,
            };
            let Some(replacement) = replaced_by.and_then(|(_, block)| icb::replacement(&block))
            else {
                if !icb.is_sound {
                    let error = site(icb.at).corrupt("has a wrong checksum or CRC");
                    self.disc.findings().note_error("the file entry is used all the same", &error);
                }
                self.read_more_attributes(&mut icb);
                return Ok(icb);
            };
            address = replacement;
        }
        Err(site(self.partitions.byte_of(address)?).limit("entries that replace each other", max))
    }

    /// The file entry at an address; where it is damaged and has a mirror, that one.
    pub(super) fn entry_at(
        &self,
        address: Address,
        parse: impl Fn(&[u8], u64, Address) -> Result<Icb>,
    ) -> Result<Icb> {
        let parse = |replica: Replica| {
            let (at, block) = self.block(address, replica)?;
            parse(&block, at, address)
        };
        let main = parse(Replica::Main);
        let is_good = main.as_ref().is_ok_and(|icb| icb.is_sound);
        if is_good || !self.partitions.has_mirror(address) {
            return main;
        }
        match parse(Replica::Mirror) {
            Ok(mirror) if mirror.is_sound || main.is_err() => {
                self.note_mirror("a file entry");
                Ok(mirror)
            }
            _ => main,
        }
    }

    /// The entry of a stream directory, which is of a type of its own (ECMA-167 4/14.6.6).
    pub(super) fn stream_directory(&self, address: Address) -> Result<Icb> {
        const STREAM_DIRECTORY: u8 = 13;
        self.entry_at(address, |block, at, address| {
            Icb::parse_system(block, at, address, &[STREAM_DIRECTORY])
        })
    }

    pub(super) fn note_mirror(&self, what: &str) {
        self.disc.findings().note(format!(
            "{what} in the metadata file is damaged; the copy in the mirror file is used \
             (UDF 2.60 2.2.13)"
        ));
    }

    /// Reports a file or directory of which more is recorded than its length says. Whether it is
    /// one.
    pub(super) fn note_excess(&self, icb: &Icb, place: Site) -> bool {
        let exceeds = allocation::exceeds_length(&self.disc, &self.partitions, icb);
        if exceeds {
            let error = place.corrupt("has more bytes recorded than its length says");
            self.disc.findings().note_error("the bytes behind the length are left out", &error);
        }
        exceeds
    }

    pub(super) fn block(&self, address: Address, replica: Replica) -> Result<(u64, Vec<u8>)> {
        let (at, _) = self.partitions.span(address, replica)?;
        let len = to_usize(self.partitions.block_bytes());
        Ok((at, self.disc.metadata(at, len, site(at))?))
    }

    /// The address of a node's ICB.
    fn address_of_node(&self, node: NodeId) -> Result<Address> {
        let stale = Error::Stale(node.number());
        let tag = u16::try_from(node.number() >> PARTITION_SHIFT).unwrap_or(u16::MAX);
        let bare = NodeId::from_number(node.number() & (AS_DIRECTORY - 1));
        let partition = tag & !COUNTED;
        let is_counted = tag & COUNTED != 0;
        if is_counted == self.partitions.is_plain(partition) {
            return Err(stale);
        }
        let start = match is_counted {
            true => 0,
            false => self.partitions.byte_of(Address { partition, block: 0 })?,
        };
        let Some(offset) = bare.position().checked_sub(start) else { return Err(stale) };
        let block = quotient(offset, self.partitions.block_bytes());
        let Ok(block) = u32::try_from(block) else { return Err(stale) };
        let address = Address { partition, block };
        let is_whole = u64::from(block).saturating_mul(self.partitions.block_bytes()) == offset;
        if !is_whole || self.partitions.byte_of(address)? >= self.disc.len() {
            return Err(stale);
        }
        Ok(address)
    }

    /// All bytes of a directory or link, which are held in memory while they are parsed.
    pub(super) fn small_file(
        &self,
        icb: &Icb,
        replica: Replica,
        max: u64,
        what: &'static str,
    ) -> Result<Vec<u8>> {
        icb.check_form()?;
        let extents = allocation::extents(&self.disc, &self.partitions, icb, replica)?;
        if extents.len() > max {
            return Err(site(icb.at).limit(what, max));
        }
        self.metadata_of(&extents, 0..extents.len(), icb.at)
    }

    /// A range of the bytes that lie in extents, for the entry at a byte of the image. They are
    /// read as metadata, so that the cache keeps what is read again.
    pub(super) fn metadata_of(
        &self,
        extents: &Extents,
        range: Range<u64>,
        entry_at: u64,
    ) -> Result<Vec<u8>> {
        /// Bytes that are held twice while they are read.
        const PIECE_BYTES: u64 = 256 << 10;
        let mut bytes = zeroed(to_usize(range.end.saturating_sub(range.start)))?;
        let mut filled = 0usize;
        while filled < bytes.len() {
            let run = extents.run_at(range.start.saturating_add(to_u64(filled)));
            let run = run.ok_or(
                site(entry_at).corrupt("leads to extents that end before the length of the file"),
            )?;
            let left = bytes.get_mut(filled..).unwrap_or_default();
            let len = to_usize(run.len.min(PIECE_BYTES)).min(left.len());
            if let (Some(at), Some(target)) = (run.at, left.get_mut(..len)) {
                target.copy_from_slice(&self.disc.metadata(at, len, site(entry_at))?);
            }
            filled = filled.saturating_add(len);
        }
        Ok(bytes)
    }
}

impl Volume for UdfVolume {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn disc(&self) -> &Disc {
        &self.disc
    }

    fn root(&self) -> NodeId {
        self.root
    }

    /// A number that counts in a partition says nothing of the image by itself.
    fn place_of(&self, node: NodeId) -> u64 {
        let at = self.address_of_node(node).and_then(|address| self.partitions.byte_of(address));
        at.unwrap_or(node.position())
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        let icb = self.icb(node)?;
        Ok(Attr {
            node,
            kind: icb.kind,
            size: match icb.kind {
                FileKind::Directory | FileKind::Regular => icb.information_len,
                FileKind::Symlink => self.read_link(node).map_or(0, |path| to_u64(path.len())),
                FileKind::BlockDevice
                | FileKind::CharDevice
                | FileKind::Fifo
                | FileKind::Socket => 0,
            },
            links: icb.links,
            posix: Some(icb.posix),
            device: icb.device,
            modified: icb.modified,
            accessed: icb.accessed,
            changed: icb.changed,
            created: icb.created,
        })
    }

    fn read_dir(&self, node: NodeId) -> Result<Arc<Dir>> {
        crate::volume::read_dir(self, node)
    }

    fn read_names(&self, node: NodeId) -> Result<Arc<Dir>> {
        crate::volume::read_names(self, node)
    }

    fn read_dir_part(&self, node: NodeId, position: usize) -> Result<DirPart> {
        crate::volume::read_part(self, node, position)
    }

    fn find(&self, dir: NodeId, name: &[u8], fold: bool) -> Result<Option<NodeId>> {
        crate::volume::find(self, dir, name, fold)
    }

    fn data(&self, node: NodeId) -> Result<Arc<Data>> {
        self.shelf.file(node, || {
            let icb = self.icb(node)?;
            icb.kind.has_bytes()?;
            icb.check_form()?;
            self.note_excess(&icb, site(icb.at));
            let extents = allocation::extents(&self.disc, &self.partitions, &icb, Replica::Main)?;
            Ok(Arc::new(Data::Plain(extents)))
        })
    }

    fn is_cut(&self, node: NodeId) -> bool {
        let is_file = |icb: &Icb| icb.kind == FileKind::Regular;
        self.icb(node).is_ok_and(|icb| is_file(&icb) && self.note_excess(&icb, site(icb.at)))
    }

    fn lacks_bytes(&self, node: NodeId) -> bool {
        let has_extents = |icb: &Icb| matches!(icb.kind, FileKind::Regular | FileKind::Directory);
        let Some(icb) = self.icb(node).ok().filter(has_extents) else { return false };
        let extents = allocation::extents(&self.disc, &self.partitions, &icb, Replica::Main);
        lacks(&self.disc, &extents)
    }

    fn first_byte(&self, node: NodeId) -> Option<u64> {
        let icb = self.icb(node).ok()?;
        allocation::first_byte(&self.partitions, &icb)
    }

    fn dir_span(&self, dir: NodeId) -> Option<(u64, u64)> {
        let icb = self.icb(dir).ok()?;
        let extents =
            allocation::extents_within(&self.disc, &self.partitions, &icb, Replica::Main, 1)
                .ok()?;
        match extents.runs() {
            [] => Some((icb.at, 0)),
            [(_, run)] => run.at.map(|at| (at, run.len)),
            _ => None,
        }
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Xattr>> {
        self.attributes(node)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        let icb = self.icb(node)?;
        if icb.kind != FileKind::Symlink {
            return Err(Error::NotSymlink);
        }
        let place = Site::new("symbolic link", "ECMA-167 4/14.16", icb.at);
        let max = to_u64(self.disc.limits().symlink_bytes);
        // A component of four bytes may stand for a single character of the target.
        let components = self.small_file(
            &icb,
            Replica::Main,
            max.saturating_mul(5),
            "bytes in one symbolic link",
        )?;
        let target = symlink::target(&components)
            .ok_or(place.corrupt("has path components that break a rule"))?;
        if to_u64(target.len()) > max {
            return Err(place.limit("bytes in the target of a symbolic link", max));
        }
        Ok(target)
    }
}

/// High bits of a node number: the partition map through which the ICB was reached, since short
/// allocation descriptors count in that partition. Map 0, the usual one, leaves them empty.
const PARTITION_SHIFT: u32 = 56;

/// Set beside the map of a partition whose blocks lie in no order: there the number counts from
/// the beginning of the partition, not of the image.
const COUNTED: u16 = 0x80;

/// Set in the number of a directory that only its identifier and its bytes show to be one: the type
/// in its ICB says otherwise. No image is so large that its positions reach the bit.
const AS_DIRECTORY: u64 = 1 << (PARTITION_SHIFT - 1);

/// The node of a directory that its ICB says is a file.
pub(super) fn as_directory(node: NodeId) -> NodeId {
    NodeId::from_number(node.number() | AS_DIRECTORY)
}

/// The node whose ICB lies at an address.
pub(super) fn node_of(partitions: &Partitions, address: Address) -> Result<NodeId> {
    let at = partitions.byte_of(address)?;
    let (tag, position) = match partitions.is_plain(address.partition) {
        true => (address.partition, at),
        false => {
            let position = u64::from(address.block).saturating_mul(partitions.block_bytes());
            (address.partition | COUNTED, position)
        }
    };
    Ok(NodeId::from_number(NodeId::at(position).number() | u64::from(tag) << PARTITION_SHIFT))
}

pub(super) fn address_of(icb: &LongAd) -> Address {
    Address { partition: icb.address.partition.get(), block: icb.address.block.get() }
}

/// The ICB of the root directory, by the file set descriptor (ECMA-167 4/14.1).
fn root_icb(disc: &Disc, partitions: &Partitions, logical: &LogicalDescriptor) -> Result<LongAd> {
    let read = |replica: Replica| {
        let (at, _) = partitions.span(address_of(&logical.file_set), replica)?;
        let place = Site::new("file set descriptor", "ECMA-167 4/14.1", at);
        let bytes = disc.metadata(at, size_of::<FileSetDescriptor>(), place)?;
        let is_one = tag::parse(&bytes).is_some_and(|tag| tag.identifier.get() == id::FILE_SET);
        let file_set = FileSetDescriptor::ref_from_prefix(&bytes).ok().filter(|_| is_one);
        let missing = place.corrupt("is missing, though the volume announces it");
        Ok(file_set.ok_or(missing)?.0.root)
    };
    read(Replica::Main).or_else(|error| {
        let mirror = partitions.has_mirror(address_of(&logical.file_set));
        let root = if mirror { read(Replica::Mirror).ok() } else { None };
        root.inspect(|_| disc.findings().note_error("the mirror of the descriptor is used", &error))
            .ok_or(error)
    })
}

fn facts(
    disc: &Disc,
    sequence: &Sequence,
    logical: &LogicalDescriptor,
    partitions: &Partitions,
) -> Facts {
    let suffix = logical.domain.suffix;
    let [low, high, ..] = suffix;
    let primary = sequence.primary();
    let application = primary.map(|p| developer(&p.implementation.identifier).to_vec());
    Facts {
        system: match (high, low) {
            // Some writers leave the domain's suffix blank.
            (0, 0) => "UDF".to_owned(),
            _ => format!("UDF {high:x}.{low:02x}"),
        },
        label: decode_dstring(&logical.volume),
        block_bytes: logical.block_bytes.get(),
        volume_bytes: partitions.end().unwrap_or(disc.len()),
        created: primary.and_then(|p| p.recorded.timestamp()),
        publisher: Vec::new(),
        preparer: Vec::new(),
        application: application.unwrap_or_default(),
        ignores_case: false,
        descriptor_at: partitions.byte_of(address_of(&logical.file_set)).ok(),
    }
}

/// The developer that an implementation identifier names, without the asterisk that marks it as
/// one (UDF 2.60 2.1.5.2: "*Developer ID").
fn developer(identifier: &[u8]) -> &[u8] {
    let text = trim_padding(identifier);
    text.strip_prefix(b"*").unwrap_or(text)
}
