//! What a worker that was taken over could hand to the kernel's EROFS driver: nothing that the
//! translator would not write. And damaged discs, which that driver is not given at all.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use iso_core::volume::Permissions;
use isodrive_tests::kernel_driver::{self, KernelLog};
use isodrive_tests::make::craft::{self, Craft, FILES, Record};
use isodrive_tests::metadata::{self, HARM, harmful};
use isodrive_tests::program::{self, Ended, Session};
use isodrive_tests::{corpus, make};
use mount_erofs::verify;

/// Pieces of damaged metadata that are tried, unless `METADATA_CASES` asks for another number.
const CASES: u64 = 5000;

#[test]
fn damaged_metadata_is_refused_or_mounted_without_a_complaint() -> Result<()> {
    if !kernel_driver::can_mount() {
        return Ok(());
    }
    let cases = std::env::var("METADATA_CASES").ok().and_then(|cases| cases.parse().ok());
    let folder = tempfile::tempdir_in(corpus::scratch()?)?;
    let bases = metadata::of_corpus(folder.path())?;
    assert!(bases.len() > 40, "only {} bases", bases.len());
    let outcome = metadata::run(&bases, 0..cases.unwrap_or(CASES))?;
    println!("{} bases, {outcome:#?}", bases.len());
    assert!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("\n"));
    assert!(outcome.refused > 1000 && outcome.mounted_damaged > 500, "{outcome:?}");
    Ok(())
}

/// Checks a piece of metadata as the supervisor does; gives why it is refused.
fn refusal(bytes: &[u8], image_bytes: u64, permissions: Permissions) -> Result<Option<String>> {
    let file = mount_erofs::scratch_file()?;
    file.write_all_at(bytes, 0)?;
    Ok(verify(file, image_bytes, permissions).err().map(|why| why.to_string()))
}

#[test]
fn metadata_that_does_harm_is_refused_with_its_reason() -> Result<()> {
    const IMAGE: u64 = 1 << 20;
    for (name, why) in HARM {
        let refused = refusal(&harmful(name, IMAGE)?, IMAGE, Permissions::Safe)?;
        match &refused {
            None => assert_eq!(name, "sound"),
            Some(said) => assert!(!why.is_empty() && said.contains(why), "{name}: {said}"),
        }
        // Whoever shows what the image records gets set-id bits and devices, and nothing else.
        let refused = refusal(&harmful(name, IMAGE)?, IMAGE, Permissions::Image)?;
        let is_asked_for = ["sound", "setuid", "device"].contains(&name);
        assert_eq!(refused.is_none(), is_asked_for, "{name}: {refused:?}");
    }
    // Metadata is for one image.
    let refused = refusal(&harmful("sound", IMAGE)?, IMAGE + 2048, Permissions::Safe)?;
    assert!(refused.is_some_and(|why| why.contains("a device that is not the image")));
    Ok(())
}

/// `mount --driver erofs` by a program whose worker was taken over.
fn mount_by_taken_over(session: &Session, name: &str) -> Result<Ended> {
    let image = session.path(&format!("{name}.iso"));
    fs::copy(corpus::repository().join("samples/setup-disc.iso"), &image)?;
    let place = session.path("here");
    let arguments: Vec<&OsStr> = vec![
        "mount".as_ref(),
        "--driver".as_ref(),
        "erofs".as_ref(),
        image.as_ref(),
        place.as_ref(),
    ];
    let plain = session.command(&arguments)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_taken_over"));
    command.args(&arguments).current_dir(session.path(""));
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ok(Ended::of(&command.output()?))
}

#[test]
fn a_worker_that_was_taken_over_brings_nothing_before_the_kernel() -> Result<()> {
    if !kernel_driver::can_mount() || !program::can_mount() {
        return Ok(());
    }
    let mut log = KernelLog::from_now();
    for (name, why) in HARM {
        let session = Session::new()?;
        let ended = mount_by_taken_over(&session, name)?;
        assert_eq!(ended.code, 0, "{name}: {}", ended.err);
        let mount = session.mounted(&session.path("here"))?;
        if name == "sound" {
            // So it is this metadata that arrives.
            assert!(mount.is_kernels, "{}", ended.err);
            assert_eq!(fs::read(mount.at.join("evil"))?, b"bytes");
        } else {
            assert!(!mount.is_kernels, "{name} was mounted by the kernel");
            assert!(ended.err.contains("using FUSE") && ended.err.contains(why), "{}", ended.err);
            assert!(mount.at.join("README.TXT").exists() && !mount.at.join("evil").exists());
        }
        assert_eq!(session.run(&["eject", "here"])?.code, 0);
    }
    assert_eq!(log.complaints(), Vec::<String>::new());
    Ok(())
}

