//! Volume descriptors that are missing, wrong or too many (H9 to H11).

use iso_core::View;

use super::{Case, HEALTHY, Seen, disc};
use crate::make::craft::{Craft, FILES, Record, SECTOR, both32};

const JOLIET: usize = FILES + 2;

pub(super) fn cases() -> Vec<Case> {
    [primary(), too_many(), supplementary()].into_iter().flatten().collect()
}

/// H9.
fn primary() -> Vec<Case> {
    let block = |bytes: u16| {
        let mut craft = disc(&[]);
        let both = [bytes.to_le_bytes(), bytes.to_be_bytes()].concat();
        craft.patch(16, 128, &both);
        craft.image()
    };
    let volume = |blocks: u32| {
        let mut craft = disc(&[]);
        craft.patch(16, 80, &both32(blocks));
        craft.image()
    };
    let mut missing = disc(&[]);
    missing.put(16, &[0; SECTOR]);
    let odd = "holds no usable primary or supplementary descriptor";
    vec![
        Case::new("H9", "no primary descriptor", missing.image()).refused(4, "not a disc image"),
        Case::new("H9", "blocks of no bytes", block(0)).refused(5, odd),
        Case::new("H9", "blocks of 1 byte", block(1)).refused(5, odd),
        Case::new("H9", "blocks of 65 535 bytes", block(u16::MAX)).refused(5, odd),
        Case::new("H9", "blocks of 512 bytes that lead elsewhere", block(512))
            .refused(5, "is not the record with which the root directory begins"),
        Case::new("H9", "a volume of no blocks", volume(0)).shows_no_more(),
        Case::new("H9", "a volume larger than the disc", volume(1 << 30)).shows_no_more(),
        Case::new("H9", "a volume of all ones", volume(u32::MAX)).shows_no_more(),
    ]
}

/// H10.
fn too_many() -> Vec<Case> {
    let many = |first: u8| {
        let mut craft = disc(&[]);
        let descriptor = craft.image[16 * SECTOR..17 * SECTOR].to_vec();
        let (root, file) = (1016, 1017);
        let mut copy = descriptor.clone();
        copy[156 + 2..156 + 10].copy_from_slice(&both32(root as u32));
        copy[0] = first;
        for sector in 17..1016 {
            craft.put(sector, &copy);
        }
        copy[0] = 1;
        craft.put(16, &copy);
        craft.put(file, HEALTHY);
        craft.directory(root, root, &[Record::file("OK.TXT;1", file, HEALTHY.len())]);
        craft.image()
    };
    vec![
        Case::new("H10", "1000 primary descriptors and no end", many(1)).shows_no_more(),
        Case::new("H10", "1000 boot records and no end", many(0)).shows_no_more(),
        Case::new("H10", "1000 descriptors of an unknown kind", many(77)).shows_no_more(),
        Case::new("H10", "1000 supplementary descriptors", many(2)).shows_no_more(),
    ]
}

/// H11.
fn supplementary() -> Vec<Case> {
    let joliet = |escape: &[u8], names: &[&[u8]]| {
        let mut craft = disc(&[]);
        let record = |name: &&[u8]| Record::file(name, FILES, HEALTHY.len());
        let records: Vec<Record> = names.iter().map(record).collect();
        craft.directory(JOLIET, JOLIET, &records);
        craft.descriptor(17, 2, &Record::directory([0], JOLIET));
        craft.patch(17, 88, escape);
        craft.put(18, b"\xFFCD001\x01");
        craft.image()
    };
    let ucs2 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let file = || Seen::File(HEALTHY.to_vec());
    let plain = ucs2("OK.TXT;1");
    let odd = [ucs2("odd"), vec![0]].concat();
    let lone = [ucs2("lone"), vec![0xD8, 0x00]].concat();
    let swapped = [&[0xDC, 0x01, 0xD8, 0x01][..], &ucs2("x")].concat();
    vec![
        Case::new("H11", "an unknown escape sequence", joliet(b"%/Z", &[&plain])).shows_no_more(),
        Case::new("H11", "escape bytes of all ones", joliet(&[0xFF; 32], &[&plain]))
            .shows_no_more(),
        Case::new("H11", "a name of odd length", joliet(b"%/E", &[&odd, &plain]))
            .view(View::Joliet)
            .shows([("odd", file())]),
        Case::new("H11", "a lone surrogate", joliet(b"%/E", &[&lone, &plain]))
            .view(View::Joliet)
            .shows([(b"lone\xED\xA0\x80", file())]),
        Case::new("H11", "surrogates in the wrong order", joliet(b"%/E", &[&swapped, &plain]))
            .view(View::Joliet)
            .shows([(b"\xED\xB0\x81\xED\xA0\x81x", file())]),
        Case::new("H11", "a root that is none", {
            let mut craft = Craft { image: joliet(b"%/E", &[&plain]) };
            craft.patch(17, 156 + 2, &both32(u32::MAX));
            craft.image()
        })
        .shows_no_more(),
    ]
}
