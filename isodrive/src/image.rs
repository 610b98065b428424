//! Opening the image that a command names, with messages that help when it cannot be opened.
//! Every command that reads an image begins here.

#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::path::Path;

use iso_core::source::Source;
use iso_core::{Disc, Error, Foreign, Image, Limits, Options, Report, Shown, View};

use crate::choices::ImageArguments;
use crate::exit::{Exit, Failure};
use crate::parts::Joined;
use crate::report;
use crate::shell::ShellCommand;
use crate::system::confined::Confined;
#[cfg(unix)]
use crate::system::confined::Files;
use crate::terminal::{Terminal, quoted};

/// Finds the file systems of an image that this process may look at.
pub(crate) fn open(
    arguments: &ImageArguments,
    source: Box<dyn Source>,
    limits: Limits,
) -> Result<Image, Failure> {
    let options = Options {
        session: arguments.session,
        charset: arguments.charset,
        start: arguments.image_offset,
    };
    Image::open_with(source, limits, &options).map_err(|error| not_opened(&arguments.image, &error))
}

/// Opens the image and the file system to show, inside the sandbox, which the process does not
/// leave again: from then on it reads the image and writes to what is open.
pub(crate) fn open_shown(
    arguments: &ImageArguments,
    terminal: &mut Terminal,
) -> Result<(Image, Shown), Failure> {
    let (image, shown, _) = open_joined(arguments, terminal)?;
    Ok((image, shown))
}

/// As `open_shown`, with the files that the image lies in.
pub(crate) fn open_joined(
    arguments: &ImageArguments,
    terminal: &mut Terminal,
) -> Result<(Image, Shown, Joined), Failure> {
    let image = Confined::open(&arguments.image, terminal)?;
    joined(arguments, image, Limits::default())
}

/// As `open_shown`, with files that are open already, and files can be made in a directory.
#[cfg(unix)]
pub(crate) fn open_shown_to_fill(
    directory: BorrowedFd<'_>,
    files: Files,
    arguments: &ImageArguments,
    terminal: &mut Terminal,
) -> Result<(Image, Shown), Failure> {
    let image = files.enter(Some(directory), terminal)?;
    let (image, shown, _) = joined(arguments, image, Limits::default())?;
    Ok((image, shown))
}

/// As `open_joined`, within other limits and without a terminal.
#[cfg(windows)]
pub(crate) fn open_joined_within(
    arguments: &ImageArguments,
    limits: Limits,
) -> Result<(Image, Shown, Joined), Failure> {
    joined(arguments, Confined::open_unseen(&arguments.image)?, limits)
}

fn joined(
    arguments: &ImageArguments,
    image: Confined,
    limits: Limits,
) -> Result<(Image, Shown, Joined), Failure> {
    let (source, joined) = image.into_parts();
    let image = open(arguments, source, limits)?;
    let shown = choose(arguments, &image)?;
    Ok((image, shown, joined))
}

/// The file system of an image to show.
pub(crate) fn choose(arguments: &ImageArguments, image: &Image) -> Result<Shown, Failure> {
    let wanted = arguments.view.view();
    let shown = match wanted {
        Some(View::All) => all_views(arguments, image),
        _ => image.choose(wanted),
    };
    shown.map_err(|error| not_shown(&arguments.image, image, &error))
}

/// All views, with what is known of the image as files beside them.
fn all_views(arguments: &ImageArguments, image: &Image) -> iso_core::Result<Shown> {
    let info = report::as_json(arguments, image, &image.choose(None)?);
    let info: Report = Box::new(move |_: &Disc| info.clone());
    let findings: Report = Box::new(|disc| report::findings_as_json(disc.findings()));
    let reports = vec![("info.json".to_owned(), info), ("findings.json".to_owned(), findings)];
    let volume = image.all_views(reports)?;
    Ok(Shown { view: View::All, reason: "asked for".to_owned(), volume })
}

