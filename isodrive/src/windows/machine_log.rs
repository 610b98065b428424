//! Where the log lines of drives in the background go: one file in the user's folder for programs,
//! begun anew when it has grown. Decides nothing that is logged.

use std::fs::File;
use std::sync::Mutex;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt;
use tracing_subscriber::registry::LookupSpan;

use super::state;

/// Bytes from which on the file becomes the old one.
const MAX_BYTES: u64 = 1 << 20;

/// The way of lines into the file; nothing where it cannot be written.
pub(crate) fn layer<S>(lines: fmt::Layer<S>) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let folder = state::programs_folder().ok()?;
    std::fs::create_dir_all(&folder).ok()?;
    let path = folder.join("isodrive.log");
    if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_BYTES) {
        let _ = std::fs::rename(&path, folder.join("isodrive.old.log"));
    }
    let file = File::options().append(true).create(true).open(&path).ok()?;
    Some(lines.with_writer(Mutex::new(file)).with_ansi(false).compact().boxed())
}
