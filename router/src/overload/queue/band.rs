//! One band of a queue: its flows, and whose turn it is.

use super::{BandSettings, FLOWS, HAND, NONE, codel::Codel};
use crate::overload::shard::Hand;

/// The waiters of those tenants that have chosen it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) len: usize,
    /// Virtual time at which its oldest waiter starts, and at which its newest will be done.
    pub(super) start: f64,
    pub(super) finish: f64,
}

/// A class, or a partition with a guaranteed share.
#[derive(Debug)]
pub(super) struct Band {
    pub(super) flows: Vec<Flow>,
    /// Flows with waiters, in no order.
    pub(super) active: Vec<usize>,
    pub(super) len: usize,
    pub(super) virtual_time: f64,
    /// The flow and page that were served last: a page is served as one.
    pub(super) served: Option<(usize, u64)>,
    pub(super) codel: Codel,
    newest_first_when_standing: bool,
}

impl Flow {
    fn load(&self) -> (usize, f64) {
        (self.len, self.finish)
    }
}

impl Band {
    /// An empty one.
    pub(super) fn new(settings: &BandSettings) -> Self {
        Self {
            flows: Vec::new(),
            active: Vec::new(),
            len: 0,
            virtual_time: 0.0,
            served: None,
            codel: Codel::new(settings.interval, settings.harmless),
            newest_first_when_standing: settings.newest_first,
        }
    }

    /// Makes the flows, with the first waiter.
    pub(super) fn open(&mut self) {
        if self.flows.is_empty() {
            let flow = Flow { first: NONE, last: NONE, len: 0, start: 0.0, finish: 0.0 };
            self.flows = vec![flow; FLOWS];
        }
    }

    /// The shortest flow of a tenant's hand.
    pub(super) fn shortest(&self, tenant: u64) -> usize {
        // Of equally short ones the least used, so that a tenant takes turns among its own.
        let load = |flow| self.flows.get(flow).map_or((usize::MAX, 0.0), Flow::load);
        Hand::deal(tenant, FLOWS, HAND).lightest(load).unwrap_or(0)
    }

    /// The slot whose turn it is: of the flow that starts first in virtual time. Those that have a
    /// backlog start together, and a newcomer with them: it is served before, not after the round.
    pub(super) fn next(&self) -> Option<u32> {
        let flows = self.active.iter().filter_map(|index| self.flows.get(*index));
        let flow = flows.min_by(|a, b| a.start.total_cmp(&b.start).then(a.len.cmp(&b.len)))?;
        Some(self.end(flow))
    }

    /// The end of a flow that is served.
    pub(super) fn end(&self, flow: &Flow) -> u32 {
        let newest = self.newest_first_when_standing && self.codel.is_standing();
        if newest { flow.last } else { flow.first }
    }
}
