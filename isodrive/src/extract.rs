//! `isodrive extract`: copies files out of an image, and never outside the destination.
//! Says what could not be read or written; what is written is whole.

use std::io;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use iso_core::volume::{Attr, FileKind, NodeId, Volume, Walk, resolve};

use crate::cat::{Stopped, copy};
use crate::cli::Extract;
use crate::exit::{Exit, Failure, Outcome, bare};
use crate::image;
use crate::losses::{self, Losses};
use crate::ls::{not_read, unreadable};
use crate::names;
use crate::terminal::{Terminal, quoted, shown, size};

mod left_out;
mod links;
mod plan;
mod same;
#[cfg(unix)]
mod unix;
mod unwritten;
#[cfg(windows)]
mod windows;

use left_out::LeftOut;
use links::leads_out;
use plan::Plan;
use same::{Keys, Written};
#[cfg(unix)]
use unix::{Destination, Interrupts, Kept, NewFile, Room};
use unwritten::Unwritten;
#[cfg(windows)]
use windows::{Destination, Interrupts, Kept, NewFile, Room};

pub(crate) fn run(arguments: &Extract, terminal: &mut Terminal) -> Outcome {
    let interrupts = Interrupts::listen()?;
    // What it asks of the terminal comes before the sandbox.
    let progress = progress();
    let (destination, opened, chosen) = Destination::open(arguments, terminal)?;
    let what_now = "copying what is readable; unreadable files are listed below";
    image::warn_if_truncated(&arguments.image.image, &opened, what_now, terminal);
    let volume = &*chosen.volume;
    let wanted = wanted(&chosen.volume, arguments)?;
    let Some(plan) = plan::plan(volume, &wanted, &destination, &interrupts) else {
        return Err(Failure::new(Exit::Interrupted, "interrupted: nothing was written"));
    };
    plan.announce(opened.disc(), &destination, terminal)?;
    progress.set_length(plan.bytes);
    let mut job = Job {
        volume,
        destination,
        arguments,
        interrupts,
        plan,
        written: Written::default(),
        progress,
        terminal,
        files: 0,
        bytes: 0,
        losses: Losses::default(),
        unwritten: Unwritten::default(),
        left_out: LeftOut::default(),
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

/// A bar over all bytes to come, if a person watches.
fn progress() -> ProgressBar {
    if !Terminal::is_watched() {
        return ProgressBar::hidden();
    }
    let template = "{wide_bar} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta} left";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(0);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// Whether a file is one to be run.
fn is_program(attr: &Attr) -> bool {
    attr.posix.is_some_and(|posix| posix.permissions & 0o111 != 0)
}

/// A copy under way.
struct Job<'a> {
    volume: &'a dyn Volume,
    destination: Destination,
    arguments: &'a Extract,
    interrupts: Interrupts,
    plan: Plan,
    written: Written,
    progress: ProgressBar,
    terminal: &'a mut Terminal,
    /// Files that are there under their names, and the bytes of those.
    files: u64,
    bytes: u64,
    /// What the image does not give.
    losses: Losses,
    /// What the destination does not take.
    unwritten: Unwritten,
    /// What is not copied on purpose.
    left_out: LeftOut,
}

/// Why the bytes of a file do not go on.
enum Halt {
    Interrupted,
    Unwritten(io::Error),
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
        if walk.is_start_damaged() {
            self.damaged(path);
        }
        for step in walk {
            let below = match path {
                b"" => step.path,
                _ => [path, &step.path].join(&b'/'),
            };
            match step.error {
                Some(error) => self.not_read(&below, &error),
                None => {
                    self.one(&below, step.node, step.kind)?;
                    if step.is_damaged {
                        self.damaged(&below);
                    }
                }
            }
        }
        Ok(())
    }

    fn one(&mut self, path: &[u8], node: NodeId, kind: FileKind) -> Outcome {
        if self.interrupts.came() {
            return Err(self.interrupted());
        }
        match kind {
            FileKind::Directory if path.is_empty() => Ok(()),
            FileKind::Directory => {
                let made = self.destination.directory(path, self.modified(node));
                self.noted(path, made, kind)
            }
            FileKind::Regular => self.file(path, node),
            FileKind::Symlink => self.link(path, node),
            FileKind::BlockDevice | FileKind::CharDevice | FileKind::Fifo | FileKind::Socket => {
                self.left_out.unmade(path, kind);
                Ok(())
            }
        }
    }

    fn modified(&self, node: NodeId) -> iso_core::Timestamp {
        self.volume.attr(node).map(|attr| attr.modified).unwrap_or_default()
    }

    fn file(&mut self, path: &[u8], node: NodeId) -> Outcome {
        let found = self.volume.attr(node).and_then(|attr| Ok((attr, self.volume.data(node)?)));
        let (attr, data) = match found {
            Ok(found) => found,
            Err(error) => {
                self.not_read(path, &error);
                return Ok(());
            }
        };
        let census = &self.plan.census;
        let keys = match census.has_shared() {
            true => census.shared(Keys::of(&attr, &data)),
            false => Keys::default(),
        };
        if let Some(first) = self.written.first_name(&keys) {
            match self.destination.hard_link(path, first) {
                Ok(false) => {}
                Ok(true) => {
                    self.files = self.files.saturating_add(1);
                    self.cut(path, node);
                    return Ok(());
                }
                Err(error) => return self.noted(path, Err(error), attr.kind),
            }
        }
        loop {
            let written = match self.destination.file(path, is_program(&attr)) {
                Ok(file) => self.fill(file, node, &keys, &attr),
                Err(error) => Err(Stopped::Writing(Halt::Unwritten(error))),
            };
            return match written {
                Ok(kept) => {
                    self.files = self.files.saturating_add(1);
                    self.bytes = self.bytes.saturating_add(data.len());
                    self.cut(path, node);
                    if let Some(kept) = kept {
                        self.written.remember(keys, path, kept);
                    }
                    Ok(())
                }
                // What was written so far is not the file, and is gone.
                Err(Stopped::Reading(error)) => {
                    self.not_read(path, &error);
                    Ok(())
                }
                Err(Stopped::Writing(Halt::Interrupted)) => Err(self.interrupted()),
                Err(Stopped::Writing(Halt::Unwritten(error))) => {
                    if self.destination.goes_another_way(&error) {
                        continue;
                    }
                    self.noted(path, Err(error), attr.kind)
                }
            };
        }
    }

    /// Fills a new file and gives it its name.
    fn fill(
        &mut self,
        mut file: NewFile,
        node: NodeId,
        keys: &Keys,
        attr: &Attr,
    ) -> Result<Option<Kept>, Stopped<Halt>> {
        let unwritten = |error| Stopped::Writing(Halt::Unwritten(error));
        let mut is_shared = false;
        if let Some(source) = self.written.source(keys) {
            match file.share(source) {
                Ok(shared) => is_shared = shared,
                Err(_) => self.written.forget_sources(),
            }
        }
        if is_shared {
            self.progress.inc(attr.size);
        } else {
            let (progress, interrupts) = (&self.progress, &self.interrupts);
            copy(self.volume, node, &mut |bytes| {
                if interrupts.came() {
                    return Err(Halt::Interrupted);
                }
                let len = u64::try_from(bytes.len()).unwrap_or(0);
                file.write(bytes).map_err(Halt::Unwritten)?;
                progress.inc(len);
                Ok(())
            })?;
        }
        file.keep(attr.modified, keys.is_any()).map_err(unwritten)
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
            self.left_out.unmade(path, FileKind::Symlink);
            return Ok(());
        }
        let depth = path.iter().filter(|b| **b == b'/').count();
        if !self.arguments.unsafe_links && leads_out(&target, depth) {
            self.left_out.link_out();
            let (path, target) = (shown(path), shown(&target));
            let message =
                format!("\"{path}\" is left out: it links to \"{target}\", outside the directory");
            self.say(&message);
            return Ok(());
        }
        let made = self.destination.link(path, &target, self.modified(node));
        self.noted(path, made, FileKind::Symlink)
    }

    fn damaged(&mut self, path: &[u8]) {
        self.losses.damaged(path);
        let directory = losses::directory(path);
        self.say(&format!("{directory} is damaged: the disc may hold more in it"));
    }

    /// Names a file that was written and lacks bytes.
    fn cut(&mut self, path: &[u8], node: NodeId) {
        if self.volume.is_cut(node) {
            self.losses.cut(path);
            self.say(&format!("\"{}\" is damaged: it does not hold all of its bytes", shown(path)));
        }
    }

    fn not_read(&mut self, path: &[u8], error: &iso_core::Error) {
        self.losses.unread(true);
        self.say(&format!("\"{}\" is left out: {error}", shown(path)));
    }

    /// Goes on after a file that could not be written, unless there is no room for any.
    fn noted(&mut self, path: &[u8], result: io::Result<()>, kind: FileKind) -> Outcome {
        let Err(error) = result else { return Ok(()) };
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Err(self.full(path, &error));
        }
        let there = self.destination.there(path);
        let why = self.unwritten.note(&error, there, kind == FileKind::Directory);
        self.say(&format!("\"{}\" is left out: {why}", shown(path)));
        Ok(())
    }

    /// The failure for a file that there is no room for.
    fn full(&self, path: &[u8], error: &io::Error) -> Failure {
        self.progress.finish_and_clear();
        let message =
            format!("cannot write \"{}\": {}: {}", shown(path), bare(error), self.count_of_files());
        let failure = Failure::new(Exit::Other, message);
        let left = self.plan.bytes.saturating_sub(self.bytes);
        match self.destination.room() {
            Some(room) if room.files == Some(0) => {
                failure.line("cause", "the file system takes no further file, of whatever size")
            }
            Some(room) if room.free < left => {
                let (left, free) = (size(left), size(room.free));
                let missing =
                    size(self.plan.bytes.saturating_sub(self.bytes).saturating_sub(room.free));
                failure.line(
                    "missing",
                    format!("{missing}: {left} are left to write, and {free} are free"),
                )
            }
            _ => failure,
        }
    }

    fn interrupted(&self) -> Failure {
        self.progress.finish_and_clear();
        Failure::new(Exit::Interrupted, format!("interrupted: {}", self.count_of_files()))
    }

    fn count_of_files(&self) -> String {
        format!("{} of {} files written", self.files, self.plan.files)
    }

    fn say(&mut self, message: &str) {
        let terminal = &mut *self.terminal;
        self.progress.suspend(|| terminal.warn(message, &[]));
    }

    fn finish(mut self) -> Outcome {
        self.progress.finish_and_clear();
        self.destination.set_directory_times();
        if !self.progress.is_hidden() {
            let (files, bytes) = (self.files, size(self.bytes));
            let into = quoted(&self.arguments.directory);
            self.terminal.say(&format!("{files} files written, {bytes}, into {into}"));
        }
        self.left_out.tell(self.terminal);
        self.losses.outcome(
            "file could not be read from the image",
            "files could not be read from the image",
        )?;
        if self.unwritten.is_nothing() {
            return Ok(());
        }
        Err(self.unwritten.failure(&self.count_of_files()))
    }
}
