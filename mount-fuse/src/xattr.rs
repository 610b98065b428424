//! Extended attributes as requests ask for them: by the names that the core shows.
//! Unpacks and calls, no more.

use iso_core::volume::{NodeId, Volume, xattr_name};
use iso_core::{Error, Result};

/// The value of an attribute. A name is found with `user.` before it and without.
pub(crate) fn value(volume: &dyn Volume, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
    if xattr_name(name).is_none() {
        return Err(Error::NoXattr);
    }
    match (volume.xattr(node, name), name.strip_prefix(b"user.")) {
        (Err(Error::NoXattr), Some(bare)) => volume.xattr(node, bare),
        (outcome, _) => outcome,
    }
}

/// All names, each ended by a NUL.
pub(crate) fn names(volume: &dyn Volume, node: NodeId) -> Result<Vec<u8>> {
    let mut list = Vec::new();
    for name in volume.xattrs(node)?.iter().filter_map(|xattr| xattr_name(&xattr.name)) {
        list.extend(name);
        list.push(0);
    }
    Ok(list)
}
