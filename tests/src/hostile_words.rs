//! Words that a shell, a terminal or a program could take for more than a word: the labels and
//! names of discs that wish so. Says too what a terminal must never be sent.

/// What acts in some shell, names an option, or hides something. `PWN` is the file that appears
/// where one is obeyed.
const ATOMS: [&[u8]; 56] = [
    b"a\"; touch PWN; \"",
    b"'; touch PWN; '",
    b"\\'; touch PWN; \\'",
    b"\\'; touch PWN; '",
    b"\\\"; touch PWN; \\\"",
    b"\\047; touch PWN; \\047",
    b"\\\\'; touch PWN; '",
    b"$(touch PWN)",
    b"\"$(touch PWN)\"",
    b"`touch PWN`",
    b"'`touch PWN`'",
    b"${x:-`touch PWN`}",
    b"$((`touch PWN`))",
    b"$[`touch PWN`]",
    b"$'x'; touch PWN",
    b"$\"x\"; touch PWN",
    b"; touch PWN",
    b";touch PWN;",
    b"& touch PWN &",
    b"&& touch PWN",
    b"|| touch PWN",
    b"| touch PWN",
    b"> PWN",
    b">PWN",
    b"<(touch PWN)",
    b"(touch PWN)",
    b"{ touch PWN; }",
    b"# touch PWN",
    b"\n touch PWN\n",
    b"x\ntouch PWN",
    b"\r\ntouch PWN\r\n",
    b"'\ntouch PWN\n'",
    b"\x1b'; touch PWN; '",
    b"\x1b\\'; touch PWN; \\'",
    b"\xff'; touch PWN; '",
    b"\xe4\xb8'; touch PWN; '",
    b"!! !touch",
    b"\"!!\"",
    b"^a^b^",
    b"$HOME $0 $$",
    b"~",
    b"~root",
    b"=touch",
    b"a=b",
    b"* ? [a]",
    b"{a,b}",
    b"%PATH% %s",
    b"\\",
    b"-rf",
    b"--all",
    b"--",
    b"-",
    b" ahead",
    b"behind ",
    b"\t",
    b"\x07\x1b]0;title\x07",
];

/// Characters that act on a terminal, change the direction of text, or are not seen.
const HIDDEN: [&str; 12] = [
    "\u{1b}[2J",
    "\u{7f}",
    "\u{85}",
    "\u{9b}31m",
    "\u{a0}",
    "\u{ad}",
    "\u{200b}",
    "\u{202e}",
    "\u{2066}",
    "\u{2028}",
    "\u{feff}",
    "\u{e0041}",
];

/// Hostile words, more than a hundred, none of them twice.
#[must_use]
pub fn all() -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = ATOMS.iter().map(|atom| atom.to_vec()).collect();
    for hidden in HIDDEN {
        words.push(hidden.as_bytes().to_vec());
        words.push(format!("{hidden}'; touch PWN; '").into_bytes());
    }
    // The same beside plain text, and beside something that no plain quotes may hold.
    for atom in ATOMS {
        words.push([b"x", atom].concat());
        words.push([atom, b"\x1b"].concat());
    }
    words.sort();
    words.dedup();
    words
}

/// What of an output acts on a terminal or cannot be seen: every such character as a number, and
/// the bytes that are no text. Newlines are an output's own.
#[must_use]
pub fn acting(output: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for chunk in output.utf8_chunks() {
        let acting = chunk.valid().chars().filter(|c| *c != '\n' && is_acting(*c));
        found.extend(acting.map(|c| format!("U+{:04X}", u32::from(c))));
        found.extend(chunk.invalid().iter().map(|byte| format!("byte {byte:#04x}")));
    }
    found
}

/// As UnicodeData.txt has it: categories Cc, Cf, Zl and Zp, as far as they are assigned.
fn is_acting(c: char) -> bool {
    let ranges = [
        (0x00, 0x1F),
        (0x7F, 0x9F),
        (0xAD, 0xAD),
        (0x61C, 0x61C),
        (0x180E, 0x180E),
        (0x200B, 0x200F),
        (0x2028, 0x202E),
        (0x2060, 0x2064),
        (0x2066, 0x206F),
        (0xFEFF, 0xFEFF),
        (0xFFF9, 0xFFFB),
        (0xE0001, 0xE0001),
        (0xE0020, 0xE007F),
    ];
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(c)))
}
