//! Finds the file systems of an image; the only place that knows the order in which to look.
//! Reads descriptors and roots, nothing below.

use std::sync::Arc;

use crate::cache::Disc;
use crate::error::{Error, Result, Site};
use crate::foreign::Foreign;
use crate::hfs::{HfsVolume, find_volume};
use crate::identify;
use crate::iso9660::{DescriptorSet, IsoVolume, NameStyle, TreeDescriptor};
use crate::limits::Limits;
use crate::origin;
use crate::session::{Session, SessionChoice, Sessions, by_tables, find_sessions};
use crate::source::Source;
use crate::text::Charset;
use crate::udf::{UdfVolume, find_anchor, recognition_step};
use crate::view::{Candidate, Contents, View};
use crate::volume::{ParsedCaches, Volume};

use super::image::{Medium, Unopened};
use super::{Image, Options, System};

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
        let whole = Arc::new(Disc::new(source, limits));
        let open = |disc: Arc<Disc>| {
            let of_disc = |disc| {
                let (whole, caches) = (whole.clone(), caches.clone());
                Self::of_disc(Medium { disc, whole, caches }, options)
            };
            let nothing = match of_disc(disc.clone()) {
                Err(nothing @ Unopened::Empty { .. }) => nothing,
                opened => return opened,
            };
            let track = origin::track(&disc).map(|track| Arc::new(disc.counted_from(track)));
            track.map_or(Err(nothing), of_disc)
        };
        if options.start > 0 {
            let start = origin::at(&whole, options.start).ok_or(Error::NotFound)?;
            return open(Arc::new(whole.counted_from(start))).map_err(Unopened::into_error);
        }
        let nothing = match open(whole.clone()) {
            Err(nothing @ Unopened::Empty { .. }) => nothing,
            opened => return opened.map_err(Unopened::into_error),
        };
        let starts = origin::elsewhere(&whole);
        let tried = starts.iter().map(|start| open(Arc::new(whole.counted_from(*start))));
        let (mut opened, mut refused) = (Vec::new(), Vec::new());
        for image in tried {
            match image {
                Ok(image) => opened.push(image),
                Err(why) => refused.push(why),
            }
        }
        if opened.len() > 1 {
            let starts = opened.iter().filter_map(|image| image.origin().try_into().ok());
            return Err(Error::Unrecognised(Foreign::Inside(starts.collect())));
        }
        let why = refused.into_iter().next().unwrap_or(nothing);
        opened.pop().ok_or_else(|| why.into_error())
    }

    /// Finds the sessions of a disc and the file systems of the one that is wanted.
    fn of_disc(medium: Medium, options: &Options) -> std::result::Result<Self, Unopened> {
        let Sessions { sessions, beside, unread } = find_sessions(&medium.disc);
        if let Some(at) = beside {
            let at = at.saturating_add_signed(medium.disc.origin());
            medium.disc.findings().note_harmless(format!(
                "another volume begins at byte {at}; --image-offset {at} shows it"
            ));
        }
        // Never present an older session as the last one.
        if let Some(error) = unread {
            if options.session == SessionChoice::Last {
                return Err(error.into());
            }
            medium.disc.findings().note_error("there may be more sessions", &error);
        }
        let [only] = sessions.as_slice() else {
            let session = chosen(&sessions, options.session)?;
            return Self::of_session(medium, sessions, session, options.charset);
        };
        // Where there is one, the volume itself may know of earlier states.
        let only = *only;
        let newest = Self::of_session(medium, sessions, only, options.charset)?;
        let sessions = by_tables(only, &newest.tables);
        let session = chosen(&sessions, options.session)?;
        if Some(&session) == sessions.last() {
            return Ok(Self { sessions, session, ..newest });
        }
        Self::of_session(newest.medium, sessions, session, options.charset)
    }

    /// Finds the file systems of one session.
    pub(super) fn of_session(
        medium: Medium,
        sessions: Vec<Session>,
        session: Session,
        charset: Charset,
    ) -> std::result::Result<Self, Unopened> {
        let mut set = DescriptorSet::read(&medium.disc, session.at);
        let mut image = Self {
            medium,
            systems: Vec::new(),
            refused: Vec::new(),
            candidates: Vec::new(),
            boot_catalog: set.boot_catalog,
            sessions,
            session,
            charset,
            tables: Vec::new(),
            is_compared_in_part: false,
        };
        // What stands in the place of the primary descriptor is another one, and all numbers lead
        // to other places.
        let is_odd = set.primary.is_none() && set.recognised && session.at == 0;
        if is_odd && let Some(missing) = identify::missing_head(&image.medium.disc)? {
            return Err(Error::Unrecognised(Foreign::CutHead(missing)).into());
        }
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
            return Err(match set.unread.take() {
                Some(error) => error.into(),
                None => Unopened::Empty { image: Box::new(image), set: Box::new(set) },
            });
        }
        image.weigh_roots();
        image.note_differences();
        image.note_missing_sessions();
        Ok(image)
    }

    fn add_udf(&mut self, is_iso: bool) {
        let at = self.session.at;
        let step = recognition_step(&self.medium.disc, at);
        let anchor = match find_anchor(&self.medium.disc, at, step, is_iso) {
            Ok(Some(anchor)) => anchor,
            Ok(None) if step.is_none() => return,
            Ok(None) => {
                let error = Site::new("volume recognition sequence", "ECMA-167 3/9.1", 32_768)
                    .corrupt("announces UDF, and no anchor is found");
                return self.refuse(View::Udf, error);
            }
            Err(error) => return self.refuse(View::Udf, error),
        };
        if step.is_none() {
            self.medium
                .disc
                .findings()
                .note_harmless("UDF without a volume recognition sequence (ECMA-167 3/9.1)");
        }
        match UdfVolume::open(
            self.medium.disc.clone(),
            &self.medium.caches,
            &anchor,
            self.session.table_at,
        ) {
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
        let Some(found) = find_volume(&self.medium.disc) else { return };
        match HfsVolume::open(self.medium.disc.clone(), &self.medium.caches, &found) {
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
        IsoVolume::open(&self.medium.disc, &self.medium.caches, tree, style, self.charset)
    }

    /// Takes in a file system whose root can be read.
    fn add(&mut self, view: View, volume: Arc<dyn Volume>, has_names: bool) {
        let root = match volume.read_names(volume.root()) {
            Ok(root) => root,
            Err(error) => return self.refuse(view, error),
        };
        // A root that holds anything at all has shown its names; an empty one has none to show.
        let has_names = has_names || root.is_empty();
        let has_modes = volume.attr(volume.root()).is_ok_and(|attr| attr.posix.is_some());
        let contents = Contents::default();
        self.candidates.push(Candidate { view, has_names, has_modes, contents });
        self.systems.push(System { view, volume, root_entries: root.len() });
    }

    fn refuse(&mut self, view: View, error: Error) {
        self.medium.disc.findings().note_error(&format!("{view} is not shown"), &error);
        self.refused.push((view, error));
    }

    /// Why no file system could be opened.
    pub(super) fn why_empty(mut self, set: &DescriptorSet) -> Error {
        let trees = set.primary.iter().chain(&set.joliet).chain(&set.high_sierra);
        let claimed = trees.map(|tree| tree.volume_bytes).max();
        if claimed.is_some_and(|claimed| claimed > self.medium.disc.len()) {
            return Site::new("volume descriptor", "ECMA-119 8.4.8", 32_768).corrupt(
                "leads to a root directory past the end of the image, which was cut short",
            );
        }
        if !self.refused.is_empty() {
            return self.refused.swap_remove(0).1;
        }
        if set.recognised {
            return Site::new("volume descriptor set", "ECMA-119 6.2.1", 32_768)
                .corrupt("holds no usable primary or supplementary descriptor");
        }
        identify::identify(&self.medium.disc).map_or_else(|error| error, Error::Unrecognised)
    }
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
