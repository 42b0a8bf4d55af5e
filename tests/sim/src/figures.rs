//! What a run has shown.

use headgate_router::overload::mode::Counts;

/// Length of a bin of the time lines, in seconds.
pub const BIN: f64 = 0.1;

/// Counts of one stream in one bin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bin {
    /// Requests that clients wanted (retries not counted).
    pub offered: u32,
    /// Answered within the client's patience.
    pub good: u32,
    /// Refused by the edge, attempts of clients counted one by one.
    pub shed: u32,
    /// Lost for good.
    pub bad: u32,
}

/// What one stream has met.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// By time of the event.
    pub bins: Vec<Bin>,
    /// Answered requests: when, and after how many seconds.
    pub latencies: Vec<(f32, f32)>,
    /// Pages sent, and pages with every call answered.
    pub pages: (u64, u64),
}

/// The edge's state in one bin.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// The first gate's limit.
    pub limit: f32,
    /// Its permits.
    pub in_flight: f32,
    /// Requests waiting for one.
    pub queued: f32,
    /// Ranks below this one pass.
    pub threshold: f32,
    /// Calls at the upstream beyond its slots.
    pub backlog: f32,
    /// What the first gate takes for a call's time without load, in seconds.
    pub no_load_rtt: f32,
}

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// One for each stream.
    pub lines: Vec<Line>,
    /// The edge's state at the end of each bin.
    pub states: Vec<State>,
    /// What the first gate has decided until then.
    pub counts: Vec<Counts>,
    /// Most permits out at once, per gate.
    pub in_flight_max: Vec<u32>,
    /// Calls sent to the upstream: first attempts, and retries by the edge, per bin.
    pub first_attempts: Vec<u32>,
    /// Retries by the edge per bin.
    pub retries: Vec<u32>,
    /// Calls sent to each endpoint, per bin.
    pub calls: Vec<Vec<u32>>,
    /// Slot seconds spent, and of those on calls that nobody waited for any more.
    pub work: (f64, f64),
    /// Calls that reached the upstream after their deadline.
    pub expired_sent: u64,
    /// Most calls at each endpoint at once while its breaker lets it return.
    pub at_endpoint_max: Vec<usize>,
    /// Upstream times of answered calls: when, and seconds.
    pub rtts: Vec<(f32, f32)>,
    /// Most requests that the first upstream held at once after the last change, and the largest
    /// limit of its gate from then on.
    pub hung_max: usize,
    /// See `hung_max`.
    pub hung_limit: f64,
    /// Most probes of an endpoint in a second.
    pub probes_per_second: f64,
    /// A number that depends on every event, to compare histories.
    pub history: u64,
}

impl Run {
    /// Sums of bins of some streams between two times in seconds.
    pub fn sum(&self, lines: &[usize], from: f64, to: f64) -> Bin {
        let mut sum = Bin::default();
        for line in lines.iter().filter_map(|index| self.lines.get(*index)) {
            for bin in slice(&line.bins, from, to) {
                sum.offered += bin.offered;
                sum.good += bin.good;
                sum.shed += bin.shed;
                sum.bad += bin.bad;
            }
        }
        sum
    }

    /// All streams.
    pub fn all(&self) -> Vec<usize> {
        (0..self.lines.len()).collect()
    }

    /// Answered in time, a second.
    pub fn goodput(&self, from: f64, to: f64) -> f64 {
        f64::from(self.sum(&self.all(), from, to).good) / (to - from)
    }

    /// Share of requests that were answered in time, of those that were decided.
    pub fn success(&self, lines: &[usize], from: f64, to: f64) -> f64 {
        let sum = self.sum(lines, from, to);
        let decided = sum.good + sum.bad;
        if decided == 0 { 1.0 } else { f64::from(sum.good) / f64::from(decided) }
    }

    /// A quantile of the time to an answer, in seconds.
    pub fn latency(&self, lines: &[usize], (from, to): (f64, f64), quantile: f64) -> f64 {
        let lines = lines.iter().filter_map(|index| self.lines.get(*index));
        let all = lines.flat_map(|line| &line.latencies);
        let within = all.filter(|(at, _)| (from..to).contains(&f64::from(*at)));
        self::quantile(within.map(|(_, seconds)| f64::from(*seconds)).collect(), quantile)
    }

    /// A quantile of the upstream's time, in seconds.
    pub fn rtt(&self, (from, to): (f64, f64), quantile: f64) -> f64 {
        let within = self.rtts.iter().filter(|(at, _)| (from..to).contains(&f64::from(*at)));
        self::quantile(within.map(|(_, seconds)| f64::from(*seconds)).collect(), quantile)
    }

    /// The limit between two times: mean, smallest, largest.
    pub fn limit(&self, from: f64, to: f64) -> (f64, f64, f64) {
        let limits: Vec<_> =
            slice(&self.states, from, to).iter().map(|state| f64::from(state.limit)).collect();
        let mean = limits.iter().sum::<f64>() / limits.len().max(1) as f64;
        let min = limits.iter().copied().fold(f64::INFINITY, f64::min);
        (mean, min, limits.iter().copied().fold(0.0, f64::max))
    }
}

/// The bins between two times in seconds.
pub fn slice<T>(bins: &[T], from: f64, to: f64) -> &[T] {
    let end = crate::index((to / BIN).round()).min(bins.len());
    let start = crate::index((from / BIN).round()).min(end);
    bins.get(start..end).unwrap_or_default()
}

/// A quantile of some numbers; infinite of none.
pub fn quantile(mut values: Vec<f64>, quantile: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let index = crate::index(values.len() as f64 * quantile).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or(f64::INFINITY)
}
