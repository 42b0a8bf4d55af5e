//! Finds the endpoint that fails more than the others do.

use headgate_types::Moment;

use crate::overload::breaker::Window;

/// Standard deviations below the mean that make an outlier (Envoy's `success_rate_stdev_factor`).
const DEVIATIONS: f64 = 1.9;
/// And it must be this much below the mean: among equals, some deviation always is the largest.
const DISTANCE_MIN: f64 = 0.05;
/// Endpoints, and calls of each, that a comparison needs.
const ENDPOINTS_MIN: usize = 3;
const CALLS_MIN: u32 = 50;

/// Each endpoint's success in the last ten seconds, compared once a second.
#[derive(Debug)]
pub(super) struct Spread {
    windows: Vec<Window>,
    compared_at: u64,
}

impl Spread {
    pub(super) fn new(count: usize) -> Self {
        Self { windows: vec![Window::default(); count], compared_at: 0 }
    }

    /// Counts a call; gives the outlier if there is one.
    pub(super) fn add(&mut self, endpoint: usize, now: Moment, is_success: bool) -> Option<usize> {
        self.windows.get_mut(endpoint)?.add(now, is_success);
        let second = now.as_nanos() / 1_000_000_000;
        if second <= self.compared_at {
            return None;
        }
        self.compared_at = second;
        self.windows.iter_mut().for_each(|window| window.turn(now));
        let found = self.outlier();
        if let Some(window) = found.and_then(|found| self.windows.get_mut(found)) {
            // It starts afresh when it comes back.
            *window = Window::default();
        }
        found
    }

    fn rates(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let windows = self.windows.iter().enumerate();
        windows.filter_map(|(index, window)| {
            let (calls, successes) = window.sums();
            (calls >= CALLS_MIN).then(|| (index, f64::from(successes) / f64::from(calls)))
        })
    }

    fn outlier(&self) -> Option<usize> {
        let count = self.rates().count();
        if count < ENDPOINTS_MIN {
            return None;
        }
        let mean = self.rates().map(|(_, rate)| rate).sum::<f64>() / count as f64;
        let squares = self.rates().map(|(_, rate)| (rate - mean).powi(2)).sum::<f64>();
        let deviation = (squares / count as f64).sqrt();
        let (worst, rate) = self.rates().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let below = mean - rate;
        (below > DISTANCE_MIN && below > DEVIATIONS * deviation).then_some(worst)
    }
}
