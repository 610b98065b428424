//! The process that serves a mount: opens the image, mounts, tells that it is ready, and stays
//! until it is ejected or told to end. Leaves nothing behind.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use iso_core::Shown;
use iso_core::volume::{Case, Hidden, Owner, Permissions, Presentation};
use mount_fuse::{Mounted, Options};
use rustix::process::{getegid, geteuid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::{CaseChoice, HiddenChoice, Mount, PermissionsChoice, Show};
use crate::exit::{Exit, Failure, Outcome, bare};
use crate::json::{self, Name, SCHEMA};
use crate::mount::{Ready, tell};
use crate::mount_point::{self, MountPoint};
use crate::state::{Kept, Record};
use crate::terminal::{Terminal, output_failed, quoted};
use crate::{image, mounts};

/// What a served mount waits for.
enum Event {
    /// It was taken away.
    Ended(std::io::Result<()>),
    /// This process shall end.
    Signal(i32),
}

pub(crate) fn run(arguments: &Mount, terminal: &mut Terminal) -> Outcome {
    if arguments.ready_pipe {
        // The terminal's signals are for the process that started this one.
        let _ = rustix::process::setsid();
    }
    let (image, shown) = image::open_shown(&arguments.image)?;
    if arguments.strict {
        image::check_strict(&arguments.image.image, &image)?;
    }
    let what_now = "mounted anyway; use --strict to refuse";
    image::warn_if_truncated(&arguments.image.image, &image, what_now, terminal);
    // Before anything is made that a signal could leave behind.
    let events = Events::listen()?;
    let point = match &arguments.at {
        Some(at) => mount_point::given(at, arguments.over)?,
        None => mount_point::for_label(&shown.volume.facts().label, &arguments.image.image)?,
    };
    let mounted = mount(arguments, &shown, &point)?;
    events.watch(mounted);
    let outcome = announce(arguments, &shown, &point, terminal);
    let Ok(_kept) = outcome else {
        let _ = mount_fuse::unmount(&point.path, true);
        return outcome.map(drop);
    };
    wait(&events.receiver, &point)
}

/// Mounts, and asks for the root: what cannot be listed is not mounted.
fn mount(arguments: &Mount, shown: &Shown, point: &MountPoint) -> Result<Mounted, Failure> {
    let image = &arguments.image.image;
    let options = Options {
        image: image.canonicalize().unwrap_or_else(|_| image.clone()),
        presentation: presentation(&arguments.show),
        allow_other: arguments.show.allow_other,
        noexec: arguments.show.noexec,
        threads: arguments.threads.map(usize::from),
    };
    mount_fuse::mount(shown.volume.clone(), &point.path, &options)
        .map_err(|error| not_mounted(arguments, &point.path, &error))
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
        hidden: match show.hidden {
            Some(HiddenChoice::Hide) => Hidden::Hide,
            Some(HiddenChoice::Show) | None => Hidden::Show,
        },
    }
}

/// Makes sure that the mount answers, remembers it for `eject`, and tells.
fn announce(
    arguments: &Mount,
    shown: &Shown,
    point: &MountPoint,
    terminal: &mut Terminal,
) -> Result<Option<Kept>, Failure> {
    point.path.read_dir().map_err(|error| {
        Failure::io(Exit::NotReady, format!("{} does not answer", quoted(&point.path)), &error)
    })?;
    let entry = mounts::list().unwrap_or_default().into_iter().rfind(|e| e.at == point.path);
    let kept = entry.and_then(|entry| {
        let kept = Record::keep(&entry.device, point.made);
        kept.map_err(|error| tracing::warn!(%error, "the mount is not remembered")).ok()
    });
    let facts = shown.volume.facts();
    let ready = Ready {
        schema: SCHEMA,
        path: Name::new(point.path.as_os_str().as_bytes()),
        label: Name::new(&facts.label),
        system: facts.system.clone(),
        reason: shown.reason.clone(),
        already_mounted: false,
    };
    // A mount pins no other folder, so that theirs can be unmounted.
    let _ = std::env::set_current_dir("/");
    if !arguments.ready_pipe {
        tell(&ready, arguments, terminal)?;
        return Ok(kept);
    }
    json::write_line(terminal.out(), &ready).map_err(|error| output_failed(&error))?;
    terminal.flush()?;
    detach();
    Ok(kept)
}

/// Lets go of the terminal that the mount was started from.
fn detach() {
    if let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

/// The two things that end a mount, in one line.
struct Events {
    sender: mpsc::Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// Listens for signals that ask for an end.
    fn listen() -> Result<Self, Failure> {
        let (sender, receiver) = mpsc::channel();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
            .map_err(|error| Failure::io(Exit::Other, "cannot listen for signals", &error))?;
        let told = sender.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let _ = told.send(Event::Signal(signal));
            }
        });
        Ok(Self { sender, receiver })
    }

    /// Watches for the end of a mount.
    fn watch(&self, mounted: Mounted) {
        let told = self.sender.clone();
        std::thread::spawn(move || told.send(Event::Ended(mounted.wait())));
    }
}

/// Stays until the mount is taken away, or takes it away when told to end.
fn wait(events: &Receiver<Event>, point: &MountPoint) -> Outcome {
    let signal = match events.recv() {
        Ok(Event::Ended(result)) => {
            return result
                .map_err(|error| Failure::io(Exit::Other, "the connection to FUSE broke", &error));
        }
        Ok(Event::Signal(signal)) => signal,
        Err(_) => return Ok(()),
    };
    tracing::info!(signal, "ending");
    // Whoever still uses the mount gets errors from here on: this process was told to end.
    if mount_fuse::unmount(&point.path, false).is_err() {
        let _ = mount_fuse::unmount(&point.path, true);
    }
    let _ = events.recv_timeout(Duration::from_secs(1));
    if signal == SIGINT { Err(Failure::told(Exit::Interrupted)) } else { Ok(()) }
}

/// Why the kernel or its helper refused, and what to do.
fn not_mounted(arguments: &Mount, at: &Path, error: &std::io::Error) -> Failure {
    let refused = |message: &str| Failure::new(Exit::NoFuse, message);
    let else_line = "isodrive ls, cat, extract and info work without it";
    let said = bare(error);
    let device = std::fs::File::options().read(true).write(true).open("/dev/fuse");
    match device.map_err(|error| error.kind()) {
        Err(std::io::ErrorKind::NotFound) => {
            return refused("FUSE is not available here: there is no /dev/fuse")
                .line("try", "modprobe fuse; in a container, pass the device /dev/fuse in")
                .line("else", else_line);
        }
        Err(std::io::ErrorKind::PermissionDenied) => {
            return refused("FUSE is not available to you: you may not open /dev/fuse")
                .line("fix", "sudo chmod 666 /dev/fuse     (which is how most systems have it)")
                .line("else", else_line);
        }
        Ok(_) | Err(_) => {}
    }
    if said.contains("user_allow_other") {
        return refused("other users may not see FUSE mounts here").line(
            "fix",
            "sudo sh -c 'echo user_allow_other >> /etc/fuse.conf'     then try again",
        );
    }
    if error.kind() == std::io::ErrorKind::NotFound {
        return refused("fusermount3 is not installed")
            .line("fix", "sudo apt install fuse3     (or your system's package of that name)")
            .line("else", else_line);
    }
    let failure = refused(&format!("cannot mount at {}: {}", quoted(at), said.trim()));
    match arguments.at {
        Some(_) => failure.line("try", "isodrive mount IMAGE     (uses ~/isodrive/LABEL)"),
        None => failure,
    }
}
