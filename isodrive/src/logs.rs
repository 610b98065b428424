//! Where log lines go: standard error in the foreground, the journal or syslog of the machine for
//! mounts in the background, a file where one was asked for, the supervisor for its worker.
//! Decides nothing that is logged.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::quoted;

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
    #[cfg(unix)]
    Supervisor,
}

/// Whether paths and names stay out of the log.
static REDACTED: AtomicBool = AtomicBool::new(false);

/// Begins to log: nothing at level 0, damage at 1, decisions at 2, requests at 3.
pub(crate) fn start(level: u8, sink: Sink<'_>, redact: bool) -> Outcome {
    REDACTED.store(redact, Ordering::Relaxed);
    let least = match (level, sink) {
        (0, Sink::Terminal) => "off",
        (1, Sink::Terminal) => "warn",
        (0 | 1, _) => "info",
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
        #[cfg(unix)]
        Sink::Supervisor => crate::unix::worker_log::layer(layer),
        Sink::File(path) => {
            let file = open(path)?;
            layer.with_writer(Mutex::new(file)).with_ansi(false).compact().boxed()
        }
        Sink::Machine => match crate::system::machine_log::layer(layer) {
            Some(layer) => layer,
            None => return Ok(()),
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

/// A path of this machine or a name from a disc, as the log may have it.
pub(crate) fn path(path: &Path) -> String {
    if REDACTED.load(Ordering::Relaxed) { "(redacted)".to_owned() } else { quoted(path) }
}
