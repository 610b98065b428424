//! What the driver learns of a volume, and what programs learn of it and of its files.
#![cfg(windows)]

use std::sync::Mutex;

use isodrive_windows_tests::driver::{Caller, GENERIC_READ, Opening, disposition, option};
use isodrive_windows_tests::setup::{self, mount_image, mounting};
use isodrive_windows_tests::{drives, global_drives, junctions, kind, without_threads};
use mount_winfsp::{Appearing, MountError, Mounting, Place};
use windows_view::{Choices, everybody_reads};

fn text(units: &[u16]) -> String {
    let len = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..len])
}

#[test]
fn the_driver_learns_what_the_volume_is() {
    let mounted = mount_image("setup.iso", Choices::default());
    let params = &mounted.volume.params;
    assert_eq!((params.SectorSize, params.SectorsPerAllocationUnit), (2048, 1));
    assert_eq!((params.MaxComponentLength, params.FileInfoTimeout), (255, u32::MAX));
    assert_eq!(params.VolumeSerialNumber, mounted.look.serial);
    assert_eq!(params.VolumeCreationTime, mounted.look.created);
    assert_ne!((params.VolumeSerialNumber, params.VolumeCreationTime), (0, 0));
    assert_eq!(text(&params.FileSystemName), "UDF");
    assert_eq!(
        (params.ReadOnlyVolume(), params.CaseSensitiveSearch(), params.CasePreservedNames()),
        (1, 0, 1)
    );
    assert_eq!((params.UnicodeOnDisk(), params.PersistentAcls()), (1, 0));
    assert_eq!((params.ReparsePoints(), params.ReparsePointsAccessCheck()), (1, 0));
    assert_eq!(params.NamedStreams(), 0, "nothing is invented where the image has no mark");

    let info = mounted.volume.volume_info().unwrap();
    assert_eq!(info.FreeSize, 0);
    assert_eq!(info.TotalSize, mounted.look.bytes);
    let label = &info.VolumeLabel[..usize::from(info.VolumeLabelLength) / 2];
    assert_eq!(String::from_utf16_lossy(label), "SETUP_EN_DVD");
}

#[test]
fn a_name_for_programs_that_insist_and_a_network_name_arrive() {
    let image = setup::images().join("setup.iso");
    let (view, volume) = setup::open(&image, None, &Default::default()).unwrap();
    let mut how = mounting(Place::FirstFree);
    how.system = "NTFS".to_owned();
    how.network = Some("\\isodrive\\SETUP_EN_DVD".to_owned());
    let mounted = setup::mount(volume, view, Choices::default(), &how);
    assert_eq!(text(&mounted.volume.params.FileSystemName), "NTFS");
    assert_eq!(text(&mounted.volume.params.Prefix), "\\isodrive\\SETUP_EN_DVD");
}

#[test]
fn files_are_found_in_any_case_and_shown_in_their_own() {
    let mounted = mount_image("setup.iso", Choices::default());
    let volume = &mounted.volume;
    // That the name came back in the disc's case, and names one file, is looked at by the driver.
    let file = volume.open("\\SOURCES\\Install.WIM").unwrap();
    assert_eq!((file.info.FileSize, file.info.AllocationSize), (60_000, 61_440));
    assert_eq!(file.info.FileAttributes, 0x80);
    let again = volume.info(&file).unwrap();
    assert_eq!(
        (again.FileSize, again.IndexNumber, again.LastWriteTime),
        (file.info.FileSize, file.info.IndexNumber, file.info.LastWriteTime)
    );
    // 2010-11-20 12:00:00 UTC.
    assert_eq!(again.LastWriteTime, (1_290_254_400 + 11_644_473_600) * 10_000_000);
    assert_eq!(again.HardLinks, 0);
    assert_eq!(volume.security(&file).unwrap(), everybody_reads());
    volume.close(file);
    let folder = volume.open("\\sources\\").unwrap();
    assert_eq!(folder.info.FileAttributes, 0x10);
    volume.close(folder);
}

