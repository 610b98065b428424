//! What an extraction will write, counted before the first file is made, and whether there is room
//! for it. Reads the disc's directories; writes nothing.

use iso_core::Disc;
use iso_core::volume::{Data, Extents, FileKind, NodeId, Volume, Walk};

use super::same::{Census, Keys, Shares};
use super::{Destination, Interrupts, Room};
use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::{Terminal, size};

/// How many times larger than the image the files may be without a warning.
const USUAL_GROWTH: u64 = 10;

/// The smallest file that counts where there must be room for certain: some file systems keep
/// smaller ones beside their names.
const SURE_FILE_BYTES: u64 = 4096;

/// What to do where there is no room.
const ELSEWHERE: &str = "another folder, or only a part of the disc: isodrive extract IMAGE PATH";

/// What will be written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Names of files.
    pub(super) files: u64,
    /// Bytes of all files; those of a file with several names once.
    pub(super) bytes: u64,
    /// Bytes that take room for certain, on a file system that stores what is written.
    sure_bytes: u64,
    /// Files and directories that will be new for certain.
    sure_files: u64,
    pub(super) census: Census,
}

/// Counts what is below the wanted paths, as far as it can be read; nothing where the person
/// interrupts that.
pub(super) fn plan(
    volume: &dyn Volume,
    wanted: &[(Vec<u8>, NodeId)],
    destination: &Destination,
    interrupts: &Interrupts,
) -> Option<Plan> {
    let mut plan = Plan::default();
    let mut top = Top { destination, name: Vec::new(), is_new: false };
    for (path, node) in wanted {
        let kind = volume.attr(*node).map(|attr| attr.kind);
        if kind.as_ref().is_ok_and(|kind| *kind == FileKind::Regular) {
            let is_new = top.is_new(path);
            plan.count(volume, *node, is_new);
        }
        if !kind.is_ok_and(|kind| kind == FileKind::Directory) {
            continue;
        }
        for step in Walk::new(volume, *node).into_iter().flatten() {
            if interrupts.came() {
                return None;
            }
            if step.error.is_some() {
                continue;
            }
            let is_new = top.is_new(if path.is_empty() { &step.path } else { path });
            if step.kind == FileKind::Regular {
                plan.count(volume, step.node, is_new);
            } else if step.kind == FileKind::Directory && is_new {
                plan.sure_files = plan.sure_files.saturating_add(1);
            }
        }
    }
    Some(plan)
}

/// Whether the first part of a path is missing in the destination: then everything below is.
struct Top<'a> {
    destination: &'a Destination,
    name: Vec<u8>,
    is_new: bool,
}

impl Top<'_> {
    fn is_new(&mut self, path: &[u8]) -> bool {
        let name = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        if self.name != name {
            self.name = name.to_vec();
            self.is_new = !self.destination.holds(name);
        }
        self.is_new
    }
}

impl Plan {
    fn count(&mut self, volume: &dyn Volume, node: NodeId, is_new: bool) {
        self.files = self.files.saturating_add(1);
        let (Ok(attr), Ok(data)) = (volume.attr(node), volume.data(node)) else { return };
        let shares = self.census.note(&Keys::of(&attr, &data));
        if shares == Shares::File {
            return;
        }
        self.bytes = self.bytes.saturating_add(data.len());
        if let Data::Plain(extents) = &*data
            && is_new
            && let Some(sure) = sure_bytes(extents, volume.disc())
        {
            self.sure_files = self.sure_files.saturating_add(1);
            let sure = if shares == Shares::Nothing { sure } else { 0 };
            self.sure_bytes = self.sure_bytes.saturating_add(sure);
        }
    }

    /// Says before the first file is made what a person would want to know then.
    ///
    /// # Errors
    /// The files do not fit, for certain.
    pub(super) fn announce(
        &self,
        disc: &Disc,
        destination: &Destination,
        terminal: &mut Terminal,
    ) -> Outcome {
        let image = disc.held_bytes();
        if self.bytes > image.saturating_mul(USUAL_GROWTH) {
            let (all, image) = (size(self.bytes), size(image));
            let message = format!("the files are {all} in all, and the image has {image}");
            terminal.warn(&message, &["they are written all the same".to_owned()]);
        }
        let Some(room) = destination.room() else { return Ok(()) };
        if let Some(free) = room.files.filter(|free| self.sure_files > *free) {
            return self.too_many(free, room, terminal);
        }
        if self.sure_bytes <= room.free {
            return Ok(());
        }
        let (needed, free) = (size(self.sure_bytes), size(room.free));
        // Zeros of an image that is not mapped become holes.
        let is_mapped = matches!(disc.mapped(disc.begin(), 1), Ok(Some(_)));
        if !room.stores_everything || !is_mapped {
            let message = format!("the files take up to {needed}, and {free} are free");
            terminal.warn(&message, &[]);
            return Ok(());
        }
        let missing = size(self.sure_bytes.saturating_sub(room.free));
        let message = format!("the files do not fit: they take {needed}, and {free} are free");
        Err(Failure::new(Exit::Other, message).line("missing", missing).advice("try", ELSEWHERE))
    }

    /// Says that the file system does not take so many files, whatever their size.
    ///
    /// # Errors
    /// That is certain.
    fn too_many(&self, free: u64, room: Room, terminal: &mut Terminal) -> Outcome {
        let needed = self.sure_files;
        let message = format!("there are {needed} files and directories to write");
        if !room.stores_everything {
            let message = format!("{message}, and the file system says that it takes {free} more");
            terminal.warn(&message, &[]);
            return Ok(());
        }
        let message = format!("{message}, and the file system takes {free} more, of whatever size");
        Err(Failure::new(Exit::Other, message).advice("try", ELSEWHERE))
    }
}

/// The bytes of a file that are written as they lie on the disc; nothing for one that cannot be
/// read, which is not written.
fn sure_bytes(extents: &Extents, disc: &Disc) -> Option<u64> {
    let mut sure = 0u64;
    for (_, run) in extents.runs() {
        match run.at {
            Some(at) if at.saturating_add(run.len) > disc.len() => return None,
            Some(_) => sure = sure.saturating_add(run.len),
            None => {}
        }
    }
    Some(if sure >= SURE_FILE_BYTES { sure } else { 0 })
}
