//! An image cut into numbered files: `name.001`, `name.002`; `name.iso.part1`, `name.iso.part2`;
//! `name.iso`, `name.i01`. Finds the parts beside the first and reads them as one run of bytes.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{Cost, Source, file};
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

    fn cost(&self) -> Cost {
        let cheap = self.parts.iter().all(|(_, part)| part.cost() == Cost::Cheap);
        if cheap { Cost::Cheap } else { Cost::Dear }
    }
}

/// Opens the files of the set that `first` begins, if its name is that of a first part and a second
/// exists. A part that a gap in the numbers shows to be missing is an error that names it.
///
/// # Errors
/// A part is missing or cannot be opened; the message names it.
pub(super) fn open_set(first: &Path) -> io::Result<Option<Vec<File>>> {
    let Some(numbering) = Numbering::of(first) else { return Ok(None) };
    let mut parts = Vec::new();
    let mut number = numbering.first;
    while numbering.path(number).exists() {
        let path = numbering.path(number);
        let file = file::open(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{path:?}: {error}")))?;
        parts.push(file);
        number = number.saturating_add(1);
    }
    if parts.len() < 2 && !numbering.path(number.saturating_add(1)).exists() {
        return Ok(None);
    }
    if let Some(later) = (1..=8).find(|n| numbering.path(number.saturating_add(*n)).exists()) {
        let missing = numbering.path(number);
        let present = numbering.path(number.saturating_add(later));
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("part {missing:?} is missing, while {present:?} is there"),
        ));
    }
    Ok(Some(parts))
}

/// How the parts of a set are numbered.
struct Numbering {
    /// The first part, by the name it was given.
    first_path: PathBuf,
    first: u64,
    /// Everything before the number of the parts that follow, and how many digits that has.
    stem: OsString,
    width: usize,
}

impl Numbering {
    /// Reads the scheme off the first part's name; nothing if the name is no first part.
    fn of(first: &Path) -> Option<Self> {
        let name = first.file_name()?.to_str()?;
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
        Some(Self {
            first_path: first.to_path_buf(),
            first: number,
            stem: first.with_file_name(stem).into_os_string(),
            width,
        })
    }

    fn path(&self, number: u64) -> PathBuf {
        if number == self.first {
            return self.first_path.clone();
        }
        let mut path = self.stem.clone();
        path.push(format!("{number:0width$}", width = self.width));
        path.into()
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
    fn a_set_is_known_by_its_first_name_and_a_missing_part_is_named() {
        let folder = std::env::temp_dir().join(format!("isodrive-split-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in [("a.iso.001", "one"), ("a.iso.002", "two"), ("a.iso.003", "three")] {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let first = folder.join("a.iso.001");
        let set = crate::source::open_path(&first).expect("three parts");
        assert_eq!(set.len(), 11);
        // Where an open file stays until it is closed, a removed one would too.
        drop(set);
        std::fs::remove_file(folder.join("a.iso.002")).unwrap();
        let error = open_set(&first).expect_err("a gap").to_string();
        assert!(error.contains("a.iso.002") && error.contains("missing"), "{error}");
        std::fs::remove_file(folder.join("a.iso.003")).unwrap();
        assert!(open_set(&first).unwrap().is_none(), "one part is a plain file");
        std::fs::remove_dir_all(&folder).unwrap();
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
            assert_eq!(Numbering::of(Path::new(name)).is_some(), want, "{name}");
        }
        for (first, second) in [
            ("a/disc.001", "a/disc.002"),
            ("a/disc.iso.part1", "a/disc.iso.part2"),
            ("a/disc.00", "a/disc.01"),
            ("a/disc.iso", "a/disc.i01"),
            ("a/disc.ISO", "a/disc.I01"),
        ] {
            let numbering = Numbering::of(Path::new(first)).unwrap();
            assert_eq!(numbering.path(numbering.first), Path::new(first));
            assert_eq!(numbering.path(numbering.first + 1), Path::new(second));
        }
    }
}
