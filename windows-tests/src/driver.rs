//! What programs do with files, turned into requests as the driver turns it (`src/sys` of WinFsp):
//! names it refuses itself, creating and opening, links, reading; `listing` lists.
//! Checks on every answer what the driver would trust blindly.

use windows_view::TAG_SYMLINK;
use winfsp_sys::{
    FSP_FSCTL_FILE_INFO, FSP_FSCTL_TRANSACT_BUF, FSP_FSCTL_TRANSACT_REQ, FSP_FSCTL_VOLUME_INFO,
};

pub use crate::opening::{Caller, GENERIC_READ, Opening, disposition, option};
use crate::queue::{Volume, kind};
use crate::walk::{Part, shown_target};

/// `STATUS_REPARSE`: open what the answer names instead.
const REPARSE: u32 = 0x104;
/// `STATUS_OBJECT_NAME_INVALID`.
const NAME_INVALID: u32 = 0xC000_0033;
/// `STATUS_REPARSE_POINT_NOT_RESOLVED`.
const NOT_RESOLVED: u32 = 0xC000_0280;

/// Files without handles that the cache manager holds on to.
const MOST_KEPT: usize = 64;

/// `FILE_WRITE_DATA` and `FILE_APPEND_DATA`: the driver takes the writes of who holds one.
const WRITE_RIGHTS: u32 = 0x6;

/// An open file: what the DLL gave for it.
#[derive(Clone, Copy, Debug)]
pub struct File {
    pub(crate) contexts: (u64, u64),
    /// The rights that were granted.
    pub granted: u32,
    /// What was reported when it was opened.
    pub info: FSP_FSCTL_FILE_INFO,
}

/// Sets both contexts of a request on an open file.
macro_rules! on {
    ($part:expr, $file:expr) => {
        ($part.UserContext, $part.UserContext2) = $file.contexts
    };
}
pub(crate) use on;

/// 16-bit units with a zero behind them, as bytes.
pub(crate) fn bytes(units: &[u16]) -> Vec<u8> {
    units.iter().chain([&0]).flat_map(|unit| unit.to_le_bytes()).collect()
}

pub(crate) fn buffer(offset: usize, size: usize) -> FSP_FSCTL_TRANSACT_BUF {
    FSP_FSCTL_TRANSACT_BUF { Offset: offset as u16, Size: size as u16 }
}