#[test]
fn the_descriptor_is_what_windows_makes_of_its_text() {
    let text = "O:SYG:SYD:P(A;;FRFX;;;S-1-3-4)(A;;FRFX;;;WD)(A;;FRFX;;;AC)(A;;FRFX;;;S-1-15-2-2)";
    assert_eq!(everybody_reads(), isodrive_windows_tests::setup::descriptor(text));
}

#[test]
fn a_drive_that_may_idle_counts_handles_and_not_what_the_cache_keeps() {
    let image = setup::images().join("setup.iso");
    let (view, volume) = setup::open(&image, None, &Default::default()).unwrap();
    let how = mount_winfsp::Mounting { counts_handles: true, ..mounting(Place::FirstFree) };
    let mounted = setup::mount(volume, view, Choices::default(), &how);
    let (drive, volume) = (&mounted.drive, &mounted.volume);
    let open = || volume.open("\\setup.exe").unwrap();
    let (first, second) = (open(), open());
    assert_eq!(drive.open_files(), 2);
    volume.close(first);
    assert_eq!(drive.open_files(), 1);
    volume.close(second);
    assert_eq!(drive.open_files(), 0, "what the cache manager keeps is counted");
    // That Close comes at last changes nothing.
    let held = open();
    volume.trim_cache();
    assert_eq!(drive.open_files(), 1);
    volume.close(held);
    // Where the driver refuses what was opened, Close comes alone.
    let refused = open();
    assert_eq!(drive.open_files(), 1);
    volume.close_unshared(refused);
    assert_eq!(drive.open_files(), 0);
}

#[test]
fn a_drive_that_stays_is_not_asked_at_every_handle() {
    let mounted = mount_image("setup.iso", Choices::default());
    assert_eq!(mounted.volume.params.PostCleanupWhenModifiedOnly(), 1);
    let file = mounted.volume.open("\\setup.exe").unwrap();
    mounted.volume.close(file);
    assert_eq!(mounted.drive.open_files(), 1);
    mounted.volume.trim_cache();
    assert_eq!(mounted.drive.open_files(), 0);
}

#[test]
fn what_is_missing_or_of_another_kind_is_refused_with_its_own_status() {
    let mounted = mount_image("setup.iso", Choices::default());
    let volume = &mounted.volume;
    let create = |path: &str, options: u32| {
        let path: Vec<u16> = path.encode_utf16().collect();
        volume.create(&path, disposition::OPEN, options, GENERIC_READ).map(|f| volume.close(f))
    };
    for (path, options, want) in [
        ("\\nope", 0, 0xC000_0034),
        ("\\nope\\x", 0, 0xC000_003A),
        ("\\setup.exe\\x", 0, 0xC000_003A),
        ("\\sources\\nope", 0, 0xC000_0034),
        ("\\setup.exe", option::DIRECTORY_FILE, 0xC000_0103),
        ("\\sources", option::NON_DIRECTORY_FILE, 0xC000_00BA),
        ("\\setup.exe\\", 0, 0xC000_0033),
        ("\\setup.exe:Zone.Identifier", 0, 0xC000_0033),
    ] {
        assert_eq!(create(path, options), Err(want), "{path} {options:#x}");
    }
    assert_eq!(create("\\sources", option::DIRECTORY_FILE), Ok(()));
    assert_eq!(create("\\setup.exe", option::NON_DIRECTORY_FILE), Ok(()));
}

#[test]
fn letters_come_and_go_with_the_drive() {
    let image = setup::images().join("setup.iso");
    let open = || setup::open(&image, None, &Default::default()).unwrap();
    let is_there = |letter: &str| drives().iter().any(|(name, _)| name == letter);
    let (view, volume) = open();
    let mounted = setup::mount(volume, view, Choices::default(), &mounting(Place::Letter('X')));
    assert_eq!(mounted.drive.at().to_str(), Some("X:"));
    assert!(is_there("X:"));
    assert!(!mounted.drive.is_gone());
    mounted.drive.end();
    assert!(!is_there("X:"));

    // Any that is free: other tests take and give back letters meanwhile.
    let (view, volume) = open();
    let mounted = setup::mount(volume, view, Choices::default(), &mounting(Place::FirstFree));
    let at = mounted.drive.at().to_str().unwrap().to_owned();
    assert!(('D'..='Z').any(|letter| at == format!("{letter}:")) && is_there(&at), "{at}");
}

