//! What every file system on a disc offers, whatever its format: one trait, nodes, directories.
//! Adapters and tools work through this room alone; formats implement it.

mod data;
mod dir;
mod dir_builder;
mod extents;
mod in_parts;
mod name_index;
mod node;
mod outline;
mod parsed;
mod path;
mod present;
mod walk;
mod xattr;

use std::borrow::Cow;
use std::sync::Arc;

use crate::cache::{Disc, zeroed};
use crate::error::{Error, Result, Site};
use crate::num::to_usize;

pub use data::{Data, Decode};
pub use dir::{Dir, DirEntry};
pub use dir_builder::DirBuilder;
pub use extents::{Extent, Extents, ExtentsBuilder};
pub use in_parts::DirPart;
pub(crate) use in_parts::{InParts, find, read_dir, read_names, read_part};
pub use node::{Attr, Device, FileKind, NodeId, Posix};
pub(crate) use outline::Outline;
pub(crate) use parsed::{ParsedCaches, Shelf};
pub use path::resolve;
pub use present::{Case, Hidden, Owner, Permissions, Presentation, Stat, xattr_name};
pub use walk::{Step, Walk};
pub use xattr::{FINDER_INFO, RESOURCE_FORK, Xattr, lacks_xattrs};

/// A finished directory, and the outline of a large one; that names in it were not unique is a
/// finding. `is_damage` is asked then whether they are not unique as recorded either.
pub(crate) fn finished(
    builder: DirBuilder,
    disc: &Disc,
    site: Site,
    is_damage: impl FnOnce() -> bool,
) -> Result<(Dir, Option<Outline>)> {
    let (dir, changed, outline) = builder.finish_outlined()?;
    if changed {
        let error = site.corrupt("has names that are not unique");
        let text = format!("{error}; all but the first are shown with a number");
        match is_damage() {
            true => disc.findings().note_made_up_for(text),
            false => disc.findings().note_harmless(text),
        }
    }
    Ok((dir, outline))
}

/// Whether the image lacks bytes of a file that lies in extents. Extents that cannot be worked out
/// because of damage lead to no bytes either.
pub(crate) fn lacks(disc: &Disc, extents: &Result<Extents>) -> bool {
    let lacks = match extents {
        Ok(extents) => !extents.are_held_by(disc),
        Err(error) => matches!(error, Error::Corrupt { .. }),
    };
    if lacks {
        disc.findings().note(
            "bytes of files are not in the image, and reading them is an error; isodrive tree \
             names the files",
        );
    }
    lacks
}

/// What a volume says of itself as a whole.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// File system and version for people, as in `UDF 1.02` or `ISO 9660 + Rock Ridge 1.12`.
    pub system: String,
    /// The volume's name as recorded, padding removed; WTF-8.
    pub label: Vec<u8>,
    /// Bytes of one logical block.
    pub block_bytes: u32,
    /// Bytes the volume claims to span.
    pub volume_bytes: u64,
    /// When the volume was made, if it says.
    pub created: Option<crate::Timestamp>,
    /// Who published it, where the format records it; WTF-8, empty for none.
    pub publisher: Vec<u8>,
    /// Who prepared its data (ECMA-119 8.4.21); WTF-8, empty for none.
    pub preparer: Vec<u8>,
    /// The program that made the volume; WTF-8, empty for none.
    pub application: Vec<u8>,
    /// Whether names that differ in case alone are meant to be one name.
    pub ignores_case: bool,
    /// Byte position of the 2048 bytes that Windows makes the volume's serial number of: the volume
    /// descriptor of ISO 9660, the file set descriptor of UDF.
    pub descriptor_at: Option<u64>,
}

/// A file, and the first byte and the bytes of its data, if it is a regular file that has any.
pub type FileExtent = (NodeId, Option<(u64, u64)>);

/// A read-only file system on a disc. All methods may be called from many threads.
pub trait Volume: Send + Sync {
    /// What the volume says of itself.
    fn facts(&self) -> &Facts;

    /// The disc it lies on.
    fn disc(&self) -> &Disc;

    /// The root directory.
    fn root(&self) -> NodeId;

    /// Byte position in the image of what is recorded of a node, for messages.
    fn place_of(&self, node: NodeId) -> u64 {
        node.position()
    }

    /// What is recorded of a node.
    ///
    /// # Errors
    /// `Stale` for a number that is no node of this volume; otherwise what is wrong with it.
    fn attr(&self, node: NodeId) -> Result<Attr>;

    /// The entries of a directory, without `.` and `..`.
    ///
    /// # Errors
    /// `NotDirectory`, or what is wrong with the directory as a whole.
    fn read_dir(&self, node: NodeId) -> Result<Arc<Dir>>;

    /// As `read_dir`, from the directory's own bytes alone: a directory of a damaged disc may have
    /// another node here than there. For looking at many discs or trees in few reads.
    ///
    /// # Errors
    /// As `read_dir`.
    fn read_names(&self, node: NodeId) -> Result<Arc<Dir>> {
        self.read_dir(node)
    }

    /// The entries of a directory around a position, without `.` and `..`: all of them, or those
    /// that are parsed together. A large directory is not parsed from its beginning each time.
    ///
    /// # Errors
    /// As `read_dir`.
    fn read_dir_part(&self, node: NodeId, _position: usize) -> Result<DirPart> {
        self.read_dir(node).map(DirPart::whole)
    }

