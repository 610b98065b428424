//! Symbolic links of UDF: path components put together into a target (ECMA-167 4/14.16).
//! Parsing only.

use zerocopy::FromBytes;

use super::disk::PathComponent;
use crate::text::decode_cs0;

/// The target of a link, or nothing where its components break a rule.
pub(super) fn target(components: &[u8]) -> Option<Vec<u8>> {
    const ROOT_OF_MEDIUM: u8 = 1;
    const ROOT: u8 = 2;
    const PARENT: u8 = 3;
    const CURRENT: u8 = 4;
    const NAME: u8 = 5;
    let mut path: Vec<u8> = Vec::new();
    let mut rest = components;
    while !rest.is_empty() {
        let (head, tail) = PathComponent::ref_from_prefix(rest).ok()?;
        let (identifier, after) = tail.split_at_checked(usize::from(head.len))?;
        rest = after;
        if matches!(head.kind, ROOT | ROOT_OF_MEDIUM) {
            path = b"/".to_vec();
            continue;
        }
        if !path.is_empty() && path.last() != Some(&b'/') {
            path.push(b'/');
        }
        match head.kind {
            PARENT => path.extend_from_slice(b".."),
            CURRENT => path.push(b'.'),
            // A zero byte ends a path on every system.
            NAME => path.extend(decode_cs0(identifier).filter(|name| !name.contains(&0))?),
            _ => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_put_together_from_five_kinds_of_component() {
        for (bytes, want) in [
            (&b"\x05\x04\0\0\x08abc"[..], Some("abc")),
            (b"\x02\0\0\0\x05\x02\0\0\x08a\x05\x02\0\0\x08b", Some("/a/b")),
            (b"\x01\0\0\0\x05\x02\0\0\x08a", Some("/a")),
            (b"\x03\0\0\0\x03\0\0\0\x05\x02\0\0\x08a", Some("../../a")),
            (b"\x04\0\0\0\x05\x02\0\0\x08a", Some("./a")),
            (b"", Some("")),
            (b"\x09\0\0\0", None),
            (b"\x05\x09\0\0\x08a", None),
            (b"\x05\x02\0\0\x07a", None),
            (b"\x05\x02", None),
        ] {
            let got = target(bytes).map(|t| String::from_utf8(t).unwrap());
            assert_eq!(got.as_deref(), want, "{bytes:?}");
        }
    }
}
