//! The engine of another process on the same machine, over a pair of sockets.
//!
//! Only for the moments in which one process takes over from another: each call is one question and
//! one answer in JSON, behind its length.

use std::{
    fmt, io,
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    time::Duration,
};

use bytes::Bytes;
use headgate_types::UnixTime;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    batch::{Ack, Batch},
    engine::{Due, Engine, Entry, Failure, LogBounds, Refused, Size, Verdict},
    error::Error,
    item::{Item, Key},
    pending::Pending,
    remote::times::time,
    store::Store,
};

pub(crate) mod times;

/// Time for one call. A commit waits for the other process's disk.
const CALL_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of one question or answer: the largest group of batches and the largest read, each byte of
/// them written out as a number, with room.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
enum Call {
    Commit(Vec<Batch>),
    Get(Key),
    Scan {
        space: String,
        after: Option<Vec<u8>>,
        rows: usize,
    },
    Log(String, u32),
    Read {
        topic: String,
        partition: u32,
        from: u64,
        rows: usize,
    },
    Offset {
        group: String,
        topic: String,
        partition: u32,
    },
    Logs,
    Offsets(String, u32),
    Due {
        queue: String,
        #[serde(with = "time")]
        now: UnixTime,
        rows: usize,
    },
    Verify,
    Size,
}

/// Why one batch was not carried out.
#[derive(Debug, Serialize, Deserialize)]
enum Not {
    Busy,
    Full,
    Invalid,
    Refused(Refused),
    /// The store there can't go on, and says why.
    Closed(String),
}

impl From<Error> for Not {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy => Self::Busy,
            Error::Full => Self::Full,
            Error::Invalid(_) | Error::TooLarge { .. } => Self::Invalid,
            Error::Refused(refused) => Self::Refused(refused),
            other => Self::Closed(other.to_string()),
        }
    }
}

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads. Commits are told to come again.
    Reads,
    /// Everything.
    All,
}

/// The engine of another process.
pub struct Remote {
    reads: Mutex<UnixStream>,
    /// None: nothing may be written yet.
    commits: Option<Mutex<UnixStream>>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

impl Remote {
    /// Reads from the process at the other end of one socket; with a second one, commits there too.
    /// Two, since a read must not wait for a commit. Without, batches are answered
    /// [`Error::Busy`].
    ///
    /// # Errors
    ///
    /// When a socket can't be used.
    pub fn new(reads: UnixStream, commits: Option<UnixStream>) -> io::Result<Self> {
        for stream in [Some(&reads), commits.as_ref()].into_iter().flatten() {
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(CALL_WITHIN))?;
            stream.set_write_timeout(Some(CALL_WITHIN))?;
        }
        Ok(Self { reads: Mutex::new(reads), commits: commits.map(Mutex::new) })
    }

    fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        ask(&mut self.reads.lock(), call)
    }
}

fn ask<T: DeserializeOwned>(stream: &mut UnixStream, call: &Call) -> Result<T, Failure> {
    let answer = write(stream, call).and_then(|()| read(stream));
    let answer: io::Result<Result<T, String>> =
        answer.and_then(|answer| answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()));
    if answer.is_err() {
        // A late answer must not be taken for that of the next call. It may be closed already.
        drop(stream.shutdown(Shutdown::Both));
    }
    answer?.map_err(|reason| Failure::Io(io::Error::other(reason)))
}

fn write(stream: &mut UnixStream, frame: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(frame)?;
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("too large to be sent"))?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&bytes)
}

