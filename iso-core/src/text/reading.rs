//! How strange names look that were read in some character set, so that readings can be compared.
//! Text in, a number out; which character sets are tried is decided in `charset`.

/// Letters beyond ASCII of languages in Latin and Cyrillic script, small ones: those in daily use,
/// and those that are rare there (CLDR, exemplar characters).
#[rustfmt::skip]
const ALPHABETS: [(&str, &str); 26] = [
    // German
    ("\u{e4}\u{f6}\u{fc}\u{df}", ""),
    // French
    ("\u{e9}\u{e8}\u{e0}\u{e7}\u{ea}\u{e2}\u{ee}\u{f4}",
     "\u{eb}\u{ef}\u{f9}\u{fb}\u{fc}\u{e6}\u{153}"),
    // Spanish
    ("\u{e1}\u{e9}\u{ed}\u{f3}\u{f1}", "\u{fa}\u{fc}\u{aa}\u{ba}"),
    // Italian
    ("\u{e0}\u{e8}\u{ec}\u{f2}\u{f9}", "\u{e9}\u{ee}"),
    // Portuguese
    ("\u{e3}\u{e7}\u{e1}\u{e9}\u{ed}\u{f3}\u{ea}\u{f5}", "\u{e0}\u{e2}\u{f4}\u{fa}\u{fc}"),
    // Catalan
    ("\u{e0}\u{e7}\u{e8}\u{e9}\u{ed}\u{f2}\u{f3}", "\u{ef}\u{fa}\u{fc}"),
    // Dutch
    ("\u{eb}\u{e9}\u{ef}", "\u{e8}\u{f6}\u{fc}"),
    // Swedish and Finnish
    ("\u{e4}\u{f6}\u{e5}", "\u{e9}\u{161}\u{17e}"),
    // Danish and Norwegian
    ("\u{e6}\u{f8}\u{e5}", "\u{e9}\u{f2}\u{f4}"),
    // Icelandic
    ("\u{e1}\u{e6}\u{e9}\u{ed}\u{f0}\u{f3}\u{f6}\u{fa}\u{fd}\u{fe}", ""),
    // Polish
    ("\u{105}\u{107}\u{119}\u{142}\u{144}\u{f3}\u{15b}\u{17c}\u{17a}", ""),
    // Czech
    ("\u{e1}\u{10d}\u{e9}\u{11b}\u{ed}\u{159}\u{161}\u{16f}\u{fa}\u{fd}\u{17e}",
     "\u{10f}\u{148}\u{f3}\u{165}"),
    // Slovak
    ("\u{e1}\u{10d}\u{e9}\u{ed}\u{13e}\u{161}\u{165}\u{fa}\u{fd}\u{17e}",
     "\u{e4}\u{10f}\u{13a}\u{148}\u{f3}\u{f4}\u{155}"),
    // Hungarian
    ("\u{e1}\u{e9}\u{ed}\u{f3}\u{f6}\u{151}\u{fc}\u{171}\u{fa}", ""),
    // Croatian and Slovene
    ("\u{10d}\u{107}\u{111}\u{161}\u{17e}", ""),
    // Romanian
    ("\u{103}\u{e2}\u{ee}\u{15f}\u{163}\u{219}\u{21b}", ""),
    // Turkish
    ("\u{e7}\u{11f}\u{131}\u{f6}\u{15f}\u{fc}", "\u{e2}\u{ee}\u{fb}"),
    // Lithuanian
    ("\u{105}\u{10d}\u{119}\u{117}\u{12f}\u{161}\u{173}\u{16b}\u{17e}", ""),
    // Latvian
    ("\u{101}\u{10d}\u{113}\u{123}\u{12b}\u{137}\u{13c}\u{146}\u{161}\u{16b}\u{17e}", ""),
    // Estonian
    ("\u{e4}\u{f5}\u{f6}\u{fc}", "\u{161}\u{17e}"),
    // Vietnamese
    ("\u{e0}\u{e1}\u{e2}\u{e3}\u{e8}\u{e9}\u{ea}\u{ec}\u{ed}\u{f2}\u{f3}\u{f4}\u{f5}\u{f9}\
      \u{fa}\u{fd}\u{103}\u{111}\u{1a1}\u{1b0}",
     "\u{300}\u{301}\u{303}\u{309}\u{323}"),
    // Russian
    ("\u{430}\u{431}\u{432}\u{433}\u{434}\u{435}\u{436}\u{437}\u{438}\u{439}\u{43a}\u{43b}\
      \u{43c}\u{43d}\u{43e}\u{43f}\u{440}\u{441}\u{442}\u{443}\u{444}\u{445}\u{446}\u{447}\
      \u{448}\u{449}\u{44a}\u{44b}\u{44c}\u{44d}\u{44e}\u{44f}",
     "\u{451}"),
    // Ukrainian
    ("\u{430}\u{431}\u{432}\u{433}\u{434}\u{435}\u{436}\u{437}\u{438}\u{439}\u{43a}\u{43b}\
      \u{43c}\u{43d}\u{43e}\u{43f}\u{440}\u{441}\u{442}\u{443}\u{444}\u{445}\u{446}\u{447}\
      \u{448}\u{449}\u{44c}\u{44e}\u{44f}\u{454}\u{456}\u{457}",
     "\u{491}"),
    // Belarusian
    ("\u{430}\u{431}\u{432}\u{433}\u{434}\u{435}\u{436}\u{437}\u{439}\u{43a}\u{43b}\u{43c}\
      \u{43d}\u{43e}\u{43f}\u{440}\u{441}\u{442}\u{443}\u{444}\u{445}\u{446}\u{447}\u{448}\
      \u{44b}\u{44c}\u{44d}\u{44e}\u{44f}\u{451}\u{456}\u{45e}", ""),
    // Serbian
    ("\u{430}\u{431}\u{432}\u{433}\u{434}\u{435}\u{436}\u{437}\u{438}\u{43a}\u{43b}\u{43c}\
      \u{43d}\u{43e}\u{43f}\u{440}\u{441}\u{442}\u{443}\u{444}\u{445}\u{446}\u{447}\u{448}\
      \u{452}\u{458}\u{459}\u{45a}\u{45b}\u{45f}", ""),
    // Macedonian
    ("\u{430}\u{431}\u{432}\u{433}\u{434}\u{435}\u{436}\u{437}\u{438}\u{43a}\u{43b}\u{43c}\
      \u{43d}\u{43e}\u{43f}\u{440}\u{441}\u{442}\u{443}\u{444}\u{445}\u{446}\u{447}\u{448}\
      \u{453}\u{455}\u{458}\u{459}\u{45a}\u{45c}\u{45f}", ""),
];

