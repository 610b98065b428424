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
    /// Its true length, which the catalogue does not tell; no more than the disc image holds.
    pub bytes: u64,
    /// Whether it claims to be longer than the disc image holds.
    pub is_cut: bool,
}

/// The boot images that the catalogue in a sector names. Reads the first sector of each.
/// Each ends with the disc image at the latest; one that claims more is a finding.
///
/// # Errors
/// What is wrong with the catalogue.
pub(crate) fn boot_files(disc: &Disc, catalog: Option<u32>) -> Result<Vec<BootFile>> {
    let entries = boot_entries(disc, catalog)?;
    let partitions = if entries.is_empty() { Vec::new() } else { partition::partitions(disc) };
    let files = (1u32..).zip(entries).map(|(number, entry)| {
        let sized = size::of(disc, &entry, &partitions);
        let name = format!("{number}-{}-{}.img", platform_word(entry.platform), sized.kind);
        let bytes = bytes_present(disc, &entry, &name, sized.bytes);
        BootFile { entry, name, bytes, is_cut: bytes < sized.bytes }
    });
    Ok(files.collect())
}

/// The bytes of a boot image that the disc image holds. A partition table inside the boot image
/// may claim more, and so may an emulated floppy disk on a disc image that was cut.
fn bytes_present(disc: &Disc, entry: &BootEntry, name: &str, claimed: u64) -> u64 {
    let present = disc.len().saturating_sub(entry.at);
    if claimed <= present {
        return claimed;
    }
    let site = Site::new("boot image", "El Torito 1.0, 2.2", entry.at);
    let (why, what_happens) = match present {
        0 => ("it begins past the end of the disc image", format!("{name} is empty")),
        _ => (
            "it claims to reach past the end of the disc image",
            format!("{name} holds {present} of {claimed} bytes"),
        ),
    };
    disc.findings().note_error(&what_happens, &site.corrupt(why));
    present
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

    fn is_cut(&self, node: NodeId) -> bool {
        self.file(node).is_ok_and(|file| file.is_cut)
    }

    fn read_link(&self, _: NodeId) -> Result<Vec<u8>> {
        Err(Error::NotSymlink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    const CATALOG: u32 = 20;
    const SECTOR: usize = 2048;

    /// A disc of 40 sectors with one boot entry of the given emulation at a sector.
    fn disc(emulation: u8, first: u8, boot_sector: &[u8]) -> Disc {
        let mut sectors = vec![vec![0; SECTOR]; 40];
        sectors[usize::try_from(CATALOG).unwrap()][0] = 1;
        sectors[usize::try_from(CATALOG).unwrap()][32..44]
            .copy_from_slice(&[0x88, emulation, 0, 0, 0, 0, 1, 0, first, 0, 0, 0]);
        if let Some(sector) = sectors.get_mut(usize::from(first)) {
            sector[..boot_sector.len()].copy_from_slice(boot_sector);
        }
        let bytes = sectors.concat();
        Disc::new(Box::new(bytes), Limits::default())
    }

    /// A master boot record with one partition that claims nearly 2^32 sectors.
    fn lying_record() -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[446..462]
            .copy_from_slice(&[0x80, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        sector[510..].copy_from_slice(&[0x55, 0xAA]);
        sector
    }

    #[test]
    fn a_boot_image_ends_where_the_disc_image_ends() {
        let table: [(u8, u8, Vec<u8>, u64, &str); 4] = [
            (4, 30, lying_record(), 20_480, "1-bios-harddisk.img holds 20480 of 2199023255552"),
            (2, 30, Vec::new(), 20_480, "1-bios-floppy.img holds 20480 of 1474560"),
            (0, 40, Vec::new(), 0, "1-bios-loader.img is empty"),
            (0, 200, Vec::new(), 0, "1-bios-loader.img is empty"),
        ];
        for (emulation, first, boot_sector, want, finding) in table {
            let disc = disc(emulation, first, &boot_sector);
            let files = boot_files(&disc, Some(CATALOG)).unwrap();
            assert_eq!((files[0].bytes, files[0].is_cut), (want, true), "{finding}");
            let findings = disc.findings().list();
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].text.contains(finding), "{findings:?}");
        }
        let whole = disc(0, 39, &[]);
        let files = boot_files(&whole, Some(CATALOG)).unwrap();
        assert_eq!((files[0].bytes, files[0].is_cut), (512, false));
        assert_eq!(whole.findings().list(), []);
    }
}
