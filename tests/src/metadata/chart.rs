//! Where the structures of sound metadata are. Shares no code with the verifier, and panics where
//! metadata is not sound: what the verifier accepts is charted again.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

/// The places of all structures.
#[derive(Debug, Default, Clone)]
pub struct Chart {
    pub block: usize,
    pub inodes: Vec<usize>,
    pub dirents: Vec<usize>,
    pub names: Vec<Range<usize>>,
    pub chunks: Vec<usize>,
    pub xattrs: Vec<usize>,
    /// Targets of links, and files that are held in the metadata.
    pub held: Vec<Range<usize>>,
}

pub(super) const SUPERBLOCK: usize = 1024;

pub(super) fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let mut number = [0; 8];
    number[..width].copy_from_slice(&bytes[at..at + width]);
    u64::from_le_bytes(number)
}

impl Chart {
    /// The chart of sound metadata.
    ///
    /// # Panics
    /// It is not sound.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let block = 1 << number(bytes, SUPERBLOCK + 12, 1);
        let mut chart = Self { block, ..Self::default() };
        let root = number(bytes, SUPERBLOCK + 14, 2) as usize * 32;
        let mut seen: HashMap<usize, bool> = HashMap::new();
        let mut pending = VecDeque::from([(root, root)]);
        seen.insert(root, true);
        chart.inode(bytes, root);
        while let Some((own, parent)) = pending.pop_front() {
            for (name, nid) in chart.directory(bytes, own) {
                match name {
                    b"." => assert_eq!(nid, own),
                    b".." => assert_eq!(nid, parent),
                    _ => {
                        let is_directory = number(bytes, nid + 4, 2) & 0o170_000 == 0o040_000;
                        let before = seen.insert(nid, is_directory);
                        assert!(before.is_none() || !is_directory, "a directory of two names");
                        if before.is_none() {
                            chart.inode(bytes, nid);
                        }
                        if is_directory {
                            pending.push_back((nid, own));
                        }
                    }
                }
            }
        }
        assert_eq!(chart.inodes.len() as u64, number(bytes, SUPERBLOCK + 16, 8));
        chart
    }

    /// The entries of a directory: names, and where their inodes are.
    fn directory<'b>(&mut self, bytes: &'b [u8], inode: usize) -> Vec<(&'b [u8], usize)> {
        let size = number(bytes, inode + 8, 8) as usize;
        let start = number(bytes, inode + 16, 4) as usize * self.block;
        let mut entries = Vec::new();
        for at in (start..start + size).step_by(self.block) {
            let end = (at + self.block).min(start + size);
            let count = number(bytes, at + 8, 2) as usize / 12;
            for index in 0..count {
                let dirent = at + index * 12;
                let from = at + number(bytes, dirent + 8, 2) as usize;
                let to = match index + 1 < count {
                    true => at + number(bytes, dirent + 20, 2) as usize,
                    false => {
                        bytes[from..end].iter().position(|b| *b == 0).map_or(end, |l| from + l)
                    }
                };
                assert!(from < to && to <= end, "an empty name");
                self.dirents.push(dirent);
                self.names.push(from..to);
                entries.push((&bytes[from..to], number(bytes, dirent, 8) as usize * 32));
            }
        }
        entries
    }

    fn inode(&mut self, bytes: &[u8], at: usize) {
        self.inodes.push(at);
        let (format, words) = (number(bytes, at, 2), number(bytes, at + 2, 2) as usize);
        let (size, place) = (number(bytes, at + 8, 8), number(bytes, at + 16, 4));
        let behind = at + 64 + if words == 0 { 0 } else { 12 + (words - 1) * 4 };
        let mut entry = at + 76;
        while entry < behind {
            self.xattrs.push(entry);
            let len = number(bytes, entry, 1) + number(bytes, entry + 2, 2);
            entry += (4 + len as usize).next_multiple_of(4);
        }
        match format {
            1 if number(bytes, at + 4, 2) & 0o170_000 == 0o040_000 || size == 0 => {}
            1 => {
                let from = place as usize * self.block;
                self.held.push(from..from + size as usize);
            }
            5 => self.held.push(behind..behind + size as usize),
            9 => {
                let chunk = (self.block as u64) << (place & 31);
                let first = behind.next_multiple_of(8);
                let indexes = (0..size.div_ceil(chunk) as usize).map(|index| first + index * 8);
                self.chunks.extend(indexes);
            }
            other => panic!("a form of inode {other}"),
        }
    }
}
