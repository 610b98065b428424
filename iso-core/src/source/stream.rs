//! Readers that go through an image from front to back, through a large file or many small ones,
//! noticed by where their reads lie: what they leave behind need not be held twice. Decides only;
//! the map and the caller do it.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Number of readers that are tracked.
const STREAMS: usize = 4;

/// How far from where a reader was expected its read may lie: several of a reader's requests are
/// answered at once, in any order.
const TOLERANCE_BYTES: u64 = 2 << 20;

/// Bytes in a row after which what lies behind a reader is let go: a copy of a large file or of a
/// tree, of which the kernel has a copy of its own where it was read.
const LONG_BYTES: u64 = 64 << 20;

/// Bytes let go at a time, and bytes that stay behind a reader.
const BEHIND_BYTES: u64 = 16 << 20;

/// One reader.
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    begin: u64,
    /// Where the next read is expected.
    next: u64,
    released: u64,
    /// When it was last seen.
    turn: u64,
}

/// All readers of one file.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<(u64, [Stream; STREAMS])>);

impl Streams {
    /// Notes a read; gives what is not needed any more.
    pub(super) fn note(&self, offset: u64, len: u64) -> Option<Range<u64>> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (turn, streams) = &mut *guard;
        *turn = turn.saturating_add(1);
        let end = offset.saturating_add(len);
        let goes_on = |stream: &&mut Stream| stream.next.abs_diff(offset) <= TOLERANCE_BYTES;
        if let Some(stream) = streams.iter_mut().filter(|s| s.turn > 0).find(goes_on) {
            stream.turn = *turn;
            stream.next = stream.next.max(end);
            return stream.left_behind();
        }
        // Random reads must not evict a long sequential stream.
        let oldest = streams.iter_mut().min_by_key(|stream| (stream.is_long(), stream.turn))?;
        *oldest = Stream { begin: offset, next: end, released: offset, turn: *turn };
        None
    }
}

impl Stream {
    fn is_long(&self) -> bool {
        self.next.saturating_sub(self.begin) >= LONG_BYTES
    }

    fn left_behind(&mut self) -> Option<Range<u64>> {
        let behind = self.next.saturating_sub(BEHIND_BYTES);
        let is_enough = behind.saturating_sub(self.released) >= BEHIND_BYTES;
        (self.is_long() && is_enough).then(|| {
            let range = self.released..behind;
            self.released = behind;
            range
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 128 << 10;

    #[test]
    fn what_a_long_reader_left_behind_is_let_go_once() {
        let streams = Streams::default();
        let mut released = 0;
        for step in 0..2000 {
            let at = step * STEP;
            if let Some(range) = streams.note(at, STEP) {
                assert_eq!(range.start, released, "no gap, nothing twice");
                assert!(range.end <= at && at >= LONG_BYTES - STEP);
                released = range.end;
            }
        }
        assert!(released > 2000 * STEP - 3 * BEHIND_BYTES);
    }

    #[test]
    fn several_readers_are_told_apart_and_reads_here_and_there_let_nothing_go() {
        let streams = Streams::default();
        let mut releases = [0; STREAMS];
        for step in 0..1000 {
            for (begin, count) in (0u64..).step_by(1 << 30).zip(&mut releases) {
                *count += usize::from(streams.note(begin + step * STEP, STEP).is_some());
            }
        }
        assert!(releases.iter().all(|count| *count > 3), "{releases:?}");
        let streams = Streams::default();
        for step in 0..10_000u64 {
            let at = (step * 0x9E37_79B9) % (1 << 40) + step * (1 << 25);
            assert_eq!(streams.note(at, 4096), None);
        }
    }
}
