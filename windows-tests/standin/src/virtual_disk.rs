//! The functions of `virtdisk.dll` that `--native` needs, which Wine has not: opening an image,
//! making a drive of it, asking which, taking it away. What is attached is written into a folder
//! that the test names, since every process asks; the letter comes late, as Windows gives it, and
//! each image gets the lowest number of a device that is free, which comes again later.

use std::collections::HashMap;
use std::ffi::{OsString, c_void};
use std::ops::Range;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::IntoRawHandle;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// A folder; a file `attached-N` in it names the image that is attached as the device N, and its
/// letter, a line each.
const FOLDER: &str = "ISODRIVE_TEST_DISKS";
/// A letter, and after how many milliseconds the drive gets it: `W 1500`. None without this.
const LETTER: &str = "ISODRIVE_TEST_LETTER";

/// Whether drives are kept, whoever wants them away.
const KEPT: &str = "ISODRIVE_TEST_KEPT";

/// Numbers of devices. Those below are this machine's.
const DEVICES: Range<u32> = 9..20;

/// Rights to an open image (`virtdisk.h`).
const ATTACH_READ_ONLY: u32 = 0x1_0000;
const DETACH: u32 = 0x4_0000;
const GET_INFO: u32 = 0x8_0000;

/// Numbers of Windows.
const FILE_NOT_FOUND: u32 = 2;
const ACCESS_DENIED: u32 = 5;
const SHARING_VIOLATION: u32 = 32;
const DEVICE_NOT_THERE: u32 = 55;
const BUSY: u32 = 170;
const INVALID_PARAMETER: u32 = 87;
const INSUFFICIENT_BUFFER: u32 = 122;

/// What each handle is of, and its rights. Closed ones stay until their number is given again.
static OPEN: Mutex<Option<HashMap<usize, (PathBuf, u32)>>> = Mutex::new(None);

#[link(name = "kernel32")]
unsafe extern "system" {
    fn DefineDosDeviceW(flags: u32, name: *const u16, target: *const u16) -> i32;
}

#[repr(C)]
struct StorageType {
    device: u32,
    vendor: [u8; 16],
}

/// `VIRTUAL_STORAGE_TYPE_VENDOR_MICROSOFT`.
const MICROSOFT: [u8; 16] = [
    0xEC, 0x4A, 0x98, 0xEC, 0xF9, 0xA0, 0xE9, 0x47, 0x90, 0x1F, 0x71, 0x41, 0x5A, 0x66, 0x34, 0x5B,
];

fn attached_file(device: u32) -> PathBuf {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect(FOLDER));
    folder.join(format!("attached-{device}"))
}

/// The image that is attached as a device, and the letter that is or was to come.
fn attached(device: u32) -> Option<(PathBuf, String)> {
    let text = std::fs::read_to_string(attached_file(device)).ok()?;
    let (image, letter) = text.split_once('\n').expect("two lines");
    Some((image.into(), letter.to_owned()))
}

/// The device that an image is attached as.
fn device_of(image: &Path) -> Option<u32> {
    DEVICES.into_iter().find(|device| attached(*device).is_some_and(|(own, _)| own == image))
}

/// What a handle is of, if it has these rights.
fn opened(handle: *mut c_void, rights: u32) -> Result<PathBuf, u32> {
    let open = OPEN.lock().unwrap();
    let found = open.as_ref().and_then(|open| open.get(&(handle as usize)));
    let (image, own) = found.ok_or(INVALID_PARAMETER)?;
    if own & rights == rights { Ok(image.clone()) } else { Err(ACCESS_DENIED) }
}

fn define(letter: &str, device: u32, is_there: bool) {
    const RAW: u32 = 1;
    const REMOVE: u32 = 2;
    const EXACT: u32 = 4;
    let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
    let (name, target) = (wide(&format!("{letter}:")), wide(&format!("\\Device\\CdRom{device}")));
    let flags = if is_there { RAW } else { RAW | REMOVE | EXACT };
    unsafe { DefineDosDeviceW(flags, name.as_ptr(), target.as_ptr()) };
}

