//! Which file system of an image is shown, and what a person learns of the others.
//! Applies the view rule to what `opening` found; reads what the rule weighs.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::foreign::Foreign;
use crate::iso9660::SECTOR_BYTES;
use crate::view::{self, Candidate, STUB_BYTES, View};
use crate::volume::{Dir, Volume};

use super::below::{self, Blocks, Side};
use super::survey::{contents, extents};
use super::{Image, Shown, System};

impl Image {
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
            view::choose(&self.candidates).ok_or(Error::Unrecognised(Foreign::Unknown))?;
        // The trees of ISO 9660 name the same files: one that is damaged hides none.
        let may_hide = |refused: &&(View, Error)| !(refused.0.is_iso() && view.is_iso());
        match self.refused.iter().find(may_hide) {
            Some((refused, _)) if self.is_mere_note(view) => Err(self.why_missing(*refused)),
            _ => Ok((view, self.with_refused(reason))),
        }
    }

    /// A reason that tells of the file systems that cannot be opened too.
    fn with_refused(&self, reason: String) -> String {
        if self.refused.is_empty() {
            return reason;
        }
        let lost = self.refused.iter().map(|(view, _)| format!("{view} cannot be opened"));
        let lost = lost.collect::<Vec<_>>().join("; ");
        match self.candidates.len() {
            1 => format!("the only file system that can be opened; {lost}"),
            _ => format!("{reason}; {lost}"),
        }
    }

    /// Whether a view is empty, or holds little and asks for a reader of UDF.
    fn is_mere_note(&self, view: View) -> bool {
        let is_little = self.candidates.iter().any(|c| c.view == view && c.contents.is_little());
        let system = self.systems.iter().find(|system| system.view == view);
        let volume = system.filter(|_| is_little).map(|system| &system.volume);
        let root = volume.and_then(|volume| volume.read_names(volume.root()).ok());
        let (Some(volume), Some(root)) = (volume, root) else { return false };
        root.is_empty() || asks_for_udf(&**volume, &root)
    }

    /// Why a view cannot be shown, in an error of its own.
    fn why_missing(&self, view: View) -> Error {
        match self.refused.iter().find(|(refused, _)| *refused == view) {
            Some((_, error)) => error.repeated(),
            None => Error::NoSuchView(view),
        }
    }

    /// Weighs the roots against each other, where there are several.
    pub(super) fn weigh_roots(&mut self) {
        if self.systems.len().saturating_add(self.refused.len()) < 2 {
            return;
        }
        let boot_catalog =
            self.boot_catalog.map(|sector| u64::from(sector).saturating_mul(SECTOR_BYTES));
        let mut read = BTreeSet::new();
        for candidate in &mut self.candidates {
            let system = self.systems.iter().find(|system| system.view == candidate.view);
            let Some(volume) = system.map(|system| &system.volume) else { continue };
            let Ok(root) = volume.read_names(volume.root()) else { continue };
            // Data that Rock Ridge says is packed lies where that of the plain tree lies.
            let has_places = candidate.view != View::RockRidge;
            candidate.contents = contents(&**volume, &root, boot_catalog, has_places, &mut read);
        }
        let plain = self.candidates.iter().find(|c| c.view == View::Iso9660);
        let Some(plain) = plain.map(|plain| plain.contents.clone()) else { return };
        if let Some(ours) = self.candidates.iter_mut().find(|c| c.view == View::RockRidge) {
            ours.contents.files = plain.files;
            ours.contents.places = plain.places;
        }
        self.weigh_below(read, boot_catalog);
    }

    /// Weighs what lies below the roots of trees that may be shown, where there are several. `read`
    /// are blocks that the roots needed.
    fn weigh_below(&mut self, read: BTreeSet<u64>, boot_catalog: Option<u64>) {
        let may_be_shown = |view: View| {
            let candidate = self.candidates.iter().find(|c| c.view == view);
            candidate.is_some_and(|c| !c.is_stub_among(&self.candidates))
        };
        // Rock Ridge names the records of the plain tree, and is given what is found there.
        // The Macintosh side is compared where UDF does not need the blocks.
        let has_udf = self.systems.iter().any(|system| system.view == View::Udf);
        let is_tree = |view: View| {
            view == View::Udf
                || (view == View::Hfs && !has_udf)
                || (view.is_iso() && view != View::RockRidge)
        };
        let compared = self.systems.iter().filter(|s| is_tree(s.view) && may_be_shown(s.view));
        let compared: Vec<_> = compared.cloned().collect();
        if compared.len() < 2 {
            return;
        }
        let limits = self.medium.disc.limits();
        let has_two_kinds = compared.iter().any(|system| !system.view.is_iso());
        let left = if has_two_kinds { limits.compared_blocks } else { 0 };
        let mut blocks = Blocks { known: read, left };
        for volume in compared.iter().map(|system| &system.volume) {
            blocks.know((volume.place_of(volume.root()), 1));
            volume.dir_span(volume.root()).into_iter().for_each(|span| blocks.know(span));
        }
        let side = |system: &System| (system.volume.clone(), system.view.is_iso());
        let sides: Vec<_> = compared.iter().map(side).collect();
        let sides: Vec<Side<'_>> = sides
            .iter()
            .map(|(volume, has_extents)| Side { volume: &**volume, has_extents: *has_extents })
            .collect();
        let (found, is_part) = below::compare(&sides, blocks, boot_catalog, STUB_BYTES);
        self.is_compared_in_part = is_part;
        for (system, below) in compared.iter().zip(found) {
            let is_of = |c: &&mut Candidate| {
                let is_its_plain = c.view == View::RockRidge && system.view == View::Iso9660;
                c.view == system.view || is_its_plain
            };
            for candidate in self.candidates.iter_mut().filter(is_of) {
                candidate.contents.below = Some(below.clone());
            }
        }
    }

    /// Notes that a later session was copied without those before it, by the files of the root that
    /// lie there.
    pub(super) fn note_missing_sessions(&self) {
        let begin = self.medium.disc.begin();
        let Some(system) = self.systems.iter().find(|system| system.view.is_iso()) else { return };
        let volume = &*system.volume;
        let root = if begin > 0 { volume.read_names(volume.root()).ok() } else { None };
        let Some(root) = root else { return };
        let extent_of = extents(volume, volume.root());
        let extents = root.iter().filter_map(|entry| extent_of(entry.node));
        let (lost, files) = extents.fold((0usize, 0usize), |(lost, files), (at, _)| {
            (lost.saturating_add(usize::from(at < begin)), files.saturating_add(1))
        });
        if lost > 0 {
            self.medium.disc.findings().note(format!(
                "the image looks like a later session of a disc, copied without the earlier \
                 sessions: {lost} of the {files} files in its root lie in those and cannot be \
                 read; isodrive tree names all such files"
            ));
        }
    }

    /// Notes trees whose roots differ: a disc may show one to one system and another to the next.
    pub(super) fn note_differences(&self) {
        let Some((view, _)) = view::choose(&self.candidates) else { return };
        for (other, difference) in view::differing(view, &self.candidates) {
            self.medium.disc.findings().note_harmless(format!(
                "two trees: {difference}; --view {} shows the other",
                other.name()
            ));
        }
    }
}

/// Whether a file of a root that holds little says that the disc is to be read as UDF. The name of
/// the format is the same in all languages.
fn asks_for_udf(volume: &dyn Volume, root: &Dir) -> bool {
    let limits = volume.disc().limits();
    root.iter().take(limits.note_files).any(|entry| {
        let is_short = volume.attr(entry.node).is_ok_and(|attr| attr.size <= STUB_BYTES);
        let mut text = vec![0; limits.note_bytes];
        if !is_short || volume.read_into(entry.node, 0, &mut text).is_err() {
            return false;
        }
        // UTF-16 is the same word with zeros between.
        let plain: Vec<u8> = text.iter().copied().filter(|byte| *byte != 0).collect();
        plain.windows(3).any(|word| word == b"UDF")
    })
}
