//! Boot catalogues that circle or never end (H45).

use super::{Case, HEALTHY, Seen, disc};
use crate::make::craft::{Craft, FILES, SECTOR};

use iso_core::View;

const CATALOG: usize = 60;

pub(super) fn cases() -> Vec<Case> {
    let with = |catalog: &[u8]| {
        let mut craft = disc(&[]);
        let mut record = b"\0CD001\x01EL TORITO SPECIFICATION".to_vec();
        record.resize(71, 0);
        record.extend((CATALOG as u32).to_le_bytes());
        craft.put(17, &record);
        craft.put(18, b"\xFFCD001\x01");
        craft.put(CATALOG, catalog);
        craft.put(CATALOG + 40, &[0]);
        craft.image()
    };
    let header = |id: u8, count: u16| {
        let mut header = vec![0x91, id];
        header.extend(count.to_le_bytes());
        header.resize(32, 0);
        header
    };
    let many: Vec<u8> = (0..1500).flat_map(|_| entry(FILES as u32, 1)).collect();
    let sections: Vec<u8> = (0..1500).flat_map(|_| header(0, 0)).collect();
    let mut unsigned = validation();
    unsigned[28] ^= 1;
    let entries = |more: &[u8]| [validation(), entry(FILES as u32, 1), more.to_vec()].concat();
    let endless = |byte: u8| [vec![0x44, 0xFF], vec![byte; 30]].concat().repeat(1000);
    let boot = |count: usize, image: Vec<u8>, name: &'static str| {
        let mut seen: Vec<(String, Seen)> = Vec::new();
        let mut bytes = HEALTHY.to_vec();
        bytes.resize(512, 0);
        seen.extend((0..count).map(|n| (file_name(n), Seen::File(bytes.clone()))));
        Case::new("H45", name, image).view(View::Boot).shows_only(seen)
    };
    vec![
        Case::new("H45", "a catalogue that denies its checksum", with(&unsigned)).shows_no_more(),
        Case::new("H45", "65 535 entries in one section", {
            with(&entries(&[header(0, u16::MAX), many].concat()))
        })
        .shows_no_more(),
        Case::new("H45", "sections without an end", with(&entries(&sections))).shows_no_more(),
        Case::new("H45", "extensions without an end", {
            with(&entries(&[header(0x91, 1), entry(0, 0), endless(0x20)].concat()))
        })
        .shows_no_more(),
        Case::new("H45", "a boot image behind the disc", {
            with(&[validation(), entry(u32::MAX, u16::MAX)].concat())
        })
        .shows_no_more(),
        Case::new("H45", "a catalogue behind the disc", {
            let mut craft = Craft { image: with(&[]) };
            craft.patch(17, 71, &u32::MAX.to_le_bytes());
            craft.image()
        })
        .shows_no_more(),
        Case::new("H45", "a catalogue that is the boot record", {
            let mut craft = Craft { image: with(&[]) };
            craft.patch(17, 71, &17u32.to_le_bytes());
            craft.image()
        })
        .shows_no_more(),
        boot(1, with(&entries(&[])), "a sound catalogue"),
    ]
}

fn file_name(number: usize) -> String {
    format!("{}-bios-loader.img", number + 1)
}

/// A validation entry with a right checksum (El Torito 2.1).
fn validation() -> Vec<u8> {
    let mut entry = vec![0; 32];
    entry[0] = 1;
    entry[30..].copy_from_slice(&[0x55, 0xAA]);
    let sum = entry
        .chunks(2)
        .fold(0u16, |sum, word| sum.wrapping_add(u16::from_le_bytes([word[0], word[1]])));
    entry[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    entry
}

/// An entry that boots without emulation (El Torito 2.2).
fn entry(block: u32, sectors: u16) -> Vec<u8> {
    let mut entry = vec![0x88, 0, 0, 0, 0, 0];
    entry.extend(sectors.to_le_bytes());
    entry.extend(block.to_le_bytes());
    entry.resize(32, 0);
    debug_assert!(entry.len() < SECTOR);
    entry
}
