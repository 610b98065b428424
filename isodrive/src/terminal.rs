//! What people see: output, messages, and names from discs made harmless for a terminal.
//! The only place that prints.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::exit::{Exit, Failure, Outcome};

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
        let mut text = format!("warning: {message}\n");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// A line on standard error that begins with `note`.
    #[cfg(windows)]
    pub(crate) fn note(&mut self, message: &str) {
        let _ = io::stderr().write_all(format!("note: {message}\n").as_bytes());
    }

    /// Whether a person watches standard error.
    pub(crate) fn is_watched() -> bool {
        io::stderr().is_terminal()
    }

    /// Prints a failure and gives the exit code.
    pub(crate) fn end(mut self, outcome: Outcome) -> ExitCode {
        let outcome = outcome.and_then(|()| self.flush());
        let _ = self.out.flush();
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                if !failure.is_told {
                    let _ = io::stderr().write_all(told(&failure).as_bytes());
                }
                failure.exit.into()
            }
        }
    }
}

/// A failure as it is printed.
fn told(failure: &Failure) -> String {
    let mut text = format!("error: {}\n", failure.message);
    for (label, line) in &failure.lines {
        let _ = writeln!(text, "  {label:<7} {line}");
    }
    text
}

/// Standard output could not be written. A reader that went away (`| head`) is no news.
pub(crate) fn output_failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::told(Exit::Other);
    }
    Failure::io(Exit::Other, "cannot write to standard output", error)
}

/// A name from a disc for a terminal: what could move the cursor, hide or turn text around, or
/// would not be seen, is escaped.
pub(crate) fn shown(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' { text.push_str("\\\\") } else { push_harmless(&mut text, c) }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    escape_edges(text)
}

/// Text of another process, made harmless for a terminal. What it escaped itself stays as it is.
#[cfg(unix)]
pub(crate) fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut harmless, c| {
        push_harmless(&mut harmless, c);
        harmless
    })
}

fn push_harmless(text: &mut String, c: char) {
    if c.is_control() || turns_text(c) { text.extend(c.escape_default()) } else { text.push(c) }
}

/// A path of this machine, quoted, for messages.
pub(crate) fn quoted(path: &Path) -> String {
    format!("\"{}\"", path_shown(path.as_os_str().as_encoded_bytes()))
}

/// A path of this machine, without quotes. Where backslashes part its names, they stay single.
pub(crate) fn path_shown(path: &[u8]) -> String {
    let shown = shown(path);
    if std::path::MAIN_SEPARATOR == '\\' { shown.replace("\\\\", "\\") } else { shown }
}

/// Characters that change the direction of what follows or show nothing.
const fn turns_text(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{FEFF}' | '\u{200B}'..='\u{200F}')
        || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Blanks at either end, which nobody sees, escaped.
fn escape_edges(text: String) -> String {
    let inner = text.trim_matches(char::is_whitespace);
    if inner.len() == text.len() {
        return text;
    }
    let escape =
        |blanks: &str| -> String { blanks.chars().flat_map(char::escape_unicode).collect() };
    match text.split_once(inner) {
        Some((before, after)) if !inner.is_empty() => {
            format!("{}{inner}{}", escape(before), escape(after))
        }
        _ => escape(&text),
    }
}

/// A number of bytes for people, as in `3.1 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    for (unit, shift) in UNITS {
        let tenths = (u128::from(bytes).saturating_mul(10)) >> shift;
        if tenths >= 10 {
            return format!(
                "{}.{} {unit}",
                tenths.checked_div(10).unwrap_or(0),
                tenths.checked_rem(10).unwrap_or(0)
            );
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_act_on_a_terminal() {
        for (name, want) in [
            (&b"plain name.txt"[..], "plain name.txt"),
            ("caf\u{e9} \u{1f600}".as_bytes(), "caf\u{e9} \u{1f600}"),
            (b"\x1b[2Jgone", "\\u{1b}[2Jgone"),
            (b"a\nb\x7f", "a\\nb\\u{7f}"),
            ("a\u{202e}b\u{9b}".as_bytes(), "a\\u{202e}b\\u{9b}"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"a\\b", "a\\\\b"),
            (b" x ", "\\u{20}x\\u{20}"),
            (b"  ", "\\u{20}\\u{20}"),
        ] {
            assert_eq!(shown(name), want);
        }
    }

    #[test]
    fn sizes_have_one_decimal() {
        for (bytes, want) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB"),
            (3_320_903_680, "3.0 GiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            let shown = size(bytes);
            assert!(shown == want || bytes == u64::MAX && shown.ends_with(" TiB"), "{shown}");
        }
    }
}
