//! Irregularities of a disc, each reported once, for people to read.
//! Collects and logs; never decides.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::Error;

/// One oddity of a disc.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// What is odd and where, in one line.
    pub text: String,
}

thread_local! {
    /// How often this thread has noted damage, of whatever disc, known before or not.
    #[allow(
        clippy::missing_const_for_thread_local,
        reason = "it is const; on Windows the lint does not see that"
    )]
    static NOTED: Cell<u64> = const { Cell::new(0) };
}

/// Does `work` and tells whether damage was noted meanwhile that may take something away, even
/// damage that was known before.
pub(crate) fn met_damage<T>(work: impl FnOnce() -> T) -> (T, bool) {
    let before = NOTED.get();
    let done = work();
    (done, NOTED.get() != before)
}

/// The oddities of a disc, each kept and logged once.
#[derive(Debug)]
pub struct Findings {
    seen: Mutex<(HashSet<String>, Vec<Finding>)>,
    dropped: AtomicU64,
    /// The first one that tells of damage.
    damage: OnceLock<String>,
    max: usize,
}

impl Findings {
    pub(super) fn new(max: usize) -> Self {
        Self { seen: Mutex::default(), dropped: AtomicU64::new(0), damage: OnceLock::new(), max }
    }

    /// Notes damage that reading goes on after. What is shown may be less than the disc holds.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        NOTED.set(NOTED.get().wrapping_add(1));
        self.damage.get_or_init(|| text.clone());
        self.keep(text);
    }

    /// Notes damage that takes nothing away: a second copy, or another name, makes up for it.
    pub fn note_made_up_for(&self, text: impl Into<String>) {
        let text = text.into();
        self.damage.get_or_init(|| text.clone());
        self.keep(text);
    }

    /// Notes an oddity of a sound disc, by which nothing is lost or read wrongly.
    pub fn note_harmless(&self, text: impl Into<String>) {
        self.keep(text.into());
    }

    fn keep(&self, text: String) {
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

    /// The first damage that was noted, even where the list was full by then.
    #[must_use]
    pub fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    /// The first damage that was noted, else the first oddity.
    #[must_use]
    pub fn foremost(&self) -> Option<String> {
        let first = || self.list().into_iter().next().map(|finding| finding.text);
        self.damage().map(str::to_owned).or_else(first)
    }

    /// All oddities so far, in the order they were met.
    #[must_use]
    pub fn list(&self) -> Vec<Finding> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// How many there are, those that came after the list was full among them.
    #[must_use]
    pub fn count(&self) -> u64 {
        let kept = self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.len();
        crate::num::to_u64(kept).saturating_add(self.dropped())
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
        assert_eq!((findings.dropped(), findings.count()), (2, 4));
    }

    #[test]
    fn damage_is_known_even_if_the_list_was_full_of_harmless_oddities() {
        let findings = Findings::new(1);
        findings.note_harmless("names are no UTF-8");
        assert_eq!(findings.damage(), None);
        assert_eq!(findings.foremost().as_deref(), Some("names are no UTF-8"));
        findings.note("a record is cut short");
        findings.note("another record is cut short");
        assert_eq!(findings.damage(), Some("a record is cut short"));
        assert_eq!(findings.foremost().as_deref(), Some("a record is cut short"));
        assert_eq!(findings.list().len(), 1);
    }

    #[test]
    fn work_that_meets_damage_is_known_although_that_was_noted_before() {
        let findings = Findings::new(9);
        findings.note("a record is cut short");
        let notes = |text| met_damage(|| findings.note(text)).1;
        assert!(notes("a record is cut short") && notes("another"));
        assert!(!met_damage(|| findings.note_harmless("names are no UTF-8")).1);
        assert!(!met_damage(|| findings.note_made_up_for("the mirror is used")).1);
        let elsewhere =
            || std::thread::scope(|scope| scope.spawn(|| findings.note("a third")).join());
        assert!(!met_damage(elsewhere).1, "what other threads meet is theirs");
    }
}
