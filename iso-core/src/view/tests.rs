//! The view rule as a table: discs of many kinds, the view that is right, and the reason.

use super::View::{Enhanced, Hfs, HighSierra, Iso9660, Joliet, RockRidge, Udf};
use super::*;

/// Places of data that two trees share lie in one file; `own` moves them.
fn root(view: View, sizes: &[u64], directories: usize) -> Candidate {
    let places = (1..).map(|n: u64| n << 40).zip(sizes.iter().copied()).collect();
    let has_modes = matches!(view, Udf | RockRidge);
    let longest_name = if view == Iso9660 { 12 } else { 30 };
    let contents =
        Contents { files: sizes.len(), directories, places, longest_name, ..Contents::default() };
    Candidate { view, has_names: true, has_modes, contents }
}

/// As `root`, with data that no other tree holds.
fn own(view: View, sizes: &[u64], directories: usize) -> Candidate {
    let mut own = root(view, sizes, directories);
    let places = std::mem::take(&mut own.contents.places);
    own.contents.places =
        places.into_iter().map(|(at, len)| (at.saturating_add(4096), len)).collect();
    own
}

fn changed(mut candidate: Candidate, change: impl FnOnce(&mut Candidate)) -> Candidate {
    change(&mut candidate);
    candidate
}

fn links(candidate: Candidate, special: usize) -> Candidate {
    changed(candidate, |c| c.contents.special = special)
}

