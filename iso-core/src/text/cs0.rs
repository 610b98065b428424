//! OSTA CS0, the character set of UDF: one byte that says how wide the rest is (UDF 2.60 2.1.1).
//! Gives WTF-8; refuses nothing that can be given bytes.

use super::utf16::encode_wtf8;

/// Decodes a CS0 string: compression id 8 or 16 (254 and 255 mark deleted names of that width).
/// Nothing for any other id.
pub(crate) fn decode_cs0(bytes: &[u8]) -> Option<Vec<u8>> {
    let (id, text) = bytes.split_first()?;
    match id {
        8 | 254 => Some(encode_wtf8(text.iter().map(|b| u16::from(*b)))),
        16 | 255 => Some(super::decode_utf16_be(text)),
        _ => None,
    }
}

/// Decodes a `dstring`, a CS0 string in a field of fixed width whose last byte is the length
/// (UDF 2.60 2.1.3). A length that exceeds the field is taken as the whole field.
pub(crate) fn decode_dstring(field: &[u8]) -> Vec<u8> {
    let Some((len, text)) = field.split_last() else { return Vec::new() };
    let used = text.get(..usize::from(*len)).unwrap_or(text);
    let decoded = decode_cs0(used).unwrap_or_default();
    super::trim_padding(&decoded).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_widths_decode_and_other_ids_do_not() {
        assert_eq!(decode_cs0(b"\x08A\xE4").as_deref(), Some("A\u{e4}".as_bytes()));
        assert_eq!(decode_cs0(b"\x10\0A\x4E\x2D").as_deref(), Some("A\u{4e2d}".as_bytes()));
        assert_eq!(decode_cs0(b"\x09A"), None);
        assert_eq!(decode_cs0(b""), None);
    }

    #[test]
    fn a_dstring_ends_where_its_length_byte_says() {
        assert_eq!(decode_dstring(b"\x08AB\0\0\0\x03"), b"AB");
        assert_eq!(decode_dstring(b"\x08AB\0\0\0\xFF"), b"AB", "a wrong length is forgiven");
        assert_eq!(decode_dstring(b"\0\0\0\0"), b"");
    }
}
