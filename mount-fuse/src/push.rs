//! Prefetches small files into the kernel's page cache: a program that reads the files of a
//! directory in order finds the next ones there. Runs in a thread of its own, since storing may
//! wait for a request that another thread answers; only files of mapped images are stored.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use fuser::{INodeNo, Notifier};
use iso_core::volume::{Data, DirPart, FileKind, NodeId, Volume};

use crate::cache::forget;

/// Files longer than this are read ahead by the kernel itself.
const SMALL_BYTES: u64 = 64 << 10;

/// Bytes stored at a time, at first and at most.
const FIRST_WINDOW_BYTES: u64 = 64 << 10;
const MAX_WINDOW_BYTES: u64 = 1 << 20;

/// Files stored at a time.
const MAX_WINDOW_FILES: usize = 256;

/// Listed directories that are remembered: their files are known to the kernel, which takes bytes
/// of no others.
const DIRECTORIES: usize = 16 << 10;

/// Directories among which the one of a file is looked for.
const CANDIDATES: usize = 4;

/// Entries searched behind the last one that was read.
const SEARCHED: usize = 512;

/// Directories of which every entry may be searched.
const SEARCHED_WHOLE: usize = 4096;

/// Reads that may wait to be looked at; more come too fast for the stored files to be missed.
const WAITING: usize = 16;

/// What the callbacks tell.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    reads: SyncSender<NodeId>,
    listed: Arc<Mutex<Listed>>,
}

/// The directories that were listed, by the numbers of their files: those of one directory lie
/// together on most discs.
#[derive(Debug, Default)]
struct Listed(BTreeMap<NodeId, (NodeId, NodeId)>);

impl Listed {
    /// Remembers a directory; forgets all where there are too many.
    fn add(&mut self, dir: &DirPart) {
        let Some((first, last)) = dir.nodes() else { return };
        if self.0.len() >= DIRECTORIES {
            self.0.clear();
        }
        self.0.insert(first, (last, dir.node()));
    }

    /// The directories that may name a node.
    fn candidates(&self, node: NodeId) -> Vec<NodeId> {
        let before = self.0.range(..=node).rev().take(CANDIDATES);
        before.filter(|(_, (last, _))| *last >= node).map(|(_, (_, dir))| *dir).collect()
    }
}

/// The thread that prefetches.
pub(crate) struct Prefetcher {
    reads: Receiver<NodeId>,
    listed: Arc<Mutex<Listed>>,
}

impl Push {
    /// One end for the callbacks, one for the thread.
    pub(crate) fn new() -> (Self, Prefetcher) {
        let (sender, receiver) = sync_channel(WAITING);
        let listed = Arc::new(Mutex::new(Listed::default()));
        (Self { reads: sender, listed: listed.clone() }, Prefetcher { reads: receiver, listed })
    }

    /// The kernel received the files of a directory.
    pub(crate) fn listed(&self, dir: &DirPart) {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).add(dir);
    }

    /// A file was read from its beginning; so many bytes came.
    pub(crate) fn read(&self, node: NodeId, len: usize) {
        if u64::try_from(len).is_ok_and(|len| len <= SMALL_BYTES) {
            let _ = self.reads.try_send(node);
        }
    }
}

impl Prefetcher {
    /// Stores files until the callbacks are gone.
    pub(crate) fn follow(self, volume: &dyn Volume, notifier: &Notifier) {
        let store =
            |node: NodeId, bytes: &[u8]| notifier.store(INodeNo(node.number()), 0, bytes).is_ok();
        let mut reader = Reader::default();
        while let Ok(node) = self.reads.recv() {
            let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            let candidates = listed.candidates(node);
            drop(listed);
            let pushed = AssertUnwindSafe(|| reader.read(volume, &candidates, node, &store));
            let Ok(stored) = catch_unwind(pushed) else {
                tracing::error!("storing files ahead broke down");
                return;
            };
            // The image may have changed under the map while the kernel copied from it.
            if !stored.is_empty() && volume.disc().confirm(None).is_err() {
                let inos = stored.iter().map(|node| INodeNo(node.number()));
                inos.for_each(|ino| forget(notifier, ino, 0, 0));
            }
        }
    }
}

/// Who reads files one after the other, and how far.
#[derive(Debug, Default)]
struct Reader {
    directory: Option<NodeId>,
    /// The entry that is read next if all goes on as it did.
    next: usize,
    /// How often in a row it was.
    streak: u32,
    window_bytes: u64,
}