fn unweighed(candidate: Candidate, names: usize) -> Candidate {
    changed(candidate, |c| c.contents.unweighed = names)
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const NOTE: &[u64] = &[200];

type Shape = (&'static str, Vec<Candidate>, View);

fn setup_and_live_discs() -> Vec<Shape> {
    let nameless = changed(root(RockRidge, &[9, 9], 1), |c| c.has_names = false);
    let no_modes = changed(root(RockRidge, &[9, 9], 1), |c| c.has_modes = false);
    vec![
        ("Windows DVD", vec![root(Udf, &[MIB, MIB], 4), own(Iso9660, NOTE, 0)], Udf),
        ("Windows DVD of directories", vec![root(Udf, &[], 4), own(Iso9660, NOTE, 0)], Udf),
        ("notes in ten languages", vec![root(Udf, &[], 1), own(Iso9660, &[900; 10], 0)], Udf),
        (
            "UDF beside one directory of Rock Ridge",
            vec![root(Udf, &[MIB], 6), root(RockRidge, &[], 1)],
            Udf,
        ),
        ("two notes, one directory", vec![root(Udf, &[], 1), own(Iso9660, &[13, 13], 0)], Udf),
        (
            "a note with a Joliet side",
            vec![root(Udf, &[MIB], 0), own(Iso9660, NOTE, 0), own(Joliet, NOTE, 0)],
            Udf,
        ),
        ("a note that UDF holds too", vec![root(Udf, &[200, MIB], 2), root(Iso9660, NOTE, 0)], Udf),
        (
            "live medium with UDF",
            vec![
                links(root(RockRidge, &[9, MIB], 3), 2),
                root(Udf, &[9, MIB], 3),
                root(Joliet, &[9, MIB], 3),
                root(Iso9660, &[9, MIB], 3),
            ],
            RockRidge,
        ),
        (
            "live medium, file above 4 GiB",
            vec![root(RockRidge, &[GIB], 3), root(Udf, &[5 * GIB], 3), root(Iso9660, &[GIB], 3)],
            Udf,
        ),
        (
            "Debian",
            vec![
                links(root(RockRidge, &[MIB], 9), 1),
                root(Joliet, &[MIB], 9),
                root(Iso9660, &[MIB], 9),
            ],
            RockRidge,
        ),
        (
            "Rock Ridge without names",
            vec![nameless, root(Joliet, &[9, 9], 1), root(Iso9660, &[9, 9], 1)],
            Joliet,
        ),
        ("Rock Ridge without modes, UDF", vec![no_modes.clone(), root(Udf, &[9, 9], 1)], Udf),
        ("Rock Ridge without modes", vec![no_modes, root(Joliet, &[9, 9], 1)], RockRidge),
        (
            "a large directory in UDF",
            vec![unweighed(root(Udf, &[9; 64], 0), 900), root(Joliet, &[9; 64], 0)],
            Udf,
        ),
    ]
}

fn bridges() -> Vec<Shape> {
    vec![
        (
            "one more file in ISO 9660",
            vec![root(Udf, &[13; 5], 0), root(Iso9660, &[13; 6], 0)],
            Udf,
        ),
        (
            "one more folder in ISO 9660",
            vec![
                root(Udf, &[2, 2, 2048], 0),
                root(Joliet, &[2, 2, 2048], 0),
                root(Iso9660, &[2, 2, 2048], 1),
            ],
            Udf,
        ),
        ("DVD-Video", vec![root(Udf, &[], 2), root(Iso9660, &[], 2)], Udf),
        (
            "DVD-Video with a Joliet side",
            vec![root(Udf, &[], 2), root(Iso9660, &[], 2), root(Joliet, &[], 2)],
            Udf,
        ),
        ("Blu-ray", vec![root(Udf, &[], 2)], Udf),
        ("Blu-ray with a note", vec![root(Udf, &[], 2), own(Iso9660, NOTE, 0)], Udf),
        ("PS3", vec![root(Udf, &[9], 3), root(Iso9660, &[9], 3)], Udf),
        ("PS2 DVD", vec![root(Udf, &[60, MIB], 1), root(Iso9660, &[60, MIB], 1)], Udf),
        (
            "few large files are no stub",
            vec![root(Udf, &[9], 0), own(Iso9660, &[GIB, GIB], 0)],
            Iso9660,
        ),
        (
            "few large files against more",
            vec![own(Udf, &[3 * GIB], 0), root(Joliet, &[GIB, GIB], 0)],
            Udf,
        ),
        ("UDF is empty", vec![root(Udf, &[], 0), root(Joliet, &[9, 9], 1)], Joliet),
        ("UDF is a note", vec![own(Udf, NOTE, 0), root(RockRidge, &[MIB], 3)], RockRidge),
        ("ISO 9660 is empty", vec![root(Udf, &[1], 0), root(Iso9660, &[], 0)], Udf),
        ("equal trees", vec![root(Udf, &[5, 5], 2), root(Joliet, &[5, 5], 2)], Udf),
        ("all empty", vec![root(Iso9660, &[], 0), root(Joliet, &[], 0)], Joliet),
        (
            "one small file, equal trees",
            vec![root(Udf, &[5], 0), root(RockRidge, &[5], 0)],
            RockRidge,
        ),
    ]
}

fn compact_discs() -> Vec<Shape> {
    let short = |mut c: Candidate| {
        c.contents.longest_name = 12;
        c
    };
    vec![
        ("plain", vec![root(Iso9660, &[5], 2)], Iso9660),
        ("High Sierra", vec![root(HighSierra, &[5], 2)], HighSierra),
        (
            "data CD of the nineties",
            vec![root(Iso9660, &[MIB], 5), root(Joliet, &[MIB], 5)],
            Joliet,
        ),
        ("ISO 9660:1999", vec![root(Iso9660, &[5], 2), root(Enhanced, &[5], 2)], Enhanced),
        ("ISO 9660:1999 and Joliet", vec![root(Joliet, &[5], 2), root(Enhanced, &[5], 2)], Joliet),
        (
            "last session with both names",
            vec![root(RockRidge, &[5], 2), root(Joliet, &[5], 2), root(Iso9660, &[5], 2)],
            RockRidge,
        ),
        ("Joliet hides much", vec![root(Joliet, &[9], 0), root(Iso9660, &[9, MIB], 0)], Iso9660),
        (
            "Joliet hides a little",
            vec![root(Joliet, &[MIB], 1), root(Iso9660, &[MIB, 9], 1)],
            Joliet,
        ),
        ("Joliet is hidden whole", vec![root(Joliet, &[], 0), root(Iso9660, &[9, 9], 0)], Iso9660),
        (
            "Rock Ridge hides much",
            vec![root(RockRidge, &[9], 1), root(Joliet, &[9, GIB], 1), root(Iso9660, &[9], 1)],
            Joliet,
        ),
        (
            "Rock Ridge is the fuller one",
            vec![root(RockRidge, &[9, GIB], 1), root(Joliet, &[9], 1)],
            RockRidge,
        ),
        ("bare HFS", vec![root(Hfs, &[5], 2)], Hfs),
        (
            "hybrid with Rock Ridge",
            vec![root(RockRidge, &[5], 2), root(Iso9660, &[5], 2), root(Hfs, &[5], 2)],
            RockRidge,
        ),
        (
            "hybrid, HFS has longer names",
            vec![root(Iso9660, &[5, MIB], 2), root(Hfs, &[5, MIB], 2)],
            Hfs,
        ),
        (
            "hybrid, names are the same",
            vec![root(Iso9660, &[5, MIB], 2), short(root(Hfs, &[5, MIB], 2))],
            Iso9660,
        ),
        ("hybrid of two discs", vec![root(Iso9660, &[5, MIB], 2), own(Hfs, &[5, 9], 2)], Iso9660),
        ("Macintosh disc with a note", vec![own(Iso9660, NOTE, 0), root(Hfs, &[5, MIB], 2)], Hfs),
    ]
}

#[test]
fn each_kind_of_disc_shows_the_tree_that_loses_least() {
    let shapes: Vec<Shape> = [setup_and_live_discs(), bridges(), compact_discs(), deeper_discs()]
        .into_iter()
        .flatten()
        .collect();
    assert!(shapes.len() >= 40, "{}", shapes.len());
    for (name, mut candidates, want) in shapes {
        let chosen = choose(&candidates).map(|(view, _)| view);
        assert_eq!(chosen, Some(want), "{name}");
        candidates.reverse();
        assert_eq!(choose(&candidates).map(|(view, _)| view), Some(want), "{name}, reversed");
    }
    assert_eq!(choose(&[]), None);
}

#[test]
fn the_reason_is_true_and_readable() {
    for (candidates, want) in [
        (vec![root(Iso9660, &[5], 2)], "the only file system on the disc"),
        (
            vec![root(Udf, &[MIB; 3], 12), own(Iso9660, NOTE, 0)],
            "its root holds 3 files and 12 folders; the ISO 9660 side holds only a note",
        ),
        (
            vec![root(RockRidge, &[9], 1), root(Udf, &[9], 1), root(Joliet, &[9], 1)],
            "its root holds 1 file and 1 folder; Rock Ridge records links and permissions as they \
             were; Joliet records neither links nor permissions",
        ),
        (
            vec![root(Udf, &[], 0), root(Joliet, &[9], 0)],
            "its root holds 1 file; the UDF side is empty",
        ),
    ] {
        assert_eq!(choose(&candidates).unwrap().1, want);
    }
}

/// What was compared below the roots: files by place, and folders that another tree lacks.
fn below(candidate: Candidate, files: &[(u64, u64)], folders: &[usize]) -> Candidate {
    let files = files.iter().copied().collect();
    let folders = folders.iter().copied().collect();
    changed(candidate, |c| c.contents.below = Some(Below { files, folders, is_unclear: false }))
}

fn deeper_discs() -> Vec<Shape> {
    let iso = |view: View, files: &[(u64, u64)]| below(root(view, &[9], 3), files, &[]);
    vec![
        (
            "live medium, file above 4 GiB in a folder",
            vec![
                iso(RockRidge, &[(7, GIB - 1), (8, MIB)]),
                iso(Iso9660, &[(7, GIB - 1), (8, MIB)]),
                iso(Joliet, &[(7, GIB - 1), (8, MIB)]),
                iso(Udf, &[(7, 5 * GIB), (8, MIB)]),
            ],
            Udf,
        ),
        (
            "live medium, the same in a large root",
            vec![
                unweighed(iso(RockRidge, &[(7, GIB)]), 90),
                unweighed(iso(Udf, &[(7, 5 * GIB)]), 90),
            ],
            Udf,
        ),
        (
            "equal below the root",
            vec![iso(RockRidge, &[(7, GIB), (8, 9)]), iso(Udf, &[(7, GIB), (8, 9)])],
            RockRidge,
        ),
        (
            "a folder below the root is hidden from Rock Ridge",
            vec![
                iso(RockRidge, &[(8, 9)]),
                below(root(Joliet, &[9], 3), &[(8, 9), (9, GIB)], &[4]),
            ],
            Joliet,
        ),
        (
            "a small one is hidden",
            vec![iso(RockRidge, &[(8, 9)]), below(root(Joliet, &[9], 3), &[(8, 9), (9, 70)], &[4])],
            RockRidge,
        ),
        (
            "each hides a folder, Rock Ridge the smaller one",
            vec![iso(RockRidge, &[(5, 2 * GIB)]), iso(Joliet, &[(9, GIB)])],
            RockRidge,
        ),
        (
            "what lies in the root of one and below that of the other is there",
            vec![
                iso(RockRidge, &[]),
                below(root(Joliet, &[9], 3), &[(1 << 40, 9)], &[]),
                below(root(Udf, &[9, GIB], 3), &[], &[]),
                changed(iso(Iso9660, &[(2 << 40, GIB)]), |c| c.contents.longest_name = 12),
            ],
            Udf,
        ),
        (
            "one tree was not compared",
            vec![root(RockRidge, &[9], 3), iso(Udf, &[(7, 5 * GIB)])],
            RockRidge,
        ),
    ]
}

#[test]
fn trees_differ_by_what_every_format_can_hold() {
    let debian = [links(root(RockRidge, &[9], 3), 4), root(Joliet, &[9], 3)];
    assert_eq!(differing(RockRidge, &debian), []);
    let hidden = [root(Udf, &[9, 9], 0), root(Iso9660, &[9, 9], 1)];
    let by_number = "the root of ISO 9660 holds 3 files and folders, that of UDF holds 2";
    assert_eq!(differing(Udf, &hidden), [(Iso9660, by_number.to_owned())]);
    let stub = [root(Udf, &[MIB], 3), own(Iso9660, NOTE, 0)];
    assert_eq!(differing(Udf, &stub), []);
}

#[test]
fn differences_are_described_truthfully() {
    let tree =
        |view, files: &[(u64, u64)], folders: &[usize]| below(root(view, &[9], 3), files, folders);
    for (shown, other, want) in [
        (tree(RockRidge, &[(7, 9)], &[]), tree(Joliet, &[(7, 9)], &[]), None),
        (
            tree(RockRidge, &[(7, 9), (8, 9)], &[]),
            tree(Joliet, &[(7, 9), (9, 9)], &[]),
            Some(
                "Joliet holds 1 file that Rock Ridge lacks, Rock Ridge holds 1 file that Joliet \
                 lacks",
            ),
        ),
        (
            tree(RockRidge, &[], &[]),
            tree(Joliet, &[(8, 9), (9, 9)], &[3]),
            Some("Joliet holds 2 files and 1 folder that Rock Ridge lacks"),
        ),
        (
            tree(Udf, &[(7, 5 * GIB)], &[]),
            tree(RockRidge, &[(7, GIB)], &[]),
            Some("Rock Ridge has 1 file shorter than UDF"),
        ),
        // Numbers of the roots say nothing where all was matched.
        (tree(Udf, &[(7, 9)], &[]), below(root(Joliet, &[9, 9], 3), &[(7, 9)], &[]), None),
    ] {
        let view = shown.view;
        let finding = differing(view, &[shown, other]).into_iter().map(|(_, text)| text).next();
        assert_eq!(finding.as_deref(), want);
    }
}
