//! `isodrive mount`: starts the process that keeps the mount, and waits until it can be used.
//! Opens nothing itself; the processes that it starts do, and explain their own failures.
//!
//! Four processes: this one, which ends when the mount is ready; the supervisor, which mounts and
//! unmounts; the worker, which reads the image and answers the kernel from inside a sandbox; the
//! guardian, which takes away what a killed supervisor leaves behind.

mod caller;
mod child;
mod events;
mod guardian;
mod kernel;
mod lock;
mod making;
pub(crate) mod medium;
mod mounted;
mod place;
pub(crate) mod point;
pub(crate) mod refusal;
mod supervisor;
pub(crate) mod terms;
mod touched;
mod watch;
mod wire;
mod worker;

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use self::events::Deadline;
use self::lock::ImageLock;
use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::json::Name;
use crate::logs::{self, Sink};
use crate::ready::{Ready, first_line, tell, with_flag};
use crate::terminal::Terminal;
use crate::unix::health::{self, Health};
use crate::unix::process::ended_within;
use crate::unix::state::{Identity, Record};
use crate::unix::{mounts, options};

/// How much longer than the supervisor its caller waits: that one has more to say.
const GRACE: Duration = Duration::from_secs(3);

pub(crate) fn run(arguments: &Mount, verbose: u8, terminal: &mut Terminal) -> Outcome {
    let arguments = options::folded(arguments)?;
    let is_front = arguments.keep.foreground || arguments.keep.debug;
    let level = if arguments.keep.debug { verbose.max(2) } else { verbose.max(is_front.into()) };
    let arguments = Mount { log_level: level, ..arguments };
    let sink = match (&arguments.keep.log_file, is_front) {
        _ if arguments.worker => Sink::Supervisor,
        (Some(file), _) => Sink::File(file),
        (None, true) => Sink::Terminal,
        (None, false) => Sink::Machine,
    };
    if arguments.worker || arguments.keep.ready_pipe {
        // Started by way of /proc/self/exe, they would all be called `exe`.
        let _ = rustix::thread::set_name(c"isodrive");
    }
    if arguments.worker {
        logs::start(level, sink, arguments.keep.redact)?;
        return worker::run(&arguments);
    }
    if is_front || arguments.keep.ready_pipe {
        logs::start(level, sink, arguments.keep.redact)?;
    }
    if arguments.keep.ready_pipe {
        return supervisor::run(&arguments, None, terminal);
    }
    let deadline = Deadline::after(arguments.keep.ready_timeout);
    let lock = ImageLock::take(&arguments.image.image, deadline)?;
    if let Some(ready) = already_mounted(&arguments)? {
        return tell(&ready, &arguments.image.image, arguments.keep.telling, terminal);
    }
    if is_front {
        return supervisor::run(&arguments, lock, terminal);
    }
    let (ready, caller) = start_supervisor(&arguments)?;
    tell(&ready, &arguments.image.image, arguments.keep.telling, terminal)?;
    take_over(caller);
    Ok(())
}

/// Tells the supervisor that its mount is known to the person who asked. From here on signals end
/// nothing: the mount is there, and this process is about to end well.
fn take_over(mut caller: ChildStdin) {
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        let _ = signal_hook::flag::register(signal, std::sync::Arc::default());
    }
    let _ = caller.write_all(b"!");
}

/// The mount of this image that is there already, where and as it is wanted.
///
/// # Errors
/// There is one that cannot be shared.
fn already_mounted(arguments: &Mount) -> Result<Option<Ready>, Failure> {
    let identify = || Identity::at(&arguments.image.image.canonicalize().ok()?);
    let Some(identity) = identify() else { return Ok(None) };
    let wanted = arguments.at.as_ref().map(|at| at.canonicalize().unwrap_or(at.clone()));
    let since = Instant::now();
    loop {
        let table = mounts::list().unwrap_or_default();
        let found = Record::all().into_iter().find_map(|record| {
            let is_meant = record.identity.is_same(&identity)
                && record.terms.show_the_same(arguments)
                && record.is_served();
            // A supervisor that is being killed counts as alive until the kernel is done with it.
            let is_usable = |entry: &&mounts::Entry| {
                record.is_of(entry)
                    && wanted.as_ref().is_none_or(|wanted| *wanted == entry.at)
                    && health::of(entry) != Health::Dead
            };
            let entry = table.iter().find(|entry| is_meant && is_usable(entry))?;
            let at = Name::of_path(&entry.at);
            Some(Record { at, ..record })
        });
        let Some(found) = found else { return Ok(None) };
        if found.is_confirmed {
            found.terms.check_shared(&found.at(), arguments)?;
            let ready = Ready::again(found.at, found.label, found.system);
            return Ok(Some(Ready { parts: found.parts, ..ready }));
        }
        // Its caller has just ended: well, and the supervisor is about to know; or not, and the
        // mount is about to go.
        if since.elapsed() > GRACE {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs this program again in the background and waits until its mount can be used. The mount stays
/// if a byte is written to what is returned, and goes if that is closed without.
fn start_supervisor(arguments: &Mount) -> Result<(Ready, ChildStdin), Failure> {
    let failed =
        |error| Failure::io(Exit::Other, "cannot start the process that keeps the mount", &error);
    // What a caller left open, such as the lock of a script, would stay open as long as the mount.
    // A descriptor that is named as the place is to be handed on.
    if !arguments.at.as_ref().is_some_and(|at| at.starts_with("/dev/fd")) {
        sandbox::keep_descriptors_from_children();
    }
    let mut child = Command::new("/proc/self/exe")
        .arg0("isodrive")
        .args(with_flag(arguments.raw.iter().cloned(), "--ready-pipe"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let caller = child.stdin.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
    let time = arguments.keep.ready_timeout.saturating_add(GRACE);
    match first_line(child.stdout.take(), time) {
        Some(line) => match serde_json::from_str(&line) {
            Ok(ready) => Ok((ready, caller)),
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
        Some(code) => Failure::reported(Exit::Child(code)),
        None => Failure::new(Exit::Other, "the supervisor exited without reporting an error")
            .advice("try", "the same command with --debug"),
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
