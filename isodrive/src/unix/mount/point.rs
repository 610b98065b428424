//! Where to mount: the directory that was asked for, or one named after the disc.
//! Makes what is missing and removes only what it made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::shell::{Advice, ShellCommand};
use crate::terminal::{is_hidden, quoted};
use crate::unix::health::{self, Health};
use crate::unix::mounts;

/// A directory to mount on. Removed again when this is dropped, if it was made for the mount.
#[derive(Debug)]
pub(super) struct MountPoint {
    pub(super) path: PathBuf,
    pub(super) made: bool,
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        if self.made {
            remove(&self.path);
        }
    }
}

/// Removes a directory that was made for a mount. The folder that holds mounts goes with the last
/// of them; never one with anything in it.
pub(crate) fn remove(at: &Path) {
    if fs::remove_dir(at).is_ok() {
        let base = default_base().filter(|base| at.parent() == Some(base));
        let _ = base.map(fs::remove_dir);
    }
}

/// The directory that was asked for, made if it is missing. A dead mount of isodrive's that lies
/// there is taken away and `cleaned` told; nobody else's is touched.
pub(super) fn given(
    at: &Path,
    over: bool,
    cleaned: &mut dyn FnMut(&Path),
) -> Result<MountPoint, Failure> {
    let name = quoted(at);
    let refuse =
        |why: &str| Failure::new(Exit::MountPoint, format!("cannot mount at {name}: {why}"));
    let at = std::path::absolute(at).map_err(|error| refuse(&error.to_string()))?;
    let written: PathBuf = at.components().collect();
    let resolved = at.canonicalize().unwrap_or(written);
    clear(&resolved, cleaned).map_err(|(why, remedy)| refuse(&why).advice("try", remedy))?;
    let made = match fs::symlink_metadata(&at) {
        Ok(metadata) if metadata.is_symlink() => {
            return Err(refuse("it is a symbolic link").advice("try", "name the directory itself"));
        }
        Ok(metadata) if !metadata.is_dir() => return Err(refuse("it is not a directory")),
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir(&at).map_err(|error| refuse(&crate::exit::bare(&error)))?;
            true
        }
        Err(error) => return Err(refuse(&crate::exit::bare(&error))),
    };
    let point = MountPoint { path: at.canonicalize().unwrap_or(at), made };
    let is_empty = fs::read_dir(&point.path)
        .map_err(|error| refuse(&crate::exit::bare(&error)))?
        .next()
        .is_none();
    if !is_empty && !over {
        return Err(refuse("the directory is not empty")
            .advice("try", "another directory, or --over to hide what is in it"));
    }
    Ok(point)
}

/// Takes away a dead mount of isodrive's; what else is mounted there is an error and its remedy.
fn clear(at: &Path, cleaned: &mut dyn FnMut(&Path)) -> Result<(), (String, Advice)> {
    let Some(entry) = mounts::top_at(at) else { return Ok(()) };
    match (health::of(&entry), entry.is_ours()) {
        (Health::Dead, true) => {
            mount_fuse::unmount(at, true).map_err(|error| {
                let why = format!("a dead mount is there: {}", crate::exit::bare(&error));
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
pub(super) fn for_label(label: &[u8], image: &Path) -> Result<MountPoint, Failure> {
    let elsewhere = |failure: Failure| {
        let mount = ShellCommand::new("isodrive mount").operand(image).operand("DIRECTORY");
        failure.advice("try", mount.after("a directory of your choice:"))
    };
    let base = default_base().ok_or_else(|| {
        let message = "there is no home directory to mount in: HOME is not set to a folder";
        elsewhere(Failure::new(Exit::MountPoint, message))
    })?;
    let refuse = |path: &Path, error: &io::Error| {
        let what = format!("cannot make the directory {}", quoted(path));
        elsewhere(Failure::io(Exit::MountPoint, what, error))
    };
    fs::create_dir_all(&base).map_err(|error| refuse(&base, &error))?;
    let name = directory_name(label, image);
    for number in 0..1000u32 {
        let numbered = match number {
            0 => name.clone(),
            _ => format!("{name} ({number})"),
        };
        let path = base.join(numbered);
        match fs::create_dir(&path) {
            Ok(()) => return Ok(MountPoint { path, made: true }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refuse(&path, &error)),
        }
    }
    Err(Failure::new(
        Exit::MountPoint,
        format!("every name like {} is taken", quoted(&base.join(name))),
    ))
}

/// The folder that holds mounts nobody chose a place for.
fn default_base() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())?;
    Some(home.join("isodrive"))
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
