//! Why there is no drive, and what to do about it.
//! Words only.

use mount_winfsp::{LoadError, MountError};

use crate::exit::{Exit, Failure};

const MEANWHILE: &str = "`isodrive ls`, `cat`, `extract`, `info` work without it";

/// The failure where WinFsp cannot be loaded.
pub(super) fn not_loaded(error: &LoadError) -> Failure {
    let failure = match error {
        LoadError::NotInstalled => Failure::new(
            Exit::NoFuse,
            "WinFsp is not installed (isodrive needs it to create drives)",
        )
        .advice("fix", "it asks for administrator rights once:  winget install WinFsp.WinFsp"),
        LoadError::Broken { .. } | LoadError::TooOld { .. } => {
            Failure::new(Exit::NoFuse, error.to_string())
                .advice("fix", "winget install --force WinFsp.WinFsp")
        }
    };
    failure.advice("meanwhile", MEANWHILE)
}

/// The failure where WinFsp made no drive.
pub(super) fn not_mounted(error: &MountError) -> Failure {
    let failure = |exit: Exit| Failure::new(exit, format!("cannot make the drive: {error}"));
    match error {
        MountError::NoDriver => {
            Failure::new(Exit::NoFuse, "WinFsp is installed, and its driver does not run")
                .advice("fix", "start Windows again; if that does not help, install WinFsp again")
                .advice("meanwhile", MEANWHILE)
        }
        MountError::Taken(_) => {
            failure(Exit::MountPoint).advice("try", "another letter, or * for the first free one")
        }
        MountError::NoLetterFree => failure(Exit::MountPoint)
            .advice("try", "a directory that is not there yet, in place of a letter"),
        MountError::NoParent(_) => {
            failure(Exit::MountPoint).advice("try", "make that folder first")
        }
        MountError::Denied => failure(Exit::MountPoint)
            .advice("try", "an administrator's prompt, or a plain letter without --global"),
        MountError::TooLong(_) => failure(Exit::Usage),
        MountError::Refused { .. } => {
            failure(Exit::Other).advice("try", "the same command with --debug")
        }
    }
}
