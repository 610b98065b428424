//! The shell of Windows: where Explorer lies, notices about changed icons and types, and
//! the removal of keys that it reads. Each call behind a safe function, as in `system`.
#![expect(unsafe_code, reason = "calls of Windows")]

use std::ffi::{OsString, c_void};
use std::os::windows::ffi::OsStringExt;
use std::path::PathBuf;

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::System::Registry::{HKEY_CURRENT_USER, RegDeleteKeyW};
use windows_sys::Win32::System::SystemInformation::GetSystemWindowsDirectoryW;
use windows_sys::Win32::UI::Shell::{
    SHCNE_ASSOCCHANGED, SHCNE_ID, SHCNE_UPDATEITEM, SHCNF_FLAGS, SHCNF_FLUSHNOWAIT, SHCNF_IDLIST,
    SHCNF_PATHW,
};

use crate::system::{load_library, system_folder, wide};

/// Explorer by its full path: a program of that name beside us, or in the working folder with a
/// downloaded image, is not it. Nothing where Windows does not tell its folder.
#[must_use]
pub fn explorer() -> Option<PathBuf> {
    let mut path = [0u16; 260];
    let room = u32::try_from(path.len()).unwrap_or(0);
    // The system's own folder: on servers for many people `GetWindowsDirectoryW` may give one of
    // the user's, in which there is no Explorer.
    // SAFETY: writes at most the units that there are.
    let written = unsafe { GetSystemWindowsDirectoryW(path.as_mut_ptr(), room) };
    // More than there is room for is the room that it wants.
    let path = path.get(..usize::try_from(written).ok()?)?;
    let folder = PathBuf::from(OsString::from_wide(path));
    folder.is_absolute().then(|| folder.join("explorer.exe"))
}

/// Tells Explorer that types and verbs changed, or it goes on showing the old ones.
pub fn tell_of_types() {
    tell(SHCNE_ASSOCCHANGED, SHCNF_IDLIST, None);
}

/// Tells Explorer that it shall look anew at a drive or directory, its icon among the rest.
pub fn tell_of_place(path: &str) {
    tell(SHCNE_UPDATEITEM, SHCNF_PATHW | SHCNF_FLUSHNOWAIT, Some(path));
}

/// `SHChangeNotify`.
type ChangeNotify = unsafe extern "system" fn(i32, SHCNF_FLAGS, *const c_void, *const c_void);

fn tell(what: SHCNE_ID, flags: SHCNF_FLAGS, path: Option<&str>) {
    // Loaded here alone: commands that change nothing of Explorer's start sooner without it.
    let library = system_folder().join("shell32.dll");
    let Ok(library) = load_library(&wide(&library.to_string_lossy())) else { return };
    let Some(function) = library.function(c"SHChangeNotify") else { return };
    // SAFETY: the function of that name has this signature, and its library stays loaded.
    let notify = unsafe { std::mem::transmute::<*mut c_void, ChangeNotify>(function) };
    let path = path.map(wide);
    let path = path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr().cast());
    // SAFETY: the path ends in a zero and lives until the call returns.
    unsafe { notify(what.cast_signed(), flags, path, std::ptr::null()) };
}

/// Removes a key of this user that has no keys below it, and never a tree: what somebody else
/// put there a moment ago stays.
///
/// # Errors
/// The number of Windows: it is not there, or has keys.
pub fn remove_key(path: &str) -> Result<(), u32> {
    let path = wide(path);
    // SAFETY: the path ends in a zero.
    let code = unsafe { RegDeleteKeyW(HKEY_CURRENT_USER, path.as_ptr()) };
    if code == ERROR_SUCCESS { Ok(()) } else { Err(code) }
}
