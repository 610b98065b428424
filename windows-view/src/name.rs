//! Names that Windows cannot hold, written so that it can, and read back again.
//! One rule, without looking at other names; `names` makes them unique and not too long.
//!
//! A character that cannot stand where it stands is written as U+F000 above it, as WSL and Cygwin
//! do: control characters, `" * : < > ? \ |`, a dot or space at the end, and the first letter of
//! what would be a device (`CON`, `nul.txt`). A byte that is no text is written the same way. A
//! character that the disc itself has from U+F000 to U+F0FF is written behind U+F02F, which stands
//! for nothing else, since no name holds a slash. So every name has its own writing.

/// Where the stand-ins begin.
const STAND_IN: u16 = 0xF000;

/// Says that the next unit is meant as it is.
const LITERAL: u16 = 0xF02F;

/// Names that Windows takes for devices, whatever follows their first dot.
const DEVICES: [&str; 7] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"];

/// A piece of a name as it is recorded.
enum Piece {
    Char(char),
    /// A surrogate without its other half, as three bytes of WTF-8.
    Lone(u16),
    /// A byte that is no text.
    Stray(u8),
}

/// A name from a disc as Windows is shown it.
#[must_use]
pub fn to_windows(name: &[u8]) -> Vec<u16> {
    let mut shown = Vec::with_capacity(name.len());
    let mut pair = [0; 2];
    for piece in pieces(name) {
        match piece {
            Piece::Char(c) if is_stand_in(c) => {
                shown.push(LITERAL);
                shown.extend_from_slice(c.encode_utf16(&mut pair));
            }
            Piece::Char(c) if is_refused(c) => shown.push(stand_in(c)),
            Piece::Char(c) => shown.extend_from_slice(c.encode_utf16(&mut pair)),
            Piece::Lone(unit) => shown.push(unit),
            Piece::Stray(byte) => shown.push(STAND_IN | u16::from(byte)),
        }
    }
    let names_device = names_device(&shown);
    if let Some(first) = shown.first_mut().filter(|_| names_device) {
        *first |= STAND_IN;
    }
    if let Some(last) = shown.last_mut().filter(|unit| matches!(**unit, 0x20 | 0x2E)) {
        *last |= STAND_IN;
    }
    shown
}

/// The name on the disc that is shown as `name`.
#[must_use]
pub fn from_windows(name: &[u16]) -> Vec<u8> {
    let mut recorded = Vec::with_capacity(name.len());
    let mut utf8 = [0; 4];
    let mut units = name.iter().copied().peekable();
    let mut plain: Vec<u16> = Vec::new();
    while let Some(unit) = units.next() {
        let literal = units.peek().copied().filter(|next| unit == LITERAL && is_own(*next));
        if let Some(next) = literal {
            plain.push(next);
            units.next();
        } else if let Some(byte) = stands_for(unit) {
            flush(&mut plain, &mut recorded);
            match byte {
                0x80.. => recorded.push(byte),
                _ => recorded.extend_from_slice(char::from(byte).encode_utf8(&mut utf8).as_bytes()),
            }
        } else {
            plain.push(unit);
        }
    }
    flush(&mut plain, &mut recorded);
    recorded
}

/// Writes units as WTF-8.
fn flush(plain: &mut Vec<u16>, recorded: &mut Vec<u8>) {
    let mut utf8 = [0; 4];
    for decoded in char::decode_utf16(plain.drain(..)) {
        match decoded {
            Ok(c) => recorded.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
            Err(lone) => recorded.extend(generalised(lone.unpaired_surrogate())),
        }
    }
}

/// A surrogate in the three bytes that a character of its number would have.
fn generalised(unit: u16) -> [u8; 3] {
    let six = |shift: u32| u8::try_from((unit >> shift) & 0x3F).unwrap_or(0);
    [0xED, 0x80 | six(6), 0x80 | six(0)]
}

fn pieces(name: &[u8]) -> impl Iterator<Item = Piece> {
    let mut rest = name;
    let mut after_high = false;
    std::iter::from_fn(move || {
        let (piece, len) = piece(rest, after_high)?;
        after_high = matches!(piece, Piece::Lone(0xD800..=0xDBFF));
        rest = rest.get(len..).unwrap_or_default();
        Some(piece)
    })
}

/// The first piece of a name and its bytes. Two halves of one character, each on its own, are no
/// character: the second counts as bytes, or two names would look the same.
fn piece(name: &[u8], after_high: bool) -> Option<(Piece, usize)> {
    let first = *name.first()?;
    if let [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, ..] = name {
        let unit = 0xD000 | (u16::from(second & 0x3F) << 6) | u16::from(third & 0x3F);
        if !after_high || unit < 0xDC00 {
            return Some((Piece::Lone(unit), 3));
        }
    }
    let longest = name.get(..name.len().min(4)).unwrap_or(name);
    let valid = longest.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    Some(valid.map_or((Piece::Stray(first), 1), |c| (Piece::Char(c), c.len_utf8())))
}

