//! The few calls of Windows that a drive needs, each behind a safe function: registry, libraries,
//! elevation, processes; drive letters, events and rights in files of their own. Knows nothing of
//! WinFsp or discs.
#![expect(unsafe_code, reason = "calls of Windows")]

mod boot;
mod events;
mod letters;
mod rights;

use std::ffi::{CStr, OsString, c_void};
use std::os::windows::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_ACCESS_DENIED, ERROR_SUCCESS, FILETIME, GetLastError, HANDLE,
    HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, SetHandleInformation,
};
use windows_sys::Win32::Security::{
    GetTokenInformation, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation,
};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, GetStdHandle, STD_ERROR_HANDLE, STD_OUTPUT_HANDLE,
    SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RegGetValueW};
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessTimes, OpenProcess, OpenProcessToken,
    PROCESS_QUERY_LIMITED_INFORMATION,
};

pub use boot::boot_time;
pub use events::{Event, NotSet};
pub(crate) use letters::{Turn, Whose, whose_letter};
pub use letters::{free_letters, in_letter_turn, is_letter_free};
pub use rights::user_name;

/// A text as Windows takes it: 16-bit units with a zero behind them.
#[must_use]
pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A text value of the machine's part of the registry.
#[must_use]
pub fn registry_text(key: &str, value: &str) -> Option<Vec<u16>> {
    let mut buffer = [0u16; 1024];
    let mut bytes = u32::try_from(size_of_val(&buffer)).unwrap_or(0);
    let (key, value) = (wide(key), wide(value));
    // SAFETY: names end in a zero, and `bytes` is the size of the buffer.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_SZ,
            std::ptr::null_mut(),
            buffer.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    let units = buffer.iter().copied().take_while(|unit| *unit != 0);
    (code == ERROR_SUCCESS).then(|| units.collect())
}

/// The folder of the system's own libraries.
pub(crate) fn system_folder() -> PathBuf {
    let mut path = [0u16; 260];
    let room = u32::try_from(path.len()).unwrap_or(0);
    // SAFETY: writes at most the units that there are.
    unsafe { GetSystemDirectoryW(path.as_mut_ptr(), room) };
    let path: Vec<u16> = path.into_iter().take_while(|unit| *unit != 0).collect();
    OsString::from_wide(&path).into()
}

/// A loaded library; it is never unloaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Library(*mut c_void);

/// Loads a library by its absolute path. What it needs itself is looked for beside it and in the
/// system's own folder, nowhere else.
///
/// # Errors
/// The number of Windows.
pub(crate) fn load_library(path: &[u16]) -> Result<Library, u32> {
    let flags = LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32;
    // SAFETY: the path ends in a zero, as every caller sees to.
    let library = unsafe { LoadLibraryExW(path.as_ptr(), std::ptr::null_mut(), flags) };
    if library.is_null() { Err(last_error()) } else { Ok(Library(library)) }
}

impl Library {
    /// The address of a function.
    pub(crate) fn function(self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the library stays loaded, and the name ends in a zero.
        let found = unsafe { GetProcAddress(self.0, name.as_ptr().cast()) };
        #[expect(clippy::as_conversions, reason = "no other way from a function to its address")]
        found.map(|function| function as *mut c_void)
    }
}

fn last_error() -> u32 {
    // SAFETY: reads a number of this thread.
    unsafe { GetLastError() }
}

/// A handle that is closed when it is dropped.
#[derive(Debug)]
struct Handle(HANDLE);

// SAFETY: handles of the kernel belong to the process, not to a thread.
unsafe impl Send for Handle {}
// SAFETY: as above; the kernel takes calls on one handle from many threads.
unsafe impl Sync for Handle {}

impl Handle {
    fn new(handle: HANDLE) -> Result<Self, u32> {
        if handle.is_null() { Err(last_error()) } else { Ok(Self(handle)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open and this is its only owner.
        unsafe { CloseHandle(self.0) };
    }
}

/// Whether this process has the rights of an administrator.
#[must_use]
pub fn is_elevated() -> bool {
    let mut token = std::ptr::null_mut();
    // SAFETY: a constant that stands for this process.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: writes one handle.
    let opened = unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) };
    let Ok(token) = Handle::new(if opened == 0 { std::ptr::null_mut() } else { token }) else {
        return false;
    };
    let mut elevation = TOKEN_ELEVATION { TokenIsElevated: 0 };
    let size = u32::try_from(size_of::<TOKEN_ELEVATION>()).unwrap_or(0);
    let mut written = 0;
    let into = (&raw mut elevation).cast();
    // SAFETY: writes at most `size` bytes, which is what there is.
    let asked =
        unsafe { GetTokenInformation(token.0, TokenElevation, into, size, &raw mut written) };
    asked != 0 && elevation.TokenIsElevated != 0
}

/// Whether the console said that this process shall end.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C and its kin end nothing by themselves: see [`is_interrupted`].
pub fn listen_to_console() {
    // SAFETY: the handler is a function of this program and keeps what such handlers promise.
    unsafe { SetConsoleCtrlHandler(Some(console_said), 1) };
}

/// Whether the console said that this process shall end: Ctrl-C, Ctrl-Break, its close button,
/// logoff or shutdown.
#[must_use]
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Acquire)
}

unsafe extern "system" fn console_said(what: u32) -> i32 {
    INTERRUPTED.store(true, Ordering::Release);
    // After Ctrl-C and Ctrl-Break the process lives on. After the others Windows ends it as soon
    // as this returns, or a few seconds later: time to take the drive away.
    if !matches!(what, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        std::thread::sleep(Duration::from_secs(5));
    }
    1
}

/// Keeps the output of this process from processes that it starts, which inherit every handle
/// that says it may be.
pub fn keep_output_from_children() {
    for which in [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: reads a handle of this process.
        let handle = unsafe { GetStdHandle(which) };
        if !handle.is_null() && handle != INVALID_HANDLE_VALUE {
            // SAFETY: clears a flag of a handle that stays open.
            unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) };
        }
    }
}

fn open_process(pid: u32) -> Result<Handle, u32> {
    // SAFETY: asks for a handle by number.
    Handle::new(unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) })
}

/// Whether there is a process of this number of which this one may know nothing more.
#[must_use]
pub fn is_process_hidden(pid: u32) -> bool {
    matches!(open_process(pid), Err(ERROR_ACCESS_DENIED))
}

/// When a process was started, if it runs: with its number, this tells it from all others.
#[must_use]
pub fn process_started(pid: u32) -> Option<u64> {
    let process = open_process(pid).ok()?;
    let none = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let [mut started, mut ended, mut kernel, mut user] = [none; 4];
    let times = [&raw mut started, &raw mut ended, &raw mut kernel, &raw mut user];
    let [a, b, c, d] = times;
    // SAFETY: writes four times into four places.
    let asked = unsafe { GetProcessTimes(process.0, a, b, c, d) };
    let whole =
        |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    // A process that ended is still there while somebody has a handle to it.
    (asked != 0 && whole(ended) == 0).then(|| whole(started))
}
