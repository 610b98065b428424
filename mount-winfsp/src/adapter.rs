//! The WinFsp callbacks. Each one unpacks, asks the tree through `serve`, and replies.
//! No policy, no parsing, no state beyond the tree and what the volume looks like.
//!
//! Only the narrow path of crate `winfsp` is used: no `DirBuffer` (its `acquire` gives an error
//! for a buffer that is filled already), no service module, no async callbacks, and a security
//! descriptor far below the 1024 bytes from which its overflow answer makes the DLL ask for ever.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use iso_core::Error;
use iso_core::serving::{Activity, Reports};
use windows_view::{Failure, Found, Names, Status, Tree, VolumeLook, attribute, everybody_reads};
use winfsp::filesystem::{
    DirInfo, DirMarker, FileInfo, FileSecurity, FileSystemContext, ModificationDescriptor,
    OpenFileInfo, StreamInfo, VolumeInfo, WideNameInfo,
};
use winfsp::{FspError, U16CStr};

use crate::opened::Opened;

type Outcome<T> = winfsp::Result<T>;

/// `FILE_DIRECTORY_FILE`: nothing but a directory will do.
const DIRECTORY_FILE: u32 = 0x1;
/// `FILE_NON_DIRECTORY_FILE`: anything but a directory will do.
const NON_DIRECTORY_FILE: u32 = 0x40;

/// `FILE_DELETE_ON_CLOSE`: the file is to go with whoever opened it.
const DELETE_ON_CLOSE: u32 = 0x1000;

/// Rights that let their holder change something (`winnt.h`): the driver answers the writes of who
/// was granted one from its cache, without asking, and shows what was written to all who read.
const WRITING: u32 = {
    const WRITE_DATA: u32 = 0x2;
    const APPEND_DATA: u32 = 0x4;
    const WRITE_EA: u32 = 0x10;
    const DELETE_CHILD: u32 = 0x40;
    const WRITE_ATTRIBUTES: u32 = 0x100;
    const DELETE: u32 = 0x1_0000;
    const WRITE_DAC: u32 = 0x4_0000;
    const WRITE_OWNER: u32 = 0x8_0000;
    const GENERIC_ALL: u32 = 0x1000_0000;
    const GENERIC_WRITE: u32 = 0x4000_0000;
    WRITE_DATA
        | APPEND_DATA
        | WRITE_EA
        | DELETE_CHILD
        | WRITE_ATTRIBUTES
        | DELETE
        | WRITE_DAC
        | WRITE_OWNER
        | GENERIC_ALL
        | GENERIC_WRITE
};

const DOT: &[u16] = &[0x2E];
const DOTS: &[u16] = &[0x2E, 0x2E];

/// A volume as a WinFsp file system.
pub struct Adapter {
    tree: Arc<Tree>,
    look: VolumeLook,
    security: Vec<u8>,
    activity: Arc<Activity>,
    reports: Reports,
    stopped: Arc<AtomicBool>,
    open_files: Arc<AtomicU64>,
}

impl Adapter {
    /// An adapter that shows `tree` under the looks of `look` and notes what it does in `activity`.
    #[must_use]
    pub fn new(tree: Arc<Tree>, look: VolumeLook, activity: Arc<Activity>) -> Self {
        let (stopped, open_files) = Default::default();
        Self {
            tree,
            look,
            security: everybody_reads(),
            activity,
            reports: Reports::default(),
            stopped,
            open_files,
        }
    }

    /// Becomes true when the driver asks for nothing any more.
    pub(crate) fn stopped(&self) -> Arc<AtomicBool> {
        self.stopped.clone()
    }

    /// How many files are open, as [`Opened`] counts.
    pub(crate) fn open_files(&self) -> Arc<AtomicU64> {
        self.open_files.clone()
    }

    /// Runs one operation; whatever goes wrong, even a panic, leaves as one status and one log
    /// line.
    fn serve<T>(
        &self,
        operation: &'static str,
        node: u64,
        work: impl FnOnce(&Tree) -> windows_view::Result<T>,
    ) -> Outcome<T> {
        let _running = self.activity.begin(operation);
        let failure = match catch_unwind(AssertUnwindSafe(|| work(&self.tree))) {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Disc(Error::Bug(operation)),
        };
        let status = failure.status();
        match &failure {
            Failure::Disc(error) => self.reports.failed(operation, node, error),
            Failure::Refused(status) => tracing::trace!(operation, node, ?status),
        }
        Err(FspError::NTSTATUS(status.signed()))
    }

