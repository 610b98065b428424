//! Names from identifiers on the disc: strips version numbers and trailing dots.
//! Bytes in, name out (ECMA-119 7.5; Joliet specification, "Allowed Character Set").

use crate::text::{decode_utf16_be, make_component};

/// The name of a file or directory identifier of the primary tree, kept in the case and the bytes
/// in which it is recorded.
pub(super) fn plain_name(identifier: &[u8]) -> Vec<u8> {
    let mut name = without_version(identifier).to_vec();
    // A file without extension still ends in the separator (ECMA-119 7.5.1).
    if name.last() == Some(&b'.') && name.iter().any(|b| *b != b'.') {
        name.pop();
    }
    make_component(&mut name);
    name
}

/// The name of an identifier of an enhanced tree, where neither dots nor semicolons mean anything
/// (ISO 9660:1999 has no `SEPARATOR 2`).
pub(super) fn enhanced_name(identifier: &[u8]) -> Vec<u8> {
    let mut name = identifier.to_vec();
    make_component(&mut name);
    name
}

/// The name of an identifier of a Joliet tree, and whether it was changed into one that a directory
/// can hold. Windows drops dots at the end, and so do we.
pub(super) fn joliet_name(identifier: &[u8]) -> (Vec<u8>, bool) {
    let decoded = joliet_identifier(identifier);
    let mut name = unpadded(without_version(&decoded)).to_vec();
    // A name of dots alone keeps them: it is nothing without them.
    if let Some(last) = name.iter().rposition(|b| *b != b'.') {
        name.truncate(last.saturating_add(1));
    }
    let is_changed = make_component(&mut name);
    (name, is_changed)
}

/// An identifier of a Joliet tree with its version. Zeros at the end are padding of its writer.
pub(super) fn joliet_identifier(identifier: &[u8]) -> Vec<u8> {
    let mut decoded = decode_utf16_be(identifier);
    decoded.truncate(unpadded(&decoded).len());
    decoded
}

/// A name without zeros at its end.
fn unpadded(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    name.get(..end).unwrap_or_default()
}

/// An identifier without `;` and the version number behind it (ECMA-119 7.5.1).
fn without_version(identifier: &[u8]) -> &[u8] {
    split_version(identifier).map_or(identifier, |(name, _)| name)
}

/// The two sides of the last `;` of an identifier, where only digits follow it.
pub(super) fn split_version(identifier: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = identifier.iter().rposition(|b| *b == b';').filter(|at| *at > 0)?;
    let (name, version) = identifier.split_at(at);
    let version = version.get(1..).unwrap_or_default();
    version.iter().all(u8::is_ascii_digit).then_some((name, version))
}

/// The version that digits name: 1 to 32767 (ECMA-119 7.5.1). Missing ones mean 1.
pub(super) fn version(digits: &[u8]) -> u16 {
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.filter(|number| (1..=32_767).contains(number)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_idle_dots_go_and_nothing_else() {
        for (identifier, want) in [
            ("README.TXT;1", "README.TXT"),
            ("README.;1", "README"),
            ("README", "README"),
            ("A.B.C;12", "A.B.C"),
            ("odd;name", "odd;name"),
            (";1", ";1"),
            ("a/b;1", "a_b"),
            (".;1", "_"),
            ("..", "__"),
            ("...;1", "..."),
        ] {
            let name = plain_name(identifier.as_bytes());
            assert_eq!(String::from_utf8_lossy(&name), want, "{identifier}");
        }
    }

    #[test]
    fn enhanced_names_keep_their_dots_and_semicolons() {
        for (identifier, want) in [
            ("trailing.", "trailing."),
            ("a;1", "a;1"),
            ("v;10", "v;10"),
            ("EMPTY.;1", "EMPTY.;1"),
            (".", "_"),
        ] {
            assert_eq!(enhanced_name(identifier.as_bytes()), want.as_bytes());
        }
    }

    #[test]
    fn versions_are_numbers_that_the_standard_allows() {
        for (identifier, want) in [
            ("A.TXT;3", Some(3)),
            ("A.TXT;32767", Some(32_767)),
            ("A.TXT;", Some(1)),
            ("A.TXT;0", Some(1)),
            ("A.TXT;99999", Some(1)),
            ("A.TXT", None),
            ("odd;name", None),
        ] {
            let digits = split_version(identifier.as_bytes()).map(|(_, digits)| version(digits));
            assert_eq!(digits, want, "{identifier}");
        }
    }

    #[test]
    fn joliet_names_are_decoded_first() {
        let utf16 = |s: &str| s.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for (identifier, want) in [
            ("caf\u{e9}.txt;1", "caf\u{e9}.txt"),
            ("dots...", "dots"),
            ("...", "..."),
            ("\u{1f600}", "\u{1f600}"),
            ("padded\0\0;1", "padded"),
            ("padded;1\0", "padded"),
        ] {
            assert_eq!(joliet_name(&utf16(identifier)), (want.into(), false));
        }
        for (identifier, want) in [("a\0b;1", "a_b"), ("\0;1", "_"), ("a/b", "a_b"), ("\0", "_")] {
            assert_eq!(joliet_name(&utf16(identifier)), (want.into(), true), "{want}");
        }
    }
}
