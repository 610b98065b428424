//! What tells that a file was written to: its length and times, and, where these leave it open,
//! what else was done to it. Asks the system about opened files, and reads nothing of them.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// What is known of a file at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Device, inode, and the device that a block device stands for.
    pub place: (u64, u64, u64),
    /// Bytes.
    pub len: u64,
    /// When its bytes were last changed, in seconds since 1970 and nanoseconds. Any program can set
    /// this.
    pub modified: (i64, i64),
    /// When anything of it was last changed. No program can set this. Nothing on Windows.
    pub changed: (i64, i64),
    /// Names that it has.
    pub links: u64,
    /// Kind and permissions.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
}

/// How two stamps of a file differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// In nothing.
    None,
    /// In the time of the last change alone, beside links, permissions or an owner that explain it.
    Attributes,
    /// In the time of the last change alone. It may have got another name or extended attribute; or
    /// its bytes were changed, and the time of that was set back.
    Time,
    /// It was written to, or is another file.
    Bytes,
}

/// What was done to a file, as far as the system reported it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Event {
    /// Its bytes were written, or nobody knows.
    pub is_written: bool,
    /// Its permissions, owner, links, times or extended attributes were set.
    pub is_set: bool,
    /// It was given another name.
    pub is_moved: bool,
}

/// Gives what was done to one file since the last call.
pub type Events = Box<dyn Fn() -> Event + Send + Sync>;

impl Stamp {
    /// That of a file.
    #[cfg(unix)]
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            place: (metadata.dev(), metadata.ino(), metadata.rdev()),
            len: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            links: metadata.nlink(),
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
        }
    }

    /// That of a file, as far as this system tells.
    #[cfg(not(unix))]
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let seconds = since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0);
        Self {
            place: (0, 0, 0),
            len: metadata.len(),
            modified: (seconds, since.map_or(0, |since| since.subsec_nanos().into())),
            changed: (0, 0),
            links: 0,
            mode: 0,
            owner: (0, 0),
        }
    }

    /// How a later stamp differs from this one.
    #[must_use]
    pub fn compare(&self, later: &Self) -> Difference {
        if self == later {
            return Difference::None;
        }
        if (self.place, self.len, self.modified) != (later.place, later.len, later.modified) {
            return Difference::Bytes;
        }
        let attributes = |stamp: &Self| (stamp.links, stamp.mode, stamp.owner);
        if attributes(self) == attributes(later) {
            Difference::Time
        } else {
            Difference::Attributes
        }
    }
}

impl Difference {
    /// Whether it comes from something else than other bytes. `seen` is what was done to the file;
    /// nothing where nobody looked.
    ///
    /// Whoever sets the time of the last writing back does it by a call that is seen as `is_set`.
    /// Together with another attribute that was changed it would pass here, and is noticed by
    /// `is_written`, which only writing through a shared map escapes.
    pub(super) fn is_explained_by(self, seen: Option<Event>) -> bool {
        match (self, seen) {
            (Self::None, _) | (Self::Attributes, None) => true,
            (Self::Attributes, Some(seen)) => !seen.is_written,
            (Self::Time, Some(seen)) => seen.is_moved && !seen.is_written && !seen.is_set,
            (Self::Time, None) | (Self::Bytes, _) => false,
        }
    }
}

impl Event {
    /// Adds what was done later. Always true.
    pub(super) const fn add(&mut self, later: Self) -> bool {
        self.is_written |= later.is_written;
        self.is_set |= later.is_set;
        self.is_moved |= later.is_moved;
        true
    }

    /// Whether anything was done.
    pub(super) const fn is_any(self) -> bool {
        self.is_written || self.is_set || self.is_moved
    }
}

/// How far apart two changes may be and have one time: a tick of the kernel's clock, or two seconds
/// on file systems that keep whole seconds.
const TICK: Duration = Duration::from_millis(20);
const COARSE_TICK: Duration = Duration::from_secs(2);

/// Waits until a change of the file would have another time than the last one had. Whether there
/// was something to wait for.
pub(super) fn settle(metadata: &Metadata) -> bool {
    let stamp = Stamp::of(metadata);
    let last = if cfg!(unix) { stamp.changed } else { return false };
    let tick = if last.1 == 0 { COARSE_TICK } else { TICK };
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(last.0), u32::try_from(last.1)) else {
        return false;
    };
    let ends = SystemTime::UNIX_EPOCH
        .checked_add(Duration::new(seconds, nanos))
        .and_then(|last| last.checked_add(tick));
    // A time ahead of the clock is another one than that of any change to come.
    let left = ends.and_then(|ends| ends.duration_since(SystemTime::now()).ok());
    let left = left.filter(|left| *left <= tick);
    left.inspect(|left| std::thread::sleep(*left)).is_some()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        place: (1, 2, 0),
        len: 3,
        modified: (4, 5),
        changed: (6, 7),
        links: 1,
        mode: 0o100_644,
        owner: (8, 9),
    };

    #[test]
    fn a_time_that_was_set_back_does_not_hide_a_change() {
        let written = Event { is_written: true, ..Event::default() };
        let set = Event { is_set: true, ..Event::default() };
        let moved = Event { is_moved: true, ..Event::default() };
        let touched = Stamp { changed: (6, 8), ..STAMP };
        let unlinked = Stamp { links: 0, ..touched };
        for (later, seen, want) in [
            (STAMP, None, true),
            (STAMP, Some(Event::default()), true),
            // Nobody looked: only what can be seen in the stamp itself counts.
            (touched, None, false),
            (unlinked, None, true),
            (Stamp { mode: 0o100_600, ..touched }, None, true),
            (Stamp { owner: (0, 0), ..touched }, None, true),
            // It was moved, and nothing else was done.
            (touched, Some(moved), true),
            (touched, Some(Event::default()), false),
            (touched, Some(set), false),
            (touched, Some(Event { is_moved: true, ..set }), false),
            (touched, Some(Event { is_moved: true, ..written }), false),
            (unlinked, Some(set), true),
            (unlinked, Some(Event { is_set: true, ..written }), false),
            // Other bytes are other bytes.
            (Stamp { len: 4, ..unlinked }, Some(moved), false),
            (Stamp { modified: (4, 6), ..unlinked }, Some(moved), false),
            (Stamp { place: (1, 3, 0), ..STAMP }, None, false),
        ] {
            let difference = STAMP.compare(&later);
            assert_eq!(difference.is_explained_by(seen), want, "{difference:?} {seen:?}");
        }
    }
}
