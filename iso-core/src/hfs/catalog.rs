//! What a catalogue record says: folders, files and threads of HFS and HFS+ as one kind of value.
//! Parsing only (Inside Macintosh: Files, 2-70; TN1150, "Catalog File").

use encoding_rs::MACINTOSH;
use unicode_normalization::UnicodeNormalization;
use zerocopy::FromBytes;

use super::disk::{File, Folder, ForkData, Forks, ItemPlus, Run16};
use crate::text::decode_utf16_be;
use crate::time::Timestamp;
use crate::volume::{FileKind, Posix};

/// Which of the two layouts a volume has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    Hfs,
    Plus,
}

/// The parent and the name in a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) parent: u32,
    /// The name as recorded; empty in the key of a thread.
    pub(super) name: Vec<u8>,
}

/// Where a fork lies: its length and its first runs of allocation blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fork {
    pub(super) bytes: u64,
    /// First block and number of blocks.
    pub(super) runs: Vec<(u32, u32)>,
}

/// A folder or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: u32,
    pub(super) kind: FileKind,
    /// Files and folders that a folder records to hold.
    pub(super) valence: u32,
    pub(super) data: Fork,
    pub(super) resource: Fork,
    pub(super) posix: Option<Posix>,
    /// Links of a file, number of the file of a hard link, or device.
    pub(super) special: u32,
    pub(super) finder_info: Vec<u8>,
    /// The data fork is empty, and the bytes stand compressed elsewhere.
    pub(super) is_compressed: bool,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) changed: Timestamp,
    pub(super) accessed: Timestamp,
}

/// A record of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Item(Item),
    /// Names the parent and the own name of a folder or file.
    Thread(Key),
}

impl Flavour {
    /// Parent and name of a key without its length.
    pub(super) fn key(self, key: &[u8]) -> Option<Key> {
        let key = if self == Self::Hfs { key.get(1..)? } else { key };
        self.parent_and_name(key)
    }

    fn parent_and_name(self, bytes: &[u8]) -> Option<Key> {
        let (parent, rest) = bytes.split_at_checked(4)?;
        let parent = u32::from_be_bytes(parent.try_into().ok()?);
        let name = match self {
            Self::Hfs => {
                let (len, text) = rest.split_first().unwrap_or((&0, &[]));
                text.get(..usize::from(*len))?
            }
            Self::Plus => {
                let len = u16::from_be_bytes(rest.get(..2)?.try_into().ok()?);
                rest.get(2..)?.get(..usize::from(len).saturating_mul(2))?
            }
        };
        Some(Key { parent, name: name.to_vec() })
    }

    /// What a record's data says; nothing for what is no folder, file or thread.
    pub(super) fn entry(self, data: &[u8]) -> Option<Entry> {
        match (self, data.get(..2)?) {
            (Self::Hfs, [1, _]) => Some(Entry::Item(folder(data)?)),
            (Self::Hfs, [2, _]) => Some(Entry::Item(file(data)?)),
            (Self::Hfs, [3 | 4, _]) => Some(Entry::Thread(self.parent_and_name(data.get(10..)?)?)),
            (Self::Plus, [0, 1 | 2]) => Some(Entry::Item(item_plus(data)?)),
            (Self::Plus, [0, 3 | 4]) => Some(Entry::Thread(self.parent_and_name(data.get(4..)?)?)),
            _ => None,
        }
    }

    /// A recorded name as UTF-8. HFS records Mac Roman (Inside Macintosh: Text, 1-54), or UTF-8
    /// where programs of other systems wrote it. HFS+ records characters taken apart (TN1150,
    /// "Unicode Subtleties"); they are put together, as everywhere but on the Macintosh. What
    /// separates path components here may stand in a name there, and the other way round: `/` and
    /// `:` change places, as on macOS.
    pub(super) fn name(self, recorded: &[u8]) -> Vec<u8> {
        let decoded = match self {
            Self::Hfs if std::str::from_utf8(recorded).is_ok() => recorded.to_vec(),
            Self::Hfs => MACINTOSH.decode_without_bom_handling(recorded).0.into_owned().into(),
            Self::Plus => composed(&decode_utf16_be(recorded)),
        };
        decoded.into_iter().map(|byte| if byte == b'/' { b':' } else { byte }).collect()
    }
}