/// Whether `--driver erofs` leaves a disc to FUSE, and says that for this reason.
fn is_left_to_fuse(image: &Path, why: &str) -> Result<bool> {
    let session = Session::new()?;
    let image = image.to_str().context("a path")?;
    let ended = session.run(&["mount", "--driver", "erofs", image, "here"])?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let is_kernels = session.mounted(&session.path("here"))?.is_kernels;
    let says_so = ended.err.contains("using FUSE") && ended.err.contains(why);
    assert_eq!(session.run(&["eject", "here"])?.code, 0);
    assert_eq!(says_so, !is_kernels, "{}", ended.err);
    Ok(says_so)
}

/// A Rock Ridge disc of three files; a byte of the second one's record is another.
fn disc(records: impl FnOnce(&mut Vec<Record>)) -> Vec<u8> {
    let named = |iso: &str, name: &str, at: usize| {
        Record::file(iso, FILES + at, 5).with(&[craft::px(0o100_644), craft::nm(0, name)])
    };
    let mut files = vec![named("ONE", "one", 0), named("TWO", "two", 1), named("X", "x", 2)];
    records(&mut files);
    let mut craft = Craft::new();
    craft.root_with(&[craft::sp(0), craft::px(0o040_755)], &files);
    (0..3).for_each(|at| {
        craft.put(FILES + at, b"bytes");
    });
    craft.image()
}

/// A disc whose root directory does not name itself as a directory does (ECMA-119 6.8.2.2).
fn renamed_root() -> Vec<u8> {
    let mut image = disc(|_| {});
    let field: [u8; 4] = image[32_768 + 158..][..4].try_into().unwrap();
    let root = usize::try_from(u32::from_le_bytes(field)).unwrap() * 2048;
    image[root + 33] = b' ';
    image
}

#[test]
fn discs_on_which_reading_met_damage_are_left_to_fuse() -> Result<()> {
    if !kernel_driver::can_mount() || !program::can_mount() {
        return Ok(());
    }
    let folder = tempfile::tempdir_in(corpus::scratch()?)?;
    let udf = make::udf::write(make::udf::Layout::Plain, &[make::udf::Entry::file("a", b"a")]);
    let mut bad_crc = udf.clone();
    let name = bad_crc.windows(2).rposition(|pair| pair == b"\x08a").context("the name")?;
    bad_crc[name + 1] = b'b';
    for (what, image, is_left) in [
        ("sound", disc(|_| {}), false),
        ("root of another name", renamed_root(), true),
        ("name of no length", disc(|files| files[1].name_len = Some(0)), true),
        ("short record", disc(|files| files[1].record_len = Some(20)), true),
        (
            "name with a slash",
            disc(|files| {
                files[1].system_use = [craft::px(0o100_644), craft::nm(0, "a/b")].concat();
            }),
            true,
        ),
        ("record copied", disc(|files| files[1] = files[0].clone()), true),
        (
            "two versions",
            disc(|files| {
                (files[0].name, files[1].name) = (b"A.;1".to_vec(), b"A.;2".to_vec());
                files.iter_mut().for_each(|file| file.system_use.clear());
            }),
            true,
        ),
        ("sound UDF", udf, false),
        ("wrong CRC", bad_crc, true),
    ] {
        let path = folder.path().join("disc.iso");
        fs::write(&path, image)?;
        let why = if what == "two versions" { "several versions" } else { "it is damaged" };
        assert_eq!(is_left_to_fuse(&path, why)?, is_left, "{what}");
    }
    for name in ["name-length-0", "record-copied-erofs"] {
        let packed = corpus::repository().join(format!("../shared/cases/attacks/{name}.iso.zst"));
        if packed.exists() {
            assert!(is_left_to_fuse(&corpus::unpack(&packed)?.path, "it is damaged")?, "{name}");
        }
    }
    Ok(())
}
