//! Recorded requests through limits as the edge has them, in the time of a simulation.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use headgate_gateway::settings::{Callers, Concurrency};
use headgate_router::overload::{
    adaptive::{self, Adaptive},
    concurrency::{self, Asked, Call, Gate, Permit, Waiter},
    limit::End,
    mode::Ruled,
    queue::Ticket,
    rate::Limiter,
    throttle::{self, Throttle},
    verdict::Verdict,
};
use headgate_types::{Class, Moment, Priority};
use parking_lot::Mutex;

/// Levels inside a class, over which requests are spread evenly.
const LEVELS: u8 = 128;

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// Since the first one.
    pub(super) at: Duration,
    pub(super) class: Class,
    /// The limits that it meets, in order: of its route, if that has one, and of its upstream.
    pub(super) gates: [Option<usize>; 2],
    /// The position of its route, whose rates and throttle it meets before them. None: it meets
    /// none.
    pub(super) route: Option<usize>,
    /// Whether an identity source knew its caller.
    pub(super) is_known: bool,
    /// How long its upstream takes, and whether it answers well.
    pub(super) service: Duration,
    pub(super) is_good: bool,
    /// For what the answer is counted.
    pub(super) stream: usize,
}

/// A limit with these settings, as the edge makes it.
pub(super) fn gate(settings: &Concurrency) -> Arc<Gate<Waiting>> {
    let Concurrency { mode, initial, min, max } = *settings;
    let limit = adaptive::Settings { initial, min, max, ..adaptive::Settings::default() };
    let gate = concurrency::Settings { mode, ..concurrency::Settings::default() };
    Gate::new(gate, Box::new(Adaptive::new(limit)))
}

/// Verdicts of requests that waited.
type Inbox = Arc<Mutex<VecDeque<(usize, Verdict<Permit<Waiting>>)>>>;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    request: usize,
    inbox: Inbox,
}

impl Waiter for Waiting {
    fn resolve(self, verdict: Verdict<Permit<Self>>) -> Option<Permit<Self>> {
        self.inbox.lock().push_back((self.request, verdict));
        None
    }
}

enum Event {
    Arrive(usize),
    Served(usize),
    QueueEnds(usize, Ticket),
}

/// What requests meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers<'a> {
    /// Rates of routes, by the position of the route.
    pub(super) rates: &'a [Vec<(Callers, Limiter)>],
    /// Throttles of routes.
    pub(super) throttles: &'a [Throttle],
    /// Limits of upstreams, then those of routes.
    pub(super) gates: &'a [Arc<Gate<Waiting>>],
}

/// What a request holds on its way.
#[derive(Debug, Default)]
struct Held {
    permits: Vec<Permit<Waiting>>,
    pass: Option<throttle::Pass>,
}

/// Carries requests through limits.
pub(super) struct Run<'a> {
    arrivals: &'a [Arrival],
    layers: Layers<'a>,
    random: fastrand::Rng,
    now: Moment,
    heap: BinaryHeap<Reverse<(Moment, u64)>>,
    events: HashMap<u64, Event>,
    inbox: Inbox,
    held: HashMap<usize, Held>,
    number: u64,
    refused: Vec<u64>,
}

/// How many requests of each stream are refused, in the order of `streams`.
///
/// Upstreams take as long as they took then, whatever is let in: what a limit spares them, or costs
/// them, is not told.
pub(super) fn run(arrivals: &[Arrival], layers: Layers<'_>, streams: usize, seed: u64) -> Vec<u64> {
    let mut run = Run {
        arrivals,
        layers,
        random: fastrand::Rng::with_seed(seed),
        now: Moment::ZERO,
        heap: BinaryHeap::new(),
        events: HashMap::new(),
        inbox: Inbox::default(),
        held: HashMap::new(),
        number: 0,
        refused: vec![0; streams],
    };
    for (index, arrival) in arrivals.iter().enumerate() {
        run.add(Moment::ZERO + arrival.at, Event::Arrive(index));
    }
    run.carry_out()
}

impl<'a> Run<'a> {
    fn add(&mut self, at: Moment, event: Event) {
        self.number += 1;
        self.heap.push(Reverse((at, self.number)));
        self.events.insert(self.number, event);
    }

    /// Ends: each request has one arrival, at most one wait and one answer.
    fn carry_out(mut self) -> Vec<u64> {
        while let Some(Reverse((at, number))) = self.heap.pop() {
            self.now = at;
            match self.events.remove(&number) {
                Some(Event::Arrive(request)) => self.arrive(request),
                Some(Event::Served(request)) => self.served(request),
                Some(Event::QueueEnds(request, ticket)) => {
                    let gate = self.last_gate(request);
                    if gate.is_some_and(|gate| gate.leave(ticket, at).is_some()) {
                        self.refuse(request);
                    }
                }
                None => {}
            }
            self.deliver();
        }
        self.refused
    }

