//! What happens to a mount, in one line: signals to its supervisor and words of its worker.
//! Waits only; what to do is the supervisor's business.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::child::{Worker, broke_down};
use super::wire::FromWorker;
use crate::exit::{Exit, Failure};

/// Events that may wait: a worker in a stranger's hands could send without end.
const MAX_WAITING: usize = 64;

/// Something that happened.
pub(super) enum Event {
    /// The worker said something.
    Said(FromWorker),
    /// The worker is gone.
    Gone,
    /// This process shall end.
    Signal(i32),
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
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
            .map_err(|error| Failure::io(Exit::Other, "cannot listen for signals", &error))?;
        let told = sender.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let _ = told.send(Event::Signal(signal));
            }
        });
        Ok(Self { sender, receiver })
    }

    /// The next event, if one comes in time.
    pub(super) fn within(&self, time: Duration) -> Option<Event> {
        match self.receiver.recv_timeout(time) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Event::Gone),
        }
    }

    /// The worker's next word, while a mount is being made: anything else ends that.
    pub(super) fn word(&self, worker: &mut Worker, by: Deadline) -> Result<FromWorker, Failure> {
        match self.within(by.left()) {
            Some(Event::Said(FromWorker::Failed(told))) => Err(told.into()),
            Some(Event::Said(message)) => Ok(message),
            Some(Event::Gone) => Err(broke_down(worker.last_words())),
            Some(Event::Signal(_)) => Err(Failure::told(Exit::Interrupted)),
            None => Err(by.missed()),
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
