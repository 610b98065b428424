//! Symbolic links of a disc as Windows has them: where they lead within the volume, as one
//! relative path. Links are followed by the rules of their own system, since Windows has others.

use iso_core::volume::{FileKind, NodeId};

use crate::{Result, Status, to_windows};

/// The tag of a symbolic link.
pub const TAG_SYMLINK: u32 = 0xA000_000C;

/// Says that the target counts from where the link is.
const RELATIVE: u32 = 1;

/// Links followed on the way, as in the kernels that such discs are made for.
const MAX_LINKS: usize = 40;

/// Units of a target at most: twice this many bytes, twice, must fit into 16 KiB.
const MAX_TARGET_UNITS: usize = 4000;

const BACKSLASH: u16 = 0x5C;

/// A directory or file on a path, under its name as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) node: NodeId,
    pub(crate) name: Vec<u16>,
}

/// What is asked of a volume while a link is followed.
pub(crate) trait Lookup {
    /// The target of a link as the disc records it.
    fn read_link(&self, node: NodeId) -> Result<Vec<u8>>;

    /// The entry of the last directory of `trail` with this name on the disc, and its kind.
    fn step(&self, trail: &[Step], name: &[u8]) -> Result<Option<(Step, FileKind)>>;
}

/// Where a link leads.
pub(crate) struct Target {
    /// The path from the directory that holds the link.
    pub(crate) relative: Vec<u16>,
    pub(crate) is_directory: bool,
}

/// Where the link `node` leads that is held by the last directory of `trail`. What is missing is
/// named as the link names it.
///
/// # Errors
/// `ACCESS_DENIED` for a link that leaves the volume, `REPARSE_POINT_NOT_RESOLVED` for one that
/// goes round in a circle, or what is wrong with the disc.
pub(crate) fn target(tree: &impl Lookup, trail: &[Step], node: NodeId) -> Result<Target> {
    let mut here: Vec<Step> = trail.to_vec();
    let mut links_left = MAX_LINKS;
    let mut left = components(&tree.read_link(node)?)?;
    // What lies behind a name that is not there, or behind a file.
    let mut missing = false;
    let mut is_directory = true;
    while let Some(name) = left.pop() {
        if name == b".." {
            here.pop().ok_or(Status::ACCESS_DENIED)?;
            (missing, is_directory) = (false, true);
            continue;
        }
        let found = if missing { None } else { tree.step(&here, &name)? };
        let Some((step, kind)) = found else {
            here.push(Step { node: NodeId::from_number(0), name: to_windows(&name) });
            (missing, is_directory) = (true, false);
            continue;
        };
        if kind == FileKind::Symlink {
            links_left = links_left.checked_sub(1).ok_or(Status::REPARSE_POINT_NOT_RESOLVED)?;
            left.append(&mut components(&tree.read_link(step.node)?)?);
            continue;
        }
        is_directory = kind == FileKind::Directory;
        missing = !is_directory;
        here.push(step);
    }
    let relative = relative(trail, &here);
    if relative.len() > MAX_TARGET_UNITS {
        return Err(Status::OBJECT_NAME_INVALID.into());
    }
    Ok(Target { relative, is_directory })
}

/// The components of a target, the last one first.
fn components(target: &[u8]) -> Result<Vec<Vec<u8>>> {
    if target.first() == Some(&b'/') {
        return Err(Status::ACCESS_DENIED.into());
    }
    let named = target.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    Ok(named.rev().map(<[u8]>::to_vec).collect())
}

/// The path from one directory to another place of the same volume.
fn relative(from: &[Step], to: &[Step]) -> Vec<u16> {
    let shared = from.iter().zip(to).take_while(|(a, b)| a.name == b.name).count();
    let up = from.len().saturating_sub(shared);
    let ups = std::iter::repeat_n(&[0x2E, 0x2E][..], up);
    let downs = to.iter().skip(shared).map(|step| step.name.as_slice());
    let path = ups.chain(downs).collect::<Vec<_>>().join(&BACKSLASH);
    if path.is_empty() { vec![0x2E] } else { path }
}

/// A target as Windows wants it: a `REPARSE_DATA_BUFFER` of a symbolic link (MS-FSCC 2.1.2.4).
#[must_use]
pub fn symlink_data(target: &[u16]) -> Vec<u8> {
    let path: Vec<u8> = target.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let len = u16::try_from(path.len()).unwrap_or(0).to_le_bytes();
    let data_len = u16::try_from(path.len().saturating_mul(2).saturating_add(12)).unwrap_or(0);
    let mut data = TAG_SYMLINK.to_le_bytes().to_vec();
    data.extend([data_len.to_le_bytes(), [0, 0]].concat());
    // The name to go to, then the name to show: the same one twice.
    data.extend([[0, 0], len, len, len].concat());
    data.extend(RELATIVE.to_le_bytes());
    data.extend([path.as_slice(), &path].concat());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(path: &str) -> Vec<Step> {
        let step =
            |name: &str| Step { node: NodeId::from_number(0), name: name.encode_utf16().collect() };
        path.split('/').filter(|name| !name.is_empty()).map(step).collect()
    }

    #[test]
    fn paths_lead_from_the_directory_of_the_link() {
        for (from, to, want) in [
            ("", "a/b", "a\\b"),
            ("a", "a/b", "b"),
            ("a/b", "a/c/d", "..\\c\\d"),
            ("a/b", "", "..\\.."),
            ("a", "a", "."),
        ] {
            let path = relative(&steps(from), &steps(to));
            assert_eq!(String::from_utf16(&path).unwrap(), want, "{from} to {to}");
        }
    }

    #[test]
    fn the_data_of_a_link_names_its_target_twice() {
        let data = symlink_data(&[0x61, 0x62]);
        let head = [0x0C, 0, 0, 0xA0, 20, 0, 0, 0, 0, 0, 4, 0, 4, 0, 4, 0, 1, 0, 0, 0];
        assert_eq!(data[..20], head);
        assert_eq!(data[20..], *b"a\0b\0a\0b\0");
    }
}