fn letter() -> Option<(String, Duration)> {
    let text = std::env::var(LETTER).ok()?;
    let (letter, time) = text.split_once(' ').expect(LETTER);
    Some((letter.to_owned(), Duration::from_millis(time.parse().expect(LETTER))))
}

#[unsafe(no_mangle)]
unsafe extern "system" fn OpenVirtualDisk(
    kind: *const StorageType,
    path: *const u16,
    access: u32,
    flags: u32,
    parameters: *const c_void,
    handle: *mut *mut c_void,
) -> u32 {
    const ISO: u32 = 1;
    let kind = unsafe { &*kind };
    if kind.device != ISO || kind.vendor != MICROSOFT || flags != 0 || !parameters.is_null() {
        return INVALID_PARAMETER;
    }
    let units = (0..).map(|at| unsafe { *path.add(at) }).take_while(|unit| *unit != 0);
    let path = PathBuf::from(OsString::from_wide(&units.collect::<Vec<u16>>()));
    let Ok(file) = std::fs::File::open(&path) else { return FILE_NOT_FOUND };
    let raw = file.into_raw_handle();
    OPEN.lock().unwrap().get_or_insert_default().insert(raw as usize, (path, access));
    unsafe { handle.write(raw.cast()) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "system" fn AttachVirtualDisk(
    handle: *mut c_void,
    _security: *mut c_void,
    flags: u32,
    _provider: u32,
    _parameters: *const c_void,
    overlapped: *mut c_void,
) -> u32 {
    const READ_ONLY_AND_PERMANENT: u32 = 0x1 | 0x4;
    if flags != READ_ONLY_AND_PERMANENT || !overlapped.is_null() {
        return INVALID_PARAMETER;
    }
    let image = match opened(handle, ATTACH_READ_ONLY) {
        Ok(image) => image,
        Err(code) => return code,
    };
    if device_of(&image).is_some() {
        return SHARING_VIOLATION;
    }
    let device = DEVICES.into_iter().find(|device| attached(*device).is_none()).expect("a number");
    let letter = letter();
    let name = letter.as_ref().map_or("", |(name, _)| name);
    let image = image.to_str().expect("a path that is text");
    std::fs::write(attached_file(device), format!("{image}\n{name}")).unwrap();
    if let Some((letter, time)) = letter {
        std::thread::spawn(move || {
            std::thread::sleep(time);
            define(&letter, device, true);
        });
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "system" fn DetachVirtualDisk(
    handle: *mut c_void,
    flags: u32,
    _provider: u32,
) -> u32 {
    let image = match opened(handle, DETACH) {
        Ok(image) if flags == 0 => image,
        Ok(_) => return INVALID_PARAMETER,
        Err(code) => return code,
    };
    let Some(device) = device_of(&image) else { return DEVICE_NOT_THERE };
    if std::env::var_os(KEPT).is_some() {
        return BUSY;
    }
    let (_, letter) = attached(device).unwrap();
    std::fs::remove_file(attached_file(device)).unwrap();
    if !letter.is_empty() {
        define(&letter, device, false);
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "system" fn GetVirtualDiskPhysicalPath(
    handle: *mut c_void,
    bytes: *mut u32,
    into: *mut u16,
) -> u32 {
    let device = match opened(handle, GET_INFO).map(|image| device_of(&image)) {
        Ok(Some(device)) => device,
        Ok(None) => return DEVICE_NOT_THERE,
        Err(code) => return code,
    };
    let device = format!("\\\\.\\CDROM{device}");
    let units: Vec<u16> = device.encode_utf16().chain([0]).collect();
    let wanted = size_of_val(units.as_slice()) as u32;
    unsafe {
        if bytes.replace(wanted) < wanted {
            return INSUFFICIENT_BUFFER;
        }
        into.copy_from_nonoverlapping(units.as_ptr(), units.len());
    }
    0
}
