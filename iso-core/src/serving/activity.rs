//! What a server is doing: requests answered, and the one that has been waiting longest.
//! Counts and clocks only, so that whoever watches never waits for a request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// The work of all threads of a server.
#[derive(Debug, Default)]
pub struct Activity {
    answered: AtomicU64,
    running: Mutex<HashMap<ThreadId, (&'static str, Instant)>>,
}

/// A request that is being worked on, until this is dropped.
#[derive(Debug)]
pub struct Running<'a>(&'a Activity);

impl Activity {
    /// A request begins.
    #[must_use]
    pub fn begin(&self, operation: &'static str) -> Running<'_> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(std::thread::current().id(), (operation, Instant::now()));
        Running(self)
    }

    /// Requests answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// The request that has been worked on for longest: what it is and for how long.
    #[must_use]
    pub fn oldest(&self) -> Option<(&'static str, Duration)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = running.values().min_by_key(|(_, since)| *since)?;
        Some((oldest.0, oldest.1.elapsed()))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&std::thread::current().id());
        self.0.answered.fetch_add(1, Ordering::Relaxed);
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
}
