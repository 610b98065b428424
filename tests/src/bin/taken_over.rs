//! The program with a worker that a hostile disc took over: what it makes of the disc for the
//! kernel's EROFS driver is the harm that the image's name says. Everything else is the program's
//! own: this one stands between its supervisor and its worker and passes all else on.
//!
//! `taken_over mount ... /path/setuid.iso WHERE`; names are those of `metadata::HARM`.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use isodrive_tests::metadata::harmful;
use mount_erofs::{Output, Sender};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
};

/// Tells the process behind this one that it is the worker itself.
const ITSELF: &str = "ISODRIVE_TESTS_WORKER";

fn main() -> ExitCode {
    let is_worker = std::env::args_os().any(|argument| argument == "--worker");
    if !is_worker || std::env::var_os(ITSELF).is_some() {
        return isodrive::main();
    }
    match between() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the worker and passes messages on, both ways, until either side ends.
fn between() -> Result<()> {
    let supervisor = io::stdin().as_fd().try_clone_to_owned()?;
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut worker = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .env(ITSELF, "1")
        .stdin(theirs)
        .spawn()?;
    let (up, down) = (supervisor.try_clone()?, ours.try_clone()?);
    std::thread::spawn(move || {
        let _ = pass_on(&ours, &up, &mut |descriptor| Ok(descriptor));
        let _ = rustix::net::shutdown(&up, Shutdown::Both);
    });
    let outcome = pass_on(&supervisor, &down, &mut replaced);
    let _ = rustix::net::shutdown(&down, Shutdown::Both);
    worker.wait()?;
    outcome
}

/// Passes messages on with their descriptors, which `change` may replace.
fn pass_on(
    from: &OwnedFd,
    to: &OwnedFd,
    change: &mut dyn FnMut(OwnedFd) -> Result<OwnedFd>,
) -> Result<()> {
    let mut bytes = vec![0; 256 << 10];
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = rustix::net::recvmsg(from, &mut slices, &mut control, flags)?;
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 && descriptors.is_empty() {
            return Ok(());
        }
        let descriptors: Vec<OwnedFd> =
            descriptors.into_iter().map(&mut *change).collect::<Result<_>>()?;
        let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !borrowed.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&borrowed));
        }
        let slices = [IoSlice::new(&bytes[..received.bytes])];
        rustix::net::sendmsg(to, &slices, &mut control, SendFlags::empty())?;
    }
}

/// Another descriptor for the worker in place of a pipe: what comes out of that is thrown away.
fn replaced(descriptor: OwnedFd) -> Result<OwnedFd> {
    let pipe = File::from(descriptor);
    if !pipe.metadata()?.file_type().is_fifo() {
        return Ok(pipe.into());
    }
    let (reader, writer) = io::pipe()?;
    std::thread::spawn(move || -> Result<()> {
        io::copy(&mut &reader, &mut io::sink())?;
        let words = std::env::args_os().map(PathBuf::from);
        let mut images = words.filter(|word| word.extension() == Some("iso".as_ref()));
        let image = images.next().context("an image")?;
        let harm = image.file_stem().context("its name")?.to_string_lossy();
        let mut sender = Sender::new(pipe);
        sender.put(0, &harmful(&harm, std::fs::metadata(&image)?.len())?)?;
        Ok(sender.finish()?)
    });
    Ok(writer.into())
}
