//! System use entries that lie, circle or never end (H17 to H25).

use iso_core::View;

use super::{Case, Seen, healthy, rooted, sector};
use crate::make::bytes;
use crate::make::craft::{
    Craft, FILES, ROOT, Record, SECTOR, ce, entry, er, link_to, nm, pn, px, sl, sp, zf,
};

const OTHER: usize = FILES + 1;
const AREA: u32 = 60;

pub(super) fn cases() -> Vec<Case> {
    [
        continuations(),
        links(),
        relocated(),
        announced(),
        modes(),
        names(),
        dates(),
        compressed(),
        sparse(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A Rock Ridge disc with one more record before the healthy file.
fn disc(record: Record) -> Craft {
    let healthy = healthy().with(&[px(0o100_444), nm(0, "OK.TXT")]);
    let mut craft = rooted(&[sp(0), px(0o040_555)], &[]);
    craft.root_with(&[sp(0), px(0o040_555), er()], &[record, healthy]);
    craft.put(OTHER, &sector(7));
    craft
}

fn file(entries: &[Vec<u8>]) -> Record {
    Record::file("F.;1", OTHER, 10).with(entries)
}

fn seven() -> Seen {
    Seen::File(vec![7; 10])
}

/// H17.
fn continuations() -> Vec<Case> {
    let to = |block: u32, offset: u32, len: u32| disc(file(&[nm(1, "a"), ce(block, offset, len)]));
    let chained = |hops: u32| {
        let mut craft = to(AREA, 0, 28);
        for hop in 0..hops {
            craft.put((AREA + hop) as usize, &ce(AREA + hop + 1, 0, 28));
        }
        craft.put((AREA + hops) as usize, &nm(0, "z"));
        craft.image()
    };
    let mut circle = to(AREA, 0, 28);
    circle.put(AREA as usize, &ce(AREA, 0, 28));
    let mut two = to(AREA, 0, 28);
    two.put(AREA as usize, &ce(AREA + 1, 0, 28)).put(AREA as usize + 1, &ce(AREA, 0, 28));
    // Each reads on from the byte behind the one before: no place is visited twice.
    let mut overlapping = to(AREA, 0, 60);
    for step in 0..40u32 {
        let at = (AREA as usize) * SECTOR + step as usize * 28;
        let next = ce(AREA, (step + 1) * 28, 60);
        overlapping.put(AREA as usize + 3, &[0]);
        overlapping.image[at..at + 28].copy_from_slice(&next);
    }
    let left = &["the attributes of the file are those read so far"][..];
    vec![
        Case::new("H17", "a continuation of itself", circle.image())
            .shows([("a", seven())])
            .reported(left),
        Case::new("H17", "two continuations of each other", two.image())
            .shows([("a", seven())])
            .reported(left),
        Case::new("H17", "30 continuations", chained(30)).shows([("az", seven())]),
        Case::new("H17", "5000 continuations", chained(5000))
            .shows([("a", seven())])
            .reported(left),
        Case::new("H17", "continuations that overlap", overlapping.image()).shows([("a", seven())]),
        Case::new("H17", "a continuation behind the disc", to(1 << 30, 0, 28).image())
            .shows([("a", seven())])
            .reported(left),
        Case::new("H17", "a continuation of 4 GiB", to(AREA, 0, u32::MAX).image())
            .shows([("a", seven())])
            .reported(left),
        Case::new("H17", "a continuation at an offset that overflows", {
            to(u32::MAX, u32::MAX, u32::MAX).image()
        })
        .shows([("a", seven())])
        .reported(left),
        Case::new("H17", "two continuations in one area", {
            let mut craft = disc(file(&[nm(1, "a"), ce(AREA, 0, 6), ce(AREA, 6, 6)]));
            craft.put(AREA as usize, &[nm(1, "b"), nm(0, "c")].concat());
            craft.image()
        })
        .shows([("ab", seven())]),
    ]
}

/// H18.
fn links() -> Vec<Case> {
    let link = |entries: &[Vec<u8>]| {
        let head = [px(0o120_777), nm(0, "l")].concat();
        disc(file(&[&[head], entries].concat())).image()
    };
    let shows = |target: &[u8]| [("l", Seen::Link(target.to_vec()))];
    let long = |components: usize| {
        let mut craft = disc(file(&[px(0o120_777), nm(0, "l"), ce(AREA, 0, 0x2000)]));
        let one = sl(1, &[(0, &[b'x'; 200])]);
        craft.put(AREA as usize, &vec![one; components].concat());
        craft.put(AREA as usize + 8, &[0]);
        craft.image()
    };
    let up: Vec<(u8, &[u8])> = vec![(4, b""); 40];
    vec![
        Case::new("H18", "a component past its entry", {
            let mut entry = sl(0, &[(0, b"abc")]);
            entry[6] = 200;
            link(&[entry])
        })
        .shows([("l", Seen::Nothing)]),
        Case::new("H18", "a link of 4 095 bytes and more", long(30)).shows([("l", Seen::Nothing)]),
        Case::new("H18", "a link to the system of whoever mounts", {
            link(&[sl(0, &[(8, b""), (0, b"etc"), (0, b"passwd")])])
        })
        .shows(shows(b"/etc/passwd")),
        Case::new("H18", "40 steps up", link(&[sl(0, &up)]))
            .shows(shows([".."; 40].join("/").as_bytes())),
        Case::new("H18", "a slash in a component", link(&[sl(0, &[(0, b"a/b"), (0, b"c")])]))
            .shows(shows(b"a/b/c")),
        Case::new("H18", "a zero in a component", link(&[sl(0, &[(0, b"c\0d")])]))
            .shows([("l", Seen::Nothing)]),
        Case::new("H18", "all flags in one component", link(&[sl(0, &[(0xFF, b"x")])]))
            .shows([("l", Seen::Nothing)]),
        Case::new("H18", "a link to nothing", link(&[])).shows([("l", Seen::Nothing)]),
    ]
}

/// H19.
fn relocated() -> Vec<Case> {
    let child = |block: u32| file(&[px(0o040_555), nm(0, "d"), link_to(b"CL", block)]);
    let mut itself = disc(child(OTHER as u32 + 1));
    let up = Record::file("UP.;1", OTHER, 10).with(&[
        px(0o040_555),
        nm(0, "up"),
        link_to(b"CL", OTHER as u32 + 1),
    ]);
    itself.directory(OTHER + 1, ROOT, &[up]);
    let mut parents = disc(child(OTHER as u32 + 1));
    parents.directory(OTHER + 1, ROOT, &[]);
    let own = Record::directory([0], OTHER + 1);
    let parent = Record::directory([1], ROOT).with(&[link_to(b"PL", u32::MAX)]);
    parents.records(OTHER + 1, &[own, parent]);
    vec![
        Case::new("H19", "a child link to the root", disc(child(ROOT as u32)).image())
            .shows([("d", Seen::Circle)]),
        Case::new("H19", "a child link to a file", disc(child(OTHER as u32)).image())
            .shows([("d", Seen::Nothing)]),
        Case::new("H19", "a child link behind the disc", disc(child(u32::MAX)).image())
            .shows([("d", Seen::Nothing)]),
        Case::new("H19", "a child link in the directory it leads to", itself.image())
            .shows([("d", Seen::Directory), ("d/up", Seen::Circle)]),
        Case::new("H19", "a parent link behind the disc", parents.image())
            .shows([("d", Seen::Directory)]),
        Case::new("H19", "a store of relocated directories that holds itself", {
            let mut craft =
                disc(Record::directory("RR_MOVED", OTHER + 1).with(&[nm(0, "rr_moved")]));
            let inner = Record::directory("X", OTHER + 1).with(&[nm(0, "x"), entry(b"RE", &[])]);
            craft.directory(OTHER + 1, ROOT, &[inner]);
            craft.image()
        })
        .view(View::RockRidge)
        // Nothing leads to what says that it was moved.
        .shows([("rr_moved", Seen::Directory), ("rr_moved/x", Seen::Circle)]),
    ]
}

/// H20.
fn announced() -> Vec<Case> {
    let with = |own: &[Vec<u8>]| {
        let mut craft = rooted(own, &[file(&[px(0o100_444), nm(0, "f")])]);
        craft.put(OTHER, &sector(7));
        craft.image()
    };
    vec![
        Case::new("H20", "no ER", with(&[sp(0)])).shows([("f", seven())]),
        Case::new("H20", "no SP", with(&[px(0o040_555)])).shows([("f", seven())]),
        Case::new("H20", "a skip of 255 bytes", with(&[sp(255)])).shows([("F", seven())]),
        Case::new("H20", "an SP with wrong check bytes", with(&[entry(b"SP", &[1, 2, 0])]))
            .shows([("F", seven())]),
        Case::new("H20", "an ER behind the disc", with(&[sp(0), ce(u32::MAX, 0, 9)]))
            .shows([("f", seven())]),
    ]
}

/// H21.
fn modes() -> Vec<Case> {
    let with =
        |mode: u32, more: &[Vec<u8>]| disc(file(&[&[px(mode), nm(0, "f")], more].concat())).image();
    let special = |letter: char| [("f", Seen::Special(letter))];
    vec![
        Case::new("H21", "a disk", with(0o060_666, &[pn(8, 0)])).shows(special('b')),
        Case::new("H21", "kernel memory", with(0o020_666, &[pn(1, 1)])).shows(special('c')),
        Case::new("H21", "a device without a number", with(0o060_666, &[])).shows(special('b')),
        Case::new("H21", "a pipe", with(0o010_666, &[])).shows(special('p')),
        Case::new("H21", "a socket", with(0o140_666, &[])).shows(special('s')),
        Case::new("H21", "a set-uid program", with(0o104_755, &[])).shows([("f", seven())]),
        Case::new("H21", "two types at once", with(0o170_000, &[])).shows([("f", seven())]),
        Case::new("H21", "no type", with(0o000_644, &[])).shows([("f", seven())]),
        Case::new("H21", "a mode of all ones", with(u32::MAX, &[])).shows([("f", seven())]),
        Case::new("H21", "a file whose mode is a directory's", with(0o040_755, &[]))
            .shows([("f", seven())]),
    ]
}

/// H22.
fn names() -> Vec<Case> {
    let endless = |count: usize| {
        let mut craft = disc(file(&[nm(1, "a"), ce(AREA, 0, (count * 255) as u32)]));
        let one = nm(1, [b'n'; 250]);
        craft.put(AREA as usize, &vec![one; count].concat());
        craft.put(AREA as usize + 1 + count / 8, &[0]);
        craft.image()
    };
    vec![
        Case::new("H22", "a name that goes on and ends", {
            disc(file(&[nm(1, "a"), nm(1, "b")])).image()
        })
        .shows([("ab", seven())]),
        Case::new("H22", "a name of 16 KiB", endless(64))
            .shows([(format!("a{}", "n".repeat(1019)), seven())]),
        Case::new("H22", "current and parent at once", disc(file(&[nm(6, "x")])).image())
            .shows([("F", seven())]),
    ]
}

/// H23.
fn dates() -> Vec<Case> {
    let with = |data: &[u8]| disc(file(&[nm(0, "f"), entry(b"TF", data)])).image();
    let impossible = [0xFF, 0xFF, 99, 99, 99, 99, 0x7F];
    let long = [&[0x82][..], b"99999999999999999", &[0x80]].concat();
    vec![
        Case::new(
            "H23",
            "dates that are none",
            with(&[&[0x0E][..], &impossible.repeat(3)].concat()),
        )
        .shows([("f", seven())]),
        Case::new("H23", "a long date that is none", with(&long)).shows([("f", seven())]),
        Case::new("H23", "a date in no letters", with(&[&[0x82][..], &[0xFF; 17]].concat()))
            .shows([("f", seven())]),
        Case::new("H23", "dates that are missing", with(&[0x7F])).shows([("f", seven())]),
        Case::new("H23", "a record without a date", {
            let date = Some([0xFF; 7]);
            disc(Record { date, ..file(&[nm(0, "f")]) }).image()
        })
        .shows([("f", seven())]),
    ]
}

/// H24.
fn compressed() -> Vec<Case> {
    let with = |reported: Vec<u8>, data: &[u8]| {
        let record =
            Record::file("F.;1", OTHER, data.len()).with(&[px(0o100_444), nm(0, "f"), reported]);
        let mut craft = disc(record);
        craft.put(OTHER, data).put(OTHER + 80, &[0]);
        craft.image()
    };
    let head = |log2: u8, size: u32, pointers: &[u32]| {
        let mut file = b"\x37\xE4\x53\x96\xC9\xDB\xD6\x07".to_vec();
        file.extend(size.to_le_bytes());
        file.extend([4, log2, 0, 0]);
        file.extend(pointers.iter().flat_map(|pointer| pointer.to_le_bytes()));
        file
    };
    let unreadable = |size: u64| [("f", Seen::Unreadable(size))];
    let noise = bytes(9, 4000);
    let whole = |pointers: &[u32]| [head(15, 0x10000, pointers), noise.clone()].concat();
    let bomb =
        [head(17, u32::MAX, &[]), (0..0x8001u32).flat_map(|_| 28u32.to_le_bytes()).collect()];
    vec![
        Case::new("H24", "blocks of one byte", with(zf(4, 0, 10), &head(0, 10, &[28, 28])))
            .shows(unreadable(10)),
        Case::new("H24", "blocks of 2^63 bytes", with(zf(4, 63, 10), &head(63, 10, &[28, 28])))
            .shows(unreadable(10)),
        Case::new(
            "H24",
            "pointers that go back",
            with(zf(4, 15, 0x10000), &whole(&[3000, 1000, 28])),
        )
        .shows(unreadable(0x10000)),
        Case::new(
            "H24",
            "pointers behind the file",
            with(zf(4, 15, 0x10000), &whole(&[28, u32::MAX, u32::MAX])),
        )
        .shows(unreadable(0x10000)),
        Case::new("H24", "noise in a block", with(zf(4, 15, 0x10000), &whole(&[28, 2000, 4000])))
            .shows(unreadable(0x10000)),
        Case::new("H24", "blocks that are empty are zeros", {
            with(zf(4, 15, 0x10000), &whole(&[28, 28, 28]))
        })
        .shows([("f", Seen::File(vec![0; 0x10000]))]),
        Case::new("H24", "4 GiB of which no pointer is there", {
            with(zf(4, 15, u32::MAX), &head(15, u32::MAX, &[28, 28]))
        })
        .shows(unreadable(u32::MAX.into())),
        Case::new("H24", "4 GiB of zeros in 128 KiB", with(zf(4, 17, u32::MAX), &bomb.concat()))
            .shows([("f", Seen::File(vec![0; 10]))]),
        Case::new(
            "H24",
            "a size that the head denies",
            with(zf(4, 15, 99), &whole(&[28, 2000, 4000])),
        )
        .shows(unreadable(99)),
        Case::new("H24", "an unknown head", with(zf(4, 15, 9), &noise)).shows(unreadable(9)),
    ]
}

/// H25.
fn sparse() -> Vec<Case> {
    let table = [&[0; 8][..], &[0xFF; 8], &[2]].concat();
    let record = file(&[px(0o100_444), nm(0, "f"), entry(b"SF", &table)]);
    vec![
        Case::new("H25", "a sparse file", disc(record).image())
            .shows([("f", Seen::Unreadable(10))]),
    ]
}
