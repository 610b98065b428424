//! The folders that may hold the records of mounts, in their order: the first that takes a record
//! has it, and readers look into all of them. Touches only folders that are this user's alone.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::process::geteuid;

use crate::exit::bare;
use crate::terminal::quoted;
use crate::unix::process::Process;

/// Bytes of a record at most; a real one has about a thousand.
const MAX_BYTES: u64 = 1 << 20;

/// What a half-written record is called.
const PARTIAL: &str = "part";

/// What the name of a file begins with that is written to see whether one can be.
const PROBE: &str = "probe-";

/// How long the writing of a record may take; a half-written one of this age was left behind.
const WRITING: Duration = Duration::from_secs(60);

/// A place for a folder, and whether somebody asked for it by a variable.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    path: PathBuf,
    asked_by: Option<&'static str>,
}

/// All candidates of a user, the best first.
fn candidates(uid: u32, variable: impl Fn(&str) -> Option<OsString>) -> Vec<Candidate> {
    let named = |name: &'static str, below: &str| {
        let folder = variable(name).map(PathBuf::from).filter(|path| path.is_absolute())?;
        let path = if below.is_empty() { folder } else { folder.join(below) };
        Some(Candidate { path, asked_by: Some(name) })
    };
    let usual = |path: PathBuf| Candidate { path, asked_by: None };
    let mut all = Vec::new();
    all.extend(named("ISODRIVE_STATE_DIR", ""));
    if uid == 0 {
        all.push(usual("/run/isodrive".into()));
    } else {
        all.extend(named("XDG_RUNTIME_DIR", "isodrive"));
        all.push(usual(format!("/run/user/{uid}/isodrive").into()));
    }
    let own = format!("isodrive-{uid}");
    all.extend(named("TMPDIR", &own));
    all.extend(["/tmp", "/var/tmp", "/dev/shm"].map(|folder| usual(Path::new(folder).join(&own))));
    let mut seen: Vec<PathBuf> = Vec::new();
    all.retain(|candidate| {
        let is_new = !seen.contains(&candidate.path);
        seen.push(candidate.path.clone());
        is_new
    });
    all
}

fn own_candidates() -> Vec<Candidate> {
    candidates(geteuid().as_raw(), |name| std::env::var_os(name))
}

/// The folders that are there and safe to read, each once.
pub(super) fn all() -> Vec<Folder> {
    let mut folders: Vec<Folder> = Vec::new();
    for candidate in own_candidates() {
        if let Ok(folder) = Folder::open(&candidate.path)
            && folders.iter().all(|known| known.identity != folder.identity)
        {
            folders.push(folder);
        }
    }
    folders
}

/// The first folder that takes what `keep` writes, and why better ones did not: one text for each
/// that should have.
pub(super) fn first<T>(
    keep: impl Fn(&Folder) -> io::Result<T>,
) -> (Option<(PathBuf, T)>, Vec<String>) {
    let mut failures = Vec::new();
    for Candidate { path, asked_by } in own_candidates() {
        let kept = Folder::make(&path).and_then(|(folder, is_new)| {
            keep(&folder).inspect_err(|_| folder.remove_itself(&path, is_new))
        });
        match kept {
            Ok(kept) => return (Some((path, kept)), failures),
            // Not every system has each of the usual folders.
            Err(error) if error.kind() == io::ErrorKind::NotFound && asked_by.is_none() => {}
            Err(error) => {
                let by = asked_by.map_or_else(String::new, |name| format!(" ({name})"));
                failures.push(format!("{}{by} cannot be used: {}", quoted(&path), bare(&error)));
            }
        }
    }
    (None, failures)
}

/// A folder of records: this user's, not a link, and closed to the writing of others.
#[derive(Debug)]
pub(super) struct Folder {
    descriptor: OwnedFd,
    /// Device and inode.
    identity: (u64, u64),
}

