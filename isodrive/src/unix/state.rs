//! What a supervisor leaves for other commands to find: who keeps and serves a mount, of which
//! image, and how it does. One small file per mount in the user's runtime folder, removed when the
//! mount ends; what crashes leave behind is swept up by the next command.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use iso_core::source::{Difference, Stamp};
use mount_fuse::Place;
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::json::Name;
use crate::terminal::quoted;
use crate::unix::folders::{self, Folder};
use crate::unix::health::{self, Health};
use crate::unix::mount::terms::Terms;
use crate::unix::process::Process;
use crate::unix::{made, mounts, open};

/// What it means that there is no record of a mount.
pub(crate) const NOT_KEPT: &str = "list shows such a mount without its label, eject finds it by \
                                   its path, and a crash leaves its directory behind";

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
    /// What was asked of it.
    pub(crate) terms: Terms,
    /// The command that made it took it over; until then it may be taken away again.
    pub(crate) is_confirmed: bool,
    pub(crate) label: Name,
    pub(crate) system: String,
    /// Size of the image.
    pub(crate) bytes: u64,
    /// Oddities of the disc that were met so far.
    #[serde(default)]
    pub(crate) findings: u64,
    /// What tells the mount point from another directory, if isodrive made it and so removes it.
    pub(crate) made_directory: Option<Place>,
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

    /// Whether the first file is this one.
    pub(crate) fn begins_with(&self, file: &std::fs::Metadata) -> bool {
        self.0
            .first()
            .is_some_and(|first| (first.0.place.0, first.0.place.1) == (file.dev(), file.ino()))
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
    /// Nothing where the record is left to others.
    folder: Option<PathBuf>,
    record: Record,
}

/// What a person should know of where a record went.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) message: String,
    pub(crate) lines: Vec<String>,
}

impl Kept {
    /// How the mount does, as it is written.
    pub(crate) const fn state(&self) -> &State {
        &self.record.state
    }

    /// Leaves the record to whoever ejects the mount.
    pub(crate) fn leave(mut self) {
        self.folder = None;
    }

    /// Writes down that the mount was taken over.
    pub(crate) fn confirm(&mut self) -> io::Result<()> {
        self.record.is_confirmed = true;
        self.rewrite()
    }

    /// Writes down how the mount does now.
    pub(crate) fn become_state(&mut self, state: State) -> io::Result<()> {
        self.record.state = state;
        self.rewrite()
    }

    /// Writes down how many oddities of the disc were met by now.
    pub(crate) fn found(&mut self, findings: u64) -> io::Result<()> {
        if findings == self.record.findings {
            return Ok(());
        }
        self.record.findings = findings;
        self.rewrite()
    }

    fn rewrite(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        self.record.write(&Folder::open(folder)?)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(Ok(folder)) = self.folder.as_deref().map(Folder::open) {
            let _ = folder.remove(&self.record.file_name());
        }
    }
}

impl Record {
    /// Writes it down for as long as the mount is there, in the first folder that takes it. A
    /// notice where that is not the one it belongs in, or there is none.
    pub(crate) fn keep(self) -> (Option<Kept>, Option<Notice>) {
        let (place, mut lines) = folders::first(|folder| self.write(folder));
        let Some((folder, ())) = place else {
            let message = "nothing can be written down of this mount".to_owned();
            lines.push(NOT_KEPT.to_owned());
            return (None, Some(Notice { message, lines }));
        };
        let notice = (!lines.is_empty()).then(|| {
            lines.push("list, eject and doctor of this user look there too".to_owned());
            let message = format!("the record of this mount is kept in {}", quoted(&folder));
            Notice { message, lines }
        });
        (Some(Kept { folder: Some(folder), record: self }), notice)
    }

    /// Its own, even where the kernel gave the number of its device again.
    fn file_name(&self) -> String {
        let device =
            self.device.as_ref().map_or("fd".to_owned(), |device| device.replace(':', "-"));
        format!("{device}-{}.json", self.supervisor.pid)
    }

    fn write(&self, folder: &Folder) -> io::Result<()> {
        folder.write(&self.file_name(), &serde_json::to_vec(self)?)
    }

    /// All records of this user that can be read, the latest first: of two with the number of one
    /// device, the first is about the mount that has it now.
    pub(crate) fn all() -> Vec<Self> {
        let in_one = |folder: &Folder| -> Vec<Self> {
            let names = folder.names().into_iter();
            names.filter_map(|name| Self::read(folder, &name)).collect()
        };
        let mut records: Vec<Self> = folders::all().iter().flat_map(in_one).collect();
        records.sort_by_key(|record| Reverse((record.since, record.supervisor.started())));
        records
    }

    fn read(folder: &Folder, name: &OsStr) -> Option<Self> {
        let record: Self = serde_json::from_slice(&folder.read(name)?).ok()?;
        (record.version == VERSION).then_some(record)
    }

