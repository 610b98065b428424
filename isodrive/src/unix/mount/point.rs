//! Where to mount: the directory that was asked for, or one named after the disc. Holds it by
//! descriptor from the first check on; makes what is missing and removes only what it made.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use mount_fuse::{Directory, Place};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::guardian::Guardian;
use super::mounted::Attached;
use crate::exit::{Exit, Failure, bare};
use crate::json::Name;
use crate::shell::{Advice, ShellCommand};
use crate::terminal::{is_hidden, quoted};
use crate::unix::health::{self, Health};
use crate::unix::{made, mounts};

/// A directory to mount on. Removed again when this is dropped, if it was made for the mount.
#[derive(Debug)]
pub(super) struct MountPoint {
    /// The folder that the directory lies in, and the directory, until something is mounted on it.
    opened: Option<(Directory, Directory)>,
    /// Its path, without links, when it was opened.
    path: PathBuf,
    /// Its path since a folder on the way got another name.
    moved: Option<PathBuf>,
    made: Option<Place>,
}

impl MountPoint {
    fn new(folder: Directory, directory: Directory, made: Option<Place>) -> Self {
        let path = directory.path().to_path_buf();
        Self { path, moved: None, opened: Some((folder, directory)), made }
    }

    /// Its path, without links.
    pub(super) fn path(&self) -> &Path {
        self.moved.as_ref().unwrap_or(&self.path)
    }

    /// The directory itself, as it was checked.
    ///
    /// # Errors
    /// It was released.
    pub(super) fn directory(&self) -> Result<&Directory, Failure> {
        let released = || Failure::new(Exit::MountPoint, "the mount point was released already");
        self.opened.as_ref().map(|(_, directory)| directory).ok_or_else(released)
    }

    /// What is mounted on it now, by the folder's descriptor: its path may lead elsewhere by now.
    pub(super) fn mounted(&self) -> Attached {
        let look = || {
            let (folder, _) = self.opened.as_ref()?;
            folder.mounted_on(self.path.file_name()?).ok()
        };
        look().map_or_else(|| Attached::at(&self.path), Attached::known_as)
    }

    /// Closes the directory: once it is mounted on it needs no protection, and an open descriptor
    /// looks like a user of the mount. Gives the folder that it lies in.
    pub(super) fn release(&mut self) -> Option<Directory> {
        self.opened.take().map(|(folder, _)| folder)
    }

    /// Follows what is mounted on it: a folder on the way may have got another name.
    pub(super) fn follow(&mut self, mounted: &Attached) {
        if let Some(place) = mounted.place(self.path()) {
            self.moved = Some(place).filter(|place| *place != self.path);
        }
    }

    /// What tells the directory from another, if it was made for the mount.
    pub(super) const fn made(&self) -> Option<Place> {
        self.made
    }

    /// Leaves a directory that was made for the mount to a later `eject`.
    pub(super) const fn keep(&mut self) {
        self.made = None;
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        let Some(is_wanted) = self.made else { return };
        for path in [Some(&self.path), self.moved.as_ref()].into_iter().flatten() {
            made::remove(path, is_wanted);
        }
    }
}

/// The directory that was asked for, made if it is missing. A dead mount of isodrive's that lies
/// there is taken away and `cleaned` is called; nobody else's is touched.
pub(super) fn given(
    at: &Path,
    over: bool,
    guardian: &Guardian,
    cleaned: &mut dyn FnMut(&Path),
) -> Result<MountPoint, Failure> {
    let name = quoted(at);
    let refuse =
        |why: &str| Failure::new(Exit::MountPoint, format!("cannot mount at {name}: {why}"));
    let unusable = |error: io::Error| refuse(&bare(&error));
    let at = std::path::absolute(at).map_err(unusable)?;
    let (Some(folder), Some(last)) = (at.parent(), at.file_name()) else {
        return Err(refuse("it is not the name of a directory"));
    };
    let folder = Directory::open(folder).map_err(unusable)?;
    clear(&folder.path().join(last), cleaned)
        .map_err(|(why, remedy)| refuse(&why).advice("try", remedy))?;
    let point = match folder.open_child(last) {
        Ok(directory) => MountPoint::new(folder, directory, None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder, last, guardian).map_err(|(_, error)| unusable(error))?
        }
        Err(error) if is_link(&folder, last) => {
            tracing::debug!(%error, "a symbolic link");
            return Err(refuse("it is a symbolic link").advice("try", "name the directory itself"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(refuse("it is not a directory"));
        }
        Err(error) => return Err(unusable(error)),
    };
    if !over && !is_empty(point.directory()?).map_err(unusable)? {
        return Err(refuse("the directory is not empty")
            .advice("try", "another directory, or --over to hide what is in it"));
    }
    Ok(point)
}

/// Makes a directory for a mount; the guardian knows of it before it is there.
/// Gives the folder back where that fails.
fn make(
    folder: Directory,
    name: &OsStr,
    guardian: &Guardian,
) -> Result<MountPoint, (Directory, io::Error)> {
    guardian.note(|left| left.making = Some(Name::of_path(&folder.path().join(name))));
    let attempt = || -> io::Result<(Directory, Place)> {
        rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o777))?;
        let directory = folder.open_child(name)?;
        let made = directory.place()?;
        Ok((directory, made))
    };
    match attempt() {
        Ok((directory, made)) => {
            guardian.note(|left| left.made = Some((Name::of_path(directory.path()), made)));
            Ok(MountPoint::new(folder, directory, Some(made)))
        }
        Err(error) => Err((folder, error)),
    }
}

