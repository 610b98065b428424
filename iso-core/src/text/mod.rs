//! Names as they are on discs, turned into bytes that an operating system can take.
//! Decoding only: which names are shown how is the business of `volume::present`.

mod charset;
mod cs0;
mod fold;
mod reading;
mod utf16;

pub use charset::{Charset, Coding};
pub(crate) use cs0::{decode_cs0, decode_dstring};
pub(crate) use fold::{Folded, fold_eq};
pub(crate) use utf16::decode_utf16_be;

/// Trailing spaces and NULs of fixed-width identifier fields removed.
pub(crate) fn trim_padding(field: &[u8]) -> &[u8] {
    let end = field.iter().rposition(|b| *b != b' ' && *b != 0).map_or(0, |i| i.saturating_add(1));
    field.get(..end).unwrap_or_default()
}

/// Makes a decoded name one that can stand in a directory: `/` and NUL, which no path component
/// may hold, become `_`, and so do the names `.` and `..`. Returns whether anything changed.
pub(crate) fn make_component(name: &mut Vec<u8>) -> bool {
    let mut changed = false;
    for byte in name.iter_mut().filter(|b| matches!(**b, b'/' | 0)) {
        *byte = b'_';
        changed = true;
    }
    if matches!(name.as_slice(), b"." | b"..") {
        name.iter_mut().for_each(|byte| *byte = b'_');
        changed = true;
    }
    if name.is_empty() {
        name.push(b'_');
        changed = true;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_directory_can_hold_are_made_harmless() {
        for (name, want) in
            [(&b"a/b"[..], &b"a_b"[..]), (b"a\0", b"a_"), (b".", b"_"), (b"..", b"__"), (b"", b"_")]
        {
            let mut bytes = name.to_vec();
            assert!(make_component(&mut bytes));
            assert_eq!(bytes, want);
        }
        let mut fine = b"..x".to_vec();
        assert!(!make_component(&mut fine));
    }

    #[test]
    fn padding_goes_and_inner_spaces_stay() {
        assert_eq!(trim_padding(b"A B  \0 "), b"A B");
        assert_eq!(trim_padding(b"   "), b"");
    }
}
