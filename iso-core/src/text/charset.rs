//! Names in the character sets of their time: detected from the names of a directory, or given.
//! Bytes in, UTF-8 out; names that are UTF-8 already are left alone.

use std::fmt;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    Encoding, IBM866, MACINTOSH, SHIFT_JIS, WINDOWS_1250, WINDOWS_1252, WINDOWS_1254, WINDOWS_1255,
    WINDOWS_1257, X_MAC_CYRILLIC,
};
use oem_cp::code_table::DECODING_TABLE_CP_MAP;

use super::reading::Strangeness;

/// How the names of ISO 9660 and Rock Ridge are read, which say nothing of it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// Found out for each directory whose names are no UTF-8.
    #[default]
    Detect,
    /// Bytes as they are recorded.
    Raw,
    /// The given character set.
    Named(Coding),
}

/// A character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// One of the Encoding Standard.
    Standard(&'static Encoding),
    /// A code page of DOS that the Encoding Standard does not list, by its number.
    CodePage(u16),
}

/// Names of Microsoft's code pages that the Encoding Standard does not list.
const ALIASES: [(&str, &str); 9] = [
    ("macroman", "macintosh"),
    ("mac-roman", "macintosh"),
    ("mac-cyrillic", "x-mac-cyrillic"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("big5-hkscs", "big5"),
    ("utf8", "utf-8"),
];

/// Sets that are compared with the guess of the detector of browsers, which knows none of those of
/// DOS and of the Macintosh and no narrow Japanese letters, and takes Hungarian for French. Each
/// with the strangeness that it must be ahead of the guess by: the rarer the set, the more.
const OTHERS: [(Coding, u32); 15] = [
    (Coding::CodePage(437), 1),
    (Coding::CodePage(850), 1),
    (Coding::Standard(MACINTOSH), 1),
    (Coding::CodePage(852), 2),
    (Coding::CodePage(862), 2),
    (Coding::Standard(SHIFT_JIS), 2),
    (Coding::Standard(WINDOWS_1252), 2),
    (Coding::Standard(WINDOWS_1250), 2),
    (Coding::Standard(WINDOWS_1254), 2),
    (Coding::Standard(WINDOWS_1257), 2),
    (Coding::Standard(X_MAC_CYRILLIC), 4),
    (Coding::CodePage(737), 4),
    (Coding::CodePage(855), 4),
    (Coding::CodePage(857), 4),
    (Coding::CodePage(775), 8),
];

/// Names beyond ASCII that are looked at: more of them tell no more.
const ENOUGH: usize = 1000;

impl Charset {
    /// The character set of a name, as in `cp932`, `gbk`, `cp850`, `macroman` or `latin1`; also
    /// `auto` and `raw`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let alias = ALIASES.iter().find(|(alias, _)| *alias == lower);
        let standard = alias.map_or(lower.as_str(), |(_, name)| name);
        match standard {
            "auto" => Some(Self::Detect),
            "raw" => Some(Self::Raw),
            _ => Encoding::for_label(standard.as_bytes())
                .map(Coding::Standard)
                .or_else(|| Coding::code_page(standard))
                .map(Self::Named),
        }
    }
}

impl Coding {
    /// A code page of DOS by its name, as in `cp850`, `ibm850` or `850`.
    fn code_page(name: &str) -> Option<Self> {
        let digits = name.strip_prefix("cp").or(name.strip_prefix("ibm")).unwrap_or(name);
        let number = digits.parse().ok()?;
        DECODING_TABLE_CP_MAP.contains_key(&number).then_some(Self::CodePage(number))
    }

