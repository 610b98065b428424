//! The worker: reads a stranger's image and serves it, in a sandbox, with nothing but the image and
//! the descriptor of the mount. Knows neither where that is mounted nor any other file.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use iso_core::serving::{Activity, SlowRequests};
use iso_core::source::{Events, Medium};
use iso_core::volume::{Case, Owner, Permissions, Presentation};
use iso_core::{Image, Limits, Shown};
use mount_erofs::Declined;
use mount_fuse::Serve;
use rustix::process::{Resource, getegid, geteuid, getrlimit};
use sandbox::{Plan, User};

use super::wire::{FromWorker, Line, Opened, Pulse, SLOW, ToWorker};
use super::{medium, touched};
use crate::choices::HiddenChoice;
use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::image;
use crate::json::Name;
use crate::report::{self, Found, MAX_FINDING};
use crate::strict;
use crate::unix::arguments::{CaseChoice, DEFAULT_MEMORY, PermissionsChoice, Show};
use crate::unix::confined::{Confined, Entered};

pub(crate) fn run(arguments: &Mount) -> Outcome {
    // The supervisor stays in its caller's process group until the mount stands. Signals that a
    // terminal sends to that group are not for this process.
    let _ = rustix::process::setsid();
    let line = io::stdin().as_fd().try_clone_to_owned().map(Line::on).map_err(lost)?;
    if let Err(failure) = work(arguments, &line) {
        line.send(&FromWorker::Failed(failure.into()), None).map_err(lost)?;
    }
    Ok(())
}

/// The supervisor cannot be reached: then nobody needs this process.
fn lost(error: io::Error) -> Failure {
    Failure::io(Exit::Other, "a worker is started by `mount` alone", &error)
}

fn work(arguments: &Mount, line: &Line) -> Outcome {
    let Some(ToWorker::Enter { uid, gid }) = next(line)?.map(|(message, _)| message) else {
        return Ok(());
    };
    let budget = Budget::of(arguments);
    let serve = Serve {
        presentation: presentation(&arguments.show),
        threads: Some(budget.threads),
        // Kept for a moment only, so that the kernel asks while somebody uses the mount.
        keep: arguments.keep.idle.map(|_| Duration::from_secs(1)),
    };
    let (entered, level, missing) = enter(arguments, User { uid, gid }, &budget);
    line.send(&FromWorker::Sandboxed { level, missing }, None).map_err(lost)?;

    let Some(Given { files, medium }) = parts(line)? else { return Ok(()) };
    let image = entered
        .image(files, medium, Some(medium::drop_behind))
        .map_err(|error| Failure::io(Exit::CannotRead, "cannot read the image", &error))?;
    let (image, shown) = open(arguments, image, &budget, line)?;
    line.send(&FromWorker::Opened(Box::new(opened(&image, &shown))), None).map_err(lost)?;
    loop {
        match next(line)? {
            Some((ToWorker::Translate { bytes }, Some(pipe))) => {
                let word = match translate(&shown, &serve, bytes, pipe) {
                    Ok(()) => FromWorker::Translated,
                    Err(why) => FromWorker::Declined(why.to_string()),
                };
                line.send(&word, None).map_err(lost)?;
            }
            Some((ToWorker::Serve, Some(device))) => {
                return serve_until_the_end(line, &shown, device, &serve);
            }
            Some(_) | None => return Ok(()),
        }
    }
}

/// Sends EROFS metadata down a pipe, which is closed at the end.
fn translate(shown: &Shown, serve: &Serve, bytes: u64, pipe: OwnedFd) -> Result<(), Declined> {
    let mut sender = mount_erofs::Sender::new(File::from(pipe));
    let summary = mount_erofs::translate(&*shown.volume, &serve.presentation, bytes, &mut sender)?;
    sender.finish()?;
    tracing::debug!(?summary, "translated");
    Ok(())
}

fn next(line: &Line) -> Result<Option<(ToWorker, Option<OwnedFd>)>, Failure> {
    line.receive().map_err(lost)
}

/// What the image lies in: its files, each with what tells what is done to it.
struct Given {
    files: Vec<(File, Option<Events>)>,
    medium: Medium,
}

/// The files of the image; nothing if the supervisor went away.
fn parts(line: &Line) -> Result<Option<Given>, Failure> {
    let (mut files, mut events) = (Vec::new(), Vec::new());
    let is_distant = loop {
        match next(line)? {
            Some((ToWorker::Part, Some(file))) => files.push(File::from(file)),
            Some((ToWorker::Watch { numbers }, Some(kernel))) => {
                events = touched::sources(kernel, &numbers);
            }
            Some((ToWorker::Open { is_distant }, _)) => break is_distant,
            Some(_) => {}
            None => return Ok(None),
        }
    };
    let mut events = events.into_iter();
    let files = files.into_iter().map(|file| (file, events.next())).collect();
    Ok(Some(Given { files, medium: if is_distant { Medium::Distant } else { Medium::Local } }))
}

/// Enters the sandbox, unless the person who mounts said not to.
fn enter(arguments: &Mount, user: User, budget: &Budget) -> (Entered, String, Vec<String>) {
    if arguments.no_sandbox {
        return (Entered::outside_as_asked(), "none, as asked".to_owned(), Vec::new());
    }
    let plan = Plan { drop_to: Some(user), memory_bytes: Some(budget.memory), ..Plan::default() };
    let (entered, level) = Entered::sandbox(&plan);
    let missing = level.essential_missing().map(str::to_owned).collect();
    (entered, level.summary(), missing)
}

