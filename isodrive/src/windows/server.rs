//! The process that serves a drive: opens the image, makes the drive, and waits until it shall
//! end. By an event that `eject` sets, by Ctrl-C and its kin, by idleness, or by WinFsp.

use std::sync::Arc;
use std::time::{Duration, Instant};

use iso_core::serving::{Activity, SlowRequests};
use iso_core::{Limits, Shown};
use mount_winfsp::system::{Event, is_elevated, is_interrupted, listen_to_console};
use mount_winfsp::{Drive, Mounting, Place};
use windows_view::{Choices, Tree, VolumeLook};

use crate::choices::HiddenChoice;
use crate::cli::Mount;
use crate::exit::{Exit, Failure, Outcome};
use crate::image;
use crate::json::{self, Name, SCHEMA};
use crate::logs;
use crate::ready::{Ready, tell};
use crate::report::Found;
use crate::strict;
use crate::terminal::{Terminal, output_failed};

use super::place::letter;
use super::state::{Facts, Record};
use super::{explorer, one_path, place, refusal, zone};

/// How often the server looks whether it shall end.
const BEAT: Duration = Duration::from_millis(250);

/// How long a request may take before a line is logged.
const SLOW: Duration = Duration::from_secs(10);

/// What the names of events that end servers begin with.
const STOP: &str = "isodrive-stop";

/// Serves the image until the end. WinFsp has been loaded.
pub(super) fn run(arguments: &Mount, terminal: &mut Terminal) -> Outcome {
    let stop = Stop::listen()?;
    let place = place::meant(&arguments.at)?;
    let limits = arguments.cache.map_or_else(Limits::default, Limits::caching);
    let (image, shown, joined) = image::open_joined_within(&arguments.image, limits)?;
    if arguments.keep.strict {
        strict::check(&arguments.image.image, (&image, &shown), &mut |_| {})?;
    }
    let activity = Arc::new(Activity::default());
    let drive = make_drive(arguments, &shown, place, activity.clone())?;
    let at = drive.at().to_string_lossy().into_owned();
    if is_interrupted() {
        take_away(drive, &at);
        return Err(Failure::reported(Exit::Interrupted));
    }
    let facts = shown.volume.facts();
    let record = Record::new(Facts {
        stop: stop.event.name().to_owned(),
        at: Name::new(at.as_bytes()),
        image: one_path(&arguments.image.image),
        asked: arguments.asked(),
        label: Name::new(&facts.label),
        system: facts.system.clone(),
        bytes: image.disc().held_bytes(),
    });
    // Without the record the drive works; only `list` and `eject` do not know of it.
    let kept = record.keep();
    if let Err(error) = &kept {
        tracing::warn!(%error, "nothing can be written down of this drive");
    }
    explorer::look_anew(&at);
    let what_now = format!("mounted anyway at {at}; use --strict to refuse");
    image::warn_if_truncated(&arguments.image.image, &image, &what_now, terminal);
    tracing::info!(image = logs::path(&arguments.image.image), at, "mounted");
    // A drive pins no other folder, so that theirs can be moved and removed.
    let _ = std::env::var_os("SystemRoot").map(std::env::set_current_dir);
    let found = Found::of(image.disc().findings());
    let announced = say_ready(arguments, (&shown, found), joined.names, &at, terminal);
    if announced.is_ok() {
        wait(&stop, &drive, &activity, arguments.keep.idle);
    }
    take_away(drive, &at);
    drop(kept);
    tracing::info!(at, "ejected");
    announced
}

/// Takes a drive away, and its icon before the letter is free: the next drive there has one of its
/// own.
fn take_away(drive: Drive, at: &str) {
    explorer::remove_icon(at);
    drive.end();
}

