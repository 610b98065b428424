//! The extended attributes behind an inode: the user's and nobody else's, each whole.
//! Shared ones, prefixes of names and filters are never written, so none is accepted.

use zerocopy::{FromBytes, IntoBytes};

use super::forward::Forward;
use super::refused::{Refused, require, unsound};
use crate::disk::{INODE_BYTES, XATTR_USER, XattrEntry, XattrHeader};

/// The longest name without `user.` that programs can ask for.
const MAX_NAME_BYTES: u8 = 250;

/// Checks the attributes of the inode at a byte, which has so many words of them; gives their
/// bytes.
///
/// # Errors
/// `Refused`.
pub(super) fn check(bytes: &mut Forward<'_>, inode: u64, words: u16) -> Result<u64, Refused> {
    let Some(more) = words.checked_sub(1) else { return Ok(0) };
    let at = inode.saturating_add(INODE_BYTES);
    let len = usize::from(more).saturating_mul(4).saturating_add(size_of::<XattrHeader>());
    let area = bytes.get(at, len)?;
    let cut = || unsound("an attribute that is cut short", at);
    let (header, mut rest) = XattrHeader::ref_from_prefix(area).map_err(|_| cut())?;
    let has_ours_alone = header.as_bytes().iter().all(|byte| *byte == 0) && !rest.is_empty();
    require(has_ours_alone, "attributes of a form that is not ours", at)?;
    while !rest.is_empty() {
        let (entry, body) = XattrEntry::ref_from_prefix(rest).map_err(|_| cut())?;
        require(entry.name_index == XATTR_USER, "an attribute that is not the user's", at)?;
        let name = body.get(..usize::from(entry.name_bytes)).ok_or_else(cut)?;
        let is_name = (1..=MAX_NAME_BYTES).contains(&entry.name_bytes) && !name.contains(&0);
        require(is_name, "an attribute without a name", at)?;
        let whole = size_of::<XattrEntry>()
            .saturating_add(name.len())
            .saturating_add(usize::from(entry.value_bytes.get()))
            .next_multiple_of(4);
        rest = rest.get(whole..).ok_or_else(cut)?;
    }
    Ok(u64::try_from(len).unwrap_or(u64::MAX))
}
