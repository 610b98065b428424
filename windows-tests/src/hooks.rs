//! What the DLL calls in place of Windows where it would reach its driver: opening devices,
//! the request channel, drive letters, one look into the registry; and where a test has it fail.
//! Answers those calls alone; everything else goes on to Windows.
#![expect(clippy::missing_const_for_thread_local, reason = "it is, and clippy does not see it")]

use std::cell::Cell;
use std::ffi::c_void;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use windows_sys::Win32::Foundation::{
    ERROR_FILE_NOT_FOUND, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_FUNCTION,
    ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY, ERROR_OPERATION_ABORTED, ERROR_SUCCESS,
    HANDLE, INVALID_HANDLE_VALUE, SetLastError,
};
use windows_sys::Win32::Security::{
    DuplicateToken, SECURITY_ATTRIBUTES, SecurityIdentification, TOKEN_DUPLICATE, TOKEN_QUERY,
};
use windows_sys::Win32::Storage::FileSystem::{CreateFileW, DDD_REMOVE_DEFINITION};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::Win32::System::Registry::RegGetValueW;
use windows_sys::Win32::System::Threading::{
    CreateEventW, CreateThread, GetCurrentProcess, GetCurrentProcessId, LPTHREAD_START_ROUTINE,
    OpenProcessToken,
};
use winfsp_sys::FSP_FSCTL_VOLUME_PARAMS;

use crate::imports::Module;
use crate::letters::{self, GLOBAL};
use crate::mount_manager;
use crate::queue::{Volume, register, volume};

/// The control codes of the channel: a letter each (`fsctl.h`).
const fn control(letter: u8) -> u32 {
    const FILE_DEVICE_FILE_SYSTEM: u32 = 9;
    FILE_DEVICE_FILE_SYSTEM << 16 | (0x800 + letter as u32) << 2
}
const NAME: u32 = control(b'N');
const LIST: u32 = control(b'L');
const TRANSACT: u32 = control(b'T');
const MOUNT_DEVICE: u32 = control(b'M');
const STOP: u32 = control(b'S');
const STOP_0: u32 = control(b's');

/// Makes a directory one that leads elsewhere, which Wine 8 cannot.
const SET_REPARSE_POINT: u32 = 0x0009_00A4;

/// What Windows itself has in the place of two functions.
type Query = unsafe extern "system" fn(*const u16, *mut u16, u32) -> u32;
type Drives = unsafe extern "system" fn() -> u32;
static QUERY: OnceLock<Query> = OnceLock::new();
static LOGICAL_DRIVES: OnceLock<Drives> = OnceLock::new();

static JUNCTIONS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static NAMED: AtomicUsize = AtomicUsize::new(0);

/// Drive letters that the DLL defined, each with its device.
pub fn drives() -> Vec<(String, String)> {
    letters::own().into_iter().filter(|(name, _)| !name.starts_with(GLOBAL)).collect()
}

/// Devices that directories were made to lead to.
pub fn junctions() -> Vec<String> {
    JUNCTIONS.lock().unwrap().clone()
}

thread_local! {
    /// Whether the DLL gets no threads when this thread asks it for something.
    static NO_THREADS: Cell<bool> = const { Cell::new(false) };
}

/// Does a work during which Windows gives the DLL no threads.
pub fn without_threads<T>(work: impl FnOnce() -> T) -> T {
    NO_THREADS.set(true);
    let done = work();
    NO_THREADS.set(false);
    done
}

/// Where the data of a mount point leads (MS-FSCC 2.1.2.5).
fn junction(data: &[u8]) -> String {
    assert_eq!(data[..4], 0xA000_0003u32.to_le_bytes(), "a link of another kind");
    let short = |at: usize| usize::from(u16::from_le_bytes([data[at], data[at + 1]]));
    let name = data[16 + short(8)..][..short(10)].chunks_exact(2);
    let name: Vec<u16> = name.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&name)
}

