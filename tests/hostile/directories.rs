//! Directories that are not what they should be: circles, shared extents, records of wrong
//! lengths, roots that are none (H1 to H6).

use super::{Case, HEALTHY, Seen, disc, healthy, sector};
use crate::make::craft::{Craft, FILES, ROOT, Record, SECTOR, both32};

const OTHER: usize = FILES + 1;
const THIRD: usize = FILES + 2;

pub(super) fn cases() -> Vec<Case> {
    [circles(), lengths(), roots(), sizes(), unusual()].into_iter().flatten().collect()
}

/// H1, H2.
fn circles() -> Vec<Case> {
    let mut own_child = disc(&[Record::directory("LOOP", ROOT)]);
    own_child.put(OTHER, &[]);
    let mut ancestor = disc(&[Record::directory("A", OTHER)]);
    ancestor.directory(OTHER, ROOT, &[Record::directory("B", THIRD)]);
    ancestor.directory(THIRD, OTHER, &[Record::directory("A", OTHER)]);
    let mut shared = disc(&[Record::directory("A", OTHER), Record::directory("B", OTHER)]);
    let len = HEALTHY.len();
    shared.directory(OTHER, ROOT, &[Record::file("IN.TXT;1", FILES, len)]);
    let file = || Seen::File(HEALTHY.to_vec());
    vec![
        Case::new("H1", "a directory that is its own parent's child", own_child.image())
            .shows([("LOOP", Seen::Circle)]),
        Case::new("H1", "a directory that leads back to its ancestor", ancestor.image()).shows([
            ("A", Seen::Directory),
            ("A/B", Seen::Directory),
            ("A/B/A", Seen::Circle),
        ]),
        Case::new("H2", "two directories with one extent", shared.image()).shows([
            ("A", Seen::Directory),
            ("A/IN.TXT", file()),
            ("B", Seen::Directory),
            ("B/IN.TXT", file()),
        ]),
    ]
}

/// H3, H4: records whose lengths lie. The healthy file stands in the next sector.
fn lengths() -> Vec<Case> {
    let lying = |record: Record| {
        let mut craft = Craft::new();
        craft.put(FILES, HEALTHY);
        craft.root(&[record, Record::file("LOST.TXT;1", FILES, 5)]);
        craft.put(ROOT + 1, &healthy().bytes());
        for at in [(16, 156 + 10), (ROOT, 10)] {
            craft.patch(at.0, at.1, &both32(2 * SECTOR as u32));
        }
        craft.image()
    };
    let record = |len: Option<u8>, name_len: Option<u8>| Record {
        record_len: len,
        name_len,
        ..Record::file("BAD.TXT;1", FILES, 5)
    };
    let left_out = &["the record is left out, and reading goes on at the next record"][..];
    let five = || Seen::File(HEALTHY[..5].to_vec());
    let rest = || [("LOST.TXT", five())];
    vec![
        Case::new("H3", "a record of length 0 in the middle", lying(record(Some(0), None)))
            .shows(rest())
            .reported(&["has no length, and bytes other than zero follow"]),
        Case::new("H3", "a record of 10 bytes", lying(record(Some(10), None)))
            .shows(rest())
            .reported(left_out),
        Case::new("H3", "a record of 255 bytes that holds others", lying(record(Some(255), None)))
            .shows([("BAD.TXT", five()), ("LOST.TXT", five())])
            .reported(&["has another record inside"]),
        Case::new("H3", "a record past its sector", {
            let mut craft = Craft::new();
            craft.put(FILES, HEALTHY);
            let filler = |n: usize| Record::file(format!("F{n:02}.TXT;1"), FILES, 5);
            let mut records: Vec<Record> = (0..44).map(filler).collect();
            records.push(Record { record_len: Some(200), ..filler(44) });
            craft.root(&records);
            craft.put(ROOT + 1, &healthy().bytes());
            for at in [(16, 156 + 10), (ROOT, 10)] {
                craft.patch(at.0, at.1, &both32(2 * SECTOR as u32));
            }
            craft.image()
        })
        .shows((0..45).map(|n| (format!("F{n:02}.TXT"), Seen::File(HEALTHY[..5].to_vec()))))
        .reported(&["has another record inside"]),
        Case::new("H4", "a name longer than its record", lying(record(None, Some(200))))
            .shows(rest())
            .reported(left_out),
        Case::new("H4", "a name of no bytes", lying(record(None, Some(0))))
            .shows(rest())
            .reported(left_out),
        Case::new("H3", "a record that holds the head of the next", lying(record(Some(60), None)))
            .shows([("BAD.TXT", five()), ("LOST.TXT", five())])
            .reported(&["has another record inside"]),
        Case::new("H3", "a last record of an odd length", {
            let odd = Record { record_len: Some(43), ..Record::file("ODD.TXT;1", FILES, 5) };
            let mut craft = Craft::new();
            craft.put(FILES, HEALTHY).root(&[healthy(), odd]);
            craft.image()
        })
        .shows([("ODD.TXT", five())])
        .reported(&["has an odd length"]),
    ]
}

