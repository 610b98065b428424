//! One mount of an image is made at a time: a second request for the same image waits for the first
//! and then finds its mount. A socket without a file, so that a killed holder leaves nothing.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, recv,
    socket_with,
};
use rustix::process::geteuid;

use super::events::Deadline;
use crate::exit::Failure;

/// How soon a holder that has just begun or ended is tried again.
const PAUSE: Duration = Duration::from_millis(1);

/// Requests that may wait for one mount.
const MAX_WAITING: i32 = 64;

/// The right to mount an image. Dropping it gives it to the next.
#[derive(Debug)]
pub(super) struct ImageLock {
    _listening: OwnedFd,
}

impl ImageLock {
    /// Waits for the right to mount the image at a path. `None` without such an image, or where the
    /// system has no such locks: two requests at once may make two mounts then.
    ///
    /// # Errors
    /// Another process of this user has held it until the deadline.
    pub(super) fn take(image: &Path, deadline: Deadline) -> Result<Option<Self>, Failure> {
        let Some(address) = address(image) else { return Ok(None) };
        loop {
            match hold(&address) {
                Ok(listening) => return Ok(Some(Self { _listening: listening })),
                Err(Errno::ADDRINUSE) => {}
                Err(_) => return Ok(None),
            }
            if deadline.left().is_zero() {
                return Err(deadline.missed().line("cause", "another process is mounting it"));
            }
            match wait(&address, deadline.left()) {
                Wait::Over => {}
                // The holder is about to listen, or has just gone.
                Wait::Refused => std::thread::sleep(PAUSE),
                // Names are everybody's: another user's process is not waited for.
                Wait::Foreign => return Ok(None),
            }
        }
    }
}

/// The name of an image's lock: the user, and what tells the image from others.
fn address(image: &Path) -> Option<SocketAddrUnix> {
    let metadata = image.metadata().ok()?;
    let user = geteuid().as_raw();
    let name = format!("isodrive-mounting-{user}-{:x}-{:x}", metadata.dev(), metadata.ino());
    SocketAddrUnix::new_abstract_name(name.as_bytes()).ok()
}

fn socket() -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

fn hold(address: &SocketAddrUnix) -> rustix::io::Result<OwnedFd> {
    let listening = socket()?;
    bind(&listening, address)?;
    listen(&listening, MAX_WAITING)?;
    Ok(listening)
}

/// How waiting for the holder of a lock ended.
enum Wait {
    /// The holder is gone, or the time is over.
    Over,
    /// Nobody listens.
    Refused,
    /// The holder is another user.
    Foreign,
}

/// Waits until the holder is gone: it answers nobody, and its end closes the connection.
fn wait(address: &SocketAddrUnix, time: Duration) -> Wait {
    let attempt = || -> rustix::io::Result<bool> {
        let connection = socket()?;
        connect(&connection, address)?;
        if sockopt::socket_peercred(&connection)?.uid != geteuid() {
            return Ok(false);
        }
        let time = time.max(Duration::from_millis(1));
        sockopt::set_socket_timeout(&connection, Timeout::Recv, Some(time))?;
        let _ = recv(&connection, &mut [0u8; 1], RecvFlags::empty());
        Ok(true)
    };
    match attempt() {
        Ok(true) => Wait::Over,
        Ok(false) => Wait::Foreign,
        Err(_) => Wait::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_lock_is_one_holders_at_a_time_and_goes_to_who_waits() {
        let image = std::env::current_exe().unwrap();
        let after = |time| Deadline::after(Duration::from_millis(time));
        let held = ImageLock::take(&image, after(0)).unwrap().unwrap();
        assert!(ImageLock::take(&image, after(20)).is_err());
        let before = Instant::now();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| ImageLock::take(&image, after(10_000)).unwrap());
            std::thread::sleep(Duration::from_millis(50));
            drop(held);
            assert!(waiting.join().unwrap().is_some());
        });
        assert!(before.elapsed() < Duration::from_secs(5));
        assert!(ImageLock::take(Path::new("/nowhere"), after(0)).unwrap().is_none());
    }
}
