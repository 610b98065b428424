//! An open file as the driver knows it, and the count of those that somebody holds.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use windows_view::Found;

/// A file from its opening until the driver forgets it. Windows lets go of one in two steps:
/// Cleanup comes when the last handle is closed, Close when the cache needs the memory, which may
/// be never. It counts as open until the first of the two: the driver sends a Close alone where it
/// opened a file and then refused it, and where Cleanup was not asked for.
pub struct Opened {
    found: Found,
    count: Arc<AtomicU64>,
    is_counted: AtomicBool,
}

impl Opened {
    /// A file that was opened now, counted in `count`.
    pub(crate) fn new(found: Found, count: Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self { found, count, is_counted: AtomicBool::new(true) }
    }

    /// The last handle is closed.
    pub(crate) fn drop_behind(&self) {
        if self.is_counted.swap(false, Ordering::Relaxed) {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Deref for Opened {
    type Target = Found;

    fn deref(&self) -> &Found {
        &self.found
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.drop_behind();
    }
}
