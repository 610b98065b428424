//! From a source to the file systems on it and the one to show; the only place that knows the
//! order in which to look. Opening reads descriptors and roots, nothing below.

use std::sync::Arc;

use crate::all_views::{AllViews, Content, Report, Slot};
use crate::boot::{BootFile, BootVolume, Partition, boot_files, partitions};
use crate::cache::Disc;
use crate::error::{Error, Result, Site};
use crate::foreign;
use crate::hfs::{HfsVolume, find_volume};
use crate::iso9660::{DescriptorSet, IsoVolume, NameStyle, TreeDescriptor};
use crate::limits::Limits;
use crate::session::{Session, SessionChoice, by_tables, find_sessions};
use crate::source::Source;
use crate::text::Charset;
use crate::udf::{UdfVolume, find_anchor, recognition_step};
use crate::view::{self, Candidate, View};
use crate::volume::{Facts, FileKind, ParsedCaches, Volume};

/// A disc image: what it holds and which of it to show.
pub struct Image {
    disc: Arc<Disc>,
    caches: Arc<ParsedCaches>,
    systems: Vec<System>,
    refused: Vec<(View, Error)>,
    candidates: Vec<Candidate>,
    /// Sector of the boot catalogue.
    boot_catalog: Option<u32>,
    sessions: Vec<Session>,
    /// The session that is open.
    session: Session,
    charset: Charset,
    /// Where the virtual allocation tables of the UDF volume lie, the oldest first.
    tables: Vec<u64>,
}

/// Opens a view when it is looked into.
type Open = Box<dyn Fn() -> Result<Arc<dyn Volume>> + Send + Sync>;

