//! What two processes say to each other while one takes over from the other.
//!
//! ```text
//! new                        old
//! Hello                 ──▶
//!                       ◀──  Welcome, with the listening sockets     or Refused
//!                            (the new one prepares all it can; the old one serves)
//! Ready                 ──▶
//!                       ◀──  Released: the store is closed
//!                            (the new one opens the store and accepts)
//! Serving               ──▶
//!                       ◀──  Done: the old one drains                or Abort
//! ```
//!
//! Until `Done` the old one serves, and goes on when the other falls silent.

use std::{
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    net::SocketAddr,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use headgate_gateway::server::Kind;
use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Deserialize, Serialize};

/// The version of this conversation, and of what the store's sockets carry. Processes of different
/// ones can't take over from each other.
pub(crate) const PROTOCOL: u32 = 1;
/// Listening sockets that can be handed over. Linux passes 253 descriptors at once.
pub(crate) const SOCKETS_MAX: usize = 64;
/// Sockets over which the two use each other's store.
const STREAMS: usize = 3;
const DESCRIPTORS_MAX: usize = SOCKETS_MAX + STREAMS;
/// Bytes of one message. That of all sockets takes about six thousand.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Time for a message to leave.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// Descriptors that are received are not passed on to programs that this one starts.
#[cfg(target_os = "linux")]
const NOT_INHERITED: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const NOT_INHERITED: RecvFlags = RecvFlags::empty();

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// Who asks.
    Hello { protocol: u32, version: String, pid: u32 },
    /// What there is to take; the sockets come along in this order, and then those of the store.
    Welcome { version: String, pid: u32, sockets: Vec<Offer>, has_store: bool },
    /// There is nothing to take.
    Refused(Refusal),
    /// All is prepared but for the store. Nobody will listen at `left` any more.
    Ready { left: Vec<SocketAddr> },
    /// The store is closed.
    Released,
    /// The store is open, and connections are accepted.
    Serving,
    /// The old one drains.
    Done,
    /// The old one goes on, and the new one ends.
    Abort,
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) kind: Role,
    pub(crate) wanted: SocketAddr,
}

/// What a listening socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Plain,
    Tls,
    Admin,
}

impl From<Kind> for Role {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Plain => Self::Plain,
            Kind::Tls => Self::Tls,
            Kind::Admin => Self::Admin,
        }
    }
}

impl From<Role> for Kind {
    fn from(role: Role) -> Self {
        match role {
            Role::Plain => Self::Plain,
            Role::Tls => Self::Tls,
            Role::Admin => Self::Admin,
        }
    }
}

/// Why there is nothing to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("another upgrade is under way")]
    Busy,
    #[error("the running edge is about to end")]
    Draining,
    #[error("the running edge speaks version {0} of the hand-over, and this one {PROTOCOL}")]
    Protocol(u32),
    #[error("the running edge has more than {SOCKETS_MAX} listeners")]
    Sockets,
}

/// One end of the conversation.
#[derive(Debug)]
pub(crate) struct Line {
    stream: UnixStream,
}

impl Line {
    /// Talks over a socket whose other end belongs to the same user.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(SEND_WITHIN))?;
        #[cfg(target_os = "linux")]
        if rustix::net::sockopt::socket_peercred(&stream)?.uid != rustix::process::geteuid() {
            let message = "the process at the other end is another user's";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        Ok(Self { stream })
    }

    pub(crate) fn send(&mut self, message: &Message) -> io::Result<()> {
        self.send_with(message, &[])
    }

    /// Sends a message, and descriptors along with its first byte.
    pub(crate) fn send_with(
        &mut self,
        message: &Message,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend(text);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(io::Error::other("too many descriptors"));
        }
        let sent = loop {
            let parts = [IoSlice::new(&frame)];
            match sendmsg(&self.stream, &parts, &mut ancillary, SendFlags::empty()) {
                Err(Errno::INTR) => {}
                sent => break sent?,
            }
        };
        self.stream.write_all(frame.get(sent..).unwrap_or_default())
    }

    /// The next message, with the descriptors that come along.
    pub(crate) fn receive(&mut self, within: Duration) -> io::Result<(Message, Vec<OwnedFd>)> {
        self.stream.set_read_timeout(Some(within))?;
        let mut length = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut length)];
            match recvmsg(&self.stream, &mut parts, &mut ancillary, NOT_INHERITED) {
                Err(Errno::INTR) => {}
                received => break received?.bytes,
            }
        };
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.stream.read_exact(length.get_mut(received..).unwrap_or_default())?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MESSAGE_BYTES_MAX {
            return Err(io::Error::other("a message is too large"));
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text)?;
        Ok((serde_json::from_slice(&text)?, descriptors))
    }
}

#[cfg(test)]
mod tests;
