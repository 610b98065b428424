//! The supervisor: the life of one mount from its making to its end. Opens the image without
//! looking at it, watches the worker, and takes everything away again, however the end comes.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use sandbox::User;
use signal_hook::consts::SIGINT;

use super::child::{BROKE_DOWN, Worker, broke_down, unexpected};
use super::events::{Deadline, Event, Events};
use super::guardian::Guardian;
use super::lock::ImageLock;
use super::making::Making;
use super::medium;
use super::mounted::Attached;
use super::place::Place;
use super::point;
use super::touched;
use super::watch::{End, Watch};
use super::wire::{FromWorker, Opened, ToWorker};
use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::image;
use crate::logs;
use crate::parts::{self, Joined};
use crate::terminal::{Terminal, harmless, quoted};
use crate::unix::process::Process;
use crate::unix::state::{self, Driver, Identity};
use crate::unix::user;

/// Makes a mount and keeps it until it ends. `lock` is given back once the mount can be used.
pub(super) fn run(arguments: &Mount, lock: Option<ImageLock>, terminal: &mut Terminal) -> Outcome {
    let deadline = Deadline::after(arguments.keep.ready_timeout);
    let parts = parts::open_parts(&arguments.image.image)?;
    let joined = Joined::of(&parts);
    let files = parts.files;
    let identity = Identity::of(&files);
    // It takes a moment to start, in which the guardian is copied and the place is made ready.
    let mut worker = Worker::start(arguments, deadline)?;
    let guardian = &Guardian::start();
    let events = Events::listen()?;
    worker.listen(arguments, &events.sender)?;
    if arguments.keep.ready_pipe {
        events.listen_to_caller();
    }
    guardian.note(|left| left.worker = Some(Process::of(worker.pid())));
    state::sweep(|_| true).iter().for_each(|at| cleaned(at, terminal));
    let place = match &arguments.at {
        Some(at) => Some(place_given(at, arguments, guardian, terminal)?),
        None => None,
    };
    let user = user::for_reader(&files);
    let level = enter(&mut worker, user, &events, deadline, terminal)?;
    let opened = open(&mut worker, &events, deadline, &files, terminal)?;
    warn_if_truncated(arguments, &opened, terminal);
    let image = &arguments.image.image;
    let place = match place {
        Some(place) => place,
        None => Place::Directory(point::for_label(&opened.label.bytes(), image, guardian)?),
    };
    let mut making = Making { arguments, place, level, opened, files, identity, joined, guardian };
    if let Some(mounted) = making.leave_to_kernel(&mut worker, &events, deadline, terminal)? {
        let kept = making.announce(&worker, &mounted, Driver::Erofs, terminal)?;
        if arguments.keep.ready_pipe {
            events.confirmation()?;
        }
        if let Some(mut kept) = kept {
            let confirmed = kept.confirm();
            kept.leave();
            confirmed.unwrap_or_else(|error| tracing::warn!(%error, "the record is not true"));
        }
        mounted.leave();
        making.place.keep();
        return Ok(());
    }
    let mounted = making.serve(&mut worker, &events, deadline)?;
    let kept = making.announce(&worker, &mounted, Driver::Fuse, terminal)?;
    drop(lock);
    // The descriptors of the image are the worker's now.
    drop(making.files);
    let mut place = Some(making.place);
    let watch = Watch::new(arguments, &worker, kept, &mut place);
    let end = watch.until_the_end(&events, &mounted);
    if let Some(place) = &mut place {
        place.follow(&mounted);
    }
    let outcome = finish(end, mounted, worker, &events);
    // A directory can be removed once nothing is mounted on it.
    drop(place);
    outcome
}

/// The place that was asked for.
fn place_given(
    at: &Path,
    arguments: &Mount,
    guardian: &Guardian,
    terminal: &mut Terminal,
) -> Result<Place, Failure> {
    if let Some(place) = Place::descriptor(at)? {
        return Ok(place);
    }
    let point = point::given(at, arguments.over, guardian, &mut |at| cleaned(at, terminal))?;
    Ok(Place::Directory(point))
}

