//! Where the bytes of an image come from: one trait and the sources that stand on a local file.
//! Nothing here knows what the bytes mean.

mod file;
mod map;
mod parts;
mod patient;
mod split;
mod stamp;
mod stream;
pub mod testing;
mod window;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use file::{DropBehind, FileSource, SourceChanged, check_kind};
pub use parts::{Folder, Judge, Parts, Refused, open_parts, open_set};
pub use patient::Patient;
pub use split::SplitSource;
pub use stamp::{Difference, Event, Events, Stamp};
pub(crate) use window::Behind;
pub use window::Window;

/// What a read of a [`Source`] costs, which decides what is worth caching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// The kernel's page cache already keeps it: bulk data is not cached again.
    Cheap,
    /// Reads decode or fetch data: bulk data goes through the block cache.
    Expensive,
}

/// An immutable run of bytes that can be read at any place by many threads.
pub trait Source: Send + Sync {
    /// Total length in bytes.
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

    /// Asks whether the image is still the one that was opened, after bytes of a map were handed
    /// on: the image may have changed under them. Without `handed` all of the image is asked about.
    ///
    /// # Errors
    /// The image has changed.
    fn confirm(&self, _handed: Option<&[u8]>) -> io::Result<()> {
        Ok(())
    }

    /// What a read costs.
    fn cost(&self) -> Cost {
        Cost::Expensive
    }
}

/// What kind of medium the files of an image lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A disk of this machine: the kernel may be handed a map of the file.
    Local,
    /// One that may go away or stop answering, as a network share or a stick: read by position
    /// only, and each read ends after [`PATIENCE`].
    Distant,
}

/// How long a read of a distant medium may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The image in opened files. `drop_behind`, if given, gets the ranges that a reader has passed.
///
/// # Errors
/// The size of a file cannot be learned.
pub fn from_parts(
    files: Vec<File>,
    medium: Medium,
    drop_behind: Option<DropBehind>,
) -> io::Result<Box<dyn Source>> {
    from_watched_parts(files.into_iter().map(|file| (file, None)).collect(), medium, drop_behind)
}

/// The same of files of which it can be asked what was done to them.
///
/// # Errors
/// As [`from_parts`].
pub fn from_watched_parts(
    files: Vec<(File, Option<Events>)>,
    medium: Medium,
    drop_behind: Option<DropBehind>,
) -> io::Result<Box<dyn Source>> {
    let part = |(file, events)| -> io::Result<Box<dyn Source>> {
        let source = FileSource::from_file(file, medium)?;
        Ok(Box::new(source.with_drop_behind(drop_behind).watched(events)))
    };
    let mut parts = files.into_iter().map(part).collect::<io::Result<Vec<_>>>()?;
    let whole: Box<dyn Source> = match parts.len() {
        1 => parts.remove(0),
        _ => Box::new(SplitSource::new(parts)),
    };
    Ok(match medium {
        Medium::Local => whole,
        Medium::Distant => Box::new(Patient::new(whole, PATIENCE)?),
    })
}

/// Opens an image on a local disk by its path.
///
/// # Errors
/// As [`open_parts`].
pub fn open_path(path: &Path) -> io::Result<Box<dyn Source>> {
    from_parts(open_parts(path)?.files, Medium::Local, None)
}

/// A source behind a pointer is a source.
macro_rules! source_behind {
    ($pointer:ident) => {
        impl<S: Source + ?Sized> Source for $pointer<S> {
            fn len(&self) -> u64 {
                (**self).len()
            }
            fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
                (**self).read_at(buf, offset)
            }
            fn mapped(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
                (**self).mapped(offset, len)
            }
            fn confirm(&self, handed: Option<&[u8]>) -> io::Result<()> {
                (**self).confirm(handed)
            }
            fn cost(&self) -> Cost {
                (**self).cost()
            }
        }
    };
}

source_behind!(Box);
source_behind!(Arc);

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