/// Says once that an image is cut short; what lies behind the cut gives errors.
/// `what_now` says what the command does all the same.
pub(crate) fn warn_if_truncated(
    path: &Path,
    image: &Image,
    what_now: &str,
    terminal: &mut Terminal,
) {
    if let Some((_, claimed)) = image.truncation() {
        warn_truncated(path, (image.disc().held_bytes(), claimed), what_now, terminal);
    }
}

/// Says that an image has fewer bytes than it claims.
pub(crate) fn warn_truncated(
    path: &Path,
    (there, claimed): (u64, u64),
    what_now: &str,
    terminal: &mut Terminal,
) {
    let name = quoted(path);
    let message =
        format!("{name} is shorter than its file system says ({there} of {claimed} bytes)");
    let error = if cfg!(windows) { "an error" } else { "\"Input/output error\"" };
    let cause =
        format!("files beyond the cut will give {error}; the download is probably incomplete");
    terminal.warn(&message, &[cause, what_now.to_owned()]);
}

fn not_opened(path: &Path, error: &Error) -> Failure {
    let name = quoted(path);
    let failure = |message: String| Failure::new(Exit::of(error), message);
    if let Error::Unrecognised(found) = error {
        let failure = failure(format!("{name} is not a disc image isodrive knows"))
            .line("found", found.to_string());
        if let Foreign::Inside(places) = found {
            let option = |at: u64| ShellCommand::new("--image-offset").operand(at.to_string());
            return places.iter().fold(failure, |failure, at| failure.advice("try", option(at)));
        }
        return remedy(*found)
            .into_iter()
            .fold(failure, |failure, text| failure.advice("try", text));
    }
    if let Error::Unsupported { what, site } = error {
        return failure(format!("{name} needs something isodrive does not read: {what}"))
            .line("found", site.to_string());
    }
    if matches!(error, Error::Corrupt { .. } | Error::Limit { .. }) {
        return failure(format!("{name} is damaged"))
            .line("cause", error.to_string())
            .advice("try", "compare its size and checksum with those of its source");
    }
    if let Error::NoSuchSession(count) = error {
        return failure(format!("{name} has {count} sessions"))
            .advice("try", ShellCommand::new("isodrive info").operand(path));
    }
    failure(format!("cannot read {name}: {error}"))
}

fn not_shown(path: &Path, image: &Image, error: &Error) -> Failure {
    let views: Vec<&str> = image.systems().iter().map(|system| system.view.name()).collect();
    let failure = if let Error::NoSuchView(view) = error {
        Failure::new(Exit::Other, format!("{} has no {view}", quoted(path)))
    } else {
        not_opened(path, error)
    };
    let view = |name: &str| ShellCommand::new("--view").operand(name);
    views.into_iter().fold(failure, |failure, name| failure.advice("try", view(name)))
}

/// What to do with a file that is no disc image.
fn remedy(found: Foreign) -> Option<&'static str> {
    match found {
        Foreign::Empty => Some("the file is empty; download it again"),
        Foreign::Sheet => Some("open the file that it names, if its sectors are 2048 bytes"),
        Foreign::Packed(_) => Some("unpack it first, then mount what is inside"),
        Foreign::WebPage => Some("download it again: the server sent a page in place of the image"),
        Foreign::Zeros => Some("copy or download it again: its contents were never written"),
        Foreign::CutHead(_) => Some("copy or download it again: its beginning is missing"),
        Foreign::VirtualDisk(_) => Some("qemu-img convert -O raw FILE disk.img"),
        Foreign::Console(_) => Some("an emulator of that console or player"),
        Foreign::Disk(_) if cfg!(windows) => Some("Mount-DiskImage, if it is a .vhd or .vhdx"),
        Foreign::Disk(_) => Some("a loop mount:  udisksctl loop-setup -r -f FILE"),
        Foreign::Wrapped(_) => Some("convert it to a plain .iso first"),
        Foreign::Inside(_)
        | Foreign::Text
        | Foreign::OtherFileSystem(_)
        | Foreign::Other(_)
        | Foreign::Unknown => None,
    }
}
