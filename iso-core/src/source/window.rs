//! Another source with its bytes counted from elsewhere: a part of it, or all of it as the end of
//! something longer. Used for volumes that do not begin with their image; reads nothing itself.

use std::io;

use super::{Cost, Source};
use crate::num::to_u64;

/// The bytes of `inner` from `start` on, `len` of them.
#[derive(Debug)]
pub struct Window<S> {
    inner: S,
    start: u64,
    len: u64,
}

impl<S: Source> Window<S> {
    /// A window that begins at byte `start` and reaches to the end of `inner`.
    #[must_use]
    pub fn from(inner: S, start: u64) -> Self {
        let len = inner.len().saturating_sub(start);
        Self { inner, start, len }
    }

    /// A window of at most `len` bytes.
    #[must_use]
    pub fn new(inner: S, start: u64, len: u64) -> Self {
        let window = Self::from(inner, start);
        Self { len: window.len.min(len), ..window }
    }

    /// Whether a range lies in the window.
    fn holds(&self, offset: u64, len: usize) -> bool {
        offset.checked_add(to_u64(len)).is_some_and(|end| end <= self.len)
    }
}

impl<S: Source> Source for Window<S> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if !self.holds(offset, buf.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.inner.read_at(buf, self.start.saturating_add(offset))
    }

    fn mapped(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        if !self.holds(offset, len) {
            return Ok(None);
        }
        self.inner.mapped(self.start.saturating_add(offset), len)
    }

    fn confirm(&self, handed: Option<&[u8]>) -> io::Result<()> {
        self.inner.confirm(handed)
    }

    fn cost(&self) -> Cost {
        self.inner.cost()
    }
}

/// The bytes of `inner` behind `missing` others, which nobody has: a track of a disc whose first
/// tracks were not copied.
#[derive(Debug)]
pub(crate) struct Behind<S> {
    inner: S,
    missing: u64,
}

impl<S: Source> Behind<S> {
    pub(crate) const fn new(inner: S, missing: u64) -> Self {
        Self { inner, missing }
    }

    /// The byte of `inner` that is meant.
    fn place(&self, offset: u64) -> io::Result<u64> {
        let why = "the place lies in an earlier session or track of the disc, which this image \
                   does not hold";
        offset.checked_sub(self.missing).ok_or_else(|| io::Error::other(why))
    }
}

impl<S: Source> Source for Behind<S> {
    fn len(&self) -> u64 {
        self.inner.len().saturating_add(self.missing)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_at(buf, self.place(offset)?)
    }

    fn mapped(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        self.inner.mapped(self.place(offset)?, len)
    }

    fn confirm(&self, handed: Option<&[u8]>) -> io::Result<()> {
        self.inner.confirm(handed)
    }

    fn cost(&self) -> Cost {
        self.inner.cost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shows_its_part_and_nothing_behind_it() {
        let window = Window::new(b"0123456789".to_vec(), 3, 4);
        assert_eq!(window.len(), 4);
        let mut buf = [0; 4];
        window.read_at(&mut buf, 0).unwrap();
        assert_eq!(&buf, b"3456");
        assert!(window.read_at(&mut buf, 1).is_err());
        assert_eq!(Window::from(b"0123".to_vec(), 9).len(), 0);
    }

    #[test]
    fn what_lies_before_a_track_cannot_be_read() {
        let track = Behind::new(b"0123".to_vec(), 6);
        assert_eq!(track.len(), 10);
        let mut buf = [0; 2];
        track.read_at(&mut buf, 7).unwrap();
        assert_eq!(&buf, b"12");
        assert!(track.read_at(&mut buf, 5).is_err());
        assert!(track.read_at(&mut buf, 9).is_err());
    }
}
