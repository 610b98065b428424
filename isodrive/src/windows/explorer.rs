//! What Explorer shows of a drive beside what WinFsp tells it: its icon, by a key of this user
//! that is gone with the session. Writes and removes that key alone.

use mount_winfsp::Appearing;
use mount_winfsp::shell::tell_of_place;
use windows_registry::{CURRENT_USER, Type};

use super::place::{letter, root};
use super::registry::{Found, Own};

/// Where Explorer looks for the icons of drives.
const DRIVES: &str = "Software\\Classes\\Applications\\Explorer.exe\\Drives";

/// The icon of a CD, which Windows has. The disc's own, named by its `autorun.inf`, is left to
/// Explorer: a picture may be shown, and nothing of the disc is run.
const ICON: &str = "%SystemRoot%\\System32\\shell32.dll,11";

/// The icon is there before the drive is: Explorer asks once, as it hears of the drive.
pub(super) const ICON_FIRST: Appearing = Appearing { prepare: set_icon, undo: take_icon };

fn icon(at: &str) -> Option<Own> {
    let letter = letter(at)?;
    Some(Own {
        key: format!("{DRIVES}\\{letter}\\DefaultIcon"),
        name: "",
        kind: Type::ExpandString,
        text: ICON.to_owned(),
        is_ours: |text| text == ICON,
    })
}

/// Gives the drive at a letter the icon of a disc, unless somebody chose one for that letter.
/// Whether this was done.
fn set_icon(at: &str) -> bool {
    let Some(icon) = icon(at) else { return false };
    match icon.write_for_session(DRIVES) {
        Ok(found) => {
            tracing::debug!(at, ?found, "the icon of the drive");
            found == Found::Nothing
        }
        Err(error) => {
            tracing::debug!(%error, "the drive has no icon of its own");
            false
        }
    }
}

/// The letters that have an icon of ours.
pub(super) fn letters_with_icon() -> Vec<char> {
    let Ok(keys) = CURRENT_USER.open(DRIVES) else { return Vec::new() };
    let letters = keys.keys().into_iter().flatten().filter_map(|key| letter(&format!("{key}:")));
    let has_ours = |letter: &char| {
        let found = icon(&format!("{letter}:")).map(|icon| icon.found());
        matches!(found, Some(Ok(Found::Ours)))
    };
    letters.filter(has_ours).collect()
}

/// Has Explorer look at a drive that is there now: it may remember the letter with another icon.
pub(super) fn look_anew(at: &str) {
    if letter(at).is_some() {
        tell_of_place(&root(at).to_string_lossy());
    }
}

/// Takes the icon of a drive away that is gone.
pub(super) fn remove_icon(at: &str) {
    take_icon(at);
    look_anew(at);
}

fn take_icon(at: &str) {
    if let Some(Err(error)) = icon(at).map(|icon| icon.remove()) {
        tracing::debug!(%error, "the icon of the drive stays");
    }
}
