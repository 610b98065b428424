//! A mount in the file tree, known by numbers that the kernel gives to no other mount at the same
//! time: its folder may be moved. Takes it away again; serves nothing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mount_fuse::Directory;
use serde::{Deserialize, Serialize};

use crate::logs;
use crate::unix::health::{self, Health};
use crate::unix::mounts::{self, Entry};

/// How long unmounting is tried: somebody may rename a folder on the way at that moment.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it waits between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// How an attempt to take a mount away from a place ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// It is gone from there.
    Gone,
    /// It was gone before: another mount with the number of its device is there by now.
    Another,
    /// It is still there, or nobody knows.
    Failed,
}

/// What a mount is known by.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Known {
    /// `major:minor`. The kernel may give it again once the mount is gone everywhere. Nothing for a
    /// mount that somebody else made.
    pub(super) device: Option<String>,
    /// The number of the mount that is never given again, where the kernel has such numbers.
    id: Option<u64>,
}

impl Known {
    /// What is mounted at a path now.
    fn at(path: &Path) -> Self {
        let look = || {
            let folder = Directory::open(path.parent()?).ok()?;
            folder.mounted_on(path.file_name()?).ok()
        };
        match look() {
            Some((device, id)) => Self { device: Some(device), id },
            None => Self { device: mounts::top_at(path).map(|entry| entry.device), id: None },
        }
    }
}

/// A mount that this process or its supervisor made. Dropping it takes it away, with all bind
/// mounts of it in this mount namespace, even while it is in use.
#[derive(Debug)]
pub(super) struct Attached {
    known: Known,
    /// Nobody serves it any more, so that the kernel may have given its device to another mount.
    is_over: bool,
}

impl From<Known> for Attached {
    /// The mount of a process that is gone.
    fn from(known: Known) -> Self {
        Self { known, is_over: true }
    }
}

impl Attached {
    /// What is mounted at a path now.
    pub(super) fn at(path: &Path) -> Self {
        Self { known: Known::at(path), is_over: false }
    }

    /// The mount of a device, with the number that the kernel gives to no other mount.
    pub(super) fn known_as((device, id): (String, Option<u64>)) -> Self {
        Self { known: Known { device: Some(device), id }, is_over: false }
    }

    /// A mount of somebody else, known by its descriptor alone.
    pub(super) fn elsewhere() -> Self {
        Self { known: Known::default(), is_over: false }
    }

    /// What it is known by.
    pub(super) const fn known(&self) -> &Known {
        &self.known
    }

    /// Notes that nobody serves it any more.
    pub(super) const fn is_served_no_more(&mut self) {
        self.is_over = true;
    }

    /// Leaves it to a later `eject`.
    pub(super) fn leave(mut self) {
        self.known.device = None;
    }

    /// Where its device is mounted now, the latest last.
    pub(super) fn places(&self) -> Vec<Entry> {
        let Some(device) = &self.known.device else { return Vec::new() };
        let mut entries = mounts::list().unwrap_or_default();
        entries.retain(|entry| entry.device == *device);
        entries
    }

    /// Where it is now: at `last`, or else at the first place that is its own for certain. Its
    /// device may be another mount's by now.
    pub(super) fn place(&self, last: &Path) -> Option<PathBuf> {
        let places = self.places();
        let is_last = |entry: &&Entry| entry.at == last;
        let is_own = |entry: &&Entry| {
            let there = Known::at(&entry.at);
            there.device == self.known.device && (there.id == self.known.id)
        };
        let found = places.iter().find(is_last).or_else(|| places.iter().find(is_own));
        found.map(|entry| entry.at.clone())
    }

    /// Whether it is mounted anywhere in this mount namespace.
    pub(super) fn is_there(&self) -> bool {
        !self.places().is_empty()
    }

    /// Takes it away if nobody uses it; whether it did.
    pub(super) fn unmount_unused(&self) -> bool {
        let places = self.places();
        let is_gone = |entry: &Entry| self.unmount(&entry.at, false) != Attempt::Failed;
        !places.is_empty() && places.iter().rev().all(is_gone)
    }

    fn unmount(&self, at: &Path, lazy: bool) -> Attempt {
        let entry = mounts::top_at(at);
        // Where the kernel has no number that it never gives again (before Linux 6.8), and for bind
        // mounts, a mount that nobody serves is known by being dead.
        let is_dead = || entry.is_some_and(|entry| health::of(&entry) == Health::Dead);
        let is_ours = |device: &str, id: Option<u64>| {
            let is_known = match (id, self.known.id) {
                (Some(there), Some(known)) => there == known,
                _ => !self.is_over,
            };
            self.known.device.as_deref() == Some(device) && (is_known || is_dead())
        };
        let mut is_another = false;
        let is_expected = |device: &str, id: Option<u64>| {
            is_another = !is_ours(device, id);
            !is_another
        };
        match mount_fuse::unmount_if(at, lazy, is_expected) {
            Ok(()) => Attempt::Gone,
            Err(_) if is_another => Attempt::Another,
            Err(error) => {
                tracing::debug!(at = %logs::path(at), %error, "not unmounted");
                Attempt::Failed
            }
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let places = self.places();
            let stays = |entry: &&Entry| self.unmount(&entry.at, true) == Attempt::Failed;
            if places.iter().rev().filter(stays).count() == 0 {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        for entry in self.places() {
            tracing::error!(at = %logs::path(&entry.at), "the mount stays");
        }
    }
}
