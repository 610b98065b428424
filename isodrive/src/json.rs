//! Names and times in JSON: text where it is text, and a lossless form where it is not.
//! Every machine-readable report carries `SCHEMA`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};

use iso_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::terminal::is_hidden;

/// Version of all JSON that isodrive prints; raised when a field changes its meaning or goes.
pub(crate) const SCHEMA: u32 = 1;

/// A name from a disc: `name` is text, with U+FFFD where the bytes are none, and `name_bytes`
/// gives the bytes in hex in that case.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Name {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name_bytes: Option<String>,
}

impl Name {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            name: String::from_utf8_lossy(bytes).into_owned(),
            name_bytes: std::str::from_utf8(bytes).is_err().then(hex),
        }
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Some(hex) = &self.name_bytes else { return self.name.clone().into_bytes() };
        let pairs = hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
        pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
    }

    /// The name of a path of this machine.
    #[cfg(unix)]
    pub(crate) fn of_path(path: &std::path::Path) -> Self {
        Self::new(path.as_os_str().as_encoded_bytes())
    }

    /// The path of this machine that it names.
    #[cfg(unix)]
    pub(crate) fn path(&self) -> std::path::PathBuf {
        let name: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(self.bytes());
        name.into()
    }

    /// The name for a terminal.
    pub(crate) fn text(&self) -> String {
        crate::terminal::shown(self.name.as_bytes())
    }
}

/// The bytes of a name as a path of this machine.
pub(crate) fn os(bytes: &[u8]) -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec());
    #[cfg(windows)]
    return String::from_utf8_lossy(bytes).into_owned().into();
}

/// Writes one value as one line.
pub(crate) fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    writeln!(out, "{}", escaped(serde_json::to_string(value)?))
}

/// A value as a file for people to read too.
pub(crate) fn file(value: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{}\n", escaped(text)).into_bytes()
}

/// JSON with every character that acts on a terminal or is not seen as `\uXXXX`, which means the
/// same. Characters beyond ASCII stand in strings alone, and so does DEL.
fn escaped(json: String) -> String {
    if json.bytes().all(|byte| byte < 0x7F) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_acting(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Whether a character must not stand in JSON as it is. The newlines of a file are its own: those
/// of strings are escaped before.
fn is_acting(c: char) -> bool {
    is_hidden(c) && c != '\n'
}

/// A time as in RFC 3339, in UTC.
pub(crate) fn time(time: Timestamp) -> String {
    let nanoseconds = i32::try_from(time.nanoseconds).unwrap_or(0);
    jiff::Timestamp::new(time.seconds, nanoseconds)
        .map_or_else(|_| String::new(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_text_keep_their_bytes() {
        let json = |bytes: &[u8]| serde_json::to_string(&Name::new(bytes)).unwrap();
        assert_eq!(json(b"a"), r#"{"name":"a"}"#);
        assert_eq!(json(b"a\xff"), "{\"name\":\"a\u{fffd}\",\"name_bytes\":\"61ff\"}");
        assert_eq!(Name::new(b"a\xff").bytes(), b"a\xff");
    }

    #[test]
    fn strings_hold_no_character_that_acts_on_a_terminal_and_lose_none() {
        let name = "a\u{1b}\n\u{7f}\u{9b}\u{202e}\u{feff}\u{e0041}\u{e9}\u{1f600}\"\\";
        let mut line = Vec::new();
        write_line(&mut line, &Name::new(name.as_bytes())).unwrap();
        for json in [line, file(&Name::new(name.as_bytes()))] {
            let text = String::from_utf8(json).unwrap();
            assert!(!text.chars().any(is_acting), "{text:?}");
            assert!(text.contains("\\u007f\\u009b\\u202e\\ufeff\\udb40\\udc41\u{e9}\u{1f600}"));
            let back: Name = serde_json::from_str(&text).unwrap();
            assert_eq!(back.bytes(), name.as_bytes());
        }
    }

    #[test]
    fn times_are_in_utc() {
        let at = Timestamp { seconds: 1_262_304_000, nanoseconds: 0 };
        assert_eq!(time(at), "2010-01-01T00:00:00Z");
        let before = Timestamp { seconds: -1, nanoseconds: 500_000_000 };
        assert_eq!(time(before), "1969-12-31T23:59:59.5Z");
    }
}
