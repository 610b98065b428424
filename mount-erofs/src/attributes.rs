//! Extended attributes as they stand behind an inode. Only those of the `user` namespace have a
//! form here that means nothing to the kernel.

use iso_core::volume::{NodeId, Volume, xattr_name};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32};

use crate::Declined;
use crate::disk::{XATTR_USER, XattrEntry, XattrHeader};

const USER: &[u8] = b"user.";

/// The attributes of a node, in the bytes that follow its inode; none for a node without any.
pub(crate) fn of(volume: &dyn Volume, node: NodeId) -> Result<Vec<u8>, Declined> {
    let mut bytes = Vec::new();
    for xattr in volume.xattrs(node)? {
        let Some(shown) = xattr_name(&xattr.name) else { continue };
        let name = shown.strip_prefix(USER).filter(|name| !name.is_empty());
        let name = name.ok_or(Declined::Attribute)?;
        let value = volume.xattr(node, &xattr.name)?;
        if bytes.is_empty() {
            let header = XattrHeader { name_filter: U32::ZERO, shared_count: 0, reserved: [0; 7] };
            bytes.extend_from_slice(header.as_bytes());
        }
        let entry = XattrEntry {
            name_bytes: u8::try_from(name.len()).map_err(|_| Declined::Attribute)?,
            name_index: XATTR_USER,
            value_bytes: U16::new(u16::try_from(value.len()).map_err(|_| Declined::Attribute)?),
        };
        bytes.extend_from_slice(entry.as_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Ok(bytes)
}

/// How an inode counts its attributes: their words of four bytes, the header's as one.
pub(crate) fn count(bytes: &[u8]) -> Result<u16, Declined> {
    let Some(words) = bytes.len().checked_sub(size_of::<XattrHeader>()) else { return Ok(0) };
    let count = (words / 4).saturating_add(1);
    u16::try_from(count).map_err(|_| Declined::Attribute)
}
