//! The blocks of a directory: entries first, then their names, in the order of the names' bytes,
//! since the kernel finds a name by halving.

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U64};

use crate::disk::{DIRENT_BYTES, Dirent};

/// The longest name that an entry can have.
pub(crate) const MAX_NAME_BYTES: usize = 255;

/// One entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) nid: u64,
    pub(crate) file_type: u8,
}

/// Gathers entries until a block is full.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    entries: Vec<Entry<'a>>,
    used: usize,
    capacity: usize,
}

impl<'a> Block<'a> {
    /// An empty block of so many bytes.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { entries: Vec::new(), used: 0, capacity }
    }

    /// Adds an entry; false if there is no room for it.
    pub(crate) fn add(&mut self, entry: Entry<'a>) -> bool {
        let used = self.used.saturating_add(DIRENT_BYTES).saturating_add(entry.name.len());
        let fits = used <= self.capacity;
        if fits {
            self.used = used;
            self.entries.push(entry);
        }
        fits
    }

    /// Takes the bytes of the entries so far, and begins anew. A block that is not the last is
    /// filled up: the first NUL ends its last name.
    pub(crate) fn take(&mut self, is_last: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.capacity);
        let mut name_offset = self.entries.len().saturating_mul(DIRENT_BYTES);
        for entry in &self.entries {
            let dirent = Dirent {
                nid: U64::new(entry.nid),
                name_offset: U16::new(u16::try_from(name_offset).unwrap_or(u16::MAX)),
                file_type: entry.file_type,
                reserved: 0,
            };
            bytes.extend_from_slice(dirent.as_bytes());
            name_offset = name_offset.saturating_add(entry.name.len());
        }
        for entry in &self.entries {
            bytes.extend_from_slice(entry.name);
        }
        if !is_last {
            bytes.resize(self.capacity, 0);
        }
        self.entries.clear();
        self.used = 0;
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_first_and_names_behind_them() {
        let mut block = Block::new(64);
        let entry = |name: &'static [u8]| Entry { name, nid: 7, file_type: 1 };
        assert!(block.add(entry(b"a")) && block.add(entry(b"bc")));
        assert!(!block.add(entry(&[b'x'; 40])));
        let bytes = block.take(true);
        assert_eq!(bytes.len(), 27);
        assert_eq!((bytes[8], bytes[20]), (24, 25));
        assert_eq!(&bytes[24..], b"abc");
        assert!(block.add(entry(&[b'x'; 40])));
        assert_eq!(block.take(false).len(), 64);
    }
}
