//! Log lines for requests that failed: each thing that is wrong once, as loud as it deserves.
//! A disc that is damaged everywhere must not fill the log of the machine.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// Different lines that are written at most.
const MAX_LINES: usize = 1000;

/// What was logged already.
#[derive(Debug, Default)]
pub struct Reports {
    logged: Mutex<HashSet<(u64, String)>>,
}

impl Reports {
    /// Reports a failed request.
    pub fn failed(&self, operation: &'static str, node: u64, error: &Error) {
        match error {
            Error::NotFound | Error::NoXattr => tracing::trace!(operation, node, %error),
            Error::NotDirectory
            | Error::IsDirectory
            | Error::NotSymlink
            | Error::NotRegular
            | Error::XattrTooLong
            | Error::BadName(_)
            | Error::NoSuchView(_)
            | Error::NoSuchSession(_) => tracing::debug!(operation, node, %error),
            Error::Stale(_)
            | Error::Unrecognised(_)
            | Error::Unsupported { .. }
            | Error::Corrupt { .. }
            | Error::Limit { .. } => {
                if self.is_news(node, error) {
                    tracing::warn!(operation, node, %error);
                }
            }
            // The same for whichever file it met first.
            Error::Changed => {
                if self.is_news(0, error) {
                    tracing::error!("{error}; what was not read before gives errors from now on");
                }
            }
            Error::Io { .. } | Error::NoMemory | Error::Bug(_) => {
                if self.is_news(node, error) {
                    tracing::error!(operation, node, %error);
                }
            }
        }
    }

    fn is_news(&self, node: u64, error: &Error) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() > MAX_LINES {
            return false;
        }
        let is_news = logged.insert((node, error.to_string()));
        if is_news && logged.len() > MAX_LINES {
            tracing::warn!("more errors of this disc are not logged");
            return false;
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_logged_once_and_not_without_end() {
        let reports = Reports::default();
        assert!(reports.is_news(1, &Error::NoMemory));
        assert!(!reports.is_news(1, &Error::NoMemory));
        assert!(reports.is_news(2, &Error::NoMemory));
        for node in 0..5000 {
            reports.is_news(node, &Error::Bug("read"));
        }
        assert!(!reports.is_news(9999, &Error::NoMemory));
        assert!(reports.logged.lock().unwrap().len() <= MAX_LINES.saturating_add(1));
    }
}
