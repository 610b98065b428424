//! What `--strict` refuses: what opening found odd, and damage that reading all directories meets.
//! Walks what a mount would show; reads no bytes of files.

use std::path::Path;
use std::time::{Duration, Instant};

use iso_core::volume::{FileKind, Step, Volume, Walk};
use iso_core::{Image, Shown};

use crate::exit::{Exit, Failure};
use crate::report;
use crate::terminal::{quoted, shown};

/// Objections that are named; a walk that has met more goes no further.
const MAX_NAMED: usize = 20;

/// How often the walk says how far it is.
const BEAT: Duration = Duration::from_secs(2);

/// Whether an image is whole and sound enough for `--strict`. `say` gets now and then how many
/// names were checked.
pub(crate) fn check(
    path: &Path,
    (image, shown): (&Image, &Shown),
    say: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let found = report::objections(image);
    if !found.is_empty() {
        return Err(refusal(path, found));
    }
    let met = walk(&*shown.volume, say);
    // Oddities of a sound disc are no reason: nothing is lost by them.
    match shown.volume.disc().findings().damage() {
        None if met.is_empty() => Ok(()),
        _ => Err(refusal(path, met.into_iter().chain(report::objections(image)).collect())),
    }
}

/// The failure for an image about which something is said.
pub(crate) fn refusal(path: &Path, objections: Vec<String>) -> Failure {
    let message = format!("{} is damaged or ambiguous, and --strict was given", quoted(path));
    let more = objections.len().saturating_sub(MAX_NAMED);
    let failure = Failure::new(Exit::Damaged, message);
    let named = objections.into_iter().take(MAX_NAMED);
    let failure = named.fold(failure, |failure, found| failure.line("found", found));
    if more > 0 { failure.line("", format!("and {more} more")) } else { failure }
}

/// What cannot be read, or not whole, of the tree of a volume, each by its name.
fn walk(volume: &dyn Volume, say: &mut dyn FnMut(u64)) -> Vec<String> {
    let walk = match Walk::new(volume, volume.root()) {
        Ok(walk) => walk,
        Err(error) => return vec![format!("\"/\": {error}")],
    };
    let mut met = Vec::new();
    if walk.is_start_damaged() {
        met.push("\"/\": the disc may hold more in this directory".to_owned());
    }
    let (mut names, mut said) = (0u64, Instant::now());
    for step in walk {
        names = names.saturating_add(1);
        if said.elapsed() >= BEAT {
            said = Instant::now();
            say(names);
        }
        if let Some(why) = objection(volume, &step) {
            met.push(format!("\"{}\": {why}", shown(&step.path)));
        }
        if met.len() > MAX_NAMED {
            break;
        }
    }
    met
}

/// Why what a walk met cannot be read, or not whole.
fn objection(volume: &dyn Volume, step: &Step) -> Option<String> {
    if let Some(error) = &step.error {
        return Some(error.to_string());
    }
    if step.is_damaged {
        return Some("the disc may hold more in this directory".to_owned());
    }
    let unread = if step.kind == FileKind::Symlink {
        volume.read_link(step.node).err()
    } else {
        volume.attr(step.node).err()
    };
    if let Some(error) = unread {
        return Some(error.to_string());
    }
    let is_file = step.kind == FileKind::Regular;
    if is_file && volume.is_cut(step.node) {
        return Some("the file does not hold all of its bytes".to_owned());
    }
    let is_lacking = volume.lacks_bytes(step.node);
    is_lacking.then(|| "the image does not hold all of its bytes".to_owned())
}
