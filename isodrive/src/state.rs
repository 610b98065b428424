//! What a serving process leaves for `eject` to find: its number and the folder it made.
//! One small file per mount in the user's runtime folder, removed when the mount ends.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

/// Version of the file's shape.
const VERSION: u32 = 1;

/// What is remembered of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// The process that serves it.
    pub(crate) pid: u32,
    /// Whether isodrive made the mount point, and so removes it.
    pub(crate) made_directory: bool,
}

/// A record on disk, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Record {
    /// Remembers that this process serves the mount of a device.
    pub(crate) fn keep(device: &str, made_directory: bool) -> io::Result<Kept> {
        let folder = folder()?;
        let path = path(&folder, device);
        let record = Self { version: VERSION, pid: std::process::id(), made_directory };
        // Written beside and renamed, so that nobody reads half of it.
        let partial = path.with_extension(format!("{}.part", record.pid));
        std::fs::write(&partial, serde_json::to_vec(&record)?)?;
        std::fs::rename(&partial, &path)?;
        Ok(Kept { path })
    }

    /// The record of a mount, if there is one that can be read.
    pub(crate) fn read(device: &str) -> Option<Self> {
        let bytes = std::fs::read(path(&folder().ok()?, device)).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|record: &Self| record.version == VERSION)
    }

    /// Whether the serving process is still there.
    pub(crate) fn is_alive(&self) -> bool {
        Path::new("/proc").join(self.pid.to_string()).exists()
    }
}

fn path(folder: &Path, device: &str) -> PathBuf {
    folder.join(format!("{}.json", device.replace(':', "-")))
}

/// The user's folder for such files, made if missing and refused if it is somebody else's.
fn folder() -> io::Result<PathBuf> {
    let uid = geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let folder = match runtime {
        Some(runtime) if runtime.is_absolute() && uid != 0 => runtime.join("isodrive"),
        _ if uid == 0 => PathBuf::from("/run/isodrive"),
        _ => std::env::temp_dir().join(format!("isodrive-{uid}")),
    };
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = std::fs::symlink_metadata(&folder)?;
    if !metadata.is_dir() || metadata.uid() != uid {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the runtime folder is not ours",
        ));
    }
    Ok(folder)
}
