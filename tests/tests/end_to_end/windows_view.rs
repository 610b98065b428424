//! A disc as Windows is shown it, without Windows: paths, links, listings and streams of the rules
//! that the adapter hands on.

use anyhow::Result;
use iso_core::volume::{FileKind, Hidden};
use iso_core::{Image, Limits, View, source};
use isodrive_tests::{corpus, windows_discs};
use windows_view::{Choices, Status, Stream, Tree, VolumeLook, attribute};

fn tree(image: &str, choices: Choices) -> Result<Tree> {
    let folder = tempfile::tempdir_in(corpus::scratch()?)?;
    windows_discs::make(folder.path())?;
    let opened = Image::open(source::open_path(&folder.path().join(image))?, Limits::default())?;
    Ok(Tree::new(opened.choose(None)?.volume, choices))
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn refused(tree: &Tree, path: &str) -> Option<Status> {
    tree.find(&units(path)).err().map(|failure| failure.status())
}

#[test]
fn a_path_is_found_in_any_case_and_its_absence_has_two_names() -> Result<()> {
    let tree = tree("setup.iso", Choices::default())?;
    let found = tree.find(&units("\\SOURCES\\install.WIM")).unwrap();
    assert_eq!(String::from_utf16(&found.path())?, "\\sources\\install.wim");
    assert_eq!((found.kind(), found.is_root()), (FileKind::Regular, false));
    let info = tree.info(&found);
    assert_eq!((info.bytes, info.allocation_bytes, info.attributes), (60_000, 61_440, 0x80));
    let root = tree.find(&units("\\")).unwrap();
    assert!(root.is_root());
    assert_eq!(String::from_utf16(&root.path())?, "\\");
    for (path, want) in [
        ("\\nope", Status::OBJECT_NAME_NOT_FOUND),
        ("\\nope\\x", Status::OBJECT_PATH_NOT_FOUND),
        ("\\setup.exe\\x", Status::OBJECT_PATH_NOT_FOUND),
        ("\\setup.exe:Zone.Identifier", Status::OBJECT_NAME_NOT_FOUND),
        ("\\setup.exe:a:b:c", Status::OBJECT_NAME_INVALID),
    ] {
        assert_eq!(refused(&tree, path), Some(want), "{path}");
    }
    let mut bytes = [0; 100];
    assert_eq!(tree.read(&found, 59_990, &mut bytes).unwrap(), 10);
    let behind = tree.read(&found, 60_000, &mut bytes).unwrap_err().status();
    assert_eq!(behind, Status::END_OF_FILE);
    let of_folder = tree.read(&root, 0, &mut bytes).unwrap_err().status();
    assert_eq!(of_folder, Status::FILE_IS_A_DIRECTORY);
    Ok(())
}

#[test]
fn a_volume_looks_as_the_drivers_of_windows_would_show_it() -> Result<()> {
    let image = corpus::repository().join("samples/setup-disc.iso");
    let opened = Image::open(source::open_path(&image)?, Limits::default())?;
    let bytes = std::fs::read(&image)?;
    for (view, system) in [(View::Udf, "UDF"), (View::Iso9660, "CDFS")] {
        let volume = opened.choose(Some(view))?.volume;
        let look = VolumeLook::of(&*volume, view);
        assert_eq!(
            (String::from_utf16(&look.label)?.as_str(), look.system),
            ("SETUP_EN_DVD", system)
        );
        assert_ne!((look.serial, look.created, look.bytes), (0, 0, 0), "{view}");
        if view == View::Iso9660 {
            // The sums over sector 16, worked out once more by hand.
            let column = |at: usize| -> u32 {
                let own = bytes[16 * 2048..17 * 2048].iter().skip(at).step_by(4);
                own.map(|byte| u32::from(*byte)).sum::<u32>() & 0xFF
            };
            let serial = column(0) << 24 | column(1) << 16 | column(2) << 8 | column(3);
            assert_eq!(look.serial, serial);
        } else {
            // What GetVolumeInformation of Wine gives for this image behind a drive of type cdrom.
            assert_eq!(look.serial, 0xB5B1_7F9A);
        }
    }
    Ok(())
}

#[test]
fn links_stop_a_path_and_tell_where_they_lead() -> Result<()> {
    let tree = tree("links.iso", Choices::default())?;
    assert_eq!(refused(&tree, "\\to-folder\\file"), Some(Status::REPARSE));
    let link = tree.find(&units("\\to-folder")).unwrap();
    let attributes = tree.info(&link).attributes;
    assert_eq!(attributes, attribute::REPARSE_POINT | attribute::DIRECTORY);
    let target = |path: &str| {
        let found = tree.find(&units(path)).unwrap();
        tree.reparse_data(&found).map_err(|failure| failure.status())
    };
    let shown = |path: &str, want: &str| {
        assert_eq!(target(path), Ok(windows_view::symlink_data(&units(want))), "{path}");
    };
    shown("\\to-file", "folder\\file");
    shown("\\folder\\to-lower", "..\\other\\readme~2");
    shown("\\through-links", "other\\readme~2");
    for (path, want) in [
        ("\\absolute", Status::ACCESS_DENIED),
        ("\\outside", Status::ACCESS_DENIED),
        ("\\loop-a", Status::REPARSE_POINT_NOT_RESOLVED),
        ("\\folder\\file", Status::NOT_A_REPARSE_POINT),
    ] {
        assert_eq!(target(path), Err(want), "{path}");
    }
    Ok(())
}

#[test]
fn where_an_image_came_from_is_a_stream_of_every_file_and_of_nothing_else() -> Result<()> {
    let zone = b"[ZoneTransfer]\r\nZoneId=3\r\n".to_vec();
    let tree = tree("setup.iso", Choices { zone: Some(zone.clone()), ..Choices::default() })?;
    let stream = tree.find(&units("\\Setup.exe:zone.IDENTIFIER:$data")).unwrap();
    assert_eq!(stream.stream(), Stream::Zone);
    assert_eq!(tree.info(&stream).bytes, zone.len() as u64);
    let mut bytes = [0; 100];
    let read = tree.read(&stream, 2, &mut bytes).unwrap();
    assert_eq!(bytes[..read], zone[2..]);
    let file = tree.find(&units("\\setup.exe::$DATA")).unwrap();
    assert_eq!(file.stream(), Stream::Data);
    assert_eq!(tree.streams(&file), [("", 15_001), ("Zone.Identifier", zone.len() as u64)]);
    assert_eq!(refused(&tree, "\\sources:Zone.Identifier"), Some(Status::OBJECT_NAME_NOT_FOUND));
    Ok(())
}

#[test]
fn hidden_files_are_left_out_when_asked_and_found_all_the_same() -> Result<()> {
    let mut cases = isodrive_tests::hostile::all().into_iter();
    let case = cases.find(|case| case.name == "a hidden file").expect("a disc with a hidden file");
    let opened = Image::open(Box::new(case.image), Limits::default())?;
    let volume = opened.choose(None)?.volume;
    let listed = |hidden: Hidden| {
        let tree = Tree::new(volume.clone(), Choices { hidden, ..Choices::default() });
        let root = tree.find(&units("\\")).unwrap();
        let names = tree.names_of(&root).unwrap();
        let hidden = tree.find(&units("\\F")).unwrap();
        assert_eq!(tree.info(&hidden).attributes, attribute::HIDDEN);
        names.after(None).filter(|at| tree.lists(&names, *at)).count()
    };
    assert_eq!((listed(Hidden::Show), listed(Hidden::Hide)), (2, 1));
    Ok(())
}
