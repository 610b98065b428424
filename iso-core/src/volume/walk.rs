//! Walking a whole tree to its end, however the disc ties its directories together.
//! The only thing that descends by itself; mounts never do.

use std::collections::HashSet;

use crate::error::{Error, Result, Site};
use crate::num::to_u64;

use super::{DirPart, FileKind, NodeId, Volume};

/// What a walk met.
#[derive(Debug)]
pub struct Step {
    /// Path from the start, components joined by `/`; WTF-8 or raw bytes, as the volume gives.
    pub path: Vec<u8>,
    /// How many components the path has.
    pub depth: usize,
    /// Whether it is the last entry of its directory.
    pub last: bool,
    /// The node.
    pub node: NodeId,
    /// Its kind; a plain file where even that could not be learned.
    pub kind: FileKind,
    /// Why the node, or the directory that it is, cannot be read. The entries of a directory that
    /// cannot be entered are left out of the walk.
    pub error: Option<Error>,
    /// Whether it is a directory in which damage was met: more may be in it than the walk finds.
    pub is_damaged: bool,
}

impl Step {
    /// The last component of the path.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.path.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }
}

/// A walk in the order of the disc: each entry, and behind a directory what is in it.
pub struct Walk<'v> {
    volume: &'v dyn Volume,
    open: Vec<Open>,
    /// The nodes of `open`.
    above: HashSet<NodeId>,
    /// Bytes of the directories that are held.
    held_bytes: u64,
    path: Vec<u8>,
    visited: HashSet<NodeId>,
    revisits: usize,
    is_start_damaged: bool,
}

/// A directory being walked.
struct Open {
    node: NodeId,
    /// The entries around the next one; nothing where so much is held already that they are asked
    /// for again.
    part: Option<DirPart>,
    /// The next entry.
    position: usize,
    /// Length of the path up to here.
    path_len: usize,
}

impl<'v> Walk<'v> {
    /// A walk of everything below a directory.
    ///
    /// # Errors
    /// The directory itself cannot be read.
    pub fn new(volume: &'v dyn Volume, start: NodeId) -> Result<Self> {
        let part = volume.read_dir_part(start, 0)?;
        let mut walk = Self {
            volume,
            open: Vec::new(),
            above: HashSet::new(),
            held_bytes: 0,
            path: Vec::new(),
            visited: HashSet::from([start]),
            revisits: 0,
            is_start_damaged: part.is_damaged(),
        };
        walk.push(start, part);
        Ok(walk)
    }

    /// Whether damage was met in the directory that the walk starts from.
    #[must_use]
    pub const fn is_start_damaged(&self) -> bool {
        self.is_start_damaged
    }

    fn push(&mut self, node: NodeId, part: DirPart) {
        self.above.insert(node);
        self.open.push(Open { node, part: None, position: 0, path_len: self.path.len() });
        self.hold(part);
    }

    /// Holds entries of the directory that is walked, unless too much is held.
    fn hold(&mut self, part: DirPart) {
        let Some(open) = self.open.last_mut() else { return };
        let held = open.part.take().map_or(0, |old| old.weight_bytes());
        self.held_bytes = self.held_bytes.saturating_sub(held);
        let total = self.held_bytes.saturating_add(part.weight_bytes());
        if total <= self.volume.disc().limits().parsed_cache_bytes {
            self.held_bytes = total;
            open.part = Some(part);
        }
    }

    fn pop(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.above.remove(&open.node);
        let weight = open.part.map_or(0, |part| part.weight_bytes());
        self.held_bytes = self.held_bytes.saturating_sub(weight);
    }

    /// Opens the directory that the walk has just named; whether damage was met in it.
    fn enter(&mut self, node: NodeId) -> Result<bool> {
        let limits = self.volume.disc().limits();
        let site = Site::new("directory", "ECMA-119 6.8.2.1", self.volume.place_of(node));
        if self.open.len() >= limits.walk_depth {
            return Err(site.limit("nested directories", to_u64(limits.walk_depth)));
        }
        if self.path.len() > limits.walk_path_bytes {
            return Err(site.limit("bytes in one path", to_u64(limits.walk_path_bytes)));
        }
        if self.above.contains(&node) {
            return Err(site.corrupt("contains itself"));
        }
        if !self.visited.insert(node) {
            self.revisits = self.revisits.saturating_add(1);
            if self.revisits > limits.revisits {
                return Err(site.limit("directories with several paths", to_u64(limits.revisits)));
            }
        }
        let part = self.volume.read_dir_part(node, 0)?;
        let is_damaged = part.is_damaged();
        self.push(node, part);
        Ok(is_damaged)
    }

    /// Leaves a directory whose other entries cannot be had any more.
    fn cut_off(&mut self, error: Error) -> Step {
        let node = self.open.last().map_or(self.volume.root(), |open| open.node);
        self.pop();
        let (path, depth) = (self.path.clone(), self.open.len());
        let (kind, error) = (FileKind::Directory, Some(error));
        Step { path, depth, last: true, node, kind, error, is_damaged: true }
    }

    /// Enters what a directory says is one; gives its kind, why it cannot be entered, and whether
    /// damage was met in it.
    fn entered(&mut self, node: NodeId) -> (FileKind, Option<Error>, bool) {
        match self.enter(node) {
            // Its own entry knows better than the directory that names it.
            Err(Error::NotDirectory) => match self.volume.attr(node) {
                Ok(attr) => (attr.kind, None, false),
                Err(error) => (FileKind::Regular, Some(error), false),
            },
            Ok(is_damaged) => (FileKind::Directory, None, is_damaged),
            Err(error) => (FileKind::Directory, Some(error), true),
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let depth = self.open.len();
            let open = self.open.last_mut()?;
            self.path.truncate(open.path_len);
            let position = open.position;
            let is_here = |part: &&DirPart| position >= part.len() || part.get(position).is_some();
            let entries = match open.part.as_ref().filter(is_here) {
                Some(part) => part.clone(),
                None => match self.volume.read_dir_part(open.node, position) {
                    Ok(part) => {
                        self.hold(part.clone());
                        part
                    }
                    Err(error) => return Some(self.cut_off(error)),
                },
            };
            let Some(entry) = entries.get(position) else {
                self.pop();
                continue;
            };
            let open = self.open.last_mut()?;
            open.position = position.saturating_add(1);
            let last = open.position >= entries.len();
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(entry.name);
            let node = entry.node;
            let kind = entry.kind.map_or_else(|| self.volume.attr(node).map(|a| a.kind), Ok);
            let path = self.path.clone();
            let (kind, error, is_damaged) = match kind {
                Ok(FileKind::Directory) => self.entered(node),
                Ok(kind) => (kind, None, false),
                Err(error) => (FileKind::Regular, Some(error), false),
            };
            return Some(Step { path, depth, last, node, kind, error, is_damaged });
        }
    }
}
