//! The functions of WinFsp's DLL that the adapter needs. Those that pack entries do what the real
//! ones do; the rest keeps the table of callbacks and says yes.

use std::ffi::c_void;

use winfsp_sys::{
    BOOLEAN, DWORD, FSP_FILE_SYSTEM, FSP_FILE_SYSTEM_INTERFACE,
    FSP_FILE_SYSTEM_OPERATION_GUARD_STRATEGY, FSP_FSCTL_DIR_INFO, FSP_FSCTL_STREAM_INFO,
    FSP_FSCTL_VOLUME_PARAMS, NTSTATUS, PUINT32, PULONG, PVOID, PWSTR, ULONG,
};

#[unsafe(no_mangle)]
unsafe extern "C" fn FspFileSystemCreate(
    _device: PWSTR,
    _params: *const FSP_FSCTL_VOLUME_PARAMS,
    interface: *const FSP_FILE_SYSTEM_INTERFACE,
    made: *mut *mut FSP_FILE_SYSTEM,
) -> NTSTATUS {
    let mut system: Box<FSP_FILE_SYSTEM> = Box::new(unsafe { std::mem::zeroed() });
    system.Interface = interface;
    unsafe { made.write(Box::into_raw(system)) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn FspFileSystemDelete(system: *mut FSP_FILE_SYSTEM) {
    drop(unsafe { Box::from_raw(system) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn FspFileSystemStartDispatcher(
    system: *mut FSP_FILE_SYSTEM,
    _threads: ULONG,
) -> NTSTATUS {
    unsafe { crate::calls::all(system) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn FspFileSystemStopDispatcher(system: *mut FSP_FILE_SYSTEM) {
    unsafe {
        if let Some(stopped) = (*(*system).Interface).DispatcherStopped {
            stopped(system, 1);
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn FspFileSystemSetMountPoint(_: *mut FSP_FILE_SYSTEM, _at: PWSTR) -> NTSTATUS {
    0
}

#[unsafe(no_mangle)]
extern "C" fn FspFileSystemRemoveMountPoint(_: *mut FSP_FILE_SYSTEM) {}

#[unsafe(no_mangle)]
extern "C" fn FspFileSystemSetOperationGuardStrategyF(
    _: *mut FSP_FILE_SYSTEM,
    _: FSP_FILE_SYSTEM_OPERATION_GUARD_STRATEGY,
) {
}

#[unsafe(no_mangle)]
extern "C" fn FspFileSystemStopServiceIfNecessary(_: *mut FSP_FILE_SYSTEM, _: BOOLEAN) {}

#[unsafe(no_mangle)]
extern "C" fn FspNtStatusFromWin32(error: DWORD) -> NTSTATUS {
    (0xC007_0000 | error) as NTSTATUS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn FspVersion(version: PUINT32) -> NTSTATUS {
    unsafe { version.write(0x0002_0001) };
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn FspFsctlServiceVersion(version: PUINT32) -> NTSTATUS {
    unsafe { version.write(0x0002_0001) };
    0
}

/// Packs a record behind those before it, in steps of eight bytes; two zero bytes are the end.
/// Says no where it does not fit.
unsafe fn pack(record: *const c_void, buffer: PVOID, len: ULONG, used: PULONG) -> BOOLEAN {
    unsafe {
        let size = if record.is_null() { 2 } else { usize::from(record.cast::<u16>().read()) };
        let start = (used.read() as usize).next_multiple_of(8);
        if start + size > len as usize {
            return 0;
        }
        let to = buffer.cast::<u8>().add(start);
        match record.is_null() {
            true => to.cast::<u16>().write(0),
            false => to.copy_from_nonoverlapping(record.cast(), size),
        }
        used.write((start + size) as u32);
    }
    1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn FspFileSystemAddDirInfo(
    info: *mut FSP_FSCTL_DIR_INFO,
    buffer: PVOID,
    len: ULONG,
    used: PULONG,
) -> BOOLEAN {
    unsafe { pack(info.cast(), buffer, len, used) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn FspFileSystemAddStreamInfo(
    info: *mut FSP_FSCTL_STREAM_INFO,
    buffer: PVOID,
    len: ULONG,
    used: PULONG,
) -> BOOLEAN {
    unsafe { pack(info.cast(), buffer, len, used) }
}

/// What the adapter must never call, or what is of no use without a driver.
macro_rules! unused {
    ($($name:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> NTSTATUS {
                0xC000_0010_u32 as NTSTATUS
            }
        )*
    };
}

unused! {
    FspFileSystemResolveReparsePoints
    FspFileSystemFindReparsePoint
    FspFileSystemAcquireDirectoryBufferEx
    FspFileSystemFillDirectoryBuffer
    FspFileSystemReleaseDirectoryBuffer
    FspFileSystemReadDirectoryBuffer
    FspFileSystemDeleteDirectoryBuffer
}
