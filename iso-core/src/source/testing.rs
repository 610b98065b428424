//! Sources that behave badly on purpose, for tests of everything above them.
//! Public, so that other crates' tests put them under whole volumes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Source;

/// Serves every read one byte at a time: the answer must not depend on how bytes arrive.
#[derive(Debug)]
pub struct OneByte<S>(pub S);

impl<S: Source> Source for OneByte<S> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        buf.chunks_mut(1).zip(offset..).try_for_each(|(byte, at)| self.0.read_at(byte, at))
    }
}

/// Which reads of a [`Failing`] source fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Only the Nth, counted from 0.
    Nth(u64),
    /// The Nth and all that follow.
    From(u64),
    /// The Nth gives the first half of what was asked for and then says that there is no more.
    Short(u64),
}

/// Fails chosen reads with "faulty medium".
#[derive(Debug)]
pub struct Failing<S> {
    inner: S,
    fault: Fault,
    reads: AtomicU64,
}

impl<S> Failing<S> {
    /// A source whose chosen reads fail.
    pub const fn new(inner: S, fault: Fault) -> Self {
        Self { inner, fault, reads: AtomicU64::new(0) }
    }

    /// Reads asked for so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

impl<S: Source> Source for Failing<S> {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        let fails = match self.fault {
            Fault::Nth(nth) => read == nth,
            Fault::From(first) => read >= first,
            Fault::Short(nth) if read == nth => {
                let half = buf.len() / 2;
                self.inner.read_at(buf.get_mut(..half).unwrap_or_default(), offset)?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Fault::Short(_) => false,
        };
        if fails {
            return Err(io::Error::other("faulty medium"));
        }
        self.inner.read_at(buf, offset)
    }
}

/// Counts the bytes that are read from it, to prove how little an operation needs.
#[derive(Debug)]
pub struct Counting<S> {
    inner: S,
    bytes: std::sync::Arc<AtomicU64>,
}

impl<S> Counting<S> {
    /// A counting source and the counter, which stays readable when the source is given away.
    pub fn new(inner: S) -> (Self, std::sync::Arc<AtomicU64>) {
        let bytes = std::sync::Arc::new(AtomicU64::new(0));
        (Self { inner, bytes: bytes.clone() }, bytes)
    }
}

impl<S: Source> Source for Counting<S> {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.bytes.fetch_add(crate::num::to_u64(buf.len()), Ordering::Relaxed);
        self.inner.read_at(buf, offset)
    }
}