impl Folder {
    /// The folder at a path.
    ///
    /// # Errors
    /// There is none, or it is not safe.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        let uid = geteuid().as_raw();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = match rustix::fs::open(path, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                return refuse("it is not a folder but a file or a link");
            }
            Err(rustix::io::Errno::ACCESS) if path.metadata().is_ok_and(|m| m.uid() != uid) => {
                return refuse("it belongs to another user");
            }
            opened => opened?,
        };
        let metadata = File::from(descriptor.try_clone()?).metadata()?;
        if metadata.uid() != uid {
            return refuse("it belongs to another user");
        }
        if metadata.mode() & 0o022 != 0 {
            return refuse("other users may write to it");
        }
        Ok(Self { descriptor, identity: (metadata.dev(), metadata.ino()) })
    }

    /// The folder at a path, made if it is missing and the one above it is not; whether it was.
    fn make(path: &Path) -> io::Result<(Self, bool)> {
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            made => Ok((Self::open(path)?, made.is_ok())),
        }
    }

    /// Removes the folder, if it was made for what it does not take, and nothing is in it.
    fn remove_itself(&self, path: &Path, is_new: bool) {
        let is_still_there = || Self::open(path).is_ok_and(|now| now.identity == self.identity);
        if is_new && is_still_there() {
            let _ = std::fs::remove_dir(path);
        }
    }

    /// Writes a file: beside and renamed, so that nobody reads half of it.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let partial = format!("{name}.{}.{PARTIAL}", std::process::id());
        // One of a process that had the same number.
        let _ = self.remove(&partial);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let written = rustix::fs::openat(&self.descriptor, &partial, flags, mode)
            .map_err(io::Error::from)
            .and_then(|file| File::from(file).write_all(bytes));
        let kept = written.and_then(|()| {
            Ok(rustix::fs::renameat(&self.descriptor, &partial, &self.descriptor, name)?)
        });
        if kept.is_err() {
            let _ = self.remove(&partial);
        }
        kept
    }

    /// Whether a file can be written.
    pub(super) fn try_writing(&self) -> io::Result<()> {
        let probe = format!("{PROBE}{}", std::process::id());
        self.write(&probe, &[b' '; 4096])?;
        self.remove(&probe)
    }

    /// The bytes of a file of this user's, if it can be read.
    pub(super) fn read(&self, name: &OsStr) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.descriptor, name, flags, Mode::empty()).ok()?;
        let file = File::from(file);
        let metadata = file.metadata().ok()?;
        let is_ours = metadata.is_file() && metadata.uid() == geteuid().as_raw();
        let mut bytes = Vec::new();
        let read = is_ours.then(|| file.take(MAX_BYTES).read_to_end(&mut bytes))?;
        read.ok().map(|_| bytes)
    }

    /// The names of its files.
    pub(super) fn names(&self) -> Vec<OsString> {
        let Ok(entries) = Dir::read_from(&self.descriptor) else { return Vec::new() };
        let names = entries.flatten().map(|entry| entry.file_name().to_bytes().to_vec());
        names.filter(|name| name != b"." && name != b"..").map(OsString::from_vec).collect()
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty())?)
    }

    /// Removes half-written files whose writers were interrupted, and folders in which a killed
    /// supervisor was mounting by EROFS.
    pub(super) fn sweep(&self) {
        for name in self.names() {
            let Some(name) = name.to_str() else { continue };
            if mount_erofs::scratch_owner(name).is_some_and(|pid| !is_running(pid)) {
                let itself = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
                let _ = std::fs::remove_dir_all(Path::new(&itself).join(name));
            }
            let prober = name.strip_prefix(PROBE).and_then(|pid| pid.parse().ok());
            if prober.is_some_and(|pid: u32| !is_running(pid)) {
                let _ = self.remove(name);
            }
            let mut parts = name.rsplit('.');
            let (Some(PARTIAL), Some(pid)) = (parts.next(), parts.next()) else { continue };
            if !pid.parse().is_ok_and(is_running) || self.is_old(name) {
                let _ = self.remove(name);
            }
        }
    }

    fn is_old(&self, name: &str) -> bool {
        let stat = rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW);
        let written = stat.ok().and_then(|stat| u64::try_from(stat.st_mtime).ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        written.is_none_or(|written| now.saturating_sub(Duration::from_secs(written)) > WRITING)
    }
}

fn is_running(pid: u32) -> bool {
    Process::of(pid).is_alive()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn paths(uid: u32, variables: &[(&str, &str)]) -> Vec<String> {
        let value = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| OsString::from(value))
        };
        let all = candidates(uid, value).into_iter();
        all.map(|candidate| candidate.path.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn folders_come_in_one_order_and_each_once() {
        let last = ["/tmp/isodrive-7", "/var/tmp/isodrive-7", "/dev/shm/isodrive-7"];
        let all = |first: &[&'static str]| [first, &last].concat();
        assert_eq!(paths(7, &[]), all(&["/run/user/7/isodrive"]));
        let asked = [("ISODRIVE_STATE_DIR", "/s"), ("XDG_RUNTIME_DIR", "/r"), ("TMPDIR", "/t")];
        assert_eq!(
            paths(7, &asked),
            all(&["/s", "/r/isodrive", "/run/user/7/isodrive", "/t/isodrive-7"])
        );
        let usual = [("XDG_RUNTIME_DIR", "/run/user/7"), ("TMPDIR", "/tmp")];
        assert_eq!(paths(7, &usual), all(&["/run/user/7/isodrive"]));
        assert_eq!(paths(7, &[("ISODRIVE_STATE_DIR", "s")]), all(&["/run/user/7/isodrive"]));
        assert_eq!(paths(0, &[("XDG_RUNTIME_DIR", "/r")])[0], "/run/isodrive");
    }

    /// A scratch folder, removed when this is dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("isodrive-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn folders_that_others_could_fill_are_refused() {
        let scratch = Scratch::new("folders");
        let path = scratch.0.join("own");
        Folder::make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::os::unix::fs::symlink(&path, scratch.0.join("link")).unwrap();
        std::fs::write(scratch.0.join("file"), b"").unwrap();
        let refused = |name: &str| Folder::make(&scratch.0.join(name)).unwrap_err().to_string();
        assert_eq!(refused("link"), "it is not a folder but a file or a link");
        assert_eq!(refused("file"), "it is not a folder but a file or a link");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o770)).unwrap();
        assert_eq!(refused("own"), "other users may write to it");
        let missing = Folder::make(&scratch.0.join("a/b")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn files_are_whole_and_half_written_ones_are_swept() {
        let scratch = Scratch::new("records");
        let (folder, is_new) = Folder::make(&scratch.0.join("own")).unwrap();
        assert!(is_new && !Folder::make(&scratch.0.join("own")).unwrap().1);
        folder.write("a.json", b"1").unwrap();
        folder.write("a.json", b"22").unwrap();
        assert_eq!(folder.read("a.json".as_ref()).unwrap(), b"22");
        assert!(folder.write("no/such", b"1").is_err());
        folder.try_writing().unwrap();
        let own = format!("b.json.{}.part", std::process::id());
        std::fs::write(scratch.0.join("own").join(&own), b"").unwrap();
        std::fs::write(scratch.0.join("own/c.json.4194999.part"), b"").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", scratch.0.join("own/d.json")).unwrap();
        assert!(folder.read("d.json".as_ref()).is_none(), "links are not followed");
        folder.sweep();
        let mut names = folder.names();
        names.sort();
        assert_eq!(names, ["a.json", own.as_str(), "d.json"], "one being written stays");
    }
}
