//! Names of one file in the tree of Rock Ridge: every name has a record of its own, and those that
//! record one file are one node. Remembers numbers of nodes; `file` reads the records.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::kind::kind;
use super::record::Record;
use super::rrip::RockRidge;
use crate::volume::{FileKind, NodeId};

/// The files that may have several names, each under its first name that was read.
///
/// A name that came when the table was full is a file of its own for as long as the volume is
/// open: the number of a name's node never changes.
#[derive(Debug, Default)]
pub(super) struct HardLinks {
    hashers: [RandomState; 2],
    first: Mutex<HashMap<Key, First>>,
}

/// What the names of one file have in common (RRIP 1.12 4.1.1), as a hash whose keys are this
/// process's own: the serial number, where the bytes lie, and what a file has once only. Writers
/// that number all files alike may share the bytes of files that are equal by chance; mode, owner
/// or time tell most of these apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u64; 2]);

/// The first name of a file.
#[derive(Debug, Clone, Copy)]
struct First {
    node: NodeId,
    /// Whether another name was read since.
    is_shared: bool,
}

impl HardLinks {
    /// The key of a file by its first record; nothing where it has one name only. Number 0 is
    /// none: writers use it for all files. Empty files are never one: unrelated ones may have
    /// everything in common.
    pub(super) fn key(&self, record: &Record<'_>, rock_ridge: &RockRidge) -> Option<Key> {
        let attributes = rock_ridge.attributes.filter(|a| a.serial.is_some_and(|n| n != 0))?;
        let is_file = kind(record, rock_ridge) == FileKind::Regular && record.data_len() > 0;
        let modified = rock_ridge.times.modified.unwrap_or(record.recorded());
        let common = (attributes, modified, places(record), record.flags().bits());
        is_file.then(|| Key(self.hashers.each_ref().map(|hasher| hasher.hash_one(common))))
    }

    /// The first name under a key: `node`, if there is none and the table has room.
    pub(super) fn first(&self, key: Key, node: NodeId, max: usize) -> NodeId {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = first.get(&key) {
            return first.node;
        }
        if first.len() < max && first.try_reserve(1).is_ok() {
            first.insert(key, First { node, is_shared: false });
        }
        node
    }

    pub(super) fn note_shared(&self, key: Key) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = first.get_mut(&key) {
            first.is_shared = true;
        }
    }

    /// How many names a file has: as many as recorded, but two at least where two were read.
    pub(super) fn count(&self, key: Option<Key>, recorded: u32) -> u32 {
        let Some(key) = key else { return recorded };
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.get(&key).is_some_and(|first| first.is_shared) {
            recorded.max(2)
        } else {
            recorded
        }
    }
}

/// Where the bytes of a record lie: first block, bytes, and the units of an interleaved one.
pub(super) fn places(record: &Record<'_>) -> (u32, u64, u8, u8) {
    let head = record.head;
    (head.extent.get(), record.data_len(), head.unit_size, head.gap_size)
}
