//! Finds WinFsp's DLL where its installer says it is, and fills the slots of `thunks`.
//! By absolute path alone: a DLL that lies beside a downloaded image must never be loaded.

use std::ffi::OsString;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use crate::system::{load_library, registry_text};
use crate::thunks::SLOTS;

/// The DLL for the processor that this program is made for.
const DLL: &str = if cfg!(target_arch = "x86_64") {
    "winfsp-x64.dll"
} else if cfg!(target_arch = "aarch64") {
    "winfsp-a64.dll"
} else {
    "winfsp-x86.dll"
};

/// Where the installer says where it put things: 32-bit programs and 64-bit ones look in
/// different places, and it is a 32-bit one on every processor.
const KEYS: [&str; 2] = ["SOFTWARE\\WOW6432Node\\WinFsp", "SOFTWARE\\WinFsp"];

/// Why WinFsp cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// Its installer was never here.
    #[error("WinFsp is not installed")]
    NotInstalled,
    /// Its DLL is not where it should be, or is none.
    #[error("WinFsp's library {} cannot be loaded (Windows error {code})", dll.display())]
    Broken {
        /// Where it should be.
        dll: PathBuf,
        /// What Windows said.
        code: u32,
    },
    /// It is an old one.
    #[error("WinFsp's library {} is too old: it has no {missing}", dll.display())]
    TooOld {
        /// Where it is.
        dll: PathBuf,
        /// The first function that it lacks.
        missing: String,
    },
}

/// The outcome of the first try to load WinFsp; there is only one for each process.
static LOADED: OnceLock<Result<PathBuf, LoadError>> = OnceLock::new();

/// The folder that WinFsp is installed in.
#[must_use]
pub fn install_folder() -> Option<PathBuf> {
    let found = KEYS.iter().find_map(|key| registry_text(key, "InstallDir"))?;
    let folder = PathBuf::from(OsString::from_wide(&found));
    folder.is_absolute().then_some(folder)
}

/// Loads WinFsp from the folder that it is installed in. Returns where its DLL is.
///
/// # Errors
/// See [`LoadError`].
pub fn load() -> Result<PathBuf, LoadError> {
    let from_its_folder = || {
        let folder = install_folder().ok_or(LoadError::NotInstalled)?;
        fill(&folder.join("bin").join(DLL))
    };
    LOADED.get_or_init(from_its_folder).clone()
}

/// Loads WinFsp's DLL by its absolute path, for tests.
///
/// # Errors
/// As [`load`].
pub fn load_from(dll: &Path) -> Result<PathBuf, LoadError> {
    LOADED.get_or_init(|| fill(dll)).clone()
}

fn fill(dll: &Path) -> Result<PathBuf, LoadError> {
    let path: Vec<u16> = dll.as_os_str().encode_wide().chain([0]).collect();
    let library =
        load_library(&path).map_err(|code| LoadError::Broken { dll: dll.to_path_buf(), code })?;
    for (name, slot) in SLOTS {
        let Some(function) = library.function(name) else {
            let missing = name.to_string_lossy().into_owned();
            return Err(LoadError::TooOld { dll: dll.to_path_buf(), missing });
        };
        slot.store(function, Ordering::Release);
    }
    Ok(dll.to_path_buf())
}

/// The version of the loaded DLL: major and minor number.
#[must_use]
pub fn dll_version() -> Option<(u16, u16)> {
    version(winfsp_sys::FspVersion)
}

/// The version of the driver that the loaded DLL finds, if one runs.
#[must_use]
pub fn driver_version() -> Option<(u16, u16)> {
    version(winfsp_sys::FspFsctlServiceVersion)
}

#[expect(unsafe_code, reason = "calls into WinFsp's DLL")]
fn version(ask: unsafe extern "C" fn(*mut u32) -> i32) -> Option<(u16, u16)> {
    if !matches!(LOADED.get(), Some(Ok(_))) {
        return None;
    }
    let mut version = 0;
    // SAFETY: the slots are filled, and the function writes one number.
    let status = unsafe { ask(&raw mut version) };
    let half = |number: u32| u16::try_from(number & 0xFFFF).unwrap_or(0);
    (status >= 0).then(|| (half(version >> 16), half(version)))
}
