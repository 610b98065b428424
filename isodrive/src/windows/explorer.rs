//! What Explorer shows of a drive beside what WinFsp tells it: its icon, by a key of this user.
//! Writes and removes that key alone.

use windows_registry::CURRENT_USER;

use super::place::letter;

/// Where Explorer looks for the icons of drives.
const DRIVES: &str = "Software\\Classes\\Applications\\Explorer.exe\\Drives";

/// The icon of a CD, which Windows has. The disc's own, named by its `autorun.inf`, is left to
/// Explorer: a picture may be shown, and nothing of the disc is run.
const ICON: &str = "%SystemRoot%\\System32\\shell32.dll,11";

/// Gives the drive at a letter the icon of a disc.
pub(super) fn set_icon(at: &str) -> windows_registry::Result<()> {
    let Some(letter) = letter(at) else { return Ok(()) };
    let key = CURRENT_USER.create(format!("{DRIVES}\\{letter}\\DefaultIcon"))?;
    key.set_expand_string("", ICON)
}

/// Takes the icon away again.
pub(super) fn remove_icon(at: &str) {
    if let (Some(letter), Ok(drives)) = (letter(at), CURRENT_USER.create(DRIVES)) {
        let _ = drives.remove_tree(letter.to_string());
    }
}