/// The next frame. None at the end.
fn read<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other("too large to be received"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// Answers another process's [`Remote`] out of a store, until that one hangs up. Blocks.
///
/// # Errors
///
/// When the socket fails, or something else comes than calls.
pub fn answer(store: &Store, mut stream: UnixStream, access: Access) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(CALL_WITHIN))?;
    while let Some(call) = read(&mut stream)? {
        match call {
            Call::Commit(group) => {
                let verdicts: Result<_, String> = Ok(commit(store, group, access));
                write(&mut stream, &verdicts)
            }
            Call::Get(key) => reply(&mut stream, store.get(&key)),
            Call::Scan { space, after, rows } => {
                reply(&mut stream, store.scan(&space, after.as_deref(), rows))
            }
            Call::Log(topic, partition) => reply(&mut stream, store.log(&topic, partition)),
            Call::Read { topic, partition, from, rows } => {
                reply(&mut stream, store.read(&topic, partition, from, rows))
            }
            Call::Offset { group, topic, partition } => {
                reply(&mut stream, store.offset(&group, &topic, partition))
            }
            Call::Logs => reply(&mut stream, store.logs()),
            Call::Offsets(topic, partition) => reply(&mut stream, store.offsets(&topic, partition)),
            Call::Due { queue, now, rows } => reply(&mut stream, store.due(&queue, now, rows)),
            Call::Verify => reply(&mut stream, store.verify()),
            Call::Size => reply(&mut stream, store.size()),
        }?;
    }
    Ok(())
}

fn reply<T: Serialize>(stream: &mut UnixStream, answer: Result<T, Error>) -> io::Result<()> {
    write(stream, &answer.map_err(|error| error.to_string()))
}

fn commit(store: &Store, group: Vec<Batch>, access: Access) -> Vec<Result<Ack, Not>> {
    if access == Access::Reads {
        return group.iter().map(|_| Err(Not::Busy)).collect();
    }
    // All are submitted before the first is awaited: one sync makes the whole group durable.
    let submitted: Vec<_> = group.into_iter().map(|batch| store.submit(batch)).collect();
    let acks = submitted.into_iter().map(|one| one.and_then(Pending::wait));
    acks.map(|ack| ack.map_err(Not::from)).collect()
}

impl Engine for Remote {
    fn commit(&self, group: &[Batch]) -> Result<Vec<Verdict>, Failure> {
        let Some(commits) = &self.commits else {
            return Ok(group.iter().map(|_| Err(Error::Busy)).collect());
        };
        let verdicts: Vec<Result<Ack, Not>> =
            ask(&mut commits.lock(), &Call::Commit(group.to_vec()))?;
        if verdicts.len() != group.len() {
            return Err(Failure::Io(io::Error::other("not a verdict for each batch")));
        }
        let verdict = |verdict: Result<Ack, Not>| match verdict {
            Ok(ack) => Ok(Ok(ack)),
            Err(Not::Busy) => Ok(Err(Error::Busy)),
            Err(Not::Full) => Ok(Err(Error::Full)),
            Err(Not::Invalid) => Ok(Err(Error::Invalid("the process that has the store says so"))),
            Err(Not::Refused(refused)) => Ok(Err(Error::Refused(refused))),
            Err(Not::Closed(reason)) => Err(Failure::Io(io::Error::other(reason))),
        };
        verdicts.into_iter().map(verdict).collect()
    }

    fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        self.read(&Call::Get(key.clone()))
    }

    fn scan(
        &self,
        space: &str,
        after: Option<&[u8]>,
        rows: usize,
    ) -> Result<Vec<(Bytes, Item)>, Failure> {
        let after = after.map(<[u8]>::to_vec);
        self.read(&Call::Scan { space: space.to_owned(), after, rows })
    }

    fn log(&self, topic: &str, partition: u32) -> Result<Option<LogBounds>, Failure> {
        self.read(&Call::Log(topic.to_owned(), partition))
    }

    fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        rows: usize,
    ) -> Result<Vec<Entry>, Failure> {
        self.read(&Call::Read { topic: topic.to_owned(), partition, from, rows })
    }

    fn offset(&self, group: &str, topic: &str, partition: u32) -> Result<Option<u64>, Failure> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.read(&Call::Offset { group, topic, partition })
    }

    fn logs(&self) -> Result<Vec<(String, u32, LogBounds)>, Failure> {
        self.read(&Call::Logs)
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Vec<(String, u64)>, Failure> {
        self.read(&Call::Offsets(topic.to_owned(), partition))
    }

    fn due(&self, queue: &str, now: UnixTime, rows: usize) -> Result<Vec<Due>, Failure> {
        self.read(&Call::Due { queue: queue.to_owned(), now, rows })
    }

    fn verify(&self) -> Result<(), Failure> {
        self.read(&Call::Verify)
    }

    fn size(&self) -> Result<Size, Failure> {
        self.read(&Call::Size)
    }
}

#[cfg(test)]
mod tests;
