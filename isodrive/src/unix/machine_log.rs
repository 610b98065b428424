//! Where the machine keeps the log lines of mounts in the background: the journal, else syslog.
//! Finds the way there; decides nothing that is logged.

use std::path::Path;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt;
use tracing_subscriber::registry::LookupSpan;

/// Name under which lines stand in the journal.
const IDENTIFIER: &str = "isodrive";

/// The way of lines into what the machine keeps; nothing where it keeps none. `lines` is how a
/// line looks where it is text.
pub(crate) fn layer<S>(lines: fmt::Layer<S>) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if let Ok(journal) = tracing_journald::layer() {
        return Some(journal.with_syslog_identifier(IDENTIFIER.to_owned()).boxed());
    }
    let lines = lines.with_level(false).without_time();
    Some(lines.with_writer(syslog()?).with_ansi(false).compact().boxed())
}

fn syslog() -> Option<syslog_tracing::Syslog> {
    let name = std::ffi::CString::new(IDENTIFIER).ok()?;
    let (options, facility) = (syslog_tracing::Options::LOG_PID, syslog_tracing::Facility::Daemon);
    Path::new("/dev/log").exists().then(|| syslog_tracing::Syslog::new(name, options, facility))?
}
