//! The console that says that a program shall end, for `simulated` alone: Wine has none without a
//! screen. A test says it by a file that it makes.

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use windows_sys::Win32::System::Console::CTRL_BREAK_EVENT;

use crate::imports::Module;

/// Names the file at whose sight Ctrl-Break is pressed.
pub const BREAK: &str = "ISODRIVE_TEST_BREAK";

static FILE: OnceLock<PathBuf> = OnceLock::new();

type Handler = unsafe extern "system" fn(u32) -> i32;

/// Puts this in the place of the console, where a test asks for it.
pub fn watch() {
    let Some(file) = std::env::var_os(BREAK).map(PathBuf::from) else { return };
    FILE.set(file).unwrap();
    let new = set_handler as *const c_void;
    // SAFETY: the function has the signature of the one whose place it takes.
    unsafe { Module::own().replace("kernel32.dll", "SetConsoleCtrlHandler", new) };
}

/// From now on waits for the file. Windows calls handlers in a thread of their own too.
unsafe extern "system" fn set_handler(handler: Option<Handler>, _is_added: i32) -> i32 {
    let handler = handler.expect("a handler");
    std::thread::spawn(move || {
        while !FILE.get().unwrap().exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        // SAFETY: a handler may be called from any thread.
        unsafe { handler(CTRL_BREAK_EVENT) }
    });
    1
}
