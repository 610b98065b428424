//! Which names Windows takes for one: names compared without regard to case, character by
//! character. Never finer than the tables of any Windows: what is two names here is two there.

/// The key under which a name is compared: equal keys are one name.
///
/// Each character goes to upper case, to lower and to upper case again, each time only where that
/// is one character: coarser than the upper-case tables of Windows of whatever age. Two names
/// that are equal here by mistake cost one of them a number; two that differ here by mistake would
/// be one file to the kernel.
#[must_use]
pub fn fold(name: &[u16]) -> Vec<u16> {
    let mut folded = Vec::with_capacity(name.len());
    fold_into(name, &mut folded);
    folded
}

/// As [`fold`], behind what `folded` holds already.
pub(crate) fn fold_into(name: &[u16], folded: &mut Vec<u16>) {
    let mut pair = [0; 2];
    for decoded in char::decode_utf16(name.iter().copied()) {
        match decoded {
            Ok(c) => folded.extend_from_slice(fold_char(c).encode_utf16(&mut pair)),
            Err(lone) => folded.push(lone.unpaired_surrogate()),
        }
    }
}

fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let upper = |c: char| only(c.to_uppercase()).unwrap_or(c);
    let lower = |c: char| only(c.to_lowercase()).unwrap_or(c);
    upper(lower(upper(c)))
}

/// The character, if there is exactly one.
fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Vec<u16> {
        fold(&text.encode_utf16().collect::<Vec<_>>())
    }

    #[test]
    fn case_is_ignored_character_by_character() {
        for (a, b, same) in [
            ("ReadMe.txt", "README.TXT", true),
            ("\u{e9}t\u{e9}", "\u{c9}T\u{c9}", true),
            ("\u{3c3}", "\u{3c2}", true),
            ("\u{1c5}", "\u{1c6}", true),
            ("\u{1f80}", "\u{1f88}", true),
            ("k", "\u{212a}", true),
            ("stra\u{df}e", "STRASSE", false),
            ("\u{fb00}", "FF", false),
            ("a", "b", false),
            ("a", "a\u{301}", false),
        ] {
            assert_eq!(key(a) == key(b), same, "{a} {b}");
        }
    }

    #[test]
    fn lone_surrogates_stay_apart() {
        assert_ne!(fold(&[0xD800]), fold(&[0xDC00]));
        assert_eq!(fold(&[0xD83D, 0xDE00, 0xD800]), [0xD83D, 0xDE00, 0xD800]);
    }

    #[test]
    fn a_key_is_its_own_key() {
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            assert_eq!(fold_char(fold_char(c)), fold_char(c), "{c:?}");
        }
    }
}
