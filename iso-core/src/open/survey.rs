//! What the root of a file system holds, for the view rule: names, sizes, places of the data.
//! Reads at most two blocks of the disc that the root did not need.

use std::collections::BTreeSet;

use crate::view::Contents;
use crate::volume::{Data, Dir, DirEntry, FileKind, Volume};

/// Names beyond which sizes are not looked at.
const WEIGHED_NAMES: usize = 64;
/// The nodes that are looked at lie in this many blocks at most, as the cache reads blocks.
const BLOCKS: usize = 2;
const BLOCK_BYTES: u64 = 32 << 10;
/// Bytes of a file beyond which it is not worked out where each of its pieces lies.
const LOCATED_BYTES: u64 = 16 << 20;

/// Names that systems keep for themselves and other systems hide, in lower case.
const HIDDEN: [&[u8]; 14] = [
    b"desktop db",
    b"desktop df",
    b"openfolderlistdf\r",
    b"openfolderlistdf",
    b"icon\r",
    b".ds_store",
    b".trashes",
    b".fseventsd",
    b".spotlight-v100",
    b"thefindbycontentfolder",
    b"thevolumesettingsfolder",
    b"network trash folder",
    b"rr_moved",
    b".rr_moved",
];

/// What a root holds. `boot_catalog` is the first byte of the boot catalogue, which is no content.
/// Without `has_places` it is not asked where the data lies, which costs reads where it is packed.
pub(super) fn contents(
    volume: &dyn Volume,
    root: &Dir,
    boot_catalog: Option<u64>,
    has_places: bool,
) -> Contents {
    let mut contents = Contents::default();
    let mut blocks = BTreeSet::new();
    for (position, entry) in root.iter().enumerate() {
        if HIDDEN.iter().any(|hidden| entry.name.eq_ignore_ascii_case(hidden)) {
            continue;
        }
        let name_len = entry.name.len();
        contents.longest_name = contents.longest_name.max(name_len);
        if entry.kind == Some(FileKind::Directory) {
            contents.directories = contents.directories.saturating_add(1);
            continue;
        }
        let block = entry.node.position() / BLOCK_BYTES;
        let is_near = blocks.contains(&block) || blocks.len() < BLOCKS;
        if position >= WEIGHED_NAMES || !is_near {
            contents.unweighed = contents.unweighed.saturating_add(1);
            continue;
        }
        blocks.insert(block);
        weigh(volume, &entry, boot_catalog, has_places, &mut contents);
    }
    contents
}

fn weigh(
    volume: &dyn Volume,
    entry: &DirEntry<'_>,
    boot_catalog: Option<u64>,
    has_places: bool,
    contents: &mut Contents,
) {
    let count = match volume.attr(entry.node) {
        Ok(attr) if attr.kind != FileKind::Regular => &mut contents.special,
        Ok(attr) if attr.size == 0 => &mut contents.empty,
        Ok(attr) => {
            let place = has_places.then(|| place_of(volume, entry, attr.size)).flatten();
            if place.is_some() && place == boot_catalog {
                return;
            }
            if has_places {
                let at = place.unwrap_or_else(|| entry.node.position());
                let len = contents.places.entry(at).or_default();
                *len = attr.size.max(*len);
            }
            &mut contents.files
        }
        Err(_) => &mut contents.unweighed,
    };
    *count = count.saturating_add(1);
}

/// The first byte of a file's data on the disc, if it is found without much work.
fn place_of(volume: &dyn Volume, entry: &DirEntry<'_>, bytes: u64) -> Option<u64> {
    if let Some(at) = volume.first_byte(entry.node) {
        return Some(at);
    }
    if bytes > LOCATED_BYTES {
        return None;
    }
    match &*volume.data(entry.node).ok()? {
        Data::Plain(extents) => extents.run_at(0)?.at,
        Data::Decoded(_) | Data::Told(_) => None,
    }
}
