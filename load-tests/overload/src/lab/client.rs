//! Clients: requests at the moments of a Poisson process, whatever becomes of earlier ones.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use headgate_sim::traffic::Stream;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    recorder::Recorder,
    wire::{self, Answer},
};

/// The longest answer that is taken.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Client addresses, each of which the edge takes for a user: a place each in 127.64.0.0/10.
const ADDRESSES: usize = 1 << 16;
/// Streams with no more users than this ask with an address for each; others draw.
const USERS_APART: u64 = 256;
/// Time between a client's attempts: at once, but not within one turn of its own thread.
const RETRY_AFTER: Duration = Duration::from_millis(1);

/// The clients of one stream.
#[derive(Debug)]
pub(crate) struct Clients {
    line: usize,
    stream: Stream,
    edge: SocketAddr,
    seconds: f64,
    recorder: Arc<Recorder>,
    /// Whether each user has a pool, and an address for all of its connections.
    is_apart: bool,
    pools: Vec<Pool>,
    next: AtomicUsize,
}

/// Idle connections of one address, or of many.
#[derive(Debug, Default)]
struct Pool {
    idle: Mutex<Vec<TcpStream>>,
}

/// What a client has to say of one request.
struct Ask<'a> {
    user: usize,
    due: Instant,
    trace: Option<&'a str>,
}

impl Clients {
    /// Those of the stream with this number.
    pub(crate) fn new(
        (line, stream): (usize, Stream),
        (edge, seconds): (SocketAddr, f64),
        recorder: &Arc<Recorder>,
    ) -> Arc<Self> {
        let users = stream.users.end.saturating_sub(stream.users.start);
        let is_apart = users <= USERS_APART;
        let apart = if is_apart { users.max(1) } else { 1 };
        Arc::new(Self {
            line,
            stream,
            edge,
            seconds,
            recorder: Arc::clone(recorder),
            is_apart,
            pools: (0..apart).map(|_| Pool::default()).collect(),
            next: AtomicUsize::new(line << 12),
        })
    }

