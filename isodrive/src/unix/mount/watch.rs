//! Watching over a mount that is in use: does its worker answer, is the image the same, has it been
//! idle for long. Keeps the state file true.

use std::time::{Duration, Instant};

use super::child::Worker;
use super::events::{Event, Events};
use super::supervisor::End;
use super::wire::{FromWorker, Pulse, SLOW};
use crate::cli::Mount;
use crate::terminal::harmless;
use crate::unix::state::{Kept, State};

/// How often a worker is asked how it does.
const INTERVAL: Duration = Duration::from_secs(5);

/// A worker that has not answered for this long does not respond.
const SILENCE: Duration = Duration::from_secs(8);

/// The watch over one mount.
pub(super) struct Watch<'a> {
    worker: &'a Worker,
    kept: Option<Kept>,
    idle: Option<Duration>,
    answered: u64,
    last_pulse: Instant,
    last_request: Instant,
}

impl<'a> Watch<'a> {
    pub(super) fn new(arguments: &Mount, worker: &'a Worker, kept: Option<Kept>) -> Self {
        let now = Instant::now();
        Self {
            worker,
            kept,
            idle: arguments.keep.idle,
            answered: 0,
            last_pulse: now,
            last_request: now,
        }
    }

    /// Watches until the mount ends. `eject` takes it away if nobody uses it.
    pub(super) fn until_the_end(mut self, events: &Events, eject: impl Fn() -> bool) -> End {
        let interval =
            self.idle.map_or(INTERVAL, |idle| INTERVAL.min(idle.checked_div(4).unwrap_or(idle)));
        loop {
            self.worker.ask();
            let asked = Instant::now();
            while asked.elapsed() < interval {
                match events.within(interval.saturating_sub(asked.elapsed())) {
                    Some(Event::Said(FromWorker::Pong(pulse))) => self.note(&pulse),
                    Some(Event::Said(FromWorker::Ended(why))) => return End::Ended(why),
                    Some(Event::Said(_)) | None => {}
                    Some(Event::Gone) => return End::WorkerGone,
                    Some(Event::Signal(signal)) => return End::Signal(signal),
                }
            }
            if self.last_pulse.elapsed() > SILENCE.max(interval) {
                self.become_state(State::NotResponding);
            }
            if self.idle.is_some_and(|idle| self.last_request.elapsed() >= idle) {
                // In use without a request: a file that is open, a folder somebody is in.
                self.last_request = Instant::now();
                if eject() {
                    tracing::info!("idle for long enough");
                }
            }
        }
    }

    fn note(&mut self, pulse: &Pulse) {
        self.last_pulse = Instant::now();
        if pulse.answered != self.answered {
            self.answered = pulse.answered;
            self.last_request = self.last_pulse;
        }
        self.become_state(match &pulse.oldest {
            Some((operation, seconds)) if *seconds >= SLOW.as_secs() => {
                State::Waiting { operation: harmless(operation), seconds: *seconds }
            }
            _ if pulse.is_changed => State::ImageChanged,
            _ => State::Serving,
        });
    }

    fn become_state(&mut self, state: State) {
        let Some(kept) = &mut self.kept else { return };
        let before = kept.state().clone();
        if before == state {
            return;
        }
        match &state {
            State::NotResponding => tracing::warn!("the worker does not respond"),
            State::ImageChanged => tracing::warn!("the image is another one now"),
            State::Serving | State::Waiting { .. } => {
                if before == State::NotResponding {
                    tracing::info!("the worker responds again");
                }
            }
        }
        if let Err(error) = kept.become_state(state) {
            tracing::warn!(%error, "the state file is not true any more");
        }
    }
}
