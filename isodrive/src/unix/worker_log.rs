//! The log of a worker on its way to its supervisor: a letter for the level, then the text; and
//! what the supervisor makes of such lines, which may come from a process in a stranger's hands.

use std::io;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{self, FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::terminal::harmless;

/// The way of lines to the supervisor, which reads standard error.
pub(crate) fn layer<S>(lines: fmt::Layer<S>) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    lines.event_format(ForSupervisor).with_writer(io::stderr).boxed()
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
