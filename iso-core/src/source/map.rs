//! A read-only map of an image file, for handing ranges to the kernel.
//! The one place of the core with `unsafe`; nothing here reads through the map.

use std::fs::File;
use std::io;
use std::ops::Range;

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

    /// Unmaps the resident pages of a range; the page cache keeps them.
    #[cfg(unix)]
    pub(super) fn release(&self, range: Range<u64>) {
        let start = usize::try_from(range.start).unwrap_or(usize::MAX);
        let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(self.0.len());
        let Some(len) = end.checked_sub(start).filter(|len| *len > 0) else { return };
        let unneeded = memmap2::UncheckedAdvice::DontNeed;
        #[expect(unsafe_code, reason = "this advice changes what some maps hold")]
        // SAFETY: a page of a shared map of a file comes from the file again when it is touched.
        let _ = unsafe { self.0.unchecked_advise_range(unneeded, start, len) };
    }

    /// Nothing is mapped elsewhere.
    #[cfg(not(unix))]
    pub(super) const fn release(&self, _: Range<u64>) {}

    /// Whether these bytes are ones of the map.
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        self.0.as_ptr_range().contains(&bytes.as_ptr())
    }

    /// The slice of a range, if all of it lies in the file as it was when it was mapped.
    pub(super) fn range(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.0.get(start..start.checked_add(len)?)
    }
}
