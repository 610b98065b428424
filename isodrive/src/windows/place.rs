//! Where a drive is made, as people write it: a letter, a star, a directory.
//! Reads text; asks only whether a directory is there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use mount_winfsp::Place;

use crate::exit::{Exit, Failure};
use crate::terminal::quoted;

/// The place that a person means.
pub(super) fn meant(at: &OsStr) -> Result<Place, Failure> {
    let text = at.to_str().unwrap_or_default();
    let (at, text) = drive_path(text).map_or((at, text), |plain| (OsStr::new(plain), plain));
    if text == "*" {
        return Ok(Place::FirstFree);
    }
    if let Some(letter) = letter(text) {
        return Ok(Place::Letter(letter));
    }
    let refuse = |why: &str| {
        let name = quoted(Path::new(at));
        Failure::new(Exit::MountPoint, format!("cannot mount at {name}: {why}")).advice(
            "try",
            "a letter as in X:, * for a free one, or a directory that is not there yet",
        )
    };
    if is_device(text) {
        return Err(refuse("it is the name of a device or volume"));
    }
    let path =
        std::path::absolute(without_end(at)).map_err(|error| refuse(&crate::exit::bare(&error)))?;
    if std::fs::symlink_metadata(&path).is_ok() {
        return Err(refuse("it is there already, and WinFsp makes the directory itself"));
    }
    match path.parent() {
        Some(parent) if parent.is_dir() => Ok(Place::Directory(path)),
        _ => Err(refuse("the folder that should hold it is not there")),
    }
}

/// A path on a drive in the plain form, of `\\?\C:\disc`; nothing for all other paths.
fn drive_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\\\\?\\")?;
    let (start, _) = rest.split_once(':')?;
    (start.len() == 1).then_some(rest)
}

/// Whether a path names a device, such as `\\?\Volume{..}\` or `\\.\X:`. WinFsp takes some of
/// them for letters.
fn is_device(text: &str) -> bool {
    let text = text.replace('/', "\\");
    ["\\\\?\\", "\\\\.\\", "\\??\\"].iter().any(|start| text.starts_with(start))
}

/// What a path may have at its end without another meaning: a backslash, and the quote that a
/// backslash before it keeps in the argument, so that `"E:\"` arrives as `E:"`.
const ENDS: [char; 3] = ['"', '\\', '/'];

/// A path as it is meant, without what a command line may leave at its end.
pub(super) fn without_end(path: &OsStr) -> &OsStr {
    let cut = path.to_str().map(|text| text.trim_end_matches(ENDS));
    // The root of the drive here, which has no other name.
    cut.filter(|cut| !cut.is_empty()).map_or(path, OsStr::new)
}

/// The letter of a drive, as in `x:` or `X:\`.
pub(super) fn letter(text: &str) -> Option<char> {
    let mut chars = text.trim_end_matches(ENDS).chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some(letter), Some(':'), None) if letter.is_ascii_alphabetic() => {
            Some(letter.to_ascii_uppercase())
        }
        _ => None,
    }
}

/// The path of what is there at a drive or directory, for programs that open it.
pub(super) fn root(at: &str) -> PathBuf {
    PathBuf::from(if letter(at).is_some() { format!("{at}\\") } else { at.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stars_and_directories_are_told_apart() {
        let place = |text: &str| meant(OsStr::new(text));
        assert_eq!(place("*").unwrap(), Place::FirstFree);
        assert_eq!(place("x:").unwrap(), Place::Letter('X'));
        assert_eq!(place("X:\\").unwrap(), Place::Letter('X'));
        assert_eq!(place("C:\\").unwrap(), Place::Letter('C'));
        for text in ["X:\"", "x:\\\"", "X:\"\\", "X:\\\\", "X:/"] {
            assert_eq!(place(text).unwrap(), Place::Letter('X'), "{text}");
        }
        for text in ["\"X:", "X", ":", "\"", "XY:", "\u{e9}:"] {
            assert_eq!(letter(text), None, "{text}");
        }
        let free = std::env::temp_dir().join("isodrive-not-there");
        assert_eq!(meant(free.as_os_str()).unwrap(), Place::Directory(free.clone()));
        for end in ["\\", "\"", "\\\""] {
            let written = format!("{}{end}", free.display());
            assert_eq!(place(&written).unwrap(), Place::Directory(free.clone()), "{written}");
        }
        let verbatim = format!("\\\\?\\{}", free.display());
        assert_eq!(place(&verbatim).unwrap(), Place::Directory(free.clone()));
        assert_eq!(place("\\\\?\\x:\\").unwrap(), Place::Letter('X'));
        for device in [
            "\\\\?\\Volume{01234567-89ab-cdef-0123-456789abcdef}\\",
            "\\\\?\\Volume{01234567-89ab-cdef-0123-456789abcdef}\\disc",
            "\\\\.\\X:",
            "//?/Volume{01234567-89ab-cdef-0123-456789abcdef}/",
            "\\??\\X:",
            "\\\\?\\GLOBALROOT\\Device\\CdRom0",
        ] {
            let failure = place(device).unwrap_err();
            assert_eq!(failure.exit, Exit::MountPoint, "{device}");
            let text = format!("{failure:?}");
            assert!(text.contains("it is the name of a device or volume"), "{text}");
        }
        assert_eq!(meant(std::env::temp_dir().as_os_str()).unwrap_err().exit, Exit::MountPoint);
        assert_eq!(meant(free.join("deeper").as_os_str()).unwrap_err().exit, Exit::MountPoint);
    }
}
