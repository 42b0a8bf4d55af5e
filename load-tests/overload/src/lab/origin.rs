//! Endpoints with slots and a queue, as the simulator's, on sockets of loopback.
//!
//! A call that was begun is worked on to its end, also when nobody waits for it any more, as a
//! service with a pool of threads does. Slots keep their own time: a timer that fires late makes
//! an answer late, and not the slot less productive.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use headgate_sim::upstream::{Behavior, Change, Endpoint, Time};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use super::{recorder::Recorder, wire};

/// A request's head, with what the edge adds, is about 1 KiB.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Calls that wait for a slot; more are closed without an answer.
const WAITING_MAX: usize = 50_000;
/// Time in which an endpoint fails or refuses.
const FAST: Duration = Duration::from_millis(1);

/// One address of an upstream.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    place: usize,
    recorder: Arc<Recorder>,
    state: Mutex<State>,
    body: Box<[u8]>,
}

#[derive(Debug)]
struct State {
    slots: usize,
    services: Vec<Time>,
    behavior: Behavior,
    slower: f64,
    busy: usize,
    held: usize,
    waiting: VecDeque<Waiting>,
    random: fastrand::Rng,
}

#[derive(Debug)]
struct Waiting {
    service: usize,
    arrived: Instant,
    expires: Option<Instant>,
    done: oneshot::Sender<u16>,
}

impl Origin {
    /// Starts one; it ends with the runtime.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub(crate) async fn start(
        place: usize,
        endpoint: &Endpoint,
        (seed, body_bytes): (u64, usize),
        recorder: &Arc<Recorder>,
    ) -> Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port")?;
        let state = State {
            slots: endpoint.slots,
            services: endpoint.services.clone(),
            behavior: endpoint.behavior,
            slower: 1.0,
            busy: 0,
            held: 0,
            waiting: VecDeque::new(),
            random: fastrand::Rng::with_seed(seed ^ (place as u64 + 1)),
        };
        let origin = Arc::new(Self {
            address: listener.local_addr()?,
            place,
            recorder: Arc::clone(recorder),
            state: Mutex::new(state),
            body: vec![b'x'; body_bytes].into_boxed_slice(),
        });
        let own = Arc::clone(&origin);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = Arc::clone(&own);
                // A connection that breaks off is the edge's to notice.
                tokio::spawn(async move { drop(own.serve(stream).await) });
            }
        });
        Ok(origin)
    }

    /// Lets something befall it.
    pub(crate) fn change(self: &Arc<Self>, change: Change) {
        let mut state = self.state.lock();
        match change {
            Change::Slots(slots) => state.slots = slots,
            Change::Slower(times) => state.slower = times,
            Change::Behave(behavior) => state.behavior = behavior,
        }
        if change_returns(change) {
            self.recorder.returns(self.place);
        }
        self.fill(&mut state, Instant::now());
    }

    /// Calls that wait for a slot.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    async fn serve(self: &Arc<Self>, mut stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = Vec::with_capacity(HEAD_BYTES_MAX);
        loop {
            let head = loop {
                if let Some(head) = wire::request(&buffer)? {
                    break head;
                }
                if stream.read_buf(&mut buffer).await? == 0 || buffer.len() > HEAD_BYTES_MAX {
                    return Ok(());
                }
            };
            buffer.clear();
            if let Some(answer) = head.stream_answer() {
                // A tunnel or a stream of events: quiet until the other side ends it.
                stream.write_all(answer.as_bytes()).await?;
                while stream.read_buf(&mut buffer).await? > 0 {
                    buffer.clear();
                }
                return Ok(());
            }
            let status = self.call(&head).await;
            let Some(status) = status else { return Ok(()) };
            let body = if status == 200 { &self.body[..] } else { &b"no"[..] };
            stream.write_all(wire::answer_head(status, body.len()).as_bytes()).await?;
            stream.write_all(body).await?;
        }
    }

    /// The status of the answer; none to close the connection without one.
    async fn call(self: &Arc<Self>, head: &wire::Request) -> Option<u16> {
        let expires = head.expires.map(|at| self.recorder.instant(at));
        let now = Instant::now();
        let is_expired = expires.is_some_and(|at| at < now);
        let _held = Held::new(self);
        self.recorder.called(self.place, head.attempt > 1, is_expired);
        let (done, ends) = oneshot::channel();
        let behavior = {
            let mut state = self.state.lock();
            let draw = state.random.f64();
            let behavior = match state.behavior {
                Behavior::Fail(share) | Behavior::Refuse(share) if draw >= share => Behavior::Serve,
                other => other,
            };
            if matches!(behavior, Behavior::Serve | Behavior::Fail(_)) {
                if state.waiting.len() >= WAITING_MAX {
                    return None;
                }
                let service = head.service;
                state.waiting.push_back(Waiting { service, arrived: now, expires, done });
                self.fill(&mut state, now);
            }
            behavior
        };
        match behavior {
            Behavior::Serve => ends.await.ok(),
            Behavior::Fail(_) => ends.await.ok().map(|_| 500),
            Behavior::FailFast => {
                sleep(FAST).await;
                Some(500)
            }
            Behavior::Refuse(_) => {
                sleep(FAST).await;
                Some(429)
            }
            Behavior::Hang => std::future::pending().await,
        }
    }

    /// Gives free slots, of which the last became free at `free`, to who waits.
    fn fill(self: &Arc<Self>, state: &mut State, free: Instant) {
        while state.busy < state.slots {
            let Some(next) = state.waiting.pop_front() else { return };
            state.busy += 1;
            let from = next.arrived.max(free);
            let slower = state.slower;
            let time = state.services.get(next.service).copied();
            let seconds = time.map_or(0.0, |time| time.draw(&mut state.random)) * slower;
            let end = from + Duration::from_secs_f64(seconds);
            let own = Arc::clone(self);
            tokio::spawn(async move {
                sleep_until(end).await;
                own.recorder.worked(seconds, next.expires.is_some_and(|at| at < end));
                // Nobody may wait for it any more; the work is done all the same.
                let _unheard = next.done.send(200);
                let mut state = own.state.lock();
                state.busy -= 1;
                own.fill(&mut state, end);
            });
        }
    }
}

fn change_returns(change: Change) -> bool {
    matches!(change, Change::Behave(Behavior::Serve))
}

/// A call that the edge waits for.
struct Held<'a>(&'a Origin);

impl<'a> Held<'a> {
    fn new(origin: &'a Origin) -> Self {
        let mut state = origin.state.lock();
        state.held += 1;
        origin.recorder.held(origin.place, state.held);
        drop(state);
        Self(origin)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.state.lock().held -= 1;
    }
}
