//! Names and times in JSON: text where it is text, and a lossless form where it is not.
//! Every machine-readable report carries `SCHEMA`.

use std::io::{self, Write};

use iso_core::Timestamp;
use serde::{Deserialize, Serialize};

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

    /// The name for a terminal.
    pub(crate) fn text(&self) -> String {
        crate::terminal::shown(self.name.as_bytes())
    }
}

/// Writes one value as one line.
pub(crate) fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
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
    fn times_are_in_utc() {
        let at = Timestamp { seconds: 1_262_304_000, nanoseconds: 0 };
        assert_eq!(time(at), "2010-01-01T00:00:00Z");
        let before = Timestamp { seconds: -1, nanoseconds: 500_000_000 };
        assert_eq!(time(before), "1969-12-31T23:59:59.5Z");
    }
}
