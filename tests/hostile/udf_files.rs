//! UDF files and directories whose descriptors circle or lie (H29 to H35, H38, H40).

use super::udf_volumes::sound;
use super::{Case, HEALTHY, Seen};
use crate::make::ecma167::{BLOCK, icb_tag, le, long_ad, retag, tagged};
use crate::make::udf::{Entry, Layout, metadata_byte, write};

/// Blocks of the two files' entries and of the root's identifiers on a sound disc.
const VICTIM: usize = 2;
const ROOT_LIST: usize = 4;
/// A free block of the partition, and what it is called in descriptors.
const SPARE: usize = 100;
/// The block in the partition that the first block of the directories and entries has.
const FIRST: usize = 8;

pub(super) fn cases() -> Vec<Case> {
    [indirect(), chained(), lengths(), identifiers(), names(), links(), linked(), times()]
        .into_iter()
        .flatten()
        .collect()
}

/// The disc with the entry of `f` changed.
fn victim(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    changed(VICTIM, change)
}

fn changed(index: usize, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut image = sound(Layout::Plain);
    let descriptor = &mut image[metadata_byte(Layout::Plain, index)..][..BLOCK];
    change(descriptor);
    retag(descriptor);
    image
}

/// Puts a descriptor into a spare block of the partition.
fn put(mut image: Vec<u8>, block: usize, descriptor: &[u8]) -> Vec<u8> {
    let at = (272 + block) * BLOCK;
    image[at..at + descriptor.len()].copy_from_slice(descriptor);
    image
}

