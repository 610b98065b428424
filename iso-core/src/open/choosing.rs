//! Which file system of an image is shown, and what a person learns of the others.
//! Applies the view rule to what `opening` found; reads nothing.

use crate::error::{Error, Result};
use crate::foreign;
use crate::view::{self, Candidate, View};

use super::{Image, Shown};

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

    /// Notes trees whose roots differ: a disc may show one to one system and another to the next.
    /// A stub that only points to the other tree is none, and Rock Ridge hides what it relocates.
    pub(super) fn note_differences(&self) {
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
}
