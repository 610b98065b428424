//! Opening the image that a command names, with messages that help when it cannot be opened.
//! Every command that reads an image begins here.

use std::io;
use std::path::Path;

use iso_core::source::{self, Medium, Parts, Refused, Source, Window};
use iso_core::{Disc, Error, Foreign, Image, Limits, Options, Report, Shown, View};

use crate::cli::ImageArguments;
use crate::exit::{Exit, Failure, bare};
use crate::info;
use crate::json::Name;
use crate::terminal::{Terminal, quoted, size};

/// The files that an image lies in, by their names.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    /// Names of the files that were joined; none where there is one file only.
    pub(crate) names: Vec<Name>,
    /// The part at which the set was cut, if one was found that may not be joined.
    pub(crate) refused: Option<Refused>,
}

impl Joined {
    /// What is to be told of opened files.
    pub(crate) fn of(parts: &Parts) -> Self {
        let names = parts.names.iter().map(|name| Name::new(name.as_encoded_bytes()));
        let is_set = parts.names.len() > 1;
        Self { names: names.filter(|_| is_set).collect(), refused: parts.refused.clone() }
    }
}

/// Opens the files of the image, once and without looking at what is in them. Says so where a set
/// is cut because the next part may not be joined.
pub(crate) fn open_parts(path: &Path) -> Result<Parts, Failure> {
    #[cfg(unix)]
    let opened = crate::unix::open::parts(path);
    #[cfg(not(unix))]
    let opened = source::open_parts(path);
    let parts = opened.map_err(|error| cannot_open(path, &error))?;
    if let Some(Refused { name, why }) = &parts.refused {
        let message = format!("{} was not joined to {}", quoted(Path::new(name)), quoted(path));
        let what_now = "what lies in it is missing; if you trust it, copy all parts into a folder \
                        of your own";
        Terminal::warning(&message, &[(*why).clone(), what_now.to_owned()]);
    }
    Ok(parts)
}

/// Opens the image and finds its file systems; also the files that it lies in.
fn open(arguments: &ImageArguments, limits: Limits) -> Result<(Image, Joined), Failure> {
    let path = &arguments.image;
    let parts = open_parts(path)?;
    let joined = Joined::of(&parts);
    let source = source::from_parts(parts.files, Medium::Local, None);
    let source = source.map_err(|error| cannot_open(path, &error))?;
    let image = open_source(arguments, placed(source, arguments.image_offset), limits)?;
    Ok((image, joined))
}

/// The source from where the image begins in it.
pub(crate) fn placed(source: Box<dyn Source>, start: u64) -> Box<dyn Source> {
    if start == 0 { source } else { Box::new(Window::from(source, start)) }
}

/// Finds the file systems of an opened image.
pub(crate) fn open_source(
    arguments: &ImageArguments,
    source: Box<dyn Source>,
    limits: Limits,
) -> Result<Image, Failure> {
    let options = Options { session: arguments.session, charset: arguments.charset };
    Image::open_with(source, limits, &options).map_err(|error| not_opened(&arguments.image, &error))
}

/// Opens the image and the file system to show.
pub(crate) fn open_shown(arguments: &ImageArguments) -> Result<(Image, Shown), Failure> {
    open_shown_within(arguments, Limits::default())
}

/// As `open_shown`, within other limits.
pub(crate) fn open_shown_within(
    arguments: &ImageArguments,
    limits: Limits,
) -> Result<(Image, Shown), Failure> {
    let (image, shown, _) = open_joined(arguments, limits)?;
    Ok((image, shown))
}

/// As `open_shown_within`, with the files that the image lies in.
pub(crate) fn open_joined(
    arguments: &ImageArguments,
    limits: Limits,
) -> Result<(Image, Shown, Joined), Failure> {
    let (image, joined) = open(arguments, limits)?;
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
    let info = info::as_json(arguments, image, &image.choose(None)?);
    let info: Report = Box::new(move |_: &Disc| info.clone());
    let findings: Report = Box::new(|disc| info::findings_as_json(disc.findings()));
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
        warn_truncated(path, (image.disc().len(), claimed), what_now, terminal);
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

fn cannot_open(path: &Path, error: &io::Error) -> Failure {
    let failure =
        |why: &str| Failure::new(Exit::CannotRead, format!("cannot open {}: {why}", quoted(path)));
    if error.kind() == io::ErrorKind::NotFound && !path.exists() {
        failure("no such file")
    } else if error.kind() == io::ErrorKind::IsADirectory {
        failure("it is a directory, not an image")
            .line("try", "name the image file; a folder needs no mounting")
    } else if error.get_ref().is_some() {
        // It names the part of a set that could not be opened.
        failure(&bare(error))
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        #[cfg(unix)]
        if let Some(owner) = crate::unix::fuse::closed_by(path) {
            return failure(&format!("its FUSE mount lets in nobody but user {owner}"))
                .line("try", format!("the same as that user: sudo -u '#{owner}' isodrive ..."))
                .line("or", "mount what it lies on with -o allow_other");
        }
        let look = if cfg!(windows) { "icacls" } else { "ls -l" };
        failure("you may not read it").line("try", format!("{look} {}", quoted(path)))
    } else {
        failure(&bare(error))
    }
}

fn not_opened(path: &Path, error: &Error) -> Failure {
    let name = quoted(path);
    let failure = |message: String| Failure::new(Exit::of(error), message);
    if let Error::Unrecognised(found) = error {
        let failure = failure(format!("{name} is not a disc image isodrive knows"))
            .line("found", found.to_string());
        return remedy(*found).into_iter().fold(failure, |failure, text| failure.line("try", text));
    }
    if let Error::Unsupported { what, site } = error {
        return failure(format!("{name} needs something isodrive does not read: {what}"))
            .line("found", site.to_string());
    }
    if matches!(error, Error::Corrupt { .. } | Error::Limit { .. }) {
        return failure(format!("{name} is damaged"))
            .line("cause", error.to_string())
            .line("try", "compare its size and checksum with those of its source");
    }
    if let Error::NoSuchSession(count) = error {
        return failure(format!("{name} has {count} sessions"))
            .line("try", "isodrive info, which lists them");
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
    failure.line("try", format!("--view {}", views.join(" or --view ")))
}

/// What to do with a file that is no disc image.
fn remedy(found: Foreign) -> Option<&'static str> {
    match found {
        Foreign::Empty => Some("download it again: it holds nothing"),
        Foreign::Sheet => Some("name the file it mentions, if that holds 2048-byte sectors"),
        Foreign::Packed(_) => Some("unpack it first, then mount what is inside"),
        Foreign::Disk(_) if cfg!(windows) => Some("Mount-DiskImage, if it is a .vhd or .vhdx"),
        Foreign::Disk(_) => Some("a loop mount:  udisksctl loop-setup -r -f FILE"),
        Foreign::Wrapped(_) => Some("convert it to a plain .iso first"),
        Foreign::Text | Foreign::OtherFileSystem(_) | Foreign::Other(_) | Foreign::Unknown => None,
    }
}

/// Whether an image is whole and sound enough for `--strict`.
pub(crate) fn check_strict(path: &Path, image: &Image) -> Result<(), Failure> {
    let mut failure = Failure::new(
        Exit::Damaged,
        format!("{} is damaged or ambiguous, and --strict was given", quoted(path)),
    );
    if let Some((missing, _)) = image.truncation() {
        failure = failure.line("found", format!("the last {} are missing", size(missing)));
    }
    for finding in image.disc().findings().list() {
        failure = failure.line("found", finding.text);
    }
    if failure.lines.is_empty() { Ok(()) } else { Err(failure) }
}