impl Reader {
    /// A file was read that was not stored: stores those behind it, if this one follows another.
    /// Gives the files that it stored.
    fn read(
        &mut self,
        volume: &dyn Volume,
        directories: &[NodeId],
        node: NodeId,
        store: &dyn Fn(NodeId, &[u8]) -> bool,
    ) -> Vec<NodeId> {
        for directory in directories {
            let is_same = self.directory == Some(*directory);
            let from = if is_same { self.next } else { 0 };
            let Ok(part) = volume.read_dir_part(*directory, from) else { continue };
            let mut dir = Directory { volume, node: *directory, part };
            let Some(position) = find(&mut dir, node, from) else { continue };
            let follows = if is_same {
                position >= self.next && position <= self.next.saturating_add(2)
            } else {
                // Another directory, read from its beginning, as the one before was to its end.
                position <= 2 && self.streak > 2
            };
            if is_same && position < self.next {
                // Read while it was being stored.
                return Vec::new();
            }
            self.directory = Some(*directory);
            self.next = position.saturating_add(1);
            if !follows {
                self.streak = 0;
                self.window_bytes = FIRST_WINDOW_BYTES;
                return Vec::new();
            }
            self.streak = self.streak.saturating_add(1);
            let stored = self.store_from(volume, &mut dir, store);
            self.window_bytes = self.window_bytes.saturating_mul(2).min(MAX_WINDOW_BYTES);
            return stored;
        }
        Vec::new()
    }

    /// Stores the small files from the next one on; gives them, with one that failed half-way.
    fn store_from(
        &mut self,
        volume: &dyn Volume,
        dir: &mut Directory<'_>,
        store: &dyn Fn(NodeId, &[u8]) -> bool,
    ) -> Vec<NodeId> {
        let mut left = self.window_bytes;
        let mut all = Vec::new();
        for _ in 0..MAX_WINDOW_FILES {
            let Some(node) = dir.get(self.next) else { break };
            let attr = match volume.attr(node) {
                Ok(attr) if attr.kind == FileKind::Regular && attr.size > 0 => attr,
                _ => {
                    self.next = self.next.saturating_add(1);
                    continue;
                }
            };
            // One that is not small is read by itself, and the window ends before it.
            let Some(rest) = left.checked_sub(attr.size).filter(|_| attr.size <= SMALL_BYTES)
            else {
                break;
            };
            left = rest;
            all.push(node);
            if !stored(volume, node, attr.size, store) {
                break;
            }
            self.next = self.next.saturating_add(1);
        }
        all
    }
}

/// Stores a whole file; whether that went well. Errors are for those who ask for the file.
fn stored(
    volume: &dyn Volume,
    node: NodeId,
    size: u64,
    store: &dyn Fn(NodeId, &[u8]) -> bool,
) -> bool {
    let Ok(data) = volume.data(node) else { return false };
    let (Data::Plain(extents), Ok(len)) = (&*data, usize::try_from(size)) else { return false };
    match extents.read(volume.disc(), 0, len) {
        Ok(Cow::Borrowed(bytes)) if bytes.len() == len => store(node, bytes),
        Ok(_) | Err(_) => false,
    }
}

/// A directory with those of its entries that were asked for last.
struct Directory<'v> {
    volume: &'v dyn Volume,
    node: NodeId,
    part: DirPart,
}

impl Directory<'_> {
    /// The node of the entry at a position.
    fn get(&mut self, position: usize) -> Option<NodeId> {
        if position >= self.part.len() {
            return None;
        }
        if self.part.get(position).is_none() {
            self.part = self.volume.read_dir_part(self.node, position).ok()?;
        }
        self.part.get(position).map(|entry| entry.node)
    }
}

/// The entry that names a node, looked for from a position on.
fn find(dir: &mut Directory<'_>, node: NodeId, from: usize) -> Option<usize> {
    let len = dir.part.len();
    let mut is_wanted = |position: &usize| dir.get(*position) == Some(node);
    let near = from..from.saturating_add(SEARCHED).min(len);
    let whole = 0..if len <= SEARCHED_WHOLE { len } else { SEARCHED };
    near.into_iter().find(&mut is_wanted).or_else(|| whole.into_iter().find(is_wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_looked_for_where_its_number_lies() {
        let node = NodeId::from_number;
        let mut listed = Listed::default();
        for (first, last, directory) in [(10, 20, 1), (15, 30, 2), (40, 50, 3)] {
            listed.0.insert(node(first), (node(last), node(directory)));
        }
        for (number, want) in [(9, &[][..]), (10, &[1]), (17, &[2, 1]), (25, &[2]), (45, &[3])] {
            let want: Vec<NodeId> = want.iter().map(|number| node(*number)).collect();
            assert_eq!(listed.candidates(node(number)), want);
        }
    }

    #[test]
    fn reads_that_nobody_waits_for_are_dropped_and_large_ones_not_told() {
        let (push, prefetcher) = Push::new();
        push.read(NodeId::from_number(1), 1 << 20);
        for number in 0..1000 {
            push.read(NodeId::from_number(number), 10);
        }
        assert_eq!(prefetcher.reads.try_iter().count(), WAITING);
    }
}
