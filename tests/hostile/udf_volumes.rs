//! UDF volumes whose descriptors circle, contradict each other or lead nowhere (H26 to H28, H36,
//! H37, H39).

use super::{Case, HEALTHY, Seen};
use crate::make::ecma167::{BLOCK, entity, extent, le, long_ad, retag, tagged};
use crate::make::udf::{Entry, Layout, metadata_byte, metadata_icb_byte, write};

/// Where the two sequences begin, and where in them things stand.
const SEQUENCES: [usize; 2] = [32, 48];
const PARTITION: usize = 1;
const LOGICAL: usize = 2;
const END: usize = 4;
/// Where a logical volume descriptor holds its maps.
const MAPS: usize = 440;

pub(super) fn cases() -> Vec<Case> {
    [sequences(), maps(), file_sets(), tables(), sparing(), mirrors()]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) fn sound(layout: Layout) -> Vec<u8> {
    write(layout, &[Entry::file("f", &[7; 5000]), Entry::file("OK.TXT", HEALTHY)])
}

fn seven() -> [(&'static str, Seen); 1] {
    [("f", Seen::File(vec![7; 5000]))]
}

/// The disc with a descriptor of both sequences changed.
fn changed(layout: Layout, index: usize, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut image = sound(layout);
    for start in SEQUENCES {
        let descriptor = &mut image[(start + index) * BLOCK..][..BLOCK];
        change(descriptor);
        retag(descriptor);
    }
    image
}

fn replaced(index: usize, descriptor: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut image = sound(Layout::Plain);
    for start in SEQUENCES {
        let bytes = descriptor(start);
        image[(start + index) * BLOCK..][..BLOCK].fill(0);
        image[(start + index) * BLOCK..][..bytes.len()].copy_from_slice(&bytes);
    }
    image
}

/// H26.
fn sequences() -> Vec<Case> {
    let pointer = |to: fn(usize) -> Vec<u8>| {
        move |start: usize| {
            tagged(3, start + END, &[vec![1, 0, 0, 0], to(start), vec![0; 484]].concat())
        }
    };
    let mut many = sound(Layout::Plain);
    for start in SEQUENCES {
        for index in END..16 {
            let bytes = tagged(4, start + index, &[0; 496]);
            many[(start + index) * BLOCK..][..512].copy_from_slice(&bytes);
        }
    }
    let long = changed(Layout::Plain, LOGICAL, |d| d[10..12].copy_from_slice(&[0xFF; 2]));
    let mut anchor = sound(Layout::Plain);
    anchor[256 * BLOCK + 16..][..16].copy_from_slice(&[0xFF; 16]);
    retag(&mut anchor[256 * BLOCK..][..BLOCK]);
    vec![
        Case::new("H26", "a sequence that goes on in itself", {
            replaced(END, pointer(|start| extent(16, start)))
        })
        .shows(seven()),
        Case::new("H26", "a sequence that goes on behind the disc", {
            replaced(END, pointer(|_| [0xFF; 8].to_vec()))
        })
        .shows(seven()),
        Case::new("H26", "a sequence without an end", many).shows(seven()),
        Case::new("H26", "a CRC over more than the block", long).shows(seven()),
        Case::new("H26", "an anchor of all ones", anchor).refused(5, "damaged"),
    ]
}

/// H27.
fn maps() -> Vec<Case> {
    let with = |layout: Layout, at: usize, bytes: &'static [u8]| {
        changed(layout, LOGICAL, move |d| d[at..at + bytes.len()].copy_from_slice(bytes))
    };
    let part = |at: usize, bytes: &'static [u8]| {
        changed(Layout::Plain, PARTITION, move |d| d[at..at + bytes.len()].copy_from_slice(bytes))
    };
    let second = MAPS + 6;
    vec![
        Case::new("H27", "no maps", with(Layout::Plain, 268, &[0; 4])).refused(5, "partition"),
        Case::new("H27", "2^32 - 1 maps", with(Layout::Plain, 268, &[0xFF; 4]))
            .refused(5, "partition"),
        Case::new("H27", "a table of 2^32 - 1 bytes", with(Layout::Plain, 264, &[0xFF; 4]))
            .shows(seven()),
        Case::new("H27", "a map of no bytes", with(Layout::Plain, MAPS, &[1, 0]))
            .refused(5, "partition"),
        Case::new("H27", "a map of an unknown kind", with(Layout::Plain, MAPS, &[9, 6]))
            .refused(4, "unknown kind of partition"),
        Case::new("H27", "a map of a partition that is not there", {
            with(Layout::Plain, MAPS + 4, &[9, 0])
        })
        .refused(5, "partition"),
        Case::new("H27", "a virtual partition in no partition", {
            with(Layout::Virtual, second + 38, &[9, 0])
        })
        .refused(5, "partition"),
        Case::new("H27", "a metadata partition in no partition", {
            with(Layout::Metadata, second + 38, &[9, 0])
        })
        .refused(5, "partition"),
        Case::new("H27", "metadata files that are none", {
            with(Layout::Metadata, second + 40, &[0xFF; 8])
        })
        .refused(5, "past the end"),
        Case::new("H27", "a metadata partition whose file lies in itself", {
            let mut image = sound(Layout::Metadata);
            let icb = &mut image[metadata_icb_byte()..][..BLOCK];
            icb[34] = 1;
            icb[212..216].copy_from_slice(&le(16));
            icb[216..232].copy_from_slice(&long_ad(120 * BLOCK, 0, 1));
            retag(icb);
            image
        })
        .shows(seven()),
        Case::new("H27", "blocks of no bytes", with(Layout::Plain, 212, &[0; 4])).refused(5, ""),
        Case::new("H27", "blocks of 2^31 bytes", with(Layout::Plain, 212, &[0, 0, 0, 0x80]))
            .refused(5, ""),
        Case::new("H27", "a partition behind the disc", part(188, &[0xFF; 4])).refused(5, ""),
        Case::new("H27", "a partition of no blocks", part(192, &[0; 4])).shows(seven()),
        Case::new("H27", "a partition of 2^32 - 1 blocks", part(192, &[0xFF; 4])).shows(seven()),
    ]
}