fn seven(len: usize) -> [(&'static str, Seen); 1] {
    [("f", Seen::File(vec![7; len]))]
}

fn unreadable(size: u64) -> [(&'static str, Seen); 1] {
    [("f", Seen::Unreadable(size))]
}

/// Gives an entry these allocation descriptors, of kind 0 short, 1 long, 3 the bytes themselves.
fn allocate(icb: &mut [u8], kind: u8, descriptors: &[u8]) {
    icb[34] = kind;
    icb[212..216].copy_from_slice(&le(descriptors.len()));
    icb[216..216 + descriptors.len()].copy_from_slice(descriptors);
}

/// H29.
fn indirect() -> Vec<Case> {
    let replaced = |to: usize| {
        let image = victim(|icb| {
            icb[20..22].copy_from_slice(&4096u16.to_le_bytes());
            icb[22..24].copy_from_slice(&1u16.to_le_bytes());
            icb[24..26].copy_from_slice(&2u16.to_le_bytes());
        });
        // The other file's entry stands behind it; the indirect entry takes its place.
        let body = [icb_tag(4096, 3, 0), long_ad(BLOCK, to, 0)].concat();
        put(image, FIRST + VICTIM + 1, &tagged(259, FIRST + VICTIM + 1, &body))
    };
    vec![
        Case::new("H29", "an entry that replaces itself", replaced(FIRST + VICTIM))
            .shows_only([("f", Seen::Nothing), ("OK.TXT", Seen::Nothing)]),
        Case::new("H29", "an entry replaced by what is behind the disc", replaced(0xFF_FFFF))
            .shows_only([("f", Seen::Nothing), ("OK.TXT", Seen::Nothing)]),
        Case::new("H29", "a strategy that is none", victim(|icb| icb[20] = 99))
            .shows([("f", Seen::Nothing)]),
    ]
}

/// H30.
fn chained() -> Vec<Case> {
    let next = |block: usize| {
        let mut ad = long_ad(BLOCK, block, 0);
        ad[3] = 0xC0;
        ad
    };
    let area = |block: usize, to: usize| {
        let descriptors = next(to);
        let body = [le(0), le(descriptors.len()), descriptors].concat();
        tagged(258, block, &body)
    };
    let begins = |to: usize| victim(|icb| allocate(icb, 1, &next(to)));
    let long = {
        let mut image = begins(SPARE);
        for hop in 0..200 {
            image = put(image, SPARE + hop, &area(SPARE + hop, SPARE + hop + 1));
        }
        let ads = long_ad(5000, 400, 0);
        let last = tagged(258, SPARE + 200, &[le(0), le(ads.len()), ads].concat());
        put(image, SPARE + 200, &last)
    };
    vec![
        Case::new("H30", "an extent of itself", put(begins(SPARE), SPARE, &area(SPARE, SPARE)))
            .shows([("f", Seen::Unreadable(5000))]),
        Case::new("H30", "two extents of each other", {
            let image = put(begins(SPARE), SPARE, &area(SPARE, SPARE + 1));
            put(image, SPARE + 1, &area(SPARE + 1, SPARE))
        })
        .shows(unreadable(5000)),
        Case::new("H30", "200 extents of descriptors", long).shows(seven(5000)),
        Case::new("H30", "descriptors in a block that holds none", begins(SPARE))
            .shows(unreadable(5000)),
        Case::new("H30", "descriptors behind the disc", begins(0xFF_FFFF)).shows(unreadable(5000)),
    ]
}

/// H31, H32.
fn lengths() -> Vec<Case> {
    vec![
        Case::new("H31", "allocation descriptors past the block", {
            victim(|icb| icb[212..216].copy_from_slice(&le(BLOCK)))
        })
        .shows([("f", Seen::Nothing)]),
        Case::new("H31", "allocation descriptors of 4 GiB", victim(|icb| icb[212..216].fill(0xFF)))
            .shows([("f", Seen::Nothing)]),
        Case::new("H31", "attributes past the block", victim(|icb| icb[208..212].fill(0xFF)))
            .shows([("f", Seen::Nothing)]),
        Case::new("H31", "bytes in the entry, and fewer than it says", {
            victim(|icb| allocate(icb, 3, &[7; 100]))
        })
        .shows(unreadable(5000)),
        Case::new("H31", "a descriptor cut in the middle", victim(|icb| icb[212] = 15))
            .shows(unreadable(5000)),
        Case::new("H31", "a kind of descriptors that has no meaning", victim(|icb| icb[34] = 5))
            .shows([("f", Seen::Nothing)]),
        Case::new("H32", "2^63 - 1 bytes and no extents", {
            victim(|icb| {
                icb[56..64].copy_from_slice(&(i64::MAX as u64).to_le_bytes());
                allocate(icb, 1, &[]);
            })
        })
        .shows(unreadable(i64::MAX as u64)),
        Case::new("H32", "2^64 - 1 bytes", {
            victim(|icb| icb[56..64].copy_from_slice(&[0xFF; 8]))
        })
        .shows([("f", Seen::Nothing)]),
        Case::new("H32", "an extent behind the disc", {
            victim(|icb| allocate(icb, 1, &long_ad(5000, 0xFFFF_FFFF, 0)))
        })
        .shows(unreadable(5000)),
        Case::new("H32", "an extent in a partition that is not there", {
            victim(|icb| allocate(icb, 1, &long_ad(5000, 0, 77)))
        })
        .shows(unreadable(5000)),
        Case::new("H32", "extents that were never written are zeros", {
            victim(|icb| {
                let mut ad = long_ad(5000, 0, 0);
                ad[3] |= 0x80;
                allocate(icb, 1, &ad);
            })
        })
        .shows([("f", Seen::File(vec![0; 5000]))]),
    ]
}

/// H33.
fn identifiers() -> Vec<Case> {
    // The identifiers of the root: its parent's, that of `f`, that of `OK.TXT`.
    let list = |change: fn(&mut Vec<u8>)| {
        let mut image = sound(Layout::Plain);
        let at = metadata_byte(Layout::Plain, ROOT_LIST);
        let mut block = image[at..at + BLOCK].to_vec();
        change(&mut block);
        block.truncate(BLOCK);
        image[at..at + BLOCK].copy_from_slice(&block);
        image
    };
    const OWN: usize = 40;
    vec![
        Case::new("H33", "a name longer than the directory", {
            list(|block| {
                block[OWN + 19] = 255;
                retag(&mut block[OWN..]);
            })
        })
        .shows_no_more(),
        Case::new("H33", "an implementation use of 65 535 bytes", {
            list(|block| {
                block[OWN + 36..OWN + 38].fill(0xFF);
                retag(&mut block[OWN..]);
            })
        })
        .shows_no_more(),
        Case::new("H33", "a deleted entry", {
            list(|block| {
                block[OWN + 18] |= 4;
                retag(&mut block[OWN..OWN + 40]);
            })
        })
        .shows_no_more(),
        Case::new("H33", "a parent with a name", {
            list(|block| {
                block[OWN + 18] |= 8;
                retag(&mut block[OWN..OWN + 40]);
            })
        })
        // With a finding: a parent has no name, and the data would be lost.
        .shows([("f", Seen::File(vec![7; 5000]))]),
        Case::new("H33", "every flag", {
            list(|block| {
                block[OWN + 18] = 0xFF;
                retag(&mut block[OWN..OWN + 40]);
            })
        })
        .shows_no_more(),
        Case::new("H33", "a file that is said to be a directory", {
            list(|block| {
                block[OWN + 18] |= 2;
                retag(&mut block[OWN..OWN + 40]);
            })
        })
        .shows(seven(5000)),
        Case::new("H33", "a damaged tag", list(|block| block[OWN + 4] ^= 1))
            .shows(seven(5000))
            .reported(&["has an identifier with a wrong checksum or CRC"]),
        Case::new("H33", "a list that ends in the middle", changed(1, |icb| icb[56] = 90))
            .shows_only([("f", Seen::File(vec![7; 5000]))]),
    ]
}

/// H34.
fn names() -> Vec<Case> {
    let named = |cs0: &[u8]| {
        let odd = Entry { cs0: Some(cs0.to_vec()), ..Entry::file("", HEALTHY) };
        write(Layout::Plain, &[odd, Entry::file("OK.TXT", HEALTHY)])
    };
    let shows = |name: &[u8]| [(name.to_vec(), Seen::File(HEALTHY.to_vec()))];
    let mut label = sound(Layout::Plain);
    for start in [32, 48] {
        let descriptor = &mut label[(start + 2) * BLOCK..][..BLOCK];
        descriptor[84] = 77;
        descriptor[84 + 127] = 255;
        retag(descriptor);
    }
    vec![
        Case::new("H34", "16 bits and an odd length", named(b"\x10\0a\0b\0")).shows(shows(b"ab")),
        Case::new("H34", "8 bits, all of them", named(b"\x08caf\xE9"))
            .shows(shows("caf\u{e9}".as_bytes())),
        Case::new("H34", "deleted, 8 bits", named(b"\xFEgone")).shows(shows(b"gone")),
        Case::new("H34", "an unknown compression", named(b"\x4Dwhat")).shows(shows(b"Mwhat")),
        Case::new("H34", "a slash, a zero and dots", named(b"\x08../a\0b")).shows(shows(b".._a_b")),
        Case::new("H34", "a lone surrogate", named(b"\x10\xD8\0")).shows(shows(b"\xED\xA0\x80")),
        Case::new("H34", "a name of no bytes", named(b"")).shows(shows(b"_")),
        Case::new("H34", "a name of nothing but its compression", named(b"\x08"))
            .shows(shows(b"_")),
        Case::new("H34", "a label that lies about its length", label).shows(seven(5000)),
    ]
}

/// H35.
fn links() -> Vec<Case> {
    let link = |components: &[u8]| {
        victim(|icb| {
            icb[27] = 12;
            icb[56..64].copy_from_slice(&(components.len() as u64).to_le_bytes());
            allocate(icb, 3, components);
        })
    };
    let shows = |target: &[u8]| [("f", Seen::Link(target.to_vec()))];
    let up = [3, 0, 0, 0].repeat(200);
    vec![
        Case::new("H35", "a link out of the disc", {
            link(&[&[2, 0, 0, 0][..], &[5, 4, 0, 0], b"\x08etc"].concat())
        })
        .shows(shows(b"/etc")),
        Case::new("H35", "200 steps up", link(&up)).shows(shows([".."; 200].join("/").as_bytes())),
        Case::new("H35", "a component past its end", link(&[5, 255, 0, 0, 8, b'a']))
            .shows([("f", Seen::Nothing)]),
        Case::new("H35", "a component of an unknown kind", link(&[77, 0, 0, 0]))
            .shows([("f", Seen::Nothing)]),
        Case::new("H35", "a component with a slash", link(b"\x05\x04\0\0\x08a/b"))
            .shows(shows(b"a/b")),
        Case::new("H35", "a component with a zero", link(b"\x05\x04\0\0\x08a\0b"))
            .shows([("f", Seen::Nothing)]),
        Case::new("H35", "no components", link(&[])).shows(shows(b"")),
    ]
}

/// H38.
fn linked() -> Vec<Case> {
    let directory = || {
        write(
            Layout::Plain,
            &[
                Entry::directory("d", vec![Entry::file("in", &[7; 10])]),
                Entry::file("OK.TXT", HEALTHY),
            ],
        )
    };
    // Blocks: root 1, d 2, in 3, list of d 4, OK 5, list of the root 6.
    let lead = |to: usize| {
        let mut image = directory();
        let at = metadata_byte(Layout::Plain, 4) + 40;
        image[at + 18] |= 2;
        image[at + 20 + 4..at + 20 + 8].copy_from_slice(&le(FIRST + to));
        retag(&mut image[at..at + 44]);
        image
    };
    vec![
        Case::new("H38", "a directory linked into itself", lead(2))
            .shows([("d", Seen::Directory), ("d/in", Seen::Circle)]),
        Case::new("H38", "the root linked below itself", lead(1))
            .shows([("d", Seen::Directory), ("d/in", Seen::Circle)]),
    ]
}

/// H40.
fn times() -> Vec<Case> {
    let dated = |time: [u8; 12]| {
        victim(|icb| {
            (80..128).step_by(12).for_each(|at| {
                icb[at..at + 12].copy_from_slice(&time);
            })
        })
    };
    vec![
        Case::new("H40", "a zone of -2047", dated([0x01, 0x18, 0xDA, 7, 1, 1, 0, 0, 0, 0, 0, 0]))
            .shows(seven(5000)),
        Case::new("H40", "a date of all ones", dated([0xFF; 12])).shows(seven(5000)),
        Case::new("H40", "a year of -32768", dated([0, 0x10, 0, 0x80, 1, 1, 0, 0, 0, 0, 0, 0]))
            .shows(seven(5000)),
        Case::new("H40", "no date", dated([0; 12])).shows(seven(5000)),
    ]
}