pub(crate) fn units(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// A path without `:$DATA`, which says what goes without saying, at its end.
fn without_stream_type(path: &[u16]) -> Result<&[u16], u32> {
    let colons: Vec<usize> = (0..path.len()).filter(|at| path[*at] == 0x3A).collect();
    let [first, second] = colons[..] else { return Ok(path) };
    if String::from_utf16_lossy(&path[second..]).to_uppercase() != ":$DATA" {
        return Err(NAME_INVALID);
    }
    Ok(&path[..if second == first + 1 { first } else { second }])
}

impl Volume {
    /// Whether the driver lets a path through to the file system.
    fn is_path(&self, path: &[u16]) -> bool {
        let colons = path.iter().filter(|unit| **unit == 0x3A).count();
        let has_streams = self.params.NamedStreams() != 0;
        let is_bad =
            |unit: &u16| *unit < 0x20 || (*unit < 0x80 && b"\"*/<>?|".contains(&(*unit as u8)));
        // FSP_FSCTL_TRANSACT_PATH_SIZEMAX: 1024 units with the zero behind them.
        if path.len() >= 1024 {
            return false;
        }
        let longest = usize::from(self.params.MaxComponentLength);
        let parts = path.get(1..).unwrap_or_default().split(|unit| *unit == 0x5C);
        path.first() == Some(&0x5C)
            && !path.iter().any(is_bad)
            && (colons == 0 || (has_streams && colons <= 2))
            && (path.len() == 1
                || parts.clone().all(|part| !part.is_empty() && part.len() <= longest))
    }

    /// `NtCreateFile` by a program without privileges: see [`Volume::create_by`].
    pub fn create(
        &self,
        path: &[u16],
        disposition: u32,
        options: u32,
        access: u32,
    ) -> Result<File, u32> {
        self.create_by(path, Opening { caller: Caller::USER, disposition, options, access })
    }

    /// `NtCreateFile`: requests to create, and to overwrite where the answer says so. Links are
    /// followed as the I/O manager does, which begins again with the path that it is given.
    pub fn create_by(&self, path: &[u16], opening: Opening) -> Result<File, u32> {
        let mut path = path.to_vec();
        for _ in 0..64 {
            match self.create_once(&path, opening)? {
                Ok(file) => return Ok(file),
                Err(instead) => path = instead,
            }
        }
        Err(NOT_RESOLVED)
    }

    fn create_once(
        &self,
        path: &[u16],
        Opening { caller, disposition, options, access }: Opening,
    ) -> Result<Result<File, Vec<u16>>, u32> {
        let slashed = path.len() > 1 && path.last() == Some(&0x5C);
        let path = if slashed { &path[..path.len() - 1] } else { path };
        if !self.is_path(path) {
            return Err(NAME_INVALID);
        }
        let path = without_stream_type(path)?;
        let name = bytes(path);
        let colon = path.iter().position(|unit| *unit == 0x3A);
        let answer = self.ask(kind::CREATE, &name, |request| unsafe {
            request.FileName.Size = name.len() as u16;
            let create = &mut request.Req.Create;
            create.CreateOptions = disposition << 24 | options;
            create.AccessToken = self.token;
            create.DesiredAccess = access;
            create.ShareAccess = 7;
            create.NamedStream = colon.map_or(0, |at| at as u16 * 2);
            create.GrantedAccess = caller.granted;
            create.set_UserMode(caller.is_user.into());
            create.set_HasTraversePrivilege(1);
            create.set_HasBackupPrivilege(caller.is_privileged.into());
            create.set_HasRestorePrivilege(caller.is_privileged.into());
            create.set_HasTrailingBackslash(slashed.into());
        });
        let answer = answer.ok()?;
        if answer.status() == REPARSE {
            let to = unsafe { answer.head().Rsp.Create.Reparse.Buffer };
            // The DLL has followed the link: a path from the root, in the form of a link's data.
            assert_eq!(answer.head().IoStatus.Information, TAG_SYMLINK);
            let instead = shown_target(answer.behind(to), Part::Substitute);
            assert_eq!(instead.first(), Some(&0x5C), "a link that leaves the volume");
            return Ok(Err(instead));
        }
        let opened = unsafe { answer.head().Rsp.Create.Opened };
        self.check_normalized(path, &units(answer.behind(opened.FileName)), &opened.FileInfo);
        let file = File {
            contexts: (opened.UserContext, opened.UserContext2),
            granted: opened.GrantedAccess,
            info: opened.FileInfo,
        };
        const SUPERSEDED: u32 = 0;
        const OVERWRITTEN: u32 = 3;
        if matches!(answer.head().IoStatus.Information, SUPERSEDED | OVERWRITTEN) {
            // Where this is refused the DLL has closed the file itself.
            let fill = |r: &mut FSP_FSCTL_TRANSACT_REQ| on!(r.Req.Overwrite, file);
            self.ask(kind::OVERWRITE, &[], fill).ok()?;
        }
        Ok(Ok(file))
    }

    /// The driver keeps one node for each name, without regard to case, and shows all who open it
    /// the same cached bytes: two files under one name would be wrong bytes for somebody.
    fn check_normalized(&self, asked: &[u16], normalized: &[u16], info: &FSP_FSCTL_FILE_INFO) {
        let name = if normalized.is_empty() { asked } else { normalized };
        let name = name.strip_suffix(&[0]).unwrap_or(name);
        assert_eq!(crate::setup::upper(name), crate::setup::upper(asked), "another name");
        assert_ne!(info.IndexNumber, 0);
        let key = (crate::setup::upper(name), info.IndexNumber);
        let mut nodes = self.nodes.lock().unwrap();
        let known = *nodes.entry(key.0).or_insert(key.1);
        assert_eq!(known, key.1, "{} names two files", String::from_utf16_lossy(name));
    }

    /// Opens what is there for reading.
    pub fn open(&self, path: &str) -> Result<File, u32> {
        self.open_units(&path.encode_utf16().collect::<Vec<_>>())
    }

    /// As [`Volume::open`], of a path that may be no text.
    pub fn open_units(&self, path: &[u16]) -> Result<File, u32> {
        self.create(path, disposition::OPEN, 0, GENERIC_READ)
    }

    /// Closes the last handle of a file. Cleanup is sent where the volume wants it of files that
    /// did not change; Close is not: the cache manager holds on to the file, until so many others
    /// were closed that it needs the memory, or for ever.
    pub fn close(&self, file: File) {
        if self.params.PostCleanupWhenModifiedOnly() == 0 {
            self.ask(kind::CLEANUP, &[], |r| on!(r.Req.Cleanup, file));
        }
        let oldest = {
            let mut kept = self.kept.lock().unwrap();
            kept.push_back(file);
            if kept.len() > MOST_KEPT { kept.pop_front() } else { None }
        };
        oldest.into_iter().for_each(|file| self.close_late(file));
    }

    /// The cache manager lets go of all files that nobody has a handle of.
    pub fn trim_cache(&self) {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        kept.into_iter().for_each(|file| self.close_late(file));
    }

    /// Closes a file that no program ever had a handle of: the driver refused it after the DLL had
    /// opened it, as where somebody shares it with nobody.
    pub fn close_unshared(&self, file: File) {
        self.close_late(file);
    }

    fn close_late(&self, file: File) {
        self.ask(kind::CLOSE, &[], |r| on!(r.Req.Close, file));
    }

    /// Writes to the cache of a file, as the driver does for who was granted that: it keeps what
    /// it learned of the file for ever, so it asks nobody before the pages are written back.
    pub fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> Result<(), u32> {
        const ACCESS_DENIED: u32 = 0xC000_0022;
        if file.granted & WRITE_RIGHTS == 0 {
            return Err(ACCESS_DENIED);
        }
        let mut pages = self.pages.lock().unwrap();
        for (at, byte) in (offset..).zip(bytes) {
            pages.insert((file.info.IndexNumber, at), *byte);
        }
        Ok(())
    }

    /// Reads a part of a file: from the cache what was written there, the rest from the volume.
    pub fn read(&self, file: &File, offset: u64, len: usize) -> Result<Vec<u8>, u32> {
        let mut bytes = self.read_volume(file, offset, len)?;
        let pages = self.pages.lock().unwrap();
        for (at, byte) in (offset..).zip(&mut bytes) {
            *byte = *pages.get(&(file.info.IndexNumber, at)).unwrap_or(byte);
        }
        Ok(bytes)
    }

    fn read_volume(&self, file: &File, offset: u64, len: usize) -> Result<Vec<u8>, u32> {
        let mut bytes = vec![0xAA; len + 16];
        let answer = self.ask(kind::READ, &[], |request| unsafe {
            let read = &mut request.Req.Read;
            on!(read, file);
            read.Address = bytes.as_mut_ptr() as u64;
            (read.Offset, read.Length) = (offset, len as u32);
        });
        let count = answer.ok()?.head().IoStatus.Information as usize;
        assert!(count <= len, "more bytes than there is room for");
        assert!(bytes[len..].iter().all(|byte| *byte == 0xAA), "bytes behind the buffer");
        bytes.truncate(count);
        Ok(bytes)
    }

    /// All bytes of a file, in pieces of `step`.
    pub fn read_all(&self, file: &File, step: usize) -> Result<Vec<u8>, u32> {
        let mut bytes = Vec::new();
        // As the cache manager does, which asks for nothing behind the size that was reported.
        while (bytes.len() as u64) < file.info.FileSize {
            let got = self.read(file, bytes.len() as u64, step)?;
            assert!(!got.is_empty(), "no bytes before the end");
            bytes.extend(got);
        }
        Ok(bytes)
    }

    /// What is reported of an open file.
    pub fn info(&self, file: &File) -> Result<FSP_FSCTL_FILE_INFO, u32> {
        let fill = |r: &mut FSP_FSCTL_TRANSACT_REQ| on!(r.Req.QueryInformation, file);
        let answer = self.ask(kind::QUERY_INFORMATION, &[], fill).ok()?;
        Ok(unsafe { answer.head().Rsp.QueryInformation.FileInfo })
    }

    /// What is reported of the volume.
    pub fn volume_info(&self) -> Result<FSP_FSCTL_VOLUME_INFO, u32> {
        let answer = self.ask(kind::QUERY_VOLUME_INFORMATION, &[], |_| ()).ok()?;
        Ok(unsafe { answer.head().Rsp.QueryVolumeInformation.VolumeInfo })
    }

    /// The security descriptor of an open file.
    pub fn security(&self, file: &File) -> Result<Vec<u8>, u32> {
        let fill = |r: &mut FSP_FSCTL_TRANSACT_REQ| on!(r.Req.QuerySecurity, file);
        let answer = self.ask(kind::QUERY_SECURITY, &[], fill).ok()?;
        let descriptor = unsafe { answer.head().Rsp.QuerySecurity.SecurityDescriptor };
        Ok(answer.behind(descriptor).to_vec())
    }

    /// The streams of an open file, each with its bytes.
    pub fn streams(&self, file: &File) -> Result<Vec<(String, u64)>, u32> {
        let fill = |r: &mut FSP_FSCTL_TRANSACT_REQ| on!(r.Req.QueryStreamInformation, file);
        let answer = self.ask(kind::QUERY_STREAM_INFORMATION, &[], fill).ok()?;
        let records = answer.behind(unsafe { answer.head().Rsp.QueryStreamInformation.Buffer });
        let mut streams = Vec::new();
        let mut at = 0;
        while let Some([a, b]) = records.get(at..at + 2) {
            let size = usize::from(u16::from_le_bytes([*a, *b]));
            if size < STREAM_HEAD {
                break;
            }
            let bytes = u64::from_le_bytes(records[at + 8..at + 16].try_into().unwrap());
            let name = units(&records[at + STREAM_HEAD..at + size]);
            streams.push((String::from_utf16_lossy(&name), bytes));
            at += size.next_multiple_of(8);
        }
        Ok(streams)
    }

    /// Where a link leads: the data behind `FSCTL_GET_REPARSE_POINT`.
    pub fn reparse_point(&self, path: &[u16]) -> Result<Vec<u8>, u32> {
        const GET_REPARSE_POINT: u32 = 0x0009_00A8;
        let file =
            self.create(path, disposition::OPEN, option::OPEN_REPARSE_POINT, GENERIC_READ)?;
        let name = bytes(path);
        let answer = self.ask(kind::FILE_SYSTEM_CONTROL, &name, |request| unsafe {
            request.FileName.Size = name.len() as u16;
            let control = &mut request.Req.FileSystemControl;
            on!(control, file);
            control.FsControlCode = GET_REPARSE_POINT;
        });
        self.close(file);
        let answer = answer.ok()?;
        let data = unsafe { answer.head().Rsp.FileSystemControl.Buffer };
        Ok(answer.behind(data).to_vec())
    }

    /// A request of `kind` on a file, or on the volume, as `fill` puts it.
    pub fn request(
        &self,
        kind: u32,
        file: Option<&File>,
        payload: &[u8],
        fill: impl FnOnce(&mut FSP_FSCTL_TRANSACT_REQ),
    ) -> u32 {
        let answer = self.ask(kind, payload, |request| {
            // Every request on a file begins with its two contexts.
            if let Some(file) = file {
                on!(unsafe { &mut request.Req.SetSecurity }, file);
            }
            fill(request);
        });
        answer.status()
    }

    /// `SetInformation` of a class, with the path of the file and a new one behind it.
    pub fn set_information(
        &self,
        file: &File,
        class: u32,
        path: &str,
        fill: impl FnOnce(&mut FSP_FSCTL_TRANSACT_REQ),
    ) -> u32 {
        const RENAME: u32 = 10;
        let own = bytes(&path.encode_utf16().collect::<Vec<_>>());
        let new = bytes(&"\\NEW".encode_utf16().collect::<Vec<_>>());
        let payload = [own.as_slice(), &new].concat();
        self.request(kind::SET_INFORMATION, Some(file), &payload, |request| {
            request.FileName.Size = own.len() as u16;
            request.Req.SetInformation.FileInformationClass = class;
            if class == RENAME {
                request.Req.SetInformation.Info.Rename.NewFileName = buffer(own.len(), new.len());
            }
            fill(request);
        })
    }
}

/// Bytes of a record of a stream before its name.
const STREAM_HEAD: usize = 24;