    /// The size of the descriptor, and the descriptor itself where there is a buffer for it.
    #[expect(unsafe_code, reason = "the crate gives bytes as a slice of C's void")]
    fn copy_security(&self, buffer: Option<&mut [c_void]>) -> Outcome<u64> {
        if let Some(buffer) = buffer {
            if buffer.len() < self.security.len() {
                return refused(Status::BUFFER_OVERFLOW);
            }
            let to = buffer.as_mut_ptr().cast::<u8>();
            // SAFETY: the buffer is WinFsp's own and has at least as many bytes, as was looked at.
            unsafe { to.copy_from_nonoverlapping(self.security.as_ptr(), self.security.len()) };
        }
        Ok(u64::try_from(self.security.len()).unwrap_or(0))
    }

    /// Writes one entry of a directory; whether there was room.
    fn add(
        &self,
        name: &[u16],
        info: &windows_view::FileInfo,
        (buffer, used): (&mut [u8], &mut u32),
    ) -> Outcome<bool> {
        let mut entry: DirInfo = DirInfo::new();
        entry.set_name_raw(name)?;
        fill(entry.file_info_mut(), info);
        Ok(entry.append_to_buffer(buffer, used))
    }

    fn info_of_entry(&self, found: &Found, names: &Names, at: u32) -> windows_view::FileInfo {
        self.tree.info_of_entry(found, names, at).unwrap_or_else(|failure| {
            let node = names.entry(at).map_or(0, |entry| entry.node.number());
            if let Failure::Disc(error) = &failure {
                self.reports.failed("read_directory", node, error);
            }
            self.tree.info_of_damaged(names, at)
        })
    }

    /// Writes what is behind a marker until there is no more room; how many bytes that were.
    fn list(&self, found: &Found, marker: &DirMarker<'_>, buffer: &mut [u8]) -> Outcome<u32> {
        let node = found.attr().node.number();
        let names = self.serve("read_directory", node, |tree| tree.names_of(found))?;
        let mut used = 0;
        if !found.is_root() && (marker.is_none() || marker.is_current()) {
            let (own, above) =
                self.serve("read_directory", node, |tree| tree.info_of_dots(found))?;
            if marker.is_none() && !self.add(DOT, &own, (buffer, &mut used))? {
                return Ok(used);
            }
            if !self.add(DOTS, &above, (buffer, &mut used))? {
                return Ok(used);
            }
        }
        let is_dots = marker.is_current() || marker.is_parent();
        let behind = marker.inner().filter(|_| !is_dots);
        for at in names.after(behind).filter(|at| self.tree.lists(&names, *at)) {
            let info = self.info_of_entry(found, &names, at);
            // What does not fit comes with the next request, which names the last one that did.
            if !self.add(&names.shown(at), &info, (buffer, &mut used))? {
                return Ok(used);
            }
        }
        DirInfo::<255>::finalize_buffer(buffer, &mut used);
        Ok(used)
    }
}

/// What the crate asks for too little of: an open file is closed by another thread than opened it,
/// and outlives whoever mounted.
const _: () = {
    const fn moves_between_threads<T: Send + Sync + 'static>() {}
    moves_between_threads::<Opened>();
    moves_between_threads::<Adapter>();
};

fn refused<T>(status: Status) -> Outcome<T> {
    Err(FspError::NTSTATUS(status.signed()))
}

/// The answer to everything that would write.
fn write_protected<T>() -> Outcome<T> {
    refused(Status::MEDIA_WRITE_PROTECTED)
}

fn fill(into: &mut FileInfo, info: &windows_view::FileInfo) {
    *into = FileInfo {
        file_attributes: info.attributes,
        reparse_tag: info.reparse_tag,
        allocation_size: info.allocation_bytes,
        file_size: info.bytes,
        creation_time: info.created,
        last_access_time: info.accessed,
        last_write_time: info.written,
        change_time: info.changed,
        index_number: info.index,
        // WinFsp wants 0: it keeps no count of names.
        hard_links: 0,
        ea_size: 0,
    };
}

/// Copies what was asked for; how many bytes that were.
fn copy(from: &[u8], into: &mut [u8]) -> Outcome<u64> {
    let Some(into) = into.get_mut(..from.len()) else { return refused(Status::BUFFER_TOO_SMALL) };
    into.copy_from_slice(from);
    Ok(u64::try_from(from.len()).unwrap_or(0))
}

