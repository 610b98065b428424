//! `isodrive extract`: copies files out of an image, and never outside the destination.
//! Says what could not be read or written; what is written is whole.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use iso_core::volume::{FileKind, NodeId, Volume, Walk, resolve};

use crate::cat::{Stopped, copy};
use crate::cli::Extract;
use crate::exit::{Exit, Failure, Outcome};
use crate::image;
use crate::ls::{not_read, unreadable};
use crate::names;
use crate::terminal::{Terminal, shown};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix::Destination;
#[cfg(windows)]
use windows::Destination;

pub(crate) fn run(arguments: &Extract, terminal: &mut Terminal) -> Outcome {
    let (opened, chosen) = image::open_shown(&arguments.image)?;
    let what_now = "what can be read is copied, and what cannot is named";
    image::warn_if_truncated(&arguments.image.image, &opened, what_now, terminal);
    let volume = &*chosen.volume;
    let wanted = wanted(&chosen.volume, arguments)?;
    let progress = progress(volume, &wanted);
    let mut job = Job {
        volume,
        destination: Destination::open(arguments)?,
        unsafe_links: arguments.unsafe_links,
        progress,
        terminal,
        unread: 0,
        unwritten: 0,
        left_out: 0,
    };
    for (path, node) in wanted {
        job.extract(&path, node)?;
    }
    job.finish()
}

/// Path and node of everything that was asked for; the root if nothing was.
fn wanted(
    volume: &Arc<dyn Volume>,
    arguments: &Extract,
) -> Result<Vec<(Vec<u8>, NodeId)>, Failure> {
    if arguments.paths.is_empty() {
        return Ok(vec![(Vec::new(), volume.root())]);
    }
    let one = |path: &std::ffi::OsString| {
        let meant = names::meant(volume, path);
        let bytes = meant.as_slice();
        let parts = || bytes.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b"."));
        if parts().any(|part| part == b"..") {
            let message = format!("\"{}\": a path to extract has no ..", shown(bytes));
            return Err(Failure::new(Exit::Usage, message));
        }
        let node = resolve(&**volume, bytes, false).map_err(|error| unreadable(path, &error))?;
        Ok((parts().collect::<Vec<_>>().join(&b'/'), node))
    };
    arguments.paths.iter().map(one).collect()
}

/// A bar over all bytes to come, if a person watches. Walking ahead costs little beside copying.
fn progress(volume: &dyn Volume, wanted: &[(Vec<u8>, NodeId)]) -> ProgressBar {
    if !Terminal::is_watched() {
        return ProgressBar::hidden();
    }
    let size = |node: NodeId| volume.attr(node).map_or(0, |attr| attr.size);
    let below = |node: NodeId| -> u64 {
        let files = Walk::new(volume, node).into_iter().flatten();
        files.filter(|step| step.kind == FileKind::Regular).map(|step| size(step.node)).sum()
    };
    let total = wanted.iter().map(|(_, node)| match volume.attr(*node).map(|attr| attr.kind) {
        Ok(FileKind::Directory) => below(*node),
        _ => size(*node),
    });
    let template = "{wide_bar} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta} left";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(total.sum());
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// A copy under way.
struct Job<'a> {
    volume: &'a dyn Volume,
    destination: Destination,
    unsafe_links: bool,
    progress: ProgressBar,
    terminal: &'a mut Terminal,
    /// Files that the image does not give.
    unread: u64,
    /// Files that the destination does not take.
    unwritten: u64,
    /// Devices and links that are not copied on purpose.
    left_out: u64,
}

