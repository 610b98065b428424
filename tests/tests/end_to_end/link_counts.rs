//! How many names files and directories have, as programs rely on it: walks of the C library that
//! look for no more directories than a count announces, and names that are one file.

use std::ffi::{c_char, c_int, c_void};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, ensure};
use isodrive_tests::corpus;
use isodrive_tests::make::udf::{self, Entry, Layout};
use isodrive_tests::program::{self, Session, can_mount};
use isodrive_tests::sample::{c, walk};

unsafe extern "C" {
    fn fts_open(paths: *const *mut c_char, options: c_int, compare: *const c_void) -> *mut c_void;
    fn fts_read(walk: *mut c_void) -> *mut c_void;
    fn fts_close(walk: *mut c_void) -> c_int;
}

/// How many steps the C library's `fts` takes through a tree that it need not ask for the
/// attributes of every file: twice each directory, once everything else.
fn steps_of_fts(at: &Path) -> Result<usize> {
    const FTS_NOSTAT: c_int = 0x8;
    const FTS_PHYSICAL: c_int = 0x10;
    let path = c(at)?;
    let paths = [path.as_ptr().cast_mut(), std::ptr::null_mut()];
    // SAFETY: a list of one path with its end, which is not written to; no order is asked for.
    let walk = unsafe { fts_open(paths.as_ptr(), FTS_PHYSICAL | FTS_NOSTAT, std::ptr::null()) };
    ensure!(!walk.is_null(), "{}", std::io::Error::last_os_error());
    let mut steps = 0;
    // SAFETY: a walk that is open; what it gives is compared with null only.
    while !unsafe { fts_read(walk) }.is_null() {
        steps += 1;
    }
    // SAFETY: the walk is open and not used any more.
    unsafe { fts_close(walk) };
    Ok(steps)
}

/// A tree whose directories hold directories, after and before files.
fn folders() -> Vec<Entry> {
    let file = |name: &str| Entry::file(name, b"here\n");
    let leaf = |name: &str| Entry::directory(name, vec![file("x"), file("y")]);
    let middle = |name: &str| {
        Entry::directory(name, vec![file("a"), leaf("b"), file("c"), leaf("d"), leaf("e")])
    };
    vec![file("f"), middle("one"), middle("two"), leaf("three"), middle("four"), file("z")]
}

#[test]
fn walks_of_the_c_library_reach_every_directory() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let corpus = ["hfsplus.iso", "rockridge-joliet.iso", "udf-2.01-2048.udf"];
    let mut discs = vec![("folders", udf::write(Layout::Plain, &folders()))];
    for name in corpus {
        let packed = corpus::repository().join(format!("tests/corpus/{name}.zst"));
        discs.push((name, fs::read(corpus::unpack(&packed)?.path)?));
    }
    for (name, bytes) in discs {
        for driver in program::drivers() {
            let session = Session::new()?;
            fs::write(session.path("disc.iso"), &bytes)?;
            let mount = session.mount(&[&driver[..], &["disc.iso", "here"]].concat())?;
            let mut paths = Vec::new();
            walk(&mount.at, &mut paths)?;
            let is_directory =
                |path: &&std::path::PathBuf| path.symlink_metadata().is_ok_and(|m| m.is_dir());
            let directories = paths.iter().filter(is_directory).count();
            // The root is met twice as well.
            let want = paths.len() + directories + 2;
            ensure!(directories > 0, "{name}: no directories");
            assert_eq!(steps_of_fts(&mount.at)?, want, "{name} {driver:?}");
            for path in paths.iter().filter(is_directory) {
                assert_eq!(path.metadata()?.nlink(), 1, "{name} {driver:?}: {path:?}");
            }
        }
    }
    Ok(())
}
