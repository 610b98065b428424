//! Files whose extents are not where or what they should be (H7, H8, H13 to H16).

use super::{Case, Seen, disc, sector};
use crate::make::craft::{ASSOCIATED, CONTINUES, FILES, HIDDEN, Record, SECTOR};

const OTHER: usize = FILES + 1;

pub(super) fn cases() -> Vec<Case> {
    [places(), spellings(), continued(), interleaved(), flagged()].into_iter().flatten().collect()
}

/// H7.
fn places() -> Vec<Case> {
    let at = |block: u32, len: usize| {
        let mut craft = disc(&[Record { at: block, ..Record::file("F;1", 0, len) }]);
        craft.put(OTHER, &sector(7));
        craft.image()
    };
    let unreadable = |len: usize| [("F", Seen::Unreadable(len as u64))];
    let descriptor = at(16, SECTOR)[16 * SECTOR..17 * SECTOR].to_vec();
    vec![
        Case::new("H7", "a file in the system area", at(0, 100))
            .shows([("F", Seen::File(vec![0; 100]))]),
        Case::new("H7", "a file that is the volume descriptor", at(16, SECTOR))
            .shows([("F", Seen::File(descriptor))]),
        Case::new("H7", "a file in the last block", at(OTHER as u32, SECTOR))
            .shows([("F", Seen::File(sector(7)))]),
        Case::new("H7", "a file that ends a byte behind the disc", at(OTHER as u32, SECTOR + 1))
            .shows(unreadable(SECTOR + 1)),
        Case::new("H7", "a file behind the disc", at(1 << 24, 10)).shows(unreadable(10)),
        Case::new("H7", "a file at a block that overflows", at(u32::MAX, 10)).shows(unreadable(10)),
        Case::new("H7", "a file of 2^32 - 1 bytes", at(u32::MAX, u32::MAX as usize))
            .shows(unreadable(u32::MAX as usize)),
        Case::new("H7", "an attribute record that overflows", {
            let record = Record { attribute_blocks: 255, ..Record::file("F;1", OTHER, 10) };
            disc(&[record]).image()
        })
        .shows(unreadable(10)),
    ]
}

/// H8.
fn spellings() -> Vec<Case> {
    let mut craft = disc(&[Record::file("F;1", OTHER, 10)]);
    craft.put(OTHER, &sector(7));
    let root = crate::make::craft::ROOT;
    craft.patch(root, 68 + 6, &[0xFF; 4]);
    craft.patch(root, 68 + 14, &[0xFF; 4]);
    vec![
        Case::new("H8", "numbers whose spellings differ", craft.image())
            .shows([("F", Seen::File(vec![7; 10]))])
            .reported(&["has a number whose two spellings differ"]),
    ]
}

/// H13.
fn continued() -> Vec<Case> {
    let part = |name: &str, flags: u8| Record { flags, ..Record::file(name, OTHER, SECTOR) };
    let image = |records: &[Record]| {
        let mut craft = disc(records);
        craft.put(OTHER, &sector(7));
        craft.image()
    };
    let huge = |n: usize| -> Vec<Record> {
        let len = u32::MAX - 2047;
        let flags = |last: bool| if last { 0 } else { CONTINUES };
        (0..n).map(|i| Record { len, ..part("F;1", flags(i + 1 == n)) }).collect()
    };
    let endless = {
        let mut craft = disc(&[]);
        craft.put(OTHER, &sector(7));
        let mut records = vec![super::healthy()];
        records.extend((0..100).map(|_| part("F;1", CONTINUES)));
        craft.root(&records);
        craft.image()
    };
    vec![
        Case::new("H13", "a file in two extents", image(&[part("F;1", CONTINUES), part("F;1", 0)]))
            .shows([("F", Seen::File(vec![7; 2 * SECTOR]))]),
        Case::new("H13", "extents that never end", endless).shows([("F", Seen::Nothing)]),
        Case::new(
            "H13",
            "extents of two names",
            image(&[part("F;1", CONTINUES), part("G;1", 0), part("H;1", 0)]),
        )
        .shows([
            ("F", Seen::Nothing),
            ("G", Seen::File(sector(7))),
            ("H", Seen::File(sector(7))),
        ]),
        Case::new("H13", "extents of 80 GiB in all", image(&huge(20)))
            .shows([("F", Seen::Unreadable(20 * (u64::from(u32::MAX) - 2047)))]),
    ]
}

/// H14.
fn interleaved() -> Vec<Case> {
    let image = |unit: u8, gap: u8, len: usize, blocks: usize| {
        let mut craft = disc(&[Record { unit, gap, ..Record::file("F;1", OTHER, len) }]);
        for block in 0..blocks {
            craft.put(OTHER + block, &sector(block as u8));
        }
        craft.image()
    };
    let pieces = [sector(0), sector(2), sector(4)].concat();
    vec![
        Case::new("H14", "units of one block, gaps of one", image(1, 1, 3 * SECTOR, 5))
            .shows([("F", Seen::File(pieces))]),
        Case::new("H14", "a unit of 255 blocks", image(255, 255, SECTOR, 1))
            .shows([("F", Seen::File(sector(0)))]),
        Case::new("H14", "gaps that lead behind the disc", image(1, 255, 3 * SECTOR, 5))
            .shows([("F", Seen::Unreadable(3 * SECTOR as u64))]),
        Case::new("H14", "4 GiB in units of one block", image(1, 255, u32::MAX as usize, 5))
            .shows([("F", Seen::Unreadable(u32::MAX.into()))]),
        Case::new("H14", "a gap without a unit", image(0, 9, SECTOR, 1))
            .shows([("F", Seen::File(sector(0)))]),
    ]
}

/// H15, H16.
fn flagged() -> Vec<Case> {
    let flagged = |flags: u8| Record { flags, ..Record::file("F;1", OTHER, 10) };
    let image = |records: &[Record]| {
        let mut craft = disc(records);
        craft.put(OTHER, &sector(7));
        craft.image()
    };
    let seven = || Seen::File(vec![7; 10]);
    let xa = |mark: &[u8]| [&[0, 0, 0, 0, 0x0D, 0x55][..], mark, &[0; 6]].concat();
    vec![
        Case::new("H15", "a hidden file", image(&[flagged(HIDDEN)])).shows([("F", seven())]),
        Case::new("H15", "a fork without a file", image(&[flagged(ASSOCIATED)])).shows_no_more(),
        // Reserved ones among them: the byte is damaged, and no reason to hide the file.
        Case::new("H15", "every flag but directory", image(&[flagged(0x7D)]))
            .shows([("F", seven())]),
        Case::new("H15", "every flag that means anything", image(&[flagged(0x1D)])).shows_no_more(),
        Case::new(
            "H15",
            "a directory that is a fork",
            image(&[Record { flags: 6, ..Record::directory("D", OTHER) }]),
        )
        .shows_no_more(),
        Case::new("H16", "XA attributes", image(&[flagged(0).with(&[xa(b"XA")])]))
            .shows([("F", seven())]),
        Case::new(
            "H16",
            "XA attributes cut short",
            image(&[flagged(0).with(&[xa(b"XA")[..9].to_vec()])]),
        )
        .shows([("F", seven())]),
        Case::new("H16", "XA attributes of all ones", image(&[flagged(0).with(&[vec![0xFF; 14]])]))
            .shows([("F", seven())]),
    ]
}
