//! What a supervisor leaves for other commands to find: who keeps and serves a mount, of which
//! image, and how it does. One small file per mount in the user's runtime folder, removed when the
//! mount ends; what crashes leave behind is swept up by the next command.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use iso_core::source::{Difference, Stamp};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

use crate::json::Name;
use crate::unix::health::{self, Health};
use crate::unix::mount::point;
use crate::unix::{mounts, open};

/// Version of the file's shape.
pub(crate) const VERSION: u32 = 4;

/// What is remembered of a mount.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) version: u32,
    /// Who serves it.
    pub(crate) driver: Driver,
    /// The process that keeps it; where the kernel serves it, the one that made it.
    pub(crate) supervisor: Process,
    /// The process that serves it; where the kernel does, the one that translated the disc.
    pub(crate) worker: Process,
    /// `major:minor` of its device; nothing where somebody else mounted it.
    pub(crate) device: Option<String>,
    /// Where it is mounted.
    pub(crate) at: Name,
    pub(crate) image: Name,
    /// What tells this image from another under the same path.
    pub(crate) identity: Identity,
    /// The names of the files that were joined, where the image lies in more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Name>,
    /// How it was asked to be shown.
    pub(crate) asked: String,
    pub(crate) label: Name,
    pub(crate) system: String,
    /// Size of the image.
    pub(crate) bytes: u64,
    /// Whether isodrive made the mount point, and so removes it.
    pub(crate) made_directory: bool,
    /// When it was mounted, in seconds since 1970.
    pub(crate) since: i64,
    /// How far the worker's sandbox went.
    pub(crate) sandbox: String,
    pub(crate) state: State,
}

/// Who serves a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Driver {
    /// A worker, through FUSE.
    Fuse,
    /// The kernel's own driver: no process of ours is left.
    Erofs,
}

/// How a mount does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub(crate) enum State {
    Serving,
    /// The worker does not answer.
    NotResponding,
    /// The image is no longer the one that was mounted.
    ImageChanged,
    /// A request does not come to an end.
    Waiting {
        operation: String,
        seconds: u64,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serving => write!(f, "serving"),
            Self::NotResponding => write!(f, "not responding"),
            Self::ImageChanged => write!(f, "image changed"),
            Self::Waiting { operation, seconds } => {
                write!(f, "a {operation} has been waiting for {seconds} s")
            }
        }
    }
}

/// A process, and when it was started: numbers are given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    started: u64,
}

impl Process {
    /// The process that has a number now.
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, started: started(pid).unwrap_or(0) }
    }

    /// Whether it is still there. One that ended and was not asked about yet is not.
    pub(crate) fn is_alive(&self) -> bool {
        started(self.pid) == Some(self.started)
    }
}

/// When a living process was started, in clock ticks since the machine was (proc_pid_stat(5)).
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and brackets; nothing behind it does.
    let mut fields = stat.get(stat.rfind(')')?.checked_add(2)?..)?.split(' ');
    let is_dead = matches!(fields.next()?, "Z" | "X");
    fields.nth(18)?.parse().ok().filter(|_| !is_dead)
}

/// What tells an image from another: what is known of its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Identity(Vec<Known>);

/// What is known of one file, as it is written down.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Known(#[serde(with = "Written")] Stamp);

/// The shape of a stamp in a record.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Stamp")]
struct Written {
    place: (u64, u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    links: u64,
    mode: u32,
    owner: (u32, u32),
}

impl Identity {
    /// That of opened files.
    pub(crate) fn of(files: &[File]) -> Self {
        let stamp = |file: &File| file.metadata().ok().map(|metadata| Known(Stamp::of(&metadata)));
        Self(files.iter().filter_map(stamp).collect())
    }

    /// That of the image at a path, if it can be opened.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        Some(Self::of(&open::parts(path).ok()?.files))
    }

    /// Whether what is known `now` is about the same files, with the same bytes. A new name that
    /// nothing else tells of makes another image of it: its bytes may be others.
    pub(crate) fn is_same(&self, now: &Self) -> bool {
        let is_same = |(known, now): (&Known, &Known)| {
            let is_device = known.0.place.2 != 0;
            let difference = known.0.compare(&now.0);
            match difference {
                Difference::None | Difference::Attributes => true,
                // Nothing of a device's node tells what was written to it.
                Difference::Time => is_device,
                Difference::Bytes => false,
            }
        };
        self.0.len() == now.0.len() && self.0.iter().zip(&now.0).all(is_same)
    }
}

/// A record on disk, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    record: Record,
}

impl Kept {
    /// How the mount does, as it is written.
    pub(crate) const fn state(&self) -> &State {
        &self.record.state
    }

    /// Leaves the record to whoever ejects the mount.
    pub(crate) fn leave(mut self) {
        self.path = PathBuf::new();
    }