/// H28.
fn file_sets() -> Vec<Case> {
    let set = |change: fn(&mut [u8])| {
        let mut image = sound(Layout::Plain);
        let descriptor = &mut image[metadata_byte(Layout::Plain, 0)..][..BLOCK];
        change(descriptor);
        retag(descriptor);
        image
    };
    vec![
        Case::new("H28", "no file set descriptor", set(|d| d.fill(0))).refused(5, "file set"),
        Case::new("H28", "a file set descriptor behind the disc", {
            changed(Layout::Plain, LOGICAL, |d| d[248 + 4..248 + 8].fill(0xFF))
        })
        .refused(5, "file set"),
        Case::new("H28", "a root that is a file", set(|d| d[404] += 1)).refused(5, "root"),
        Case::new("H28", "a root that is the file set itself", set(|d| d[404] -= 1)).refused(5, ""),
        Case::new("H28", "a root behind the disc", set(|d| d[404..408].fill(0xFF))).refused(5, ""),
        Case::new("H28", "a root of no bytes", set(|d| d[400..404].fill(0))).shows(seven()),
        Case::new("H28", "a root that is the stream directory of the system", {
            set(|d| d.copy_within(400..416, 464))
        })
        .shows(seven()),
    ]
}

/// H36.
fn tables() -> Vec<Case> {
    let block = (272 + 699) * BLOCK;
    let table = |change: fn(&mut [u8])| {
        let mut image = sound(Layout::Virtual);
        let icb = &mut image[block..][..BLOCK];
        change(icb);
        retag(icb);
        image
    };
    vec![
        Case::new("H36", "a root whose number is out of range", {
            table(|d| d[216 + 152 + 4..][..4].fill(0xFF))
        })
        .refused(5, ""),
        Case::new("H36", "a file whose block is behind the disc", {
            table(|d| d[216 + 152 + 8..][..4].copy_from_slice(&[0xFE, 0xFF, 0xFF, 0xFF]))
        })
        .shows([("f", Seen::Nothing)]),
        Case::new("H36", "a table that is its own forerunner", {
            table(|d| d[216 + 132..][..4].copy_from_slice(&le(699)))
        })
        .shows(seven()),
        Case::new("H36", "a table whose head is longer than it", {
            table(|d| d[216..218].fill(0xFF))
        })
        .refused(5, ""),
        Case::new("H36", "a table that lies in the virtual partition", {
            table(|d| {
                d[34] = 1;
                d[212..216].copy_from_slice(&le(16));
                d[216..232].copy_from_slice(&long_ad(BLOCK, 3, 1));
            })
        })
        .refused(5, ""),
    ]
}

