//! The supervisor: the life of one mount from its making to its end. Opens the image without
//! looking at it, mounts, keeps the state file, watches the worker, and takes everything away
//! again, however the end comes.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mount_fuse::Attach;
use rustix::process::geteuid;
use sandbox::User;
use signal_hook::consts::SIGINT;

use super::child::{BROKE_DOWN, Worker, broke_down};
use super::events::{Deadline, Event, Events};
use super::kernel;
use super::medium;
use super::place::Place;
use super::refusal::not_mounted;
use super::watch::Watch;
use super::wire::{FromWorker, Opened, ToWorker};
use super::{Ready, tell};
use super::{point, touched, user};
use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::image::{self, Joined};
use crate::json::{self, Name, SCHEMA};
use crate::logs;
use crate::terminal::{Terminal, harmless, output_failed, quoted};
use crate::unix::arguments::DriverChoice;
use crate::unix::health::{self, Health};
use crate::unix::state::{Driver, Identity, Kept, Process, Record, State};
use crate::unix::{mounts, state};

pub(super) fn run(arguments: &Mount, terminal: &mut Terminal) -> Outcome {
    if arguments.keep.ready_pipe {
        // The terminal's signals are for the process that started this one.
        let _ = rustix::process::setsid();
    }
    let deadline = Deadline::after(arguments.keep.ready_timeout);
    let parts = image::open_parts(&arguments.image.image)?;
    let joined = Joined::of(&parts);
    let files = parts.files;
    let identity = Identity::of(&files);
    let events = Events::listen()?;
    // It takes a moment to start, in which the place is made ready.
    let mut worker = Worker::start(arguments, &events.sender)?;
    state::sweep(|_| true).iter().for_each(|at| cleaned(at, terminal));
    let place = match &arguments.at {
        Some(at) => Some(place_given(at, arguments, terminal)?),
        None => None,
    };
    let user = user::for_worker(&files);
    let level = enter(&mut worker, user, &events, deadline, terminal)?;
    let opened = open(&mut worker, &events, deadline, &files)?;
    warn_if_truncated(arguments, &opened, terminal);
    let place = match place {
        Some(place) => place,
        None => Place::Directory(point::for_label(&opened.label.bytes(), &arguments.image.image)?),
    };
    let mut making = Making { arguments, place, level, opened, files, identity, joined };
    if making.leave_to_kernel(&mut worker, &events, deadline, terminal)? {
        let kept = making.announce(&worker, Driver::Erofs, terminal)?;
        if let Some(kept) = kept {
            kept.leave();
        }
        making.place.keep();
        return Ok(());
    }
    let mounted = making.serve(&mut worker, &events, deadline)?;
    let kept = making.announce(&worker, Driver::Fuse, terminal)?;
    // The descriptors of the image are the worker's now.
    drop(making.files);
    let watch = Watch::new(arguments, &worker, kept);
    let end = watch.until_the_end(&events, || mounted.unmount_unused());
    finish(end, mounted, worker, &events)
}

/// The place that was asked for.
fn place_given(at: &Path, arguments: &Mount, terminal: &mut Terminal) -> Result<Place, Failure> {
    if let Some(place) = Place::descriptor(at)? {
        return Ok(place);
    }
    let point = point::given(at, arguments.over, &mut |at| cleaned(at, terminal))?;
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
    let FromWorker::Sandboxed { level, missing } = events.word(worker, deadline)? else {
        return Err(out_of_turn());
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
) -> Result<Opened, Failure> {
    medium::prepare(files);
    files.iter().for_each(|file| worker.give(file));
    if let Some((kernel, numbers)) = touched::watch(files) {
        worker.tell(&ToWorker::Watch { numbers }, Some(kernel.as_fd()));
    }
    worker.tell(&ToWorker::open(medium::of(files)), None);
    let FromWorker::Opened(opened) = events.word(worker, deadline)? else {
        return Err(out_of_turn());
    };
    Ok(opened)
}

pub(super) fn out_of_turn() -> Failure {
    Failure::new(Exit::Other, "the process that reads the image spoke out of turn")
}

fn warn_if_truncated(arguments: &Mount, opened: &Opened, terminal: &mut Terminal) {
    if let Some(sizes) = opened.truncated {
        let what_now = "mounted anyway; use --strict to refuse";
        image::warn_truncated(&arguments.image.image, sizes, what_now, terminal);
    }
}

/// A mount that is being made.
struct Making<'a> {
    arguments: &'a Mount,
    place: Place,
    level: String,
    opened: Opened,
    files: Vec<File>,
    /// That of the files when they were opened.
    identity: Identity,
    joined: Joined,
}

