//! What was found, until the test asks for it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

static FAILURES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static CHECKS: AtomicU32 = AtomicU32::new(0);

/// Looks whether something is as it should be.
pub(crate) fn check<T: PartialEq + std::fmt::Debug>(what: &str, got: T, want: T) {
    CHECKS.fetch_add(1, Ordering::Relaxed);
    if got != want {
        FAILURES.lock().unwrap().push(format!("{what}: {got:x?}, should be {want:x?}"));
    }
}

/// How much was looked at, and what was wrong: writes at most `len` bytes of text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn standin_report(checks: *mut u32, text: *mut u8, len: usize) -> usize {
    let failures = FAILURES.lock().unwrap().join("\n");
    let bytes = &failures.as_bytes()[..failures.len().min(len)];
    unsafe {
        checks.write(CHECKS.load(Ordering::Relaxed));
        text.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
    }
    bytes.len()
}
