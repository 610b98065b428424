//! Damage to metadata where it matters: fields of structures take numbers that are worth trying,
//! structures change places. The same choices make the same damage.

use super::base::Base;
use super::chart::{Chart, SUPERBLOCK, number};

/// What decides: the numbers of a generator, or those of a fuzzer.
pub trait Choices {
    /// The next number.
    fn next(&mut self) -> u64;

    /// A number below a limit.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Fields of the structures: where in them and how wide.
type Fields = &'static [(usize, usize)];

const OF_SUPERBLOCK: Fields = &[
    (0, 4),
    (4, 4),
    (8, 4),
    (12, 1),
    (13, 1),
    (14, 2),
    (16, 8),
    (24, 8),
    (32, 4),
    (36, 4),
    (40, 4),
    (44, 4),
    (79, 1),
    (80, 4),
    (84, 2),
    (86, 2),
    (88, 2),
    (90, 1),
    (91, 1),
    (92, 4),
    (96, 8),
    (104, 1),
    (105, 4),
];
const OF_DEVICE: Fields = &[(0, 8), (64, 4), (68, 4), (72, 4)];
const OF_INODE: Fields = &[
    (0, 2),
    (2, 2),
    (4, 2),
    (6, 2),
    (8, 8),
    (8, 4),
    (16, 4),
    (16, 2),
    (20, 4),
    (24, 4),
    (28, 4),
    (32, 8),
    (40, 4),
    (44, 4),
    (48, 8),
];
const OF_DIRENT: Fields = &[(0, 8), (0, 4), (8, 2), (10, 1), (11, 1)];
const OF_CHUNK: Fields = &[(0, 2), (2, 2), (4, 4), (0, 8)];
const OF_XATTR: Fields = &[(0, 1), (1, 1), (2, 2)];

/// Numbers that are worth trying anywhere.
const NUMBERS: [u64; 24] = [
    0,
    1,
    2,
    4,
    5,
    12,
    0x1F,
    0x20,
    0x3F,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    1 << 32,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// The metadata with one to four changes.
pub fn damaged(base: &Base, choices: &mut dyn Choices) -> Vec<u8> {
    let mut bytes = base.bytes.clone();
    let changes = [1, 1, 1, 2, 2, 3, 4][choices.below(7)];
    for _ in 0..changes {
        change(&mut bytes, base, choices);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, base: &Base, choices: &mut dyn Choices) {
    let chart = &base.chart;
    match choices.below(20) {
        0..=4 => field(bytes, base, choices),
        5 => {
            let at = structure(chart, choices).0 + choices.below(12);
            flip(bytes, at, choices.below(8) as u32);
        }
        6 => swap(bytes, chart, choices),
        7 => {
            let from = number(&base.bytes, pick(&chart.dirents, choices), 8);
            put(bytes, pick(&chart.dirents, choices), 8, from);
        }
        8 => copy(bytes, chart, choices),
        9 => {
            let bit = 1 << choices.below(16);
            let inode = pick(&chart.inodes, choices) + 4;
            let mode = number(&base.bytes, inode, 2) | bit;
            put(bytes, inode, 2, mode);
        }
        10 => retype(bytes, chart, choices),
        11 | 12 => rename(bytes, chart, choices),
        13 => attribute(bytes, chart, choices),
        14 => {
            let at = SUPERBLOCK + [8, 80][choices.below(2)];
            flip(bytes, at + choices.below(4), choices.below(8) as u32);
        }
        15 => cut(bytes, chart, choices),
        16 | 17 => remark(bytes, chart, choices),
        18 => resize(bytes, chart, choices),
        _ => redirect(bytes, base, choices),
    }
}

fn pick(places: &[usize], choices: &mut dyn Choices) -> usize {
    places.get(choices.below(places.len())).copied().unwrap_or(SUPERBLOCK)
}

/// Any structure, and its fields.
fn structure(chart: &Chart, choices: &mut dyn Choices) -> (usize, Fields) {
    match choices.below(8) {
        0 => (SUPERBLOCK, OF_SUPERBLOCK),
        1 => (SUPERBLOCK + 128, OF_DEVICE),
        2 | 3 => (pick(&chart.inodes, choices), OF_INODE),
        4 | 5 => (pick(&chart.dirents, choices), OF_DIRENT),
        6 if !chart.chunks.is_empty() => (pick(&chart.chunks, choices), OF_CHUNK),
        7 if !chart.xattrs.is_empty() => (pick(&chart.xattrs, choices), OF_XATTR),
        _ => (pick(&chart.inodes, choices), OF_INODE),
    }
}

fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    if let Some(place) = bytes.get_mut(at..at + width) {
        place.copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

fn flip(bytes: &mut [u8], at: usize, bit: u32) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

/// One field takes a number that is worth trying.
fn field(bytes: &mut [u8], base: &Base, choices: &mut dyn Choices) {
    let (at, fields) = structure(&base.chart, choices);
    let (offset, width) = fields[choices.below(fields.len())];
    let at = at + offset;
    let old = bytes.get(at..at + width).map_or(0, |_| number(bytes, at, width));
    let len = base.bytes.len() as u64;
    let blocks = base.image_bytes / base.chart.block as u64;
    let value = match choices.below(12) {
        0 => old.wrapping_add(1),
        1 => old.wrapping_sub(1),
        2 => old.wrapping_mul(2),
        3 => pick(&base.chart.inodes, choices) as u64 / 32,
        4 => [len, len / 32, len / base.chart.block as u64, len - 64][choices.below(4)],
        5 => [blocks, blocks.wrapping_sub(1), blocks + 1, base.image_bytes][choices.below(4)],
        6 => choices.next(),
        _ => NUMBERS[choices.below(NUMBERS.len())],
    };
    put(bytes, at, width, value);
}

/// Two entries lead to each other's inodes.
fn swap(bytes: &mut [u8], chart: &Chart, choices: &mut dyn Choices) {
    let (one, other) = (pick(&chart.dirents, choices), pick(&chart.dirents, choices));
    if one.max(other) + 12 <= bytes.len() {
        let (first, second) = (number(bytes, one, 8), number(bytes, other, 8));
        put(bytes, one, 8, second);
        put(bytes, other, 8, first);
        if choices.below(2) == 0 {
            bytes.swap(one + 10, other + 10);
        }
    }
}

/// A structure lies over another one.
fn copy(bytes: &mut [u8], chart: &Chart, choices: &mut dyn Choices) {
    let (places, len) = match choices.below(3) {
        0 => (&chart.inodes, 64),
        1 => (&chart.dirents, 12),
        _ => (&chart.chunks, 8),
    };
    let (from, to) = (pick(places, choices), pick(places, choices));
    if from.max(to) + len <= bytes.len() {
        bytes.copy_within(from..from + len, to);
    }
}

/// An inode and all entries for it are of another type.
fn retype(bytes: &mut [u8], chart: &Chart, choices: &mut dyn Choices) {
    const TYPES: [(u64, u64); 7] =
        [(0o10, 1), (0o04, 2), (0o02, 3), (0o06, 4), (0o01, 5), (0o14, 6), (0o12, 7)];
    let inode = pick(&chart.inodes, choices);
    let (mode, name) = TYPES[choices.below(TYPES.len())];
    if inode + 64 > bytes.len() {
        return;
    }
    let permissions = number(bytes, inode + 4, 2) & 0o7777;
    put(bytes, inode + 4, 2, mode << 12 | permissions);
    if choices.below(2) == 0 {
        // As an empty file or a device has it.
        put(bytes, inode, 2, 1);
        put(bytes, inode + 8, 8, 0);
        put(bytes, inode + 16, 4, choices.next() & 0xFFFF);
    }
    for dirent in &chart.dirents {
        if dirent + 12 <= bytes.len() && number(bytes, *dirent, 8) == inode as u64 / 32 {
            bytes[dirent + 10] = name as u8;
        }
    }
}

/// One byte of a name, or of what is held, is another.
fn rename(bytes: &mut [u8], chart: &Chart, choices: &mut dyn Choices) {
    let ranges = if choices.below(3) == 0 { &chart.held } else { &chart.names };
    let Some(range) = ranges.get(choices.below(ranges.len())) else { return };
    let at = range.start + choices.below(range.len());
    let byte = match choices.below(4) {
        0 => [0, b'/', b'.', 0xFF][choices.below(4)],
        1 => bytes.get(at).map_or(0, |byte| byte.wrapping_add(1)),
        _ => choices.next() as u8,
    };
    put(bytes, at, 1, byte.into());
}

/// An attribute is of another namespace, or an inode has others.
fn attribute(bytes: &mut [u8], chart: &Chart, choices: &mut dyn Choices) {
    if chart.xattrs.is_empty() || choices.below(3) == 0 {
        let words = [1, 2, 3, 8, choices.next() & 0xFFFF][choices.below(5)];
        put(bytes, pick(&chart.inodes, choices) + 2, 2, words);
    } else {
        let namespace = [0, 2, 3, 4, 5, 6, 7, 0x80, 0x81, 0xFF][choices.below(10)];
        put(bytes, pick(&chart.xattrs, choices) + 1, 1, namespace);
    }
}

/// The file is shorter or longer, with or without its superblock's knowledge.
fn cut(bytes: &mut Vec<u8>, chart: &Chart, choices: &mut dyn Choices) {
    let some = [1, 31, chart.block, 3 * chart.block][choices.below(4)];
    let len = match choices.below(3) {
        0 => bytes.len() + some,
        1 => bytes.len().saturating_sub(some),
        _ => choices.below(bytes.len()),
    };
    bytes.resize(len, 0);
    if choices.below(2) == 0 {
        put(bytes, SUPERBLOCK + 36, 4, (len / chart.block) as u64);
    }
}

/// What may be anything: owners, times, links, permissions.
fn remark(bytes: &mut [u8], chart: &Chart, choices: &mut dyn Choices) {
    let inode = pick(&chart.inodes, choices);
    match choices.below(6) {
        0 => put(bytes, inode + 24, 4, choices.next()),
        1 => put(bytes, inode + 28, 4, choices.next()),
        2 => put(bytes, inode + 32, 8, choices.next()),
        3 => put(bytes, inode + 40, 4, choices.next() % 1_100_000_000),
        4 => put(bytes, inode + 44, 4, choices.next()),
        _ if inode + 6 <= bytes.len() => {
            let kind = number(bytes, inode + 4, 2) & 0o170_000;
            put(bytes, inode + 4, 2, kind | choices.next() & 0o777);
        }
        _ => {}
    }
}

/// A size is a little smaller or larger.
fn resize(bytes: &mut [u8], chart: &Chart, choices: &mut dyn Choices) {
    let inode = pick(&chart.inodes, choices);
    if inode + 64 <= bytes.len() {
        let by = (choices.next() % 4096).wrapping_sub(2048);
        let size = number(bytes, inode + 8, 8).wrapping_add(by);
        put(bytes, inode + 8, 8, size);
    }
}

/// A chunk lies elsewhere in the image, at its edge, or nowhere.
fn redirect(bytes: &mut [u8], base: &Base, choices: &mut dyn Choices) {
    let blocks = base.image_bytes / base.chart.block as u64;
    let Some(at) = base.chart.chunks.get(choices.below(base.chart.chunks.len())) else { return };
    match choices.below(4) {
        0 => put(bytes, *at, 8, u64::from(u32::MAX) << 32),
        1 => put(bytes, *at + 4, 4, blocks.saturating_sub(choices.next() % 4)),
        2 => put(bytes, *at + 2, 2, choices.next() % 4),
        _ => put(bytes, *at + 4, 4, choices.next() % blocks.max(1)),
    }
}
