//! Names from discs, paths and sizes as text for people: what could act on a terminal is escaped.
//! Pure functions.

use std::fmt::Write as _;
use std::path::Path;

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

/// Text that may hold names as they are recorded, made harmless for a terminal. What was escaped
/// already stays as it is.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut harmless, c| {
        push_harmless(&mut harmless, c);
        harmless
    })
}

/// Adds a character, escaped if it acts on a terminal or is not seen.
pub(crate) fn push_harmless(text: &mut String, c: char) {
    if is_hidden(c) { text.extend(c.escape_default()) } else { text.push(c) }
}

/// A path of this machine, quoted, for messages. A command is quoted by `shell` instead.
pub(crate) fn quoted(path: &Path) -> String {
    format!("\"{}\"", path_shown(path.as_os_str().as_encoded_bytes()).replace('"', "\\\""))
}

/// A path of this machine, without quotes. Where backslashes part its names, they stay single.
pub(crate) fn path_shown(path: &[u8]) -> String {
    let shown = shown(path);
    if std::path::MAIN_SEPARATOR == '\\' { shown.replace("\\\\", "\\") } else { shown }
}

/// Whether a character acts on a terminal, changes the direction of text, or shows nothing:
/// control characters, separators of lines, and what Unicode lets programs ignore
/// (Default_Ignorable_Code_Point), which has all marks of direction in it.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{3164}')
        || matches!(c, '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{FFA0}')
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}')
        || matches!(c, '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}')
        || matches!(c, '\u{E0000}'..='\u{E0FFF}')
}

/// Escapes blanks at either end, which are invisible.
pub(crate) fn escape_edges(text: String) -> String {
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
            ("a\u{ad}\u{2060}\u{e0041}".as_bytes(), "a\\u{ad}\\u{2060}\\u{e0041}"),
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
