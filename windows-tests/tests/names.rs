//! Names that Windows cannot hold, links, streams: as they are shown and as they are found.
#![cfg(windows)]

use std::collections::BTreeMap;

use isodrive_windows_tests::setup::{mount_image, upper};
use isodrive_windows_tests::walk::{Part, shown_target, walk};
use windows_view::{Choices, fold};

fn text(units: &[u16]) -> String {
    String::from_utf16_lossy(units)
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

#[test]
fn every_name_has_a_writing_and_leads_to_its_own_file() {
    let mounted = mount_image("names.iso", Choices::default());
    let seen = walk(&mounted.volume, 4096);
    let mut shown = BTreeMap::new();
    for file in seen.iter().filter(|file| file.sha256.is_some()) {
        // Through the driver, which lets no name through that Windows would refuse.
        let open = mounted.volume.open_units(&file.path).unwrap();
        let held = mounted.volume.read_all(&open, 4096).unwrap();
        mounted.volume.close(open);
        let recorded = mounted.tree.recorded_path(&file.path);
        if recorded.len() == 1 {
            assert_eq!(recorded[0], held, "{}", text(&file.path));
        }
        shown.insert(held, text(&file.path));
    }
    let name = |recorded: &[u8]| shown.get(recorded).map(String::as_str);
    for (recorded, want) in [
        (&b"plain.txt"[..], "\\plain.txt"),
        (b"a:b", "\\a\u{F03A}b"),
        (b"ends.", "\\ends\u{F02E}"),
        (b"ends ", "\\ends\u{F020}"),
        (b"CON", "\\\u{F043}ON"),
        (b"nul.txt", "\\\u{F06E}ul.txt"),
        (b"tab\t", "\\tab\u{F009}"),
        ("\u{f03a}private".as_bytes(), "\\\u{F02F}\u{F03A}private"),
        (b"inside: AUX", "\\\u{F041}UX\\inside\u{F03A} AUX"),
        ("\u{1f600}.txt".as_bytes(), "\\\u{1f600}.txt"),
    ] {
        assert_eq!(name(recorded), Some(want));
    }
    // Three that differ in case alone, and one that has the name which the second would get.
    let alike: [&[u8]; 4] = [b"README.TXT", b"ReadMe.txt", b"readme.txt", b"readme~2.txt"];
    let mut numbers: Vec<_> =
        alike.iter().map(|alike| name(alike).unwrap().to_lowercase()).collect();
    numbers.sort();
    assert_eq!(numbers, ["\\readme.txt", "\\readme~2.txt", "\\readme~3.txt", "\\readme~4.txt"]);
    assert_eq!(name(b"readme~2.txt"), Some("\\readme~2.txt"));
    assert_eq!(shown.len(), 27);
}

#[test]
fn names_that_windows_takes_for_one_are_never_two() {
    let by_upper = |unit: u16| (upper(&[unit])[0], fold(&[unit]));
    let mut keys: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
    for unit in 0..=u16::MAX {
        let (upper, key) = by_upper(unit);
        let known = keys.entry(upper).or_insert_with(|| key.clone()).clone();
        assert_eq!(known, key, "U+{unit:04X} is U+{upper:04X} to Windows");
    }
}

#[test]
fn links_lead_where_their_own_system_would_go() {
    let mounted = mount_image("links.iso", Choices::default());
    let volume = &mounted.volume;
    let target = |path: &str| {
        volume.reparse_point(&units(path)).map(|data| text(&shown_target(&data, Part::Print)))
    };
    for (link, want) in [
        ("\\to-file", "folder\\file"),
        ("\\to-folder", "folder"),
        ("\\folder\\to-lower", "..\\other\\readme~2"),
        ("\\folder\\deeper\\to-upper", "..\\..\\other\\README"),
        ("\\through-links", "other\\readme~2"),
        ("\\with-dots", "folder\\file"),
        ("\\to-nothing", "missing\\file"),
        ("\\to-itself", "."),
    ] {
        assert_eq!(target(link).as_deref(), Ok(want), "{link}");
    }
    for (link, want) in
        [("\\absolute", 0xC000_0022), ("\\outside", 0xC000_0022), ("\\loop-a", 0xC000_0280)]
    {
        assert_eq!(target(link), Err(want), "{link}");
        assert!(volume.open(link).is_err(), "{link} leads somewhere");
    }
    let read = |path: &str| {
        let file = volume.open(path)?;
        let bytes = volume.read_all(&file, 4096)?;
        volume.close(file);
        Ok::<_, u32>(String::from_utf8(bytes).unwrap())
    };
    for (path, want) in [
        ("\\to-file", "in the folder"),
        ("\\to-folder\\file", "in the folder"),
        ("\\to-folder\\to-lower", "lower"),
        ("\\folder\\deeper\\to-upper", "upper"),
        ("\\through-links", "lower"),
        ("\\to-itself\\to-itself\\to-file", "in the folder"),
    ] {
        assert_eq!(read(path).as_deref(), Ok(want), "{path}");
    }
    assert!(matches!(read("\\to-nothing"), Err(0xC000_0034 | 0xC000_003A)));
    assert_eq!(volume.reparse_point(&units("\\folder\\file")), Err(0xC000_0275));
    let info: BTreeMap<_, _> =
        walk(volume, 4096).into_iter().map(|seen| (text(&seen.path), seen.info)).collect();
    assert_eq!(info["\\to-folder"].FileAttributes, 0x410);
    assert_eq!(info["\\to-file"].FileAttributes, 0x400);
    assert_eq!((info["\\to-file"].FileSize, info["\\to-file"].ReparseTag), (0, 0xA000_000C));
    assert_eq!((info["\\pipe"].FileAttributes, info["\\pipe"].FileSize), (0x4, 0));
}

#[test]
fn where_the_image_came_from_is_on_every_file() {
    let zone = b"[ZoneTransfer]\r\nZoneId=3\r\n".to_vec();
    let choices = Choices { zone: Some(zone.clone()), ..Choices::default() };
    let mounted = mount_image("setup.iso", choices);
    let volume = &mounted.volume;
    assert_eq!(volume.params.NamedStreams(), 1);
    for path in ["\\setup.exe:Zone.Identifier", "\\SETUP.EXE:zone.identifier:$DATA"] {
        let stream = volume.open(path).unwrap();
        assert_eq!(stream.info.FileSize, zone.len() as u64);
        assert_eq!(volume.read_all(&stream, 4096).unwrap(), zone);
        assert_eq!(volume.read(&stream, zone.len() as u64, 10), Err(0xC000_0011));
        volume.close(stream);
    }
    assert_eq!(volume.open("\\setup.exe:other").map(|f| volume.close(f)), Err(0xC000_0034));
    assert_eq!(volume.open("\\nope:Zone.Identifier").map(|f| volume.close(f)), Err(0xC000_0034));
    let file = volume.open("\\setup.exe").unwrap();
    let want = [("".to_owned(), 15_001), ("Zone.Identifier".to_owned(), zone.len() as u64)];
    assert_eq!(volume.streams(&file).unwrap(), want);
    volume.close(file);
    let folder = volume.open("\\sources").unwrap();
    assert_eq!(volume.streams(&folder).unwrap(), []);
    volume.close(folder);
}