/// Loads the real DLL and puts the imitation under it, once for the process.
pub fn install(dll: &Path) {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        mount_winfsp::load_from(dll).expect("WinFsp's DLL");
        let name = mount_winfsp::system::wide(dll.file_name().unwrap().to_str().unwrap());
        // SAFETY of the whole: the DLL is loaded, and each function has the signature of Windows.
        unsafe {
            let module = Module(GetModuleHandleW(name.as_ptr()).cast());
            assert!(!module.0.is_null());
            module.replace("KERNEL32.dll", "CreateFileW", create_file as *const c_void);
            module.replace("KERNEL32.dll", "DeviceIoControl", device_io_control as *const c_void);
            module.replace("KERNEL32.dll", "DefineDosDeviceW", define_dos_device as *const c_void);
            module.replace("ADVAPI32.dll", "RegGetValueW", reg_get_value as *const c_void);
            module.replace("KERNEL32.dll", "CreateThread", create_thread as *const c_void);
            let (query, drives) = (query_dos_device as *const c_void, logical_drives as *const _);
            let before = module.replace("KERNEL32.dll", "QueryDosDeviceW", query);
            let _ = QUERY.set(std::mem::transmute::<*const c_void, Query>(before));
            let before = module.replace("KERNEL32.dll", "GetLogicalDrives", drives);
            let _ = LOGICAL_DRIVES.set(std::mem::transmute::<*const c_void, Drives>(before));
            // The program itself asks those two as well.
            Module::own().try_replace("kernel32.dll", "QueryDosDeviceW", query);
            Module::own().try_replace("kernel32.dll", "GetLogicalDrives", drives);
        }
    });
}

unsafe fn bytes<'a>(first: *const u8, len: usize) -> &'a [u8] {
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(first, len) } }
}

pub(crate) unsafe fn units<'a>(text: *const u16) -> &'a [u16] {
    unsafe {
        let len = (0..).take_while(|at| *text.add(*at) != 0).count();
        std::slice::from_raw_parts(text, len)
    }
}