/// Characters that no name on Windows may hold.
const fn is_refused(c: char) -> bool {
    matches!(c, '\0'..='\x1F' | '"' | '*' | '/' | ':' | '<' | '>' | '?' | '\\' | '|')
}

const fn is_stand_in(c: char) -> bool {
    matches!(c, '\u{F000}'..='\u{F0FF}')
}

const fn is_own(unit: u16) -> bool {
    matches!(unit, 0xF000..=0xF0FF)
}

fn stand_in(c: char) -> u16 {
    STAND_IN | u16::try_from(u32::from(c)).unwrap_or(0)
}

fn stands_for(unit: u16) -> Option<u8> {
    let [high, low] = unit.to_be_bytes();
    (high == 0xF0).then_some(low)
}

/// Whether what stands before the first dot, spaces at its end apart, is the name of a device.
fn names_device(name: &[u16]) -> bool {
    let stem = name.split(|unit| *unit == u16::from(b'.')).next().unwrap_or_default();
    let len =
        stem.iter().rposition(|unit| *unit != u16::from(b' ')).map_or(0, |at| at.saturating_add(1));
    let stem: String = char::decode_utf16(stem.iter().copied().take(len))
        .map(|decoded| decoded.map_or('\u{FFFD}', |c| c.to_ascii_uppercase()))
        .collect();
    let port = stem.strip_prefix("COM").or(stem.strip_prefix("LPT"));
    let is_port = port.is_some_and(|number| {
        let mut chars = number.chars();
        let is_number = |c: char| matches!(c, '0'..='9' | '\u{B9}' | '\u{B2}' | '\u{B3}');
        chars.next().is_some_and(is_number) && chars.next().is_none()
    });
    is_port || DEVICES.contains(&stem.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(name: &[u8]) -> String {
        String::from_utf16(&to_windows(name)).unwrap()
    }

    #[test]
    fn what_windows_cannot_hold_has_stand_ins() {
        for (name, want) in [
            (&b"plain name.txt"[..], "plain name.txt"),
            (b"a:b", "a\u{F03A}b"),
            (b"what?*", "what\u{F03F}\u{F02A}"),
            (b"tab\there", "tab\u{F009}here"),
            (b"back\\slash", "back\u{F05C}slash"),
            (b"ends.", "ends\u{F02E}"),
            (b"ends..", "ends.\u{F02E}"),
            (b"ends ", "ends\u{F020}"),
            (b" begins", " begins"),
            (b"CON", "\u{F043}ON"),
            (b"nul.tar.gz", "\u{F06E}ul.tar.gz"),
            (b"aux .txt", "\u{F061}ux .txt"),
            (b"com7", "\u{F063}om7"),
            ("LPT\u{b9}".as_bytes(), "\u{F04C}PT\u{b9}"),
            (b"COM", "COM"),
            (b"COM10", "COM10"),
            (b"CONSOLE", "CONSOLE"),
            (b"xcon", "xcon"),
            (b"a\xffb", "a\u{F0FF}b"),
            ("\u{f03a}".as_bytes(), "\u{F02F}\u{F03A}"),
            ("\u{f100}".as_bytes(), "\u{F100}"),
            ("caf\u{e9} \u{1f600}".as_bytes(), "caf\u{e9} \u{1f600}"),
        ] {
            assert_eq!(text(name), want);
            assert_eq!(from_windows(&to_windows(name)), name, "{want}");
        }
    }

    #[test]
    fn surrogates_on_their_own_are_kept_and_never_join() {
        let (high, low) = ([0xED, 0xA0, 0xBD], [0xED, 0xB8, 0x80]);
        assert_eq!(to_windows(&high), [0xD83D]);
        assert_eq!(to_windows(&low), [0xDE00]);
        let both = [high, low].concat();
        assert_ne!(to_windows(&both), to_windows("\u{1f600}".as_bytes()));
        assert_eq!(from_windows(&to_windows(&both)), both);
    }

    /// Bytes that are likely to meet the rule, among all others.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        let telling = prop::sample::select(vec![
            "CON",
            "nul",
            ".",
            " ",
            ":",
            "\u{f02f}",
            "\u{f03a}",
            "\u{f0ff}",
            "\u{1f600}",
            "COM1",
            "x",
        ]);
        let part = prop_oneof![
            telling.prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
            Just(vec![0xED, 0xA0, 0xBD]),
            Just(vec![0xED, 0xB8, 0x80]),
        ];
        prop::collection::vec(part, 1..8).prop_map(|parts| {
            let mut bytes = parts.concat();
            bytes.retain(|byte| !matches!(byte, b'/' | 0));
            bytes
        })
    }

    proptest! {
        #[test]
        fn every_name_comes_back_and_windows_can_hold_its_writing(name in name()) {
            let shown = to_windows(&name);
            prop_assert_eq!(from_windows(&shown), name);
            let is_refused = |unit: &u16| u8::try_from(*unit).is_ok_and(|b| is_refused(b.into()));
            prop_assert!(!shown.iter().any(is_refused));
            prop_assert!(!matches!(shown.last(), Some(0x20 | 0x2E)));
            prop_assert!(!names_device(&shown));
        }
    }
}
