//! An image in one local file or block device, read by position.
//! The only place of the core that asks which operating system it runs on.

use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::map::Map;
use super::stamp::{self, Difference, Event, Events, Stamp};
use super::stream::Streams;
use super::{Cost, Medium, Source};

/// The cause of a read's error when the file is no longer the one that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the image file was changed after it was opened")]
pub struct SourceChanged;

/// A file on a disk, with a map of it to hand to the kernel where the disk is a local one.
///
/// Every read asks whether the file is still the one that was opened: an image that shrank or was
/// written to gives errors from then on, never a mixture of two images and never the zeros that a
/// map shows behind the end of a file.
pub struct FileSource {
    file: File,
    len: u64,
    /// What was known of the file when it was last known to be the one that was opened.
    stamp: Option<RwLock<Stamp>>,
    /// Latched: data from before and after a change must not be mixed.
    changed: AtomicBool,
    map: Option<Map>,
    streams: Streams,
    drop_behind: Option<DropBehind>,
    events: Option<Events>,
}

/// Tells the system that a range of a file will not be read again soon.
pub type DropBehind = fn(&File, Range<u64>);

/// How long the system may take to tell of what it has done to a file already.
const EVENT_DELAY: Duration = Duration::from_millis(100);

/// Opens a regular file or a block device for reading.
///
/// # Errors
/// What opening said; `IsADirectory` for a directory, `InvalidInput` for anything else that has no
/// size (a pipe, a terminal, an endless device).
pub(super) fn open(path: &Path) -> io::Result<File> {
    check_kind(&std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    check_kind(&file.metadata()?)?;
    Ok(file)
}

/// Refuses a file that is no image by its kind alone.
///
/// # Errors
/// `IsADirectory` for a directory, `InvalidInput` for anything else that has no size (a pipe, a
/// terminal, an endless device).
pub fn check_kind(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    is_readable_kind(metadata).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// Whether a file is one that bytes can be read from by position; if not, why.
pub(super) fn is_readable_kind(metadata: &Metadata) -> Result<(), &'static str> {
    if metadata.is_symlink() {
        return Err("it is a symbolic link, and those are not followed");
    }
    if metadata.is_file() || is_block_device(metadata) {
        return Ok(());
    }
    Err("neither a file nor a block device")
}

impl FileSource {
    /// Takes an open file. Waits for a moment where it was written to just now, so that a change
    /// from here on has another time.
    ///
    /// # Errors
    /// Its size cannot be learned.
    pub fn from_file(mut file: File, medium: Medium) -> io::Result<Self> {
        let mut metadata = file.metadata()?;
        let regular = metadata.is_file();
        if regular && stamp::settle(&metadata) {
            metadata = file.metadata()?;
        }
        let len = if regular { metadata.len() } else { file.seek(SeekFrom::End(0))? };
        let stamp = regular.then(|| RwLock::new(Stamp::of(&metadata)));
        // Only where there is a kernel that takes a map unseen: elsewhere whoever copies from it
        // would break down with the medium.
        let is_mapped = cfg!(unix) && regular && len > 0 && medium == Medium::Local;
        let map = if is_mapped { Map::new(&file).ok() } else { None };
        Ok(Self {
            file,
            len,
            stamp,
            changed: AtomicBool::new(false),
            map,
            streams: Streams::default(),
            drop_behind: None,
            events: None,
        })
    }

    /// Calls `drop_behind`, if given, with ranges that a sequential reader has passed: the kernel
    /// holds their bytes a second time in the reader's own file.
    #[must_use]
    pub fn with_drop_behind(self, drop_behind: Option<DropBehind>) -> Self {
        Self { drop_behind, ..self }
    }

    /// The same, with somebody to ask what was done to the file, if there is one.
    #[must_use]
    pub fn watched(self, events: Option<Events>) -> Self {
        Self { events, ..self }
    }

    /// Fails once the file is no longer the one that was opened.
    fn check_unchanged(&self) -> io::Result<()> {
        let Some(stamp) = &self.stamp else { return Ok(()) };
        if !self.changed.load(Ordering::Relaxed) {
            let known = *stamp.read().unwrap_or_else(PoisonError::into_inner);
            if known.compare(&Stamp::of(&self.file.metadata()?)) == Difference::None
                || self.is_explained(stamp)?
            {
                return Ok(());
            }
        }
        self.changed.store(true, Ordering::Relaxed);
        Err(io::Error::other(SourceChanged))
    }

    /// Whether what changed is other than the bytes: a name, an owner, a permission. Then what is
    /// known of the file now is what the next reads compare with.
    fn is_explained(&self, stamp: &RwLock<Stamp>) -> io::Result<bool> {
        let mut known = stamp.write().unwrap_or_else(PoisonError::into_inner);
        let mut seen = Event::default();
        let since = Instant::now();
        loop {
            let now = Stamp::of(&self.file.metadata()?);
            let difference = known.compare(&now);
            if difference == Difference::None {
                return Ok(true);
            }
            let is_watched = self.events.as_ref().is_some_and(|events| seen.add(events()));
            if difference.is_explained_by(is_watched.then_some(seen)) {
                // A change between the two looks is reported with those before the first.
                if Stamp::of(&self.file.metadata()?) == now {
                    *known = now;
                    return Ok(true);
                }
            } else if !is_watched
                || seen.is_any()
                || difference == Difference::Bytes
                || since.elapsed() > EVENT_DELAY
            {
                return Ok(false);
            } else {
                // A name changes a little before the system tells of it.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let read = read_exact_at(&self.file, buf, offset);
        // Asked after the read: whoever writes sets the time first and the bytes then, so bytes
        // that came before the answer are the old ones.
        self.check_unchanged()?;
        read
    }

    fn mapped(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        let Some(map) = &self.map else { return Ok(None) };
        self.check_unchanged()?;
        let range = map.range(offset, len);
        if range.is_some()
            && let Some(behind) = self.streams.note(offset, crate::num::to_u64(len))
        {
            map.release(behind.clone());
            if let Some(drop_behind) = self.drop_behind {
                drop_behind(&self.file, behind);
            }
        }
        Ok(range)
    }

    fn confirm(&self, handed: Option<&[u8]>) -> io::Result<()> {
        let is_concerned =
            handed.is_none_or(|handed| self.map.as_ref().is_some_and(|map| map.holds(handed)));
        if is_concerned { self.check_unchanged() } else { Ok(()) }
    }

    fn cost(&self) -> Cost {
        Cost::Cheap
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buf, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buf = buf.get_mut(n..).unwrap_or_default();
                offset = offset.saturating_add(crate::num::to_u64(n));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_block_device(metadata: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_block_device(&metadata.file_type())
}

#[cfg(windows)]
fn is_block_device(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn scratch(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("isodrive-file-{}-{name}", std::process::id()))
    }

    fn local(path: &Path) -> FileSource {
        FileSource::from_file(open(path).unwrap(), Medium::Local).unwrap()
    }

    #[test]
    fn a_file_that_shrank_or_was_written_to_is_an_error_not_zeros() {
        let path = scratch("shrink");
        std::fs::write(&path, [7u8; 10_000]).unwrap();
        let source = local(&path);
        let mut buf = [0; 100];
        source.read_at(&mut buf, 9_900).unwrap();
        assert_eq!(buf, [7; 100]);
        let mapped = source.mapped(9_900, 100).unwrap().map(<[u8]>::len);
        assert_eq!(mapped, cfg!(unix).then_some(100));

        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(9_000).unwrap();
        let said = source.read_at(&mut buf, 0).unwrap_err().to_string();
        assert_eq!(said, "the image file was changed after it was opened");
        let is_refused = source.mapped(8_900, 100).is_err();
        assert_eq!(is_refused, cfg!(unix), "the tail of its last page reads as zeros");
        file.set_len(10_000).unwrap();
        file.set_modified(std::fs::metadata(&path).unwrap().modified().unwrap()).unwrap();
        assert!(source.read_at(&mut buf, 0).is_err(), "once changed, always changed");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_has_no_size_is_refused_at_once() {
        let error = open(&std::env::temp_dir()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        #[cfg(unix)]
        {
            let error = open(Path::new("/dev/zero")).unwrap_err();
            assert_eq!(error.to_string(), "neither a file nor a block device");
        }
    }

    #[test]
    fn a_range_past_the_end_is_an_error() {
        let path = scratch("end");
        File::create(&path).unwrap().write_all(b"0123456789").unwrap();
        let source = local(&path);
        let error = source.read_at(&mut [0; 4], 8).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(source.mapped(8, 4).unwrap(), None);
        std::fs::remove_file(&path).unwrap();
    }
}
