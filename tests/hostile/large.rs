//! Discs that are large for what they hold: a million entries, equal names, shared chains of system
//! use areas, thousands of nested directories, trees that fold into themselves (H17, H38, H48).

use super::{HEALTHY, healthy, rooted};
use crate::make::craft::{Craft, FILES, ROOT, Record, both32, ce, entry, nm, px, sp};
use crate::make::ecma167::{BLOCK, identifier, long_ad, retag};
use crate::make::udf::{self, Entry, Layout};

/// Where large directories begin.
const LARGE: usize = FILES + 1;

/// Adds a directory `D` with these records to the root.
fn with_directory(craft: &mut Craft, own: &[Vec<u8>], records: &[Record]) {
    let len = craft.directory(LARGE, ROOT, records) as u32;
    craft.patch(LARGE, 10, &both32(len));
    let directory = Record { len, ..Record::directory("D", LARGE) };
    let directory = if own.is_empty() { directory } else { directory.with(&[nm(0, "D")]) };
    craft.root_with(own, &[directory, healthy()]);
}

/// One directory `D` of this many entries.
#[must_use]
pub fn many_entries(count: usize) -> Vec<u8> {
    let mut craft = rooted(&[], &[]);
    let file = |number| Record::file(format!("FILE{number:07}.;1"), FILES, HEALTHY.len());
    with_directory(&mut craft, &[], &(0..count).map(file).collect::<Vec<_>>());
    craft.image()
}

/// One directory `D` of this many entries, all of one name.
#[must_use]
pub fn equal_names(count: usize) -> Vec<u8> {
    let mut craft = rooted(&[], &[]);
    with_directory(&mut craft, &[], &vec![Record::file("A", FILES, HEALTHY.len()); count]);
    craft.image()
}

/// One directory `D` whose entries all go on in the same chain of 60 areas.
#[must_use]
pub fn shared_chain(count: usize) -> Vec<u8> {
    let mut craft = rooted(&[sp(0), px(0o040_555)], &[]);
    let records: Vec<Record> = (0..count)
        .map(|number| {
            let entries = [nm(1, "n"), ce(10_000_000, 0, 2048)];
            Record::file(format!("{number:07}"), FILES, HEALTHY.len()).with(&entries)
        })
        .collect();
    with_directory(&mut craft, &[sp(0), px(0o040_555)], &records);
    let first = craft.image.len() / 2048;
    for hop in 0..60 {
        let mut area = entry(b"XX", &[0; 250]).repeat(7);
        area.extend(ce((first + hop + 1) as u32, 0, 2048));
        craft.put(first + hop, &area);
    }
    craft.put(first + 60, &[0]);
    // The records lead to the chain now that its place is known.
    let (from, to) = (both32(10_000_000), both32(first as u32));
    let mut at = LARGE * 2048;
    while at < first * 2048 {
        if craft.image[at..at + 8] == from[..] {
            craft.image[at..at + 8].copy_from_slice(&to);
            at += 40;
        }
        at += 1;
    }
    craft.image()
}

/// This many directories `D`, each in the one before, and a file `END` in the innermost.
#[must_use]
pub fn nested(depth: usize) -> Vec<u8> {
    let mut craft = rooted(&[], &[]);
    for level in 0..depth {
        let at = LARGE + level;
        let below = match level + 1 < depth {
            true => Record::directory("D", at + 1),
            false => Record::file("END", FILES, HEALTHY.len()),
        };
        craft.directory(at, if level == 0 { ROOT } else { at - 1 }, &[below]);
    }
    craft.root(&[Record::directory("D", LARGE), healthy()]);
    craft.image()
}

/// This many levels, each of which holds the next one twice: 2^levels paths.
#[must_use]
pub fn folded(levels: usize) -> Vec<u8> {
    let mut craft = rooted(&[], &[]);
    for level in 0..levels {
        let at = LARGE + level;
        let below = ["A", "B"].map(|name| match level + 1 < levels {
            true => Record::directory(name, at + 1),
            false => Record::file(name, FILES, HEALTHY.len()),
        });
        craft.directory(at, if level == 0 { ROOT } else { at - 1 }, &below);
    }
    craft.root(&[Record::directory("D", LARGE), healthy()]);
    craft.image()
}

/// A UDF disc whose root has this many entries, all of one file.
#[must_use]
pub fn many_udf_entries(count: usize) -> Vec<u8> {
    let mut image = udf::write(Layout::Plain, &[Entry::file("OK.TXT", HEALTHY)]);
    let (root, file) = (1, 2);
    let place = |index: usize| udf::metadata_byte(Layout::Plain, index);
    // Blocks are counted from the partition, which begins where the disc's first entry tells.
    let partition = place(0) / BLOCK - 8;
    let reference = |index: usize| long_ad(BLOCK, place(index) / BLOCK - partition, 0);
    let mut list = identifier("", 0x0A, &reference(root));
    for number in 0..count {
        list.extend(identifier(&format!("file{number:07}"), 0, &reference(file)));
    }
    let first = image.len() / BLOCK - partition;
    let icb = &mut image[place(root)..][..BLOCK];
    icb[56..64].copy_from_slice(&(list.len() as u64).to_le_bytes());
    icb[216..232].copy_from_slice(&long_ad(list.len(), first, 0));
    icb[212..216].copy_from_slice(&16u32.to_le_bytes());
    retag(icb);
    list.resize(list.len().next_multiple_of(BLOCK), 0);
    image.extend(list);
    image
}
