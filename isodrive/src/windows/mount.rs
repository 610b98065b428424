//! `isodrive mount`: starts the process that serves the drive, and waits until it can be used.
//! Opens nothing itself; the process that it starts does, and explains its own failures.

use std::io::{Read, Write};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::choices::ViewChoice;
use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::logs::{self, Sink};
use crate::ready::{Ready, first_line, tell, with_flag};
use crate::terminal::Terminal;

use super::state::{Identity, Record, sweep};
use super::{native, place, refusal, server};

/// `DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP`: no console of its own or of ours, and not ended
/// by what ends us.
const IN_THE_BACKGROUND: u32 = 0x8 | 0x200;

/// How much longer than the server its caller waits: that one has more to say.
const GRACE: Duration = Duration::from_secs(3);

pub(crate) fn run(arguments: &Mount, verbose: u8, terminal: &mut Terminal) -> Outcome {
    // Nothing where it was served in the foreground and is gone again.
    let Some(ready) = mounted(arguments, verbose, terminal)? else { return Ok(()) };
    tell(&ready, &arguments.image.image, arguments.keep.telling, terminal)?;
    let at = ready.path.text();
    if !arguments.keep.telling.quiet
        && !ready.already_mounted
        && !arguments.native
        && let Some(note) = server::note_of_elevation(&at, arguments)
    {
        terminal.note(&note);
    }
    Ok(())
}

/// Mounts and returns the report; nothing if this process itself served to the end.
pub(super) fn mounted(
    arguments: &Mount,
    verbose: u8,
    terminal: &mut Terminal,
) -> Result<Option<Ready>, Failure> {
    let mut arguments = arguments.clone();
    if arguments.keep.all_views {
        arguments.image.view = ViewChoice::All;
    }
    let is_front = arguments.keep.foreground || arguments.keep.debug;
    let level = if arguments.keep.debug { verbose.max(2) } else { verbose.max(is_front.into()) };
    let sink = match (&arguments.keep.log_file, is_front) {
        (Some(file), _) => Sink::File(file),
        (None, true) => Sink::Terminal,
        (None, false) => Sink::Machine,
    };
    if is_front || arguments.keep.ready_pipe {
        logs::start(level, sink, arguments.keep.redact)?;
    }
    if arguments.native {
        return native::mount(&arguments).map(Some);
    }
    mount_winfsp::load().map_err(|error| refusal::not_loaded(&error))?;
    if arguments.keep.ready_pipe {
        return server::run(&arguments, terminal).map(|()| None);
    }
    for place in sweep() {
        tracing::info!(place, "cleaned up after a server that was killed");
    }
    if let Some(ready) = already_mounted(&arguments) {
        return Ok(Some(ready));
    }
    if is_front {
        return server::run(&arguments, terminal).map(|()| None);
    }
    start_server(&arguments).map(Some)
}

/// The drive of this image that is there already, where and as it is wanted.
fn already_mounted(arguments: &Mount) -> Option<Ready> {
    let identity = Identity::at(&arguments.image.image)?;
    let image = super::text(&super::one_path(&arguments.image.image));
    let asked = arguments.asked();
    let wanted = arguments.at.to_str().and_then(place::letter);
    let is_anywhere = arguments.at == "*";
    let found = Record::alive().into_iter().find(|record| {
        let is_there = wanted.is_some() && place::letter(&record.at.text()) == wanted;
        record.image.bytes() == image.bytes()
            && record.identity == identity
            && record.asked == asked
            && (is_anywhere || is_there)
    })?;
    Some(Ready::again(found.at, found.label, found.system))
}

/// Runs this program again in the background and waits for its word.
fn start_server(arguments: &Mount) -> Result<Ready, Failure> {
    let failed =
        |error| Failure::io(Exit::Other, "cannot start the process that serves the drive", &error);
    let program = std::env::current_exe().map_err(failed)?;
    // Or who waits for the end of our output would wait for that of the server.
    mount_winfsp::system::keep_output_from_children();
    let mut child = Command::new(program)
        .args(with_flag(arguments.raw.iter().cloned(), "--ready-pipe"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .creation_flags(IN_THE_BACKGROUND)
        .spawn()
        .map_err(failed)?;
    let time = arguments.keep.ready_timeout.saturating_add(GRACE);
    match first_line(child.stdout.take(), time) {
        Some(line) => match serde_json::from_str(&line) {
            Ok(ready) => {
                pass_on_what_was_said(&mut child);
                Ok(ready)
            }
            Err(_) => Err(ended_early(&mut child)),
        },
        None => {
            // The drive, if there is one, goes with the process.
            let _ = child.kill();
            let _ = child.wait();
            let message = format!("the drive was not ready in {:?}", arguments.keep.ready_timeout);
            Err(Failure::new(Exit::NotReady, message).advice("try", "--ready-timeout 60s"))
        }
    }
}

/// Warnings of the server, which were written before it said that it was ready. It goes on living
/// with the other end of the pipe, so that only what has come already is read.
fn pass_on_what_was_said(child: &mut Child) {
    let Some(mut said) = child.stderr.take() else { return };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        if let Ok(count @ 1..) = said.read(&mut bytes) {
            let _ = sender.send(bytes.get(..count).unwrap_or_default().to_vec());
        }
    });
    if let Ok(bytes) = receiver.recv_timeout(Duration::from_millis(20)) {
        let _ = std::io::stderr().write_all(&bytes);
    }
}

/// The server ended before it was ready, and has said why.
fn ended_early(child: &mut Child) -> Failure {
    let mut said = Vec::new();
    if let Some(mut from) = child.stderr.take() {
        let _ = from.read_to_end(&mut said);
    }
    let _ = std::io::stderr().write_all(&said);
    let status = child.wait().ok().and_then(|status| status.code());
    match status.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0) {
        Some(code) if !said.is_empty() => Failure::reported(Exit::Child(code)),
        _ => Failure::new(Exit::Other, "the process that serves the drive ended without a word")
            .advice("try", "the same command with --debug"),
    }
}