    fn last_gate(&self, request: usize) -> Option<Arc<Gate<Waiting>>> {
        let arrival = self.arrivals.get(request)?;
        let index = arrival.gates.iter().flatten().last()?;
        self.layers.gates.get(*index).cloned()
    }

    fn arrive(&mut self, request: usize) {
        let Some(arrival) = self.arrivals.get(request) else { return };
        let rates = arrival.route.and_then(|route| self.layers.rates.get(route));
        let is_too_often = |(callers, rate): &(Callers, Limiter)| {
            let is_counted = match callers {
                Callers::All => true,
                Callers::Known => arrival.is_known,
                Callers::Anonymous => !arrival.is_known,
            };
            is_counted && matches!(rate.rule(0, self.now), Ruled::Refused(_))
        };
        if rates.is_some_and(|rates| rates.iter().any(is_too_often)) {
            return self.refuse(request);
        }
        let draw = self.random.u64(..);
        let call = Call {
            priority: Priority::new(arrival.class, self.random.u8(..LEVELS)),
            tenant: draw,
            partition: 0,
            kind: 0,
            page: None,
            deadline: None,
            draw,
        };
        let throttle = self.throttle(request);
        let checked = throttle.map(|it| it.check(call.priority, self.now, self.random.u64(..)));
        let mut held = Held::default();
        match checked {
            Some(Verdict::Refused(_)) => return self.refuse(request),
            Some(Verdict::Admitted(pass)) => held.pass = Some(pass),
            None => {}
        }
        let gates = self.layers.gates;
        let [route, upstream] = arrival.gates.map(|index| index.and_then(|it| gates.get(it)));
        if let Some(gate) = route {
            match gate.admit(&call, self.now) {
                Verdict::Admitted(permit) => held.permits.push(permit),
                Verdict::Refused(_) => return self.refuse(request),
            }
        }
        let Some(gate) = upstream else { return self.admitted(request, held) };
        let inbox = Arc::clone(&self.inbox);
        match gate.admit_or_wait(&call, self.now, || Waiting { request, inbox }) {
            Asked::Admitted(permit) => {
                held.permits.push(permit);
                self.admitted(request, held);
            }
            Asked::Queued(ticket, until) => {
                self.held.insert(request, held);
                self.add(until, Event::QueueEnds(request, ticket));
            }
            Asked::Refused(_) => {
                self.held.insert(request, held);
                self.refuse(request);
            }
        }
    }

    /// Hands verdicts to those who waited.
    fn deliver(&mut self) {
        loop {
            // Not inside of the loop's condition: what follows asks gates, which tell more.
            let told = self.inbox.lock().pop_front();
            let Some((request, verdict)) = told else { return };
            match verdict {
                Verdict::Admitted(permit) => {
                    let mut held = self.held.remove(&request).unwrap_or_default();
                    held.permits.push(permit);
                    self.admitted(request, held);
                }
                Verdict::Refused(_) => self.refuse(request),
            }
        }
    }

    fn throttle(&self, request: usize) -> Option<&'a Throttle> {
        self.layers.throttles.get(self.arrivals.get(request)?.route?)
    }

    fn admitted(&mut self, request: usize, held: Held) {
        let Some(arrival) = self.arrivals.get(request) else { return };
        let ends = self.now + arrival.service;
        if let (Some(throttle), Some(pass)) = (self.throttle(request), held.pass) {
            throttle.tried(pass, self.now);
        }
        self.held.insert(request, held);
        self.add(ends, Event::Served(request));
    }

    fn served(&mut self, request: usize) {
        let held = self.held.remove(&request).unwrap_or_default();
        let is_good = self.arrivals.get(request).is_some_and(|arrival| arrival.is_good);
        if let (Some(throttle), Some(pass)) = (self.throttle(request), held.pass)
            && is_good
        {
            throttle.succeeded(pass, self.now);
        }
        for permit in held.permits {
            permit.finish(self.now, End::Success);
        }
    }

    fn refuse(&mut self, request: usize) {
        for permit in self.held.remove(&request).unwrap_or_default().permits {
            permit.abandon(self.now);
        }
        let stream = self.arrivals.get(request).map(|arrival| arrival.stream);
        if let Some(count) = stream.and_then(|stream| self.refused.get_mut(stream)) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests;