/// A name in composed form (Unicode NFC); what is no UTF-8 stays as it is.
fn composed(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        out.extend(chunk.valid().nfc().collect::<String>().into_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    out
}

/// Seconds from 1904 to 1970.
const EPOCH_SECONDS: i64 = 2_082_844_800;

/// A date of the Macintosh.
pub(super) fn timestamp(seconds: u32) -> Timestamp {
    Timestamp { seconds: i64::from(seconds).saturating_sub(EPOCH_SECONDS), nanoseconds: 0 }
}

pub(super) fn short_runs(runs: &[Run16]) -> Vec<(u32, u32)> {
    runs.iter().map(|run| (run.start.get().into(), run.count.get().into())).collect()
}

impl From<&ForkData> for Fork {
    fn from(fork: &ForkData) -> Self {
        let runs = fork.runs.iter().map(|run| (run.start.get(), run.count.get())).collect();
        Self { bytes: fork.bytes.get(), runs }
    }
}

fn folder(data: &[u8]) -> Option<Item> {
    let (folder, _) = Folder::ref_from_prefix(data).ok()?;
    let modified = timestamp(folder.modified.get());
    Some(Item {
        id: folder.id.get(),
        kind: FileKind::Directory,
        valence: folder.valence.get().into(),
        data: Fork::default(),
        resource: Fork::default(),
        posix: None,
        special: 0,
        finder_info: folder.finder_info.to_vec(),
        is_compressed: false,
        created: timestamp(folder.created.get()),
        modified,
        changed: modified,
        accessed: modified,
    })
}

fn file(data: &[u8]) -> Option<Item> {
    let (file, _) = File::ref_from_prefix(data).ok()?;
    let modified = timestamp(file.modified.get());
    Some(Item {
        id: file.id.get(),
        kind: FileKind::Regular,
        valence: 0,
        data: Fork { bytes: file.data_bytes.get().into(), runs: short_runs(&file.data) },
        resource: Fork {
            bytes: file.resource_bytes.get().into(),
            runs: short_runs(&file.resource),
        },
        posix: None,
        special: 0,
        finder_info: [file.finder_info, file.more_finder_info].concat(),
        is_compressed: false,
        created: timestamp(file.created.get()),
        modified,
        changed: modified,
        accessed: modified,
    })
}

fn item_plus(data: &[u8]) -> Option<Item> {
    const COMPRESSED: u8 = 1 << 5;
    let (item, rest) = ItemPlus::ref_from_prefix(data).ok()?;
    let is_folder = item.kind.get() == 1;
    let forks = if is_folder { None } else { Some(Forks::ref_from_prefix(rest).ok()?.0) };
    let mode = item.mode.get();
    let by_mode = FileKind::from_mode(mode.into()).filter(|kind| *kind != FileKind::Directory);
    Some(Item {
        id: item.id.get(),
        kind: if is_folder { FileKind::Directory } else { by_mode.unwrap_or(FileKind::Regular) },
        // Reserved in a file.
        valence: if is_folder { item.valence.get() } else { 0 },
        data: forks.map(|forks| Fork::from(&forks.data)).unwrap_or_default(),
        resource: forks.map(|forks| Fork::from(&forks.resource)).unwrap_or_default(),
        // A mode of zero says that none is recorded (TN1150, "HFS Plus Permissions").
        posix: (mode != 0).then(|| Posix {
            permissions: mode & 0o7777,
            uid: Some(item.uid.get()),
            gid: Some(item.gid.get()),
        }),
        special: item.special.get(),
        finder_info: item.finder_info.to_vec(),
        is_compressed: item.owner_flags & COMPRESSED != 0,
        created: timestamp(item.created.get()),
        modified: timestamp(item.modified.get()),
        changed: timestamp(item.changed.get()),
        accessed: timestamp(item.accessed.get()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_names_of_both_kinds_are_read() {
        let key = Flavour::Hfs.key(b"\0\0\0\0\x02\x03caf").unwrap();
        assert_eq!(key, Key { parent: 2, name: b"caf".to_vec() });
        let key = Flavour::Plus.key(b"\0\0\0\x05\0\x02\0a\0b").unwrap();
        assert_eq!(key, Key { parent: 5, name: b"\0a\0b".to_vec() });
        for (key, flavour) in
            [(&b"\0\0\0\0\x02\x09a"[..], Flavour::Hfs), (b"\0\0\0", Flavour::Plus)]
        {
            assert_eq!(flavour.key(key), None);
        }
        assert_eq!(Flavour::Hfs.name(b"caf\x8e/x"), "caf\u{e9}:x".as_bytes());
        assert_eq!(Flavour::Hfs.name(b"caf\xc3\xa9/x"), "caf\u{e9}:x".as_bytes());
        assert_eq!(Flavour::Plus.name(b"\0a\0/"), b"a:");
        assert_eq!(Flavour::Plus.name(b"\0e\x03\x01"), "\u{e9}".as_bytes());
    }

    #[test]
    fn dates_count_from_1904() {
        assert_eq!(timestamp(3_345_148_800).seconds, 1_262_304_000);
        assert_eq!(timestamp(0).seconds, -2_082_844_800);
    }

    #[test]
    fn what_is_cut_short_is_no_entry() {
        for data in [&b"\x01\0"[..], b"\x02\0aaaa", b"\x03\0", b"\x09\0"] {
            assert_eq!(Flavour::Hfs.entry(data), None, "{data:?}");
        }
        for data in [&b"\0\x01"[..], b"\0\x02aaaa", b"\0\x03", b"\0\x09"] {
            assert_eq!(Flavour::Plus.entry(data), None, "{data:?}");
        }
    }
}
