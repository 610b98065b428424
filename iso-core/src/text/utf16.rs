//! Sixteen-bit characters as WTF-8: UTF-8 that can also carry a lone surrogate.
//! So every name on a disc has bytes, and no two names get the same ones.

/// Decodes big-endian UTF-16 or UCS-2 (Joliet, ECMA-119 Supplementary Volume Descriptors).
/// A last odd byte is dropped.
pub(crate) fn decode_utf16_be(bytes: &[u8]) -> Vec<u8> {
    let units =
        bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes));
    encode_wtf8(units)
}

/// Encodes 16-bit units: pairs of surrogates as one character, lone ones as three bytes.
pub(crate) fn encode_wtf8(units: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut out = Vec::new();
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => out.extend_from_slice(&generalised(lone.unpaired_surrogate())),
        }
    }
    out
}

/// The three bytes of a surrogate in generalised UTF-8.
fn generalised(unit: u16) -> [u8; 3] {
    let part = |shift: u32, tag: u8| {
        let six = unit.checked_shr(shift).unwrap_or(0) & 0x3F;
        tag | u8::try_from(six).unwrap_or(0)
    };
    [0xE0 | u8::try_from(unit >> 12).unwrap_or(0), part(6, 0x80), part(0, 0x80)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_characters_pairs_one_and_lone_surrogates_stay_apart() {
        for (bytes, want) in [
            (&b"\0A\0b"[..], &b"Ab"[..]),
            (&[0x00, 0xE4, 0x4E, 0x2D], "\u{e4}\u{4e2d}".as_bytes()),
            (&[0xD8, 0x3D, 0xDE, 0x00], "\u{1f600}".as_bytes()),
            (&[0xD8, 0x3D, 0x00, 0x41], b"\xED\xA0\xBDA"),
            (&[0xDE, 0x00], b"\xED\xB8\x80"),
            (&[0x00, 0x41, 0x00], b"A"),
        ] {
            assert_eq!(decode_utf16_be(bytes), want, "{bytes:x?}");
        }
    }
}