unsafe extern "system" fn create_file(
    name: *const u16,
    access: u32,
    share: u32,
    security: *const c_void,
    disposition: u32,
    flags: u32,
    template: HANDLE,
) -> HANDLE {
    let units = unsafe { units(name) };
    let text = String::from_utf16_lossy(units);
    let is_manager = text == mount_manager::DEVICE;
    if !is_manager && !text.starts_with("\\\\?\\GLOBALROOT\\Device\\WinFsp.") {
        return unsafe {
            CreateFileW(name, access, share, security.cast(), disposition, flags, template)
        };
    }
    if !is_manager {
        wait_at_gate();
    }
    // Any handle will do: the DLL does nothing with it but what is answered here, and close it.
    let handle = unsafe { CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
    mount_manager::note_handle(handle as usize, is_manager);
    const PARAMS: &str = "\\VolumeParams=";
    match text.find(PARAMS) {
        None => register(handle as usize, None),
        Some(at) => match params(&units[text[..at].chars().count() + PARAMS.len()..]) {
            Some(params) => register(handle as usize, Some(Volume::new(params, token()))),
            None => {
                unsafe { SetLastError(ERROR_INVALID_PARAMETER) };
                return INVALID_HANDLE_VALUE;
            }
        },
    }
    handle
}

/// Waits until a test that mounts many says go, so that all look for a letter at one moment.
fn wait_at_gate() {
    let Some(gate) = std::env::var_os("ISODRIVE_TEST_GATE").map(std::path::PathBuf::from) else {
        return;
    };
    let here = gate.join(std::process::id().to_string());
    std::fs::write(here, "").unwrap();
    let since = std::time::Instant::now();
    while !gate.join("go").exists() && since.elapsed().as_secs() < 120 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// The parameters as they travel in a name: a byte in each unit, above 0xF000.
fn params(units: &[u16]) -> Option<FSP_FSCTL_VOLUME_PARAMS> {
    let mut params = FSP_FSCTL_VOLUME_PARAMS::default();
    let bytes = (&raw mut params).cast::<u8>();
    for (at, unit) in units.iter().take(size_of_val(&params)).enumerate() {
        let [high, low] = unit.to_be_bytes();
        if high != 0xF0 {
            return None;
        }
        unsafe { bytes.add(at).write(low) };
    }
    Some(params)
}

/// Process and token in whose name requests are made: this process's own.
fn token() -> u64 {
    let (mut own, mut copy) = (std::ptr::null_mut(), std::ptr::null_mut());
    unsafe {
        OpenProcessToken(GetCurrentProcess(), TOKEN_DUPLICATE | TOKEN_QUERY, &mut own);
        DuplicateToken(own, SecurityIdentification, &mut copy);
        u64::from(GetCurrentProcessId()) << 32 | (copy as u64 & 0xFFFF_FFFF)
    }
}

unsafe extern "system" fn device_io_control(
    handle: HANDLE,
    code: u32,
    input: *const c_void,
    input_len: u32,
    output: *mut c_void,
    output_len: u32,
    written: *mut u32,
    overlapped: *mut c_void,
) -> i32 {
    let input_bytes = (input.cast::<u8>(), input_len as usize);
    let output_bytes = (output.cast::<u8>(), output_len as usize);
    let (done, bytes, error) = match unsafe { answer(handle, code, input_bytes, output_bytes) } {
        None => {
            return unsafe {
                DeviceIoControl(
                    handle,
                    code,
                    input,
                    input_len,
                    output,
                    output_len,
                    written,
                    overlapped.cast(),
                )
            };
        }
        Some(Ok(bytes)) => (1, bytes as u32, ERROR_SUCCESS),
        Some(Err(error)) => (0, 0, error),
    };
    unsafe {
        *written = bytes;
        // Last of all: whatever is dropped may look at thread-local storage, which resets it.
        SetLastError(error);
    }
    done
}

/// The answer of the driver; nothing for a handle that is none of its own.
unsafe fn answer(
    handle: HANDLE,
    code: u32,
    (input, input_len): (*const u8, usize),
    (output, output_len): (*mut u8, usize),
) -> Option<Result<usize, u32>> {
    if code == LIST {
        return Some(Ok(0));
    }
    if code == SET_REPARSE_POINT {
        let data = unsafe { std::slice::from_raw_parts(input, input_len) };
        JUNCTIONS.lock().unwrap().push(junction(data));
        return Some(Ok(0));
    }
    if mount_manager::owns(handle as usize) {
        let input = unsafe { bytes(input, input_len) };
        return Some(mount_manager::answer(code, input).map(|answer| {
            assert!(answer.len() <= output_len || answer.is_empty());
            unsafe { output.copy_from_nonoverlapping(answer.as_ptr(), answer.len()) };
            answer.len()
        }));
    }
    let volume = volume(handle as usize)?;
    Some(match code {
        NAME => {
            let number = NAMED.fetch_add(1, Ordering::Relaxed);
            let name = format!(
                "\\Device\\Volume{{{number:08x}-0000-0000-0000-{:012x}}}\0",
                std::process::id()
            );
            let name: Vec<u16> = name.encode_utf16().collect();
            assert!(name.len() * 2 <= output_len);
            unsafe { output.cast::<u16>().copy_from_nonoverlapping(name.as_ptr(), name.len()) };
            Ok(name.len() * 2)
        }
        MOUNT_DEVICE => {
            assert_eq!(output_len, 16, "the identity of a device");
            unsafe { output.write_bytes(0x5A, 16) };
            Ok(16)
        }
        STOP | STOP_0 => {
            volume.stop();
            Ok(0)
        }
        TRANSACT => {
            if input_len > 0 {
                let mut record = vec![0u64; input_len.div_ceil(8)];
                let bytes = record.as_mut_ptr().cast::<u8>();
                unsafe { bytes.copy_from_nonoverlapping(input, input_len) };
                volume.take(record);
            }
            if output.is_null() {
                return Some(Ok(0));
            }
            match volume.next() {
                None => Err(ERROR_OPERATION_ABORTED),
                Some(request) => {
                    let head = request.as_ptr().cast::<winfsp_sys::FSP_FSCTL_TRANSACT_REQ>();
                    let len = usize::from(unsafe { (*head).Size });
                    assert!(len <= output_len, "the DLL's buffer is too small");
                    unsafe { output.copy_from_nonoverlapping(request.as_ptr().cast(), len) };
                    Ok(len)
                }
            }
        }
        _ => Err(ERROR_INVALID_FUNCTION),
    })
}

unsafe extern "system" fn create_thread(
    security: *const SECURITY_ATTRIBUTES,
    stack: usize,
    start: LPTHREAD_START_ROUTINE,
    argument: *const c_void,
    flags: u32,
    number: *mut u32,
) -> HANDLE {
    if NO_THREADS.get() {
        unsafe { SetLastError(ERROR_NOT_ENOUGH_MEMORY) };
        return std::ptr::null_mut();
    }
    unsafe { CreateThread(security, stack, start, argument, flags, number) }
}

unsafe extern "system" fn reg_get_value(
    key: *mut c_void,
    sub_key: *const u16,
    value: *const u16,
    flags: u32,
    kind: *mut u32,
    data: *mut c_void,
    len: *mut u32,
) -> u32 {
    // In a container, as this value says, the DLL does not try to start the driver's service.
    if unsafe { units(value) } == "ContainerType".encode_utf16().collect::<Vec<_>>() {
        return ERROR_SUCCESS;
    }
    unsafe { RegGetValueW(key, sub_key, value, flags, kind, data, len) }
}

unsafe extern "system" fn define_dos_device(
    flags: u32,
    name: *const u16,
    target: *const u16,
) -> i32 {
    let text = |units: *const u16| match units.is_null() {
        true => String::new(),
        false => String::from_utf16_lossy(unsafe { self::units(units) }),
    };
    let (name, target) = (text(name), text(target));
    let is_ours = target.starts_with("\\Device\\Volume{");
    if is_ours && flags & DDD_REMOVE_DEFINITION != 0 {
        letters::remove(&name, &target);
    } else if is_ours {
        // Another program, between the choice of the letter and its definition.
        if std::env::var("ISODRIVE_TEST_STOLEN").is_ok_and(|stolen| name.starts_with(&stolen)) {
            letters::define(&name, "\\Device\\Stolen");
        }
        letters::define(&name, &target);
    }
    let error = if is_ours { ERROR_SUCCESS } else { ERROR_FILE_NOT_FOUND };
    unsafe { SetLastError(error) };
    i32::from(is_ours)
}

unsafe extern "system" fn query_dos_device(name: *const u16, into: *mut u16, room: u32) -> u32 {
    let mut targets = Vec::new();
    if !name.is_null() {
        let name = String::from_utf16_lossy(unsafe { units(name) });
        targets = letters::targets(&name);
        if targets.is_empty() {
            targets = letters::targets(&format!("{GLOBAL}{name}"));
        }
    }
    if targets.is_empty() {
        return unsafe { QUERY.get().unwrap()(name, into, room) };
    }
    let mut list: Vec<u16> =
        targets.iter().flat_map(|target| target.encode_utf16().chain([0])).collect();
    list.push(0);
    if list.len() > room as usize {
        unsafe { SetLastError(ERROR_INSUFFICIENT_BUFFER) };
        return 0;
    }
    unsafe { into.copy_from_nonoverlapping(list.as_ptr(), list.len()) };
    list.len() as u32
}

unsafe extern "system" fn logical_drives() -> u32 {
    unsafe { LOGICAL_DRIVES.get().unwrap()() | letters::bits() }
}
