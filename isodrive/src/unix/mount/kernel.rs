//! The kernel's EROFS driver in the worker's place: the worker translates directories from inside
//! its sandbox, this process keeps what it says in a file, checks and mounts it. No process stays.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};

use iso_core::Limits;
use iso_core::volume::Permissions;
use mount_erofs::Attach;

use super::child::{Worker, unexpected};
use super::events::{Deadline, Events};
use super::medium;
use super::point::MountPoint;
use super::wire::{FromWorker, ToWorker};
use crate::cli::Mount;
use crate::exit::{Failure, bare};
use crate::terminal::harmless;
use crate::unix::arguments::{CaseChoice, PermissionsChoice};
use crate::unix::state::{self, Identity};

/// Why the kernel's driver cannot be had for what was asked, before anything is tried.
pub(super) fn objection(
    arguments: &Mount,
    files: &[File],
    is_directory: bool,
) -> Option<&'static str> {
    let keep = &arguments.keep;
    let is_single = files.len() == 1;
    let is_local = medium::of(files) == iso_core::source::Medium::Local;
    [
        (!rustix::process::geteuid().is_root(), "EROFS mounts need root"),
        (!is_directory, "EROFS mounts only on a directory"),
        (
            keep.foreground || keep.debug,
            "--foreground needs a server process, and an EROFS mount has none",
        ),
        (keep.idle.is_some(), "--idle needs a server process, and an EROFS mount has none"),
        (
            arguments.show.case == Some(CaseChoice::Insensitive),
            "EROFS compares names case-sensitively",
        ),
        (!is_single, "the image is split into several files"),
        (is_single && !is_local, "the image's medium can disappear"),
        (files.iter().any(others_may_write), "other users can write to the image"),
    ]
    .into_iter()
    .find_map(|(applies, why)| applies.then_some(why))
}

/// Whether a user other than root may change the bytes of a file while the kernel serves them: it
/// asks nobody whether they are still those that were translated. An access list shows in the bits
/// of the group. Devices are the business of the group that the system made for them.
fn others_may_write(file: &File) -> bool {
    const GROUP: u32 = 0o020;
    const OTHERS: u32 = 0o002;
    let Ok(metadata) = file.metadata() else { return true };
    let bits = if metadata.is_file() { GROUP | OTHERS } else { OTHERS };
    metadata.uid() != 0 || metadata.mode() & bits != 0
}

/// Has the worker translate the disc and the kernel mount it at `at`. The inner error says why it
/// cannot be done this way; the outer one ends everything.
pub(super) fn mount(
    arguments: &Mount,
    (file, identity): (&File, &Identity),
    point: &MountPoint,
    worker: &mut Worker,
    events: &Events,
    deadline: Deadline,
) -> Result<Result<(), String>, Failure> {
    let scratch = match mount_erofs::scratch_file() {
        Ok(scratch) => scratch,
        Err(error) => return Ok(Err(format!("no file for its metadata: {}", bare(&error)))),
    };
    let bytes = match translate(file, &scratch, worker, events, deadline)? {
        Ok(bytes) => bytes,
        Err(why) => return Ok(Err(why)),
    };
    let permissions = match arguments.show.permissions {
        Some(PermissionsChoice::Image) => Permissions::Image,
        Some(PermissionsChoice::Safe) | None => Permissions::Safe,
    };
    // A hostile disc may have taken over the worker: the kernel sees only what was checked here.
    let metadata = match mount_erofs::verify(scratch, bytes, permissions) {
        Ok(metadata) => metadata,
        Err(why) => return Ok(Err(why.to_string())),
    };
    let image = &arguments.image.image;
    let folder = match state::folder() {
        Ok(folder) => folder,
        Err(error) => return Ok(Err(bare(&error))),
    };
    let attach = Attach {
        image: file,
        image_path: &image.canonicalize().unwrap_or_else(|_| image.clone()),
        metadata: &metadata,
        scratch: &folder,
        noexec: arguments.show.noexec,
        through: None,
    };
    Ok(match mount_erofs::attach(point.directory()?.as_fd(), &attach) {
        Ok(_) if !identity.is_same(&Identity::of(std::slice::from_ref(file))) => {
            // What was translated is not what the kernel would serve.
            drop(point.mounted());
            Err("the image was changed while it was translated".to_owned())
        }
        Ok(through) => {
            tracing::info!(?through, "the kernel's EROFS driver serves it");
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    })
}

/// Fills `metadata` with what the worker makes of the disc; gives the bytes of the image's file. At
/// the end the worker has closed its end of the pipe, and nobody else writes to `metadata`.
fn translate(
    file: &File,
    metadata: &File,
    worker: &mut Worker,
    events: &Events,
    deadline: Deadline,
) -> Result<Result<u64, String>, Failure> {
    let begun = begin(file, metadata);
    let (writer, receiver, bytes) = match begun {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(bare(&error))),
    };
    worker.tell(&ToWorker::Translate { bytes }, Some(writer.as_fd()));
    drop(writer);
    let word = worker.word(events, deadline)?;
    // A worker closes its end before it sends this. One that does not is given no more time than
    // any other.
    let received = match receiver.recv_timeout(deadline.left()) {
        Ok(received) => received,
        Err(RecvTimeoutError::Timeout) => return Err(deadline.missed()),
        Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::Other.into()),
    };
    Ok(match (word, received) {
        (FromWorker::Translated, Ok(())) => Ok(bytes),
        (FromWorker::Declined(why), _) => Err(harmless(&why)),
        (_, Err(error)) => Err(format!("its metadata could not be kept: {}", bare(&error))),
        (_, Ok(())) => return Err(unexpected()),
    })
}

type Begun = (io::PipeWriter, Receiver<io::Result<()>>, u64);

/// A pipe for the worker, and how the thread at its other end ends; the bytes of the image's file.
fn begin(file: &File, metadata: &File) -> io::Result<Begun> {
    let bytes = file.try_clone()?.seek(SeekFrom::End(0))?;
    let keeper = metadata.try_clone()?;
    let (reader, writer) = io::pipe()?;
    // A megabyte at a time, if the system lets this user have it.
    let _ = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20);
    let max = Limits::default().translated_bytes;
    let (ended, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let outcome = mount_erofs::receive(reader, &keeper, max);
        // Given up before anybody knows of the end.
        drop(keeper);
        let _ = ended.send(outcome);
    });
    Ok((writer, receiver, bytes))
}
