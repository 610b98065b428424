//! Writes a small High Sierra volume, the forerunner of ISO 9660, with a subdirectory.
//! Knows the layout of 1986 as the Linux driver has it, and nothing of iso-core.

const SECTOR: usize = 2048;
const PATH_TABLE: usize = 18;
const ROOT: usize = 20;
const SUBDIRECTORY: usize = 21;
const FILES: usize = 22;

/// A disc with `README.TXT` in the root and `SUB/NOTE.TXT` below it, with these bytes.
pub fn write(readme: &[u8], note: &[u8]) -> Vec<u8> {
    let note_at = FILES + readme.len().div_ceil(SECTOR);
    let sectors = note_at + note.len().div_ceil(SECTOR);
    let mut image = vec![0; sectors * SECTOR];
    put(&mut image, 16, &descriptor(sectors));
    put(&mut image, 17, &[&both(17)[..], &[255], b"CDROM", &[1]].concat());
    put(&mut image, PATH_TABLE, &path_table());
    let root = [
        record(b"\0", ROOT, SECTOR, 2),
        record(b"\x01", ROOT, SECTOR, 2),
        record(b"README.TXT;1", FILES, readme.len(), 0),
        record(b"SUB", SUBDIRECTORY, SECTOR, 2),
    ];
    put(&mut image, ROOT, &root.concat());
    let below = [
        record(b"\0", SUBDIRECTORY, SECTOR, 2),
        record(b"\x01", ROOT, SECTOR, 2),
        record(b"NOTE.TXT;1", note_at, note.len(), 1),
    ];
    put(&mut image, SUBDIRECTORY, &below.concat());
    put(&mut image, FILES, readme);
    put(&mut image, note_at, note);
    image
}

fn descriptor(sectors: usize) -> Vec<u8> {
    let mut d = vec![0; SECTOR];
    d[0..8].copy_from_slice(&both(16));
    d[8] = 1;
    d[9..14].copy_from_slice(b"CDROM");
    d[14] = 1;
    d[16..48].fill(b' ');
    d[48..80].fill(b' ');
    d[48..60].copy_from_slice(b"HIGH_SIERRA1");
    d[88..96].copy_from_slice(&both(sectors));
    d[128..132].copy_from_slice(&[1, 0, 0, 1]);
    d[132..136].copy_from_slice(&[1, 0, 0, 1]);
    d[136..140].copy_from_slice(&[0, 8, 8, 0]);
    d[140..148].copy_from_slice(&both(path_table().len()));
    d[148..152].copy_from_slice(&(PATH_TABLE as u32).to_le_bytes());
    let root = record(b"\0", ROOT, SECTOR, 2);
    d[180..180 + root.len()].copy_from_slice(&root);
    d[214..726].fill(b' ');
    d
}

fn path_table() -> Vec<u8> {
    let entry = |at: usize, name: &[u8]| {
        let mut entry = (at as u32).to_le_bytes().to_vec();
        entry.extend([0, name.len() as u8, 1, 0]);
        entry.extend(name);
        entry.resize(entry.len().next_multiple_of(2), 0);
        entry
    };
    [entry(ROOT, b"\0"), entry(SUBDIRECTORY, b"SUB")].concat()
}

/// A directory record: a date of six bytes, then the flags where ISO 9660 has the zone.
fn record(name: &[u8], at: usize, len: usize, flags: u8) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend(both(at));
    record.extend(both(len));
    record.extend([87, 1, 2, 3, 4, 5, flags, 0, 0, 0, 1, 0, 0, 1]);
    record.push(name.len() as u8);
    record.extend(name);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = record.len() as u8;
    record
}

fn both(number: usize) -> Vec<u8> {
    let number = number as u32;
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

fn put(image: &mut [u8], sector: usize, bytes: &[u8]) {
    image[sector * SECTOR..sector * SECTOR + bytes.len()].copy_from_slice(bytes);
}
