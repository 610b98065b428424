//! Whether a mount has anybody behind it. Asks the kernel by a call that no cache answers, and by
//! another thread: a server that does not answer must not hold the one who asks.

use std::sync::mpsc;
use std::time::Duration;

use crate::unix::mounts::Entry;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a mount does, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers.
    Serving,
    /// Its server is gone: "Transport endpoint is not connected".
    Dead,
    /// It does not answer.
    Silent,
}

/// How a mount does.
pub(crate) fn of(entry: &Entry) -> Health {
    let (sender, receiver) = mpsc::channel();
    let at = entry.at.clone();
    std::thread::spawn(move || sender.send(rustix::fs::statfs(&at).map(drop)));
    match receiver.recv_timeout(PATIENCE) {
        Ok(Err(rustix::io::Errno::NOTCONN | rustix::io::Errno::CONNABORTED)) => Health::Dead,
        Ok(_) => Health::Serving,
        Err(_) => Health::Silent,
    }
}
