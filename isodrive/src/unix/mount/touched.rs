//! What others do to the files of an image while it is mounted, as the kernel tells it (inotify).
//! The supervisor starts it, since that takes names; the worker reads it, in its sandbox.
//!
//! A stamp that differs in the time of the last change alone leaves it open whether a file was
//! renamed or written to: this tells.

use std::collections::HashMap;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use iso_core::source::{Event, Events};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// Has the kernel note what is done to these files from now on. Gives the descriptor to read that
/// from, and the number by which each file is named there. Nothing where the system refuses: a user
/// may have so many of these only.
pub(super) fn watch(files: &[File]) -> Option<(OwnedFd, Vec<i32>)> {
    let kernel = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
    let refused = |error: &rustix::io::Errno| {
        tracing::debug!(%error, "nobody tells what is done to the image's files");
    };
    let kernel = kernel.inspect_err(refused).ok()?;
    let what = WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF;
    let number = |file: &File| {
        // By the descriptor: the name may lead to another file by now.
        let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
        inotify::add_watch(&kernel, itself, what)
    };
    let numbers = files.iter().map(number).collect::<Result<Vec<_>, _>>();
    let numbers = numbers.inspect_err(refused).ok()?;
    Some((kernel, numbers))
}

/// Events of each file that were not asked for yet.
struct Watcher {
    kernel: OwnedFd,
    events: Mutex<HashMap<i32, Event>>,
}

/// One source of events for each of the numbers.
pub(super) fn sources(kernel: OwnedFd, numbers: &[i32]) -> Vec<Events> {
    let watcher = Arc::new(Watcher { kernel, events: Mutex::default() });
    let source = |number: &i32| -> Events {
        let (watcher, number) = (watcher.clone(), *number);
        Box::new(move || watcher.take(number))
    };
    numbers.iter().map(source).collect()
}

impl Watcher {
    /// What was done to one file since the last call.
    fn take(&self, number: i32) -> Event {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.kernel, &mut space);
        loop {
            match reader.next() {
                Ok(event) => note(&mut events, event.wd(), event.events()),
                Err(rustix::io::Errno::AGAIN) => break,
                // Nobody knows what was lost.
                Err(_) => note(&mut events, number, ReadFlags::QUEUE_OVERFLOW),
            }
            if events.get(&number).is_some_and(|event| event.is_written) {
                break;
            }
        }
        events.remove(&number).unwrap_or_default()
    }
}

fn note(events: &mut HashMap<i32, Event>, number: i32, flags: ReadFlags) {
    let add = |event: &mut Event| {
        event.is_written |= flags.intersects(ReadFlags::MODIFY | ReadFlags::QUEUE_OVERFLOW);
        event.is_set |= flags.contains(ReadFlags::ATTRIB);
        event.is_moved |= flags.contains(ReadFlags::MOVE_SELF);
    };
    // What was lost may have been about any file.
    if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
        events.values_mut().for_each(add);
    }
    add(events.entry(number).or_default());
}
