//! Commands that isodrive prints for people to copy: no shell takes a word of theirs for anything
//! but that word. The only way to print a command with a path or a name in it.

use std::ffi::OsStr;

use crate::shown::is_hidden;

/// A command to print: fixed words, then operands that come from elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct ShellCommand {
    words: &'static str,
    /// `None` for an operand that no word can express.
    operands: Vec<Option<String>>,
    needs_dashes: bool,
}

impl ShellCommand {
    /// A command of fixed words, as in `isodrive eject --lazy`.
    pub(crate) const fn new(words: &'static str) -> Self {
        Self { words, operands: Vec::new(), needs_dashes: false }
    }

    /// Adds an operand: a path, a name or a number.
    pub(crate) fn operand(mut self, operand: impl AsRef<OsStr>) -> Self {
        let bytes = operand.as_ref().as_encoded_bytes();
        self.needs_dashes |= bytes.first() == Some(&b'-');
        self.operands.push(shell_word(bytes));
        self
    }

    /// The command, on one line; nothing where an operand cannot be expressed.
    pub(crate) fn text(&self) -> Option<String> {
        let mut text = self.words.to_owned();
        if self.needs_dashes {
            text.push_str(" --");
        }
        for operand in &self.operands {
            text.push(' ');
            text.push_str(operand.as_deref()?);
        }
        Some(text)
    }

    /// The command at the end of a line that begins with fixed words.
    #[cfg(unix)]
    pub(crate) fn after(&self, words: &'static str) -> Advice {
        Advice(self.text().map(|text| format!("{words}  {text}")))
    }
}

/// What to do: fixed words or a command, so that nothing of a disc or a path stands in it
/// unquoted. Nothing where the command cannot be expressed.
#[derive(Debug, Clone)]
pub(crate) struct Advice(Option<String>);

impl Advice {
    /// Its text, if it has one.
    pub(crate) fn text(self) -> Option<String> {
        self.0
    }
}

impl From<&'static str> for Advice {
    fn from(words: &'static str) -> Self {
        Self(Some(words.to_owned()))
    }
}

impl From<ShellCommand> for Advice {
    fn from(command: ShellCommand) -> Self {
        Self(command.text())
    }
}

/// One word of a command line for the shells of this system; nothing where none expresses it.
fn shell_word(word: &[u8]) -> Option<String> {
    #[cfg(unix)]
    return Some(unix_word(word));
    #[cfg(windows)]
    return windows_word(word);
}

/// A word for `sh`, `dash`, `bash` and `zsh`; one that `fish` and `csh` do not act on either.
#[cfg(any(unix, test))]
fn unix_word(word: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./:@%+,-".contains(byte);
    match std::str::from_utf8(word) {
        Ok(text) if !text.is_empty() && word.iter().all(is_plain) => text.to_owned(),
        Ok(text) if !text.chars().any(needs_number) => in_single_quotes(text),
        _ => in_dollar_quotes(word),
    }
}

/// Whether a person cannot see a character, or not tell it from a blank.
fn needs_number(c: char) -> bool {
    is_hidden(c) || (c != ' ' && c.is_whitespace())
}

/// Single quotes around everything but quotes and backslashes, which stand outside with a backslash
/// before them: inside, `fish` would take a backslash for an escape.
#[cfg(any(unix, test))]
fn in_single_quotes(text: &str) -> String {
    let mut word = String::with_capacity(text.len().saturating_add(2));
    let mut is_open = false;
    for c in text.chars() {
        let is_outside = matches!(c, '\'' | '\\');
        if is_open == is_outside {
            word.push('\'');
            is_open = !is_open;
        }
        if is_outside {
            word.push('\\');
        }
        word.push(c);
    }
    if is_open || text.is_empty() {
        word.push_str(if text.is_empty() { "''" } else { "'" });
    }
    word
}

