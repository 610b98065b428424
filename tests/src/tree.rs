//! A tree of files as some program shows it: through the library, through a mount, or extracted.
//! Reads all of it, contents included.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use iso_core::volume::{Attr, FileKind, NodeId, Presentation, Volume, Walk};
use sha2::{Digest, Sha256};

/// One file of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// `d f l b c p s`.
    pub kind: char,
    /// Bytes.
    pub size: u64,
    /// Twelve bits of mode.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Links.
    pub links: u64,
    /// Last write: seconds, nanoseconds.
    pub modified: (i64, u64),
    /// Last read.
    pub accessed: (i64, u64),
    /// Last change of attributes.
    pub changed: (i64, u64),
    /// Target of a link.
    pub target: Option<Vec<u8>>,
    /// `major:minor` of a device.
    pub device: Option<String>,
    /// SHA-256 of a file's bytes, in hex.
    pub sha256: Option<String>,
    /// Why it could not be read.
    pub error: Option<String>,
}

/// Files by path; the root is `.`.
#[derive(Debug, Default)]
pub struct Tree {
    /// Files by path.
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

impl Tree {
    /// Everything a volume holds, by way of the library.
    pub fn of_volume(volume: &dyn Volume, show: &Presentation) -> Result<Self> {
        let mut tree = Self::default();
        tree.entries.insert(b".".to_vec(), of_node(volume, show, volume.root())?);
        for step in Walk::new(volume, volume.root())? {
            let entry = match step.error {
                Some(error) => Entry { error: Some(error.to_string()), ..Entry::default() },
                None => of_node(volume, show, step.node)?,
            };
            tree.entries.insert(step.path, entry);
        }
        Ok(tree)
    }

    /// Everything below a folder, by way of the kernel.
    pub fn of_folder(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.add_folder(root, root)?;
        Ok(tree)
    }

    fn add_folder(&mut self, root: &Path, path: &Path) -> Result<()> {
        let relative = path.strip_prefix(root)?.as_os_str().as_bytes();
        let name = if relative.is_empty() { b"." } else { relative };
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                let entry = Entry { error: Some(error.to_string()), ..Entry::default() };
                self.entries.insert(name.to_vec(), entry);
                return Ok(());
            }
        };
        self.entries.insert(name.to_vec(), of_path(path, &metadata));
        if metadata.is_dir() {
            for child in path.read_dir().with_context(|| path.display().to_string())? {
                self.add_folder(root, &child?.path())?;
            }
        }
        Ok(())
    }
}

fn of_node(volume: &dyn Volume, show: &Presentation, node: NodeId) -> Result<Entry> {
    let attr: Attr = volume.attr(node)?;
    let stat = show.stat(&attr);
    let time = |t: iso_core::Timestamp| (t.seconds, u64::from(t.nanoseconds));
    let mut entry = Entry {
        kind: attr.kind.letter(),
        size: attr.size,
        mode: stat.permissions.into(),
        uid: stat.uid.into(),
        gid: stat.gid.into(),
        links: attr.links.into(),
        modified: time(attr.modified),
        accessed: time(attr.accessed),
        changed: time(attr.changed),
        ..Entry::default()
    };
    match attr.kind {
        FileKind::Regular => match digest_of_node(volume, node) {
            Ok(digest) => entry.sha256 = Some(digest),
            Err(error) => entry.error = Some(error.to_string()),
        },
        FileKind::Symlink => match volume.read_link(node) {
            Ok(target) => entry.target = Some(target),
            Err(error) => entry.error = Some(error.to_string()),
        },
        FileKind::BlockDevice | FileKind::CharDevice => {
            entry.device = Some(format!("{}:{}", stat.device.major, stat.device.minor));
        }
        FileKind::Directory | FileKind::Fifo | FileKind::Socket => {}
    }
    Ok(entry)
}

fn digest_of_node(volume: &dyn Volume, node: NodeId) -> Result<String> {
    let mut digest = Sha256::new();
    let mut buf = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let len = volume.read_into(node, offset, &mut buf)?;
        if len == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&buf[..len]);
        offset += len as u64;
    }
}

fn of_path(path: &Path, metadata: &Metadata) -> Entry {
    let nanoseconds = |n: i64| u64::try_from(n).unwrap_or(0);
    let kind = match metadata.mode() & 0o170_000 {
        0o040_000 => 'd',
        0o100_000 => 'f',
        0o120_000 => 'l',
        0o060_000 => 'b',
        0o020_000 => 'c',
        0o010_000 => 'p',
        _ => 's',
    };
    let mut entry = Entry {
        kind,
        size: metadata.size(),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid().into(),
        gid: metadata.gid().into(),
        links: metadata.nlink(),
        modified: (metadata.mtime(), nanoseconds(metadata.mtime_nsec())),
        accessed: (metadata.atime(), nanoseconds(metadata.atime_nsec())),
        changed: (metadata.ctime(), nanoseconds(metadata.ctime_nsec())),
        ..Entry::default()
    };
    match kind {
        'f' => match digest_of_file(path) {
            Ok(digest) => entry.sha256 = Some(digest),
            Err(error) => entry.error = Some(error.to_string()),
        },
        'l' => match path.read_link() {
            Ok(target) => entry.target = Some(target.as_os_str().as_bytes().to_vec()),
            Err(error) => entry.error = Some(error.to_string()),
        },
        'b' | 'c' => {
            let device = metadata.rdev();
            let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
            entry.device = Some(format!("{major}:{minor}"));
        }
        _ => {}
    }
    entry
}

fn digest_of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buf = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut buf)?;
        if len == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&buf[..len]);
    }
}

/// Bytes in hex digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
