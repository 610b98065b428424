//! Attribute lists: POSIX ACLs and extended attributes in system use entries (AAIP 2.0).
//! Components of `AL` entries in, names and values out; no other entry is looked at.

use crate::num::to_usize;

/// What the `AL` entries of one file hold, end to end: a component record may begin in one entry
/// and end in the next.
#[derive(Debug, Default)]
pub(super) struct AttributeList(Vec<u8>);

/// Flag of a component record that the next one belongs to it.
const CONTINUES: u8 = 1;

impl AttributeList {
    /// Takes in one `AL` entry, its flag byte first.
    pub(super) fn take(&mut self, data: &[u8]) {
        self.0.extend_from_slice(data.get(1..).unwrap_or_default());
    }

    /// The components: flags, length and bytes of each record, put together. Nothing where there
    /// are more than `max`.
    fn components(&self, max: usize) -> Option<Vec<Vec<u8>>> {
        let mut components: Vec<Vec<u8>> = Vec::new();
        let mut joins = false;
        let mut rest = self.0.as_slice();
        while let [flags, len, tail @ ..] = rest {
            let Some((bytes, after)) = tail.split_at_checked(usize::from(*len)) else { break };
            if !joins && components.len() >= max {
                return None;
            }
            match components.last_mut().filter(|_| joins) {
                Some(component) => component.extend_from_slice(bytes),
                None => components.push(bytes.to_vec()),
            }
            joins = flags & CONTINUES != 0;
            rest = after;
        }
        Some(components)
    }

    /// The attributes by their full names, ACLs in the form that Linux gives them. Nothing where
    /// there are more than `max`: each takes many times the bytes that it is recorded in.
    pub(super) fn attributes(&self, max: u64) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut attributes = Vec::new();
        // A name and a value each.
        for pair in self.components(to_usize(max.saturating_mul(2)))?.chunks_exact(2) {
            let [name, value] = pair else { continue };
            if name.is_empty() {
                attributes.extend(acls(value));
            } else if let Some(name) = full_name(name) {
                attributes.push((name, value.clone()));
            }
        }
        // Writers record an ACL in both forms; the first of a name counts.
        let mut seen = std::collections::HashSet::new();
        attributes.retain(|(name, _)| seen.insert(name.clone()));
        Some(attributes)
    }
}

/// A name with its namespace spelled out. Nothing for names of the file system's own.
fn full_name(name: &[u8]) -> Option<Vec<u8>> {
    let (first, rest) = name.split_first()?;
    let prefix: &[u8] = match first {
        1 => b"",
        2 => b"system.",
        3 => b"user.",
        // What libisofs keeps for itself: inode numbers, checksums.
        4 => return None,
        5 => b"trusted.",
        6 => b"security.",
        7..=0x1F => return None,
        _ => return Some(name.to_vec()),
    };
    Some([prefix, rest].concat())
}

/// An entry of an ACL as Linux orders and spells it.
type AclEntry = (u16, u32, u16);

/// The access and the default ACL in a compact representation; those that make no sense are
/// left out.
fn acls(compact: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    const SWITCH_MARK: u8 = 8;
    let mut lists: [Vec<AclEntry>; 2] = Default::default();
    let mut current = 0usize;
    let mut rest = compact;
    while let [flags, tail @ ..] = rest {
        let Some((qualifier, after)) = qualifier(*flags, tail) else { return Vec::new() };
        rest = after;
        if flags >> 4 == SWITCH_MARK {
            current = 1;
        } else if let (Some(entry), Some(list)) =
            (acl_entry(*flags, &qualifier), lists.get_mut(current))
        {
            list.push(entry);
        }
    }
    let names: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];
    let named = names.into_iter().zip(lists);
    named.filter_map(|(name, list)| Some((name.to_vec(), linux_acl(list)?))).collect()
}

