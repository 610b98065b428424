//! Handing a plain `.iso` to Windows itself, whose own drivers make a real DVD drive of it.
//! Calls `virtdisk.dll` of the system's folder, where it is; nothing of WinFsp.
#![expect(unsafe_code, reason = "calls of Windows")]

use std::ffi::{OsStr, c_void};
use std::os::windows::ffi::OsStrExt;
use std::path::Path;

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE};
use windows_sys::Win32::Storage::FileSystem::QueryDosDeviceW;
use windows_sys::core::GUID;

use crate::system::{load_library, system_folder, wide};

/// `VIRTUAL_STORAGE_TYPE`: an image of a disc, by Microsoft's own provider.
#[repr(C)]
struct StorageType {
    device: u32,
    vendor: GUID,
}

static ISO: StorageType =
    StorageType { device: 1, vendor: GUID::from_u128(0xEC98_4AEC_A0F9_47E9_901F_7141_5A66_345B) };

/// `VIRTUAL_DISK_ACCESS_ATTACH_RO | VIRTUAL_DISK_ACCESS_GET_INFO`.
const ACCESS: u32 = 0x0001_0000 | 0x0008_0000;

/// `ATTACH_VIRTUAL_DISK_FLAG_READ_ONLY | ATTACH_VIRTUAL_DISK_FLAG_PERMANENT_LIFETIME`: it stays
/// when this process ends.
const ATTACH: u32 = 0x1 | 0x4;

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
type PhysicalPath = unsafe extern "system" fn(HANDLE, *mut u32, *mut u16) -> u32;

/// Why Windows made no drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NativeError {
    /// This Windows cannot.
    #[error("this Windows cannot mount images by itself")]
    NotHere,
    /// What it said.
    #[error("Windows refused (error {0})")]
    Refused(u32),
}

/// Has Windows make a drive of an image. Returns its letter, if it has got one already.
///
/// # Errors
/// See [`NativeError`].
pub fn attach(image: &Path) -> Result<Option<char>, NativeError> {
    let library = system_folder().join("virtdisk.dll");
    let library: Vec<u16> = units(library.as_os_str());
    let library = load_library(&library).map_err(|_| NativeError::NotHere)?;
    let function = |name| library.function(name).ok_or(NativeError::NotHere);
    // SAFETY: the function of this name has this signature (virtdisk.h).
    let open = unsafe { std::mem::transmute::<*mut c_void, Open>(function(c"OpenVirtualDisk")?) };
    // SAFETY: as above.
    let attach =
        unsafe { std::mem::transmute::<*mut c_void, Attach>(function(c"AttachVirtualDisk")?) };
    // SAFETY: as above.
    let path = unsafe {
        std::mem::transmute::<*mut c_void, PhysicalPath>(function(c"GetVirtualDiskPhysicalPath")?)
    };
    let (image, null) = (units(image.as_os_str()), std::ptr::null_mut());
    let mut disk = null;
    // SAFETY: the path ends in a zero; writes one handle.
    let code = unsafe { open(&raw const ISO, image.as_ptr(), ACCESS, 0, null, &raw mut disk) };
    refused(code)?;
    // SAFETY: the handle is that of the image; no descriptor, no parameters, nothing in parallel.
    let attached = refused(unsafe { attach(disk, null, ATTACH, 0, null, null) });
    let mut device = [0u16; 260];
    let mut bytes = u32::try_from(size_of_val(&device)).unwrap_or(0);
    let named = attached.and_then(|()| {
        // SAFETY: writes at most the bytes that there are.
        refused(unsafe { path(disk, &raw mut bytes, device.as_mut_ptr()) })
    });
    // SAFETY: the handle is open and not used again.
    unsafe { CloseHandle(disk) };
    attached?;
    Ok(named.ok().and_then(|()| letter_of(&device)))
}

fn refused(code: u32) -> Result<(), NativeError> {
    if code == 0 { Ok(()) } else { Err(NativeError::Refused(code)) }
}

fn units(text: &OsStr) -> Vec<u16> {
    text.encode_wide().chain([0]).collect()
}

/// The letter of a device such as `\\.\CDROM1`.
fn letter_of(device: &[u16]) -> Option<char> {
    let len = device.iter().position(|unit| *unit == 0)?;
    let device = String::from_utf16_lossy(device.get(..len)?);
    let wanted = format!("\\Device\\{}", device.strip_prefix("\\\\.\\")?);
    ('A'..='Z').find(|letter| {
        let name = wide(&format!("{letter}:"));
        let mut target = [0u16; 260];
        let room = u32::try_from(target.len()).unwrap_or(0);
        // SAFETY: the name ends in a zero; writes at most the units that there are.
        let written = unsafe { QueryDosDeviceW(name.as_ptr(), target.as_mut_ptr(), room) };
        let target: Vec<u16> = target.into_iter().take_while(|unit| *unit != 0).collect();
        written != 0 && String::from_utf16_lossy(&target).eq_ignore_ascii_case(&wanted)
    })
}
