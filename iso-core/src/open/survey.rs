//! What the root of a file system holds, for the view rule: names, sizes, places of the data.
//! Reads at most two blocks of the disc that the root did not need.

use std::collections::BTreeSet;

use crate::cache::BLOCK_BYTES;
use crate::num::quotient;
use crate::view::Contents;
use crate::volume::{Data, Dir, DirEntry, FileKind, NodeId, Volume};

/// Names that systems keep for themselves and other systems hide, in lower case.
const HIDDEN: [&[u8]; 16] = [
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
    b"_rr_move",
    b".rr_moved",
    // The longer names of a directory, for systems without an extension that has them.
    b"trans.tbl",
];

/// Whether a name counts as content.
pub(super) fn is_content(name: &[u8]) -> bool {
    !HIDDEN.iter().any(|hidden| name.eq_ignore_ascii_case(hidden))
}

/// What a root holds. `boot_catalog` is the first byte of the boot catalogue, which is no content.
/// Without `has_places` it is not asked where the data lies, which costs reads where it is packed.
/// The blocks that were read for it are added to `read`.
pub(super) fn contents(
    volume: &dyn Volume,
    root: &Dir,
    boot_catalog: Option<u64>,
    has_places: bool,
    read: &mut BTreeSet<u64>,
) -> Contents {
    let limits = volume.disc().limits();
    let mut contents = Contents::default();
    let mut blocks = BTreeSet::new();
    for (position, entry) in root.iter().enumerate() {
        if !is_content(entry.name) {
            continue;
        }
        let name_len = entry.name.len();
        contents.longest_name = contents.longest_name.max(name_len);
        if entry.kind == Some(FileKind::Directory) {
            contents.directories = contents.directories.saturating_add(1);
            continue;
        }
        let block = quotient(volume.place_of(entry.node), BLOCK_BYTES);
        let is_near = blocks.contains(&block) || blocks.len() < limits.weighed_blocks;
        if position >= limits.weighed_names || !is_near {
            contents.unweighed = contents.unweighed.saturating_add(1);
            continue;
        }
        blocks.insert(block);
        weigh(volume, &entry, boot_catalog, has_places, &mut contents);
    }
    read.extend(blocks);
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
            let place = has_places.then(|| place_of(volume, entry.node, attr.size)).flatten();
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

/// First byte and bytes of the files that a directory names, by their nodes.
pub(super) fn extents(
    volume: &dyn Volume,
    dir: NodeId,
) -> impl Fn(NodeId) -> Option<(u64, u64)> + '_ {
    let known = volume.extents_in(dir);
    move |file| match known.binary_search_by_key(&file, |(node, _)| *node) {
        Ok(at) => known.get(at).and_then(|(_, extent)| *extent),
        Err(_) => volume.extent(file),
    }
}

/// The first byte of a file's data on the disc, if it is found without much work.
pub(super) fn place_of(volume: &dyn Volume, node: NodeId, bytes: u64) -> Option<u64> {
    if let Some(at) = volume.first_byte(node) {
        return Some(at);
    }
    if bytes > volume.disc().limits().located_bytes {
        return None;
    }
    match &*volume.data(node).ok()? {
        Data::Plain(extents) => extents.run_at(0)?.at,
        Data::Decoded(_) | Data::Synthetic(_) => None,
    }
}
