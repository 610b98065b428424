//! `isodrive mount`: starts the process that serves the mount and waits until it can be used.
//! Opens nothing itself; the serving process does, and explains its own failures.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::json::{self, Name, SCHEMA};
use crate::terminal::{Terminal, output_failed, quoted, shown};
use crate::{mounts, options, serve};

/// What is told of a mount that can be used.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) schema: u32,
    pub(crate) path: Name,
    pub(crate) label: Name,
    pub(crate) system: String,
    pub(crate) reason: String,
    pub(crate) already_mounted: bool,
}

pub(crate) fn run(arguments: &Mount, terminal: &mut Terminal) -> Outcome {
    let arguments = options::folded(arguments)?;
    if arguments.ready_pipe {
        return serve::run(&arguments, terminal);
    }
    if let Some(ready) = already_mounted(&arguments) {
        return tell(&ready, &arguments, terminal);
    }
    if arguments.foreground || arguments.debug {
        return serve::run(&arguments, terminal);
    }
    let ready = start_server(&arguments)?;
    tell(&ready, &arguments, terminal)
}

/// The mount of this image that is there already, where it is wanted.
fn already_mounted(arguments: &Mount) -> Option<Ready> {
    let image = arguments.image.image.canonicalize().ok()?;
    let wanted = arguments.at.as_ref().map(|at| at.canonicalize().unwrap_or(at.clone()));
    let mounts = mounts::list().ok()?;
    let found = mounts.into_iter().find(|entry| {
        let is_wanted = wanted.as_ref().is_none_or(|at| *at == entry.at);
        entry.shows(&image) && is_wanted && entry.at.read_dir().is_ok()
    })?;
    Some(Ready {
        schema: SCHEMA,
        path: Name::new(found.at.as_os_str().as_bytes()),
        label: Name::new(found.at.file_name().unwrap_or_default().as_bytes()),
        system: "mounted before".to_owned(),
        reason: "the image is mounted already".to_owned(),
        already_mounted: true,
    })
}

/// Runs this program again in the background and waits for its word.
fn start_server(arguments: &Mount) -> Result<Ready, Failure> {
    let failed = |error| Failure::io(Exit::Other, "cannot start the serving process", &error);
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .args(server_arguments(std::env::args_os().skip(1)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (sender, receiver) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(out).read_line(&mut line);
            let _ = sender.send(read.map(|_| line).unwrap_or_default());
        });
    }
    match receiver.recv_timeout(arguments.ready_timeout) {
        Ok(line) => match serde_json::from_str(&line) {
            Ok(ready) => Ok(ready),
            Err(_) => Err(ended_early(&mut child)),
        },
        Err(_) => {
            stop(&mut child);
            let message = format!("the mount was not ready in {:?}", arguments.ready_timeout);
            Err(Failure::new(Exit::NotReady, message).line("try", "--ready-timeout 60s"))
        }
    }
}

/// The arguments of this program with `--ready-pipe` behind the name of the command.
fn server_arguments(own: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = own.collect();
    let is_command = |argument: &OsString| !argument.as_bytes().starts_with(b"-");
    let command = arguments.iter().position(is_command).map_or(0, |at| at.saturating_add(1));
    arguments.insert(command.min(arguments.len()), OsString::from("--ready-pipe"));
    arguments
}

/// The server ended before it was ready, and has said why.
fn ended_early(child: &mut Child) -> Failure {
    let status = child.wait().ok().and_then(|status| status.code());
    match status.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0) {
        Some(code) => Failure::told(Exit::Child(code)),
        None => Failure::new(Exit::Other, "the serving process ended without a word")
            .line("try", "isodrive mount --debug IMAGE WHERE"),
    }
}

/// Ends the server, which takes its mount away; by force if it does not listen.
fn stop(child: &mut Child) {
    let pid = rustix::process::Pid::from_child(child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let deadline = Instant::now().checked_add(Duration::from_secs(2));
    while deadline.is_some_and(|deadline| Instant::now() < deadline) {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Tells people, scripts or programs that the mount can be used.
pub(crate) fn tell(ready: &Ready, arguments: &Mount, terminal: &mut Terminal) -> Outcome {
    let path = PathBuf::from(OsStr::from_bytes(&ready.path.bytes()));
    let out = terminal.out();
    let written = if arguments.print_path {
        out.write_all(path.as_os_str().as_bytes()).and_then(|()| writeln!(out))
    } else if arguments.json {
        json::write_line(out, ready)
    } else {
        tell_people(ready, &path, out)
    };
    written.map_err(|error| output_failed(&error))?;
    terminal.flush()
}

fn tell_people(ready: &Ready, path: &Path, out: &mut impl Write) -> std::io::Result<()> {
    let first = if ready.already_mounted { "Mounted before  " } else { "Mounted  " };
    let label = ready.label.text();
    let name = if label.is_empty() { "a disc without a label".to_owned() } else { label };
    let system = if ready.already_mounted { String::new() } else { format!(", {}", ready.system) };
    writeln!(out, "{first}{name}{system}")?;
    writeln!(out, "at       {}", shown(path.as_os_str().as_bytes()))?;
    let handle = path.file_name().map(Path::new).unwrap_or(path);
    let plain = handle.to_str().filter(|text| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    });
    let handle = plain.map_or_else(|| quoted(path), str::to_owned);
    writeln!(out, "eject with:  isodrive eject {handle}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_gets_its_flag_before_anything_that_could_be_a_path() {
        for (own, want) in [
            (&["mount", "x.iso"][..], &["mount", "--ready-pipe", "x.iso"][..]),
            (&["-v", "mount", "--", "-x"], &["-v", "mount", "--ready-pipe", "--", "-x"]),
        ] {
            let got = server_arguments(own.iter().map(OsString::from));
            assert_eq!(got, want.iter().map(OsString::from).collect::<Vec<_>>());
        }
    }
}