#[test]
fn a_directory_leads_to_the_volume_and_goes_with_it() {
    let image = setup::images().join("setup.iso");
    let (view, volume) = setup::open(&image, None, &Default::default()).unwrap();
    let folder = std::env::temp_dir().join(format!("isodrive-{}", std::process::id()));
    let how = mounting(Place::Directory(folder.clone()));
    let mounted = setup::mount(volume, view, Choices::default(), &how);
    assert!(folder.is_dir());
    let leads_to = junctions().pop().unwrap();
    assert!(
        leads_to.starts_with("\\??\\Volume{") || leads_to.contains("\\Device\\Volume{"),
        "{leads_to}"
    );
    mounted.drive.end();
    assert!(!folder.exists(), "the directory stayed");
}

#[test]
fn what_shall_be_there_before_a_drive_is_done_before_and_undone_without_one() {
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let appearing = Appearing {
        prepare: |at| {
            let is_there = drives().iter().any(|(name, _)| name == at);
            SAID.lock().unwrap().push(format!("prepare {at} {is_there}"));
            // Somebody else has prepared this one.
            at != "V:"
        },
        undo: |at| {
            let is_there = drives().iter().any(|(name, _)| name == at);
            SAID.lock().unwrap().push(format!("undo {at} {is_there}"));
        },
    };
    let said = || std::mem::take(&mut *SAID.lock().unwrap());
    let how = |place| Mounting { appearing: Some(appearing), ..mounting(place) };
    let image = setup::images().join("setup.iso");
    let mount = |how: &Mounting| {
        let (view, volume) = setup::open(&image, None, &Default::default()).unwrap();
        setup::try_mount(volume, view, Choices::default(), how)
    };
    drop(mount(&how(Place::Letter('W'))).unwrap());
    assert_eq!(said(), ["prepare W: false"]);
    let free = mount(&how(Place::FirstFree)).unwrap();
    let at = free.drive.at().to_str().unwrap().to_owned();
    // Other tests may have a drive there: letters of the imitation are nobody's.
    assert!(said().last().unwrap().starts_with(&format!("prepare {at} ")));
    let nowhere = std::env::temp_dir().join("isodrive-not-there").join("deeper");
    assert!(mount(&how(Place::Directory(nowhere.clone()))).is_err());
    let nowhere = nowhere.display();
    assert_eq!(said(), [format!("prepare {nowhere} false"), format!("undo {nowhere} false")]);
    // Who prepared it may have had the letter too, and undone that as it gave the letter up.
    let before = ["prepare V: false", "prepare V: true"];
    drop(mount(&how(Place::Letter('V'))).unwrap());
    assert_eq!(said(), before);
    unsafe { std::env::set_var("ISODRIVE_TEST_STOLEN", "U") };
    assert!(mount(&how(Place::Letter('U'))).is_err());
    unsafe { std::env::remove_var("ISODRIVE_TEST_STOLEN") };
    assert_eq!(said(), ["prepare U: false", "undo U: true"]);
    // A drive that cannot be served goes with what was prepared for it, and nothing of another's.
    for (at, done) in [('T', ["prepare T: false", "undo T: true"].as_slice()), ('V', &before)] {
        let refused = without_threads(|| mount(&how(Place::Letter(at)))).err();
        assert!(matches!(refused, Some(MountError::Refused { what: "serve the volume", .. })));
        assert_eq!(said(), done);
        assert!(!drives().iter().any(|(name, _)| name.starts_with(at)), "the letter stayed");
    }
    // Nothing is prepared for what is refused without trying.
    assert!(mount(&how(Place::Letter('C'))).is_err());
    assert!(said().is_empty());
}