/// A character that no name holds, or one that cannot be read.
const IMPOSSIBLE: u32 = 20;
/// A sign between letters.
const SIGN_IN_WORD: u32 = 8;
/// A sign elsewhere.
const SIGN: u32 = 3;
/// A quotation mark, dash or the like where such marks stand.
const MARK: u32 = 1;
/// A letter that the language does not use, and one that it uses rarely.
const FOREIGN: u32 = 3;
const RARE: u32 = 1;
/// A capital letter behind a small one.
const CASE: u32 = 4;
/// Two Latin letters beyond ASCII in a row.
const ROW: u32 = 1;
/// Letters of two scripts in a row.
const MIXED: u32 = 4;

/// The scripts that are distinguished.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Greek,
    Hebrew,
    HalfWidth,
    Other,
}

impl Script {
    /// The script of a letter; nothing for signs and digits.
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            '\u{aa}' | '\u{b5}' | '\u{ba}' | '\u{192}' | '\u{2b0}'..='\u{2ff}' => return None,
            '\u{300}'..='\u{323}' => Self::Latin,
            '\u{370}'..='\u{3ff}' => Self::Greek,
            '\u{400}'..='\u{4ff}' => Self::Cyrillic,
            '\u{5b0}'..='\u{5f4}' => Self::Hebrew,
            '\u{ff66}'..='\u{ff9f}' => Self::HalfWidth,
            _ if !letter.is_alphabetic() => return None,
            _ if letter < '\u{250}' => Self::Latin,
            _ => Self::Other,
        })
    }
}

/// The strangeness of names that were read in one character set.
#[derive(Default)]
pub(super) struct Strangeness {
    /// What is strange in any language.
    shape: u32,
    /// Letters that are strange in each of the languages.
    letters: [u32; ALPHABETS.len()],
}

impl Strangeness {
    /// Counts one more name.
    pub(super) fn add(&mut self, name: &str) {
        let mut before = None;
        let mut rest = name.chars().peekable();
        while let Some(letter) = rest.next() {
            let cost = cost_between(before, letter, rest.peek().copied());
            self.shape = self.shape.saturating_add(cost);
            self.add_letter(letter);
            before = Some(letter);
        }
    }

    /// Counts a name that cannot be read.
    pub(super) fn add_unreadable(&mut self, name: &[u8]) {
        let bytes = name.iter().filter(|byte| !byte.is_ascii()).count();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.shape = self.shape.saturating_add(bytes.saturating_mul(IMPOSSIBLE));
    }

