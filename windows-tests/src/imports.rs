//! Puts other functions in the place of those that a loaded library or program imports.
//! Reads the library's headers in memory (PE/COFF, "The .idata Section"); changes its table alone.

use std::ffi::{CStr, c_void};

use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::Win32::System::Memory::{PAGE_READWRITE, VirtualProtect};

/// A loaded library by its first byte.
#[derive(Clone, Copy)]
pub struct Module(pub *mut u8);

/// Bytes of an entry of the import directory.
const IMPORT_BYTES: usize = 20;

impl Module {
    unsafe fn number(self, at: usize) -> usize {
        unsafe { self.0.add(at).cast::<u32>().read_unaligned() as usize }
    }

    unsafe fn text(self, at: usize) -> String {
        unsafe { CStr::from_ptr(self.0.add(at).cast()).to_string_lossy().into_owned() }
    }

    /// The program itself.
    pub fn own() -> Self {
        Self(unsafe { GetModuleHandleW(std::ptr::null()) }.cast())
    }

    /// Has the library call `new` where it calls `function` of `library`. What it called before.
    ///
    /// # Safety
    /// This must be a loaded 64-bit library, and `new` a function of the same signature.
    pub unsafe fn replace(
        self,
        library: &str,
        function: &str,
        new: *const c_void,
    ) -> *const c_void {
        unsafe { self.try_replace(library, function, new) }
            .unwrap_or_else(|| panic!("{library} has no {function} that is imported"))
    }

    /// As [`Module::replace`], where the library may not call that function at all. A program
    /// imports it once for each of its parts that do.
    pub unsafe fn try_replace(
        self,
        library: &str,
        function: &str,
        new: *const c_void,
    ) -> Option<*const c_void> {
        let mut before = None;
        unsafe {
            let header = self.number(0x3C);
            // The second of the data directories behind the header of 112 bytes.
            let mut import = self.number(header + 24 + 112 + 8);
            while self.number(import + 12) != 0 {
                // A library may be there several times: each part of a program brings its own.
                if self.text(self.number(import + 12)).eq_ignore_ascii_case(library) {
                    before = self.replace_in(import, function, new).or(before);
                }
                import += IMPORT_BYTES;
            }
        }
        before
    }

    unsafe fn replace_in(
        self,
        import: usize,
        function: &str,
        new: *const c_void,
    ) -> Option<*const c_void> {
        unsafe {
            let (names, addresses) = (self.number(import), self.number(import + 16));
            for slot in 0.. {
                let name = self.0.add(names + 8 * slot).cast::<u64>().read();
                if name == 0 {
                    return None;
                }
                // The highest bit says that it is imported by number.
                if name >> 63 == 0 && self.text(name as usize + 2) == function {
                    let slot = self.0.add(addresses + 8 * slot).cast::<*const c_void>();
                    let mut before = 0;
                    let unlocked = VirtualProtect(slot.cast(), 8, PAGE_READWRITE, &mut before);
                    assert_ne!(unlocked, 0, "the import table cannot be written");
                    return Some(slot.replace(new));
                }
            }
        }
        None
    }
}
