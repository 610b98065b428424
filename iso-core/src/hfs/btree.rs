//! B-trees of HFS and HFS+: nodes, the records in them, and the way down to a key (TN1150,
//! "B-Trees"). What keys and records mean is the business of `catalog`.

use std::cmp::Ordering;

use zerocopy::FromBytes;

use super::disk::{NodeHead, TreeHead};
use crate::cache::{Disc, zeroed};
use crate::error::{Result, Site};
use crate::num::{quotient, to_u64, to_usize};
use crate::volume::Extents;

/// A tree: the file that holds it, and where it begins.
#[derive(Debug)]
pub(super) struct Tree {
    file: Extents,
    node_bytes: u64,
    root: u32,
    /// Nodes in use; writers take the first ones.
    used: u32,
    /// Whether keys carry their length in two bytes (HFS+) and not in one.
    has_wide_keys: bool,
}

/// Offsets that are tried for where a record ends.
const NEIGHBOURS: usize = 4;

/// A record of a node.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Byte position in the image, where its node lies in one piece.
    pub(super) at: u64,
    /// Its place in the tree.
    pub(super) place: RecordPlace,
    /// The key without its length.
    pub(super) key: Vec<u8>,
    pub(super) data: Vec<u8>,
}

/// Where a record lies in its tree: the number of its node, and its own in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordPlace(u64);

impl RecordPlace {
    fn new(node: u32, index: usize) -> Self {
        Self(u64::from(node) << u16::BITS | to_u64(index))
    }

    /// A place as `number` gave it.
    pub(super) const fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub(super) const fn number(self) -> u64 {
        self.0
    }

    /// The number of the node.
    pub(super) const fn node(self) -> u64 {
        self.0 >> u16::BITS
    }

    fn index(self) -> usize {
        to_usize(self.0 & u64::from(u16::MAX))
    }
}

/// A node of a tree.
struct Node {
    next: u32,
    kind: i8,
    records: Vec<Record>,
}

const LEAF: i8 = -1;
const INDEX: i8 = 0;

/// Levels of a tree; no tree has more (TN1150 allows for 16 with the smallest nodes).
const MAX_DEPTH: usize = 16;

impl Tree {
    /// Reads the header node of a tree.
    ///
    /// # Errors
    /// `Corrupt` where its numbers make no tree, `Io`.
    pub(super) fn open(disc: &Disc, file: Extents, has_wide_keys: bool) -> Result<Self> {
        const NODE_SIZES: std::ops::RangeInclusive<u64> = 512..=32_768;
        let mut bytes = [0u8; size_of::<NodeHead>() + size_of::<TreeHead>()];
        let at = file.runs().first().and_then(|(_, run)| run.at).unwrap_or(0);
        let read = file.read_into(disc, 0, &mut bytes)?;
        let head = bytes.get(size_of::<NodeHead>()..).filter(|_| read == bytes.len());
        let head = head.and_then(|head| TreeHead::read_from_bytes(head).ok());
        let head = head.ok_or(site(at).corrupt("is cut short"))?;
        let node_bytes = u64::from(head.node_bytes.get());
        if !node_bytes.is_power_of_two() || !NODE_SIZES.contains(&node_bytes) {
            return Err(site(at).corrupt("has nodes of a size that HFS does not know"));
        }
        let used = head.nodes.get().saturating_sub(head.free.get());
        Ok(Self { file, node_bytes, root: head.root.get(), used, has_wide_keys })
    }

    /// The records from the first one whose key is not less than what `compare` looks for, as
    /// long as `take` wants more. `compare` tells how a key stands to that.
    ///
    /// # Errors
    /// `Corrupt` where nodes lead nowhere or in a circle, `Io`.
    pub(super) fn scan(
        &self,
        disc: &Disc,
        compare: impl Fn(&[u8]) -> Ordering,
        take: impl FnMut(&Record) -> Result<bool>,
    ) -> Result<()> {
        match self.leaf(disc, &compare)? {
            Some(node) => self.scan_leaves(disc, node, compare, take),
            None => Ok(()),
        }
    }

    /// As `scan`, from the record on that lies at a place.
    ///
    /// # Errors
    /// As `scan`.
    pub(super) fn scan_from(
        &self,
        disc: &Disc,
        place: RecordPlace,
        compare: impl Fn(&[u8]) -> Ordering,
        take: impl FnMut(&Record) -> Result<bool>,
    ) -> Result<()> {
        let number = u32::try_from(place.node()).unwrap_or(u32::MAX);
        let mut node = self.node(disc, number)?;
        if node.kind != LEAF {
            return Err(self.site(number).corrupt("is no longer a leaf"));
        }
        node.records.retain(|record| record.place.index() >= place.index());
        self.scan_leaves(disc, node, compare, take)
    }

    fn scan_leaves(
        &self,
        disc: &Disc,
        mut node: Node,
        compare: impl Fn(&[u8]) -> Ordering,
        mut take: impl FnMut(&Record) -> Result<bool>,
    ) -> Result<()> {
        let mut left = quotient(self.file.len(), self.node_bytes);
        loop {
            for record in node.records.iter().filter(|r| compare(&r.key).is_ge()) {
                if !take(record)? {
                    return Ok(());
                }
            }
            if node.next == 0 {
                return Ok(());
            }
            left = left.checked_sub(1).ok_or(self.site(0).corrupt("is in a circle of leaves"))?;
            node = self.node(disc, node.next)?;
            if node.kind != LEAF {
                return Err(self.site(0).corrupt("leads from a leaf to another kind of node"));
            }
        }
    }

