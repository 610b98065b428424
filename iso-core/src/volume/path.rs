//! Paths inside an image, as `cat` and `extract` are given them.
//! Symbolic links are followed within the image and never leave it.

use crate::error::{Error, Result};

use super::{FileKind, NodeId, Volume};

/// Links followed for one path, as in the kernel.
const MAX_LINKS: usize = 40;

/// The node of a path. A leading `/` means the root of the disc, as does a link that begins with
/// one; `..` at the root stays there. With `follow`, a link at the end is followed too.
///
/// # Errors
/// `NotFound`, `NotDirectory`, `BadName` where links go round in a circle, or what is wrong with
/// a directory on the way.
pub fn resolve(volume: &dyn Volume, path: &[u8], follow: bool) -> Result<NodeId> {
    let fold = volume.facts().ignores_case;
    let mut here = volume.root();
    let mut links_left = MAX_LINKS;
    // What is still to be walked, last component first.
    let mut left: Vec<Vec<u8>> = components(path);
    while let Some(name) = left.pop() {
        let node = volume.lookup(here, &name, fold)?;
        let attr = volume.attr(node)?;
        if attr.kind != FileKind::Symlink || (left.is_empty() && !follow) {
            here = node;
            continue;
        }
        links_left = links_left
            .checked_sub(1)
            .ok_or(Error::BadName("its symbolic links go round in a circle"))?;
        let target = volume.read_link(node)?;
        if target.first() == Some(&b'/') {
            here = volume.root();
        }
        left.append(&mut components(&target));
    }
    Ok(here)
}

/// The components of a path, last first, without empty ones and `.`.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let named = path.split(|b| *b == b'/').filter(|name| !matches!(*name, b"" | b"."));
    named.rev().map(<[u8]>::to_vec).collect()
}
