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
    /// Its true length, which the catalogue does not tell; no more than the disc has room for. Of a
    /// disc image that was cut, the image may hold less, and reading the rest is an error.
    pub bytes: u64,
    /// Whether the boot image claims to be longer than the disc has room for.
    pub is_cut: bool,
}

/// The boot images that the catalogue in a sector names. Reads the first sector of each. Each ends
/// at byte `disc_end` at the latest, where the disc would end that the image is of; one that claims
/// more is a finding, and so is one that the image does not hold whole.
///
/// # Errors
/// What is wrong with the catalogue.
pub(crate) fn boot_files(
    disc: &Disc,
    catalog: Option<u32>,
    disc_end: u64,
) -> Result<Vec<BootFile>> {
    let entries = boot_entries(disc, catalog)?;
    let partitions = if entries.is_empty() { Vec::new() } else { partition::partitions(disc) };
    let disc_end = disc_end.max(disc.len());
    let files = (1u32..).zip(entries).map(|(number, entry)| {
        let sized = size::of(disc, &entry, &partitions);
        let name = format!("{number}-{}-{}.img", platform_word(entry.platform), sized.kind);
        let bytes = sized.bytes.min(disc_end.saturating_sub(entry.at));
        let file = BootFile { entry, name, bytes, is_cut: bytes < sized.bytes };
        note_length(disc, &file, sized.bytes);
        file
    });
    Ok(files.collect())
}

impl BootFile {
    /// Bytes of it that the image does not hold.
    fn missing(&self, disc: &Disc) -> u64 {
        self.bytes.saturating_sub(disc.len().saturating_sub(self.entry.at))
    }
}

/// Notes a boot image that the disc has no room for: a partition table inside it may claim more,
/// and so may an emulated floppy disk. And one that reaches past the end of an image that was cut.
fn note_length(disc: &Disc, file: &BootFile, claimed: u64) {
    let BootFile { entry, name, bytes, .. } = file;
    let site = Site::new("boot image", "El Torito 1.0, 2.2", entry.at);
    let note = |why, what_happens: &str| {
        disc.findings().note_error(what_happens, &site.corrupt(why));
    };
    if file.is_cut && *bytes == 0 {
        note("begins past the end of the disc image", &format!("{name} is empty"));
    } else if file.is_cut {
        let what_happens = format!("{name} holds {bytes} of {claimed} bytes");
        note("claims to reach past the end of the disc image", &what_happens);
    }
    if let missing @ 1.. = file.missing(disc) {
        let what_happens = format!("the last {missing} of {bytes} bytes of {name} cannot be read");
        note("reaches past the byte at which the disc image was cut", &what_happens);
    }
}

/// The root lies in the system area, where no catalogue can.
const ROOT: NodeId = NodeId::from_number(2);

impl BootVolume {
    /// Reads the catalogue in sector `catalog` and the first sector of each image. `disc_end` is as
    /// for `boot_files`, and `label` that of the disc.
    ///
    /// # Errors
    /// What is wrong with the catalogue.
    pub(crate) fn open(
        disc: Arc<Disc>,
        catalog: u32,
        disc_end: u64,
        label: Vec<u8>,
    ) -> Result<Self> {
        let site = Site::new("boot catalogue", "El Torito 1.0, 2.0", 0);
        let mut builder = DirBuilder::new(ROOT, ROOT, disc.limits(), site);
        let files = boot_files(&disc, Some(catalog), disc_end)?;
        for file in &files {
            let (name, node) = (file.name.as_bytes(), NodeId::at(file.entry.entry_at));
            let kind = Some(FileKind::Regular);
            builder.push(DirEntry { name, node, kind, is_hidden: false })?;
        }
        let facts = Facts {
            system: "El Torito boot images".to_owned(),
            label,
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

    fn lacks_bytes(&self, node: NodeId) -> bool {
        self.file(node).is_ok_and(|file| file.missing(&self.disc) > 0)
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
            let files = boot_files(&disc, Some(CATALOG), 0).unwrap();
            assert_eq!((files[0].bytes, files[0].is_cut), (want, true), "{finding}");
            let findings = disc.findings().list();
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].text.contains(finding), "{findings:?}");
        }
        let whole = disc(0, 39, &[]);
        let files = boot_files(&whole, Some(CATALOG), 0).unwrap();
        assert_eq!((files[0].bytes, files[0].is_cut), (512, false));
        assert_eq!(whole.findings().list(), []);
    }

    #[test]
    fn the_boot_image_of_a_cut_disc_image_is_an_error_behind_the_cut() {
        const FLOPPY: u64 = 1_474_560;
        let disc = Arc::new(disc(2, 30, &[]));
        let volume = BootVolume::open(disc.clone(), CATALOG, 30 * 2048 + FLOPPY, b"DISC".to_vec());
        let volume = volume.unwrap();
        let node = volume.root.iter().next().unwrap().node;
        assert_eq!(volume.attr(node).unwrap().size, FLOPPY);
        assert_eq!((volume.is_cut(node), volume.lacks_bytes(node)), (false, true));
        assert_eq!(volume.read(node, 0, 20_480).unwrap().len(), 20_480);
        assert!(matches!(volume.read(node, 20_480, 1), Err(Error::Corrupt { .. })));
        let findings = disc.findings().list();
        assert_eq!(findings.len(), 1, "{findings:?}");
        let text = "the last 1454080 of 1474560 bytes of 1-bios-floppy.img cannot be read";
        assert!(findings[0].text.ends_with(text), "{findings:?}");
        // A disc that has no room for the floppy disk either cuts what is left of it.
        let files = boot_files(&disc, Some(CATALOG), 30 * 2048 + 40_960).unwrap();
        assert_eq!((files[0].bytes, files[0].is_cut), (40_960, true));
    }
}
