//! The files that an image lies in: opened once, and named in messages.
//! Looks at no byte of them.

use std::io;
use std::path::Path;

use iso_core::source::{Parts, Refused};

use crate::exit::{Exit, Failure, bare};
use crate::json::Name;
use crate::shell::ShellCommand;
use crate::terminal::{Terminal, quoted};

/// The files that an image lies in, by their names.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    /// Names of the files that were joined; none where there is one file only.
    pub(crate) names: Vec<Name>,
    /// The part at which the set was cut, if one was found that may not be joined.
    pub(crate) refused: Option<Refused>,
}

impl Joined {
    /// What there is to say of opened files.
    pub(crate) fn of(parts: &Parts) -> Self {
        let names = parts.names.iter().map(|name| Name::new(name.as_encoded_bytes()));
        let is_set = parts.names.len() > 1;
        Self { names: names.filter(|_| is_set).collect(), refused: parts.refused.clone() }
    }
}

/// Opens the files of the image, once and without looking at what is in them. Says so where a set
/// is cut because the next part may not be joined.
pub(crate) fn open_parts(path: &Path) -> Result<Parts, Failure> {
    #[cfg(unix)]
    let opened = crate::unix::open::parts(path);
    #[cfg(not(unix))]
    let opened = iso_core::source::open_parts(path);
    let parts = opened.map_err(|error| cannot_open(path, &error))?;
    if let Some(Refused { name, why }) = &parts.refused {
        let message = format!("{} was not joined to {}", quoted(Path::new(name)), quoted(path));
        let what_now = "what lies in it is missing; if you trust it, copy all parts into a folder \
                        of your own";
        Terminal::warning(&message, &[(*why).clone(), what_now.to_owned()]);
    }
    Ok(parts)
}

/// Why an image cannot be opened.
pub(crate) fn cannot_open(path: &Path, error: &io::Error) -> Failure {
    let failure =
        |why: &str| Failure::new(Exit::CannotRead, format!("cannot open {}: {why}", quoted(path)));
    if error.kind() == io::ErrorKind::NotFound && !path.exists() {
        failure("no such file")
    } else if error.kind() == io::ErrorKind::IsADirectory {
        failure("it is a directory, not an image")
            .advice("try", "give the image file, not a directory")
    } else if error.get_ref().is_some() {
        // It names the part of a set that could not be opened.
        failure(&bare(error))
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        #[cfg(unix)]
        if let Some(owner) = crate::unix::fuse::closed_by(path) {
            let sudo = ShellCommand::new("sudo -u").operand(format!("#{owner}"));
            return failure(&format!("its FUSE mount lets in nobody but user {owner}"))
                .advice("try", sudo.operand("isodrive").after("the same as that user, with:"))
                .advice("or", "mount what it lies on with -o allow_other");
        }
        let look = ShellCommand::new(if cfg!(windows) { "icacls" } else { "ls -l" });
        failure("you may not read it").advice("try", look.operand(path))
    } else {
        failure(&bare(error))
    }
}
