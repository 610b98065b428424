//! Where the bytes of a file lie on the disc, and reading them from there.
//! Bytes that cannot be had are an error: never zeros, never a short file.

use std::borrow::Cow;

use crate::cache::{Disc, Weigh, zeroed};
use crate::error::{Error, Result, Site};
use crate::limits::Limits;
use crate::num::{to_u64, to_usize};

/// A run of bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte in the image; nothing for a run that is not recorded and reads as zeros.
    pub at: Option<u64>,
    /// Bytes.
    pub len: u64,
}

/// The runs of a file in order, covering exactly its length.
#[derive(Debug, PartialEq, Eq)]
pub struct Extents {
    /// Each run with the place of its first byte in the file.
    runs: Box<[(u64, Extent)]>,
    len: u64,
    site: Site,
}

impl Extents {
    /// A file that lies in one piece.
    ///
    /// # Errors
    /// `Corrupt` where the length passes 2^63.
    pub(crate) fn in_one_piece(limits: &Limits, site: Site, at: u64, len: u64) -> Result<Self> {
        let mut builder = ExtentsBuilder::new(limits, site);
        builder.push(Extent { at: Some(at), len })?;
        Ok(builder.finish(len))
    }

    /// A file of which nothing but its length is known: reading from it is an error.
    pub(crate) fn unread(len: u64, site: Site) -> Self {
        Self { runs: Box::default(), len, site }
    }

    /// Bytes of the file.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// True for a file of no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The runs, each with the place of its first byte in the file.
    #[must_use]
    pub fn runs(&self) -> &[(u64, Extent)] {
        &self.runs
    }

    /// Up to `len` bytes from `offset`: a slice of the image's map where one run of a mapped
    /// image holds them all (hand it to the kernel, do not look at it), else a copy.
    ///
    /// # Errors
    /// `Io` or `Corrupt` where bytes cannot be had.
    pub fn read<'d>(&self, disc: &'d Disc, offset: u64, len: usize) -> Result<Cow<'d, [u8]>> {
        let len = to_usize(self.len.saturating_sub(offset)).min(len);
        if len == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        if let Some(Extent { at: Some(at), len: left }) = self.run_at(offset)
            && left >= to_u64(len)
            && let Some(bytes) = disc.mapped(at, len)?
        {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut buf = zeroed(len)?;
        self.read_into(disc, offset, &mut buf)?;
        Ok(Cow::Owned(buf))
    }

    /// Fills `buf` from `offset` as far as the file reaches. Returns how many bytes that were.
    ///
    /// # Errors
    /// `Io` or `Corrupt` where bytes cannot be had.
    pub fn read_into(&self, disc: &Disc, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let len = to_usize(self.len.saturating_sub(offset)).min(buf.len());
        let mut rest = buf.get_mut(..len).unwrap_or_default();
        let mut offset = offset;
        while !rest.is_empty() {
            let run = self.run_at(offset).ok_or(
                self.site.corrupt("leads to extents that end before the length of the file"),
            )?;
            let take = to_usize(run.len).min(rest.len());
            let Some((head, tail)) = rest.split_at_mut_checked(take) else { break };
            match run.at {
                Some(at) if at.saturating_add(to_u64(take)) > disc.len() => {
                    return Err(self.site.corrupt("leads to bytes past the end of the image"));
                }
                Some(at) => disc.read_data(head, at)?,
                None => head.fill(0),
            }
            offset = offset.saturating_add(to_u64(take));
            rest = tail;
        }
        Ok(len)
    }

    /// Whether the image holds all bytes of the file.
    pub(crate) fn are_held_by(&self, disc: &Disc) -> bool {
        let end = self.runs.last().map_or(0, |(start, run)| start.saturating_add(run.len));
        let is_inside = |at: u64, len: u64| {
            at >= disc.begin() && at.checked_add(len).is_some_and(|end| end <= disc.len())
        };
        let is_held = |run: &Extent| run.len == 0 || run.at.is_none_or(|at| is_inside(at, run.len));
        end >= self.len && self.runs.iter().all(|(_, run)| is_held(run))
    }

    /// What is left of the run that holds byte `offset`.
    #[must_use]
    pub fn run_at(&self, offset: u64) -> Option<Extent> {
        let index = self.runs.partition_point(|(start, _)| *start <= offset).checked_sub(1)?;
        let (start, run) = self.runs.get(index)?;
        let within = offset.checked_sub(*start)?;
        let left = run.len.checked_sub(within).filter(|left| *left > 0)?;
        Some(Extent { at: run.at.map(|at| at.saturating_add(within)), len: left })
    }
}

impl Weigh for Extents {
    fn weight_bytes(&self) -> u64 {
        to_u64(size_of::<Self>().saturating_add(size_of_val(&*self.runs)))
    }
}

/// Gathers the runs of one file.
#[derive(Debug)]
pub struct ExtentsBuilder {
    runs: Vec<(u64, Extent)>,
    len: u64,
    max: u64,
    site: Site,
}

impl ExtentsBuilder {
    /// A file without bytes; `site` is named where its bytes cannot be had.
    #[must_use]
    pub const fn new(limits: &Limits, site: Site) -> Self {
        Self { runs: Vec::new(), len: 0, max: limits.extents, site }
    }

