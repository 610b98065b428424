//! What the server of a drive leaves for other commands to find: where its image is to be seen and
//! how to end it. One small file per drive in the user's folder for programs, removed when the
//! drive goes; what crashes leave behind is swept up by the next command. A drive that Windows
//! itself made has no server: its record stays when the command ends, and Windows says whether it
//! is true.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::windows::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mount_winfsp::system::{
    Event, boot_time, in_letter_turn, is_letter_free, is_process_hidden, process_started, user_name,
};
use mount_winfsp::{device_of, letter_of};
use serde::{Deserialize, Serialize};

use crate::json::{Name, os};
use crate::terminal::path_shown;

use super::explorer;
use super::place::letter;

/// Version of the file's shape.
const VERSION: u32 = 2;

/// How the names of records end.
const ENDING: &str = "json";

/// Two starts of Windows that lie less apart are one, in steps of 100 ns: nobody starts Windows
/// twice in 5 s.
const ONE_BOOT: u64 = 50_000_000;

/// What is remembered of a drive.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// The process that serves it.
    pub(crate) process: Process,
    /// The device, as in `\\.\CDROM1`, where Windows itself made the drive and no process serves
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// When Windows was started that made the drive: its drives end with it, and the next Windows
    /// gives their devices again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<u64>,
    /// The name of the event that ends its server; empty where Windows itself made the drive.
    pub(crate) stop: String,
    /// The user who mounted it, named to others who may not end it.
    pub(crate) user: String,
    /// Where it is to be seen.
    pub(crate) at: Name,
    pub(crate) image: Name,
    /// What tells this image from another under the same path.
    pub(crate) identity: Identity,
    /// How it was asked to be shown.
    pub(crate) asked: String,
    pub(crate) label: Name,
    pub(crate) system: String,
    /// Size of the image.
    pub(crate) bytes: u64,
    /// When it was mounted, in seconds since 1970.
    pub(crate) since: i64,
    /// The file that this was read from.
    #[serde(skip)]
    file: Option<PathBuf>,
}

/// A process, and when it was started: numbers are given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    started: u64,
}

impl Process {
    /// This process.
    pub(crate) fn own() -> Self {
        let pid = std::process::id();
        Self { pid, started: process_started(pid).unwrap_or(0) }
    }

    /// Whether it still runs, as far as may be known.
    fn is_alive(&self) -> bool {
        process_started(self.pid) == Some(self.started)
    }
}

/// What tells an image from another: the sizes and times of its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity(Vec<(u64, u64)>);

impl Identity {
    /// That of the image at a path, if it can be opened.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let parts = iso_core::source::open_parts(path).ok()?;
        let stamp = |m: Metadata| (m.file_size(), m.last_write_time());
        Some(Self(parts.files.iter().filter_map(|file| file.metadata().ok().map(stamp)).collect()))
    }
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

/// What is known of a drive when its record is made.
pub(crate) struct Facts {
    pub(crate) stop: String,
    pub(crate) at: Name,
    pub(crate) image: PathBuf,
    pub(crate) asked: String,
    pub(crate) label: Name,
    pub(crate) system: String,
    pub(crate) bytes: u64,
}

impl Record {
    /// The record of a drive that this process serves from now on.
    pub(crate) fn new(facts: Facts) -> Self {
        Self {
            version: VERSION,
            process: Process::own(),
            device: None,
            boot: None,
            stop: facts.stop,
            user: user_name().unwrap_or_else(|| "another user".to_owned()),
            identity: Identity::at(&facts.image).unwrap_or(Identity(Vec::new())),
            image: super::text(&facts.image),
            at: facts.at,
            asked: facts.asked,
            label: facts.label,
            system: facts.system,
            bytes: facts.bytes,
            since: jiff::Timestamp::now().as_second(),
            file: None,
        }
    }

    /// The record of a drive that Windows itself made, as this device.
    pub(crate) fn of_windows(facts: Facts, device: String) -> Self {
        Self { device: Some(device), boot: boot_time(), ..Self::new(facts) }
    }

    /// Where it is to be seen, for a terminal.
    pub(crate) fn place(&self) -> String {
        path_shown(&self.at.bytes())
    }

    /// Whether Windows itself made the drive.
    pub(crate) fn is_of_windows(&self) -> bool {
        self.device.is_some()
    }

    /// Whether the drive is there: its server runs, or Windows knows its device.
    pub(crate) fn is_alive(&self) -> bool {
        let Some(device) = &self.device else { return self.is_served() };
        if self.is_of_another_boot() {
            return false;
        }
        let image = os(&self.image.bytes());
        match device_of(Path::new(&image)) {
            Ok(now) => now.as_ref() == Some(device),
            // Of an image on a share that is away nothing is known but the letter.
            Err(_) => letter_of(device).is_some(),
        }
    }

    /// Whether Windows was started again since it made the drive.
    fn is_of_another_boot(&self) -> bool {
        let boots = self.boot.zip(boot_time());
        boots.is_some_and(|(then, now)| then.abs_diff(now) > ONE_BOOT)
    }