/// The form `$'..'` of POSIX.1-2024, `bash` and `zsh`, with numbers in octal. `dash` knows it not:
/// there the word is a dollar and a string that ends at the next quote, so no quote may stand in
/// it, and no backslash but before digits. That gives another name, which names nothing.
#[cfg(any(unix, test))]
fn in_dollar_quotes(word: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = "$'".to_owned();
    let push_numbers = |bytes: &[u8], text: &mut String| {
        for byte in bytes {
            let _ = write!(text, "\\{byte:03o}");
        }
    };
    for chunk in word.utf8_chunks() {
        for c in chunk.valid().chars() {
            // An exclamation mark begins a history expansion where quotes were lost.
            if needs_number(c) || matches!(c, '\'' | '\\' | '!') {
                push_numbers(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
            } else {
                text.push(c);
            }
        }
        push_numbers(chunk.invalid(), &mut text);
    }
    text.push('\'');
    text
}

/// A word that `cmd` and PowerShell read alike, and programs too. In double quotes `cmd` replaces
/// `%..%`, PowerShell `$` and backticks, and takes curly quotes for straight ones; none of
/// these can be escaped for both. A program takes a backslash before a quote for an escape.
#[cfg(any(windows, test))]
fn windows_word(word: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(word).ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '\\' | '-');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return Some(text.to_owned());
    }
    let acts =
        |c: char| needs_number(c) || matches!(c, '"' | '%' | '$' | '`' | '\u{201C}'..='\u{201F}');
    if text.chars().any(acts) || text.ends_with('\\') || text.starts_with('-') {
        return None;
    }
    Some(format!("\"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_unix_shells_are_plain_quoted_or_numbered() {
        for (word, want) in [
            (&b"SETUP_EN_DVD"[..], "SETUP_EN_DVD"),
            (b"/srv/a-b.iso", "/srv/a-b.iso"),
            (b"", "''"),
            (b"a b", "'a b'"),
            (b" ", "' '"),
            (b"~", "'~'"),
            (b"=ls", "'=ls'"),
            (b"a\"; touch PWN; \"", "'a\"; touch PWN; \"'"),
            (b"$(touch PWN)`touch PWN`!!", "'$(touch PWN)`touch PWN`!!'"),
            (b"it's", "'it'\\''s'"),
            (b"'", "\\'"),
            (b"\\", "\\\\"),
            (b"\\'; touch PWN; '", "\\\\\\''; touch PWN; '\\'"),
            ("caf\u{e9}".as_bytes(), "'caf\u{e9}'"),
            (b"a\nb", "$'a\\012b'"),
            (b"a\x1b'; touch PWN; '\\!", "$'a\\033\\047; touch PWN; \\047\\134\\041'"),
            ("a\u{202e}b".as_bytes(), "$'a\\342\\200\\256b'"),
            ("a\u{a0}".as_bytes(), "$'a\\302\\240'"),
            (b"\xff\xe9", "$'\\377\\351'"),
        ] {
            assert_eq!(unix_word(word), want, "{word:?}");
        }
    }

    #[test]
    fn words_for_windows_are_inert_in_cmd_and_powershell_or_there_are_none() {
        for (word, want) in [
            (&b"X:"[..], Some("X:")),
            (b"C:\\discs\\a.iso", Some("C:\\discs\\a.iso")),
            (b"C:\\my discs\\a & b.iso", Some("\"C:\\my discs\\a & b.iso\"")),
            (b"it's (1)", Some("\"it's (1)\"")),
            (b"@a", Some("\"@a\"")),
            (b"", Some("\"\"")),
            (b"a\"b", None),
            (b"%COMSPEC%", None),
            (b"$(calc)", None),
            (b"`calc", None),
            ("\u{201d}; calc".as_bytes(), None),
            (b"a b\\", None),
            (b"a\nb", None),
            (b"--all", None),
            (b"\xff", None),
        ] {
            assert_eq!(windows_word(word).as_deref(), want, "{word:?}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn options_end_before_a_word_that_looks_like_one() {
        let eject = ShellCommand::new("isodrive eject");
        assert_eq!(eject.clone().operand("--all").text().unwrap(), "isodrive eject -- --all");
        assert_eq!(
            eject.clone().operand("a").operand("-\n").text().unwrap(),
            "isodrive eject -- a $'-\\012'"
        );
        assert_eq!(eject.operand("a").after("or:").text().unwrap(), "or:  isodrive eject a");
    }
}
