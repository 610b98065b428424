//! Extended attributes under the names that Linux takes: those of no namespace become `user.`,
//! and those that could act on this system are not shown. Unpacks and calls, no more.

use iso_core::volume::{NodeId, Volume};
use iso_core::{Error, Result};

/// The namespace of attributes that mean nothing to the kernel.
const USER: &[u8] = b"user.";

/// Namespaces that the kernel or a security module acts on: a stranger's disc has no say there.
const WITHHELD: [&[u8]; 2] = [b"security.", b"trusted."];

/// The value of an attribute. A name is found with `user.` before it and without.
pub(crate) fn value(volume: &dyn Volume, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
    if WITHHELD.iter().any(|namespace| name.starts_with(namespace)) {
        return Err(Error::NoXattr);
    }
    match (volume.xattr(node, name), name.strip_prefix(USER)) {
        (Err(Error::NoXattr), Some(bare)) => volume.xattr(node, bare),
        (outcome, _) => outcome,
    }
}

/// All names, each ended by a NUL.
pub(crate) fn names(volume: &dyn Volume, node: NodeId) -> Result<Vec<u8>> {
    let mut list = Vec::new();
    for xattr in volume.xattrs(node)? {
        let name = shown(&xattr.name);
        let is_withheld = WITHHELD.iter().any(|namespace| name.starts_with(namespace));
        // What the kernel takes for a name has 255 bytes at most and no NUL in it.
        if !is_withheld && name.len() <= 255 && !name.contains(&0) {
            list.extend(name);
            list.push(0);
        }
    }
    Ok(list)
}

/// A recorded name in a namespace that Linux knows.
fn shown(recorded: &[u8]) -> Vec<u8> {
    let is_known = [USER, b"system."].iter().chain(&WITHHELD).any(|n| recorded.starts_with(n));
    if is_known { recorded.to_vec() } else { [USER, recorded].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_namespace_belong_to_the_user() {
        for (recorded, want) in [
            (&b"com.apple.FinderInfo"[..], &b"user.com.apple.FinderInfo"[..]),
            (b"user.note", b"user.note"),
            (b"system.posix_acl_access", b"system.posix_acl_access"),
            (b"security.capability", b"security.capability"),
        ] {
            assert_eq!(shown(recorded), want);
        }
    }
}
