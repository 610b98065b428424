//! The boot images of a disc as a `Volume`: one directory, one file per catalogue entry, named
//! after platform and kind. Puts together what `catalog` and `size` find out.

use std::sync::Arc;

use super::catalog::{BootEntry, boot_entries, platform_word};
use super::{partition, size};
use crate::Timestamp;
use crate::cache::Disc;
use crate::error::{Error, Result, Site};
use crate::volume::{
    Attr, Data, Dir, DirBuilder, DirEntry, Extents, Facts, FileKind, NodeId, Volume,
};

/// The boot images of a disc.
pub(crate) struct BootVolume {
    disc: Arc<Disc>,
    facts: Facts,
    files: Vec<BootFile>,
    root: Arc<Dir>,
}

/// A boot image as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFile {
    /// What the catalogue says of it.
    pub entry: BootEntry,
    /// Its name, after platform and kind, as in `2-uefi-fat.img`.
    pub name: String,
    /// Its true length, which the catalogue does not tell.
    pub bytes: u64,
}

/// The boot images that the catalogue in a sector names. Reads the first sector of each.
///
/// # Errors
/// What is wrong with the catalogue.
pub(crate) fn boot_files(disc: &Disc, catalog: Option<u32>) -> Result<Vec<BootFile>> {
    let entries = boot_entries(disc, catalog)?;
    let partitions = if entries.is_empty() { Vec::new() } else { partition::partitions(disc) };
    let files = (1u32..).zip(entries).map(|(number, entry)| {
        let sized = size::of(disc, &entry, &partitions);
        let name = format!("{number}-{}-{}.img", platform_word(entry.platform), sized.kind);
        BootFile { entry, name, bytes: sized.bytes }
    });
    Ok(files.collect())
}

/// The root lies in the system area, where no catalogue can.
const ROOT: NodeId = NodeId::from_number(2);

impl BootVolume {
    /// Reads the catalogue in sector `catalog` and the first sector of each image.
    ///
    /// # Errors
    /// What is wrong with the catalogue.
    pub(crate) fn open(disc: Arc<Disc>, catalog: Option<u32>) -> Result<Self> {
        let site = Site::new("boot catalogue", "El Torito 1.0, 2.0", 0);
        let mut builder = DirBuilder::new(ROOT, ROOT, disc.limits(), site);
        let files = boot_files(&disc, catalog)?;
        for file in &files {
            let (name, node) = (file.name.as_bytes(), NodeId::at(file.entry.entry_at));
            let kind = Some(FileKind::Regular);
            builder.push(DirEntry { name, node, kind, is_hidden: false })?;
        }
        let facts = Facts {
            system: "El Torito boot images".to_owned(),
            block_bytes: 2048,
            ignores_case: true,
            ..Facts::default()
        };
        Ok(Self { disc, facts, files, root: Arc::new(builder.finish()?.0) })
    }

    fn file(&self, node: NodeId) -> Result<&BootFile> {
        let file = self.files.iter().find(|file| NodeId::at(file.entry.entry_at) == node);
        file.ok_or(Error::Stale(node.number()))
    }
}

impl Volume for BootVolume {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn disc(&self) -> &Disc {
        &self.disc
    }

    fn root(&self) -> NodeId {
        ROOT
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        let (kind, size) = match node {
            ROOT => (FileKind::Directory, 0),
            _ => (FileKind::Regular, self.file(node)?.bytes),
        };
        Ok(Attr::plain(node, kind, size, Timestamp::default()))
    }

    fn read_dir(&self, node: NodeId) -> Result<Arc<Dir>> {
        match node {
            ROOT => Ok(self.root.clone()),
            _ => self.file(node).and(Err(Error::NotDirectory)),
        }
    }

    fn data(&self, node: NodeId) -> Result<Arc<Data>> {
        if node == ROOT {
            return Err(Error::IsDirectory);
        }
        let file = self.file(node)?;
        let at = file.entry.at;
        let site = Site::new("boot image", "El Torito 1.0, 2.2", at);
        let extents = Extents::in_one_piece(self.disc.limits(), site, at, file.bytes)?;
        Ok(Arc::new(Data::Plain(extents)))
    }

    fn read_link(&self, _: NodeId) -> Result<Vec<u8>> {
        Err(Error::NotSymlink)
    }
}
