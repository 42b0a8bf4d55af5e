//! Clients, an edge and an upstream, one event after the other.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use headgate_router::overload::{
    breaker::{self, Pass},
    concurrency::{Gate, Permit, Waiter},
    limit::End,
    outlier::Endpoints,
    priority::Usage,
    queue::Ticket,
    verdict::Verdict,
};
use headgate_router::{
    balance::{Balancer, Call as BalancerCall},
    retry::{Budget, Condition, Policy},
};
use headgate_types::{Moment, Ratio};
use http::StatusCode;
use parking_lot::Mutex;

use crate::{
    at,
    events::Events,
    figures::{BIN, Bin, Line, Run, State},
    secs,
    traffic::Stream,
    upstream::Answer,
};

pub use self::setup::{GateSetup, Retries, Setup};

mod edge;
mod service;
mod setup;

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrive(usize, u64),
    RateChange(usize),
    Served(usize, Answer),
    QueueEnds(usize, u64, Ticket),
    TimedOut(usize, u64),
    GivenUp(usize, u64),
    TryAgain(usize, u64),
    Change(usize),
    Tick,
}

/// The verdicts that gates have told waiters since the last look.
type Inbox = Arc<Mutex<VecDeque<(usize, u64, Verdict<Permit<Waiting>>)>>>;

#[derive(Debug)]
struct Waiting {
    request: usize,
    number: u64,
    inbox: Inbox,
}

impl Waiter for Waiting {
    fn resolve(self, verdict: Verdict<Permit<Self>>) -> Option<Permit<Self>> {
        self.inbox.lock().push_back((self.request, self.number, verdict));
        None
    }
}

#[derive(Debug)]
struct Request {
    /// Tells this request from an earlier one in the same place.
    number: u64,
    stream: usize,
    user: u64,
    asked: Moment,
    gives_up: Moment,
    tries_left: u32,
    page: Option<usize>,
    permit: Option<Permit<Waiting>>,
    /// Where its call is, and what the balancer and the breaker know of it.
    visit: Option<usize>,
    call: Option<BalancerCall>,
    pass: Option<Pass>,
    attempts: u32,
    tried: Option<usize>,
}

/// The endpoints of an upstream as the edge sees them.
#[derive(Debug)]
struct Upstream {
    endpoints: std::ops::Range<usize>,
    balancer: Balancer,
    breakers: Endpoints,
    budget: Budget,
    policy: Policy,
    turn: usize,
}

/// A call at an endpoint.
#[derive(Debug)]
struct Visit {
    request: Option<(usize, u64)>,
    endpoint: usize,
    service: usize,
    sent: Moment,
    seconds: f64,
}

#[derive(Debug)]
struct World {
    setup: Setup,
    events: Events<Event>,
    now: Moment,
    gates: Vec<Arc<Gate<Waiting>>>,
    upstreams: Vec<Upstream>,
    inbox: Inbox,
    usage: Usage,
    requests: Vec<Option<Request>>,
    free_requests: Vec<usize>,
    visits: Vec<Option<Visit>>,
    free_visits: Vec<usize>,
    pages: Vec<(usize, u32, u32)>,
    rngs: Vec<fastrand::Rng>,
    generations: Vec<u64>,
    random: fastrand::Rng,
    numbers: u64,
    /// The last change: from then on the most calls at an endpoint count.
    watch_from: Moment,
    probes: Vec<u32>,
    run: Run,
}

/// Runs a world to its end.
pub fn run(setup: Setup) -> Run {
    let mut world = World::new(setup);
    let end = at(world.setup.seconds);
    while let Some((now, event)) = world.events.pop() {
        if now > end {
            break;
        }
        world.now = now;
        world.step(event);
        world.deliver();
    }
    world.run
}

impl Upstream {
    fn new(endpoints: std::ops::Range<usize>) -> Self {
        let statuses = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::TOO_MANY_REQUESTS];
        Self {
            balancer: Balancer::new(endpoints.len()),
            breakers: Endpoints::new(endpoints.len(), breaker::Settings::default()),
            budget: Budget::new(Ratio::new(0.1).unwrap_or_default(), Moment::ZERO),
            policy: Policy::new(1, &statuses.map(Condition::Status)),
            turn: 0,
            endpoints,
        }
    }
}

