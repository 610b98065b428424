//! Where to mount: the directory that was asked for, or one named after the disc.
//! Makes what is missing and removes only what it made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::mounts;
use crate::terminal::quoted;

/// A directory to mount on. Removed again when this is dropped, if it was made for the mount.
#[derive(Debug)]
pub(crate) struct MountPoint {
    pub(crate) path: PathBuf,
    pub(crate) made: bool,
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        if self.made && fs::remove_dir(&self.path).is_ok() {
            // The folder that holds mounts goes with the last of them; never one with anything in.
            let base = default_base().filter(|base| self.path.parent() == Some(base));
            let _ = base.map(fs::remove_dir);
        }
    }
}

/// The directory that was asked for, made if it is missing.
pub(crate) fn given(at: &Path, over: bool) -> Result<MountPoint, Failure> {
    let name = quoted(at);
    let refuse =
        |why: &str| Failure::new(Exit::MountPoint, format!("cannot mount at {name}: {why}"));
    let at = std::path::absolute(at).map_err(|error| refuse(&error.to_string()))?;
    let made = match fs::symlink_metadata(&at) {
        Ok(metadata) if metadata.is_symlink() => {
            return Err(refuse("it is a symbolic link").line("try", "name the directory itself"));
        }
        Ok(metadata) if !metadata.is_dir() => return Err(refuse("it is not a directory")),
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir(&at).map_err(|error| refuse(&crate::exit::bare(&error)))?;
            true
        }
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            return Err(refuse("a mount is there whose server is gone")
                .line("try", format!("isodrive eject {name}")));
        }
        Err(error) => return Err(refuse(&crate::exit::bare(&error))),
    };
    let point = MountPoint { path: at.canonicalize().unwrap_or(at), made };
    if mounts::is_mount_point(&point.path) {
        return Err(refuse("something is mounted there already")
            .line("try", format!("isodrive eject {name}   or another directory")));
    }
    let is_empty = fs::read_dir(&point.path)
        .map_err(|error| refuse(&crate::exit::bare(&error)))?
        .next()
        .is_none();
    if !is_empty && !over {
        return Err(refuse("the directory is not empty")
            .line("try", "another directory, or --over to hide what is in it"));
    }
    Ok(point)
}

/// A new directory `~/isodrive/LABEL`, with a number behind it if the label is taken.
pub(crate) fn for_label(label: &[u8], image: &Path) -> Result<MountPoint, Failure> {
    let base = default_base().ok_or_else(|| {
        Failure::new(Exit::MountPoint, "there is no home directory to mount in")
            .line("try", "isodrive mount IMAGE WHERE")
    })?;
    let refuse = |path: &Path, error: &io::Error| {
        Failure::io(Exit::MountPoint, format!("cannot make the directory {}", quoted(path)), error)
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

/// A disc's label as the name of a directory; that of the image where there is none.
fn directory_name(label: &[u8], image: &Path) -> String {
    let clean = |text: &str| -> String {
        let harmless = |c: char| if c == '/' || c.is_control() { '_' } else { c };
        let short: String = text.chars().map(harmless).take(60).collect();
        short.trim().trim_start_matches('.').to_owned()
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
        ] {
            assert_eq!(directory_name(label, Path::new("/x/image.iso")), want);
        }
        assert_eq!(directory_name(b"", Path::new("/")), "disc");
    }
}
