//! What supervisor and worker tell each other, over a socket that keeps messages apart and can
//! carry a descriptor. A worker may be in the hands of a hostile image: what it says is bounded
//! here, and made harmless before anybody sees it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use iso_core::source::Medium;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};
use crate::json::Name;
use crate::report::Found;
use crate::terminal::harmless;

/// Bytes of one message at most.
const MAX_MESSAGE: usize = 64 << 10;

/// A request of this age is worth a line in the log, and a word in `list`.
pub(super) const SLOW: Duration = Duration::from_secs(30);

/// What a supervisor says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// Enter the sandbox, as this user where it is root's.
    Enter { uid: u32, gid: u32 },
    /// The next file of the image comes with this.
    Part,
    /// The descriptor that comes with this message reports changes of the files, by these numbers.
    Watch { numbers: Vec<i32> },
    /// All files were sent; this is what they lie on.
    Open { is_distant: bool },
    /// Make EROFS metadata of the volume's directories, for an image file of so many bytes, and
    /// send it down the pipe that comes with this.
    Translate { bytes: u64 },
    /// The descriptor to serve on comes with this.
    Serve,
    /// Is anybody there?
    Ping,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// The level of the sandbox, and the parts that are missing.
    Sandboxed { level: String, missing: Vec<String> },
    /// So many names were checked for `--strict` so far.
    Checked(u64),
    /// The image is open.
    Opened(Box<Opened>),
    /// It did not go.
    Failed(SentFailure),
    /// All metadata is in the pipe.
    Translated,
    /// Why this volume has no such metadata.
    Declined(String),
    /// The kernel's first request was answered.
    Serving,
    /// It is there, and this is how it does.
    Pong(Pulse),
    /// The mount was taken away, or the connection broke for this reason.
    Ended(Option<String>),
}

/// What there is to know of an opened image.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Opened {
    pub(super) label: Name,
    pub(super) system: String,
    pub(super) reason: String,
    pub(super) bytes: u64,
    /// Oddities of the disc that were met so far.
    pub(super) findings: Found,
    /// Bytes there are and bytes there ought to be, of an image that is cut short.
    pub(super) truncated: Option<(u64, u64)>,
    /// The file system that is shown, by its name.
    pub(super) view: String,
    /// The one that is shown where none is asked for.
    pub(super) default_view: String,
    /// The session that is shown, from 1.
    pub(super) session: u32,
    pub(super) last_session: u32,
    /// What `--strict` refuses, in words; the first few.
    pub(super) objections: Vec<String>,
}

/// How a worker does.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pulse {
    /// Requests answered so far.
    pub(super) answered: u64,
    /// The oldest request in work: what it is, and its age in seconds.
    pub(super) oldest: Option<(String, u64)>,
    /// The image is no longer the one that was opened.
    pub(super) is_changed: bool,
    /// Oddities of the disc that were met so far.
    pub(super) findings: u64,
}

/// A failure on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SentFailure {
    exit: u8,
    message: String,
    lines: Vec<(String, String)>,
}

impl From<Failure> for SentFailure {
    fn from(failure: Failure) -> Self {
        let lines = failure.lines.into_iter().take(40);
        Self {
            exit: failure.exit.number(),
            message: failure.message,
            lines: lines.map(|(label, text)| (label.into_owned(), text)).collect(),
        }
    }
}

impl From<SentFailure> for Failure {
    fn from(sent: SentFailure) -> Self {
        let failure = Self::new(Exit::Child(sent.exit.max(1)), harmless(&sent.message));
        sent.lines
            .into_iter()
            .fold(failure, |failure, (label, text)| failure.line(harmless(&label), harmless(&text)))
    }
}

impl ToWorker {
    pub(super) const fn open(medium: Medium) -> Self {
        Self::Open { is_distant: matches!(medium, Medium::Distant) }
    }
}

/// One end of the socket.
#[derive(Debug)]
pub(super) struct Line(OwnedFd);