impl Making<'_> {
    /// Has the kernel's own driver serve the disc, where that was asked for and can be; whether it
    /// does.
    fn leave_to_kernel(
        &self,
        worker: &mut Worker,
        events: &Events,
        deadline: Deadline,
        terminal: &mut Terminal,
    ) -> Result<bool, Failure> {
        if self.arguments.driver != DriverChoice::Erofs {
            return Ok(false);
        }
        let at = self.place.path();
        let objection = kernel::objection(self.arguments, &self.files, at.is_some());
        let outcome = match (at, self.files.first(), objection) {
            (Some(at), Some(file), None) => {
                let image = (file, &self.identity);
                kernel::mount(self.arguments, image, at, worker, events, deadline)?
            }
            (_, _, why) => Err(why.unwrap_or("there is no image").to_owned()),
        };
        if let Err(why) = &outcome {
            tracing::info!(%why, "not served by EROFS");
            terminal.warn(
                "the kernel's EROFS driver cannot serve this; FUSE does",
                std::slice::from_ref(why),
            );
        }
        Ok(outcome.is_ok())
    }

    /// Mounts, hands the descriptor to the worker, and waits until the root can be listed: what
    /// cannot be listed is not mounted.
    fn serve(
        &mut self,
        worker: &mut Worker,
        events: &Events,
        deadline: Deadline,
    ) -> Result<Attached, Failure> {
        let image = &self.arguments.image.image;
        let options = Attach {
            image: image.canonicalize().unwrap_or_else(|_| image.clone()),
            allow_other: self.arguments.show.allow_other,
            noexec: self.arguments.show.noexec,
        };
        let (device, mounted) = match &mut self.place {
            Place::Directory(point) => {
                let device = mount_fuse::attach(&point.path, &options)
                    .map_err(|error| not_mounted(self.arguments, &point.path, &error))?;
                (device, Attached::at(&point.path))
            }
            Place::Device { descriptor, .. } => {
                let device = descriptor.take().ok_or_else(out_of_turn)?;
                (device, Attached { device: None, is_over: false })
            }
        };
        worker.tell(&ToWorker::Serve, Some(device.as_fd()));
        // Only the worker has it now: when that ends, so do the waits of everybody who asks.
        drop(device);
        let FromWorker::Serving = events.word(worker, deadline)? else {
            return Err(out_of_turn());
        };
        if let Some(device) = mounted.device.as_ref().filter(|_| geteuid().is_root()) {
            mount_fuse::read_ahead(device);
        }
        if let Some(at) = self.place.path() {
            answers(at, deadline)?;
        }
        Ok(mounted)
    }

    /// Remembers the mount and tells that it can be used.
    fn announce(
        &self,
        worker: &Worker,
        driver: Driver,
        terminal: &mut Terminal,
    ) -> Result<Option<Kept>, Failure> {
        let kept = self.record(worker, driver).keep();
        let kept = kept.map_err(|error| tracing::warn!(%error, "the mount is not remembered")).ok();
        let shown = self.place.shown();
        let ready = Ready {
            schema: SCHEMA,
            path: Name::new(shown.as_os_str().as_bytes()),
            label: Name::new(&self.opened.label.bytes()),
            system: harmless(&self.opened.system),
            reason: harmless(&self.opened.reason),
            already_mounted: false,
            parts: self.joined.names.clone(),
        };
        tracing::info!(
            image = %logs::path(&self.arguments.image.image),
            at = %logs::path(&shown),
            system = %ready.system,
            sandbox = %self.level,
            "mounted"
        );
        // A mount pins no other folder, so that theirs can be unmounted.
        let _ = std::env::set_current_dir("/");
        if self.arguments.keep.ready_pipe {
            json::write_line(terminal.out(), &ready).map_err(|error| output_failed(&error))?;
            terminal.flush()?;
            detach();
        } else {
            tell(&ready, self.arguments.keep.telling, terminal)?;
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        }
        Ok(kept)
    }

    fn record(&self, worker: &Worker, driver: Driver) -> Record {
        let image = &self.arguments.image.image;
        let image = image.canonicalize().unwrap_or_else(|_| image.clone());
        let at = self.place.shown();
        Record {
            version: state::VERSION,
            driver,
            supervisor: Process::of(std::process::id()),
            worker: Process::of(worker.pid()),
            device: self.place.path().and_then(mounts::top_at).map(|entry| entry.device),
            at: Name::new(at.as_os_str().as_bytes()),
            image: Name::new(image.as_os_str().as_bytes()),
            identity: self.identity.clone(),
            parts: self.joined.names.clone(),
            asked: super::asked(self.arguments),
            label: Name::new(&self.opened.label.bytes()),
            system: harmless(&self.opened.system),
            bytes: self.opened.bytes,
            made_directory: self.place.is_made(),
            since: jiff::Timestamp::now().as_second(),
            sandbox: self.level.clone(),
            state: State::Serving,
        }
    }
}

