//! A mount that is being made, from an opened image to the sentence that it can be used. Mounts,
//! writes the record and keeps the guardian's list true.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use mount_fuse::{Attach, Directory};
use rustix::process::geteuid;

use super::child::{Worker, unexpected};
use super::events::{Deadline, Events};
use super::guardian::{Guardian, remove_late_mount};
use super::kernel;
use super::mounted::Attached;
use super::place::Place;
use super::refusal::not_mounted;
use super::terms::Terms;
use super::wire::{FromWorker, Opened, ToWorker};
use super::{Ready, tell};
use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::json::{self, Name, SCHEMA};
use crate::logs;
use crate::parts::Joined;
use crate::report::Found;
use crate::terminal::{Terminal, harmless, output_failed, quoted};
use crate::unix::arguments::DriverChoice;
use crate::unix::process::{self, Process};
use crate::unix::state::{self, Driver, Identity, Kept, Notice, Record, State};

/// A mount that is being made.
pub(super) struct Making<'a> {
    pub(super) arguments: &'a Mount,
    pub(super) place: Place,
    pub(super) level: String,
    pub(super) opened: Opened,
    pub(super) files: Vec<File>,
    /// That of the files when they were opened.
    pub(super) identity: Identity,
    pub(super) joined: Joined,
    pub(super) guardian: &'a Guardian,
}

