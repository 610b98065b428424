//! Reading a stranger's image inside the sandbox: the files of the image are opened, the sandbox is
//! entered, and then the first byte is looked at. The only way to an image for what runs here.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use iso_core::source::{self, DropBehind, Events, Medium, Source};
use sandbox::{Level, Plan, Task};

use super::mount::medium;
use super::user::for_reader;
use crate::exit::Failure;
use crate::parts::{self, Joined, cannot_open};
use crate::terminal::Terminal;

/// Bytes of memory that a command may write to: what a mount takes unless another limit is asked
/// for, which holds what `Limits` bounds.
const MEMORY_BYTES: u64 = 512 << 20;

/// A process that is in the sandbox, or was asked to do without; there is no other way to a
/// [`Confined`].
pub(crate) struct Entered(());

/// An image that this process may look at.
pub(crate) struct Confined {
    source: Box<dyn Source>,
    joined: Joined,
}

impl Entered {
    /// Enters the sandbox, and says how far it went.
    pub(crate) fn sandbox(plan: &Plan<'_>) -> (Self, Level) {
        let level = sandbox::enter(plan);
        tracing::debug!(level = level.summary(), missing = ?level.missing, "sandbox");
        (Self(()), level)
    }

    /// Stays outside, where the person who mounts said so.
    pub(crate) const fn outside_as_asked() -> Self {
        Self(())
    }

    /// The image in opened files, each with what tells of writes to it.
    ///
    /// # Errors
    /// The size of a file cannot be learned.
    pub(crate) fn image(
        &self,
        files: Vec<(File, Option<Events>)>,
        medium: Medium,
        drop_behind: Option<DropBehind>,
    ) -> io::Result<Confined> {
        let source = source::from_watched_parts(files, medium, drop_behind)?;
        Ok(Confined { source, joined: Joined::default() })
    }
}

impl Confined {
    /// Opens the files of an image and enters the sandbox, to print what is found.
    pub(crate) fn open(path: &Path, terminal: &mut Terminal) -> Result<Self, Failure> {
        Files::open(path)?.enter(None, terminal)
    }

    /// Its bytes, and the files that they lie in.
    pub(crate) fn into_parts(self) -> (Box<dyn Source>, Joined) {
        (self.source, self.joined)
    }
}

/// The opened files of an image, which nobody has looked into yet.
pub(crate) struct Files {
    files: Vec<File>,
    joined: Joined,
    path: PathBuf,
}

impl Files {
    /// Opens the files of an image.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let parts = parts::open_parts(path)?;
        let joined = Joined::of(&parts);
        Ok(Self { files: parts.files, joined, path: path.to_path_buf() })
    }

    /// Enters the sandbox, for a command that prints what it finds or, if it names a directory,
    /// fills that; then gives the image. What a system lacks of the sandbox is said once and stops
    /// nothing.
    pub(crate) fn enter(
        self,
        fills: Option<BorrowedFd<'_>>,
        terminal: &mut Terminal,
    ) -> Result<Confined, Failure> {
        let Self { files, joined, path } = self;
        let medium = medium::of(&files);
        let plan = match fills {
            // What is written belongs to whoever asked for it.
            Some(directory) => Plan { task: Task::Fill(directory), ..plan() },
            None => Plan { task: Task::Print, drop_to: Some(for_reader(&files)), ..plan() },
        };
        let (entered, level) = Entered::sandbox(&plan);
        let missing: Vec<String> = level.essential_missing().map(str::to_owned).collect();
        if !missing.is_empty() {
            terminal.warn("the sandbox is not complete on this system", &missing);
        }
        let files = files.into_iter().map(|file| (file, None)).collect();
        let image = entered.image(files, medium, None);
        let image = image.map_err(|error| cannot_open(&path, &error))?;
        Ok(Confined { joined, ..image })
    }
}

fn plan() -> Plan<'static> {
    Plan { memory_bytes: Some(MEMORY_BYTES), ..Plan::default() }
}
