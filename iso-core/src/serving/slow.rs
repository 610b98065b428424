//! One log line for a request that does not come to an end, however often somebody looks.
//! Watches the clocks of `activity`; ends nothing.

use std::time::Duration;

use super::Activity;

/// Remembers which request was told of.
#[derive(Debug)]
pub struct SlowRequests {
    patience: Duration,
    told: Option<&'static str>,
}

impl SlowRequests {
    /// Tells of requests that take longer than `patience`.
    #[must_use]
    pub const fn new(patience: Duration) -> Self {
        Self { patience, told: None }
    }

    /// Writes a line if the oldest request takes long and was not told of yet.
    pub fn look(&mut self, activity: &Activity) {
        match activity.oldest() {
            Some((operation, age)) if age > self.patience => {
                if self.told != Some(operation) {
                    tracing::warn!(operation, seconds = age.as_secs(), "a request takes long");
                    self.told = Some(operation);
                }
            }
            _ => self.told = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_request_is_told_of_until_it_ends() {
        let activity = Activity::default();
        let mut slow = SlowRequests::new(Duration::ZERO);
        slow.look(&activity);
        assert_eq!(slow.told, None);
        let running = activity.begin("read");
        std::thread::sleep(Duration::from_millis(1));
        slow.look(&activity);
        assert_eq!(slow.told, Some("read"));
        drop(running);
        slow.look(&activity);
        assert_eq!(slow.told, None);
    }
}
