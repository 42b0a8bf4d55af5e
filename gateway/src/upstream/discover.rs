//! Looks endpoints up beside the data path, again and again.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use headgate_router::discovery::{Fault, Found, Set, judge};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    edge::Edge,
    settings::{Address, Endpoint},
    upstream::{LookedUp, Upstream, dns::Names},
};

/// Time of one look, however many names it follows.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// Time between two looks whether all was looked up.
const SEE_EVERY: Duration = Duration::from_millis(5);

/// The looks for one upstream; dropped, they end.
struct Looking {
    looked_up: Arc<LookedUp>,
    servers: Vec<SocketAddr>,
    _task: JoinSet<()>,
}

impl Edge {
    /// Looks up the endpoints of the upstreams in force that want it, until `shutdown` holds true or
    /// its sender is gone. To be run once, beside the data path. Where the settings name no name
    /// servers, `machine` are asked.
    pub async fn discover(
        self: Arc<Self>,
        machine: Vec<SocketAddr>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut applied = self.applied.subscribe();
        let mut looking: Vec<Looking> = Vec::new();
        loop {
            self.follow_questions(&machine, &mut looking);
            tokio::select! {
                // A sender that is gone means shutdown too.
                _ = shutdown.wait_for(|is_over| *is_over) => return,
                // The edge lives as long as this.
                _applied = applied.changed() => {}
            }
        }
    }

    /// Looks everything up once, for `within` at most: what is not found by then is looked up on by
    /// whoever does so beside the data path.
    pub async fn discover_first(self: Arc<Self>, machine: Vec<SocketAddr>, within: Duration) {
        let (_running, shutdown) = watch::channel(false);
        let looked = async {
            while self.is_to_be_looked_up() {
                sleep(SEE_EVERY).await;
            }
        };
        tokio::select! {
            () = Arc::clone(&self).discover(machine, shutdown) => {}
            _looked = timeout(within, looked) => {}
        }
    }

    /// Whether an upstream in force waits for its first look.
    pub fn is_to_be_looked_up(&self) -> bool {
        let snapshot = self.snapshot();
        let waits = |one: &Arc<Upstream>| one.looked_up.as_ref().is_some_and(|it| !it.has_looked());
        snapshot.upstreams().iter().any(waits)
    }

    /// Ends the looks that nobody wants any more, and begins new ones.
    fn follow_questions(self: &Arc<Self>, machine: &[SocketAddr], looking: &mut Vec<Looking>) {
        let snapshot = self.snapshot();
        let servers = snapshot.terms.dns_servers.as_deref().unwrap_or(machine);
        let wanted = || snapshot.upstreams().iter().filter_map(|one| one.looked_up.as_ref());
        let is_wanted = |one: &Looking| {
            one.servers == servers && wanted().any(|it| Arc::ptr_eq(it, &one.looked_up))
        };
        looking.retain(is_wanted);
        let new = wanted().filter(|it| !looking.iter().any(|one| Arc::ptr_eq(it, &one.looked_up)));
        let new: Vec<_> = new.cloned().collect();
        if new.is_empty() {
            return;
        }
        let names = Names::of(servers);
        for looked_up in new {
            let mut task = JoinSet::new();
            task.spawn(look_forever(Arc::clone(self), Arc::clone(&looked_up), names.clone()));
            looking.push(Looking { looked_up, servers: servers.to_vec(), _task: task });
        }
    }
}

async fn look_forever(edge: Arc<Edge>, looked_up: Arc<LookedUp>, names: Names) {
    let (question, pace) = (&looked_up.dns.question, looked_up.dns.pace);
    let mut faults = 0_u32;
    loop {
        let looked = timeout(LOOK_WITHIN, names.look(question)).await;
        let answer = looked.unwrap_or(Err(Fault::Timeout));
        let set = answer.and_then(|(found, good_for)| Ok((judge(found)?, good_for)));
        let draw = fastrand::f64();
        let wait = match set {
            Ok((set, good_for)) => {
                faults = 0;
                edge.take_over(&looked_up, &set);
                pace.after_answer(good_for, draw)
            }
            Err(fault) => {
                faults = faults.saturating_add(1);
                if looked_up.bad(fault) {
                    let (name, fault) = (question.to_string(), fault.as_str());
                    tracing::warn!(name, fault, "endpoints not looked up; the last ones stay");
                }
                pace.after_fault(faults, draw)
            }
        };
        sleep(wait).await;
    }
}

impl Edge {
    /// Puts in force what was found, and tells of what has changed.
    fn take_over(&self, looked_up: &Arc<LookedUp>, set: &Set) {
        let snapshot = self.snapshot();
        let mut all = snapshot.upstreams().iter();
        let is_it = |one: &&Arc<Upstream>| {
            one.looked_up.as_ref().is_some_and(|known| Arc::ptr_eq(known, looked_up))
        };
        let Some(upstream) = all.find(is_it) else { return };
        let endpoints: Vec<_> = set.found.iter().map(endpoint).collect();
        let (added, gone) = differences(&upstream.settings.endpoints, &endpoints);
        if upstream.settings.endpoints != endpoints
            && let Err(error) = self.found(looked_up, endpoints)
        {
            let name = &*upstream.audience;
            tracing::error!(upstream = name, %error, "endpoints that were found can't be used");
        } else if added + gone > 0 {
            let (name, endpoints) = (&*upstream.audience, set.found.len());
            tracing::info!(upstream = name, endpoints, added, gone, "other endpoints");
        }
        let time = (self.clock.now(), self.clock.unix_time());
        let (over, left_out_before) = looked_up.good(time, (set.found.len(), set.left_out));
        if over.is_some() {
            tracing::info!(upstream = &*upstream.audience, "endpoints are looked up again");
        }
        if set.left_out > left_out_before {
            let (name, left_out) = (&*upstream.audience, set.left_out);
            tracing::warn!(upstream = name, left_out, "more endpoints than one upstream may have");
        }
    }
}

fn endpoint(found: &Found) -> Endpoint {
    let address = Address::Tcp(found.address.to_string().into());
    Endpoint { weight: found.weight, ..address.into() }
}

/// How many endpoints are new, and how many are gone.
fn differences(before: &[Endpoint], after: &[Endpoint]) -> (usize, usize) {
    let [before, after] = [before, after]
        .map(|all| all.iter().map(|one| one.address.to_string()).collect::<BTreeSet<_>>());
    (after.difference(&before).count(), before.difference(&after).count())
}