    /// Asks until the run's end, and then waits for what is still due.
    pub(crate) async fn ask(self: Arc<Self>, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed ^ (self.line as u64 + 1) << 32);
        let mut calls = JoinSet::new();
        let mut at = 0.0;
        loop {
            let (rate, change) = self.stream_rate(at);
            let gap = -(1.0 - random.f64()).ln() / rate.max(1e-9);
            let next = at + gap;
            if let Some(change) = change.filter(|change| next > *change) {
                // The process has no memory, so it may begin anew at the change.
                at = change;
                continue;
            }
            at = next;
            if at >= self.seconds {
                break;
            }
            let due = self.recorder.start() + Duration::from_secs_f64(at);
            sleep_until(due).await;
            let user = random.usize(..self.pools.len());
            let clients = Arc::clone(&self);
            let trace = (self.stream.page > 1).then(|| random.u128(1..));
            calls.spawn(async move { clients.page(user, due, trace).await });
            while calls.try_join_next().is_some() {}
        }
        let end = Duration::from_secs_f64(self.seconds + self.stream.patience.min(1.0));
        let end = self.recorder.start() + end;
        while let Ok(Some(_)) = timeout_at(end, calls.join_next()).await {}
    }

    /// The rate in force, and when the next one begins.
    fn stream_rate(&self, at: f64) -> (f64, Option<f64>) {
        let past = self.stream.rate.iter().rev().find(|(from, _)| *from <= at);
        let next = self.stream.rate.iter().find(|(from, _)| *from > at);
        (past.map_or(0.0, |(_, rate)| *rate), next.map(|(from, _)| *from))
    }

    async fn page(self: Arc<Self>, user: usize, due: Instant, trace: Option<u128>) {
        let Some(trace) = trace else {
            self.request(&Ask { user, due, trace: None }).await;
            return;
        };
        let trace = format!("00-{trace:032x}-00000000000000ff-01");
        let mut calls = JoinSet::new();
        for _ in 0..self.stream.page {
            let (clients, trace) = (Arc::clone(&self), trace.clone());
            let call =
                async move { clients.request(&Ask { user, due, trace: Some(&trace) }).await };
            calls.spawn(call);
        }
        let mut is_whole = true;
        while let Some(call) = calls.join_next().await {
            is_whole &= call.unwrap_or_default();
        }
        self.recorder.page(self.line, is_whole);
    }

    /// One request with its client's retries; whether it was answered in time.
    async fn request(&self, ask: &Ask<'_>) -> bool {
        self.recorder.offered(self.line, ask.due);
        let until = ask.due + Duration::from_secs_f64(self.stream.patience);
        for attempt in 0..=self.stream.retries {
            if attempt > 0 {
                tokio::time::sleep(RETRY_AFTER).await;
            }
            let Ok(answered) = timeout_at(until, self.attempt(ask, until)).await else {
                self.recorder.left();
                break;
            };
            match answered {
                Ok((answer, body)) => {
                    self.recorder.answered(answer.status, answer.is_edges, &body);
                    if (200..300).contains(&answer.status) {
                        self.recorder.good(self.line, ask.due);
                        return true;
                    }
                    if answer.is_edges && [429, 503].contains(&answer.status) {
                        self.recorder.shed(self.line);
                    }
                }
                Err(_broken) => self.recorder.answered(0, false, &[]),
            }
        }
        self.recorder.bad(self.line);
        false
    }

    async fn attempt(&self, ask: &Ask<'_>, until: Instant) -> Result<(Answer, Vec<u8>)> {
        let request = self.head(ask, until);
        let pool = self.pools.get(ask.user).context("a user's pool")?;
        let idle = {
            let mut idle = pool.idle.lock();
            let place = fastrand::usize(..idle.len().max(1));
            (!idle.is_empty()).then(|| idle.swap_remove(place))
        };
        let is_used = idle.is_some();
        let mut stream = match idle {
            Some(stream) => stream,
            None => self.connect(ask.user).await?,
        };
        let exchanged = exchange(&mut stream, request.as_bytes()).await;
        let (answer, body) = match exchanged {
            // The edge may have closed it while it was idle.
            Err(_closed) if is_used => {
                stream = self.connect(ask.user).await?;
                exchange(&mut stream, request.as_bytes()).await?
            }
            exchanged => exchanged?,
        };
        if !answer.closes {
            pool.idle.lock().push(stream);
        }
        Ok((answer, body))
    }

    fn head(&self, ask: &Ask<'_>, until: Instant) -> String {
        let Stream { upstream, service, class, .. } = self.stream;
        let class = class.as_str();
        let expires = until.saturating_duration_since(self.recorder.start()).as_nanos();
        let mut head = format!(
            "GET /load/r{upstream}/{service} HTTP/1.1\r\nhost: load.example\r\n\
             headgate-priority: {class}\r\n{}: {expires}\r\n",
            wire::EXPIRES,
        );
        if self.stream.tells_deadline {
            let left = until.saturating_duration_since(Instant::now()).as_millis();
            let _written = write!(head, "headgate-deadline-ms: {left}\r\n");
        }
        if let Some(trace) = ask.trace {
            let _written = write!(head, "traceparent: {trace}\r\n");
        }
        head + "\r\n"
    }

    async fn connect(&self, user: usize) -> Result<TcpStream> {
        let place = if self.is_apart {
            (self.line << 12) + user
        } else {
            self.next.fetch_add(1, Ordering::Relaxed)
        };
        connect(self.edge, place).await
    }
}

/// Opens a connection from the client address with this number.
///
/// # Errors
///
/// It is not accepted.
pub(crate) async fn connect(edge: SocketAddr, place: usize) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let [high, low] = u16::try_from(place % ADDRESSES)?.to_be_bytes();
    socket.bind(SocketAddrV4::new(Ipv4Addr::new(127, 64, high, low), 0).into())?;
    let stream = socket.connect(edge).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request and reads its answer.
///
/// # Errors
///
/// The connection ends, or what comes is no answer.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Result<(Answer, Vec<u8>)> {
    stream.write_all(request).await?;
    let mut buffer = Vec::with_capacity(2048);
    loop {
        ensure!(stream.read_buf(&mut buffer).await? > 0, "closed");
        let Some(answer) = wire::answer(&buffer)? else { continue };
        let Some(body_bytes) = answer.body_bytes else { return Ok((answer, Vec::new())) };
        if body_bytes > ANSWER_BYTES_MAX {
            bail!("an answer of {body_bytes} bytes");
        }
        let whole = answer.head_bytes + body_bytes;
        while buffer.len() < whole {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "closed in an answer");
        }
        return Ok((answer, buffer.split_off(answer.head_bytes)));
    }
}
