//! Metadata that was checked, in a file that nobody can write to any more.
//! The one way to have something to attach.

use std::fs::File;

use iso_core::volume::Permissions;

use super::refused::Refused;
use super::tree;
use crate::descriptor::own_descriptor;

/// Metadata that the kernel may see.
#[derive(Debug)]
pub struct Verified {
    file: File,
}

impl Verified {
    /// The metadata, open for reading.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }
}

/// Checks metadata that a worker made for an image of so many bytes. What only `--permissions
/// image` asks for is accepted with those permissions alone: set-id bits and device numbers, which
/// the mount takes no notice of in any case. Takes the time of reading the file two or three
/// times, and less memory than its length, whatever is in it.
///
/// The file is opened anew for reading and given up for writing before anything is checked, so
/// hand over the last descriptor by which it can be written.
///
/// # Errors
/// The metadata is none that the translator writes; or it cannot be read.
pub fn verify(
    metadata: File,
    image_bytes: u64,
    permissions: Permissions,
) -> Result<Verified, Refused> {
    let file = File::open(own_descriptor(&metadata))?;
    drop(metadata);
    tree::check(&file, image_bytes, permissions)?;
    Ok(Verified { file })
}