    /// The character set in which these names make most sense; nothing where all are UTF-8.
    pub(crate) fn detect<'n>(names: impl Iterator<Item = &'n [u8]> + Clone) -> Option<Self> {
        if names.clone().all(|name| std::str::from_utf8(name).is_ok()) {
            return None;
        }
        let names = names.filter(|name| !name.is_ascii()).take(ENOUGH);
        let guess = Self::guess(names.clone());
        let mut best = (guess, guess.strangeness(names.clone()));
        for (other, lead) in OTHERS {
            let strangeness = other.strangeness(names.clone()).saturating_add(lead);
            if strangeness < best.1 {
                best = (other, strangeness);
            }
        }
        let is_hebrew = best.0 == Self::Standard(IBM866) && Self::is_hebrew_of_dos(names);
        Some(if is_hebrew { Self::CodePage(862) } else { best.0 })
    }

    /// The best guess among the sets that browsers know.
    fn guess<'n>(names: impl Iterator<Item = &'n [u8]>) -> Self {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        for name in names {
            detector.feed(name, false);
            detector.feed(b"\n", false);
        }
        detector.feed(b"", true);
        Self::Standard(detector.guess(None, Utf8Detection::Deny))
    }

    /// Whether names that might be Russian in capital letters are Hebrew, which has its letters at
    /// the same bytes in code page 862: the detector is asked again with the bytes that the letters
    /// have on Windows, where it knows both languages.
    fn is_hebrew_of_dos<'n>(names: impl Iterator<Item = &'n [u8]>) -> bool {
        let texts =
            names.filter_map(|name| String::from_utf8(Self::CodePage(862).decode(name)?).ok());
        let names: Vec<_> = texts.map(|text| WINDOWS_1255.encode(&text).0.into_owned()).collect();
        Self::guess(names.iter().map(Vec::as_slice)) == Self::Standard(WINDOWS_1255)
    }

    /// How strange these names are in this character set.
    fn strangeness<'n>(self, names: impl Iterator<Item = &'n [u8]>) -> u32 {
        let mut strangeness = Strangeness::default();
        for name in names.filter(|name| !name.is_ascii()) {
            match self.decode(name) {
                Some(text) => strangeness.add(&String::from_utf8_lossy(&text)),
                None => strangeness.add_unreadable(name),
            }
        }
        strangeness.total()
    }

    /// A name as UTF-8; nothing where it is none in this character set, or one with controls: the
    /// Encoding Standard reads bytes without a meaning as those of C1.
    pub(crate) fn decode(self, name: &[u8]) -> Option<Vec<u8>> {
        let text = match self {
            Self::Standard(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(name)?
            }
            Self::CodePage(number) => {
                DECODING_TABLE_CP_MAP.get(&number)?.decode_string_checked(name)?.into()
            }
        };
        let is_text = !text.chars().any(|letter| matches!(letter, '\u{80}'..='\u{9f}'));
        is_text.then(|| text.into_owned().into_bytes())
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(encoding) => f.write_str(encoding.name()),
            Self::CodePage(number) => write!(f, "CP{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn character_sets_are_told_by_their_usual_names() {
        for (name, want) in [
            ("CP932", "Shift_JIS"),
            ("gbk", "GBK"),
            ("cp949", "EUC-KR"),
            ("big5", "Big5"),
            ("cp437", "CP437"),
            ("850", "CP850"),
            ("CP852", "CP852"),
            ("ibm862", "CP862"),
            ("MacRoman", "macintosh"),
            ("cp866", "IBM866"),
            ("cp1251", "windows-1251"),
            ("latin1", "windows-1252"),
        ] {
            let Some(Charset::Named(coding)) = Charset::by_name(name) else { panic!("{name}") };
            assert_eq!(coding.to_string(), want);
        }
        assert_eq!(Charset::by_name("auto"), Some(Charset::Detect));
        assert_eq!(Charset::by_name("klingon"), None);
    }

    #[test]
    fn names_of_old_discs_are_understood() {
        let names: [(&[&[u8]], &str, &str); 6] = [
            (
                &[b"\x83f\x81[\x83^.TXT", b"\x93\xfa\x96\x7b\x8c\xea"],
                "Shift_JIS",
                "\u{30c7}\u{30fc}\u{30bf}.TXT",
            ),
            (
                &[b"\xc8\xed\xbc\xfe\xb0\xb2\xd7\xb0", b"\xcb\xb5\xc3\xf7"],
                "GBK",
                "\u{8f6f}\u{4ef6}\u{5b89}\u{88c5}",
            ),
            (
                &[b"\xc7\xd1\xb1\xb9\xbe\xee", b"\xbc\xb3\xc4\xa1"],
                "EUC-KR",
                "\u{d55c}\u{ad6d}\u{c5b4}",
            ),
            (
                &[b"\xcf\xf0\xee\xe3\xf0\xe0\xec\xec\xfb", b"\xd7\xe8\xf2\xe0\xf2\xfc"],
                "windows-1251",
                "\u{41f}\u{440}\u{43e}\u{433}\u{440}\u{430}\u{43c}\u{43c}\u{44b}",
            ),
            (
                &[b"\x8f\xe0\xae\xa3\xe0\xa0\xac\xac\xeb", b"\x97\xa8\xe2\xa0\xe2\xec"],
                "IBM866",
                "\u{41f}\u{440}\u{43e}\u{433}\u{440}\u{430}\u{43c}\u{43c}\u{44b}",
            ),
            (&[b"\x8arger.txt", b"gr\x81n"], "CP437", "\u{e8}rger.txt"),
        ];
        for (names, coding, first) in names {
            let found = Coding::detect(names.iter().copied()).unwrap();
            assert_eq!(found.to_string(), coding);
            let decoded = names.first().and_then(|name| found.decode(name)).unwrap();
            assert_eq!(String::from_utf8(decoded).unwrap(), first);
        }
        let latin: [&[u8]; 2] = [b"caf\xe9.txt", b"stra\xdfe"];
        assert_eq!(Coding::detect(latin.into_iter()).unwrap().to_string(), "windows-1252");
        let plain: [&[u8]; 2] = [b"a", "\u{e9}".as_bytes()];
        assert_eq!(Coding::detect(plain.into_iter()), None);
    }
}
