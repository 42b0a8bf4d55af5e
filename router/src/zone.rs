//! Prefers endpoints in the edge's own zone while they have capacity enough.
//!
//! Each zone is taken to send as many calls as the others: with `Z` zones an edge's own zone can
//! serve all that comes from it while it has 1/Z of the whole capacity. With a share `c` below that
//! it gets `c × Z` of its calls, and the rest goes to the zones that have more than 1/Z, in
//! proportion to what they have more. So no zone gets more than its capacity's share of all calls,
//! as long as edges see alike.
//!
//! It is Envoy's zone-aware routing (`zone_aware_lb_config`) with an even share in the place of the
//! share of edges in each zone, which an edge would have to be told; as there, the capacity that
//! counts is that of endpoints that may be asked now.

use std::num::NonZeroU16;

/// Zones that are told apart; what is in further ones counts as one zone.
pub const ZONES_MAX: usize = 16;

/// The zone of the edge itself.
const OWN: usize = 0;

/// The zones of one upstream's endpoints, as an edge in one of them sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    /// Each endpoint's zone and weight.
    endpoints: Vec<(usize, NonZeroU16)>,
    count: usize,
}

/// The zone that a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(usize);

impl Zones {
    /// The zones of these endpoints, each by the name of its zone and its weight. Those of which
    /// nobody knows a zone are one of their own. None where there is nothing to prefer: all are in
    /// one zone, or none in the edge's.
    pub fn new<'z>(
        own: &'z str,
        endpoints: impl IntoIterator<Item = (Option<&'z str>, NonZeroU16)>,
    ) -> Option<Self> {
        let mut names = vec![Some(own)];
        let mut place = |name: Option<&'z str>| {
            let known = names.iter().position(|known| *known == name);
            known.unwrap_or_else(|| {
                if names.len() < ZONES_MAX {
                    names.push(name);
                }
                names.len() - 1
            })
        };
        let endpoints: Vec<_> =
            endpoints.into_iter().map(|(name, weight)| (place(name), weight)).collect();
        let has_own = endpoints.iter().any(|(zone, _)| *zone == OWN);
        let is_choice = has_own && names.len() > 1;
        is_choice.then_some(Self { endpoints, count: names.len() })
    }

    /// Draws the zone of a call. `may_be_asked` says of each endpoint whether it may be; `random`
    /// must be drawn evenly from all of `u64`, and not be what the balancer draws by.
    pub fn draw(&self, may_be_asked: impl Fn(usize) -> bool, random: u64) -> Zone {
        let mut capacity = [0.0; ZONES_MAX];
        for (index, (zone, weight)) in self.endpoints.iter().enumerate() {
            if let Some(sum) = capacity.get_mut(*zone).filter(|_| may_be_asked(index)) {
                *sum += f64::from(weight.get());
            }
        }
        let even = capacity.iter().sum::<f64>() / self.count as f64;
        let draw = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let own = capacity.first().copied().unwrap_or_default();
        if own >= even || draw * even < own {
            return Zone(OWN);
        }
        // What is left of the draw, spread evenly again.
        let spill = (draw * even - own) / (even - own);
        let more = |capacity: &f64| (capacity - even).max(0.0);
        let mut left = spill * capacity.iter().map(more).sum::<f64>();
        let spare = capacity.iter().map(more).enumerate();
        let mut last = OWN;
        for (zone, spare) in spare.filter(|(_, spare)| *spare > 0.0) {
            last = zone;
            left -= spare;
            if left < 0.0 {
                break;
            }
        }
        Zone(last)
    }

    /// Whether an endpoint stands in a zone.
    pub fn is_in(&self, endpoint: usize, zone: Zone) -> bool {
        self.endpoints.get(endpoint).is_some_and(|(of, _)| *of == zone.0)
    }
}

#[cfg(test)]
mod tests;
