//! What the destination does not take: why, and what a person can do about it.
//! Counts and words only.

use std::io;
use std::path::Path;

use crate::exit::{Exit, Failure, bare};
use crate::terminal::quoted;

/// What is in the destination where something is to be written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct There {
    /// Whether it is a directory; nothing if nothing is there, or nobody knows.
    pub(super) is_directory: Option<bool>,
    /// What should be a directory above it is none.
    pub(super) is_cut_off: bool,
    /// Nothing can be written on its file system.
    pub(super) is_read_only: bool,
}

/// What was not written, by what helps.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    all: u64,
    /// `--overwrite` would replace what has their names.
    replaceable: u64,
    /// A directory is in the place of a file, or a file in that of a directory.
    displaced: u64,
    read_only: u64,
    too_large: u64,
}

impl Unwritten {
    /// Counts one, which is to be a directory or not; gives the reason in words.
    pub(super) fn note(&mut self, error: &io::Error, there: There, is_directory: bool) -> String {
        self.all = self.all.saturating_add(1);
        let is_displaced =
            there.is_cut_off || there.is_directory.is_some_and(|d| d != is_directory);
        let is_read_only = there.is_read_only || error.kind() == io::ErrorKind::ReadOnlyFilesystem;
        let (count, why) = if is_displaced && (there.is_cut_off || is_directory) {
            (&mut self.displaced, "a file is there in the place of a directory".to_owned())
        } else if is_displaced {
            (&mut self.displaced, "a directory of that name is there".to_owned())
        } else if is_read_only {
            (&mut self.read_only, "the file system is read-only".to_owned())
        } else if error.kind() == io::ErrorKind::AlreadyExists {
            (&mut self.replaceable, "a file of that name is there".to_owned())
        } else if error.kind() == io::ErrorKind::FileTooLarge {
            (&mut self.too_large, bare(error))
        } else {
            return bare(error);
        };
        *count = count.saturating_add(1);
        why
    }

    /// Whether everything was written.
    pub(super) const fn is_nothing(&self) -> bool {
        self.all == 0
    }

    /// The failure for them. `written` says how many files there are.
    pub(super) fn failure(&self, written: &str) -> Failure {
        let noun = if self.all == 1 { "file" } else { "files" };
        let message = format!("{} {noun} could not be written: {written}", self.all);
        let mut failure = Failure::new(Exit::Other, message);
        if self.too_large > 0 {
            let cause = "files may not be that large here: by the file system, or by ulimit -f";
            failure = failure.line("cause", cause);
        }
        for (count, advice) in [
            (self.replaceable, "--overwrite, to replace those that are there already"),
            (self.displaced, "another folder, or move away what is in the place of others"),
            (self.read_only, "another folder: the file system of this one is read-only"),
        ] {
            if count > 0 {
                failure = failure.advice("try", advice);
            }
        }
        failure
    }
}

/// The failure for a directory that nothing can be extracted into.
pub(super) fn no_directory(path: &Path, error: &io::Error) -> Failure {
    let is_link = path.symlink_metadata().is_ok_and(|there| there.is_symlink());
    let why = match path.metadata() {
        Ok(there) if !there.is_dir() => "it is a file, not a directory",
        Err(_) if is_link => "it is a symbolic link that leads nowhere",
        _ if error.kind() == io::ErrorKind::NotADirectory => {
            "a part of its path is a file, not a directory"
        }
        _ => {
            let what = format!("cannot extract into {}", quoted(path));
            return Failure::io(Exit::Other, what, error);
        }
    };
    Failure::new(Exit::Other, format!("cannot extract into {}: {why}", quoted(path)))
        .advice("try", "-C with another directory; one that is missing is made")
}