impl World {
    fn new(setup: Setup) -> Self {
        let mut seeds = fastrand::Rng::with_seed(setup.seed);
        let bins = crate::index(setup.seconds / BIN) + 2;
        let gates = setup
            .gates
            .iter()
            .map(|gate| Gate::new(gate.settings.clone(), gate.rule.build(gate.initial)));
        let ranges = if setup.upstreams.is_empty() {
            std::slice::from_ref(&(0..setup.endpoints.len())).to_vec()
        } else {
            setup.upstreams.clone()
        };
        let mut world = Self {
            upstreams: ranges.into_iter().map(Upstream::new).collect(),
            gates: gates.collect(),
            inbox: Inbox::default(),
            usage: Usage::default(),
            events: Events::default(),
            now: Moment::ZERO,
            requests: Vec::new(),
            free_requests: Vec::new(),
            visits: Vec::new(),
            free_visits: Vec::new(),
            pages: Vec::new(),
            rngs: setup.streams.iter().map(|_| seeds.fork()).collect(),
            generations: vec![0; setup.streams.len()],
            random: seeds.fork(),
            numbers: 0,
            watch_from: Moment::ZERO,
            probes: vec![0; setup.endpoints.len()],
            run: Run {
                lines: vec![
                    Line { bins: vec![Bin::default(); bins], ..Line::default() };
                    setup.streams.len()
                ],
                in_flight_max: vec![0; setup.gates.len()],
                first_attempts: vec![0; bins],
                retries: vec![0; bins],
                calls: vec![vec![0; bins]; setup.endpoints.len()],
                at_endpoint_max: vec![0; setup.endpoints.len()],
                ..Run::default()
            },
            setup,
        };
        for stream in 0..world.setup.streams.len() {
            world.events.add(Moment::ZERO, Event::RateChange(stream));
        }
        for (index, (seconds, ..)) in world.setup.changes.iter().enumerate() {
            world.events.add(at(*seconds), Event::Change(index));
        }
        world.events.add(at(BIN), Event::Tick);
        world
    }

    fn bin(&self) -> usize {
        crate::index(secs(self.now) / BIN)
    }

