//! An image as the formats see it: exact reads at byte positions, cached where that pays.
//! Metadata and file data live in separate caches, so that a large copy does not evict directories.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result, Site};
use crate::limits::Limits;
use crate::num::{remainder, to_u64, to_usize};
use crate::source::{Behind, Cost, Source, SourceChanged, Window};

use super::permit::{MemoryPermit, Permits};
use super::together::Together;
use super::{Findings, WeightedCache};

/// Bytes of one cached block: a directory and its neighbours arrive in one read.
pub(crate) const BLOCK_BYTES: u64 = 32 << 10;

type BlockCache = WeightedCache<u64, [u8]>;

/// What a decoded block was made of: byte position and length of the packed one, and the length
/// that it has when it is decoded.
pub(crate) type PackedBlock = (u64, u64, usize);

/// How much was read, and how often a cache had it.
#[derive(Debug, Default)]
pub struct Counters {
    /// Reads of the source.
    pub source_reads: AtomicU64,
    /// Bytes read from the source.
    pub source_bytes: AtomicU64,
    /// Blocks found in a cache.
    pub cache_hits: AtomicU64,
}

/// Where byte 0 of a volume lies in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Byte of the image; below zero where the image is a track that was copied alone, and its
    /// numbers count from the beginning of the disc.
    pub(crate) at: i64,
    /// Byte of the image at which another volume begins, or that of the end of the image.
    pub(crate) end: Option<u64>,
}

impl Origin {
    /// A volume that begins at a byte; nothing past the last byte that can be counted.
    pub(crate) fn new(at: u64, end: Option<u64>) -> Option<Self> {
        Some(Self { at: i64::try_from(at).ok()?, end })
    }
}

/// A source with its block caches, bounds, counters and findings.
pub struct Disc {
    source: Arc<dyn Source>,
    /// Byte of the image at which the source's first byte lies.
    origin: i64,
    /// Bytes before those that the source has.
    missing: u64,
    metadata: BlockCache,
    bulk: BlockCache,
    decoded: WeightedCache<PackedBlock, [u8]>,
    directories: Permits,
    limits: Limits,
    findings: Findings,
    counters: Counters,
    is_changed: AtomicBool,
    together: Together,
}

impl Disc {
    /// Puts caches over a source.
    #[must_use]
    pub fn new(source: Box<dyn Source>, limits: Limits) -> Self {
        Self::over(Arc::from(source), limits)
    }

    /// The same image with its bytes counted from elsewhere. It shares nothing with this one but
    /// the source: what was found odd of it from here is not what is odd from there.
    #[must_use]
    pub(crate) fn counted_from(&self, origin: Origin) -> Self {
        let inner = self.source.clone();
        let missing = if origin.at < 0 { origin.at.unsigned_abs() } else { 0 };
        let source: Arc<dyn Source> = match u64::try_from(origin.at) {
            Ok(start) => {
                let end = origin.end.unwrap_or(u64::MAX);
                Arc::new(Window::new(inner, start, end.saturating_sub(start)))
            }
            Err(_) => Arc::new(Behind::new(inner, missing)),
        };
        let place = self.origin.saturating_add(origin.at);
        Self { origin: place, missing, ..Self::over(source, self.limits.clone()) }
    }

    fn over(source: Arc<dyn Source>, limits: Limits) -> Self {
        Self {
            metadata: BlockCache::new(limits.metadata_cache_bytes),
            bulk: BlockCache::new(limits.bulk_cache_bytes),
            decoded: WeightedCache::new(limits.decoded_cache_bytes),
            directories: Permits::new(limits.directory_bytes),
            findings: Findings::new(limits.findings),
            counters: Counters::default(),
            is_changed: AtomicBool::new(false),
            together: Together::default(),
            source,
            origin: 0,
            missing: 0,
            limits,
        }
    }

    /// Where the image ends, in bytes. Places count from the beginning of the volume, or from that
    /// of the disc where its numbers do.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// Where the image begins, in bytes: above zero where it is a track that was copied alone.
    #[must_use]
    pub const fn begin(&self) -> u64 {
        self.missing
    }

    /// Byte of the file at which byte 0 lies; below zero where that one is not in it.
    #[must_use]
    pub const fn origin(&self) -> i64 {
        self.origin
    }

