//! Who sends what, and how often.

use headgate_types::Class;

/// A stream of requests of one class to one route, as a Poisson process of piecewise constant rate.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Importance of its requests.
    pub class: Class,
    /// Requests (or pages) a second from each moment in seconds on, ascending.
    pub rate: Vec<(f64, f64)>,
    /// Users that take turns at random.
    pub users: std::ops::Range<u64>,
    /// The client gives up after so many seconds.
    pub patience: f64,
    /// How often a client tries again, at once, after a failure.
    pub retries: u32,
    /// Whether the client tells the edge when it gives up.
    pub tells_deadline: bool,
    /// Calls that are sent together and are worth something only together.
    pub page: u32,
    /// Which gate it passes.
    pub gate: usize,
    /// The partition and kind of call inside that gate.
    pub partition: usize,
    /// Which upstream it goes to.
    pub upstream: usize,
    /// Which of the upstream's services it asks for.
    pub service: usize,
}

impl Stream {
    /// A steady stream with patience of two seconds and no retries.
    pub fn steady(class: Class, rate: f64) -> Self {
        Self {
            class,
            rate: vec![(0.0, rate)],
            users: 0..10_000,
            patience: 2.0,
            retries: 0,
            tells_deadline: false,
            page: 1,
            gate: 0,
            partition: 0,
            upstream: 0,
            service: 0,
        }
    }

    /// The usual mix of the four classes at these total rates.
    pub fn mix(rate: &[(f64, f64)]) -> Vec<Self> {
        let shares = [0.15, 0.25, 0.30, 0.30];
        let classes = Class::ALL.into_iter().zip(shares);
        classes
            .map(|(class, share)| Self {
                rate: rate.iter().map(|(from, rate)| (*from, rate * share)).collect(),
                ..Self::steady(class, 0.0)
            })
            .collect()
    }

    /// The rate in force, and when the next one begins.
    pub(crate) fn rate_at(&self, seconds: f64) -> (f64, Option<f64>) {
        let past = self.rate.iter().rev().find(|(from, _)| *from <= seconds);
        let next = self.rate.iter().find(|(from, _)| *from > seconds);
        (past.map_or(0.0, |(_, rate)| *rate), next.map(|(from, _)| *from))
    }
}
