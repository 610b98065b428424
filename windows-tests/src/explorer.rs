//! What the program tells Explorer, and how it starts it, written down for tests where
//! `ISODRIVE_TEST_TOLD` names a file: under Wine there is nobody who listens, and no screen.

use std::ffi::{CStr, c_void};
use std::io::Write;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Threading::{PROCESS_INFORMATION, STARTUPINFOW};
use windows_sys::core::w;

use crate::hooks::units;
use crate::imports::Module;

type Function = unsafe extern "system" fn() -> isize;

type Find = unsafe extern "system" fn(HMODULE, *const u8) -> Option<Function>;

type CreateProcess = unsafe extern "system" fn(
    *const u16,
    *mut u16,
    *const c_void,
    *const c_void,
    i32,
    u32,
    *const c_void,
    *const u16,
    *const STARTUPINFOW,
    *mut PROCESS_INFORMATION,
) -> i32;

/// The functions of Windows: what this program imports is replaced for this file too.
static OF_WINDOWS: OnceLock<(Find, CreateProcess)> = OnceLock::new();

/// Puts this in the place of what this program itself calls.
pub fn watch() {
    // SAFETY of the whole: this program is loaded, and each function has the signature of Windows.
    unsafe {
        let kernel = GetModuleHandleW(w!("kernel32.dll"));
        let function = |name: &CStr| GetProcAddress(kernel, name.as_ptr().cast()).unwrap();
        let find = std::mem::transmute::<Function, Find>(function(c"GetProcAddress"));
        let create = std::mem::transmute::<Function, CreateProcess>(function(c"CreateProcessW"));
        OF_WINDOWS.set((find, create)).unwrap();
        let module = Module(GetModuleHandleW(std::ptr::null()).cast());
        module.replace("KERNEL32.dll", "GetProcAddress", get_proc_address as *const c_void);
        module.replace("KERNEL32.dll", "CreateProcessW", create_process as *const c_void);
    }
}

fn note(line: &str) {
    let Some(file) = std::env::var_os("ISODRIVE_TEST_TOLD") else { return };
    let mut file = std::fs::File::options().append(true).create(true).open(file).unwrap();
    writeln!(file, "{line}").unwrap();
}

unsafe extern "system" fn get_proc_address(library: HMODULE, name: *const u8) -> Option<Function> {
    // Below 65536 it is a number.
    let is_name = name as usize >> 16 != 0;
    if is_name && unsafe { CStr::from_ptr(name.cast()) } == c"SHChangeNotify" {
        let ours = change_notify as unsafe extern "system" fn(i32, u32, *const u16, *const c_void);
        return Some(unsafe {
            std::mem::transmute::<*const c_void, Function>(ours as *const c_void)
        });
    }
    let (find, _) = OF_WINDOWS.get().unwrap();
    unsafe { find(library, name) }
}

unsafe extern "system" fn change_notify(
    what: i32,
    flags: u32,
    path: *const u16,
    _second: *const c_void,
) {
    let path = if path.is_null() { String::new() } else { text(path) };
    note(&format!("notified {what:#x} {flags:#x} {path}"));
}

fn text(text: *const u16) -> String {
    String::from_utf16_lossy(unsafe { units(text) })
}

unsafe extern "system" fn create_process(
    program: *const u16,
    line: *mut u16,
    process_security: *const c_void,
    thread_security: *const c_void,
    inherit: i32,
    flags: u32,
    environment: *const c_void,
    folder: *const u16,
    startup: *const STARTUPINFOW,
    made: *mut PROCESS_INFORMATION,
) -> i32 {
    let named = if program.is_null() { String::new() } else { text(program) };
    let is_explorer = text(line).to_lowercase().contains("explorer.exe");
    let own = std::env::current_exe().unwrap();
    let own = mount_winfsp::system::wide(own.to_str().unwrap());
    let mut instead = mount_winfsp::system::wide("explorer --version");
    let (program, line) = if is_explorer {
        note(&format!("started {named} with {}", text(line)));
        (own.as_ptr(), instead.as_mut_ptr())
    } else {
        (program, line)
    };
    let (_, create) = OF_WINDOWS.get().unwrap();
    unsafe {
        create(
            program,
            line,
            process_security,
            thread_security,
            inherit,
            flags,
            environment,
            folder,
            startup,
            made,
        )
    }
}