/// The qualifier behind an entry's flags, and what follows it.
fn qualifier(flags: u8, tail: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    const QUALIFIER: u8 = 1 << 3;
    const GOES_ON: u8 = 1 << 7;
    let mut qualifier = Vec::new();
    let mut rest = tail;
    let mut goes_on = flags & QUALIFIER != 0;
    while goes_on {
        let (head, after) = rest.split_first()?;
        let (bytes, after) = after.split_at_checked(usize::from(head & !GOES_ON))?;
        qualifier.extend_from_slice(bytes);
        goes_on = head & GOES_ON != 0;
        rest = after;
    }
    Some((qualifier, rest))
}

/// Tag, id and permissions of an entry, the tag as in Linux.
fn acl_entry(flags: u8, qualifier: &[u8]) -> Option<AclEntry> {
    const NO_ID: u32 = u32::MAX;
    let number = || {
        let is_short = (1..=4).contains(&qualifier.len());
        is_short.then(|| qualifier.iter().fold(0u32, |n, byte| n << 8 | u32::from(*byte)))
    };
    let (tag, id) = match flags >> 4 {
        1 => (0x01, NO_ID),
        10 => (0x02, number()?),
        3 => (0x04, NO_ID),
        12 => (0x08, number()?),
        5 => (0x10, NO_ID),
        6 => (0x20, NO_ID),
        _ => return None,
    };
    Some((tag, id, u16::from(flags & 7)))
}

/// The value of a `system.posix_acl_*` attribute, if the entries make a valid ACL: the three base
/// entries once each, and a mask where users or groups are named.
fn linux_acl(mut entries: Vec<AclEntry>) -> Option<Vec<u8>> {
    const VERSION: u32 = 2;
    entries.sort_unstable();
    let count = |tag: u16| entries.iter().filter(|entry| entry.0 == tag).count();
    let is_named = count(0x02) > 0 || count(0x08) > 0;
    let is_valid = [0x01, 0x04, 0x20].into_iter().all(|tag| count(tag) == 1)
        && count(0x10) <= 1
        && (!is_named || count(0x10) == 1);
    if !is_valid {
        return None;
    }
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(entries: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
        let mut list = AttributeList::default();
        entries.iter().for_each(|entry| list.take(entry));
        assert_eq!(list.attributes(0).is_none(), !list.0.is_empty());
        let named = list.attributes(1000).unwrap().into_iter();
        named.map(|(name, value)| (String::from_utf8(name).unwrap(), value)).collect()
    }

    #[test]
    fn pairs_go_on_across_records_and_entries() {
        let got = attributes(&[b"\x01\0\x04\x03abc\x01\x02lo", b"\0\0\x02ng\0\x03one\0\x01m"]);
        assert_eq!(got, [("user.abc".into(), b"long".into()), ("one".into(), b"m".into())]);
        let got = attributes(&[b"\x01\0\x01a\0\x05he", b"\0llo"]);
        assert_eq!(got, [("a".into(), b"hello".into())], "a record split between entries");
        let got = attributes(&[b"\0\0\x03\x04di\0\x01x\0\x05\x06caps\0\0\0\x03cut"]);
        assert_eq!(got, [("security.caps".into(), Vec::new())]);
    }

    #[test]
    fn compact_acls_become_those_of_linux_and_broken_ones_are_left_out() {
        // The examples of the specification; the last entry of the second lacks a bit there.
        let one = b"\0\0\0\0\x0b\x16\xae\x01\x7b\x34\xce\x02\xff\xfe\x54\x64";
        let got = attributes(&[one]);
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].0, "system.posix_acl_access");
        assert_eq!(got[0].1.len(), 4 + 6 * 8);
        assert_eq!(
            &got[0].1[..20],
            b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x06\0\x7b\0\0\0"
        );
        let both = b"\0\0\0\0\x0b\x17\x35\x65\x81\x17\x35\x57\x65\xaf\x01\x7b";
        let names: Vec<String> = attributes(&[both]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["system.posix_acl_access", "system.posix_acl_default"]);
        for broken in [&b"\0\0\0\0\x01\x16"[..], b"\0\0\0\0\x02\x16\xae", b"\0\0\0\0\0"] {
            assert_eq!(attributes(&[broken]), []);
        }
    }
}
