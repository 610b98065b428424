//! The files of a volume by paths as Windows writes them, and the facts of each.
//! Finds, lists and reads through the volume; keeps nothing but the names of directories.

use std::sync::Arc;

use iso_core::volume::{Attr, FileKind, Hidden, NodeId, Volume};
use iso_core::{Error, Timestamp, WeightedCache};

use crate::info::{FileInfo, Shown};
use crate::link::{self, Lookup, Step};
use crate::names::Names;
use crate::{Failure, Result, Status, from_windows, symlink_data};

/// The stream in which Windows keeps where a file came from.
pub const ZONE_STREAM: &str = "Zone.Identifier";

const BACKSLASH: u16 = 0x5C;
const COLON: u16 = 0x3A;
const SEMICOLON: u16 = 0x3B;

/// Choices of the person who mounts.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// Whether files that the disc marks as hidden are listed.
    pub hidden: Hidden,
    /// Whether files carry the read-only attribute, as the CD driver of Windows shows them.
    pub read_only: bool,
    /// Where the image came from, as Windows keeps it: shown on every file. Nothing is invented
    /// for an image that does not say.
    pub zone: Option<Vec<u8>>,
}

/// Which bytes of a file are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its own.
    Data,
    /// Where it came from.
    Zone,
}

/// A file that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Directories from the root on, then the file itself; nothing for the root.
    trail: Vec<Step>,
    node: NodeId,
    attr: Attr,
    is_hidden: bool,
    stream: Stream,
}

impl Found {
    /// Its path in the case of the disc.
    #[must_use]
    pub fn path(&self) -> Vec<u16> {
        let mut path: Vec<u16> = self
            .trail
            .iter()
            .flat_map(|step| std::iter::once(BACKSLASH).chain(step.name.iter().copied()))
            .collect();
        if path.is_empty() {
            path.push(BACKSLASH);
        }
        if self.stream == Stream::Zone {
            path.push(COLON);
            path.extend(ZONE_STREAM.encode_utf16());
        }
        path
    }

    /// What kind of file it is.
    #[must_use]
    pub const fn kind(&self) -> FileKind {
        self.attr.kind
    }

    /// Which of its bytes are meant.
    #[must_use]
    pub const fn stream(&self) -> Stream {
        self.stream
    }

    /// What is recorded of it.
    #[must_use]
    pub const fn attr(&self) -> &Attr {
        &self.attr
    }

    /// Whether it is the root directory.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.trail.is_empty()
    }

    /// Directories above it, itself left out.
    fn above(&self) -> &[Step] {
        self.trail.split_last().map_or(&[], |(_, above)| above)
    }
}

/// A volume by paths of Windows.
pub struct Tree {
    volume: Arc<dyn Volume>,
    choices: Choices,
    names: WeightedCache<NodeId, Names>,
}

impl Tree {
    /// The files of `volume`.
    #[must_use]
    pub fn new(volume: Arc<dyn Volume>, choices: Choices) -> Self {
        let names = WeightedCache::new(volume.disc().limits().parsed_cache_bytes);
        Self { volume, choices, names }
    }

    /// The volume.
    #[must_use]
    pub fn volume(&self) -> &dyn Volume {
        &*self.volume
    }

