//! The raw server's tree, made up from numbers: no lookup tables, no parsing, so that nothing but
//! the protocol costs time. Small files are as long as those of the image `many`.

use zerocopy::IntoBytes;

use crate::protocol::{Attr, AttrOut, Dirent, EntryOut};

const ROOT: u64 = 1;
const BIG: u64 = 2;
const MANY: u64 = 3;
/// Folders are `FOLDERS + n`, files `FILES + n`.
const FOLDERS: u64 = 1000;
const FILES: u64 = 1_000_000;
const PER_FOLDER: u64 = 100;
const FOLDER_COUNT: u64 = 1000;

const YEAR: u64 = 365 * 24 * 3600;

pub(crate) struct Tree {
    pub(crate) at: u64,
    pub(crate) len: u64,
    pub(crate) image_len: u64,
}

/// Bytes of a small file.
fn small_len(number: u64) -> u64 {
    500 + (number * 37) % 5000
}

/// Whether a node is one of the small files.
pub(crate) const fn is_small(node: u64) -> bool {
    node >= FILES
}

/// The files behind one in its folder, 256 KiB of them.
pub(crate) fn siblings(node: u64) -> impl Iterator<Item = u64> {
    let number = node - FILES;
    let end = number - number % PER_FOLDER + PER_FOLDER;
    let mut bytes = 0;
    (number + 1..end)
        .take_while(move |next| {
            bytes += small_len(*next);
            bytes <= 256 << 10
        })
        .map(|next| FILES + next)
}

impl Tree {
    /// Where a file's bytes are in the map, and how many.
    pub(crate) fn bytes(&self, node: u64) -> (u64, u64) {
        match node {
            BIG => (self.at, self.len),
            _ if is_small(node) => {
                let number = node - FILES;
                // Like files of an image, in blocks one behind the other.
                ((number * 6144) % (self.image_len - 8192), small_len(number))
            }
            _ => (0, 0),
        }
    }

    pub(crate) fn lookup(&self, parent: u64, name: &[u8]) -> Option<u64> {
        let number = || std::str::from_utf8(name.get(1..)?).ok()?.parse::<u64>().ok();
        match (parent, name) {
            (ROOT, b"big") => Some(BIG),
            (ROOT, b"many") => Some(MANY),
            (MANY, _) => number().filter(|n| *n < FOLDER_COUNT).map(|n| FOLDERS + n),
            (FOLDERS..FILES, _) => {
                let own = (parent - FOLDERS) * PER_FOLDER;
                number().filter(|n| *n < PER_FOLDER).map(|n| FILES + own + n)
            }
            _ => None,
        }
    }

    fn attr(&self, node: u64) -> Attr {
        let is_file = node == BIG || is_small(node);
        let (_, size) = self.bytes(node);
        Attr {
            node,
            size,
            blocks: size.div_ceil(512),
            times: [1; 3],
            nanoseconds: [0; 3],
            mode: if is_file { 0o100_444 } else { 0o040_555 },
            links: 1,
            owner: [0; 2],
            device: 0,
            block_size: 2048,
            flags: 0,
        }
    }

    pub(crate) fn attr_out(&self, node: u64) -> AttrOut {
        AttrOut { valid: YEAR, valid_nanoseconds: 0, padding: 0, attr: self.attr(node) }
    }

    pub(crate) fn entry(&self, node: u64) -> EntryOut {
        EntryOut {
            node,
            generation: 0,
            valid: [YEAR; 2],
            valid_nanoseconds: [0; 2],
            attr: self.attr(node),
        }
    }

    /// The entries of a folder from a position on, as many as `room` takes.
    pub(crate) fn list(&self, node: u64, from: u64, room: usize) -> Vec<u8> {
        let mut list = Vec::with_capacity(room);
        let count = match node {
            ROOT => 2,
            MANY => FOLDER_COUNT,
            _ => PER_FOLDER,
        };
        for position in from..count {
            let (node, name) = match node {
                ROOT if position == 0 => (BIG, "big".to_owned()),
                ROOT => (MANY, "many".to_owned()),
                MANY => (FOLDERS + position, format!("d{position:03}")),
                folder => {
                    let number = (folder - FOLDERS) * PER_FOLDER + position;
                    (FILES + number, format!("f{position:02}"))
                }
            };
            let kind = if self.attr(node).mode & 0o040_000 == 0 { 8 } else { 4 };
            let padded = (size_of::<Dirent>() + name.len()).next_multiple_of(8);
            if list.len() + size_of::<EntryOut>() + padded > room {
                break;
            }
            list.extend_from_slice(self.entry(node).as_bytes());
            let name_len = name.len() as u32;
            let dirent = Dirent { node, offset: position + 1, name_len, kind };
            list.extend_from_slice(dirent.as_bytes());
            list.extend_from_slice(name.as_bytes());
            list.resize(list.len() + padded - size_of::<Dirent>() - name.len(), 0);
        }
        list
    }
}