    /// The strangeness in the language that fits best.
    pub(super) fn total(&self) -> u32 {
        self.shape.saturating_add(self.letters.iter().copied().min().unwrap_or(0))
    }

    fn add_letter(&mut self, letter: char) {
        let has_alphabets = matches!(Script::of(letter), Some(Script::Latin | Script::Cyrillic));
        if letter.is_ascii() || !has_alphabets {
            return;
        }
        let small = letter.to_lowercase().next().unwrap_or(letter);
        for (count, (common, rare)) in self.letters.iter_mut().zip(ALPHABETS) {
            *count = count.saturating_add(match () {
                () if common.contains(small) => 0,
                () if rare.contains(small) => RARE,
                () => FOREIGN,
            });
        }
    }
}

/// How strange a character is between its neighbours.
fn cost_between(before: Option<char>, letter: char, after: Option<char>) -> u32 {
    let is_letter = |c: Option<char>| c.is_some_and(|c| Script::of(c).is_some());
    match Script::of(letter) {
        _ if is_impossible(letter) => IMPOSSIBLE,
        Some(_) => before.map_or(0, |before| cost_of_pair(before, letter)),
        None if letter.is_ascii() => 0,
        None => match (is_letter(before), is_letter(after), mark(letter)) {
            (true, true, Some(Mark::Between)) | (false, _, Some(Mark::Before)) => MARK,
            (_, false, Some(Mark::Behind)) => MARK,
            (false, false, Some(_)) => MARK,
            (false, false, None) => SIGN,
            _ => SIGN_IN_WORD,
        },
    }
}

/// How strange it is that a letter follows another character.
fn cost_of_pair(before: char, letter: char) -> u32 {
    let (Some(first), Some(second)) = (Script::of(before), Script::of(letter)) else { return 0 };
    if before.is_ascii() && letter.is_ascii() {
        return 0;
    }
    let is_row = first == Script::Latin && !before.is_ascii() && !letter.is_ascii();
    // The final forms of five Hebrew letters end words.
    let is_final = matches!(before, '\u{5da}' | '\u{5dd}' | '\u{5df}' | '\u{5e3}' | '\u{5e5}');
    [
        (first != second, MIXED),
        (before.is_lowercase() && letter.is_uppercase(), CASE),
        (first == second && is_row, ROW),
        (is_final && second == Script::Hebrew, CASE),
    ]
    .iter()
    .filter(|(is_so, _)| *is_so)
    .fold(0, |sum, (_, cost)| sum.saturating_add(*cost))
}

/// Where a mark of punctuation stands.
enum Mark {
    Before,
    Between,
    Behind,
}

fn mark(letter: char) -> Option<Mark> {
    Some(match letter {
        '\u{a1}' | '\u{bf}' | '\u{ab}' | '\u{201c}' | '\u{201e}' | '\u{201a}' | '\u{2018}'
        | '\u{2116}' => Mark::Before,
        '\u{2013}' | '\u{2019}' | '\u{b7}' | '\u{a0}' => Mark::Between,
        '\u{bb}' | '\u{201d}' | '\u{2026}' | '\u{b0}' | '\u{ba}' | '\u{aa}' | '\u{ae}'
        | '\u{2122}' => Mark::Behind,
        _ => return None,
    })
}

/// Controls, and characters without a meaning of their own.
fn is_impossible(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{fffd}' | '\u{e000}'..='\u{f8ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangeness(name: &str) -> u32 {
        let mut strangeness = Strangeness::default();
        strangeness.add(name);
        strangeness.total()
    }

    #[test]
    fn a_right_reading_is_less_strange_than_a_wrong_one_of_the_same_bytes() {
        for (right, wrong) in [
            ("Gr\u{f6}\u{df}e", "Gr\u{201d}\u{e1}e"),
            ("S\u{e3}o", "S\u{2566}o"),
            ("\u{15b}wi\u{119}ta", "\u{2dc}wi\u{a9}ta"),
            ("caf\u{e9}", "caf\u{81}"),
            ("\u{ff83}\u{ff7d}\u{ff84}", "\u{c3}\u{bd}\u{c4}"),
            ("\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "\u{d6}\u{ee}\u{f2}\u{ef}"),
        ] {
            let (best, worst) = (strangeness(right), strangeness(wrong));
            assert!(best < worst, "{right} {best}, {wrong} {worst}");
        }
    }

    #[test]
    fn names_in_ascii_are_not_strange() {
        for name in ["README.TXT", "iPhone 4", "a-b_c (1).tar.gz"] {
            assert_eq!(strangeness(name), 0, "{name}");
        }
    }
}