    /// Makes room for so many more runs, at most for as many as a file may have: exactly as much
    /// memory as they take, where growing by itself would take up to three times that.
    ///
    /// # Errors
    /// `NoMemory`.
    pub fn reserve(&mut self, runs: u64) -> Result<()> {
        let runs = to_usize(runs.min(self.max));
        self.runs.try_reserve_exact(runs).map_err(|_| Error::NoMemory)
    }

    /// Adds a run behind the others; one that continues the last run on the disc joins it.
    ///
    /// # Errors
    /// `Limit` past the bound on extents, `Corrupt` where the length passes 2^63, `NoMemory`.
    pub fn push(&mut self, run: Extent) -> Result<()> {
        if run.len == 0 {
            return Ok(());
        }
        let start = self.len;
        self.len = start
            .checked_add(run.len)
            .filter(|len| i64::try_from(*len).is_ok())
            .ok_or(self.site.corrupt("leads to extents that are longer than any file"))?;
        if let Some((_, last)) = self.runs.last_mut() {
            let joins = match (last.at, run.at) {
                (Some(at), Some(next)) => at.checked_add(last.len) == Some(next),
                (None, None) => true,
                _ => false,
            };
            if joins {
                last.len = last.len.saturating_add(run.len);
                return Ok(());
            }
        }
        if to_u64(self.runs.len()) >= self.max {
            return Err(self.site.limit("extents in one file", self.max));
        }
        self.runs.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.runs.push((start, run));
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// True while no run was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file, cut or left short at `len` bytes: reading what its runs lack is an error.
    #[must_use]
    pub fn finish(self, len: u64) -> Extents {
        Extents { runs: self.runs.into(), len, site: self.site }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::testing::{Failing, Fault};

    const SITE: Site = Site::new("file", "test", 0);

    fn disc() -> Disc {
        Disc::new(Box::new((0..=255u8).collect::<Vec<u8>>()), Limits::default())
    }

    fn extents(runs: &[(Option<u64>, u64)], len: u64) -> Extents {
        let mut builder = ExtentsBuilder::new(&Limits::default(), SITE);
        for (at, len) in runs {
            builder.push(Extent { at: *at, len: *len }).unwrap();
        }
        builder.finish(len)
    }

    #[test]
    fn every_range_equals_the_slice_of_the_whole() {
        let file = extents(&[(Some(10), 5), (None, 3), (Some(200), 7), (Some(0), 1)], 16);
        let whole = [10, 11, 12, 13, 14, 0, 0, 0, 200, 201, 202, 203, 204, 205, 206, 0];
        let disc = disc();
        for offset in 0..20usize {
            for len in 0..20usize {
                let got = file.read(&disc, to_u64(offset), len).unwrap();
                let end = (offset + len).min(16);
                assert_eq!(&*got, &whole[offset.min(16)..end.max(offset.min(16))]);
            }
        }
    }

    #[test]
    fn runs_that_touch_are_one() {
        let file = extents(&[(Some(0), 4), (Some(4), 4), (None, 1), (None, 1)], 10);
        assert_eq!(file.runs().len(), 2);
    }

    #[test]
    fn a_file_longer_than_its_extents_or_past_the_image_is_an_error_not_zeros() {
        let disc = disc();
        let short = extents(&[(Some(0), 4)], 10);
        let said = short.read(&disc, 2, 8).unwrap_err().to_string();
        assert!(said.contains("leads to extents that end before the length of the file"), "{said}");
        assert_eq!(&*short.read(&disc, 0, 4).unwrap(), [0, 1, 2, 3]);

        let past = extents(&[(Some(250), 10)], 10);
        let said = past.read(&disc, 0, 10).unwrap_err().to_string();
        assert!(said.contains("past the end of the image"), "{said}");
        assert_eq!(&*past.read(&disc, 0, 6).unwrap(), [250, 251, 252, 253, 254, 255]);
    }

    #[test]
    fn each_failed_read_is_an_error_and_the_next_attempt_works() {
        let bytes: Vec<u8> = (0..=255).collect();
        let file = extents(&[(Some(10), 5), (Some(200), 7)], 12);
        for nth in 0..4 {
            let failing = Failing::new(bytes.clone(), Fault::Nth(nth));
            let disc = Disc::new(Box::new(failing), Limits::default());
            let first = file.read(&disc, 0, 12).map(Cow::into_owned);
            let again = file.read(&disc, 0, 12).map(Cow::into_owned).ok();
            let want = Some(vec![10, 11, 12, 13, 14, 200, 201, 202, 203, 204, 205, 206]);
            assert!(first.is_err() || first.ok() == want);
            assert!(nth > 3 || again == want, "read {nth}");
        }
    }

    #[test]
    fn lengths_that_pass_every_file_are_refused() {
        let mut builder = ExtentsBuilder::new(&Limits::default(), SITE);
        builder.push(Extent { at: None, len: u64::MAX >> 1 }).unwrap();
        assert!(builder.push(Extent { at: Some(0), len: 1 }).is_err());
    }
}