    /// Removes it, wherever it is kept, and nothing else that has its name by now.
    fn remove(&self) -> io::Result<()> {
        self.places().iter().try_for_each(|folder| folder.remove(&self.file_name()))
    }

    /// The folders that it is kept in.
    fn places(&self) -> Vec<Folder> {
        let name = self.file_name();
        let is_this =
            |other: &Self| (&other.supervisor, other.since) == (&self.supervisor, self.since);
        let mut folders = folders::all();
        folders.retain(|folder| Self::read(folder, name.as_ref()).as_ref().is_some_and(is_this));
        folders
    }

    /// Where it was mounted: a folder on the way may have another name since.
    pub(crate) fn at(&self) -> PathBuf {
        self.at.path()
    }

    /// Whether it is about this mount.
    pub(crate) fn is_of(&self, entry: &mounts::Entry) -> bool {
        let is_same = self.device.as_ref() == Some(&entry.device);
        // The kernel gives numbers again, and no process tells whether this one is still ours.
        is_same && (self.driver == Driver::Fuse || entry.shows(&self.image()))
    }

    /// Whether somebody still takes care of it. Where the kernel serves it, the supervisor does
    /// until it has written its last word about the mount.
    pub(crate) fn is_alive(&self) -> bool {
        let is_mounted = || mounts::list().is_ok_and(|all| all.iter().any(|e| self.is_of(e)));
        self.supervisor.is_alive() || (self.driver == Driver::Erofs && is_mounted())
    }

    /// Whether it is taken care of and answers.
    pub(crate) fn is_served(&self) -> bool {
        self.is_alive() && (self.driver == Driver::Erofs || self.worker.is_alive())
    }

    /// The image's path.
    pub(crate) fn image(&self) -> PathBuf {
        self.image.path()
    }

    /// The state of the mount, as far as this process can see it.
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

    /// Whether it is still there: its supervisor removes it as soon as the mount is gone.
    pub(crate) fn is_kept(&self) -> bool {
        !self.places().is_empty()
    }

    /// Tells the supervisor that the mount is being detached, and its users may finish.
    pub(crate) fn let_users_finish(&self) {
        if !self.supervisor.is_alive() {
            return;
        }
        let pid = i32::try_from(self.supervisor.pid).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| rustix::process::kill_process(pid, Signal::USR1));
    }

    /// Takes away what a crash left behind: the mount, the directory that was made for it, this
    /// record. Whether there was a mount.
    pub(crate) fn clean_up(&self) -> io::Result<bool> {
        let at = self.at();
        // The number may have been given to another mount since; that one is not dead.
        let is_ours = |entry: &mounts::Entry| {
            let is_there = || entry.at == at && self.worker.is_alive();
            self.is_of(entry) && (is_there() || health::of(entry) == Health::Dead)
        };
        let is_on_top = |entry: &mounts::Entry| mounts::top_at(&entry.at).as_ref() == Some(entry);
        let mut places = mounts::list().unwrap_or_default();
        places.retain(|entry| is_ours(entry) && is_on_top(entry));
        for entry in places.iter().rev() {
            mount_fuse::unmount_if(&entry.at, true, |device, _| device == entry.device)?;
        }
        if let Some(made) = self.made_directory {
            made::remove(&at, made);
        }
        places.iter().for_each(|entry| self.remove_moved_directory(&entry.at));
        self.remove()?;
        Ok(!places.is_empty())
    }

    /// Removes the directory that was made for the mount, if the mount was elsewhere at last.
    pub(crate) fn remove_moved_directory(&self, last: &Path) {
        if let Some(made) = self.made_directory.filter(|_| self.at() != last) {
            made::remove(last, made);
        }
    }
}

/// Removes the records of a supervisor that was killed, and what it had half written.
pub(crate) fn forget(supervisor: &Process) {
    let is_its = |record: &Record| record.supervisor == *supervisor;
    for record in Record::all().into_iter().filter(is_its) {
        let _ = record.remove();
    }
    folders::all().iter().for_each(Folder::sweep);
}

/// Cleans up after mounts that have ended without doing so, those of them that `which` says. Gives
/// the places where one was.
pub(crate) fn sweep(which: impl Fn(&Record) -> bool) -> Vec<PathBuf> {
    folders::all().iter().for_each(Folder::sweep);
    let records = Record::all().into_iter();
    let dead = records.filter(|record| !record.is_alive() && which(record));
    dead.filter(|record| record.clean_up().unwrap_or(false)).map(|record| record.at()).collect()
}

/// The folder that takes files now, if there is one, and why better ones do not.
pub(crate) fn place() -> (Option<PathBuf>, Vec<String>) {
    let (place, failures) = folders::first(Folder::try_writing);
    (place.map(|(folder, ())| folder), failures)
}

/// The folder that takes files now.
///
/// # Errors
/// There is none.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let (folder, failures) = place();
    folder.ok_or_else(|| io::Error::other(failures.join("; ")))
}
