//! Where an image came from, as Windows keeps it beside the file: its stream `Zone.Identifier`.
//! Reads and writes that stream; invents nothing.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use windows_view::ZONE_STREAM;

/// Bytes of such a stream at most; Windows itself writes a few hundred.
const MAX_BYTES: u64 = 64 << 10;

/// What is kept of where `image` came from, if anything is.
pub(crate) fn of(image: &Path) -> Option<Vec<u8>> {
    let mut zone = Vec::new();
    let file = std::fs::File::open(stream(image)).ok()?;
    file.take(MAX_BYTES).read_to_end(&mut zone).ok()?;
    (!zone.is_empty()).then_some(zone)
}

/// Marks a file that was copied out of an image as the image is marked.
pub(crate) fn mark(file: &Path, zone: &[u8]) -> io::Result<()> {
    std::fs::write(stream(file), zone)
}

fn stream(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(":");
    path.push(ZONE_STREAM);
    path.into()
}
