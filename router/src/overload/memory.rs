//! Memory that runs out: what idles is kept for less long before anybody is refused.

/// Share of the memory from which connections may idle for less long, and that from which they may
/// for the shortest. From the second on no connection is accepted.
const SCALED: (f64, f64) = (0.85, 0.95);
/// What is left of the idle time then.
const LEAST: f64 = 0.1;

/// Share of its idle time for which a client's connection is kept while so much of the memory is in
/// use, in `(0, 1]`: all below 85 %, then less in proportion, a tenth from 95 % on. All where the
/// use is unknown.
///
/// After Envoy's overload action `reduce_timeouts` with a scaled trigger.
pub fn idle_share(in_use: Option<f64>) -> f64 {
    let (from, to) = SCALED;
    // Not-a-number is neither below nor above, and so says nothing.
    let in_use = in_use.filter(|in_use| *in_use > from);
    let pressure = in_use.map_or(0.0, |in_use| ((in_use - from) / (to - from)).min(1.0));
    1.0 - pressure * (1.0 - LEAST)
}

#[cfg(test)]
mod tests;
