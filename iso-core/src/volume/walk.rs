//! Walking a whole tree to its end, however the disc ties its directories together.
//! The only thing that descends by itself; mounts never do.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Error, Result, Site};
use crate::num::to_u64;

use super::{Dir, FileKind, NodeId, Volume};

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
    /// Directories being walked: entries, next position, length of the path up to here.
    open: Vec<(Arc<Dir>, usize, usize)>,
    path: Vec<u8>,
    visited: HashSet<NodeId>,
    revisits: usize,
}

impl<'v> Walk<'v> {
    /// A walk of everything below a directory.
    ///
    /// # Errors
    /// The directory itself cannot be read.
    pub fn new(volume: &'v dyn Volume, start: NodeId) -> Result<Self> {
        let dir = volume.read_dir(start)?;
        let visited = HashSet::from([start]);
        Ok(Self { volume, open: vec![(dir, 0, 0)], path: Vec::new(), visited, revisits: 0 })
    }

    /// Opens the directory that the walk has just named.
    fn enter(&mut self, node: NodeId) -> Result<()> {
        let limits = self.volume.disc().limits();
        let site = Site::new("directory", "ECMA-119 6.8.2.1", node.position());
        if self.open.len() >= limits.walk_depth {
            return Err(site.limit("nested directories", to_u64(limits.walk_depth)));
        }
        if self.open.iter().any(|(dir, ..)| dir.node() == node) {
            return Err(site.corrupt("it contains itself"));
        }
        if !self.visited.insert(node) {
            self.revisits = self.revisits.saturating_add(1);
            if self.revisits > limits.revisits {
                return Err(site.limit("directories with several paths", to_u64(limits.revisits)));
            }
        }
        let dir = self.volume.read_dir(node)?;
        self.open.push((dir, 0, self.path.len()));
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let depth = self.open.len();
            let (dir, position, path_len) = self.open.last_mut()?;
            self.path.truncate(*path_len);
            let Some(entry) = dir.get(*position) else {
                self.open.pop();
                continue;
            };
            *position = position.saturating_add(1);
            let last = *position >= dir.len();
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(entry.name);
            let node = entry.node;
            let kind = entry.kind.map_or_else(|| self.volume.attr(node).map(|a| a.kind), Ok);
            let path = self.path.clone();
            let (kind, error) = match kind {
                Ok(FileKind::Directory) => match self.enter(node) {
                    // Its own entry knows better than the directory that names it.
                    Err(Error::NotDirectory) => match self.volume.attr(node) {
                        Ok(attr) => (attr.kind, None),
                        Err(error) => (FileKind::Regular, Some(error)),
                    },
                    entered => (FileKind::Directory, entered.err()),
                },
                Ok(kind) => (kind, None),
                Err(error) => (FileKind::Regular, Some(error)),
            };
            return Some(Step { path, depth, last, node, kind, error });
        }
    }
}
