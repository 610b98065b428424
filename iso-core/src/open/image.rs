//! A disc image that is open: its file systems, its sessions and what a computer starts from it.
//! Hands out what `opening` found; looks for nothing itself.

use std::sync::Arc;

use crate::all_views::{AllViews, Content, Report, Slot};
use crate::boot::{BootFile, BootVolume, Partition, boot_files, partitions};
use crate::cache::Disc;
use crate::error::{Error, Result};
use crate::iso9660::DescriptorSet;
use crate::session::{Session, SessionChoice};
use crate::text::Charset;
use crate::view::{Candidate, View};
use crate::volume::{Facts, ParsedCaches, Volume};

/// A disc image: what it holds and which of it to show.
pub struct Image {
    pub(super) medium: Medium,
    pub(super) systems: Vec<System>,
    pub(super) refused: Vec<(View, Error)>,
    pub(super) candidates: Vec<Candidate>,
    /// Sector of the boot catalogue.
    pub(super) boot_catalog: Option<u32>,
    pub(super) sessions: Vec<Session>,
    /// The session that is open.
    pub(super) session: Session,
    pub(super) charset: Charset,
    /// Where the virtual allocation tables of the UDF volume lie, the oldest first.
    pub(super) tables: Vec<u64>,
    pub(super) is_compared_in_part: bool,
}

/// The bytes of a disc, with what is kept of its file systems.
#[derive(Clone)]
pub(super) struct Medium {
    pub(super) disc: Arc<Disc>,
    /// All bytes of the source, from its first one on; the disc may be a part of them.
    pub(super) whole: Arc<Disc>,
    pub(super) caches: Arc<ParsedCaches>,
}

/// Why an image was not opened.
pub(super) enum Unopened {
    /// It begins with no file system that can be opened, and may hold one that begins elsewhere.
    Empty { image: Box<Image>, set: Box<DescriptorSet> },
    /// Something else is wrong.
    Failed(Error),
}

impl Unopened {
    /// The error that reports it.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Empty { image, set } => image.why_empty(&set),
            Self::Failed(error) => error,
        }
    }
}

impl From<Error> for Unopened {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Opens a view when it is looked into.
type Open = Box<dyn Fn() -> Result<Arc<dyn Volume>> + Send + Sync>;

/// Choices of the person who opens an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The session to open.
    pub session: SessionChoice,
    /// Character set for names in formats that do not record one.
    pub charset: Charset,
    /// Byte of the source at which the volume begins; at 0, a volume that begins elsewhere is
    /// looked for where none can be opened there.
    pub start: u64,
}

/// One file system of an image.
#[derive(Clone)]
pub struct System {
    /// Which one.
    pub view: View,
    /// The way into it.
    pub volume: Arc<dyn Volume>,
    /// Files and directories in its root.
    pub root_entries: usize,
}

/// The file system that is shown.
#[derive(Clone)]
pub struct Shown {
    /// Which one.
    pub view: View,
    /// Why this one.
    pub reason: String,
    /// The way into it.
    pub volume: Arc<dyn Volume>,
}

impl Image {
    /// The sessions of the disc; the trees are those of one of them.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The session that is open.
    #[must_use]
    pub const fn session(&self) -> Session {
        self.session
    }

    /// The file systems that could be opened, the preferred one first.
    #[must_use]
    pub fn systems(&self) -> &[System] {
        &self.systems
    }

    /// The file systems that are there and could not be opened, with the reason.
    #[must_use]
    pub fn refused(&self) -> &[(View, Error)] {
        &self.refused
    }

    /// Whether the trees of the disc were compared in part only, so that they may differ in folders
    /// that were not looked at: opening reads few blocks.
    #[must_use]
    pub const fn is_compared_in_part(&self) -> bool {
        self.is_compared_in_part
    }

    /// The image's bytes, counters and findings.
    #[must_use]
    pub fn disc(&self) -> &Disc {
        &self.medium.disc
    }

    /// Byte of the source at which byte 0 of the volume lies; below zero where it is a track
    /// that was copied alone, whose numbers count from the beginning of its disc.
    #[must_use]
    pub fn origin(&self) -> i64 {
        self.medium.disc.origin()
    }

