//! Images as a fuzzer can handle them: mostly holes, so that a few kilobytes describe megabytes.
//! A length, then runs: where, how many bytes, the bytes. Read in place; nothing is unpacked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use iso_core::source::Source;

/// Longest image that is described.
const MAX_BYTES: u64 = 1 << 30;
/// Runs begin at multiples of this.
const UNIT: u64 = 256;

/// An image of holes and runs of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    len: u64,
    /// What is not a hole, by its number; runs that came later lie over earlier ones.
    units: Vec<(u64, [u8; UNIT as usize])>,
}

impl Packed {
    /// The image that bytes describe; nothing where there is not even a length.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (len, mut rest) = bytes.split_first_chunk::<4>()?;
        let len = u64::from(u32::from_le_bytes(*len)).min(MAX_BYTES);
        let mut units: BTreeMap<u64, [u8; UNIT as usize]> = BTreeMap::new();
        while let Some((head, tail)) = rest.split_first_chunk::<5>() {
            let [a, b, c, used, more] = *head;
            let first = u64::from(u32::from_le_bytes([a, b, c, 0]));
            let used = usize::from(u16::from_le_bytes([used, more])).min(tail.len());
            let (run, after) = tail.split_at(used);
            for (number, bytes) in (first..).zip(run.chunks(UNIT as usize)) {
                let unit = units.entry(number).or_insert([0; UNIT as usize]);
                unit[..bytes.len()].copy_from_slice(bytes);
            }
            rest = after;
        }
        let units = units.into_iter().take_while(|(number, _)| number * UNIT < len).collect();
        Some(Self { len, units })
    }

    /// An image as it is described; nothing where it is too long.
    #[must_use]
    pub fn describe(image: &[u8]) -> Option<Vec<u8>> {
        if image.len() as u64 > MAX_BYTES {
            return None;
        }
        let mut bytes = (image.len() as u32).to_le_bytes().to_vec();
        for (index, unit) in image.chunks(UNIT as usize).enumerate() {
            let used = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if used > 0 {
                bytes.extend(&(index as u32).to_le_bytes()[..3]);
                bytes.extend((used as u16).to_le_bytes());
                bytes.extend(&unit[..used]);
            }
        }
        Some(bytes)
    }

    /// A number that other bytes change.
    #[must_use]
    pub fn checksum(&self) -> u64 {
        let bytes = self.units.iter().flat_map(|(_, unit)| unit.iter().step_by(7));
        bytes.fold(self.len, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()))
    }

    /// Writes the image into an empty file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_to(&self, file: &File) -> io::Result<()> {
        let mut units = self.units.iter();
        units.try_for_each(|(number, unit)| file.write_all_at(unit, number * UNIT))?;
        file.set_len(self.len)
    }
}

impl Source for Packed {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.fill(0);
        let first = self.units.partition_point(|(number, _)| (number + 1) * UNIT <= offset);
        for (number, unit) in self.units[first..].iter().take_while(|(n, _)| n * UNIT < end) {
            let at = number * UNIT;
            let (from, to) = (offset.max(at), end.min(at + UNIT));
            let (into, out_of, len) = (from - offset, from - at, to - from);
            buf[into as usize..(into + len) as usize]
                .copy_from_slice(&unit[out_of as usize..(out_of + len) as usize]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(packed: &Packed) -> Vec<u8> {
        let mut bytes = vec![0; packed.len() as usize];
        packed.read_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn what_was_described_reads_as_it_was() {
        let mut image = vec![0; 100_000];
        image[0] = 1;
        image[70_000..80_000].fill(7);
        image[99_999] = 9;
        let bytes = Packed::describe(&image).unwrap();
        assert!(bytes.len() < 11_000, "{}", bytes.len());
        let packed = Packed::parse(&bytes).unwrap();
        assert_eq!(whole(&packed), image);
        for (at, len) in [(69_990, 20), (255, 1), (256, 1), (79_000, 3000), (99_999, 1)] {
            let mut buf = vec![1; len];
            packed.read_at(&mut buf, at as u64).unwrap();
            assert_eq!(buf, image[at..at + len]);
        }
        assert!(packed.read_at(&mut [0; 2], 99_999).is_err());
        let file = tempfile::tempfile().unwrap();
        packed.write_to(&file).unwrap();
        let mut written = vec![0; image.len()];
        file.read_exact_at(&mut written, 0).unwrap();
        assert_eq!(written, image);
    }

    #[test]
    fn odd_descriptions_describe_something() {
        assert_eq!(Packed::parse(b"abc"), None);
        let behind_the_end = Packed::parse(&[2, 0, 0, 0, 1, 0, 0, 9, 0, 5]).unwrap();
        assert_eq!(whole(&behind_the_end), [0, 0]);
        let over = Packed::parse(&[2, 0, 0, 0, 0, 0, 0, 2, 0, 5, 6, 0, 0, 0, 1, 0, 7]).unwrap();
        assert_eq!(whole(&over), [7, 6]);
    }
}