impl FileSystemContext for Adapter {
    type FileContext = Opened;

    fn get_security_by_name(
        &self,
        path: &U16CStr,
        descriptor: Option<&mut [c_void]>,
        resolve: impl FnOnce(&U16CStr) -> Option<FileSecurity>,
    ) -> Outcome<FileSecurity> {
        let found =
            self.serve("get_security_by_name", 0, |tree| match tree.find(path.as_slice()) {
                Err(Failure::Refused(Status::REPARSE)) => Ok(None),
                other => Ok(Some(tree.info(&other?))),
            })?;
        match found {
            Some(info) => Ok(FileSecurity {
                reparse: false,
                sz_security_descriptor: self.copy_security(descriptor)?,
                attributes: info.attributes,
            }),
            // The DLL asks where the first link on the path is.
            None => resolve(path).map_or_else(|| refused(Status::OBJECT_PATH_NOT_FOUND), Ok),
        }
    }

    /// `access` is what was granted. The DLL checks no caller in the kernel, and none that holds
    /// the privileges of backup programs, against the security descriptor.
    fn open(
        &self,
        path: &U16CStr,
        options: u32,
        access: u32,
        info: &mut OpenFileInfo,
    ) -> Outcome<Opened> {
        if access & WRITING != 0 || options & DELETE_ON_CLOSE != 0 {
            return write_protected();
        }
        let (found, known) = self.serve("open", 0, |tree| {
            let found = tree.find(path.as_slice())?;
            let known = tree.info(&found);
            let is_directory = known.attributes & attribute::DIRECTORY != 0;
            if options & DIRECTORY_FILE != 0 && !is_directory {
                return Err(Status::NOT_A_DIRECTORY.into());
            }
            if options & NON_DIRECTORY_FILE != 0 && is_directory {
                return Err(Status::FILE_IS_A_DIRECTORY.into());
            }
            Ok((found, known))
        })?;
        fill(info.as_mut(), &known);
        info.set_normalized_name(&found.path(), None);
        Ok(Opened::new(found, self.open_files.clone()))
    }

    /// The last handle is closed. Comes for every file only where [`crate::Mounting`] asks for it.
    fn cleanup(&self, found: &Opened, _path: Option<&U16CStr>, _flags: u32) {
        found.drop_behind();
    }

    fn close(&self, _found: Opened) {}

    fn get_file_info(&self, found: &Opened, info: &mut FileInfo) -> Outcome<()> {
        let known = self.serve("get_file_info", 0, |tree| Ok(tree.info(found)))?;
        fill(info, &known);
        Ok(())
    }

    fn get_security(&self, _: &Opened, descriptor: Option<&mut [c_void]>) -> Outcome<u64> {
        self.copy_security(descriptor)
    }