/// A mount in the file tree, known by its device number: its folder may be moved. Nothing where
/// somebody else made it. Dropping it takes it away, even while it is in use.
struct Attached {
    device: Option<String>,
    /// Nobody serves it any more. The kernel may have given its number to another mount since.
    is_over: bool,
}

impl Attached {
    fn at(path: &Path) -> Self {
        Self { device: mounts::top_at(path).map(|entry| entry.device), is_over: false }
    }

    /// Where it is now, if it still is. Once it is over, what has its number is it only if dead.
    fn place(&self) -> Option<PathBuf> {
        let device = self.device.as_ref()?;
        let entry = mounts::list().ok()?.into_iter().find(|entry| entry.device == *device)?;
        let is_it = !self.is_over || health::of(&entry) == Health::Dead;
        is_it.then_some(entry.at)
    }

    /// Where it can be taken away: not another one that lies over it.
    fn reachable(&self) -> Option<PathBuf> {
        let at = self.place()?;
        mounts::top_at(&at).is_some_and(|top| Some(top.device) == self.device).then_some(at)
    }

    /// Takes it away if nobody uses it; whether it did.
    fn unmount_unused(&self) -> bool {
        self.reachable().is_some_and(|at| mount_fuse::unmount(&at, false).is_ok())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(at) = self.reachable()
            && let Err(error) = mount_fuse::unmount(&at, true)
        {
            tracing::error!(at = %logs::path(&at), %error, "the mount stays");
        }
    }
}

/// Makes sure that the root of a mount can be listed. By another thread: a worker that does not
/// answer must not hold this one.
fn answers(at: &Path, deadline: Deadline) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let path = at.to_path_buf();
    std::thread::spawn(move || sender.send(path.read_dir().map(drop)));
    match receiver.recv_timeout(deadline.left()) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let what = format!("the disc's root directory at {} cannot be read", quoted(at));
            Err(Failure::io(Exit::NotReady, what, &error))
        }
        Err(_) => Err(deadline.missed()),
    }
}

/// How the watch over a mount ended.
pub(super) enum End {
    /// The mount was taken away; or the connection broke for the reason.
    Ended(Option<String>),
    /// The worker broke down.
    WorkerGone,
    /// A signal asked for it.
    Signal(i32),
}

/// Takes away what is left, in its order, and says how it went.
fn finish(end: End, mut mounted: Attached, mut worker: Worker, events: &Events) -> Outcome {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    mounted.is_over = !matches!(end, End::Signal(_));
    let outcome = match end {
        End::Ended(None) if mounted.place().is_some() => {
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
            tracing::info!(signal, "told to end");
            // Whoever still uses the mount gets errors from here on.
            if mounted.unmount_unused() {
                mounted.is_over = true;
                wait_for_the_worker(events);
            }
            if signal == SIGINT { Err(Failure::told(Exit::Interrupted)) } else { Ok(()) }
        }
    };
    drop(mounted);
    drop(worker);
    outcome
}

/// Waits a moment for the worker to see that the mount is gone.
fn wait_for_the_worker(events: &Events) {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        match events.within(Duration::from_millis(100)) {
            Some(Event::Gone | Event::Said(FromWorker::Ended(_))) => return,
            Some(Event::Said(_) | Event::Signal(_)) | None => {}
        }
    }
}

/// Lets go of the terminal that the mount was started from.
fn detach() {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}
