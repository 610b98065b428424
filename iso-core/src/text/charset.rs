//! Names in the character sets of their time: found out from the names of a directory, or told.
//! Bytes in, UTF-8 out; names that are UTF-8 already are left alone.

use std::fmt;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;
use oem_cp::code_table::DECODING_TABLE_CP437;

/// How the names of ISO 9660 and Rock Ridge are read, which say nothing of it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// Found out for each directory whose names are no UTF-8.
    #[default]
    Detect,
    /// Bytes as they are recorded.
    Raw,
    /// As told.
    Told(Coding),
}

/// A character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// One of the Encoding Standard.
    Standard(&'static Encoding),
    /// Code page 437, that of the IBM PC.
    Cp437,
}

/// Names of Microsoft's code pages that the Encoding Standard does not list.
const ALIASES: [(&str, &str); 6] = [
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("big5-hkscs", "big5"),
    ("utf8", "utf-8"),
];

impl Charset {
    /// The character set of a name, as in `cp932`, `gbk`, `cp437` or `latin1`; also `auto` and
    /// `raw`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let alias = ALIASES.iter().find(|(alias, _)| *alias == lower);
        let standard = alias.map_or(lower.as_str(), |(_, name)| name);
        match standard {
            "auto" => Some(Self::Detect),
            "raw" => Some(Self::Raw),
            "cp437" | "437" | "ibm437" => Some(Self::Told(Coding::Cp437)),
            _ => Encoding::for_label(standard.as_bytes())
                .map(|encoding| Self::Told(Coding::Standard(encoding))),
        }
    }
}

impl Coding {
    /// The character set in which these names make most sense; nothing where all are UTF-8.
    pub(crate) fn detect<'n>(names: impl Iterator<Item = &'n [u8]> + Clone) -> Option<Self> {
        if names.clone().all(|name| std::str::from_utf8(name).is_ok()) {
            return None;
        }
        if looks_western(names.clone()) && names.clone().flatten().all(|b| is_437_letter(*b)) {
            return Some(Self::Cp437);
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        for name in names.clone() {
            detector.feed(name, false);
            detector.feed(b"\n", false);
        }
        detector.feed(b"", true);
        Some(Self::Standard(detector.guess(None, Utf8Detection::Deny)))
    }

    /// A name as UTF-8; nothing where it is none in this character set.
    pub(crate) fn decode(self, name: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Standard(encoding) => {
                let text = encoding.decode_without_bom_handling_and_without_replacement(name)?;
                Some(text.into_owned().into_bytes())
            }
            Self::Cp437 => {
                Some(oem_cp::decode_string_complete_table(name, &DECODING_TABLE_CP437).into())
            }
        }
    }
}

/// Whether names look like those of a language in Latin letters: few bytes that are not ASCII,
/// each by itself. Bytes of two-byte characters come in runs, or with a second byte that is as
/// likely a sign as a letter.
fn looks_western<'n>(names: impl Iterator<Item = &'n [u8]> + Clone) -> bool {
    let has_run = names
        .clone()
        .any(|name| name.windows(2).any(|pair| pair.iter().all(|byte| !byte.is_ascii())));
    let count = |is: fn(&u8) -> bool| names.clone().flatten().filter(|byte| is(byte)).count();
    let stray = count(|byte| !byte.is_ascii());
    !has_run && count(u8::is_ascii_alphabetic) >= stray.saturating_mul(3)
}

/// Whether a byte is a letter in code page 437, or ASCII. In the Latin sets of today most of these
/// are punctuation.
const fn is_437_letter(byte: u8) -> bool {
    matches!(byte, 0..=0x9A | 0xA0..=0xA5 | 0xE1)
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard(encoding) => encoding.name(),
            Self::Cp437 => "CP437",
        })
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
            ("cp866", "IBM866"),
            ("cp1251", "windows-1251"),
            ("latin1", "windows-1252"),
        ] {
            let Some(Charset::Told(coding)) = Charset::by_name(name) else { panic!("{name}") };
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
