//! What happens to a mount, in one line: signals to its supervisor and words of its worker.
//! Waits only; what to do is the supervisor's business.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::caller::Caller;
use super::wire::FromWorker;
use crate::exit::{Exit, Failure};

/// Events that may wait: a worker in a stranger's hands could send without end.
const MAX_WAITING: usize = 64;

/// The signal by which `eject --lazy` says that the users of a mount may finish.
const DETACHED: i32 = SIGUSR1;

/// How long further changes of the mount table wait: on a machine that mounts much, every mount's
/// supervisor would read the whole table for each of them.
const TABLE_PAUSE: Duration = Duration::from_millis(50);

/// Something that happened.
pub(super) enum Event {
    /// The worker said something.
    Said(FromWorker),
    /// The worker is gone.
    Gone,
    /// A termination signal arrived.
    Signal(i32),
    /// The mount was detached lazily: its users may finish.
    Detached,
    /// The command that made the mount took it over.
    Confirmed,
    /// The command that made the mount ended without that.
    Abandoned,
    /// The mount table of this mount namespace changed.
    Table,
}

/// All that happens, in the order it did.
pub(super) struct Events {
    pub(super) sender: SyncSender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// Listens for signals that ask for an end: before anything is made that could be left behind.
    pub(super) fn listen() -> Result<Self, Failure> {
        let (sender, receiver) = mpsc::sync_channel(MAX_WAITING);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, DETACHED])
            .map_err(|error| Failure::io(Exit::Other, "cannot listen for signals", &error))?;
        let events = sender.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let is_detached = signal == DETACHED;
                let event = if is_detached { Event::Detached } else { Event::Signal(signal) };
                let _ = events.send(event);
            }
        });
        Ok(Self { sender, receiver })
    }

    /// Listens to the command that makes the mount: whether it takes the mount over.
    pub(super) fn listen_to_caller(&self) {
        let sender = self.sender.clone();
        let Some(caller) = Caller::of_this_process() else { return };
        std::thread::spawn(move || {
            let event = if caller.takes_over() { Event::Confirmed } else { Event::Abandoned };
            let _ = sender.send(event);
        });
    }

    /// Listens for changes of the mount table (proc_pid_mounts(5)).
    pub(super) fn listen_to_table(&self) {
        let sender = self.sender.clone();
        let Ok(table) = std::fs::File::open("/proc/self/mounts") else { return };
        std::thread::spawn(move || {
            loop {
                let mut descriptors = [PollFd::new(&table, PollFlags::PRI)];
                match poll(&mut descriptors, None) {
                    Ok(_) => {}
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(_) => return,
                }
                if sender.send(Event::Table).is_err() {
                    return;
                }
                std::thread::sleep(TABLE_PAUSE);
            }
        });
    }

    /// Waits until the command that makes the mount takes it over.
    ///
    /// # Errors
    /// It ended without, or a signal arrived.
    pub(super) fn confirmation(&self) -> Result<(), Failure> {
        loop {
            match self.receiver.recv() {
                Ok(Event::Confirmed) => return Ok(()),
                Ok(Event::Abandoned | Event::Signal(_)) | Err(_) => {
                    return Err(Failure::reported(Exit::Interrupted));
                }
                Ok(Event::Said(_) | Event::Gone | Event::Table | Event::Detached) => {}
            }
        }
    }

    /// The next event, if one comes in time.
    pub(super) fn within(&self, time: Duration) -> Option<Event> {
        match self.receiver.recv_timeout(time) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Event::Gone),
        }
    }
}

/// Until when a mount must be ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    since: Instant,
    time: Duration,
}

impl Deadline {
    pub(super) fn after(time: Duration) -> Self {
        Self { since: Instant::now(), time }
    }

    pub(super) fn left(self) -> Duration {
        self.time.saturating_sub(self.since.elapsed())
    }

    pub(super) fn missed(self) -> Failure {
        let message = format!("the mount was not ready in {:?}", self.time);
        Failure::new(Exit::NotReady, message).advice("try", "--ready-timeout 60s")
    }
}