fn is_link(folder: &Directory, name: &OsStr) -> bool {
    rustix::fs::readlinkat(folder, name, Vec::new()).is_ok()
}

fn is_empty(directory: &Directory) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(directory, c".", flags, Mode::empty())?;
    for entry in rustix::fs::Dir::new(opened)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes away a dead mount of isodrive's; what else is mounted there is an error and its remedy.
fn clear(at: &Path, cleaned: &mut dyn FnMut(&Path)) -> Result<(), (String, Advice)> {
    let Some(entry) = mounts::top_at(at) else { return Ok(()) };
    // What waits there to be mounted on: this process is the one that it waits for.
    if entry.is_trigger() {
        return Ok(());
    }
    match (health::of(&entry), entry.is_ours()) {
        (Health::Dead, true) => {
            let is_wanted = |device: &str, _| device == entry.device;
            mount_fuse::unmount_if(at, true, is_wanted).map_err(|error| {
                let why = format!("a dead mount is there: {}", bare(&error));
                (why, "as the user who mounted it:  isodrive doctor --fix".into())
            })?;
            cleaned(at);
            Ok(())
        }
        (Health::Dead, false) => {
            let why = format!("a dead mount of another program is there ({})", entry.kind);
            let umount = ShellCommand::new("umount").operand(at);
            Err((why, umount.after("another directory, or:")))
        }
        (Health::Serving | Health::Silent, true) => {
            let why = "something is mounted there already".to_owned();
            let eject = ShellCommand::new("isodrive eject").operand(at);
            Err((why, eject.after("another directory, or:")))
        }
        (Health::Serving | Health::Silent, false) => {
            let why = format!("something is mounted there already ({})", entry.kind);
            Err((why, "another directory".into()))
        }
    }
}

/// A new directory `~/isodrive/LABEL`, with a number behind it if the label is taken.
pub(super) fn for_label(
    label: &[u8],
    image: &Path,
    guardian: &Guardian,
) -> Result<MountPoint, Failure> {
    let elsewhere = |failure: Failure| {
        let mount = ShellCommand::new("isodrive mount").operand(image).operand("DIRECTORY");
        failure.advice("try", mount.after("a directory of your choice:"))
    };
    let base = made::default_base().ok_or_else(|| {
        let message = "there is no home directory to mount in: HOME is not set to a folder";
        elsewhere(Failure::new(Exit::MountPoint, message))
    })?;
    let refuse = |path: &Path, error: &io::Error| {
        let what = format!("cannot make the directory {}", quoted(path));
        elsewhere(Failure::io(Exit::MountPoint, what, error))
    };
    let mut folder = open_base(&base).map_err(|error| refuse(&base, &error))?;
    let name = directory_name(label, image);
    for number in 0..1000u32 {
        let numbered = match number {
            0 => name.clone(),
            _ => format!("{name} ({number})"),
        };
        match make(folder, OsStr::new(&numbered), guardian) {
            Ok(point) => return Ok(point),
            Err((same, error)) if error.kind() == io::ErrorKind::AlreadyExists => folder = same,
            Err((_, error)) => return Err(refuse(&base.join(numbered), &error)),
        }
    }
    Err(Failure::new(
        Exit::MountPoint,
        format!("every name like {} is taken", quoted(&base.join(name))),
    ))
}

/// The folder that holds mounts, made if it is missing.
fn open_base(base: &Path) -> io::Result<Directory> {
    let (Some(home), Some(name)) = (base.parent(), base.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let home = Directory::open(home)?;
    match rustix::fs::mkdirat(&home, name, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => Directory::open(base),
        Err(error) => Err(error.into()),
    }
}

/// A disc's label as the name of a directory; that of the image where there is none. It begins with
/// no hyphen, dot or blank, and holds no character that acts on a terminal or is not seen.
fn directory_name(label: &[u8], image: &Path) -> String {
    let clean = |text: &str| -> String {
        let harmless = |c: char| if c == '/' || c.is_control() { '_' } else { c };
        let seen = text.chars().map(harmless).filter(|c| !is_hidden(*c));
        let short: String = seen.take(60).collect();
        let is_skipped = |c: char| c.is_whitespace() || matches!(c, '-' | '.');
        short.trim_start_matches(is_skipped).trim_end().to_owned()
    };
    let from_label = clean(&String::from_utf8_lossy(label));
    if !from_label.is_empty() {
        return from_label;
    }
    let stem = image.file_stem().map(|stem| clean(&stem.to_string_lossy())).unwrap_or_default();
    if stem.is_empty() { "disc".to_owned() } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_harmless_directory_names() {
        for (label, want) in [
            (&b"GSP1RMCPRXFREO_EN_DVD"[..], "GSP1RMCPRXFREO_EN_DVD"),
            (b"../../etc", "_.._etc"),
            (b"a/b\nc", "a_b_c"),
            (b"  ", "image"),
            (b"", "image"),
            (b"..", "image"),
            (b"--all", "all"),
            (b" -. -rf", "rf"),
            (b"---", "image"),
            ("\u{202e}-a\u{200b}\u{feff}b\u{9b}c ".as_bytes(), "ab_c"),
            (b"a\x1b[2J\x7f", "a_[2J_"),
        ] {
            assert_eq!(directory_name(label, Path::new("/x/image.iso")), want);
        }
        assert_eq!(directory_name(b"", Path::new("/")), "disc");
    }
}