    /// The file at a path that begins with a backslash. No link is followed: one at the end is
    /// what was found.
    ///
    /// # Errors
    /// `OBJECT_NAME_NOT_FOUND` if it is missing, `OBJECT_PATH_NOT_FOUND` if what should hold it
    /// is, `REPARSE` if a link stands in the way, or what is wrong with the disc.
    pub fn find(&self, path: &[u16]) -> Result<Found> {
        let (path, stream) = self.split_stream(path)?;
        let mut trail: Vec<Step> = Vec::new();
        let mut node = self.volume.root();
        let mut is_hidden = false;
        let mut parts =
            path.split(|unit| *unit == BACKSLASH).filter(|part| !part.is_empty()).peekable();
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            let names = self.names(node).map_err(in_the_way)?;
            let at = names.find(part).or_else(|| self.unlisted(node, &names, part));
            let found = at.and_then(|at| Some((names.shown(at), names.entry(at)?)));
            let missing = match is_last {
                true => Status::OBJECT_NAME_NOT_FOUND,
                false => Status::OBJECT_PATH_NOT_FOUND,
            };
            let (name, entry) = found.ok_or(missing)?;
            // Whoever walks such a disc would walk without end; kernels elsewhere refuse too.
            if entry.node == self.volume.root() || trail.iter().any(|step| step.node == entry.node)
            {
                return Err(Status::FILE_CORRUPT_ERROR.into());
            }
            (node, is_hidden) = (entry.node, entry.is_hidden);
            trail.push(Step { node, name });
            if !is_last && self.kind(node, entry.kind)? == FileKind::Symlink {
                return Err(Status::REPARSE.into());
            }
        }
        let attr = self.attr(node)?;
        match (stream, attr.kind) {
            (Stream::Data, _) | (Stream::Zone, FileKind::Regular) => {}
            (Stream::Zone, FileKind::Symlink) => return Err(Status::REPARSE.into()),
            (Stream::Zone, _) => return Err(Status::OBJECT_NAME_NOT_FOUND.into()),
        }
        Ok(Found { trail, node, attr, is_hidden, stream })
    }

    /// The position of an entry that the disc finds by a name other than the one that is listed:
    /// that of its newest version (ECMA-119 7.5.1).
    fn unlisted(&self, holder: NodeId, names: &Names, part: &[u16]) -> Option<u32> {
        if !part.contains(&SEMICOLON) {
            return None;
        }
        let found = self.volume.find(holder, &from_windows(part), true).ok().flatten()?;
        let position = names.dir().iter().position(|entry| entry.node == found)?;
        u32::try_from(position).ok()
    }

    /// A path without the name of a stream behind it, and which stream that is.
    fn split_stream<'p>(&self, path: &'p [u16]) -> Result<(&'p [u16], Stream)> {
        let mut parts = path.split(|unit| *unit == COLON);
        let file = parts.next().unwrap_or_default();
        let Some(name) = parts.next() else { return Ok((file, Stream::Data)) };
        let is = |part: &[u16], text: &str| {
            crate::fold(part) == crate::fold(&text.encode_utf16().collect::<Vec<_>>())
        };
        if parts.next().is_some_and(|kind| !is(kind, "$DATA")) || parts.next().is_some() {
            return Err(Status::OBJECT_NAME_INVALID.into());
        }
        if name.is_empty() {
            return Ok((file, Stream::Data));
        }
        if self.choices.zone.is_some() && is(name, ZONE_STREAM) {
            return Ok((file, Stream::Zone));
        }
        Err(Status::OBJECT_NAME_NOT_FOUND.into())
    }

    /// The names of a directory.
    ///
    /// # Errors
    /// `NOT_A_DIRECTORY`, or what is wrong with the directory.
    pub fn names(&self, node: NodeId) -> Result<Arc<Names>> {
        self.names.get_or_make(node, || {
            let dir = self.volume.read_dir(node)?;
            Ok(Arc::new(Names::new(dir)))
        })
    }

    /// The names of the directory that was found.
    ///
    /// # Errors
    /// As [`Tree::names`].
    pub fn names_of(&self, found: &Found) -> Result<Arc<Names>> {
        self.names(found.node)
    }

    /// The facts of a file that was found.
    #[must_use]
    pub fn info(&self, found: &Found) -> FileInfo {
        let info =
            FileInfo::of(&found.attr, self.shown(found.above(), &found.attr, found.is_hidden));
        match (found.stream, &self.choices.zone) {
            (Stream::Zone, Some(zone)) => {
                let bytes = u64::try_from(zone.len()).unwrap_or(u64::MAX);
                FileInfo { bytes, allocation_bytes: bytes.next_multiple_of(8), ..info }
            }
            _ => info,
        }
    }

    /// The facts of `.` and `..` in a directory that was found.
    ///
    /// # Errors
    /// What is wrong with the directory.
    pub fn info_of_dots(&self, found: &Found) -> Result<(FileInfo, FileInfo)> {
        let above = found.above().last().map_or(self.volume.root(), |step| step.node);
        Ok((self.info(found), FileInfo::of(&self.attr(above)?, Shown::default())))
    }

    /// The facts of an entry of a directory that was found.
    ///
    /// # Errors
    /// What is wrong with the entry's own record.
    pub fn info_of_entry(&self, found: &Found, names: &Names, position: u32) -> Result<FileInfo> {
        let entry = names.entry(position).ok_or(Status::OBJECT_NAME_NOT_FOUND)?;
        let attr = self.attr(entry.node)?;
        Ok(FileInfo::of(&attr, self.shown(&found.trail, &attr, entry.is_hidden)))
    }

    /// What little a directory itself tells of an entry. Opening one whose record is damaged
    /// gives the error; that it is there must be seen.
    #[must_use]
    pub fn info_of_damaged(&self, names: &Names, position: u32) -> FileInfo {
        let Some(entry) = names.entry(position) else { return FileInfo::default() };
        let kind = entry.kind.unwrap_or(FileKind::Regular);
        let attr = Attr::plain(entry.node, kind, 0, Timestamp::default());
        FileInfo::of(&attr, Shown { is_hidden: entry.is_hidden, ..Shown::default() })
    }

    /// Whether an entry of a directory is listed.
    #[must_use]
    pub fn lists(&self, names: &Names, position: u32) -> bool {
        self.choices.hidden == Hidden::Show
            || names.entry(position).is_some_and(|entry| !entry.is_hidden)
    }

    fn shown(&self, above: &[Step], attr: &Attr, is_hidden: bool) -> Shown {
        let leads_to_directory = attr.kind == FileKind::Symlink
            && link::target(self, above, attr.node).is_ok_and(|target| target.is_directory);
        Shown { is_hidden, read_only: self.choices.read_only, leads_to_directory }
    }

    /// Fills `buf` from byte `offset` as far as the file reaches; how many bytes that were.
    ///
    /// # Errors
    /// `END_OF_FILE` from the end on, or what is wrong with the file or the medium.
    pub fn read(&self, found: &Found, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let bytes = match (found.stream, &self.choices.zone) {
            (Stream::Zone, Some(zone)) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let wanted = zone.get(start..).unwrap_or_default();
                let len = wanted.len().min(buf.len());
                let (from, to) = (wanted.get(..len), buf.get_mut(..len));
                if let (Some(from), Some(to)) = (from, to) {
                    to.copy_from_slice(from);
                }
                len
            }
            // Empty, as `info` reports it.
            _ if !matches!(found.attr.kind, FileKind::Regular | FileKind::Directory) => 0,
            _ => self.volume.read_into(found.node, offset, buf)?,
        };
        if bytes == 0 && !buf.is_empty() {
            return Err(Status::END_OF_FILE.into());
        }
        Ok(bytes)
    }

    /// The streams of a file that was found: the name of each and its bytes.
    #[must_use]
    pub fn streams(&self, found: &Found) -> Vec<(&'static str, u64)> {
        if found.attr.kind != FileKind::Regular {
            return Vec::new();
        }
        let zone = self.choices.zone.as_ref();
        let zone = zone.map(|zone| (ZONE_STREAM, u64::try_from(zone.len()).unwrap_or(u64::MAX)));
        std::iter::once(("", found.attr.size)).chain(zone).collect()
    }

    /// Where the link that was found leads, as a `REPARSE_DATA_BUFFER`.
    ///
    /// # Errors
    /// `NOT_A_REPARSE_POINT`, `ACCESS_DENIED` for a link that leaves the volume,
    /// `REPARSE_POINT_NOT_RESOLVED` for one that goes round in a circle.
    pub fn reparse_data(&self, found: &Found) -> Result<Vec<u8>> {
        if found.attr.kind != FileKind::Symlink {
            return Err(Status::NOT_A_REPARSE_POINT.into());
        }
        Ok(symlink_data(&link::target(self, found.above(), found.node)?.relative))
    }

    /// The names on the disc of all parts of a path; of what is not there, the name that would be
    /// shown like that.
    #[must_use]
    pub fn recorded_path(&self, path: &[u16]) -> Vec<Vec<u8>> {
        let mut holder = Some(self.volume.root());
        let parts = path.split(|unit| *unit == BACKSLASH).filter(|part| !part.is_empty());
        let recorded = parts.map(|part| {
            let names = holder.and_then(|node| self.names(node).ok());
            let entry = names.as_ref().and_then(|names| names.entry(names.find(part)?));
            holder = entry.map(|entry| entry.node);
            entry.map_or_else(|| from_windows(part), |entry| entry.name.to_vec())
        });
        recorded.collect()
    }

    /// How the parts of a path on the disc are shown, which are parted by slashes and lead from a
    /// directory on. Nothing if one of them is not there.
    #[must_use]
    pub fn shown_path(&self, from: NodeId, path: &[u8]) -> Option<Vec<Vec<u16>>> {
        let mut shown = Vec::new();
        let mut holder = from;
        for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            let names = self.names(holder).ok()?;
            let position = u32::try_from(names.dir().position(part, false)?).ok()?;
            shown.push(names.shown(position));
            holder = names.entry(position)?.node;
        }
        Some(shown)
    }

    fn kind(&self, node: NodeId, listed: Option<FileKind>) -> Result<FileKind> {
        listed.map_or_else(|| Ok(self.attr(node)?.kind), Ok)
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        Ok(self.volume.attr(node)?)
    }
}

impl Lookup for Tree {
    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        Ok(self.volume.read_link(node)?)
    }

    fn step(&self, trail: &[Step], name: &[u8]) -> Result<Option<(Step, FileKind)>> {
        let holder = trail.last().map_or(self.volume.root(), |step| step.node);
        let names = self.names(holder)?;
        let fold = self.volume.facts().ignores_case;
        let position = names.dir().position(name, fold).and_then(|at| u32::try_from(at).ok());
        let Some((position, entry)) = position.and_then(|at| Some((at, names.entry(at)?))) else {
            return Ok(None);
        };
        let kind = self.kind(entry.node, entry.kind)?;
        Ok(Some((Step { node: entry.node, name: names.shown(position) }, kind)))
    }
}

/// What a directory on the way that is none means for what lies behind it.
fn in_the_way(failure: Failure) -> Failure {
    if matches!(failure, Failure::Disc(Error::NotDirectory)) {
        return Status::OBJECT_PATH_NOT_FOUND.into();
    }
    failure
}
