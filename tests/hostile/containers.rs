//! Wrappings, trees that disagree, discs that are something else too, and marks on them (H41 to
//! H44, H46, H47). Wrappings that are not read are refused by their names, whatever they say.

use iso_core::View;

use super::udf_volumes::sound;
use super::{Case, HEALTHY, Seen, disc};
use crate::make::bytes;
use crate::make::craft::{Craft, FILES, ROOT, Record, SECTOR, both32};
use crate::make::udf::Layout;

pub(super) fn cases() -> Vec<Case> {
    [sheets(), headers(), bridges(), polyglots(), imaging(), checksums()]
        .into_iter()
        .flatten()
        .collect()
}

/// H41.
fn sheets() -> Vec<Case> {
    let tracks: String =
        (1..=99).map(|n| format!("  TRACK {n:02} MODE1/2352\n    INDEX 01 -1:-1:-1\n")).collect();
    let sheet = |file: &str| format!("FILE \"{file}\" BINARY\n{tracks}").into_bytes();
    vec![
        Case::new("H41", "a sheet that names a file of the system", sheet("../../etc/passwd"))
            .refused(4, "a cue sheet"),
        Case::new("H41", "a sheet that names a file that is not there", sheet("missing.bin"))
            .refused(4, "a cue sheet"),
    ]
}

/// H42.
fn headers() -> Vec<Case> {
    let filled = |head: &[u8]| [head, &[0xFF; 4096]].concat();
    let mut nero = vec![0; 4096];
    nero.extend(b"NER5");
    nero.extend(u64::MAX.to_be_bytes());
    vec![
        Case::new("H42", "a CSO of 2^64 bytes", filled(b"CISO\x18\0\0\0")).refused(4, "CSO"),
        Case::new("H42", "a ZSO of 2^64 bytes", filled(b"ZISO\x18\0\0\0")).refused(4, "ZSO"),
        Case::new("H42", "a CHD whose map is at 2^64", filled(b"MComprHD\0\0\0\x7C\0\0\0\x05"))
            .refused(4, "CHD"),
        Case::new("H42", "an ISZ of no blocks", filled(b"IsZ!\x40\x01")).refused(4, "ISZ"),
        Case::new("H42", "a DAA of one byte", b"DAA\0".to_vec()).refused(4, "DAA"),
        Case::new("H42", "an MDS without sessions", filled(b"MEDIA DESCRIPTOR\x01\x03"))
            .refused(4, "MDS"),
        Case::new("H42", "an NRG whose chunks are at 2^64", nero).refused(4, ""),
        Case::new("H42", "raw sectors of noise", {
            [&b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0"[..], &bytes(3, 9000)].concat()
        })
        .refused(4, "raw CD sectors"),
        Case::new("H42", "a gzip bomb", filled(b"\x1f\x8b\x08\0")).refused(4, "gzip"),
        Case::new("H42", "no bytes", Vec::new()).refused(4, "an empty file"),
        Case::new("H42", "one byte", vec![b'x']).refused(4, ""),
        Case::new("H42", "noise", bytes(4, 100_000)).refused(4, ""),
        Case::new("H42", "an image cut behind its first descriptor", {
            disc(&[]).image()[..17 * SECTOR].to_vec()
        })
        .refused(5, "cut short"),
    ]
}

/// H43: a UDF disc whose ISO 9660 side holds other files.
fn bridges() -> Vec<Case> {
    let with = |files: usize| {
        let mut image = sound(Layout::Plain);
        // Sectors that UDF leaves free: descriptors move to 19, the sequences begin at 32.
        let mut iso = Craft { image: vec![0; 31 * SECTOR] };
        let own = [Record::directory([0], 21), Record::directory([1], 21)];
        let names = (0..files).map(|n| Record::file(format!("ISO{n}.TXT;1"), 22, HEALTHY.len()));
        let records: Vec<Record> = own.into_iter().chain(names).collect();
        iso.records(21, &records);
        iso.put(22, HEALTHY);
        iso.descriptor(16, 1, &Record::directory([0], 21));
        iso.put(17, b"\xFFCD001\x01");
        for (sector, id) in [(18, b"BEA01"), (19, b"NSR03"), (20, b"TEA01")] {
            iso.put(sector, &[&[0], &id[..], &[1]].concat());
        }
        image[16 * SECTOR..31 * SECTOR].copy_from_slice(&iso.image[16 * SECTOR..31 * SECTOR]);
        image
    };
    let iso = |n: usize| (format!("ISO{n}.TXT"), Seen::File(HEALTHY.to_vec()));
    vec![
        Case::new("H43", "an ISO 9660 side that holds less", with(1))
            .shows([("f", Seen::File(vec![7; 5000]))]),
        // 128 bytes in four files are less than 5000 in one.
        Case::new("H43", "an ISO 9660 side of more names and less data", with(4))
            .shows([("f", Seen::File(vec![7; 5000]))]),
        Case::new("H43", "the ISO 9660 side of it by name", with(4))
            .view(View::Iso9660)
            .shows_only((0..4).map(iso)),
    ]
}

/// H44.
fn polyglots() -> Vec<Case> {
    let with = |head: &[u8]| {
        let mut image = disc(&[]).image();
        image[..head.len()].copy_from_slice(head);
        image
    };
    let mut record = vec![0xFF; 512];
    record[510..].copy_from_slice(b"\x55\xaa");
    let mut table = vec![0; 512];
    table[446..462]
        .copy_from_slice(&[0, 0, 0, 0, 0xEE, 0, 0, 0, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    table[510..].copy_from_slice(b"\x55\xaa");
    table.extend(b"EFI PART");
    table.extend([0xFF; 504]);
    vec![
        Case::new("H44", "a PDF", with(b"%PDF-1.7\n")).shows_no_more(),
        Case::new("H44", "a ZIP archive", with(b"PK\x03\x04")).shows_no_more(),
        Case::new("H44", "a program", with(b"\x7fELF\x02\x01\x01")).shows_no_more(),
        Case::new("H44", "a script", with(b"#!/bin/sh\nexec sh\n")).shows_no_more(),
        Case::new("H44", "a master boot record of all ones", with(&record)).shows_no_more(),
        Case::new("H44", "a partition table of all ones", with(&table)).shows_no_more(),
    ]
}

/// H46: `info` reads no WIM; the file is shown as the bytes that it is.
fn imaging() -> Vec<Case> {
    let mut head = b"MSWIM\0\0\0".to_vec();
    head.extend([0xFF; 200]);
    let mut craft = disc(&[Record::file("INSTALL.WIM;1", FILES + 1, head.len())]);
    craft.put(FILES + 1, &head);
    vec![
        Case::new("H46", "a WIM whose XML has 2^64 bytes", craft.image())
            .shows([("INSTALL.WIM", Seen::File(head))]),
    ]
}

/// H47: no checksum of a disc's own is believed, and none is shown.
fn checksums() -> Vec<Case> {
    let with = |text: &[u8]| {
        let mut craft = disc(&[]);
        craft.patch(16, 883, text);
        craft.patch(16, 80, &both32(ROOT as u32 + 30));
        craft.image()
    };
    vec![
        Case::new("H47", "a checksum that is none", with(b"ISO MD5SUM = zz;SKIPSECTORS = -1;"))
            .shows_no_more(),
        Case::new("H47", "a checksum that never ends", with(&[b'0'; 512])).shows_no_more(),
    ]
}
