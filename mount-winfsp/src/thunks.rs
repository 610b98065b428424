//! The functions of WinFsp's DLL under the names that crate `winfsp` calls them by. Each one
//! jumps to where `loader` found it; nothing is linked against the DLL, so that the program starts
//! without it, on each ABI alike. One notes on its way which device it is about.
#![expect(unsafe_code, reason = "the functions of a C library")]
#![expect(non_upper_case_globals, reason = "a slot has the name of its function")]
#![expect(clippy::missing_const_for_thread_local, reason = "it is, and clippy does not see it")]
#![expect(clippy::print_stderr, reason = "the last word of a process that would jump to nowhere")]

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use winfsp_sys::{
    BOOLEAN, DWORD, FSP_FILE_SYSTEM, FSP_FILE_SYSTEM_INTERFACE,
    FSP_FILE_SYSTEM_OPERATION_GUARD_STRATEGY, FSP_FSCTL_DIR_INFO, FSP_FSCTL_STREAM_INFO,
    FSP_FSCTL_VOLUME_PARAMS, NTSTATUS, PIO_STATUS_BLOCK, PNTSTATUS, PSIZE_T, PUINT32, PULONG,
    PVOID, PWSTR, UINT32, ULONG,
};

/// Where a function is to be found, and its name.
pub(crate) type Slot = (&'static CStr, &'static AtomicPtr<c_void>);

#[cold]
fn called_too_early(name: &str) -> ! {
    // Into C, nothing can be returned that would be right.
    eprintln!("{name} was called before WinFsp was loaded");
    std::process::abort()
}

macro_rules! thunks {
    ($(
        $(#[first($before:ident($subject:ident))])?
        fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;
    )*) => {
        mod slot {
            use super::{AtomicPtr, c_void};
            $(pub(super) static $name: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());)*
        }

        /// All functions that must be found.
        pub(crate) static SLOTS: &[Slot] = &[$((
            match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => c"",
            },
            &slot::$name,
        )),*];

        $(
            // SAFETY: no other symbol of this name is linked: `winfsp-sys` has declarations alone.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? {
                type Function = unsafe extern "C" fn($($type),*) $(-> $result)?;
                // A signature other than that of `winfsp-sys` does not compile.
                const _: Function = winfsp_sys::$name;
                let found = slot::$name.load(Ordering::Acquire);
                if found.is_null() {
                    called_too_early(stringify!($name));
                }
                $($before($subject);)?
                // SAFETY: the slot holds the address of the function of this name in the DLL,
                // which is never unloaded.
                let function = unsafe { std::mem::transmute::<*mut c_void, Function>(found) };
                // SAFETY: the caller keeps the promises that the DLL's documentation asks for.
                unsafe { function($($argument),*) }
            }
        )*
    };
}

thread_local! {
    /// The device of the volume to which this thread has given a place last.
    static DEVICE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The device of the volume to which this thread has given a place last, by a name as in
/// `\Device\Volume{...}`. Crate `winfsp` keeps it to itself.
pub(crate) fn last_device() -> String {
    DEVICE.with_borrow(String::clone)
}

fn note_device(system: *mut FSP_FILE_SYSTEM) {
    // SAFETY: crate `winfsp` calls with a volume that the DLL has made and not yet deleted; its
    // name does not change.
    let name = unsafe { (*system).VolumeName };
    let units: Vec<u16> = name.into_iter().take_while(|unit| *unit != 0).collect();
    DEVICE.with_borrow_mut(|device| *device = String::from_utf16_lossy(&units));
}

type GetReparsePoint = Option<
    unsafe extern "C" fn(*mut FSP_FILE_SYSTEM, PVOID, PWSTR, BOOLEAN, PVOID, PSIZE_T) -> NTSTATUS,
>;

thunks! {
    fn FspFileSystemCreate(
        device: PWSTR,
        params: *const FSP_FSCTL_VOLUME_PARAMS,
        interface: *const FSP_FILE_SYSTEM_INTERFACE,
        made: *mut *mut FSP_FILE_SYSTEM
    ) -> NTSTATUS;
    fn FspFileSystemDelete(system: *mut FSP_FILE_SYSTEM);
    #[first(note_device(system))]
    fn FspFileSystemSetMountPoint(system: *mut FSP_FILE_SYSTEM, at: PWSTR) -> NTSTATUS;
    fn FspFileSystemRemoveMountPoint(system: *mut FSP_FILE_SYSTEM);
    fn FspFileSystemStartDispatcher(system: *mut FSP_FILE_SYSTEM, threads: ULONG) -> NTSTATUS;
    fn FspFileSystemStopDispatcher(system: *mut FSP_FILE_SYSTEM);
    fn FspFileSystemSetOperationGuardStrategyF(
        system: *mut FSP_FILE_SYSTEM,
        strategy: FSP_FILE_SYSTEM_OPERATION_GUARD_STRATEGY
    );
    fn FspFileSystemStopServiceIfNecessary(system: *mut FSP_FILE_SYSTEM, normally: BOOLEAN);
    fn FspFileSystemResolveReparsePoints(
        system: *mut FSP_FILE_SYSTEM,
        get: GetReparsePoint,
        context: PVOID,
        path: PWSTR,
        index: UINT32,
        last: BOOLEAN,
        status: PIO_STATUS_BLOCK,
        buffer: PVOID,
        size: PSIZE_T
    ) -> NTSTATUS;
    fn FspFileSystemFindReparsePoint(
        system: *mut FSP_FILE_SYSTEM,
        get: GetReparsePoint,
        context: PVOID,
        path: PWSTR,
        index: PUINT32
    ) -> BOOLEAN;
    fn FspFileSystemAddDirInfo(
        info: *mut FSP_FSCTL_DIR_INFO,
        buffer: PVOID,
        len: ULONG,
        used: PULONG
    ) -> BOOLEAN;
    fn FspFileSystemAddStreamInfo(
        info: *mut FSP_FSCTL_STREAM_INFO,
        buffer: PVOID,
        len: ULONG,
        used: PULONG
    ) -> BOOLEAN;
    fn FspFileSystemAcquireDirectoryBufferEx(
        buffer: *mut PVOID,
        reset: BOOLEAN,
        capacity: ULONG,
        result: PNTSTATUS
    ) -> BOOLEAN;
    fn FspFileSystemFillDirectoryBuffer(
        buffer: *mut PVOID,
        info: *mut FSP_FSCTL_DIR_INFO,
        result: PNTSTATUS
    ) -> BOOLEAN;
    fn FspFileSystemReleaseDirectoryBuffer(buffer: *mut PVOID);
    fn FspFileSystemReadDirectoryBuffer(
        buffer: *mut PVOID,
        marker: PWSTR,
        into: PVOID,
        len: ULONG,
        used: PULONG
    );
    fn FspFileSystemDeleteDirectoryBuffer(buffer: *mut PVOID);
    fn FspNtStatusFromWin32(error: DWORD) -> NTSTATUS;
    fn FspVersion(version: PUINT32) -> NTSTATUS;
    fn FspFsctlServiceVersion(version: PUINT32) -> NTSTATUS;
}
