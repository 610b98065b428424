//! Where the bytes of an image come from: one trait and the sources that stand on a local file.
//! Nothing here knows what the bytes mean.

mod file;
mod map;
mod split;
pub mod testing;
mod window;

use std::io;
use std::path::Path;

pub use file::FileSource;
pub use split::SplitSource;
pub use window::Window;

/// What a read of a [`Source`] costs, which decides what is worth caching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// The kernel's page cache already keeps it: bulk data is not cached again.
    Cheap,
    /// It is decoded or fetched: bulk data goes through the block cache.
    Dear,
}

/// An immutable run of bytes that can be read at any place by many threads.
pub trait Source: Send + Sync {
    /// Bytes in all.
    fn len(&self) -> u64;

    /// True for a source of no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills all of `buf` from byte `offset`, or fails.
    ///
    /// # Errors
    /// `UnexpectedEof` where the range passes the end; otherwise whatever the medium says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// The bytes of a range as a map of the file, to be handed to the kernel and not looked at:
    /// the file may shrink under the map, and then only a system call survives touching it.
    ///
    /// # Errors
    /// The range cannot be read any more, for instance because the file has changed.
    fn mapped(&self, _offset: u64, _len: usize) -> io::Result<Option<&[u8]>> {
        Ok(None)
    }

    /// What a read costs.
    fn cost(&self) -> Cost {
        Cost::Dear
    }
}

/// Opens an image by its path: a file, a block device, or the first part of a split set.
///
/// # Errors
/// What opening said, with the part's name where a part of a set is missing.
pub fn open_path(path: &Path) -> io::Result<Box<dyn Source>> {
    let first = FileSource::open(path)?;
    match SplitSource::open_set(path)? {
        Some(set) => Ok(Box::new(set)),
        None => Ok(Box::new(first)),
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn len(&self) -> u64 {
        (**self).len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_at(buf, offset)
    }
    fn mapped(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        (**self).mapped(offset, len)
    }
    fn cost(&self) -> Cost {
        (**self).cost()
    }
}

impl Source for Vec<u8> {
    fn len(&self) -> u64 {
        crate::num::to_u64(self.as_slice().len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = crate::num::to_usize(offset);
        let range = start..start.saturating_add(buf.len());
        buf.copy_from_slice(self.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
