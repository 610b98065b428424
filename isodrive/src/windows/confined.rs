//! Opening a stranger's image where there is no sandbox yet: in this process, as it is.
//! The only way to an image for what runs here.

use std::path::Path;

use iso_core::source::{self, Medium, Source};

use crate::exit::Failure;
use crate::parts::{Joined, cannot_open, open_parts};
use crate::terminal::Terminal;

/// An image that this process may look at.
pub(crate) struct Confined {
    source: Box<dyn Source>,
    joined: Joined,
}

impl Confined {
    /// Opens an image.
    pub(crate) fn open(path: &Path, _: &mut Terminal) -> Result<Self, Failure> {
        Self::open_unseen(path)
    }

    /// As `open`, where there is no terminal.
    pub(crate) fn open_unseen(path: &Path) -> Result<Self, Failure> {
        let parts = open_parts(path)?;
        let joined = Joined::of(&parts);
        let source = source::from_parts(parts.files, Medium::Local, None);
        Ok(Self { source: source.map_err(|error| cannot_open(path, &error))?, joined })
    }

    /// Its bytes, and the files that they lie in.
    pub(crate) fn into_parts(self) -> (Box<dyn Source>, Joined) {
        (self.source, self.joined)
    }
}
