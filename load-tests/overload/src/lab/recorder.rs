//! Writes down what clients and endpoints see, in the simulator's terms.

use std::{collections::BTreeMap, time::Duration};

use headgate_sim::figures::{BIN, Bin, Line, Run, State};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Traces of refused requests that are kept, to be asked for.
const TRACES_MAX: usize = 50;

/// How long an endpoint that has come back is looked at: its breaker's ramp but the last step.
const RETURNING: Duration = Duration::from_secs(3);

/// What one run shows, while it does.
#[derive(Debug)]
pub(crate) struct Recorder {
    start: Mutex<Instant>,
    /// From when on an endpoint's calls at once count; none: always.
    counts_from: Mutex<BTreeMap<usize, Instant>>,
    run: Mutex<Run>,
    answers: Mutex<Answers>,
}

/// Answers as clients count them, attempts one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    /// By status, or 0 for a connection that broke.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// The edge's own, by their code.
    pub(crate) codes: BTreeMap<String, u64>,
    /// Answers for which the client did not wait.
    pub(crate) left: u64,
    /// The edge's own that name no code.
    pub(crate) unexplained: u64,
    /// Traces of the last refusals.
    pub(crate) traces: Vec<String>,
}

impl Answers {
    /// Answers of the edge's own with one of these codes.
    pub(crate) fn of(&self, codes: &[&str]) -> u64 {
        codes.iter().filter_map(|code| self.codes.get(*code)).sum()
    }
}

impl Recorder {
    /// One that has seen nothing.
    pub(crate) fn new(streams: usize, endpoints: usize) -> Self {
        let run = Run {
            lines: vec![Line::default(); streams],
            calls: vec![Vec::new(); endpoints],
            at_endpoint_max: vec![0; endpoints],
            ..Run::default()
        };
        Self {
            start: Mutex::new(Instant::now()),
            counts_from: Mutex::default(),
            run: Mutex::new(run),
            answers: Mutex::default(),
        }
    }

    /// Begins to count time: what was asked before that was preparation.
    pub(crate) fn begin(&self) {
        *self.start.lock() = Instant::now();
    }

    /// When the run began.
    pub(crate) fn start(&self) -> Instant {
        *self.start.lock()
    }

    /// The moment so many nanoseconds after the start.
    pub(crate) fn instant(&self, nanoseconds: u64) -> Instant {
        self.start() + Duration::from_nanos(nanoseconds)
    }

    /// Counts a request that a client wants.
    pub(crate) fn offered(&self, line: usize, due: Instant) {
        self.count(line, due, |bin| bin.offered += 1);
    }

    /// Counts an answer in time.
    pub(crate) fn good(&self, line: usize, due: Instant) {
        let now = Instant::now();
        self.count(line, now, |bin| bin.good += 1);
        let at = narrow(now.duration_since(self.start()));
        let latency = narrow(now.saturating_duration_since(due));
        if let Some(line) = self.run.lock().lines.get_mut(line) {
            line.latencies.push((at, latency));
        }
    }

    /// Counts a refusal of the edge.
    pub(crate) fn shed(&self, line: usize) {
        self.count(line, Instant::now(), |bin| bin.shed += 1);
    }

    /// Counts a request that is lost for good.
    pub(crate) fn bad(&self, line: usize) {
        self.count(line, Instant::now(), |bin| bin.bad += 1);
    }

    /// Counts a page, and whether every call of it was answered.
    pub(crate) fn page(&self, line: usize, is_whole: bool) {
        if let Some(line) = self.run.lock().lines.get_mut(line) {
            line.pages.0 += 1;
            line.pages.1 += u64::from(is_whole);
        }
    }

    /// Counts an answer as its client reads it; status 0 is a connection that broke.
    pub(crate) fn answered(&self, status: u16, is_edges: bool, body: &[u8]) {
        let mut answers = self.answers.lock();
        *answers.statuses.entry(status).or_default() += 1;
        if !is_edges {
            return;
        }
        let problem = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
        let text = |key: &str| problem.get(key).and_then(|value| value.as_str());
        match (text("code"), text("trace_id")) {
            (Some(code), Some(trace)) => {
                *answers.codes.entry(code.to_owned()).or_default() += 1;
                if answers.traces.len() >= TRACES_MAX {
                    answers.traces.remove(0);
                }
                answers.traces.push(trace.to_owned());
            }
            _ => answers.unexplained += 1,
        }
    }

    /// Counts an answer that came too late.
    pub(crate) fn left(&self) {
        self.answers.lock().left += 1;
    }

    /// Counts a call at an endpoint.
    pub(crate) fn called(&self, place: usize, is_retry: bool, is_expired: bool) {
        let bin = self.bin(Instant::now());
        let mut run = self.run.lock();
        run.expired_sent += u64::from(is_expired);
        let run = &mut *run;
        let attempts = if is_retry { &mut run.retries } else { &mut run.first_attempts };
        increment(attempts, bin);
        if let Some(calls) = run.calls.get_mut(place) {
            increment(calls, bin);
        }
    }

    /// Counts an endpoint's calls at once anew: it comes back.
    pub(crate) fn returns(&self, place: usize) {
        self.counts_from.lock().insert(place, Instant::now());
        if let Some(most) = self.run.lock().at_endpoint_max.get_mut(place) {
            *most = 0;
        }
    }

    /// Counts calls that an endpoint holds at once; of one that has come back, while it does.
    pub(crate) fn held(&self, place: usize, held: usize) {
        let back = self.counts_from.lock().get(&place).copied();
        if back.is_some_and(|at| at.elapsed() > RETURNING) {
            return;
        }
        if let Some(most) = self.run.lock().at_endpoint_max.get_mut(place) {
            *most = held.max(*most);
        }
    }

    /// Counts work of a slot.
    pub(crate) fn worked(&self, seconds: f64, is_wasted: bool) {
        let mut run = self.run.lock();
        run.work.0 += seconds;
        run.work.1 += if is_wasted { seconds } else { 0.0 };
    }

    /// Notes the edge's state, and what it had the first upstream hold.
    pub(crate) fn state(&self, state: State) {
        let bin = self.bin(Instant::now());
        let mut run = self.run.lock();
        // A bin that was missed, because the machine was busy, is filled with what came next.
        while run.states.len() <= bin {
            run.states.push(state);
        }
    }

    /// What it has shown so far.
    pub(crate) fn finish(&self) -> (Run, Answers) {
        (self.run.lock().clone(), self.answers.lock().clone())
    }

    fn count(&self, line: usize, at: Instant, count: impl FnOnce(&mut Bin)) {
        let place = self.bin(at);
        let mut run = self.run.lock();
        let Some(line) = run.lines.get_mut(line) else { return };
        if line.bins.len() <= place {
            line.bins.resize(place + 1, Bin::default());
        }
        if let Some(bin) = line.bins.get_mut(place) {
            count(bin);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a run takes minutes at most"
    )]
    fn bin(&self, at: Instant) -> usize {
        (at.saturating_duration_since(self.start()).as_secs_f64() / BIN) as usize
    }
}

fn increment(bins: &mut Vec<u32>, place: usize) {
    if bins.len() <= place {
        bins.resize(place + 1, 0);
    }
    if let Some(bin) = bins.get_mut(place) {
        *bin += 1;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the simulator's figures keep seconds as f32")]
fn narrow(time: Duration) -> f32 {
    time.as_secs_f64() as f32
}
