//! Handing a plain `.iso` to Windows itself, whose own drivers make a real DVD drive of it.
//! Calls `virtdisk.dll` of the system's folder, where it is; nothing of WinFsp.
#![expect(unsafe_code, reason = "calls of Windows")]

use std::ffi::{OsStr, c_void};
use std::os::windows::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, HANDLE,
};
use windows_sys::Win32::Storage::FileSystem::QueryDosDeviceW;
use windows_sys::core::GUID;

use crate::system::{is_interrupted, load_library, system_folder, wide};

/// `VIRTUAL_STORAGE_TYPE`: an image of a disc, by Microsoft's own provider.
#[repr(C)]
struct StorageType {
    device: u32,
    vendor: GUID,
}

static ISO: StorageType =
    StorageType { device: 1, vendor: GUID::from_u128(0xEC98_4AEC_A0F9_47E9_901F_7141_5A66_345B) };

/// `VIRTUAL_DISK_ACCESS_READ`, which is what Windows' own example opens images of discs with:
/// to attach read-only, to detach, to ask.
const ACCESS: u32 = 0x000D_0000;

/// `ATTACH_VIRTUAL_DISK_FLAG_READ_ONLY | ATTACH_VIRTUAL_DISK_FLAG_PERMANENT_LIFETIME`: it stays
/// when this process ends.
const ATTACH: u32 = 0x1 | 0x4;

/// How long Windows may take to give a drive its letter, which it does after it made the drive.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked for the letter.
const BEAT: Duration = Duration::from_millis(50);

type Open = unsafe extern "system" fn(
    *const StorageType,
    *const u16,
    u32,
    u32,
    *const c_void,
    *mut HANDLE,
) -> u32;
type Attach =
    unsafe extern "system" fn(HANDLE, *mut c_void, u32, u32, *const c_void, *mut c_void) -> u32;
type Detach = unsafe extern "system" fn(HANDLE, u32, u32) -> u32;
type PhysicalPath = unsafe extern "system" fn(HANDLE, *mut u32, *mut u16) -> u32;

/// Why Windows made no drive, or does not take one away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NativeError {
    /// This Windows cannot.
    #[error("this Windows cannot mount images by itself")]
    NotHere,
    /// What it said.
    #[error("Windows refused (error {0})")]
    Refused(u32),
    /// A drive without a letter is of no use.
    #[error("Windows gave the drive no letter in {} s", PATIENCE.as_secs())]
    NoLetter,
    /// Such a drive, which stays besides.
    #[error("Windows gave the drive {device} no letter, and keeps it (error {code})")]
    Stuck {
        /// Its device, as in `\\.\CDROM1`.
        device: String,
        /// What it said.
        code: u32,
    },
    /// The console said that this process shall end.
    #[error("interrupted")]
    Interrupted,
}

/// A drive that Windows itself made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeDrive {
    /// Its device, as in `\\.\CDROM1`.
    pub device: String,
    /// Its letter.
    pub letter: char,
    /// Whether it was made now. Somebody else may have made it before.
    pub is_new: bool,
}

/// Another library than that of Windows.
static LIBRARY: OnceLock<PathBuf> = OnceLock::new();

/// From now on a library takes the place of `virtdisk.dll`, for tests: Wine has none.
pub fn take_virtual_disks_from(dll: &Path) {
    LIBRARY.get_or_init(|| dll.to_path_buf());
}

/// Has Windows make a drive of an image, and waits until it has a letter. Where it gets none, or
/// this process shall end meanwhile, the drive is taken away again.
///
/// # Errors
/// See [`NativeError`].
pub fn attach(image: &Path) -> Result<NativeDrive, NativeError> {
    let disk = Disk::open(image)?;
    let is_new = disk.device().is_err() && {
        let attached = disk.attach();
        let is_new = attached.is_ok();
        // Somebody was faster.
        if disk.device().is_err() {
            attached?;
        }
        is_new
    };
    let why = match wait_for_letter(&disk) {
        Ok((device, letter)) => return Ok(NativeDrive { device, letter, is_new }),
        Err(why) => why,
    };
    if !is_new {
        return Err(why);
    }
    // Where there is no device any more, somebody else took the drive away.
    match (disk.detach(), disk.device()) {
        (Err(NativeError::Refused(code)), Ok(device)) => Err(NativeError::Stuck { device, code }),
        _ => Err(why),
    }
}

fn wait_for_letter(disk: &Disk) -> Result<(String, char), NativeError> {
    let since = Instant::now();
    loop {
        if let Ok(device) = disk.device()
            && let Some(letter) = letter_of(&device)
        {
            return Ok((device, letter));
        }
        if is_interrupted() {
            return Err(NativeError::Interrupted);
        }
        if since.elapsed() > PATIENCE {
            return Err(NativeError::NoLetter);
        }
        std::thread::sleep(BEAT);
    }
}

