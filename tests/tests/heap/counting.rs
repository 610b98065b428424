//! An allocator that counts what is held, as the system's own would hold it, and can be made to
//! refuse large requests. Passes everything else on.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Requests of more bytes than this are refused on this thread.
    static MOST: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What glibc takes for a request: eight bytes more, in steps of 16, 32 at least.
fn taken(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

fn add(bytes: usize) {
    let live = LIVE.fetch_add(taken(bytes), Ordering::Relaxed) + taken(bytes);
    PEAK.fetch_max(live, Ordering::Relaxed);
}

fn is_refused(bytes: usize) -> bool {
    MOST.try_with(|most| bytes > most.get()).unwrap_or(false)
}

#[expect(unsafe_code, reason = "the interface of allocators is unsafe")]
// SAFETY: all memory is the system allocator's; what is counted beside it changes no answer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return std::ptr::null_mut();
        }
        add(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_refused(layout.size()) {
            return std::ptr::null_mut();
        }
        add(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(taken(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if bytes > layout.size() && is_refused(bytes) {
            return std::ptr::null_mut();
        }
        add(bytes);
        LIVE.fetch_sub(taken(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, bytes) }
    }
}

/// Bytes that are held now.
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// The most bytes that were held since `forget_peak`.
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Begins to look for a peak anew.
pub fn forget_peak() {
    PEAK.store(live(), Ordering::Relaxed);
}

/// Does `work` while this thread is refused requests of more than so many bytes.
pub fn refusing<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    MOST.with(|most| most.set(bytes));
    let done = work();
    MOST.with(|most| most.set(usize::MAX));
    done
}