/// Records that cross the edges of sectors, and directories whose own record is missing, has no
/// flag or another name: unusual writers, nothing is lost.
fn unusual() -> Vec<Case> {
    let five = || Seen::File(HEALTHY[..5].to_vec());
    let inside = || [("DIR", Seen::Directory), ("DIR/IN.TXT", five())];
    let held = |own: &[Record]| {
        let mut craft = disc(&[Record::directory("DIR", OTHER)]);
        let file = Record::file("IN.TXT;1", FILES, 5);
        craft.records(OTHER, own.iter().chain([&file]));
        craft.image()
    };
    let parent = || Record::directory([1], ROOT);
    let mut crossing = disc(&[]);
    let names: Vec<String> = (0..200).map(|n| format!("FILE{n:03}.TXT")).collect();
    let files = names.iter().map(|name| Record::file(format!("{name};1"), FILES, 5).bytes());
    let own = [Record::directory([0], ROOT), parent(), healthy()].map(|record| record.bytes());
    let bytes: Vec<u8> = own.into_iter().chain(files).flatten().collect();
    let moved = bytes.len().div_ceil(SECTOR) * SECTOR;
    let at = crossing.image.len() / SECTOR;
    crossing.put(at, &bytes);
    for (sector, byte) in [(16, 156), (at, 0), (at, 34)] {
        crossing.patch(sector, byte + 2, &both32(at as u32));
        crossing.patch(sector, byte + 10, &both32(moved as u32));
    }
    let mut root = disc(&[Record::file("IN.TXT;1", FILES, 5)]);
    root.patch(ROOT, 33, b" ");
    vec![
        Case::new("H6", "records across the edges of sectors", crossing.image())
            .shows(names.into_iter().map(|name| (name, five()))),
        Case::new("H6", "a directory that begins with a file", held(&[])).shows(inside()),
        Case::new("H6", "a directory whose own record has no flag", {
            held(&[Record { flags: 0, ..Record::directory([0], OTHER) }, parent()])
        })
        .shows(inside()),
        Case::new("H6", "a directory whose own record is named", {
            held(&[Record::directory(b" ", OTHER), parent()])
        })
        .shows(inside()),
        Case::new("H6", "a directory whose own record points elsewhere", {
            held(&[Record::directory([0], THIRD), parent()])
        })
        .shows(inside()),
        Case::new("H6", "a root whose own record is named", root.image())
            .shows([("IN.TXT", five())]),
    ]
}

/// H5.
fn roots() -> Vec<Case> {
    let rooted_at = |block: u32| {
        let mut craft = disc(&[]);
        craft.patch(16, 156 + 2, &both32(block));
        craft.image()
    };
    let mut found_by_table = disc(&[]);
    found_by_table.patch(16, 156 + 2, &both32(FILES as u32));
    found_by_table.patch(16, 132, &both32(10));
    found_by_table.patch(16, 140, &19u32.to_le_bytes());
    let table = [&[1, 0][..], &(ROOT as u32).to_le_bytes(), &[1, 0, 0, 0]].concat();
    found_by_table.put(19, &table);
    vec![
        Case::new("H5", "a root behind the end", rooted_at(1 << 20)).refused(5, "past the end"),
        Case::new("H5", "a root of all ones", rooted_at(u32::MAX)).refused(5, "past the end"),
        Case::new("H5", "a root that is a file", rooted_at(FILES as u32))
            .refused(5, "is not the record with which the root directory begins"),
        Case::new("H5", "a root that only the path table knows", found_by_table.image())
            .shows_no_more()
            .reported(&["the root that the path table names is used"]),
    ]
}

/// H6.
fn sizes() -> Vec<Case> {
    let sized = |len: u32| {
        let mut craft = disc(&[Record { len, ..Record::directory("DIR", OTHER) }]);
        craft.directory(OTHER, ROOT, &[Record::file("IN.TXT;1", FILES, 5)]);
        craft.patch(OTHER, 10, &both32(len));
        craft.put(THIRD, &sector(0));
        craft.image()
    };
    let inside = || ("DIR/IN.TXT", Seen::File(HEALTHY[..5].to_vec()));
    vec![
        Case::new("H6", "a directory of no bytes", sized(0)).shows([("DIR", Seen::Directory)]),
        Case::new("H6", "a directory of 2^32 - 1 bytes", sized(u32::MAX))
            .shows([("DIR", Seen::Closed)]),
        Case::new("H6", "a directory that is no whole sectors", sized(105))
            .shows([("DIR", Seen::Directory), inside()]),
        Case::new("H6", "a directory past the end of the disc", sized(10 * SECTOR as u32))
            .shows([("DIR", Seen::Directory), inside()])
            .reported(&["reaches past the end of the image"]),
    ]
}