    /// Bytes that the image holds of the volume.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.len().saturating_sub(self.begin())
    }

    /// True for an image of no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether reading costs no more than the kernel's own cache does.
    #[must_use]
    pub fn is_cheap(&self) -> bool {
        self.source.cost() == Cost::Cheap
    }

    /// The bounds on what this disc may cost.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What was found odd about this disc.
    #[must_use]
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }

    /// How much was read.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether a read met an image that is no longer the one that was opened.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.is_changed.load(Ordering::Relaxed)
    }

    /// The `len` bytes of metadata at byte `at`. The caller has bounded `len`.
    ///
    /// # Errors
    /// `Corrupt` at `site` if the range passes the end of the image, `Io` if it cannot be read.
    pub fn metadata(&self, at: u64, len: usize, site: Site) -> Result<Vec<u8>> {
        let end = at.checked_add(to_u64(len));
        if end.is_none_or(|end| end > self.len()) {
            return Err(site.moved(at).corrupt("lies past the end of the image"));
        }
        self.read_together(at);
        let mut bytes = zeroed(len)?;
        self.read_cached(&self.metadata, &mut bytes, at)?;
        Ok(bytes)
    }

    /// Brings the descriptors among which byte `at` lies into the cache, in one read. Blocks that
    /// are missing then are read one by one as they are needed.
    fn read_together(&self, at: u64) {
        let piece = self.together.piece(at).filter(|piece| piece.start >= self.begin());
        let Some(piece) = piece else { return };
        let len = self.len().min(piece.end).saturating_sub(piece.start);
        let Ok(mut read) = zeroed(to_usize(len)) else { return };
        if self.read_source(&mut read, piece.start).is_ok() {
            let blocks = read.chunks(to_usize(BLOCK_BYTES));
            for (start, block) in piece.step_by(to_usize(BLOCK_BYTES)).zip(blocks) {
                self.metadata.put(start, block.into());
            }
        }
    }

    /// As `metadata`, for a few bytes at each of many places. Where reading costs little, they do
    /// not bring whole blocks into the cache.
    ///
    /// # Errors
    /// As `metadata`.
    pub(crate) fn glance(&self, at: u64, len: usize, site: Site) -> Result<Vec<u8>> {
        let start = at.saturating_sub(remainder(at, BLOCK_BYTES));
        let is_there = at.checked_add(to_u64(len)).is_some_and(|end| end <= self.len());
        if !is_there || !self.is_cheap() || self.metadata.get(&start).is_some() {
            return self.metadata(at, len, site);
        }
        let mut bytes = zeroed(len)?;
        self.read_source(&mut bytes, at)?;
        Ok(bytes)
    }

    /// Fills `buf` from byte `at` and keeps nothing of it: a look at a place where there is most
    /// likely nothing. What lies among descriptors is kept with them.
    ///
    /// # Errors
    /// `Io` if it cannot be read.
    pub(crate) fn peek(&self, buf: &mut [u8], at: u64) -> Result<()> {
        self.read_together(at);
        let within = to_usize(remainder(at, BLOCK_BYTES));
        let block = self.metadata.get(&at.saturating_sub(to_u64(within)));
        let end = within.saturating_add(buf.len());
        match block.as_deref().and_then(|block| block.get(within..end)) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => self.read_source(buf, at),
        }
    }

    /// Fills `buf` with file data from byte `at`.
    ///
    /// # Errors
    /// `Io` if it cannot be read.
    pub fn read_data(&self, buf: &mut [u8], at: u64) -> Result<()> {
        match self.source.cost() {
            Cost::Cheap => self.read_source(buf, at),
            Cost::Expensive => self.read_cached(&self.bulk, buf, at),
        }
    }

    /// A permit to hold a directory of this many bytes while it is parsed.
    pub(crate) fn permit(&self, bytes: u64) -> MemoryPermit<'_> {
        self.directories.take(bytes)
    }

    /// A decoded block, from the cache or made by `decode` and kept.
    ///
    /// # Errors
    /// What `decode` says.
    pub(crate) fn decoded(
        &self,
        block: PackedBlock,
        decode: impl FnOnce() -> Result<Arc<[u8]>>,
    ) -> Result<Arc<[u8]>> {
        self.decoded.get_or_make(block, decode)
    }

    /// A range of the image as a map, only to be handed on to the kernel.
    ///
    /// # Errors
    /// `Io` if the image has changed.
    pub fn mapped(&self, at: u64, len: usize) -> Result<Option<&[u8]>> {
        self.source.mapped(at, len).map_err(|source| self.failed(at, len, source))
    }

    /// Asks, after bytes of a map were handed on, whether the image is still the one that was
    /// opened: it may have changed under them. Without `handed` all of the image is asked about.
    ///
    /// # Errors
    /// `Changed`, or `Io` if nothing can be learned.
    pub fn confirm(&self, handed: Option<&[u8]>) -> Result<()> {
        self.source.confirm(handed).map_err(|source| self.failed(0, 0, source))
    }

    fn read_cached(&self, cache: &BlockCache, buf: &mut [u8], at: u64) -> Result<()> {
        let mut rest = buf;
        let mut at = at;
        while !rest.is_empty() {
            let within = to_usize(remainder(at, BLOCK_BYTES));
            let block = match self.block(cache, at.saturating_sub(to_u64(within))) {
                Ok(block) => block,
                // The block could not be read whole; what was asked for may still be readable.
                Err(Error::Io { source, .. }) if source.kind() != ErrorKind::TimedOut => {
                    return self.read_source(rest, at);
                }
                Err(error) => return Err(error),
            };
            let available = block.get(within..).unwrap_or_default();
            let take = available.len().min(rest.len());
            let (Some((head, tail)), Some(bytes)) =
                (rest.split_at_mut_checked(take), available.get(..take))
            else {
                break;
            };
            if bytes.is_empty() {
                return Err(self.failed(at, tail.len(), ErrorKind::UnexpectedEof.into()));
            }
            head.copy_from_slice(bytes);
            at = at.saturating_add(to_u64(take));
            rest = tail;
        }
        Ok(())
    }

    /// The block that begins at byte `start`, shorter at the end of the image.
    fn block(&self, cache: &BlockCache, start: u64) -> Result<Arc<[u8]>> {
        if let Some(block) = cache.get(&start) {
            self.counters.cache_hits.fetch_add(1, Ordering::Relaxed);
            return Ok(block);
        }
        let len = to_usize(self.len().saturating_sub(start).min(BLOCK_BYTES));
        let mut block: Arc<[u8]> = std::iter::repeat_n(0, len).collect();
        self.read_source(Arc::make_mut(&mut block), start)?;
        cache.put(start, block.clone());
        Ok(block)
    }

    fn read_source(&self, buf: &mut [u8], at: u64) -> Result<()> {
        self.counters.source_reads.fetch_add(1, Ordering::Relaxed);
        self.counters.source_bytes.fetch_add(to_u64(buf.len()), Ordering::Relaxed);
        self.source.read_at(buf, at).map_err(|source| self.failed(at, buf.len(), source))
    }

    /// The error of a read that failed.
    fn failed(&self, offset: u64, len: usize, source: std::io::Error) -> Error {
        if source.get_ref().is_some_and(|cause| cause.is::<SourceChanged>()) {
            self.is_changed.store(true, Ordering::Relaxed);
            return Error::Changed;
        }
        Error::Io { offset, len: to_u64(len), source }
    }
}