/// H37: a sparable partition over the same blocks, and tables for it at blocks 80 and 82.
fn sparing() -> Vec<Case> {
    let with = |packet: u16, size: u32, entries: &[(u32, u32)], reported: u16| {
        let mut map = vec![2, 64, 0, 0];
        map.extend(entity("*UDF Sparable Partition", &[0x50, 2]));
        map.extend([1, 0, 0, 0]);
        map.extend(packet.to_le_bytes());
        map.extend([2, 0]);
        map.extend(size.to_le_bytes());
        map.extend([80u32, 82].iter().flat_map(|at| at.to_le_bytes()));
        map.resize(64, 0);
        let mut image = changed(Layout::Plain, LOGICAL, |d| {
            d[264..268].copy_from_slice(&le(64));
            d[10..12].copy_from_slice(&(424u16 + 64).to_le_bytes());
            d[MAPS..MAPS + 64].copy_from_slice(&map);
        });
        let mut table = entity("*UDF Sparing Table", &[0x50, 2]);
        table.extend(reported.to_le_bytes());
        table.extend([0, 0, 1, 0, 0, 0]);
        table.extend(
            entries.iter().flat_map(|(from, to)| [le(*from as usize), le(*to as usize)].concat()),
        );
        for at in [80, 82] {
            let bytes = tagged(0, at, &table);
            image[at * BLOCK..][..bytes.len()].copy_from_slice(&bytes);
        }
        image
    };
    vec![
        Case::new("H37", "a packet that is its own replacement", with(32, 2048, &[(0, 272)], 1))
            .shows(seven()),
        Case::new("H37", "packets that replace each other", {
            with(32, 2048, &[(0, 272 + 32), (32, 272)], 2)
        })
        .refused(5, ""),
        Case::new("H37", "a replacement behind the disc", {
            with(32, 2048, &[(384, 0x00FF_FFFF)], 1)
        })
        .shows_only([("f", Seen::Unreadable(5000)), ("OK.TXT", Seen::Unreadable(32))]),
        Case::new("H37", "more entries than the table has", with(32, 2048, &[], u16::MAX))
            .refused(5, ""),
        Case::new("H37", "packets of no blocks", with(0, 2048, &[], 0))
            .shows(seven())
            .reported(&["has packets of no blocks"]),
        Case::new("H37", "a table of 2^32 - 1 bytes", with(32, u32::MAX, &[], 0))
            .shows(seven())
            .reported(&["no sparing table can be read"]),
    ]
}

/// H39.
fn mirrors() -> Vec<Case> {
    let at = |index: usize| metadata_byte(Layout::Metadata, index);
    let mut damaged = sound(Layout::Metadata);
    damaged[at(2)..][..BLOCK].fill(0xEE);
    let mut differs = sound(Layout::Metadata);
    let mirror = (272 + 160 + 2) * BLOCK;
    differs[mirror..][..BLOCK].fill(0xEE);
    let mut both = damaged.clone();
    both[mirror..][..BLOCK].fill(0xEE);
    let mut disagree = sound(Layout::Metadata);
    let icb = &mut disagree[mirror..][..BLOCK];
    icb[56..64].copy_from_slice(&100u64.to_le_bytes());
    retag(icb);
    vec![
        Case::new("H39", "an entry that only the mirror has", damaged)
            .shows(seven())
            .reported(&["mirror"]),
        Case::new("H39", "an entry that the mirror lacks", differs).shows(seven()),
        Case::new("H39", "an entry that neither has", both).shows([("f", Seen::Nothing)]),
        Case::new("H39", "sound entries that disagree", disagree).shows(seven()),
    ]
}