#[test]
fn a_letter_that_is_there_is_not_hidden() {
    let image = setup::images().join("setup.iso");
    let (view, volume) = setup::open(&image, None, &Default::default()).unwrap();
    let how = mounting(Place::Letter('C'));
    let refused = setup::try_mount(volume, view, Choices::default(), &how).err();
    assert_eq!(refused, Some(MountError::Taken("C:".to_owned())));
}

#[test]
fn a_drive_for_everybody_is_given_its_letter_by_the_mount_manager() {
    let image = setup::images().join("setup.iso");
    let (view, volume) = setup::open(&image, None, &Default::default()).unwrap();
    let mut how = mounting(Place::Letter('Y'));
    how.global = true;
    let mounted = setup::mount(volume, view, Choices::default(), &how);
    let is_global = || global_drives().iter().any(|(name, _)| name == "Y:");
    assert!(is_global() && !drives().iter().any(|(name, _)| name == "Y:"));
    let file = mounted.volume.open("\\setup.exe").unwrap();
    mounted.volume.close(file);
    mounted.drive.end();
    assert!(!is_global());
}

/// Numbers that look random and are the same each time (splitmix64).
fn numbers(mut state: u64) -> impl FnMut() -> u32 {
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z >> 32) as u32
    }
}

#[test]
fn nobody_gets_a_right_to_write_whoever_asks_and_how() {
    const WRITE_PROTECTED: u32 = 0xC000_00A2;
    // Data, appended data, attributes and extended ones, deleting, the descriptor, the owner.
    const WRITING: u32 = 0x2 | 0x4 | 0x10 | 0x40 | 0x100 | 0x1_0000 | 0x4_0000 | 0x8_0000;
    let mounted = mount_image("setup.iso", Choices::default());
    let volume = &mounted.volume;
    let path: Vec<u16> = "\\setup.exe".encode_utf16().collect();
    let kernel = Caller { is_user: false, ..Caller::USER };
    let backup = |granted| Caller { granted, is_privileged: true, ..Caller::USER };
    let open_by = |caller, options, access| {
        let disposition = disposition::OPEN;
        volume.create_by(&path, Opening { caller, disposition, options, access })
    };
    let whole = volume.open("\\setup.exe").unwrap();
    let before = volume.read_all(&whole, 4096).unwrap();

    for bit in (0..32).map(|bit| 1u32 << bit).filter(|bit| bit & WRITING != 0) {
        let by_kernel = open_by(kernel, 0, bit);
        assert_eq!(by_kernel.map(|file| file.granted), Err(WRITE_PROTECTED), "{bit:#x}");
        let by_backup = open_by(backup(bit), 0, GENERIC_READ);
        assert_eq!(by_backup.map(|file| file.granted), Err(WRITE_PROTECTED), "{bit:#x}");
    }
    let deleting = option::DELETE_ON_CLOSE;
    let deleted = open_by(kernel, deleting, GENERIC_READ);
    assert_eq!(deleted.map(|file| file.granted), Err(WRITE_PROTECTED));
    let read = open_by(kernel, 0, GENERIC_READ).unwrap();
    assert_eq!(read.granted & WRITING, 0);
    volume.close(read);

    let mut number = numbers(17);
    let mut opened = 0;
    for turn in 0..10_000 {
        // A few bits, all of them, or any.
        let some = |number: &mut dyn FnMut() -> u32| match number() % 3 {
            0 => (1 << (number() % 32)) | GENERIC_READ,
            1 => (1 << (number() % 32)) | (1 << (number() % 32)),
            _ => number(),
        };
        let access = some(&mut number);
        let granted = if number().is_multiple_of(2) { 0 } else { some(&mut number) };
        let (is_user, is_privileged) = (number().is_multiple_of(2), number().is_multiple_of(2));
        let caller = Caller { is_user, granted, is_privileged };
        let disposition = number() % 6;
        let options = if number().is_multiple_of(4) { option::DELETE_ON_CLOSE } else { 0 };
        let file = volume.create_by(&path, Opening { caller, disposition, options, access });
        let Ok(file) = file else { continue };
        opened += 1;
        assert_eq!(file.granted & WRITING, 0, "turn {turn}: {caller:?} {access:#x}");
        let _ = volume.write(&file, u64::from(number()) % 512, b"X");
        volume.close(file);
    }
    assert!(opened > 100, "only {opened} were opened");
    assert_eq!(volume.read_all(&whole, 4096).unwrap(), before, "bytes that others read changed");
    volume.close(whole);
}

