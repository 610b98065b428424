//! What people see: output, warnings and failures.
//! The only place that prints.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::exit::{Exit, Failure, Outcome};
pub(crate) use crate::shown::{
    escape_edges, harmless, is_hidden, path_shown, push_harmless, quoted, shown, size,
};

/// Standard output and standard error of a command.
pub(crate) struct Terminal {
    out: io::BufWriter<io::Stdout>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        Self { out: io::BufWriter::with_capacity(64 << 10, io::stdout()) }
    }

    /// Where results go.
    pub(crate) fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Sends what was written on its way.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.out.flush().map_err(|error| output_failed(&error))
    }

    /// A line on standard error that begins with `warning`.
    pub(crate) fn warn(&mut self, message: &str, lines: &[String]) {
        Self::warning(message, lines);
    }

    /// The same, where nobody has the terminal at hand.
    pub(crate) fn warning(message: &str, lines: &[String]) {
        let mut text = format!("warning: {}\n", harmless(message));
        for line in lines {
            let _ = writeln!(text, "  {}", harmless(line));
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// A line on standard error that begins with `note`.
    #[cfg(windows)]
    pub(crate) fn note(&mut self, message: &str) {
        let _ = io::stderr().write_all(format!("note: {}\n", harmless(message)).as_bytes());
    }

    /// A line on standard error, for a person who watches.
    pub(crate) fn say(&mut self, message: &str) {
        let _ = io::stderr().write_all(format!("{message}\n").as_bytes());
    }

    /// Whether a person watches standard error.
    pub(crate) fn is_watched() -> bool {
        io::stderr().is_terminal()
    }

    /// Prints what the parser of the command line says and gives the exit code. An error repeats
    /// words that may be names of files; only its own newlines stay.
    pub(crate) fn end_unparsed(self, error: &clap::Error) -> ExitCode {
        if !error.use_stderr() {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        let text = error.render().to_string();
        for line in text.lines() {
            let _ = io::stderr().write_all(format!("{}\n", harmless(line)).as_bytes());
        }
        Exit::Usage.into()
    }

    /// Prints a failure and gives the exit code.
    pub(crate) fn end(mut self, outcome: Outcome) -> ExitCode {
        let outcome = outcome.and_then(|()| self.flush());
        let _ = self.out.flush();
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                if !failure.is_reported {
                    let _ = io::stderr().write_all(text_of(&failure).as_bytes());
                }
                failure.exit.into()
            }
        }
    }
}

/// A failure as it is printed.
fn text_of(failure: &Failure) -> String {
    let mut text = format!("error: {}\n", harmless(&failure.message));
    for (label, line) in &failure.lines {
        let _ = writeln!(text, "  {:<7} {}", harmless(label), harmless(line));
    }
    text
}

/// Standard output could not be written. A reader that went away (`| head`) is no news.
pub(crate) fn output_failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::reported(Exit::Other);
    }
    Failure::io(Exit::Other, "cannot write to standard output", error)
}
