//! For what the entries of a directory are listed, and what was looked up on the way.
//! Values only.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use crate::volume::NodeId;

/// How the directories that a directory names get their nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbering {
    /// By the record that counts, for which the first sector of each is read.
    ByRecord,
    /// By where they lie, as far as their names' records tell.
    ByPlace,
}

/// The links that were found while a directory is listed: for each directory that has any, where
/// they lead.
#[derive(Default)]
pub(super) struct Links {
    pub(super) by_holder: HashMap<u64, HashSet<u64>>,
    /// Bytes of directories that were read for them.
    pub(super) read: u64,
}

/// For what the entries of a directory are listed.
pub(super) struct Listing {
    pub(super) holder: NodeId,
    pub(super) numbering: Numbering,
    pub(super) links: RefCell<Links>,
    has_guesses: Cell<bool>,
}

impl Listing {
    /// Notes that something is taken at its word that a look elsewhere could disprove.
    pub(super) fn note_guess(&self) {
        self.has_guesses.set(self.numbering == Numbering::ByPlace);
    }

    /// Whether anything was taken at its word.
    pub(super) const fn has_guesses(&self) -> bool {
        self.has_guesses.get()
    }

    pub(super) fn new(holder: NodeId, numbering: Numbering) -> Self {
        Self { holder, numbering, links: RefCell::default(), has_guesses: Cell::new(false) }
    }
}
