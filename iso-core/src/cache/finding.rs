//! What is odd about a disc: each damaged thing once, for people to read.
//! Collects and logs; never decides.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// One oddity of a disc.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// What is odd and where, in one line.
    pub text: String,
}

/// The oddities of a disc, each kept and logged once.
#[derive(Debug)]
pub struct Findings {
    seen: Mutex<(HashSet<String>, Vec<Finding>)>,
    dropped: AtomicU64,
    max: usize,
}

impl Findings {
    pub(super) fn new(max: usize) -> Self {
        Self { seen: Mutex::default(), dropped: AtomicU64::new(0), max }
    }

    /// Notes an oddity that reading goes on after.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0.contains(&text) {
            return;
        }
        if seen.1.len() >= self.max {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        seen.0.insert(text.clone());
        seen.1.push(Finding { text: text.clone() });
        drop(seen);
        tracing::warn!(finding = %text.escape_default(), "odd disc");
    }

    /// Notes damage that hides one thing and leaves the rest readable.
    pub fn note_error(&self, what_happens: &str, error: &Error) {
        self.note(format!("{error}; {what_happens}"));
    }

    /// All oddities so far, in the order they were met.
    #[must_use]
    pub fn list(&self) -> Vec<Finding> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// How many came after the list was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_oddity_is_kept_once_and_a_flood_is_counted() {
        let findings = Findings::new(2);
        for text in ["a", "a", "b", "c", "d", "b"] {
            findings.note(text);
        }
        let texts: Vec<String> = findings.list().into_iter().map(|f| f.text).collect();
        assert_eq!(texts, ["a", "b"]);
        assert_eq!(findings.dropped(), 2);
    }
}
