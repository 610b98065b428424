//! Where log lines go: standard error in the foreground, the journal or syslog of the machine for
//! mounts in the background, a file where one was asked for, the supervisor for its worker.
//! Decides nothing that is logged.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::{harmless, quoted};

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sink<'a> {
    /// Standard error.
    Terminal,
    /// What the machine keeps: the journal, else syslog, else nothing.
    Machine,
    /// A file, added to.
    File(&'a Path),
    /// The supervisor, which reads standard error.
    Supervisor,
}

/// Whether paths and names stay out of the log.
static REDACTED: AtomicBool = AtomicBool::new(false);

/// Name under which lines stand in the journal.
const IDENTIFIER: &str = "isodrive";

/// Begins to log: nothing at level 0, damage at 1, decisions at 2, requests at 3.
pub(crate) fn start(level: u8, sink: Sink<'_>, redact: bool) -> Outcome {
    REDACTED.store(redact, Ordering::Relaxed);
    let least = match (level, sink) {
        (0, Sink::Terminal) => "off",
        (0 | 1, Sink::Machine | Sink::File(_) | Sink::Supervisor) => "info",
        (1, Sink::Terminal) => "warn",
        (2, _) => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("ISODRIVE_LOG").unwrap_or_else(|_| EnvFilter::new(least));
    let layer = tracing_subscriber::fmt::layer().with_target(false);
    let chosen: Box<dyn Layer<_> + Send + Sync> = match sink {
        Sink::Terminal => {
            let colours = io::stderr().is_terminal();
            layer.with_writer(io::stderr).with_ansi(colours).compact().boxed()
        }
        Sink::Supervisor => layer.event_format(ForSupervisor).with_writer(io::stderr).boxed(),
        Sink::File(path) => {
            let file = open(path)?;
            layer.with_writer(Mutex::new(file)).with_ansi(false).compact().boxed()
        }
        Sink::Machine => match tracing_journald::layer() {
            Ok(journal) => journal.with_syslog_identifier(IDENTIFIER.to_owned()).boxed(),
            Err(_) => match syslog() {
                Some(log) => {
                    let layer = layer.with_level(false).without_time();
                    layer.with_writer(log).with_ansi(false).compact().boxed()
                }
                None => return Ok(()),
            },
        },
    };
    let _ = tracing_subscriber::registry().with(filter).with(chosen).try_init();
    Ok(())
}

fn open(path: &Path) -> Result<File, Failure> {
    File::options().append(true).create(true).open(path).map_err(|error| {
        Failure::io(Exit::Other, format!("cannot write the log file {}", quoted(path)), &error)
    })
}

fn syslog() -> Option<syslog_tracing::Syslog> {
    let name = std::ffi::CString::new(IDENTIFIER).ok()?;
    let (options, facility) = (syslog_tracing::Options::LOG_PID, syslog_tracing::Facility::Daemon);
    Path::new("/dev/log").exists().then(|| syslog_tracing::Syslog::new(name, options, facility))?
}

/// A path of this machine or a name from a disc, as the log may have it.
pub(crate) fn path(path: &Path) -> String {
    if REDACTED.load(Ordering::Relaxed) { "(redacted)".to_owned() } else { quoted(path) }
}

/// A line for the supervisor: the level as one letter, then the text.
struct ForSupervisor;

impl<S, N> FormatEvent<S, N> for ForSupervisor
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let letter = event.metadata().level().as_str().get(..1).unwrap_or("E");
        let mut text = String::new();
        context.format_fields(Writer::new(&mut text), event)?;
        writeln!(writer, "{letter} {}", text.replace('\n', " "))
    }
}

/// Logs a line that a worker wrote. What did not come from its log is the last word of a process
/// that broke down.
pub(crate) fn pass_on(line: &str) {
    let (level, text) = match line.split_at_checked(2) {
        Some(("E ", text)) => (Level::ERROR, text),
        Some(("W ", text)) => (Level::WARN, text),
        Some(("I ", text)) => (Level::INFO, text),
        Some(("D ", text)) => (Level::DEBUG, text),
        Some(("T ", text)) => (Level::TRACE, text),
        _ => (Level::ERROR, line),
    };
    // Escapes that the worker made itself stay single.
    let text = harmless(text);
    match level {
        Level::ERROR => tracing::error!("{text}"),
        Level::WARN => tracing::warn!("{text}"),
        Level::INFO => tracing::info!("{text}"),
        Level::DEBUG => tracing::debug!("{text}"),
        _ => tracing::trace!("{text}"),
    }
}
