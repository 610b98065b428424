//! What an identifier on the disc is called: version numbers and idle dots go, the rest stays.
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

/// The name of an identifier of an enhanced tree, where dots mean nothing. A version number is not
/// part of one either, but some writers record it.
pub(super) fn enhanced_name(identifier: &[u8]) -> Vec<u8> {
    if without_version(identifier).len() < identifier.len() {
        return plain_name(identifier);
    }
    let mut name = identifier.to_vec();
    make_component(&mut name);
    name
}

/// The name of an identifier of a Joliet tree. Windows drops dots at the end, and so do we.
pub(super) fn joliet_name(identifier: &[u8]) -> Vec<u8> {
    let decoded = decode_utf16_be(identifier);
    let mut name = without_version(&decoded).to_vec();
    // A name of dots alone keeps them: it is nothing without them.
    if let Some(last) = name.iter().rposition(|b| *b != b'.') {
        name.truncate(last.saturating_add(1));
    }
    make_component(&mut name);
    name
}

/// An identifier without `;` and the version number behind it (ECMA-119 7.5.1).
fn without_version(identifier: &[u8]) -> &[u8] {
    match identifier.iter().rposition(|b| *b == b';') {
        Some(at) if at > 0 => {
            let (name, version) = identifier.split_at(at);
            if version.iter().skip(1).all(u8::is_ascii_digit) { name } else { identifier }
        }
        _ => identifier,
    }
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
    fn enhanced_names_keep_their_dots_unless_a_version_follows() {
        for (identifier, want) in
            [("trailing.", "trailing."), ("EMPTY.;1", "EMPTY"), ("a;b", "a;b"), (".", "_")]
        {
            assert_eq!(enhanced_name(identifier.as_bytes()), want.as_bytes());
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
        ] {
            assert_eq!(joliet_name(&utf16(identifier)), want.as_bytes());
        }
    }
}
