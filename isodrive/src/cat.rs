//! `isodrive cat`: files of an image on standard output.
//! Bytes go out as they are, or not at all.

use std::borrow::Cow;
use std::io::Write;

use iso_core::volume::{NodeId, Volume};

use crate::cli::Cat;
use crate::exit::Outcome;
use crate::image;
use crate::losses::Losses;
use crate::ls::{find, unreadable};
use crate::terminal::{Terminal, output_failed};

/// Bytes read and written at a time.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

pub(crate) fn run(arguments: &Cat, terminal: &mut Terminal) -> Outcome {
    let (_image, shown) = image::open_shown(&arguments.image, terminal)?;
    let volume = &*shown.volume;
    let mut losses = Losses::default();
    for path in &arguments.paths {
        let node = find(&shown.volume, path)?;
        copy(volume, node, &mut |bytes| {
            terminal.out().write_all(&bytes).map_err(|error| output_failed(&error))
        })
        .map_err(|stopped| match stopped {
            Stopped::Reading(error) => unreadable(path, &error),
            Stopped::Writing(failure) => failure,
        })?;
        if volume.is_cut(node) {
            losses.cut(path.as_encoded_bytes());
        }
    }
    terminal.flush()?;
    losses.outcome("file could not be read", "files could not be read")
}

/// Why a copy ended early.
pub(crate) enum Stopped<E> {
    /// The image could not be read.
    Reading(iso_core::Error),
    /// The bytes could not be written.
    Writing(E),
}

/// What takes the bytes of a file, a piece at a time.
pub(crate) type Take<'w, E> = dyn FnMut(Cow<'_, [u8]>) -> Result<(), E> + 'w;

/// Hands all bytes of a file on, in order. They may belong to a map of the image, so `write` must
/// pass them to the kernel without looking at them.
pub(crate) fn copy<E>(
    volume: &dyn Volume,
    node: NodeId,
    write: &mut Take<'_, E>,
) -> Result<u64, Stopped<E>> {
    let mut offset = 0u64;
    loop {
        let bytes = volume.read(node, offset, CHUNK_BYTES).map_err(Stopped::Reading)?;
        if bytes.is_empty() {
            return Ok(offset);
        }
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let handed = if let Cow::Borrowed(mapped) = bytes { Some(mapped) } else { None };
        write(bytes).map_err(Stopped::Writing)?;
        if handed.is_some() {
            // The image may have changed under the map while it was written from.
            volume.disc().confirm(handed).map_err(Stopped::Reading)?;
        }
        offset = offset.saturating_add(len);
    }
}