    fn line(&mut self, stream: usize) -> &mut Bin {
        let bin = self.bin();
        &mut self.run.lines[stream].bins[bin]
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::RateChange(stream) => self.change_rate(stream),
            Event::Arrive(stream, generation) if generation == self.generations[stream] => {
                self.arrive(stream);
            }
            Event::Arrive(..) => {}
            Event::Served(visit, answer) => self.served(visit, answer),
            Event::QueueEnds(request, number, ticket) => {
                if self.is_current(request, number)
                    && self.gate_of(request).leave(ticket, self.now).is_some()
                {
                    self.shed(request);
                }
            }
            Event::TimedOut(request, number) => self.timed_out(request, number),
            Event::GivenUp(request, number) => self.given_up(request, number),
            Event::TryAgain(request, number) => {
                if self.is_current(request, number) {
                    self.enter_edge(request);
                }
            }
            Event::Change(index) => {
                let (_, endpoint, change) = self.setup.changes[index];
                self.setup.endpoints[endpoint].change(change);
                self.watch_from = self.now;
                self.start_waiting(endpoint);
            }
            Event::Tick => self.tick(),
        }
    }

    fn tick(&mut self) {
        self.events.add(self.now + Duration::from_secs_f64(BIN), Event::Tick);
        self.watch_first();
        let status = self.gates.first().map(|gate| gate.status());
        let backlog: usize =
            self.setup.endpoints.iter().map(|endpoint| endpoint.waiting.len()).sum();
        self.run.counts.push(status.map(|status| status.counts).unwrap_or_default());
        self.run.states.push(status.map_or(
            State { backlog: backlog as f32, ..State::default() },
            |status| State {
                limit: status.limit as f32,
                in_flight: status.in_flight.iter().sum::<u32>() as f32,
                queued: status.queued as f32,
                threshold: f32::from(status.threshold),
                backlog: backlog as f32,
                no_load_rtt: status.no_load_rtt.unwrap_or_default().as_secs_f32(),
            },
        ));
    }

    /// Looks at what the first upstream holds and at the breakers.
    fn watch_first(&mut self) {
        if self.now > self.watch_from && self.watch_from > Moment::ZERO {
            let held = self.visits.iter().flatten().filter(|visit| {
                visit.endpoint == 0 && visit.request.is_some_and(|(i, n)| self.is_current(i, n))
            });
            self.run.hung_max = self.run.hung_max.max(held.count());
            let limit = self.gates.first().map_or(0.0, |gate| f64::from(gate.limit()));
            self.run.hung_limit = self.run.hung_limit.max(limit);
        }
        if !self.setup.balances {
            return;
        }
        let breakers = &self.upstreams[0].breakers;
        for (index, endpoint) in self.setup.endpoints.iter().enumerate() {
            let state = breakers.breaker(index).map(|breaker| breaker.state(self.now));
            if state == Some(breaker::State::Ramp) {
                let most = &mut self.run.at_endpoint_max[index];
                *most = (*most).max(endpoint.busy + endpoint.waiting.len());
            }
        }
        if self.run.states.len().is_multiple_of(10) {
            let most = self.probes.iter().copied().max().unwrap_or(0);
            self.run.probes_per_second = self.run.probes_per_second.max(f64::from(most));
            self.probes.iter_mut().for_each(|count| *count = 0);
        }
    }

    fn change_rate(&mut self, stream: usize) {
        self.generations[stream] += 1;
        let (_, next) = self.setup.streams[stream].rate_at(secs(self.now));
        if let Some(next) = next {
            self.events.add(at(next), Event::RateChange(stream));
        }
        self.schedule_arrival(stream);
    }

    fn schedule_arrival(&mut self, stream: usize) {
        let (rate, _) = self.setup.streams[stream].rate_at(secs(self.now));
        if rate > 0.0 {
            let gap = -(1.0 - self.rngs[stream].f64()).ln() / rate;
            let due = self.now + Duration::from_secs_f64(gap);
            self.events.add(due, Event::Arrive(stream, self.generations[stream]));
        }
    }

    fn arrive(&mut self, stream: usize) {
        self.schedule_arrival(stream);
        let Stream { users, patience, retries, page, .. } = self.setup.streams[stream].clone();
        let user = self.rngs[stream].u64(users);
        let page_index = (page > 1).then(|| {
            self.run.lines[stream].pages.0 += 1;
            self.pages.push((stream, page, page));
            self.pages.len() - 1
        });
        for _ in 0..page {
            self.line(stream).offered += 1;
            let request = Request {
                number: 0,
                stream,
                user,
                asked: self.now,
                gives_up: self.now + Duration::from_secs_f64(patience),
                tries_left: retries,
                page: page_index,
                permit: None,
                visit: None,
                call: None,
                pass: None,
                attempts: 0,
                tried: None,
            };
            self.ask(request);
        }
    }

    /// A client sends a request.
    fn ask(&mut self, mut request: Request) {
        self.numbers += 1;
        request.number = self.numbers;
        (request.attempts, request.tried) = (0, None);
        let number = request.number;
        let patience = self.setup.streams[request.stream].patience;
        request.gives_up = self.now + Duration::from_secs_f64(patience);
        self.usage.ask(request.user, self.now);
        let gives_up = request.gives_up;
        let index = self.free_requests.pop().unwrap_or_else(|| {
            self.requests.push(None);
            self.requests.len() - 1
        });
        self.requests[index] = Some(request);
        self.events.add(gives_up, Event::GivenUp(index, number));
        self.enter_edge(index);
    }

    fn is_current(&self, index: usize, number: u64) -> bool {
        self.requests[index].as_ref().is_some_and(|request| request.number == number)
    }

    fn timed_out(&mut self, index: usize, number: u64) {
        if !self.is_current(index, number) {
            return;
        }
        if self.requests[index].as_ref().is_some_and(|request| request.visit.is_some()) {
            self.abandon(index);
            self.tell_endpoint(index, Answer::Failed);
            self.finish_permit(index, End::Dropped);
            self.fail(index);
        }
    }

    /// The upstream is not told: it works on what it has begun.
    fn abandon(&mut self, index: usize) {
        let place = self.requests[index].as_ref().and_then(|request| request.visit);
        if let Some(visit) = place.and_then(|place| self.visits[place].as_mut()) {
            visit.request = None;
        }
    }

    fn given_up(&mut self, index: usize, number: u64) {
        if !self.is_current(index, number) {
            return;
        }
        self.abandon(index);
        // A client that leaves before the answer says that the upstream took at least so long.
        let held = self.requests[index].as_ref().is_some_and(|request| request.permit.is_some());
        if held {
            self.tell_endpoint(index, Answer::Failed);
            self.finish_permit(index, End::Dropped);
        }
        self.fail(index);
    }

    fn shed(&mut self, index: usize) {
        if let Some(request) = &self.requests[index] {
            let (stream, user) = (request.stream, request.user);
            if let Some(gate) = self.gates.get(self.setup.streams[stream].gate) {
                let asked_for = gate.no_load_rtt().unwrap_or_default();
                self.usage.charge(user, asked_for, self.now);
            }
            self.line(stream).shed += 1;
        }
        self.fail(index);
    }

    fn succeed(&mut self, index: usize) {
        let Some(request) = self.take(index) else { return };
        self.line(request.stream).good += 1;
        let seconds = secs(self.now) - secs(request.asked);
        let now = secs(self.now);
        self.run.lines[request.stream].latencies.push((now as f32, seconds as f32));
        if let Some(page) = request.page {
            let (stream, left, _) = &mut self.pages[page];
            *left -= 1;
            if *left == 0 {
                self.run.lines[*stream].pages.1 += 1;
            }
        }
    }

    fn fail(&mut self, index: usize) {
        let Some(mut request) = self.take(index) else { return };
        if request.tries_left > 0 {
            request.tries_left -= 1;
            self.ask(request);
        } else {
            self.line(request.stream).bad += 1;
        }
    }

    fn take(&mut self, index: usize) -> Option<Request> {
        let request = self.requests[index].take()?;
        self.free_requests.push(index);
        Some(request)
    }
}