/// Choices of the person who opens an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Which session, where there are several.
    pub session: SessionChoice,
    /// How names are read that do not say so themselves.
    pub charset: Charset,
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
    /// Finds the file systems of an image.
    ///
    /// # Errors
    /// `Unrecognised` if there is none, with what the file is instead; if there are some but none
    /// can be opened, what is wrong with the first.
    pub fn open(source: Box<dyn Source>, limits: Limits) -> Result<Self> {
        Self::open_with(source, limits, &Options::default())
    }

    /// As `open`, with choices.
    ///
    /// # Errors
    /// As `open`, and `NoSuchSession`.
    pub fn open_with(source: Box<dyn Source>, limits: Limits, options: &Options) -> Result<Self> {
        let caches = ParsedCaches::new(&limits);
        let disc = Arc::new(Disc::new(source, limits));
        let (sessions, unread) = find_sessions(&disc);
        // An older session must not pass for the last one.
        if let Some(error) = unread {
            if options.session == SessionChoice::Last {
                return Err(error);
            }
            disc.findings().note_error("there may be more sessions", &error);
        }
        let [only] = sessions.as_slice() else {
            let session = chosen(&sessions, options.session)?;
            return Self::of_session((disc, caches), sessions, session, options.charset);
        };
        // Where there is one, the volume itself may know of earlier states.
        let only = *only;
        let newest = Self::of_session((disc, caches), sessions, only, options.charset)?;
        let sessions = by_tables(only, &newest.tables);
        let session = chosen(&sessions, options.session)?;
        if Some(&session) == sessions.last() {
            return Ok(Self { sessions, session, ..newest });
        }
        Self::of_session((newest.disc, newest.caches), sessions, session, options.charset)
    }

    /// Finds the file systems of one session.
    fn of_session(
        (disc, caches): (Arc<Disc>, Arc<ParsedCaches>),
        sessions: Vec<Session>,
        session: Session,
        charset: Charset,
    ) -> Result<Self> {
        let mut set = DescriptorSet::read(&disc, session.at);
        let mut image = Self {
            disc,
            caches,
            systems: Vec::new(),
            refused: Vec::new(),
            candidates: Vec::new(),
            boot_catalog: set.boot_catalog,
            sessions,
            session,
            charset,
            tables: Vec::new(),
        };
        image.add_udf(set.recognised);
        if let Some(tree) = &set.primary {
            image.add_primary(tree);
        }
        if let Some(tree) = &set.joliet {
            image.add_iso(View::Joliet, tree, NameStyle::Joliet);
        }
        if let Some(tree) = &set.enhanced {
            image.add_iso(View::Enhanced, tree, NameStyle::Enhanced);
        }
        if let Some(tree) = &set.high_sierra {
            image.add_iso(View::HighSierra, tree, NameStyle::HighSierra);
        }
        image.add_hfs();
        image.systems.sort_by_key(|system| preference(system.view));
        if image.systems.is_empty() {
            let unread = set.unread.take();
            return Err(image.why_empty(&set, unread));
        }
        image.note_differences();
        Ok(image)
    }

    fn add_udf(&mut self, is_iso: bool) {
        let at = self.session.at;
        let step = recognition_step(&self.disc, at);
        let anchor = match find_anchor(&self.disc, at, step, is_iso) {
            Ok(Some(anchor)) => anchor,
            Ok(None) if step.is_none() => return,
            Ok(None) => {
                let error = Site::new("volume recognition sequence", "ECMA-167 3/9.1", 32_768)
                    .corrupt("it announces UDF, and no anchor is found");
                return self.refuse(View::Udf, error);
            }
            Err(error) => return self.refuse(View::Udf, error),
        };
        if step.is_none() {
            self.disc
                .findings()
                .note_harmless("UDF without a volume recognition sequence (ECMA-167 3/9.1)");
        }
        match UdfVolume::open(self.disc.clone(), &self.caches, &anchor, self.session.table_at) {
            Ok(volume) => {
                self.tables = volume.tables().to_vec();
                self.add(View::Udf, Arc::new(volume), true);
            }
            Err(error) => self.refuse(View::Udf, error),
        }
    }

    /// The primary tree as it is, and with Rock Ridge where it has that.
    fn add_primary(&mut self, tree: &TreeDescriptor) {
        match self.iso_volume(tree, NameStyle::RockRidge) {
            Ok(volume) => {
                let has_names = volume.has_rock_ridge_names().unwrap_or(false);
                self.add(View::RockRidge, Arc::new(volume), has_names);
            }
            // Most discs have none, which is nothing to report.
            Err(Error::Unsupported { .. }) => {}
            Err(error) => tracing::debug!(%error, "no Rock Ridge"),
        }
        self.add_iso(View::Iso9660, tree, NameStyle::Plain);
    }

    /// The Macintosh side of a hybrid disc.
    fn add_hfs(&mut self) {
        let Some(found) = find_volume(&self.disc) else { return };
        match HfsVolume::open(self.disc.clone(), &self.caches, &found) {
            Ok(volume) => self.add(View::Hfs, Arc::new(volume), true),
            Err(error) => self.refuse(View::Hfs, error),
        }
    }

    fn add_iso(&mut self, view: View, tree: &TreeDescriptor, style: NameStyle) {
        match self.iso_volume(tree, style) {
            Ok(volume) => self.add(view, Arc::new(volume), true),
            Err(error) => self.refuse(view, error),
        }
    }

    fn iso_volume(&self, tree: &TreeDescriptor, style: NameStyle) -> Result<IsoVolume> {
        IsoVolume::open(&self.disc, &self.caches, tree, style, self.charset)
    }

    /// Takes in a file system whose root can be read.
    fn add(&mut self, view: View, volume: Arc<dyn Volume>, has_names: bool) {
        let root = match volume.read_dir(volume.root()) {
            Ok(root) => root,
            Err(error) => return self.refuse(view, error),
        };
        let directories = root.iter().filter(|e| e.kind == Some(FileKind::Directory)).count();
        // A root that holds anything at all has shown its names; an empty one has none to show.
        let has_names = has_names || root.is_empty();
        self.candidates.push(Candidate { view, entries: root.len(), directories, has_names });
        self.systems.push(System { view, volume, root_entries: root.len() });
    }

    fn refuse(&mut self, view: View, error: Error) {
        self.disc.findings().note_error(&format!("{view} is not shown"), &error);
        self.refused.push((view, error));
    }

    /// Why no file system could be opened.
    fn why_empty(mut self, set: &DescriptorSet, unread: Option<Error>) -> Error {
        if let Some(error) = unread {
            return error;
        }
        let trees = set.primary.iter().chain(&set.joliet).chain(&set.high_sierra);
        let claimed = trees.map(|tree| tree.volume_bytes).max();
        if claimed.is_some_and(|claimed| claimed > self.disc.len()) {
            return Site::new("volume descriptor", "ECMA-119 8.4.8", 32_768)
                .corrupt("the image is cut short, and its root directory lies past the cut");
        }
        if !self.refused.is_empty() {
            return self.refused.swap_remove(0).1;
        }
        if set.recognised {
            return Site::new("volume descriptor set", "ECMA-119 6.2.1", 32_768)
                .corrupt("it holds no usable primary or supplementary descriptor");
        }
        foreign::identify(&self.disc).map_or_else(|error| error, Error::Unrecognised)
    }

    /// Notes trees whose roots differ: a disc may show one to one system and another to the next.
    /// A stub that only points to the other tree is none, and Rock Ridge hides what it relocates.
    fn note_differences(&self) {
        let Some((view, _)) = view::choose(&self.candidates) else { return };
        let shown = self.candidates.iter().find(|c| c.view == view).map_or(0, |c| c.entries);
        let is_tree = |c: &&Candidate| !c.is_stub() && !matches!(c.view, View::Iso9660 | View::Hfs);
        for other in self.candidates.iter().filter(is_tree).filter(|c| c.entries != shown) {
            self.disc.findings().note_harmless(format!(
                "two trees: the root of {} holds {} entries, that of {view} holds {shown}",
                other.view, other.entries
            ));
        }
    }

    /// The file system to show: the one asked for, or the one the view rule finds.
    ///
    /// # Errors
    /// The view that was asked for is not on the disc or cannot be opened; or, where none was,
    /// what remains is a stub beside a file system that cannot be opened and holds the data.
    pub fn choose(&self, wanted: Option<View>) -> Result<Shown> {
        let (view, reason) = match wanted {
            Some(view) => (view, "asked for".to_owned()),
            None => self.computed_view()?,
        };
        if view == View::All {
            let volume = self.all_views(Vec::new())?;
            return Ok(Shown { view, reason, volume });
        }
        if view == View::Boot {
            return self.boot_images().map(|volume| Shown { view, reason, volume });
        }
        let system = self.systems.iter().find(|system| system.view == view);
        let Some(system) = system else { return Err(self.why_missing(view)) };
        tracing::debug!(%view, reason, "view chosen");
        Ok(Shown { view, reason, volume: system.volume.clone() })
    }

    fn computed_view(&self) -> Result<(View, String)> {
        let (view, reason) =
            view::choose(&self.candidates).ok_or(Error::Unrecognised(foreign::Foreign::Unknown))?;
        let is_stub = self.candidates.iter().any(|c| c.view == view && c.is_stub());
        // The trees of ISO 9660 name the same files: one that is damaged hides none.
        let may_hide = |refused: &&(View, Error)| !(refused.0.is_iso() && view.is_iso());
        match self.refused.iter().find(may_hide) {
            Some((refused, _)) if is_stub => Err(self.why_missing(*refused)),
            _ => Ok((view, reason)),
        }
    }

    /// Why a view cannot be shown, in an error of its own.
    fn why_missing(&self, view: View) -> Error {
        match self.refused.iter().find(|(refused, _)| *refused == view) {
            Some((_, error)) => error.repeated(),
            None => Error::NoSuchView(view),
        }
    }

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

    /// The image's bytes, counters and findings.
    #[must_use]
    pub fn disc(&self) -> &Disc {
        &self.disc
    }

    /// What a computer could start from the disc.
    ///
    /// # Errors
    /// What is wrong with the boot catalogue.
    pub fn boot_files(&self) -> Result<Vec<BootFile>> {
        boot_files(&self.disc, self.boot_catalog)
    }

    /// The images a computer could start from, as files.
    ///
    /// # Errors
    /// `NoSuchView` where there is no catalogue, or what is wrong with it.
    pub fn boot_images(&self) -> Result<Arc<dyn Volume>> {
        let catalog = self.boot_catalog.ok_or(Error::NoSuchView(View::Boot))?;
        boot_volume(&self.disc, catalog)
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
            let disc = self.disc.clone();
            let open = move || boot_volume(&disc, catalog);
            slots.push(view(View::Boot.name().to_owned(), Box::new(open)));
        }
        for session in self.sessions.iter().copied().filter(|_| self.sessions.len() > 1) {
            let (medium, sessions, charset) =
                ((self.disc.clone(), self.caches.clone()), self.sessions.clone(), self.charset);
            let open = move || {
                let image = Self::of_session(medium.clone(), sessions.clone(), session, charset)?;
                Ok(image.choose(None)?.volume)
            };
            slots.push(view(format!("session{}", session.number), Box::new(open)));
        }
        slots.push(Slot { name: "disc.iso".to_owned(), content: Content::Disc });
        let told = reports.into_iter();
        slots.extend(told.map(|(name, report)| Slot { name, content: Content::Told(report) }));
        let label = self.choose(None).map(|shown| shown.volume.facts().label.clone());
        let views =
            AllViews::new(self.disc.clone(), &self.caches, label.unwrap_or_default(), slots)?;
        Ok(Arc::new(views))
    }

    /// The partitions of a disc that can also be used as a disk.
    #[must_use]
    pub fn partitions(&self) -> Vec<Partition> {
        partitions(&self.disc)
    }

    /// Bytes that the file systems claim to span and the image lacks, with the claim; nothing for
    /// a whole image.
    #[must_use]
    pub fn truncation(&self) -> Option<(u64, u64)> {
        let facts = self.systems.iter().map(|system| system.volume.facts());
        let claimed = facts.map(|facts: &Facts| facts.volume_bytes).max()?;
        let missing = claimed.checked_sub(self.disc.len()).filter(|missing| *missing > 0)?;
        Some((missing, claimed))
    }
}

/// The images of the boot catalogue in a sector, as files.
fn boot_volume(disc: &Arc<Disc>, catalog: u32) -> Result<Arc<dyn Volume>> {
    Ok(Arc::new(BootVolume::open(disc.clone(), Some(catalog))?))
}

/// The session that was asked for.
fn chosen(sessions: &[Session], choice: SessionChoice) -> Result<Session> {
    let found = match choice {
        SessionChoice::First => sessions.first(),
        SessionChoice::Last => sessions.last(),
        SessionChoice::Number(wanted) => sessions.iter().find(|s| s.number == wanted),
    };
    found.copied().ok_or(Error::NoSuchSession(sessions.len()))
}

/// The place of a view in `View::ALL`.
fn preference(view: View) -> usize {
    View::ALL.iter().position(|other| *other == view).unwrap_or(usize::MAX)
}
