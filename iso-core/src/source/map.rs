//! A read-only map of an image file, for handing ranges to the kernel.
//! The one place of the core with `unsafe`; nothing here reads through the map.

use std::fs::File;
use std::io;

/// A map of a whole file.
#[derive(Debug)]
pub(super) struct Map(memmap2::Mmap);

impl Map {
    /// Maps all of `file`.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        #[expect(unsafe_code, reason = "memory maps cannot be made safely")]
        // SAFETY: the bytes are only ever passed on to system calls, which answer EFAULT if the
        // file shrank; no code of this program loads from the map.
        let map = unsafe { memmap2::Mmap::map(file) }?;
        Ok(Self(map))
    }

    /// The slice of a range, if all of it lies in the file as it was when it was mapped.
    pub(super) fn range(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.0.get(start..start.checked_add(len)?)
    }
}