fn cleaned(at: &Path, terminal: &mut Terminal) {
    tracing::info!(at = %logs::path(at), "cleaned up a dead mount");
    terminal.warn(&format!("cleaned up a dead mount at {}", quoted(at)), &[]);
}

/// Has the worker enter its sandbox, and says once what that lacks.
fn enter(
    worker: &mut Worker,
    user: User,
    events: &Events,
    deadline: Deadline,
    terminal: &mut Terminal,
) -> Result<String, Failure> {
    worker.tell(&ToWorker::Enter { uid: user.uid, gid: user.gid }, None);
    let FromWorker::Sandboxed { level, missing } = worker.word(events, deadline)? else {
        return Err(unexpected());
    };
    if !missing.is_empty() {
        let lines: Vec<String> = missing.iter().map(|text| harmless(text)).collect();
        terminal.warn("the sandbox is not complete on this system", &lines);
    }
    Ok(harmless(&level))
}

/// Has the worker open the image.
fn open(
    worker: &mut Worker,
    events: &Events,
    deadline: Deadline,
    files: &[File],
    terminal: &mut Terminal,
) -> Result<Opened, Failure> {
    medium::prepare(files);
    files.iter().for_each(|file| worker.give(file));
    if let Some((kernel, numbers)) = touched::watch(files) {
        worker.tell(&ToWorker::Watch { numbers }, Some(kernel.as_fd()));
    }
    worker.tell(&ToWorker::open(medium::of(files)), None);
    loop {
        let word = worker.word(events, deadline)?;
        if let FromWorker::Opened(opened) = word {
            return Ok(*opened);
        }
        let FromWorker::Checked(names) = word else { return Err(unexpected()) };
        if Terminal::is_watched() {
            terminal.say(&format!("--strict: {names} names checked"));
        }
    }
}

fn warn_if_truncated(arguments: &Mount, opened: &Opened, terminal: &mut Terminal) {
    if let Some(sizes) = opened.truncated {
        let what_now = "mounted anyway; use --strict to refuse";
        image::warn_truncated(&arguments.image.image, sizes, what_now, terminal);
    }
}

/// Takes away what is left and says how it went. The worker ends before its mount goes: one that
/// sends false messages and serves on must not keep a mount from being known as dead.
fn finish(end: End, mut mounted: Attached, mut worker: Worker, events: &Events) -> Outcome {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    if matches!(end, End::Ended(_) | End::WorkerGone | End::Elsewhere) {
        mounted.is_served_no_more();
    }
    let outcome = match end {
        End::Ended(None) if mounted.is_there() => {
            tracing::warn!("the connection was cut");
            Ok(())
        }
        End::Ended(None) => {
            tracing::info!("ejected");
            Ok(())
        }
        End::Ended(Some(why)) => {
            tracing::warn!(why = %harmless(&why), "the connection was cut");
            Ok(())
        }
        End::WorkerGone => {
            let cause = worker.last_words();
            tracing::error!(%cause, "{BROKE_DOWN}");
            Err(broke_down(cause))
        }
        End::Signal(signal) => {
            tracing::info!(signal, "ended by a signal");
            // Readers that still use the mount get errors from here on.
            if mounted.unmount_unused() {
                wait_for_the_worker(events);
                mounted.is_served_no_more();
            }
            if signal == SIGINT { Err(Failure::reported(Exit::Interrupted)) } else { Ok(()) }
        }
        End::Abandoned => {
            tracing::warn!("the command that mounted was ended, its mount is taken away");
            Ok(())
        }
        End::Elsewhere => {
            tracing::info!("ejected; readers in other mount namespaces were cut off");
            Ok(())
        }
    };
    drop(worker);
    drop(mounted);
    outcome
}

/// Waits a moment for the worker to see that the mount is gone.
fn wait_for_the_worker(events: &Events) {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        if let Some(Event::Gone | Event::Said(FromWorker::Ended(_))) =
            events.within(Duration::from_millis(100))
        {
            return;
        }
    }
}