#[test]
fn everything_that_would_write_is_refused() {
    const WRITE_PROTECTED: u32 = 0xC000_00A2;
    const ACCESS_DENIED: u32 = 0xC000_0022;
    let mounted = mount_image("setup.iso", Choices::default());
    let volume = &mounted.volume;
    let create = |path: &str, disposition: u32, options: u32, access: u32| {
        let path: Vec<u16> = path.encode_utf16().collect();
        volume.create(&path, disposition, options, access).map(|file| file.granted)
    };
    // The DLL itself refuses what the descriptor does not grant.
    for access in [0x2, 0x4, 0x100, 0x1_0000, 0x4_0000, 0x8_0000] {
        let refused = create("\\setup.exe", disposition::OPEN, 0, access);
        assert_eq!(refused, Err(ACCESS_DENIED), "{access:#x}");
    }
    for disposition in [disposition::OVERWRITE, disposition::OVERWRITE_IF, disposition::SUPERSEDE] {
        assert!(create("\\setup.exe", disposition, 0, GENERIC_READ).is_err(), "{disposition}");
    }
    for disposition in [
        disposition::CREATE,
        disposition::OPEN_IF,
        disposition::OVERWRITE_IF,
        disposition::SUPERSEDE,
    ] {
        for options in [0, option::DIRECTORY_FILE] {
            let refused = create("\\new", disposition, options, GENERIC_READ).unwrap_err();
            assert!(
                matches!(refused, WRITE_PROTECTED | ACCESS_DENIED),
                "{disposition} {refused:#x}"
            );
        }
    }
    let deleting = create("\\setup.exe", disposition::OPEN, option::DELETE_ON_CLOSE, 0x1_0000);
    assert!(deleting.is_err());
    // As much as may be: read and execute.
    assert_eq!(create("\\setup.exe", disposition::OPEN, 0, 0x0200_0000), Ok(0x0012_00A9));

    let file = volume.open("\\setup.exe").unwrap();
    let mut byte = [1u8];
    let write = volume.request(kind::WRITE, Some(&file), &[], |request| unsafe {
        let write = &mut request.Req.Write;
        (write.Address, write.Length) = (byte.as_mut_ptr() as u64, 1);
    });
    assert_eq!(write, WRITE_PROTECTED);
    // Basic, allocation, end of file, disposition, rename.
    for class in [4, 19, 20, 10] {
        let refused = volume.set_information(&file, class, "\\setup.exe", |_| ());
        assert_eq!(refused, WRITE_PROTECTED, "class {class}");
    }
    let delete = volume.set_information(&file, 13, "\\setup.exe", |request| unsafe {
        request.Req.SetInformation.Info.Disposition.set_Delete(1);
    });
    assert_eq!(delete, WRITE_PROTECTED);
    let keep = volume.set_information(&file, 13, "\\setup.exe", |_| ());
    assert_eq!(keep, 0, "not to delete is no wish to write");
    assert_eq!(volume.request(kind::SET_SECURITY, Some(&file), &[0; 64], |_| ()), WRITE_PROTECTED);
    let label = volume.request(kind::SET_VOLUME_INFORMATION, None, &[b'X', 0, 0, 0], |request| {
        request.Req.SetVolumeInformation.FsInformationClass = 2;
    });
    assert_eq!(label, WRITE_PROTECTED);
    assert_eq!(volume.request(kind::FLUSH_BUFFERS, Some(&file), &[], |_| ()), 0);
    assert_eq!(volume.request(kind::FLUSH_BUFFERS, None, &[], |_| ()), 0);
    volume.close(file);
}