    /// Whether the server runs. Of a process that hides itself, such as another user's, the event
    /// tells, which is there for as long as the process is.
    fn is_served(&self) -> bool {
        self.process.is_alive()
            || (is_process_hidden(self.process.pid) && Event::exists(&self.stop))
    }

    /// Writes it down for as long as this process serves the drive.
    pub(crate) fn keep(&self) -> io::Result<Kept> {
        self.leave().map(|path| Kept { path })
    }

    /// Writes it down: beside and renamed, so that nobody reads half of it.
    pub(crate) fn leave(&self) -> io::Result<PathBuf> {
        let path = self.path()?;
        let partial = path.with_extension("part");
        let written = std::fs::write(&partial, serde_json::to_vec(self)?)
            .and_then(|()| std::fs::rename(&partial, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(&partial);
        }
        written.map(|()| path)
    }

    /// Its file, named for what there is one of at a time: the server, or the device.
    fn path(&self) -> io::Result<PathBuf> {
        let device = self.device.as_deref().and_then(|device| device.rsplit('\\').next());
        let name = match device {
            Some(device) => format!("windows-{device}.{ENDING}"),
            None => format!("{}.{ENDING}", self.process.pid),
        };
        Ok(folder()?.join(name))
    }

    /// All records of this user that can be read, the latest first.
    pub(crate) fn all() -> Vec<Self> {
        let Ok(files) = folder().and_then(std::fs::read_dir) else { return Vec::new() };
        let paths = files.flatten().map(|file| file.path());
        // What is still being written would be there twice.
        let paths = paths.filter(|path| path.extension().is_some_and(|end| end == ENDING));
        let mut records: Vec<Self> = paths.filter_map(|path| Self::read(&path)).collect();
        records.sort_by_key(|record| std::cmp::Reverse((record.since, record.process.started)));
        records
    }

    fn read(path: &Path) -> Option<Self> {
        let mut record: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        // People give drives of Windows other letters.
        if let Some(letter) = record.device.as_deref().and_then(letter_of) {
            record.at = Name::new(format!("{letter}:").as_bytes());
        }
        record.file = Some(path.to_path_buf());
        (record.version == VERSION).then_some(record)
    }

    /// Those whose drive is there.
    pub(crate) fn alive() -> Vec<Self> {
        Self::all().into_iter().filter(Self::is_alive).collect()
    }

    /// Takes away what a server that was killed left: its record, and the icon of its drive. The
    /// drive itself went with the process.
    ///
    /// Deletes the file that was read and no other, whatever the record says of itself.
    pub(crate) fn clean_up(&self) -> io::Result<()> {
        let at = self.at.text();
        // Windows' own drives have no icon from us.
        if let (false, Some(letter)) = (self.is_of_windows(), letter(&at)) {
            Self::remove_icon_of_nobody(letter);
        }
        let missing = || io::Error::new(io::ErrorKind::NotFound, "the record is of no file");
        let file = self.file.as_ref().ok_or_else(missing)?;
        match Self::read(file) {
            // A process or a device that got the same number has written its own there.
            Some(now) if now.process != self.process => Ok(()),
            _ => std::fs::remove_file(file),
        }
    }

    /// Takes the icon of a letter away that no drive has. In the turn: a mount writes the icon
    /// before its drive has the letter.
    fn remove_icon_of_nobody(letter: char) {
        in_letter_turn(|| {
            // Or it is that of the drive that has the letter by now.
            if is_letter_free(letter) && !Self::is_somebody_at(letter) {
                explorer::remove_icon(&format!("{letter}:"));
            }
        });
    }

    /// Whether a drive that is there has a letter.
    fn is_somebody_at(wanted: char) -> bool {
        Self::alive().iter().any(|record| letter(&record.at.text()) == Some(wanted))
    }
}

/// Cleans up after servers that are gone. Gives the places where their drives were.
pub(crate) fn sweep() -> Vec<String> {
    let dead = Record::all().into_iter().filter(|record| !record.is_alive());
    let places =
        dead.filter(|record| record.clean_up().is_ok()).map(|record| record.place()).collect();
    // A server that was killed before it wrote its record left an icon that no record names.
    let free = explorer::letters_with_icon().into_iter().filter(|letter| is_letter_free(*letter));
    free.for_each(Record::remove_icon_of_nobody);
    places
}

/// The user's folder for such files, or the one that `ISODRIVE_STATE_DIR` names; made if missing.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let folder = match std::env::var_os("ISODRIVE_STATE_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => programs_folder()?.join("mounts"),
    };
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// isodrive's folder among those of the user's programs.
pub(crate) fn programs_folder() -> io::Result<PathBuf> {
    let folder: Option<OsString> = std::env::var_os("LOCALAPPDATA");
    let folder = folder.map(PathBuf::from).filter(|folder| folder.is_absolute());
    let missing = || io::Error::new(io::ErrorKind::NotFound, "LOCALAPPDATA names no folder");
    Ok(folder.ok_or_else(missing)?.join("isodrive"))
}
