//! A disc made for tests of what programs do with files, mounted: files of many sizes, folders, a
//! link, and many names in one folder.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::corpus;
use crate::program::{Mount, Session};

/// The disc, mounted with options.
pub fn mounted(options: &[&str]) -> Result<(Session, Mount)> {
    let session = Session::new()?;
    let tree = session.path("tree");
    fs::create_dir_all(tree.join("folder/deeper"))?;
    fs::create_dir(tree.join("many"))?;
    for number in 0..500 {
        fs::write(tree.join(format!("many/name-{number:03}")), number.to_string())?;
    }
    for size in [0usize, 1, 2047, 2048, 4097, 70_000, 3_000_000] {
        fs::write(tree.join(format!("size-{size}")), contents(size))?;
    }
    std::os::unix::fs::symlink("size-1", tree.join("link"))?;
    File::create(tree.join("large"))?.set_len((2 << 30) + 5)?;
    corpus::make_image(&tree, &session.path("disc.iso"))?;
    fs::remove_dir_all(&tree)?;
    let mut arguments = options.to_vec();
    arguments.extend(["disc.iso", "here"]);
    let mount = session.mount(&arguments)?;
    ensure!(mount.is_kernels == options.contains(&"erofs"), "served by another driver");
    Ok((session, mount))
}

/// What a file of a size holds.
pub fn contents(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

/// A path as C calls want it.
pub fn c(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// All paths of a tree.
pub fn walk(at: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(at)? {
        let entry = entry?;
        paths.push(entry.path());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), paths)?;
        }
    }
    Ok(())
}
