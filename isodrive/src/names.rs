//! Names of an image as people meet them on Windows: a path typed as a drive shows it is found, and
//! a listing can tell how a drive would show each name. The same on every system.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::sync::Arc;

use iso_core::volume::{NodeId, Volume, resolve};
use windows_view::{Choices, Tree};

use crate::terminal::{escape_edges, push_harmless};

/// The path in the image that a person means: as it is recorded, or else as a drive of Windows
/// would show it.
pub(crate) fn meant(volume: &Arc<dyn Volume>, path: &OsStr) -> Vec<u8> {
    let typed = path.as_encoded_bytes();
    if resolve(&**volume, typed, true).is_ok() {
        return typed.to_vec();
    }
    let separators: &[u8] = if cfg!(windows) { b"/\\" } else { b"/" };
    let parts = typed.split(|byte| separators.contains(byte));
    let units = parts.map(|part| {
        let text = String::from_utf8_lossy(part);
        text.encode_utf16().collect::<Vec<u16>>()
    });
    let shown = units.collect::<Vec<_>>().join(&u16::from(b'\\'));
    let recorded = Tree::new(volume.clone(), Choices::default()).recorded_path(&shown).join(&b'/');
    let is_there = resolve(&**volume, &recorded, true).is_ok();
    if is_there { recorded } else { typed.to_vec() }
}

/// How a drive of Windows shows what is below a directory.
pub(crate) struct OnWindows {
    tree: Tree,
    from: NodeId,
}

impl OnWindows {
    /// The names below `from`.
    pub(crate) fn new(volume: Arc<dyn Volume>, from: NodeId) -> Self {
        Self { tree: Tree::new(volume, Choices::default()), from }
    }

    /// The name that is shown for the last part of a path, where it is another than is recorded.
    pub(crate) fn other_name(&self, path: &[u8]) -> Option<Vec<u16>> {
        let shown = self.tree.shown_path(self.from, path)?.pop()?;
        let recorded = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_same = std::str::from_utf8(recorded)
            .is_ok_and(|text| text.encode_utf16().eq(shown.iter().copied()));
        (!is_same).then_some(shown)
    }
}

/// A name for a terminal, escaped as other names are; stand-ins by their numbers too, since no font
/// has them.
pub(crate) fn written(name: &[u16]) -> String {
    let mut text = String::new();
    for decoded in char::decode_utf16(name.iter().copied()) {
        match decoded {
            Ok(c @ '\u{F000}'..='\u{F0FF}') => text.extend(c.escape_unicode()),
            Ok(c) => push_harmless(&mut text, c),
            Err(lone) => {
                let _ = write!(text, "\\u{{{:x}}}", lone.unpaired_surrogate());
            }
        }
    }
    escape_edges(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_written_by_their_numbers() {
        assert_eq!(written(&windows_view::to_windows(b"a:b")), "a\\u{f03a}b");
        assert_eq!(written(&[0xD800]), "\\u{d800}");
        let hostile: Vec<u16> = " f\u{9b}\u{202e}\u{7f}bin".encode_utf16().collect();
        assert_eq!(written(&hostile), "\\u{20}f\\u{9b}\\u{202e}\\u{7f}bin");
    }
}