/// The device that Windows made of an image, if there is one now.
///
/// # Errors
/// See [`NativeError`]; that nobody knows, as where the image lies on a share that is away.
pub fn device_of(image: &Path) -> Result<Option<String>, NativeError> {
    match Disk::open(image) {
        Ok(disk) => Ok(disk.device().ok()),
        // Windows lets nobody remove an image that it shows.
        Err(NativeError::Refused(ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Has Windows take the drive away that it made of an image, if it still is that device.
///
/// # Errors
/// See [`NativeError`].
pub fn detach(image: &Path, device: &str) -> Result<(), NativeError> {
    let disk = match Disk::open(image) {
        Err(NativeError::Refused(ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND)) => return Ok(()),
        other => other?,
    };
    if disk.device().is_ok_and(|now| now == device) { disk.detach() } else { Ok(()) }
}

/// The letter of a device such as `\\.\CDROM1`.
#[must_use]
pub fn letter_of(device: &str) -> Option<char> {
    let wanted = format!("\\Device\\{}", device.strip_prefix("\\\\.\\")?);
    ('A'..='Z').find(|letter| {
        let name = wide(&format!("{letter}:"));
        let mut target = [0u16; 260];
        let room = u32::try_from(target.len()).unwrap_or(0);
        // SAFETY: the name ends in a zero; writes at most the units that there are.
        let written = unsafe { QueryDosDeviceW(name.as_ptr(), target.as_mut_ptr(), room) };
        written != 0 && text(&target).eq_ignore_ascii_case(&wanted)
    })
}

/// The functions of the library that are needed here.
#[derive(Clone, Copy)]
struct Functions {
    open: Open,
    attach: Attach,
    detach: Detach,
    path: PhysicalPath,
}

impl Functions {
    fn load() -> Result<Self, NativeError> {
        let library = match LIBRARY.get() {
            Some(library) => library.clone(),
            None => system_folder().join("virtdisk.dll"),
        };
        let library =
            load_library(&units(library.as_os_str())).map_err(|_| NativeError::NotHere)?;
        let function = |name| library.function(name).ok_or(NativeError::NotHere);
        let open = function(c"OpenVirtualDisk")?;
        let attach = function(c"AttachVirtualDisk")?;
        let detach = function(c"DetachVirtualDisk")?;
        let path = function(c"GetVirtualDiskPhysicalPath")?;
        Ok(Self {
            // SAFETY: the function of this name has this signature (virtdisk.h).
            open: unsafe { std::mem::transmute::<*mut c_void, Open>(open) },
            // SAFETY: as above.
            attach: unsafe { std::mem::transmute::<*mut c_void, Attach>(attach) },
            // SAFETY: as above.
            detach: unsafe { std::mem::transmute::<*mut c_void, Detach>(detach) },
            // SAFETY: as above.
            path: unsafe { std::mem::transmute::<*mut c_void, PhysicalPath>(path) },
        })
    }
}

/// An image as Windows opened it: closing it changes nothing about its drive.
struct Disk {
    handle: HANDLE,
    functions: Functions,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // SAFETY: the handle is open and this is its only owner.
        unsafe { CloseHandle(self.handle) };
    }
}

impl Disk {
    fn open(image: &Path) -> Result<Self, NativeError> {
        let functions = Functions::load()?;
        let image = units(image.as_os_str());
        let mut handle = std::ptr::null_mut();
        let (iso, none, into) = (&raw const ISO, std::ptr::null(), &raw mut handle);
        // SAFETY: the path ends in a zero; no parameters; writes one handle.
        refused(unsafe { (functions.open)(iso, image.as_ptr(), ACCESS, 0, none, into) })?;
        Ok(Self { handle, functions })
    }

    fn attach(&self) -> Result<(), NativeError> {
        let null = std::ptr::null_mut();
        // SAFETY: the handle is open; no descriptor, no parameters, nothing in parallel.
        refused(unsafe { (self.functions.attach)(self.handle, null, ATTACH, 0, null, null) })
    }

    fn detach(&self) -> Result<(), NativeError> {
        // SAFETY: the handle is open.
        refused(unsafe { (self.functions.detach)(self.handle, 0, 0) })
    }

    /// The device that it is attached as; an error where it is not.
    fn device(&self) -> Result<String, NativeError> {
        let mut device = [0u16; 260];
        let mut bytes = u32::try_from(size_of_val(&device)).unwrap_or(0);
        // SAFETY: the handle is open; writes at most the bytes that there are.
        let code =
            unsafe { (self.functions.path)(self.handle, &raw mut bytes, device.as_mut_ptr()) };
        refused(code).map(|()| text(&device))
    }
}

fn refused(code: u32) -> Result<(), NativeError> {
    if code == 0 { Ok(()) } else { Err(NativeError::Refused(code)) }
}

fn units(text: &OsStr) -> Vec<u16> {
    text.encode_wide().chain([0]).collect()
}

/// The text in a buffer, which ends at the first zero.
fn text(buffer: &[u16]) -> String {
    let units: Vec<u16> = buffer.iter().copied().take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}
