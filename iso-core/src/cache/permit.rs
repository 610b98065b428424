//! Permits for work that takes much memory for a moment: small pieces run side by side, large ones
//! one after the other. Knows nothing of what is held.

use std::sync::{Condvar, Mutex, PoisonError};

/// Hands out permits to hold bytes.
#[derive(Debug)]
pub(crate) struct Permits {
    held_bytes: Mutex<u64>,
    returned: Condvar,
    max_bytes: u64,
}

/// Permission to hold bytes; dropping it returns its share of the budget.
pub(crate) struct MemoryPermit<'t> {
    permits: &'t Permits,
    bytes: u64,
}

impl Permits {
    pub(crate) const fn new(max_bytes: u64) -> Self {
        Self { held_bytes: Mutex::new(0), returned: Condvar::new(), max_bytes }
    }

    /// Waits until `bytes` more can be held beside what others hold; what is more than all of them
    /// may hold waits until it is alone. A thread takes one permit at a time.
    pub(crate) fn take(&self, bytes: u64) -> MemoryPermit<'_> {
        let held = self.held_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |held: &mut u64| *held > 0 && held.saturating_add(bytes) > self.max_bytes;
        let mut held =
            self.returned.wait_while(held, is_full).unwrap_or_else(PoisonError::into_inner);
        *held = held.saturating_add(bytes);
        MemoryPermit { permits: self, bytes }
    }
}

impl Drop for MemoryPermit<'_> {
    fn drop(&mut self) {
        let mut held = self.permits.held_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.saturating_sub(self.bytes);
        drop(held);
        self.permits.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn no_more_is_held_at_once_than_may_be_and_nobody_waits_for_ever() {
        let (permits, held, most) = (Permits::new(100), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [10, 40, 90, 100, 60, 30, 100, 1] {
                let (permits, held, most) = (&permits, &held, &most);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let _permit = permits.take(bytes);
                        let now = held.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        held.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 100);
        let _alone = permits.take(1000);
    }
}