fn open(
    arguments: &Mount,
    image: Confined,
    budget: &Budget,
    line: &Line,
) -> Result<(Image, Shown), Failure> {
    let (source, _) = image.into_parts();
    let image = image::open(&arguments.image, source, budget.limits())?;
    let shown = image::choose(&arguments.image, &image)?;
    if arguments.keep.strict {
        // Nobody waits for a word about how far it is.
        let mut tell = |names| drop(line.send(&FromWorker::Checked(names), None));
        strict::check(&arguments.image.image, (&image, &shown), &mut tell)?;
    }
    Ok((image, shown))
}

/// Objections to an image that are passed on.
const MAX_OBJECTIONS: usize = 20;

fn opened(image: &Image, shown: &Shown) -> Opened {
    let facts = shown.volume.facts();
    let default_view = image.choose(None).map(|shown| shown.view.name().to_owned());
    let objections = report::objections(image).into_iter().take(MAX_OBJECTIONS);
    Opened {
        view: shown.view.name().to_owned(),
        default_view: default_view.unwrap_or_default(),
        session: image.session().number,
        last_session: image.sessions().last().map_or(1, |session| session.number),
        objections: objections.map(|text| text.chars().take(MAX_FINDING).collect()).collect(),
        label: Name::new(&facts.label),
        system: facts.system.clone(),
        reason: shown.reason.clone(),
        bytes: image.disc().held_bytes(),
        findings: Found::of(image.disc().findings()),
        truncated: image.truncation().map(|(_, claimed)| (image.disc().held_bytes(), claimed)),
    }
}

/// Serves until the mount or the supervisor is gone.
fn serve_until_the_end(line: &Line, shown: &Shown, device: OwnedFd, serve: &Serve) -> Outcome {
    let served = mount_fuse::serve(shown.volume.clone(), device, serve).map_err(|error| {
        Failure::io(Exit::MountPoint, "the descriptor passed in is not a FUSE mount", &error)
    })?;
    line.send(&FromWorker::Serving, None).map_err(lost)?;
    let activity = served.activity();
    let sender = line.try_clone().map_err(lost)?;
    std::thread::spawn(move || {
        let why = served.wait().err().map(|error| error.to_string());
        let _ = sender.send(&FromWorker::Ended(why), None);
        std::process::exit(0);
    });
    let mut slow = SlowRequests::new(SLOW);
    while let Some((message, _)) = next(line)? {
        if matches!(message, ToWorker::Ping) {
            slow.look(&activity);
            line.send(&FromWorker::Pong(pulse(&activity, shown)), None).map_err(lost)?;
        }
    }
    // Without its supervisor nobody would take the mount away.
    std::process::exit(0);
}

fn pulse(activity: &Activity, shown: &Shown) -> Pulse {
    // A mount that nobody reads has noticed nothing yet.
    let _ = shown.volume.disc().confirm(None);
    Pulse {
        answered: activity.answered(),
        oldest: activity.oldest().map(|(what, age)| (what.to_owned(), age.as_secs())),
        is_changed: shown.volume.disc().is_changed(),
        findings: shown.volume.disc().findings().count(),
    }
}

fn presentation(show: &Show) -> Presentation {
    Presentation {
        permissions: match show.permissions {
            Some(PermissionsChoice::Image) => Permissions::Image,
            Some(PermissionsChoice::Safe) | None => Permissions::Safe,
        },
        owner: Owner { uid: geteuid().as_raw(), gid: getegid().as_raw() },
        uid: show.uid,
        gid: show.gid,
        file_mode: show.fmode,
        directory_mode: show.dmode,
        case: match show.case {
            Some(CaseChoice::Sensitive) => Case::Sensitive,
            Some(CaseChoice::Insensitive) => Case::Insensitive,
            Some(CaseChoice::Auto) | None => Case::Auto,
        },
        hidden: HiddenChoice::rule(show.hidden),
    }
}

/// Bytes kept of what was read of a disc where nothing else is asked for: with them a walk over a
/// million files takes no longer than with more.
const CACHE_BYTES: u64 = 48 << 20;

/// Memory that this process may take, and how it is shared out.
struct Budget {
    /// Bytes in all.
    memory: u64,
    /// Bytes for what was read of the disc.
    cache: u64,
    threads: usize,
}

impl Budget {
    /// What was asked for, cut down to what this process may have.
    fn of(arguments: &Mount) -> Self {
        let bound = [getrlimit(Resource::As).current, control_group_bytes()];
        // A quarter stays free for the program itself, its stacks and maps.
        let share = |bytes: u64| (bytes / 4).saturating_mul(3);
        let memory = bound
            .into_iter()
            .flatten()
            .map(share)
            .fold(arguments.memory_limit.unwrap_or(DEFAULT_MEMORY), u64::min);
        let most = memory / 4;
        let cache = arguments.cache.unwrap_or(most.min(CACHE_BYTES)).min(most);
        if arguments.cache.is_some_and(|asked| asked > cache) {
            tracing::warn!(bytes = cache, "the cache is smaller than asked: memory is limited");
        }
        // Each thread has a buffer of 16 MiB for requests.
        let affordable = usize::try_from(memory / (64 << 20)).unwrap_or(1).max(1);
        let asked = arguments.keep.threads.map_or_else(mount_fuse::default_threads, usize::from);
        let threads = asked.min(affordable);
        Self { memory, cache, threads }
    }

    fn limits(&self) -> Limits {
        let caching = Limits::caching(self.cache);
        Limits {
            // Parsed, a directory takes up to three times its size, and its names once more.
            directory_bytes: caching.directory_bytes.min(self.memory / 8),
            directory_name_bytes: caching.directory_name_bytes.min(self.memory / 12),
            ..caching
        }
    }
}

/// The memory limit of the control group that this process is in, if it has one.
fn control_group_bytes() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limit = std::fs::read_to_string(format!("/sys/fs/cgroup/{group}/memory.max")).ok()?;
    limit.trim().parse().ok()
}
