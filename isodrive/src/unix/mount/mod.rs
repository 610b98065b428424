//! `isodrive mount`: starts the process that keeps the mount, and waits until it can be used.
//! Opens nothing itself; the processes that it starts do, and explain their own failures.
//!
//! Three processes: this one, which ends when the mount is ready; the supervisor, which mounts and
//! unmounts; the worker, which reads the image and answers the kernel from inside a sandbox.

mod child;
mod events;
mod kernel;
mod medium;
mod place;
pub(crate) mod point;
mod refusal;
mod supervisor;
mod touched;
mod user;
mod watch;
mod wire;
mod worker;

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use self::events::Deadline;
use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::logs::{self, Sink};
use crate::ready::{Ready, first_line, tell, with_flag};
use crate::terminal::Terminal;
use crate::unix::health::{self, Health};
use crate::unix::state::{Identity, Record};
use crate::unix::{mounts, options};

/// How much longer than the supervisor its caller waits: that one has more to say.
const GRACE: Duration = Duration::from_secs(3);

pub(crate) fn run(arguments: &Mount, verbose: u8, terminal: &mut Terminal) -> Outcome {
    let arguments = options::folded(arguments)?;
    let is_front = arguments.keep.foreground || arguments.keep.debug;
    let level = if arguments.keep.debug { verbose.max(2) } else { verbose.max(is_front.into()) };
    let sink = match (&arguments.keep.log_file, is_front) {
        _ if arguments.worker => Sink::Supervisor,
        (Some(file), _) => Sink::File(file),
        (None, true) => Sink::Terminal,
        (None, false) => Sink::Machine,
    };
    if arguments.worker {
        logs::start(level, sink, arguments.keep.redact)?;
        return worker::run(&arguments);
    }
    if is_front || arguments.keep.ready_pipe {
        logs::start(level, sink, arguments.keep.redact)?;
    }
    if arguments.keep.ready_pipe {
        return supervisor::run(&arguments, terminal);
    }
    if let Some(ready) = already_mounted(&arguments) {
        return tell(&ready, arguments.keep.telling, terminal);
    }
    if is_front {
        return supervisor::run(&arguments, terminal);
    }
    let ready = start_supervisor(&arguments)?;
    tell(&ready, arguments.keep.telling, terminal)
}

/// How the image is to be shown, as one text: the same image shown another way is another mount.
fn asked(arguments: &Mount) -> String {
    let image = &arguments.image;
    let which = (image.view, image.session, image.charset, image.image_offset);
    format!("{which:?} {:?} {:?}", arguments.show, arguments.driver)
}

/// The mount of this image that is there already, where and as it is wanted.
fn already_mounted(arguments: &Mount) -> Option<Ready> {
    let image = arguments.image.image.canonicalize().ok()?;
    let identity = Identity::at(&image)?;
    let wanted = arguments.at.as_ref().map(|at| at.canonicalize().unwrap_or(at.clone()));
    let asked = asked(arguments);
    let table = mounts::list().ok()?;
    let found = Record::all().into_iter().find(|record| {
        let at = record.at();
        // A supervisor that is being killed counts as alive until the kernel is done with it.
        let is_usable = |entry: &mounts::Entry| {
            record.is_of(entry) && entry.at == at && health::of(entry) != Health::Dead
        };
        record.identity.is_same(&identity)
            && record.asked == asked
            && record.is_served()
            && wanted.as_ref().is_none_or(|wanted| *wanted == at)
            && table.iter().any(is_usable)
    })?;
    Some(Ready { parts: found.parts, ..Ready::again(found.at, found.label, found.system) })
}

/// Runs this program again in the background and waits for its word.
fn start_supervisor(arguments: &Mount) -> Result<Ready, Failure> {
    let failed =
        |error| Failure::io(Exit::Other, "cannot start the process that keeps the mount", &error);
    let mut child = Command::new("/proc/self/exe")
        .arg0("isodrive")
        .args(with_flag(arguments.raw.iter().cloned(), "--ready-pipe"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let time = arguments.keep.ready_timeout.saturating_add(GRACE);
    match first_line(child.stdout.take(), time) {
        Some(line) => match serde_json::from_str(&line) {
            Ok(ready) => Ok(ready),
            Err(_) => Err(ended_early(&mut child)),
        },
        None => {
            stop(&mut child);
            Err(Deadline::after(arguments.keep.ready_timeout).missed())
        }
    }
}

/// The supervisor ended before it was ready, and has said why.
fn ended_early(child: &mut Child) -> Failure {
    let status = child.wait().ok().and_then(|status| status.code());
    match status.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0) {
        Some(code) => Failure::told(Exit::Child(code)),
        None => Failure::new(Exit::Other, "the process that keeps the mount ended without a word")
            .line("try", "isodrive mount --debug IMAGE WHERE"),
    }
}

/// Ends the supervisor, which takes its mount away; by force if it does not listen.
fn stop(child: &mut Child) {
    let pid = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    if ended_within(child, Duration::from_secs(2)).is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// How a child process ended, if it does so in this time.
fn ended_within(child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let since = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            _ if since.elapsed() > time => return None,
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