    /// The node of an entry of a directory by name, as [`Dir::find`] finds it.
    ///
    /// # Errors
    /// As `read_dir`.
    fn find(&self, dir: NodeId, name: &[u8], fold: bool) -> Result<Option<NodeId>> {
        Ok(self.read_dir(dir)?.find(name, fold).map(|entry| entry.node))
    }

    /// The bytes of a regular file: where they lie, or how they are worked out.
    ///
    /// # Errors
    /// `IsDirectory`, `NotRegular`, or what is wrong with the file.
    fn data(&self, node: NodeId) -> Result<Arc<Data>>;

    /// Whether a regular file gives fewer bytes than the disc has of it, or should have. What is
    /// wrong is a finding then, each time that it is asked.
    fn is_cut(&self, _node: NodeId) -> bool {
        false
    }

    /// Whether the image lacks bytes of a regular file, or of a directory: they lie behind its end,
    /// before its beginning, or nowhere, and reading them is an error. By what is recorded of the
    /// node: the bytes themselves are not read. That there are such files is a finding then.
    fn lacks_bytes(&self, _node: NodeId) -> bool {
        false
    }

    /// The first byte of a file's data on the disc, where its record alone tells.
    fn first_byte(&self, _node: NodeId) -> Option<u64> {
        None
    }

    /// First byte and bytes of a regular file that has data, where its record alone tells.
    fn extent(&self, node: NodeId) -> Option<(u64, u64)> {
        let attr = self.attr(node).ok()?;
        let has_data = attr.kind == FileKind::Regular && attr.size > 0;
        has_data.then(|| self.first_byte(node)).flatten().map(|at| (at, attr.size))
    }

    /// As [`Volume::extent`], for the files that a directory names, in the order of their nodes.
    /// It may lack some, or all. One pass costs less than asking for each.
    fn extents_in(&self, _dir: NodeId) -> Vec<FileExtent> {
        Vec::new()
    }

    /// First byte and bytes of a directory's own data on the disc, where it lies in one piece and
    /// the directory's record alone tells.
    fn dir_span(&self, _dir: NodeId) -> Option<(u64, u64)> {
        None
    }

    /// Whether the bytes of a file may change while the volume is open, as those of a report do; of
    /// the root, whether those of any file may.
    fn may_change(&self, _node: NodeId) -> bool {
        false
    }

    /// The target of a symbolic link, as recorded.
    ///
    /// # Errors
    /// `NotSymlink`, or what is wrong with the link.
    fn read_link(&self, node: NodeId) -> Result<Vec<u8>>;

    /// What is recorded of a node beside its bytes and its attributes.
    ///
    /// # Errors
    /// What is wrong with the node.
    fn xattrs(&self, _node: NodeId) -> Result<Vec<Xattr>> {
        Ok(Vec::new())
    }

    /// Whether a directory, or anything in it that is no directory, has extended attributes.
    ///
    /// # Errors
    /// What is wrong with the directory or with any of its entries.
    fn has_xattrs_in(&self, dir: NodeId) -> Result<bool> {
        if !self.xattrs(dir)?.is_empty() {
            return Ok(true);
        }
        for entry in self.read_dir(dir)?.iter() {
            if entry.kind != Some(FileKind::Directory) && !self.xattrs(entry.node)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The value of one extended attribute.
    ///
    /// # Errors
    /// `NoXattr` where it has none of this name, `XattrTooLong` where the value is longer than
    /// operating systems take, or what is wrong with the node or the value.
    fn xattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        let found = self.xattrs(node)?.into_iter().find(|xattr| xattr.name == name);
        let value = found.ok_or(Error::NoXattr)?.value;
        let max = self.disc().limits().xattr_bytes;
        if value.len() > max {
            return Err(Error::XattrTooLong);
        }
        let mut bytes = zeroed(to_usize(value.len()))?;
        value.read_into(self.disc(), 0, &mut bytes)?;
        Ok(bytes)
    }

    /// The node of an entry by name; `.` and `..` work too. Where no entry has exactly this name
    /// and `fold` is set, the first one that differs in case alone is meant.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `BadName`, or what is wrong with the directory.
    fn lookup(&self, dir: NodeId, name: &[u8], fold: bool) -> Result<NodeId> {
        if name.len() > self.disc().limits().name_bytes {
            return Err(Error::BadName("it is too long"));
        }
        match name {
            // NFS servers look up `.` on files when all they have is a handle.
            b"." => Ok(dir),
            b".." => Ok(self.read_dir_part(dir, 0)?.parent()),
            _ => self.find(dir, name, fold)?.ok_or(Error::NotFound),
        }
    }

    /// Up to `len` bytes of a regular file from byte `offset`; fewer only at its end. Borrowed
    /// bytes belong to a map of the image: hand them to the kernel, do not look at them.
    ///
    /// # Errors
    /// As `data`, and `Io` or `Corrupt` where bytes cannot be had: never zeros in their place.
    fn read(&self, node: NodeId, offset: u64, len: usize) -> Result<Cow<'_, [u8]>> {
        self.data(node)?.read(self.disc(), offset, len)
    }

    /// As `read`, into a buffer that the caller may look at. Returns how many bytes were read.
    ///
    /// # Errors
    /// As `read`.
    fn read_into(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.data(node)?.read_into(self.disc(), offset, buf)
    }
}
