//! The worker as its supervisor has it: a child process at the other end of a socket, with its log.
//! Knows nothing of mounts.

use std::cmp::Ordering;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use super::events::{Deadline, Event, Events};
use super::wire::{FromWorker, Line, ToWorker};
use crate::cli::Mount;
use crate::exit::{Exit, Failure};
use crate::ready::with_flag;
use crate::unix::process::ended_within;
use crate::unix::worker_log;

/// Bytes of one log line of a worker at most.
const MAX_LOG_LINE: u64 = 4096;

/// Log lines of a worker that are passed on in one second.
const MAX_LOG_LINES_A_SECOND: u32 = 5000;

/// Bytes of a worker's log that are passed on in all: a hostile image must not fill a disk.
const MAX_LOG_BYTES: u64 = 4 << 20;

/// The same where a person has asked for every decision or every request.
const MAX_DEBUG_LOG_BYTES: u64 = 256 << 20;

/// A worker. Dropping it ends it.
pub(super) struct Worker {
    child: Child,
    line: Line,
}

impl Worker {
    /// Starts this program again as a worker, without a thread of this process.
    pub(super) fn start(arguments: &Mount, deadline: Deadline) -> Result<Self, Failure> {
        sandbox::keep_descriptors_from_children();
        let (line, theirs) = Line::pair().map_err(failed)?;
        // A worker that reads nothing must not hold the supervisor.
        line.bound_sending(deadline.left()).map_err(failed)?;
        let mut command = Command::new("/proc/self/exe");
        // Nothing of the surroundings is a disc's business.
        command.arg0("isodrive").env_clear();
        for name in ["ISODRIVE_LOG", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Where address space is short, the C library must not set 64 MiB aside for each thread.
        if getrlimit(Resource::As).current.is_some() {
            command.env("MALLOC_ARENA_MAX", "1");
        }
        let child = command
            .args(with_flag(arguments.raw.iter().cloned(), "--worker"))
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .current_dir("/");
        Ok(Self { child: child.spawn().map_err(failed)?, line })
    }

    /// Has what the worker says become events, and its log part of this process's.
    pub(super) fn listen(
        &mut self,
        arguments: &Mount,
        events: &SyncSender<Event>,
    ) -> Result<(), Failure> {
        if let Some(log) = self.child.stderr.take() {
            let max_bytes = max_log_bytes(arguments);
            std::thread::spawn(move || pass_log_on(log, max_bytes));
        }
        let receiver = self.line.try_clone().map_err(failed)?;
        let events = events.clone();
        std::thread::spawn(move || {
            while let Ok(Some((message, _))) = receiver.receive::<FromWorker>() {
                if events.send(Event::Said(message)).is_err() {
                    return;
                }
            }
            let _ = events.send(Event::Gone);
        });
        Ok(())
    }

    /// Its process number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the worker a message. If the worker is gone, an event reports that.
    pub(super) fn tell(&self, message: &ToWorker, with: Option<BorrowedFd<'_>>) {
        let _ = self.line.send(message, with);
    }

    /// Asks it how it does.
    pub(super) fn ask(&self) {
        let _ = self.line.send_at_once(&ToWorker::Ping);
    }

    /// Hands it a file of the image.
    pub(super) fn give(&self, file: &impl AsFd) {
        self.tell(&ToWorker::Part, Some(file.as_fd()));
    }

    /// The worker's next word, while a mount is being made: anything else ends that.
    pub(super) fn word(&mut self, events: &Events, by: Deadline) -> Result<FromWorker, Failure> {
        loop {
            return match events.within(by.left()) {
                Some(Event::Said(FromWorker::Failed(failure))) => Err(failure.into()),
                Some(Event::Said(message)) => Ok(message),
                Some(Event::Gone) => Err(broke_down(self.last_words())),
                Some(Event::Signal(_) | Event::Abandoned) => {
                    Err(Failure::reported(Exit::Interrupted))
                }
                Some(Event::Detached | Event::Confirmed | Event::Table) => continue,
                None => Err(by.missed()),
            };
        }
    }

    /// Why it is gone, waited for briefly.
    pub(super) fn last_words(&mut self) -> String {
        let ended = ended_within(&mut self.child, Duration::from_millis(200));
        ended.map_or_else(|| "it stopped to answer".to_owned(), words)
    }

    /// How it ended, if it does so soon. A thread that waits for a silent medium cannot be killed
    /// before that answers; whoever ends must not wait for it.
    fn ended(&mut self) -> Option<ExitStatus> {
        ended_within(&mut self.child, Duration::from_secs(1))
    }
}

fn failed(error: std::io::Error) -> Failure {
    Failure::io(Exit::Other, "cannot start the process that reads the image", &error)
}

/// The message about a worker that is gone, printed and logged.
pub(super) const BROKE_DOWN: &str = "the worker process crashed";

/// The failure for a worker that is gone.
pub(super) fn broke_down(cause: String) -> Failure {
    Failure::new(Exit::Other, BROKE_DOWN).line("cause", cause)
}

/// The failure for a worker that does not keep to the protocol.
pub(super) fn unexpected() -> Failure {
    Failure::new(Exit::Other, "the worker sent an unexpected message")
}

fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => "it ended".to_owned(),
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.ended();
    }
}

/// Bytes of log that a worker has for the life of a mount.
fn max_log_bytes(arguments: &Mount) -> u64 {
    let is_debugged = arguments.log_level > 1 || std::env::var_os("ISODRIVE_LOG").is_some();
    if is_debugged { MAX_DEBUG_LOG_BYTES } else { MAX_LOG_BYTES }
}

/// Passes the lines of a worker's log on until it ends: long ones in pieces, not more in a second
/// than somebody who looks for a fault would want, and `max_bytes` in all.
fn pass_log_on(log: impl Read, max_bytes: u64) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    let (mut second, mut passed) = (Instant::now(), 0u32);
    let mut left = max_bytes;
    loop {
        line.clear();
        let read = (&mut log).take(MAX_LOG_LINE).read_until(b'\n', &mut line);
        let Ok(bytes @ 1..) = read else { return };
        if left == 0 {
            continue;
        }
        left = left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
        if left == 0 {
            tracing::warn!(max_bytes, "the worker's log is full; later lines are left out");
            continue;
        }
        if second.elapsed() >= Duration::from_secs(1) {
            (second, passed) = (Instant::now(), 0);
        }
        passed = passed.saturating_add(1);
        match passed.cmp(&MAX_LOG_LINES_A_SECOND) {
            Ordering::Less => worker_log::pass_on(String::from_utf8_lossy(&line).trim_end()),
            Ordering::Equal => tracing::warn!("the worker logs too much; some lines are left out"),
            Ordering::Greater => {}
        }
    }
}
