//! Puts endpoints in force that were found, and leaves everything else as it is.

use std::sync::Arc;

use headgate_types::Moment;

use crate::{
    edge::{BuildError, Edge, Function, Route, Snapshot, Tools},
    settings::Endpoint,
    upstream::{LookedUp, Upstream},
};

impl Edge {
    /// Puts other endpoints of an upstream in force, for what begins from now on. Connections, and
    /// what is known of endpoints that stay, are kept. No effect for an upstream that is looked up
    /// otherwise, or no longer.
    ///
    /// # Errors
    ///
    /// [`BuildError`] where endpoints can't be spoken to by the upstream's TLS; nothing has changed
    /// then.
    pub(crate) fn found(
        &self,
        looked_up: &Arc<LookedUp>,
        endpoints: Vec<Endpoint>,
    ) -> Result<(), BuildError> {
        // Held to the end: whoever applies settings does so before or after.
        let mut replaced = self.replaced.lock();
        replaced.retain(|old| Arc::strong_count(old) > 1);
        let before = self.snapshot();
        let is_it = |one: &Arc<Upstream>| {
            one.looked_up.as_ref().is_some_and(|known| Arc::ptr_eq(known, looked_up))
        };
        let Some(at) = before.upstreams.iter().position(is_it) else { return Ok(()) };
        let after = before.with_endpoints((at, endpoints), &self.tools, self.clock.now())?;
        self.snapshot.store(Arc::new(after));
        replaced.push(before);
        self.applied.send_modify(|applied| *applied += 1);
        Ok(())
    }
}

impl Snapshot {
    /// The same with other endpoints of one upstream.
    fn with_endpoints(
        &self,
        (at, endpoints): (usize, Vec<Endpoint>),
        tools: &Tools,
        now: Moment,
    ) -> Result<Self, BuildError> {
        let mut after = self.clone();
        let Some(upstream) = after.upstreams.get_mut(at) else { return Ok(after) };
        let before = Arc::clone(upstream);
        *upstream = before.with_endpoints(endpoints, (&tools.metrics, now))?;
        let found = Arc::clone(upstream);
        for route in &mut after.routes {
            if !route.sends_to(&route.settings, &after.upstreams) {
                let known = Arc::clone(route);
                let same = (&known.settings, known.timeout);
                *route = Route::compile(same, &after.upstreams, tools, Some(&known))?;
            }
        }
        let function = |function: &Function| {
            let is_it = Arc::ptr_eq(&function.upstream, &before);
            let upstream = Arc::clone(if is_it { &found } else { &function.upstream });
            Function { upstream, ..function.clone() }
        };
        let functions = self.functions.iter().map(|(scope, one)| (scope.clone(), function(one)));
        after.functions = Arc::new(functions.collect());
        Ok(after)
    }
}