    fn read(&self, found: &Opened, buffer: &mut [u8], offset: u64) -> Outcome<u32> {
        let node = found.attr().node.number();
        let bytes = self.serve("read", node, |tree| tree.read(found, offset, buffer))?;
        Ok(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    fn read_directory(
        &self,
        found: &Opened,
        _pattern: Option<&U16CStr>,
        marker: DirMarker<'_>,
        buffer: &mut [u8],
    ) -> Outcome<u32> {
        self.list(found, &marker, buffer)
    }

    fn get_dir_info_by_name(
        &self,
        found: &Opened,
        name: &U16CStr,
        entry: &mut DirInfo,
    ) -> Outcome<()> {
        let node = found.attr().node.number();
        let (name, info) = self.serve("get_dir_info_by_name", node, |tree| {
            let names = tree.names_of(found)?;
            let at = names.find(name.as_slice()).ok_or(Status::OBJECT_NAME_NOT_FOUND)?;
            Ok((names.shown(at), self.info_of_entry(found, &names, at)))
        })?;
        fill(entry.file_info_mut(), &info);
        entry.set_name_raw(name.as_slice())
    }

    fn get_volume_info(&self, info: &mut VolumeInfo) -> Outcome<()> {
        info.total_size = self.look.bytes;
        info.free_size = 0;
        let label: std::ffi::OsString =
            std::os::windows::ffi::OsStringExt::from_wide(&self.look.label);
        info.set_volume_label(label);
        Ok(())
    }

    fn get_stream_info(&self, found: &Opened, buffer: &mut [u8]) -> Outcome<u32> {
        let streams = self.serve("get_stream_info", 0, |tree| Ok(tree.streams(found)))?;
        let mut used = 0;
        for (name, bytes) in streams {
            let mut stream: StreamInfo = StreamInfo::new();
            stream.stream_size = bytes;
            stream.stream_alloc_size = bytes.checked_next_multiple_of(2048).unwrap_or(bytes);
            stream.set_name(name)?;
            if !stream.append_to_buffer(buffer, &mut used) {
                return refused(Status::BUFFER_OVERFLOW);
            }
        }
        StreamInfo::<255>::finalize_buffer(buffer, &mut used);
        Ok(used)
    }

    fn get_reparse_point_by_name(
        &self,
        path: &U16CStr,
        _is_directory: bool,
        buffer: &mut [u8],
    ) -> Outcome<u64> {
        let data = self.serve("get_reparse_point_by_name", 0, |tree| {
            tree.reparse_data(&tree.find(path.as_slice())?)
        })?;
        copy(&data, buffer)
    }

    fn get_reparse_point(&self, found: &Opened, _: &U16CStr, buffer: &mut [u8]) -> Outcome<u64> {
        let data = self.serve("get_reparse_point", 0, |tree| tree.reparse_data(found))?;
        copy(&data, buffer)
    }

    /// Nothing is written, so there is nothing to flush.
    fn flush(&self, found: Option<&Opened>, info: &mut FileInfo) -> Outcome<()> {
        found.map_or(Ok(()), |found| self.get_file_info(found, info))
    }

    fn dispatcher_stopped(&self, _normally: bool) {
        self.stopped.store(true, Ordering::Release);
    }

    fn create(
        &self,
        _path: &U16CStr,
        _options: u32,
        _access: u32,
        _attributes: u32,
        _descriptor: Option<&[c_void]>,
        _allocation: u64,
        _extra: Option<&[u8]>,
        _extra_is_reparse_point: bool,
        _info: &mut OpenFileInfo,
    ) -> Outcome<Opened> {
        write_protected()
    }

    fn overwrite(
        &self,
        _found: &Opened,
        _attributes: u32,
        _replace: bool,
        _allocation: u64,
        _extra: Option<&[u8]>,
        _info: &mut FileInfo,
    ) -> Outcome<()> {
        write_protected()
    }

    fn write(
        &self,
        _found: &Opened,
        _buffer: &[u8],
        _offset: u64,
        _to_end: bool,
        _constrained: bool,
        _info: &mut FileInfo,
    ) -> Outcome<u32> {
        write_protected()
    }

    fn set_basic_info(
        &self,
        _found: &Opened,
        _attributes: u32,
        _created: u64,
        _accessed: u64,
        _written: u64,
        _changed: u64,
        _info: &mut FileInfo,
    ) -> Outcome<()> {
        write_protected()
    }

    fn set_file_size(&self, _: &Opened, _size: u64, _: bool, _: &mut FileInfo) -> Outcome<()> {
        write_protected()
    }

    /// That a file shall not be deleted is no wish to write.
    fn set_delete(&self, _: &Opened, _path: &U16CStr, delete: bool) -> Outcome<()> {
        if delete { write_protected() } else { Ok(()) }
    }

    fn rename(&self, _: &Opened, _from: &U16CStr, _to: &U16CStr, _replace: bool) -> Outcome<()> {
        write_protected()
    }

    fn set_security(&self, _: &Opened, _what: u32, _: ModificationDescriptor) -> Outcome<()> {
        write_protected()
    }

    fn set_volume_label(&self, _label: &U16CStr, _info: &mut VolumeInfo) -> Outcome<()> {
        write_protected()
    }

    fn set_reparse_point(&self, _: &Opened, _path: &U16CStr, _data: &[u8]) -> Outcome<()> {
        write_protected()
    }

    fn delete_reparse_point(&self, _: &Opened, _path: &U16CStr, _data: &[u8]) -> Outcome<()> {
        write_protected()
    }

    fn get_extended_attributes(&self, _: &Opened, _buffer: &mut [u8]) -> Outcome<u32> {
        refused(Status::NO_EAS_ON_FILE)
    }

    fn set_extended_attributes(&self, _: &Opened, _: &[u8], _: &mut FileInfo) -> Outcome<()> {
        write_protected()
    }
}
