//! An image cut into numbered files: `name.001`, `name.002`; `name.iso.part1`, `name.iso.part2`;
//! `name.iso`, `name.i01`. Knows their names, and reads the opened parts as one run of bytes.

use std::ffi::{OsStr, OsString};
use std::io;

use super::{Cost, Source};
use crate::num::{to_u64, to_usize};

/// Parts of an image, one after the other.
pub struct SplitSource {
    /// Each part with the position of its first byte.
    parts: Vec<(u64, Box<dyn Source>)>,
    len: u64,
}

impl SplitSource {
    /// Joins parts in the order given.
    #[must_use]
    pub fn new(parts: Vec<Box<dyn Source>>) -> Self {
        let mut len = 0u64;
        let placed = parts
            .into_iter()
            .map(|part| {
                let start = len;
                len = len.saturating_add(part.len());
                (start, part)
            })
            .collect();
        Self { parts: placed, len }
    }

    /// The part that holds byte `offset`.
    fn part_at(&self, offset: u64) -> Option<&(u64, Box<dyn Source>)> {
        let after = self.parts.partition_point(|(start, _)| *start <= offset);
        self.parts.get(after.checked_sub(1)?)
    }
}

impl Source for SplitSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            let (start, part) = self.part_at(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
            let within = offset.saturating_sub(*start);
            let left = to_usize(part.len().saturating_sub(within));
            let Some((head, rest)) = buf.split_at_mut_checked(left.min(buf.len())) else { break };
            if head.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            part.read_at(head, within)?;
            offset = offset.saturating_add(to_u64(head.len()));
            buf = rest;
        }
        Ok(())
    }

    fn mapped(&self, offset: u64, len: usize) -> io::Result<Option<&[u8]>> {
        match self.part_at(offset) {
            Some((start, part)) => part.mapped(offset.saturating_sub(*start), len),
            None => Ok(None),
        }
    }

    fn confirm(&self, handed: Option<&[u8]>) -> io::Result<()> {
        self.parts.iter().try_for_each(|(_, part)| part.confirm(handed))
    }

    fn cost(&self) -> Cost {
        let cheap = self.parts.iter().all(|(_, part)| part.cost() == Cost::Cheap);
        if cheap { Cost::Cheap } else { Cost::Expensive }
    }
}

/// How the parts of a set are numbered.
pub(super) struct Numbering {
    /// The name of the first part, as it was given, and its number.
    first_name: OsString,
    pub(super) first: u64,
    /// Everything before the number of the parts that follow, and how many digits that has.
    stem: String,
    width: usize,
}

impl Numbering {
    /// Reads the scheme off the first part's name; nothing if the name is no first part.
    pub(super) fn of(first: &OsStr) -> Option<Self> {
        let name = first.to_str()?;
        let lower = name.to_ascii_lowercase();
        // `name.iso`, `name.i01`, `name.i02`: the first part has the name of a whole image.
        let (stem, width, number) = if lower.ends_with(".iso") {
            (name.get(..name.len().checked_sub(2)?)?, 2, 0)
        } else {
            let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
            let (stem, number) = name.split_at_checked(name.len().checked_sub(digits)?)?;
            let is_set = (stem.ends_with('.') && digits >= 2)
                || stem.to_ascii_lowercase().ends_with(".part")
                || stem.to_ascii_lowercase().ends_with(".iso.");
            (stem, digits, number.parse().ok().filter(|number| *number <= 1 && is_set)?)
        };
        Some(Self { first_name: first.to_owned(), first: number, stem: stem.to_owned(), width })
    }

    /// The name of a part.
    pub(super) fn name(&self, number: u64) -> OsString {
        if number == self.first {
            return self.first_name.clone();
        }
        format!("{}{number:0width$}", self.stem, width = self.width).into()
    }

    /// The number of the second part.
    pub(super) const fn next(&self) -> u64 {
        self.first.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_read_as_one_run_across_every_border() {
        let whole: Vec<u8> = (0..=255).collect();
        let cut =
            |range: std::ops::Range<usize>| -> Box<dyn Source> { Box::new(whole[range].to_vec()) };
        let split = SplitSource::new(vec![cut(0..100), cut(100..101), cut(101..256)]);
        assert_eq!(split.len(), 256);
        for offset in 0..=256usize {
            for len in [0, 1, 2, 3, 150] {
                let mut buf = vec![0; len];
                match split.read_at(&mut buf, to_u64(offset)) {
                    Ok(()) => assert_eq!(buf, whole[offset..offset + len]),
                    Err(_) => assert!(offset + len > 256, "{offset}+{len}"),
                }
            }
        }
    }

    #[test]
    fn only_first_parts_begin_a_set() {
        for (name, want) in [
            ("disc.001", true),
            ("disc.iso.001", true),
            ("disc.iso.part1", true),
            ("disc.iso.part01", true),
            ("disc.iso.0", true),
            ("disc.002", false),
            ("win7", false),
            ("track1", false),
            ("disc.img", false),
        ] {
            assert_eq!(Numbering::of(OsStr::new(name)).is_some(), want, "{name}");
        }
        for (first, second) in [
            ("disc.001", "disc.002"),
            ("disc.iso.part1", "disc.iso.part2"),
            ("disc.00", "disc.01"),
            ("disc.iso", "disc.i01"),
            ("disc.ISO", "disc.I01"),
        ] {
            let numbering = Numbering::of(OsStr::new(first)).unwrap();
            assert_eq!(numbering.name(numbering.first), first);
            assert_eq!(numbering.name(numbering.next()), second);
        }
    }
}
