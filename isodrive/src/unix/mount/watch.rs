//! Watching over a mount that is in use: does its worker answer, is the image the same, has it been
//! idle for long, is it still in the mount table. Keeps the record true.

use std::time::{Duration, Instant};

use super::child::Worker;
use super::events::{Event, Events};
use super::mounted::Attached;
use super::place::Place;
use super::wire::{FromWorker, Pulse, SLOW};
use crate::cli::Mount;
use crate::terminal::harmless;
use crate::unix::copies;
use crate::unix::state::{Kept, State};

/// How often a worker is asked how it does.
const INTERVAL: Duration = Duration::from_secs(5);

/// A worker that has not answered for this long does not respond.
const SILENCE: Duration = Duration::from_secs(8);

/// How long readers in other mount namespaces have once the mount is gone in its own.
const GRACE: Duration = Duration::from_secs(5);

/// How the watch over a mount ended.
pub(super) enum End {
    /// The mount was taken away; or the connection broke for the reason.
    Ended(Option<String>),
    /// The worker broke down.
    WorkerGone,
    /// A signal asked for it.
    Signal(i32),
    /// The command that made the mount was ended before it took the mount over.
    Abandoned,
    /// The mount is gone here, and what other mount namespaces have of it has had its time.
    Elsewhere,
}

/// The watch over one mount.
pub(super) struct Watch<'a> {
    worker: &'a Worker,
    kept: Option<Kept>,
    /// Where it is mounted; given up once it is not any more.
    place: &'a mut Option<Place>,
    /// The command that made the mount took it over.
    is_confirmed: bool,
    /// The mount was detached while it was in use.
    is_detached: bool,
    idle: Option<Duration>,
    answered: u64,
    last_pulse: Instant,
    last_request: Instant,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        arguments: &Mount,
        worker: &'a Worker,
        kept: Option<Kept>,
        place: &'a mut Option<Place>,
    ) -> Self {
        let now = Instant::now();
        Self {
            worker,
            kept,
            place,
            is_confirmed: !arguments.keep.ready_pipe,
            is_detached: false,
            idle: arguments.keep.idle,
            answered: 0,
            last_pulse: now,
            last_request: now,
        }
    }

    /// Watches until the mount ends.
    pub(super) fn until_the_end(mut self, events: &Events, mounted: &Attached) -> End {
        let interval =
            self.idle.map_or(INTERVAL, |idle| INTERVAL.min(idle.checked_div(4).unwrap_or(idle)));
        if mounted.known().device.is_some() {
            events.listen_to_table();
        }
        loop {
            if let Some(place) = &mut self.place {
                place.follow(mounted);
            }
            self.worker.ask();
            let asked = Instant::now();
            while asked.elapsed() < interval {
                let event = events.within(interval.saturating_sub(asked.elapsed()));
                let is_table = matches!(event, Some(Event::Table));
                if let Some(end) = self.take(event) {
                    return end;
                }
                if is_table && !mounted.is_there() {
                    return self.outlive_the_mount(events, mounted);
                }
            }
            if self.last_pulse.elapsed() > SILENCE.max(interval) {
                self.become_state(State::NotResponding);
            }
            if self.idle.is_some_and(|idle| self.last_request.elapsed() >= idle) {
                // In use without a request: a file that is open, a folder somebody is in.
                self.last_request = Instant::now();
                if mounted.unmount_unused() {
                    tracing::info!("idle for long enough");
                }
            }
        }
    }

    /// Acts on an event; the end of the watch if it is one.
    fn take(&mut self, event: Option<Event>) -> Option<End> {
        match event? {
            Event::Said(FromWorker::Pong(pulse)) => self.note(&pulse),
            Event::Said(FromWorker::Ended(why)) => return Some(End::Ended(why)),
            Event::Said(_) | Event::Table => {}
            Event::Gone => return Some(End::WorkerGone),
            Event::Signal(signal) => return Some(End::Signal(signal)),
            Event::Detached => self.is_detached = true,
            Event::Confirmed => {
                self.is_confirmed = true;
                let confirmed = self.kept.as_mut().map_or(Ok(()), Kept::confirm);
                if let Err(error) = confirmed {
                    tracing::warn!(%error, "the record is not true any more");
                }
            }
            Event::Abandoned if !self.is_confirmed => return Some(End::Abandoned),
            Event::Abandoned => {}
        }
        None
    }

    /// The mount is gone in its own mount namespace: record and directory go at once. What other
    /// namespaces have of it is served for a moment, what was detached while in use until its last
    /// user is gone.
    fn outlive_the_mount(mut self, events: &Events, mounted: &Attached) -> End {
        drop(self.place.take());
        // Last: `eject` waits for it.
        drop(self.kept.take());
        let since = Instant::now();
        loop {
            let event = events.within(Duration::from_millis(250));
            if let Some(end) = self.take(event) {
                return end;
            }
            let device = mounted.known().device.as_deref();
            let has_users_here = || device.is_some_and(copies::is_used_here);
            if !self.is_detached && since.elapsed() > GRACE && !has_users_here() {
                return End::Elsewhere;
            }
        }
    }

    fn note(&mut self, pulse: &Pulse) {
        self.last_pulse = Instant::now();
        if pulse.answered != self.answered {
            self.answered = pulse.answered;
            self.last_request = self.last_pulse;
        }
        let noted = self.kept.as_mut().map_or(Ok(()), |kept| kept.found(pulse.findings));
        if let Err(error) = noted {
            tracing::warn!(%error, "the record is not true any more");
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
            tracing::warn!(%error, "the record is not true any more");
        }
    }
}