    /// Writes down how the mount does now.
    pub(crate) fn become_state(&mut self, state: State) -> io::Result<()> {
        self.record.state = state;
        self.record.write(&self.path)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Record {
    /// Writes it down for as long as the mount is there.
    pub(crate) fn keep(self) -> io::Result<Kept> {
        let path = folder()?.join(self.file_name());
        self.write(&path)?;
        Ok(Kept { path, record: self })
    }

    /// Its own, even where the kernel gave the number of its device again.
    fn file_name(&self) -> String {
        let device =
            self.device.as_ref().map_or("fd".to_owned(), |device| device.replace(':', "-"));
        format!("{device}-{}.json", self.supervisor.pid)
    }

    /// Written beside and renamed, so that nobody reads half of it.
    fn write(&self, path: &Path) -> io::Result<()> {
        let partial = path.with_extension(format!("{}.part", self.supervisor.pid));
        std::fs::write(&partial, serde_json::to_vec(self)?)?;
        std::fs::rename(&partial, path)
    }

    /// All records of this user that can be read, the latest first: of two with the number of one
    /// device, the first is about the mount that has it now.
    pub(crate) fn all() -> Vec<Self> {
        let Ok(files) = folder().and_then(std::fs::read_dir) else { return Vec::new() };
        let paths = files.flatten().map(|file| file.path());
        let mut records: Vec<Self> = paths.filter_map(|path| Self::read(&path)).collect();
        records.sort_by_key(|record| Reverse((record.since, record.supervisor.started)));
        records
    }

    fn read(path: &Path) -> Option<Self> {
        let record: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (record.version == VERSION).then_some(record)
    }

    /// Where it is mounted.
    pub(crate) fn at(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(&self.at.bytes()))
    }

    /// Whether it is about this mount.
    pub(crate) fn is_of(&self, entry: &mounts::Entry) -> bool {
        let is_same = self.device.as_ref() == Some(&entry.device);
        // The kernel gives numbers again, and no process tells whether this one is still ours.
        is_same && (self.driver == Driver::Fuse || entry.shows(&self.image()))
    }

    /// Whether somebody still takes care of it.
    pub(crate) fn is_alive(&self) -> bool {
        match self.driver {
            Driver::Fuse => self.supervisor.is_alive(),
            Driver::Erofs => mounts::list().is_ok_and(|all| all.iter().any(|e| self.is_of(e))),
        }
    }

    /// Whether it is taken care of and answers.
    pub(crate) fn is_served(&self) -> bool {
        self.is_alive() && (self.driver == Driver::Erofs || self.worker.is_alive())
    }

    /// The image's path.
    pub(crate) fn image(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(&self.image.bytes()))
    }

    /// How it does, as far as can be told from here.
    pub(crate) fn state(&self) -> State {
        match self.driver {
            Driver::Erofs => {
                let now = Identity::at(&self.image());
                let is_same = now.is_some_and(|now| self.identity.is_same(&now));
                if is_same { self.state.clone() } else { State::ImageChanged }
            }
            Driver::Fuse => self.state.clone(),
        }
    }

    /// Takes away what a crash left behind: the mount, the directory that was made for it, this
    /// record. Whether there was a mount.
    pub(crate) fn clean_up(&self) -> io::Result<bool> {
        let at = self.at();
        // The number may have been given to another mount since; that one is not dead.
        let is_ours = |entry: &mounts::Entry| {
            self.is_of(entry) && (self.worker.is_alive() || health::of(entry) == Health::Dead)
        };
        let was_mounted = mounts::top_at(&at).as_ref().is_some_and(is_ours);
        if was_mounted {
            mount_fuse::unmount(&at, true)?;
        }
        if self.made_directory && mounts::top_at(&at).is_none() {
            point::remove(&at);
        }
        std::fs::remove_file(folder()?.join(self.file_name()))?;
        Ok(was_mounted)
    }
}

/// Cleans up after mounts that have ended without doing so, those of them that `which` says. Gives
/// the places where one was.
pub(crate) fn sweep(which: impl Fn(&Record) -> bool) -> Vec<PathBuf> {
    let records = Record::all().into_iter();
    let dead = records.filter(|record| !record.is_alive() && which(record));
    dead.filter(|record| record.clean_up().unwrap_or(false)).map(|record| record.at()).collect()
}

/// The user's folder for such files, or the one that `ISODRIVE_STATE_DIR` names; made if missing
/// and refused if it is somebody else's.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let uid = geteuid().as_raw();
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let folder = match (variable("ISODRIVE_STATE_DIR"), variable("XDG_RUNTIME_DIR")) {
        (Some(folder), _) if folder.is_absolute() => folder,
        (_, Some(runtime)) if runtime.is_absolute() && uid != 0 => runtime.join("isodrive"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_another_has_its_number() {
        let own = Process::of(std::process::id());
        assert!(own.started > 0 && own.is_alive());
        let earlier = Process { started: own.started - 1, ..own };
        assert!(!earlier.is_alive(), "the number alone proves nothing");
        assert!(!Process { pid: u32::MAX, started: 0 }.is_alive());
    }
}