    /// The leaf in which the first record that is not less stands, or would.
    fn leaf(&self, disc: &Disc, compare: &impl Fn(&[u8]) -> Ordering) -> Result<Option<Node>> {
        let mut number = self.root;
        for _ in 0..MAX_DEPTH {
            if number == 0 {
                return Ok(None);
            }
            let node = self.node(disc, number)?;
            match node.kind {
                LEAF => return Ok(Some(node)),
                INDEX => {}
                _ => return Err(self.site(number).corrupt("is neither an index nor a leaf")),
            }
            // The last child that begins at or before the key; the first child where none does.
            let before = node.records.iter().take_while(|r| compare(&r.key).is_le()).last();
            let child = before.or(node.records.first());
            let pointer = child.and_then(|record| record.data.get(..4)?.try_into().ok());
            number = pointer
                .map(u32::from_be_bytes)
                .ok_or(self.site(number).corrupt("points nowhere"))?;
        }
        Err(self.site(number).limit("levels in one tree", to_u64(MAX_DEPTH)))
    }

    /// Bytes of each node.
    /// First byte and bytes of the nodes in use, where they lie in one piece.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        let len = u64::from(self.used).saturating_mul(self.node_bytes);
        let run = self.file.run_at(0).filter(|run| run.len >= len)?;
        run.at.map(|at| (at, len))
    }

    pub(super) const fn node_bytes(&self) -> u64 {
        self.node_bytes
    }

    fn node(&self, disc: &Disc, number: u32) -> Result<Node> {
        let offset = u64::from(number).saturating_mul(self.node_bytes);
        let len = to_usize(self.node_bytes);
        let site = self.site(number);
        let run = self.file.run_at(offset).filter(|run| run.len >= self.node_bytes);
        let bytes = match run.and_then(|run| run.at) {
            Some(at) => disc.metadata(at, len, site)?,
            None => {
                let mut bytes = zeroed(len)?;
                let read = self.file.read_into(disc, offset, &mut bytes)?;
                if read < len {
                    return Err(site.corrupt("lies past the end of its tree"));
                }
                bytes
            }
        };
        let (head, _) =
            NodeHead::ref_from_prefix(&bytes).map_err(|_| site.corrupt("is cut short"))?;
        let mut records = Vec::new();
        for index in 0..usize::from(head.records.get()) {
            let found = offset_of(&bytes, index).and_then(|start| {
                let (key, data) = self.parse(bytes.get(start..end_of(&bytes, index, start))?)?;
                let at = site.at.saturating_add(to_u64(start));
                let place = RecordPlace::new(number, index);
                Some(Record { at, place, key: key.to_vec(), data: data.to_vec() })
            });
            match found {
                Some(record) => records.push(record),
                // The others are as sound as before.
                None => {
                    let error = site.corrupt("gives a record a place outside the node");
                    disc.findings().note_error("the record is left out", &error);
                }
            }
        }
        Ok(Node { next: head.next.get(), kind: head.kind, records })
    }

    /// Key and data of a record; the data begins at an even place.
    fn parse<'a>(&self, record: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let (len, width) = match self.has_wide_keys {
            true => (usize::from(u16::from_be_bytes(record.get(..2)?.try_into().ok()?)), 2),
            false => (usize::from(*record.first()?), 1usize),
        };
        let end = width.saturating_add(len);
        let key = record.get(width..end)?;
        Some((key, record.get(end.next_multiple_of(2)..).unwrap_or_default()))
    }

    /// The record of the node at a byte position of the image that `is_wanted`, if one is.
    ///
    /// # Errors
    /// What is wrong with the node it lies in.
    pub(super) fn record_at(
        &self,
        disc: &Disc,
        is_wanted: impl Fn(&Record) -> bool,
        position: u64,
    ) -> Result<Option<Record>> {
        let offset = self.file.runs().iter().find_map(|(start, run)| {
            let within = position.checked_sub(run.at?).filter(|within| *within < run.len)?;
            Some(start.saturating_add(within))
        });
        let number = offset.map(|offset| quotient(offset, self.node_bytes));
        let Some(Ok(number)) = number.map(u32::try_from) else { return Ok(None) };
        let node = self.node(disc, number)?;
        if node.kind != LEAF {
            return Ok(None);
        }
        Ok(node.records.into_iter().find(is_wanted))
    }

    /// A node's place, for errors.
    fn site(&self, number: u32) -> Site {
        let offset = u64::from(number).saturating_mul(self.node_bytes);
        site(self.file.run_at(offset).and_then(|run| run.at).unwrap_or(offset))
    }
}

/// Where a record of a node begins: offsets stand at its end, the first one last, and one more
/// tells where the free space begins (TN1150, "Node Structure").
fn offset_of(node: &[u8], index: usize) -> Option<usize> {
    let back = index.saturating_add(1).saturating_mul(2);
    let raw = node.get(node.len().checked_sub(back)?..)?.get(..2)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(raw))).filter(|start| *start >= size_of::<NodeHead>())
}

/// Where the record that begins at `start` ends: where the next one begins, or one behind it where
/// the next offset is damaged. A record says its own length, so that bytes behind it do no harm.
fn end_of(node: &[u8], index: usize, start: usize) -> usize {
    let behind = (1..=NEIGHBOURS).filter_map(|by| offset_of(node, index.saturating_add(by)));
    behind.into_iter().find(|end| *end > start).unwrap_or(node.len()).min(node.len())
}

const fn site(at: u64) -> Site {
    Site::new("B-tree node", "TN1150", at)
}
