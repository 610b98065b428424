//! One log line for a request that does not come to an end, however often somebody looks.
//! Watches the clocks of `activity`; ends nothing.

use std::time::Duration;

use super::Activity;

/// Remembers which request was logged.
#[derive(Debug)]
pub struct SlowRequests {
    patience: Duration,
    logged: Option<&'static str>,
}

impl SlowRequests {
    /// Tells of requests that take longer than `patience`.
    #[must_use]
    pub const fn new(patience: Duration) -> Self {
        Self { patience, logged: None }
    }

    /// Writes a line if the oldest request takes long and was not logged yet.
    pub fn look(&mut self, activity: &Activity) {
        match activity.oldest() {
            Some((operation, age)) if age > self.patience => {
                if self.logged != Some(operation) {
                    tracing::warn!(operation, seconds = age.as_secs(), "a request takes long");
                    self.logged = Some(operation);
                }
            }
            _ => self.logged = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_request_is_logged_until_it_ends() {
        let activity = Activity::default();
        let mut slow = SlowRequests::new(Duration::ZERO);
        slow.look(&activity);
        assert_eq!(slow.logged, None);
        let running = activity.begin("read");
        std::thread::sleep(Duration::from_millis(1));
        slow.look(&activity);
        assert_eq!(slow.logged, Some("read"));
        drop(running);
        slow.look(&activity);
        assert_eq!(slow.logged, None);
    }
}