impl Job<'_> {
    /// Copies a file, or a directory with everything in it.
    fn extract(&mut self, path: &[u8], node: NodeId) -> Outcome {
        let attr = self.volume.attr(node).map_err(|e| not_read(path, &e))?;
        self.one(path, node, attr.kind)?;
        if attr.kind != FileKind::Directory {
            return Ok(());
        }
        let walk = Walk::new(self.volume, node).map_err(|error| not_read(path, &error))?;
        for step in walk {
            let below = match path {
                b"" => step.path,
                _ => [path, &step.path].join(&b'/'),
            };
            match step.error {
                Some(error) => self.not_read(&below, &error),
                None => self.one(&below, step.node, step.kind)?,
            }
        }
        Ok(())
    }

    fn one(&mut self, path: &[u8], node: NodeId, kind: FileKind) -> Outcome {
        match kind {
            FileKind::Directory if path.is_empty() => Ok(()),
            FileKind::Directory => {
                let made = self.destination.directory(path, self.modified(node));
                self.noted(path, made)
            }
            FileKind::Regular => self.file(path, node),
            FileKind::Symlink => self.link(path, node),
            FileKind::BlockDevice | FileKind::CharDevice | FileKind::Fifo | FileKind::Socket => {
                self.left_out = self.left_out.saturating_add(1);
                Ok(())
            }
        }
    }

    fn modified(&self, node: NodeId) -> iso_core::Timestamp {
        self.volume.attr(node).map(|attr| attr.modified).unwrap_or_default()
    }

    fn file(&mut self, path: &[u8], node: NodeId) -> Outcome {
        let attr = match self.volume.attr(node) {
            Ok(attr) => attr,
            Err(error) => {
                self.not_read(path, &error);
                return Ok(());
            }
        };
        let is_program = attr.posix.is_some_and(|posix| posix.permissions & 0o111 != 0);
        let mut file = match self.destination.file(path, is_program) {
            Ok(file) => file,
            Err(failure) => return self.noted(path, Err(failure)),
        };
        let progress = self.progress.clone();
        let copied = copy(self.volume, node, &mut |bytes| {
            let len = u64::try_from(bytes.len()).unwrap_or(0);
            file.write(bytes)?;
            progress.inc(len);
            Ok(())
        });
        match copied {
            Ok(_) => {
                let kept = file.keep(attr.modified);
                self.noted(path, kept)
            }
            // What was written so far is not the file, and goes when `file` does.
            Err(Stopped::Reading(error)) => {
                self.not_read(path, &error);
                Ok(())
            }
            Err(Stopped::Writing(failure)) => self.noted(path, Err(failure)),
        }
    }

    fn link(&mut self, path: &[u8], node: NodeId) -> Outcome {
        let target = match self.volume.read_link(node) {
            Ok(target) => target,
            Err(error) => {
                self.not_read(path, &error);
                return Ok(());
            }
        };
        if !Destination::HOLDS_LINKS {
            self.left_out = self.left_out.saturating_add(1);
            return Ok(());
        }
        let depth = path.iter().filter(|b| **b == b'/').count();
        if !self.unsafe_links && leads_out(&target, depth) {
            self.left_out = self.left_out.saturating_add(1);
            let (path, target) = (shown(path), shown(&target));
            let message =
                format!("\"{path}\" is left out: it links to \"{target}\", outside the directory");
            self.say(&message);
            return Ok(());
        }
        let made = self.destination.link(path, &target, self.modified(node));
        self.noted(path, made)
    }

    fn not_read(&mut self, path: &[u8], error: &iso_core::Error) {
        self.unread = self.unread.saturating_add(1);
        self.say(&format!("\"{}\" is left out: {error}", shown(path)));
    }

    /// Goes on after a file that could not be written, unless there is no room for any.
    fn noted(&mut self, path: &[u8], result: Outcome) -> Outcome {
        let Err(failure) = result else { return Ok(()) };
        if failure.exit == Exit::Other && failure.message.contains("No space left") {
            return Err(failure);
        }
        self.unwritten = self.unwritten.saturating_add(1);
        self.say(&format!("\"{}\" is left out: {}", shown(path), failure.message));
        Ok(())
    }

    fn say(&mut self, message: &str) {
        let terminal = &mut *self.terminal;
        self.progress.suspend(|| terminal.warn(message, &[]));
    }

    fn finish(mut self) -> Outcome {
        self.progress.finish_and_clear();
        self.destination.set_directory_times();
        if self.left_out > 0 {
            let left_out = self.left_out;
            self.terminal.warn(
                &format!("{left_out} devices, pipes, sockets or links are not copied"),
                &["--unsafe-links writes links that lead out of the directory".to_owned()],
            );
        }
        if self.unread > 0 {
            let message = format!("{} files could not be read from the image", self.unread);
            return Err(Failure::new(Exit::Damaged, message));
        }
        if self.unwritten > 0 {
            let message = format!("{} files could not be written", self.unwritten);
            return Err(Failure::new(Exit::Other, message)
                .advice("try", "--overwrite, if they are there already"));
        }
        Ok(())
    }
}

/// Whether a link at this depth below the destination may lead out of it. `..` is trusted at the
/// beginning alone, where it climbs real directories: behind a name it may climb from wherever
/// another link leads.
fn leads_out(target: &[u8], depth: usize) -> bool {
    let parts = target.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let climbs = parts.clone().take_while(|part| *part == b"..").count();
    let climbs_later = parts.skip(climbs).any(|part| part == b"..");
    target.first() == Some(&b'/') || climbs > depth || climbs_later
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_may_lead_out_are_known() {
        for (target, depth, want) in [
            ("/etc/passwd", 5, true),
            ("../x", 1, false),
            ("../x", 0, true),
            ("./../../x", 1, true),
            ("a/../../x", 3, true),
            ("a/b", 0, false),
            ("a..b/...", 0, false),
            ("", 0, false),
        ] {
            assert_eq!(leads_out(target.as_bytes(), depth), want, "{target} at {depth}");
        }
    }
}