fn make_drive(
    arguments: &Mount,
    shown: &Shown,
    place: Place,
    activity: Arc<Activity>,
) -> Result<Drive, Failure> {
    let zone = if arguments.no_motw { None } else { zone::of(&arguments.image.image) };
    let hidden = HiddenChoice::rule(arguments.hidden);
    let choices = Choices { hidden, read_only: arguments.read_only_attribute, zone };
    let look = VolumeLook::of(&*shown.volume, shown.view);
    let label = String::from_utf16_lossy(&look.label);
    let mounting = Mounting {
        // A directory is for everybody who may see it, and the Mount Manager has its own trouble
        // with directories.
        global: matches!(place, Place::Letter(_) | Place::FirstFree)
            && !arguments.network
            && (arguments.global || (is_elevated() && !arguments.local)),
        place,
        system: arguments.fs_name.clone().unwrap_or_else(|| look.system.to_owned()),
        network: arguments.network.then(|| network_name(&label)),
        threads: arguments.keep.threads.map_or(0, u32::from),
        has_streams: choices.zone.is_some(),
        appearing: Some(explorer::ICON_FIRST),
        counts_handles: arguments.keep.idle.is_some(),
    };
    let tree = Arc::new(Tree::new(shown.volume.clone(), choices));
    Drive::mount(tree, look, activity, &mounting).map_err(|error| refusal::not_mounted(&error))
}

/// A disc as a share of a server: what parts such names may not hold becomes an underscore.
fn network_name(label: &str) -> String {
    let part = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let share: String = label.chars().map(part).collect();
    let share = share.trim_start_matches('-');
    format!("\\isodrive\\{}", if share.is_empty() { "disc" } else { share })
}

fn say_ready(
    arguments: &Mount,
    (shown, findings): (&Shown, Found),
    parts: Vec<Name>,
    at: &str,
    terminal: &mut Terminal,
) -> Outcome {
    let facts = shown.volume.facts();
    let ready = Ready {
        schema: SCHEMA,
        path: Name::new(at.as_bytes()),
        label: Name::new(&facts.label),
        system: facts.system.clone(),
        reason: shown.reason.clone(),
        already_mounted: false,
        view: shown.view.name().to_owned(),
        findings,
        parts,
    };
    if !arguments.keep.ready_pipe {
        return tell(&ready, &arguments.image.image, arguments.keep.telling, terminal);
    }
    json::write_line(terminal.out(), &ready).map_err(|error| output_failed(&error))?;
    terminal.flush()
}

/// Why the server shall end.
struct Stop {
    event: Event,
}

impl Stop {
    /// Listens before anything is made that could be left behind.
    fn listen() -> Result<Self, Failure> {
        let event = Event::create(STOP).map_err(|code| {
            Failure::new(Exit::Other, format!("cannot make an event (Windows error {code})"))
        })?;
        listen_to_console();
        Ok(Self { event })
    }
}

fn wait(stop: &Stop, drive: &Drive, activity: &Activity, idle: Option<Duration>) {
    let mut answered = activity.answered();
    let mut since = Instant::now();
    let mut slow = SlowRequests::new(SLOW);
    while !stop.event.wait(BEAT) && !is_interrupted() && !drive.is_gone() {
        if activity.answered() != answered || activity.oldest().is_some() || drive.open_files() > 0
        {
            (answered, since) = (activity.answered(), Instant::now());
        }
        if idle.is_some_and(|idle| since.elapsed() > idle) {
            tracing::info!("unused for long");
            return;
        }
        slow.look(activity);
    }
}

/// The note for a person who mounts at a letter that others do not see.
pub(super) fn note_of_elevation(at: &str, arguments: &Mount) -> Option<String> {
    let is_local = letter(at).is_some() && !is_elevated() && !arguments.network;
    is_local.then(|| {
        format!(
            "programs that run as administrator may not see {at}; for them mount at a directory in \
             place of a letter"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_names_of_shares() {
        for (label, want) in [
            ("SETUP_EN_DVD", "\\isodrive\\SETUP_EN_DVD"),
            ("a b\\c:d", "\\isodrive\\a_b_c_d"),
            ("", "\\isodrive\\disc"),
            ("--all", "\\isodrive\\all"),
        ] {
            assert_eq!(network_name(label), want);
        }
    }
}
