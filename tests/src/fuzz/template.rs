//! Small sound discs with a hole where a fuzzer's bytes go, so that it need not find out first what
//! a disc is.

use crate::make::craft::{self, Craft, DIRECTORY, FILES, ROOT, Record, SECTOR};
use crate::make::udf::{self, Entry, Layout};

/// A Rock Ridge disc. The first byte says how many of the next are the system use entries of a
/// file; the others are a continuation area.
pub fn rock_ridge(data: &[u8]) -> Vec<u8> {
    let (own, area) = match data.split_first() {
        Some((len, rest)) => rest.split_at(usize::from(*len).min(rest.len()).min(200)),
        None => (data, data),
    };
    let area = &area[..area.len().min(4 * SECTOR)];
    let mut craft = Craft::new();
    let continued = craft::ce(FILES as u32, 0, area.len() as u32);
    let mut record = Record::file("FILE.TXT;1", FILES, SECTOR);
    record.system_use = own.to_vec();
    let mut directory = Record::directory("SUB", FILES + 8).with(&[continued]);
    directory.flags = DIRECTORY;
    craft.root_with(&[craft::sp(0), craft::px(0o040_755)], &[record, directory]);
    craft.put(FILES, &[0; 8 * SECTOR]);
    craft.put(FILES, area);
    craft.directory(FILES + 8, ROOT, &[]);
    craft.image()
}

/// Discs whose files have these names, which a zero byte and a length part from each other: plain,
/// Rock Ridge, Joliet, UDF.
pub fn with_names(data: &[u8]) -> [Vec<u8>; 2] {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut rest = data;
    while let Some((len, tail)) = rest.split_first() {
        let (name, after) = tail.split_at(usize::from(*len).min(tail.len()).min(120));
        if !name.is_empty() && names.len() < 60 {
            names.push(name);
        }
        rest = after;
    }
    (names.is_empty()).then(|| names.push(b"A"));
    let mut craft = Craft::new();
    let plain = |name: &&[u8]| Record::file(name, FILES, 5);
    let records: Vec<Record> = names
        .iter()
        .map(|name| plain(name).with(&[craft::nm(0, &name[..name.len().min(90)])]))
        .collect();
    craft.root_with(&[craft::sp(0)], &records);
    let joliet = FILES + 20;
    let records: Vec<Record> = names.iter().map(plain).collect();
    craft.put(FILES, b"bytes");
    let len = craft.directory(joliet, joliet, &records);
    let root = Record { len: len as u32, ..Record::directory([0], joliet) };
    craft.patch(joliet, 10, &craft::both32(len as u32));
    craft.descriptor(17, 2, &root);
    craft.patch(17, 88, b"%/E");
    craft.put(18, b"\xFFCD001\x01");
    let entry = |name: &&[u8]| Entry { cs0: Some(name.to_vec()), ..Entry::file("", b"bytes") };
    let udf = udf::write(Layout::Plain, &names.iter().take(40).map(entry).collect::<Vec<_>>());
    [craft.image(), udf]
}

/// A disc with one compressed file, whose recorded sizes are the first bytes.
pub fn compressed(data: &[u8]) -> Vec<u8> {
    let (head, file) = data.split_at(data.len().min(6));
    let reported: [u8; 6] = std::array::from_fn(|at| head.get(at).copied().unwrap_or(0));
    let [words, log2, size @ ..] = reported;
    let file = &file[..file.len().min(64 * SECTOR)];
    let mut craft = Craft::new();
    let entry = craft::zf(words, log2, u32::from_le_bytes(size));
    let record = Record::file("FILE.Z;1", FILES, file.len()).with(&[
        craft::px(0o100_644),
        craft::nm(0, "file"),
        entry,
    ]);
    craft.root_with(&[craft::sp(0)], &[record]);
    craft.put(FILES, &[file, &[0]].concat());
    craft.image()
}
