//! Every callback, called with the pointers that hurt: none at all where there may be one, buffers
//! of every size, guards behind each of them. The disc is `many.iso` of the tests, with a mark.

use std::ffi::c_void;
use std::ptr::null_mut;

use winfsp_sys::{
    FSP_FILE_SYSTEM, FSP_FILE_SYSTEM_INTERFACE, FSP_FSCTL_DIR_INFO, FSP_FSCTL_FILE_INFO,
    FSP_FSCTL_OPEN_FILE_INFO, FSP_FSCTL_STREAM_INFO, FSP_FSCTL_VOLUME_INFO, PVOID,
};

use crate::report::check;

const GUARD: u8 = 0x5A;
const BUFFER_OVERFLOW: u32 = 0x8000_0005;
const END_OF_FILE: u32 = 0xC000_0011;
const NAME_NOT_FOUND: u32 = 0xC000_0034;
const WRITE_PROTECTED: u32 = 0xC000_00A2;
const NOT_A_REPARSE_POINT: u32 = 0xC000_0275;

/// A file system and its callbacks.
struct Calls<'a> {
    system: *mut FSP_FILE_SYSTEM,
    table: &'a FSP_FILE_SYSTEM_INTERFACE,
}

/// Makes all calls.
pub(crate) unsafe fn all(system: *mut FSP_FILE_SYSTEM) {
    unsafe {
        let calls = Calls { system, table: &*(*system).Interface };
        calls.volume();
        calls.security_by_name();
        let file = calls.open("\\size-2049", "\\SIZE-2049");
        calls.info_and_security(file);
        calls.reads(file);
        calls.streams(file);
        calls.links(file);
        calls.writes(file);
        calls.close(file);
        let folder = calls.open("\\many", "\\MANY");
        calls.directories(folder);
        calls.by_name(folder);
        calls.close(folder);
        // Closing nothing is nothing.
        calls.table.Close.unwrap()(system, null_mut());
    }
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Bytes with a guard behind them.
fn guarded(len: usize) -> Vec<u8> {
    vec![GUARD; len + 64]
}

fn is_untouched(buffer: &[u8], from: usize) -> bool {
    buffer[from..].iter().all(|byte| *byte == GUARD)
}

impl Calls<'_> {
    unsafe fn volume(&self) {
        let mut info: FSP_FSCTL_VOLUME_INFO = unsafe { std::mem::zeroed() };
        let get = self.table.GetVolumeInfo.unwrap();
        check("GetVolumeInfo", unsafe { get(self.system, &mut info) } as u32, 0);
        check("free bytes", info.FreeSize, 0);
        check("a label", matches!(info.VolumeLabelLength, 1..=64), true);
        check("GetVolumeInfo of nothing", unsafe { get(self.system, null_mut()) } < 0, true);
    }

    unsafe fn security_by_name(&self) {
        let get = self.table.GetSecurityByName.unwrap();
        let mut root = units("\\");
        let root = root.as_mut_ptr();
        let (mut attributes, mut size) = (0, 0);
        let ask = |attributes: *mut u32, buffer: PVOID, size: *mut u64| unsafe {
            get(self.system, root, attributes, buffer, size) as u32
        };
        check("no pointers", ask(null_mut(), null_mut(), null_mut()), 0);
        check("the size alone", ask(&mut attributes, null_mut(), &mut size), 0);
        check("a directory", attributes & 0x10, 0x10);
        check("small enough for the DLL's first try", size > 20 && size <= 1024, true);
        for len in 0..=size + 8 {
            let mut buffer = guarded(len as usize);
            let mut got = len;
            let status = ask(&mut attributes, buffer.as_mut_ptr().cast(), &mut got);
            check("a descriptor", status, if len < size { BUFFER_OVERFLOW } else { 0 });
            let written = if len < size { 0 } else { size as usize };
            check("behind a descriptor", is_untouched(&buffer, written), true);
        }
        let mut missing = units("\\no\\such");
        let status = unsafe {
            get(self.system, missing.as_mut_ptr(), &mut attributes, null_mut(), &mut size)
        };
        check("a missing path", status as u32, 0xC000_003A);
    }

    /// Opens a path in a case other than the disc's, which is `name`.
    unsafe fn open(&self, name: &str, path: &str) -> PVOID {
        let mut path = units(path);
        let mut normalized = vec![0u16; 1024];
        let mut info: FSP_FSCTL_OPEN_FILE_INFO = unsafe { std::mem::zeroed() };
        info.NormalizedName = normalized.as_mut_ptr();
        info.NormalizedNameSize = 2048;
        let mut context = null_mut();
        let status = unsafe {
            self.table.Open.unwrap()(
                self.system,
                path.as_mut_ptr(),
                0,
                0x0012_0089,
                &mut context,
                (&raw mut info).cast(),
            )
        };
        check("Open", status as u32, 0);
        let len = usize::from(info.NormalizedNameSize) / 2;
        check("its name", String::from_utf16_lossy(&normalized[..len]), name.to_owned());
        context
    }

    unsafe fn close(&self, context: PVOID) {
        unsafe {
            self.table.Cleanup.unwrap()(self.system, context, null_mut(), 0);
            self.table.Close.unwrap()(self.system, context);
        }
    }

    unsafe fn info_and_security(&self, file: PVOID) {
        let mut info: FSP_FSCTL_FILE_INFO = unsafe { std::mem::zeroed() };
        let get = self.table.GetFileInfo.unwrap();
        check("GetFileInfo", unsafe { get(self.system, file, &mut info) } as u32, 0);
        check("its size", (info.FileSize, info.AllocationSize), (2049, 4096));
        check("GetFileInfo of nothing", unsafe { get(self.system, file, null_mut()) } < 0, true);
        let get = self.table.GetSecurity.unwrap();
        let mut size = 0;
        check("the size", unsafe { get(self.system, file, null_mut(), &mut size) } as u32, 0);
        let mut buffer = guarded(size as usize);
        let status = unsafe { get(self.system, file, buffer.as_mut_ptr().cast(), &mut size) };
        check("GetSecurity", status as u32, 0);
        check("behind it", is_untouched(&buffer, size as usize), true);
    }

    unsafe fn reads(&self, file: PVOID) {
        let read = self.table.Read.unwrap();
        for (offset, len, want) in [
            (0, 2049, Ok(2049)),
            (0, 4096, Ok(2049)),
            (2048, 1, Ok(1)),
            (2048, 100, Ok(1)),
            (2049, 1, Err(END_OF_FILE)),
            (u64::MAX, 64, Err(END_OF_FILE)),
            (0, 0, Ok(0)),
        ] {
            let mut buffer = guarded(len as usize);
            let mut got = 99;
            let to: *mut c_void = buffer.as_mut_ptr().cast();
            let status = unsafe { read(self.system, file, to, offset, len, &mut got) } as u32;
            check("Read", if status == 0 { Ok(got) } else { Err(status) }, want);
            let count = want.unwrap_or(0);
            check("bytes that were not read", got, count);
            check("behind what was read", is_untouched(&buffer, count as usize), true);
            let right =
                (0..count).all(|at| buffer[at as usize] == ((offset + u64::from(at)) % 251) as u8);
            check("what was read", right, true);
            // Nobody wants to know how much it was.
            let status = unsafe { read(self.system, file, to, offset, len, null_mut()) } as u32;
            check("Read without a count", status, want.err().unwrap_or(0));
        }
        let mut got = 99;
        let status = unsafe { read(self.system, file, null_mut(), 0, 5, &mut got) };
        check("Read into nothing", (status < 0, got), (true, 0));
    }

    unsafe fn streams(&self, file: PVOID) {
        let get = self.table.GetStreamInfo.unwrap();
        let head = size_of::<FSP_FSCTL_STREAM_INFO>();
        // One without a name, and one with a name of 15 units.
        let whole = head.next_multiple_of(8) + head + 30;
        for len in 0..whole + 16 {
            let mut buffer = guarded(len);
            let mut used = 0;
            let to = buffer.as_mut_ptr().cast();
            let status = unsafe { get(self.system, file, to, len as u32, &mut used) } as u32;
            let fits = len >= whole;
            check("GetStreamInfo", status, if fits { 0 } else { BUFFER_OVERFLOW });
            check("behind the streams", is_untouched(&buffer, len), true);
        }
    }

    unsafe fn links(&self, file: PVOID) {
        let mut path = units("\\size-2049");
        let mut buffer = guarded(64);
        let mut size = 64;
        let to: *mut c_void = buffer.as_mut_ptr().cast();
        let get = self.table.GetReparsePoint.unwrap();
        let status = unsafe { get(self.system, file, path.as_mut_ptr(), to, &mut size) } as u32;
        check("GetReparsePoint", status, NOT_A_REPARSE_POINT);
        check("behind no link", is_untouched(&buffer, 0), true);
    }

    unsafe fn writes(&self, file: PVOID) {
        let t = self.table;
        let (system, nothing) = (self.system, null_mut::<c_void>());
        let (mut name, mut new) = (units("\\size-2049"), units("\\new"));
        let (name, new) = (name.as_mut_ptr(), new.as_mut_ptr());
        let mut bytes = [0u8; 64];
        let bytes = bytes.as_mut_ptr();
        let mut context = null_mut();
        let mut got = 0;
        let mut volume: FSP_FSCTL_VOLUME_INFO = unsafe { std::mem::zeroed() };
        let mut info: FSP_FSCTL_OPEN_FILE_INFO = unsafe { std::mem::zeroed() };
        let info: *mut FSP_FSCTL_FILE_INFO = (&raw mut info).cast();
        let statuses = unsafe {
            [
                t.CreateEx.unwrap()(
                    system,
                    new,
                    0x40,
                    0x1F_01FF,
                    0x80,
                    nothing,
                    0,
                    nothing,
                    0,
                    0,
                    &mut context,
                    info,
                ),
                t.OverwriteEx.unwrap()(system, file, 0x80, 0, 0, null_mut(), 0, info),
                t.Write.unwrap()(system, file, bytes.cast(), 0, 4, 0, 0, &mut got, info),
                t.SetBasicInfo.unwrap()(system, file, 0x80, 0, 0, 0, 0, info),
                t.SetFileSize.unwrap()(system, file, 0, 0, info),
                t.SetDelete.unwrap()(system, file, name, 1),
                t.Rename.unwrap()(system, file, name, new, 1),
                t.SetSecurity.unwrap()(system, file, 4, bytes.cast()),
                t.SetVolumeLabelW.unwrap()(system, new, &mut volume),
                t.SetEa.unwrap()(system, file, bytes.cast(), 8, info),
                t.SetReparsePoint.unwrap()(system, file, name, bytes.cast(), 8),
                t.DeleteReparsePoint.unwrap()(system, file, name, bytes.cast(), 8),
            ]
        };
        for (number, status) in statuses.into_iter().enumerate() {
            check(&format!("write-type call {number}"), status as u32, WRITE_PROTECTED);
        }
        check("nothing was created", context.is_null(), true);
        check("not to delete", unsafe { t.SetDelete.unwrap()(system, file, name, 0) }, 0);
        check("Flush of all", unsafe { t.Flush.unwrap()(system, null_mut(), info) }, 0);
        check("Flush", unsafe { t.Flush.unwrap()(system, file, info) }, 0);
        let to_nothing = unsafe {
            t.Write.unwrap()(system, file, bytes.cast(), 0, 4, 0, 0, &mut got, null_mut())
        };
        check("Write without a place for its answer", to_nothing < 0, true);
    }

    /// All names of a directory through buffers of one size; nothing if one entry does not fit.
    unsafe fn list(&self, folder: PVOID, len: usize) -> Option<Vec<Vec<u16>>> {
        let head = size_of::<FSP_FSCTL_DIR_INFO>();
        let mut all: Vec<Vec<u16>> = Vec::new();
        loop {
            let mut buffer = guarded(len);
            let mut marker = all.last().map(|name| [name.as_slice(), &[0]].concat());
            let marker = marker.as_mut().map_or(null_mut(), |marker| marker.as_mut_ptr());
            let mut used = 0;
            let to = buffer.as_mut_ptr().cast();
            let status = unsafe {
                self.table.ReadDirectory.unwrap()(
                    self.system,
                    folder,
                    null_mut(),
                    marker,
                    to,
                    len as u32,
                    &mut used,
                )
            };
            check("ReadDirectory", status as u32, 0);
            check("behind a page", is_untouched(&buffer, len), true);
            let before = all.len();
            let mut at = 0;
            while at + 2 <= used as usize {
                let size = usize::from(u16::from_le_bytes([buffer[at], buffer[at + 1]]));
                if size < head {
                    return Some(all);
                }
                let name = buffer[at + head..at + size].chunks_exact(2);
                all.push(name.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect());
                at += size.next_multiple_of(8);
            }
            if all.len() == before {
                return None;
            }
        }
    }

    unsafe fn directories(&self, folder: PVOID) {
        let whole = unsafe { self.list(folder, 1 << 17) }.unwrap_or_default();
        check("all names", whole.len(), 503);
        let mut smallest = None;
        for len in (0..1024).chain([4095, 4096, 4097, 65_535]) {
            match unsafe { self.list(folder, len) } {
                Some(some) => {
                    check("names through a small buffer", some == whole, true);
                    smallest.get_or_insert(len);
                }
                None => check("a buffer that lists less than a smaller one", smallest, None),
            }
        }
        // The longest name has 250 units.
        let longest = size_of::<FSP_FSCTL_DIR_INFO>() + 500;
        check("the smallest buffer", smallest.is_some_and(|len| len <= longest + 8), true);
    }

    unsafe fn by_name(&self, folder: PVOID) {
        let find = self.table.GetDirInfoByName.unwrap();
        let mut entry = vec![0u64; 80];
        let mut name = units("FILE NAME 007 \u{c9}\u{4e2d}.BIN");
        let to: *mut FSP_FSCTL_DIR_INFO = entry.as_mut_ptr().cast();
        let status = unsafe { find(self.system, folder, name.as_mut_ptr(), to) };
        check("GetDirInfoByName", status, 0);
        let (size, info) = unsafe { ((*to).Size, (*to).FileInfo) };
        check(
            "its record",
            (usize::from(size), info.FileSize),
            (size_of::<FSP_FSCTL_DIR_INFO>() + 40, 7),
        );
        let mut missing = units("nope");
        let status = unsafe { find(self.system, folder, missing.as_mut_ptr(), to) } as u32;
        check("GetDirInfoByName of nothing", status, NAME_NOT_FOUND);
    }
}