impl std::fmt::Debug for Disc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disc").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A buffer of zeros to read into, or `NoMemory`: its length may come from a disc.
pub(crate) fn zeroed(len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Error::NoMemory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Window;
    use crate::source::testing::{Counting, Failing, Fault, OneByte};

    const SITE: Site = Site::new("test", "none", 0);

    #[expect(clippy::as_conversions, reason = "a pattern of test bytes")]
    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn every_range_reads_as_in_the_source_however_bytes_arrive() {
        let bytes = pattern(100_000);
        let discs = [
            Disc::new(Box::new(bytes.clone()), Limits::default()),
            Disc::new(Box::new(OneByte(bytes.clone())), Limits::default()),
            Disc::new(
                Box::new(bytes.clone()),
                Limits { metadata_cache_bytes: 1, ..Limits::default() },
            ),
        ];
        for disc in &discs {
            for at in [0, 1, 32_767, 32_768, 65_530, 99_999, 100_000] {
                for len in [0, 1, 2, 6, 40_000, 100_000] {
                    let got = disc.metadata(at, len, SITE).ok();
                    let start = to_usize(at);
                    let want = bytes.get(start..start.saturating_add(len)).map(<[u8]>::to_vec);
                    assert_eq!(got, want, "{at}+{len}");
                }
            }
        }
    }

    #[test]
    fn metadata_is_read_once_and_local_file_data_is_not_cached() {
        let (source, read) = Counting::new(pattern(300_000));
        let disc = Disc::new(Box::new(source), Limits::default());
        for at in 140_000..141_000 {
            disc.metadata(at, 8, SITE).unwrap();
        }
        assert_eq!(read.load(Ordering::Relaxed), BLOCK_BYTES);
    }

    #[test]
    fn a_bad_neighbour_is_not_reported_to_a_reader_that_did_not_ask() {
        // Reading the whole block fails once; the exact range is then read on its own.
        for at in [10, 140_000] {
            let failing = Failing::new(pattern(200_000), Fault::Nth(0));
            let disc = Disc::new(Box::new(failing), Limits::default());
            let want = &pattern(200_000)[at..at + 5];
            assert_eq!(disc.metadata(to_u64(at), 5, SITE).unwrap(), want);
        }
    }

    #[test]
    fn each_failed_read_is_an_error_and_the_next_attempt_works() {
        let disc =
            Disc::new(Box::new(Failing::new(pattern(1000), Fault::From(0))), Limits::default());
        let said = disc.metadata(16, 5, SITE).unwrap_err().to_string();
        assert_eq!(said, "cannot read 5 bytes at byte 0x10 of the image: faulty medium");
        let disc =
            Disc::new(Box::new(Failing::new(pattern(1000), Fault::Nth(1))), Limits::default());
        disc.metadata(16, 5, SITE).unwrap();
    }

    #[test]
    fn a_truncated_image_gives_errors_at_every_length() {
        for len in 0..600u64 {
            let disc = Disc::new(Box::new(Window::new(pattern(600), 0, len)), Limits::default());
            assert_eq!(disc.metadata(100, 400, SITE).is_ok(), len >= 500);
        }
    }
}
