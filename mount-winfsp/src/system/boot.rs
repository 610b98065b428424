//! When Windows was started, which distinguishes one run from another.
#![expect(unsafe_code, reason = "calls of Windows")]

use windows_sys::Wdk::System::SystemInformation::{
    NtQuerySystemInformation, SystemTimeOfDayInformation,
};

/// `SYSTEM_TIMEOFDAY_INFORMATION`, which Microsoft's `winternl.h` has as opaque bytes.
#[repr(C)]
#[derive(Default)]
struct TimeOfDay {
    boot_time: u64,
    current_time: u64,
    time_zone_bias: i64,
    time_zone_id: u32,
    reserved: u32,
    /// What the clock was set forward since: it is a part of `boot_time`.
    boot_time_bias: u64,
    sleep_time_bias: u64,
}
const _: () = assert!(size_of::<TimeOfDay>() == 48);

/// When Windows was started, in steps of 100 ns, by the clock as it stood then: setting it changes
/// nothing. Nothing where Windows does not say.
#[must_use]
pub fn boot_time() -> Option<u64> {
    let mut time = TimeOfDay::default();
    let size = u32::try_from(size_of::<TimeOfDay>()).unwrap_or(0);
    let into = (&raw mut time).cast();
    // SAFETY: writes at most `size` bytes, which is what there is.
    let status = unsafe {
        NtQuerySystemInformation(SystemTimeOfDayInformation, into, size, std::ptr::null_mut())
    };
    (status == 0 && time.boot_time != 0).then(|| time.boot_time.wrapping_sub(time.boot_time_bias))
}