impl Line {
    /// A supervisor's end and the descriptor for the worker's.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let kind = (AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let (ours, theirs) = rustix::net::socketpair(kind.0, kind.1, kind.2, None)?;
        Ok((Self(ours), theirs))
    }

    /// Has sending fail where the other end takes nothing for this long.
    pub(super) fn bound_sending(&self, time: Duration) -> io::Result<()> {
        let time = Some(time.max(Duration::from_millis(1)));
        Ok(rustix::net::sockopt::set_socket_timeout(
            &self.0,
            rustix::net::sockopt::Timeout::Send,
            time,
        )?)
    }

    /// The end in a descriptor.
    pub(super) const fn on(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// The same end once more.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Sends a message, with a descriptor if there is one.
    pub(super) fn send(
        &self,
        message: &impl Serialize,
        with: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        self.send_by(SendFlags::NOSIGNAL, message, with)
    }

    /// Sends a message if the other end takes it at once: one that is stopped takes none for ever.
    pub(super) fn send_at_once(&self, message: &impl Serialize) -> io::Result<()> {
        self.send_by(SendFlags::NOSIGNAL | SendFlags::DONTWAIT, message, None)
    }

    fn send_by(
        &self,
        flags: SendFlags,
        message: &impl Serialize,
        with: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = with.as_slice();
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let parts = [IoSlice::new(&bytes)];
        rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(self.0.as_fd(), &parts, &mut ancillary, flags)
        })?;
        Ok(())
    }

    /// Waits for a message; nothing when the other end is closed.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Option<OwnedFd>)>> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let mut receive = || {
            rustix::io::retry_on_intr(|| {
                rustix::net::recvmsg(
                    self.0.as_fd(),
                    &mut parts,
                    &mut ancillary,
                    RecvFlags::CMSG_CLOEXEC,
                )
            })
        };
        // An end that closes with messages unread is reported first, and once; what it had sent
        // before is still here, such as why it ends.
        let received = match receive() {
            Err(Errno::CONNRESET) => receive()?,
            outcome => outcome?,
        };
        let mut descriptor = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(mut sent) = message {
                descriptor = sent.next();
            }
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        let text = bytes.get(..received.bytes).unwrap_or_default();
        Ok(Some((serde_json::from_slice(text)?, descriptor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_one_by_one_with_their_descriptor_and_end_with_the_other_end() {
        let (ours, theirs) = Line::pair().unwrap();
        let theirs = Line::on(theirs);
        ours.send(&ToWorker::Ping, None).unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        ours.send(&ToWorker::Part, Some(null.as_fd())).unwrap();
        drop(ours);
        let (first, none) = theirs.receive::<ToWorker>().unwrap().unwrap();
        assert!(matches!(first, ToWorker::Ping) && none.is_none());
        let (second, some) = theirs.receive::<ToWorker>().unwrap().unwrap();
        assert!(matches!(second, ToWorker::Part) && some.is_some());
        assert!(theirs.receive::<ToWorker>().unwrap().is_none());
    }

    #[test]
    fn last_words_arrive_from_an_end_that_closed_with_a_message_unread() {
        let (ours, theirs) = Line::pair().unwrap();
        let theirs = Line::on(theirs);
        theirs.send(&FromWorker::Ended(None), None).unwrap();
        ours.send(&ToWorker::Ping, None).unwrap();
        drop(theirs);
        let (last, _) = ours.receive::<FromWorker>().unwrap().unwrap();
        assert!(matches!(last, FromWorker::Ended(None)));
        assert!(ours.receive::<FromWorker>().unwrap().is_none());
    }

    #[test]
    fn an_end_that_takes_nothing_holds_nobody() {
        let (ours, _theirs) = Line::pair().unwrap();
        let mut sent = 0;
        while ours.send_at_once(&ToWorker::Ping).is_ok() {
            sent += 1;
            assert!(sent < 1_000_000);
        }
    }

    #[test]
    fn a_worker_cannot_act_on_a_terminal_nor_end_well_by_failing() {
        let sent = SentFailure {
            exit: 0,
            message: "bad \u{1b}[2J \\u{1b}".to_owned(),
            lines: vec![("found\n".to_owned(), "x".to_owned())],
        };
        let failure = Failure::from(sent);
        assert_eq!(failure.exit.number(), 1);
        assert_eq!(failure.message, "bad \\u{1b}[2J \\u{1b}");
        assert_eq!(failure.lines[0].0, "found\\n");
    }
}
