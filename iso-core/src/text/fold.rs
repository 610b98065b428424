//! Names compared without regard to case, as Windows and DOS users expect of their discs.
//! Simple lower-casing of each character; bytes that are no UTF-8 compare as they are.

/// A name as it is compared.
pub(crate) struct Folded<'a>(pub(crate) &'a [u8]);

impl Folded<'_> {
    /// The lower-cased characters; a stray byte counts as itself, above all characters.
    pub(crate) fn chars(&self) -> impl Iterator<Item = u32> {
        self.0.utf8_chunks().flat_map(|chunk| {
            let chars = chunk.valid().chars().flat_map(char::to_lowercase).map(u32::from);
            let stray = |b: &u8| 0x11_0000u32.saturating_add(u32::from(*b));
            chars.chain(chunk.invalid().iter().map(stray))
        })
    }
}

/// Whether two names differ in case alone.
pub(crate) fn fold_eq(a: &[u8], b: &[u8]) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    Folded(a).chars().eq(Folded(b).chars())
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
