//! Opening a stranger's image where there is no sandbox yet: in this process, as it is.
//! The only way to an image for what runs here.

use std::path::Path;

use iso_core::source::{Source, open_path};

use crate::exit::Failure;
use crate::image::cannot_open;

/// An image that this process may look at.
pub(crate) struct Confined(Box<dyn Source>);

impl Confined {
    /// Opens an image.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        open_path(path).map(Self).map_err(|error| cannot_open(path, &error))
    }

    /// Its bytes.
    pub(crate) fn into_source(self) -> Box<dyn Source> {
        self.0
    }
}