    /// What a computer could start from the disc.
    ///
    /// # Errors
    /// What is wrong with the boot catalogue.
    pub fn boot_files(&self) -> Result<Vec<BootFile>> {
        boot_files(&self.medium.disc, self.boot_catalog, self.claimed_bytes())
    }

    /// The images a computer could start from, as files.
    ///
    /// # Errors
    /// `NoSuchView` where there is no catalogue, or what is wrong with it.
    pub fn boot_images(&self) -> Result<Arc<dyn Volume>> {
        let catalog = self.boot_catalog.ok_or(Error::NoSuchView(View::Boot))?;
        boot_volume(&self.medium.disc, catalog, (self.claimed_bytes(), self.label()))
    }

    /// The label of the file system that is shown unless another one is asked for.
    fn label(&self) -> Vec<u8> {
        self.choose(None).map(|shown| shown.volume.facts().label.clone()).unwrap_or_default()
    }

    /// The byte at which the disc ends by what its file systems say.
    fn claimed_bytes(&self) -> u64 {
        let facts = self.systems.iter().map(|system| system.volume.facts());
        facts.map(|facts: &Facts| facts.volume_bytes).max().unwrap_or(0)
    }

    /// All views side by side, each a directory that is opened when it is looked into, beside
    /// `disc.iso`, which is the image itself, and the given reports.
    ///
    /// # Errors
    /// More than the bounds allow.
    pub fn all_views(&self, reports: Vec<(String, Report)>) -> Result<Arc<dyn Volume>> {
        let view = |name: String, open: Open| Slot { name, content: Content::View(open) };
        let systems = self.systems.iter().map(|system| {
            let volume = system.volume.clone();
            view(system.view.name().to_owned(), Box::new(move || Ok(volume.clone())))
        });
        let mut slots: Vec<Slot> = systems.collect();
        if let Some(catalog) = self.boot_catalog {
            let disc = self.medium.disc.clone();
            let (end, label) = (self.claimed_bytes(), self.label());
            let open = move || boot_volume(&disc, catalog, (end, label.clone()));
            slots.push(view(View::Boot.name().to_owned(), Box::new(open)));
        }
        for session in self.sessions.iter().copied().filter(|_| self.sessions.len() > 1) {
            let (medium, sessions, charset) =
                (self.medium.clone(), self.sessions.clone(), self.charset);
            let open = move || {
                let image = Self::of_session(medium.clone(), sessions.clone(), session, charset)
                    .map_err(Unopened::into_error)?;
                Ok(image.choose(None)?.volume)
            };
            slots.push(view(format!("session{}", session.number), Box::new(open)));
        }
        slots.push(Slot { name: "disc.iso".to_owned(), content: Content::Disc });
        let files = reports.into_iter();
        slots.extend(files.map(|(name, report)| Slot { name, content: Content::Report(report) }));
        let (disc, caches) = (self.medium.disc.clone(), &self.medium.caches);
        let views = AllViews::new(disc, caches, self.label(), slots)?;
        Ok(Arc::new(views))
    }

    /// The partitions of a disc that can also be used as a disk, or of the disk that the volume is
    /// a partition of; their places count from the first byte of the source.
    #[must_use]
    pub fn partitions(&self) -> Vec<Partition> {
        partitions(&self.medium.whole)
    }

    /// Bytes of the source: those before the volume and behind it among them.
    #[must_use]
    pub fn source_bytes(&self) -> u64 {
        self.medium.whole.len()
    }

    /// Bytes that the file systems claim to span and the image lacks, with the claim; nothing for
    /// a whole image.
    #[must_use]
    pub fn truncation(&self) -> Option<(u64, u64)> {
        let claimed = self.claimed_bytes();
        let missing = claimed.checked_sub(self.medium.disc.len()).filter(|missing| *missing > 0)?;
        Some((missing, claimed))
    }
}

/// The images of the boot catalogue in a sector, as files, of a disc that ends at a byte and has a
/// label.
fn boot_volume(
    disc: &Arc<Disc>,
    catalog: u32,
    (end, label): (u64, Vec<u8>),
) -> Result<Arc<dyn Volume>> {
    Ok(Arc::new(BootVolume::open(disc.clone(), catalog, end, label)?))
}
