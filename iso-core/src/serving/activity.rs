//! What a server is doing: requests answered, and the one that has been waiting longest.
//! Counts and clocks only: no request waits for another, nor for whoever watches.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Requests that are tracked while they run: more than servers have threads. What is beyond
/// that is counted, and its age not known.
const PLACES: usize = 64;

/// The work of all threads of a server.
#[derive(Debug)]
pub struct Activity {
    answered: AtomicU64,
    places: [Place; PLACES],
}

/// What one thread is doing; on a cache line that no other thread writes to.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Place(Mutex<Option<(&'static str, Instant)>>);

impl Place {
    fn lock(&self) -> MutexGuard<'_, Option<(&'static str, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place for a request that begins, unless there is one in it.
    fn take(&self, operation: &'static str) -> bool {
        let mut request = self.lock();
        let is_free = request.is_none();
        if is_free {
            *request = Some((operation, Instant::now()));
        }
        is_free
    }
}

/// A request that is being worked on, until this is dropped.
#[derive(Debug)]
pub struct Running<'a> {
    activity: &'a Activity,
    place: Option<&'a Place>,
}

thread_local! {
    /// Where this thread looks for a free place first.
    static FIRST: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % PLACES
    };
}

impl Default for Activity {
    fn default() -> Self {
        Self { answered: AtomicU64::new(0), places: std::array::from_fn(|_| Place::default()) }
    }
}

impl Activity {
    /// A request begins.
    #[must_use]
    pub fn begin(&self, operation: &'static str) -> Running<'_> {
        let (before, first) =
            self.places.split_at_checked(FIRST.with(|first| *first)).unwrap_or_default();
        let place = first.iter().chain(before).find(|place| place.take(operation));
        Running { activity: self, place }
    }

    /// Requests answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// The request that has been worked on for longest: what it is and for how long.
    #[must_use]
    pub fn oldest(&self) -> Option<(&'static str, Duration)> {
        let running = self.places.iter().filter_map(|place| *place.lock());
        let (operation, since) = running.min_by_key(|(_, since)| *since)?;
        Some((operation, since.elapsed()))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            *place.lock() = None;
        }
        self.activity.answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_request_is_known_while_it_runs() {
        let activity = Activity::default();
        assert_eq!(activity.oldest(), None);
        let running = activity.begin("read");
        assert_eq!(activity.oldest().map(|(operation, _)| operation), Some("read"));
        drop(running);
        assert_eq!((activity.oldest(), activity.answered()), (None, 1));
    }

    #[test]
    fn many_at_once_are_counted_and_the_oldest_of_them_is_known() {
        let activity = Activity::default();
        let first = activity.begin("first");
        let others: Vec<_> = (0..2 * PLACES).map(|_| activity.begin("other")).collect();
        assert_eq!(activity.oldest().map(|(operation, _)| operation), Some("first"));
        drop(first);
        assert_eq!(activity.oldest().map(|(operation, _)| operation), Some("other"));
        drop(others);
        assert_eq!((activity.oldest(), activity.answered()), (None, 1 + 2 * 64));
    }
}
