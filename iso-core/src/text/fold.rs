//! Names compared without regard to case, as Windows and DOS users expect of their discs.
//! Simple lower-casing of each character; bytes that are no UTF-8 compare as they are.

use std::cmp::Ordering;

/// Whether two names differ in case alone.
pub(crate) fn fold_eq(a: &[u8], b: &[u8]) -> bool {
    cmp_folded(a, b) == Ordering::Equal
}

/// Orders names by their lower-cased characters.
pub(crate) fn cmp_folded(a: &[u8], b: &[u8]) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase));
    }
    folded(a).cmp(folded(b))
}

/// The lower-cased characters of a name; a stray byte counts as itself, above all characters.
fn folded(name: &[u8]) -> impl Iterator<Item = u32> + '_ {
    name.utf8_chunks().flat_map(|chunk| {
        let chars = chunk.valid().chars().flat_map(char::to_lowercase).map(u32::from);
        let strays = chunk.invalid().iter().map(|b| 0x11_0000u32.saturating_add(u32::from(*b)));
        chars.chain(strays)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_ignored_and_nothing_else() {
        for (a, b, same) in [
            ("README.TXT".as_bytes(), "readme.txt".as_bytes(), true),
            ("\u{c4}RGER".as_bytes(), "\u{e4}rger".as_bytes(), true),
            (b"a", b"b", false),
            (b"a", b"a ", false),
            (b"\xFFa", b"\xFFA", true),
            (b"\xFF", b"\xFE", false),
        ] {
            assert_eq!(fold_eq(a, b), same, "{a:?} {b:?}");
        }
    }
}
