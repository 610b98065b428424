//! A whole volume as a program on Windows sees it: every directory listed, every file read,
//! through requests of the driver alone.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use windows_view::TAG_SYMLINK;
use winfsp_sys::FSP_FSCTL_FILE_INFO;

use crate::driver::{GENERIC_READ, disposition, option};
use crate::queue::Volume;

const DIRECTORY: u32 = 0x10;
const REPARSE_POINT: u32 = 0x400;

/// One file that was seen.
pub struct Seen {
    /// Its path, which begins with a backslash.
    pub path: Vec<u16>,
    /// What the listing reported; for the root, what opening it reported.
    pub info: FSP_FSCTL_FILE_INFO,
    /// SHA-256 of its bytes, if it has any.
    pub sha256: Option<String>,
    /// Where it leads, if it is a link.
    pub target: Option<Vec<u16>>,
    /// The status of what could not be done.
    pub error: Option<u32>,
}

/// How files are read on a walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// From beginning to end.
    Whole,
    /// Of those over a MiB only the last ten bytes.
    Ends,
}

/// Everything below the root and the root itself; links are not followed.
pub fn walk(volume: &Arc<Volume>, page_bytes: usize) -> Vec<Seen> {
    walk_reading(volume, page_bytes, Reading::Whole)
}

/// As [`walk`], reading as is said.
pub fn walk_reading(volume: &Arc<Volume>, page_bytes: usize, reading: Reading) -> Vec<Seen> {
    let root = volume.open("\\").expect("the root");
    let mut seen =
        vec![Seen { path: vec![0x5C], info: root.info, sha256: None, target: None, error: None }];
    volume.close(root);
    let mut at = 0;
    while at < seen.len() {
        let is_directory = seen[at].info.FileAttributes & (DIRECTORY | REPARSE_POINT) == DIRECTORY;
        if is_directory {
            match list(volume, &seen[at].path, page_bytes) {
                Ok(found) => seen.extend(found),
                Err(status) => seen[at].error = Some(status),
            }
        } else {
            look_into(volume, &mut seen[at], reading);
        }
        at += 1;
    }
    seen
}

fn list(volume: &Volume, path: &[u16], page_bytes: usize) -> Result<Vec<Seen>, u32> {
    let directory = volume.create(path, disposition::OPEN, option::DIRECTORY_FILE, GENERIC_READ)?;
    let listed = volume.list(&directory, page_bytes);
    volume.close(directory);
    let is_dots = |name: &[u16]| name.iter().all(|unit| *unit == 0x2E) && name.len() <= 2;
    let below = |name: &[u16]| {
        let base = if path == [0x5C] { &[][..] } else { path };
        [base, &[0x5C], name].concat()
    };
    let entries = listed?.0.into_iter().filter(|entry| !is_dots(&entry.name));
    Ok(entries
        .map(|entry| Seen {
            path: below(&entry.name),
            info: entry.info,
            sha256: None,
            target: None,
            error: None,
        })
        .collect())
}

fn look_into(volume: &Volume, seen: &mut Seen, reading: Reading) {
    if seen.info.FileAttributes & REPARSE_POINT != 0 {
        match volume.reparse_point(&seen.path) {
            Ok(data) => seen.target = Some(shown_target(&data, Part::Print)),
            Err(status) => seen.error = Some(status),
        }
        return;
    }
    let read = volume.open_units(&seen.path).and_then(|file| {
        assert_eq!(file.info.FileSize, seen.info.FileSize, "listed and opened differ");
        let size = file.info.FileSize;
        let bytes = match reading {
            Reading::Ends if size > 1 << 20 => volume.read(&file, size - 10, 10),
            _ => volume.read_all(&file, 1 << 20),
        };
        volume.close(file);
        bytes
    });
    match read {
        Ok(bytes) => {
            let digest = Sha256::digest(bytes);
            seen.sha256 = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        Err(status) => seen.error = Some(status),
    }
}

/// Which of the two names in the data of a link.
#[derive(Clone, Copy)]
pub enum Part {
    /// The one to go to.
    Substitute,
    /// The one to show.
    Print,
}

/// A name in a `REPARSE_DATA_BUFFER` of a symbolic link.
pub fn shown_target(data: &[u8], part: Part) -> Vec<u16> {
    let short = |at: usize| usize::from(u16::from_le_bytes([data[at], data[at + 1]]));
    assert_eq!(data[..4], TAG_SYMLINK.to_le_bytes(), "a link of another kind");
    assert_eq!(short(4), data.len() - 8);
    let at = match part {
        Part::Substitute => 8,
        Part::Print => 12,
    };
    let name = &data[20 + short(at)..][..short(at + 2)];
    name.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}