impl Making<'_> {
    /// Has the kernel's own driver serve the disc, where that was asked for and can be; nothing
    /// where it cannot.
    pub(super) fn leave_to_kernel(
        &self,
        worker: &mut Worker,
        events: &Events,
        deadline: Deadline,
        terminal: &mut Terminal,
    ) -> Result<Option<Attached>, Failure> {
        if self.arguments.driver != DriverChoice::Erofs {
            return Ok(None);
        }
        let point = self.place.point();
        let objection = kernel::objection(self.arguments, &self.files, point.is_some());
        let outcome = match (point, self.files.first(), objection) {
            (Some(point), Some(file), None) => {
                self.expect_mount(point.path());
                kernel::mount(
                    self.arguments,
                    (file, &self.identity),
                    point,
                    worker,
                    events,
                    deadline,
                )?
                .map(|()| self.stands(point.mounted()))
            }
            (_, _, why) => Err(why.unwrap_or("there is no image").to_owned()),
        };
        if let Err(why) = &outcome {
            tracing::info!(%why, "not served by EROFS");
            terminal.warn("using FUSE instead of EROFS", std::slice::from_ref(why));
        }
        Ok(outcome.ok())
    }

    /// Mounts, hands the descriptor to the worker, and waits until the root can be listed: what
    /// cannot be listed is not mounted.
    pub(super) fn serve(
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
        if let Some(point) = self.place.point() {
            self.expect_mount(point.path());
        }
        let (device, mounted, folder) = match &mut self.place {
            Place::Directory(point) => {
                let attached = mount_fuse::attach(point.directory()?, &options);
                let device = attached.map_err(|error| {
                    // A helper that was killed may have mounted before.
                    remove_late_mount(point.path(), Duration::ZERO);
                    not_mounted(self.arguments, point.path(), &error)
                })?;
                let mounted = point.mounted();
                (device, mounted, point.release())
            }
            Place::Device { descriptor, .. } => {
                let device = descriptor.take().ok_or_else(unexpected)?;
                (device, Attached::elsewhere(), None)
            }
        };
        let mounted = self.stands(mounted);
        worker.tell(&ToWorker::Serve, Some(device.as_fd()));
        // Only the worker has it now: when that ends, so do the waits of everybody who asks.
        drop(device);
        let FromWorker::Serving = worker.word(events, deadline)? else {
            return Err(unexpected());
        };
        if let Some(device) = mounted.known().device.as_ref().filter(|_| geteuid().is_root()) {
            mount_fuse::read_ahead(device);
        }
        if let (Some(point), Some(folder)) = (self.place.point(), folder) {
            answers(folder, point.path(), deadline)?;
        }
        self.place.follow(&mounted);
        Ok(mounted)
    }

    /// Has the guardian look for a mount there.
    fn expect_mount(&self, at: &Path) {
        self.guardian.note(|left| left.mounting = Some(Name::of_path(at)));
    }

    /// Has the guardian know the mount.
    fn stands(&self, mounted: Attached) -> Attached {
        self.guardian.note(|left| left.mounted = Some(mounted.known().clone()));
        mounted
    }

    /// Remembers the mount and says that it can be used.
    pub(super) fn announce(
        &self,
        worker: &Worker,
        mounted: &Attached,
        driver: Driver,
        terminal: &mut Terminal,
    ) -> Result<Option<Kept>, Failure> {
        let (kept, notice) = self.record(worker, mounted, driver).keep();
        if let Some(Notice { message, lines }) = notice {
            tracing::warn!("the record of this mount is not where it belongs");
            terminal.warn(&message, &lines);
        }
        let shown = self.place.shown();
        let ready = Ready {
            schema: SCHEMA,
            path: Name::of_path(&shown),
            label: Name::new(&self.opened.label.bytes()),
            system: harmless(&self.opened.system),
            reason: harmless(&self.opened.reason),
            already_mounted: false,
            view: harmless(&self.opened.view),
            findings: Found {
                count: self.opened.findings.count,
                first: self.opened.findings.first.as_deref().map(harmless),
            },
            parts: self.joined.names.clone(),
        };
        tracing::info!(
            image = %logs::path(&self.arguments.image.image),
            at = %logs::path(&shown),
            system = %ready.system,
            sandbox = %self.level,
            "mounted"
        );
        // The current directory would keep its mount busy.
        let _ = std::env::set_current_dir("/");
        if self.arguments.keep.ready_pipe {
            // Only now: autofs lets the process group of its mount helper through and has all
            // others wait until the mount stands.
            let _ = rustix::process::setsid();
            json::write_line(terminal.out(), &ready).map_err(|error| output_failed(&error))?;
            terminal.flush()?;
            process::leave_terminal();
        } else {
            tell(&ready, &self.arguments.image.image, self.arguments.keep.telling, terminal)?;
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        }
        Ok(kept)
    }

    fn record(&self, worker: &Worker, mounted: &Attached, driver: Driver) -> Record {
        let image = &self.arguments.image.image;
        let image = image.canonicalize().unwrap_or_else(|_| image.clone());
        Record {
            version: state::VERSION,
            driver,
            supervisor: Process::of(std::process::id()),
            worker: Process::of(worker.pid()),
            device: mounted.known().device.clone(),
            at: Name::of_path(&self.place.shown()),
            image: Name::of_path(&image),
            identity: self.identity.clone(),
            parts: self.joined.names.clone(),
            terms: Terms::of(self.arguments, &self.opened),
            // A mount in the foreground has no caller to take it over.
            is_confirmed: !self.arguments.keep.ready_pipe,
            label: Name::new(&self.opened.label.bytes()),
            system: harmless(&self.opened.system),
            bytes: self.opened.bytes,
            findings: self.opened.findings.count,
            made_directory: self.place.point().and_then(|point| point.made()),
            since: jiff::Timestamp::now().as_second(),
            sandbox: self.level.clone(),
            state: State::Serving,
        }
    }
}

/// Makes sure that the root of a mount can be listed, from the folder that it was made in: the path
/// may lead elsewhere by now. By another thread: a worker that does not answer must not hold this
/// one.
fn answers(folder: Directory, at: &Path, deadline: Deadline) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let path = folder.handle().join(at.file_name().unwrap_or_default());
    std::thread::spawn(move || {
        let listed = path.read_dir().map(drop);
        drop(folder);
        sender.send(listed)
    });
    match receiver.recv_timeout(deadline.left()) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let what = format!("the disc's root directory at {} cannot be read", quoted(at));
            let is_gone = error.kind() == std::io::ErrorKind::NotFound;
            let exit = if is_gone { Exit::MountPoint } else { Exit::NotReady };
            Err(Failure::io(exit, what, &error))
        }
        Err(_) => Err(deadline.missed()),
    }
}
