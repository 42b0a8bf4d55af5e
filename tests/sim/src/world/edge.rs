//! The edge: admission, choice of an endpoint, retries.

use std::{sync::Arc, time::Duration};

use headgate_router::overload::{
    breaker::{self, Pass},
    concurrency::{Asked, Call, Gate, Permit},
    deadline,
    limit::End,
    priority::{self},
    verdict::Verdict,
};
use headgate_router::{
    balance::{self},
    retry::{Attempt, Budget, Condition, Decision},
};
use headgate_types::{Deadline, Priority, Ratio};
use http::StatusCode;

use crate::upstream::Answer;

use super::{Event, Retries, Visit, Waiting, World};

impl World {
    fn deadline(&self, index: usize) -> Option<Deadline> {
        let request = self.requests[index].as_ref()?;
        let timeout = Deadline::after(self.now, Duration::from_secs_f64(self.setup.timeout));
        let told = self.setup.streams[request.stream].tells_deadline;
        Some(if told { timeout.earlier(Deadline::at(request.gives_up)) } else { timeout })
    }

    pub(super) fn enter_edge(&mut self, index: usize) {
        let Some(request) = &self.requests[index] else { return };
        let stream = &self.setup.streams[request.stream];
        if self.gates.is_empty() {
            return self.send(index);
        }
        let priority = if self.setup.fair_levels {
            priority::level(stream.class, request.user, &self.usage, self.now)
        } else {
            Priority::new(stream.class, self.random.u8(..128))
        };
        let call = Call {
            priority,
            tenant: request.user,
            partition: stream.partition,
            kind: stream.partition,
            page: request.page.map(|page| page as u64),
            deadline: self.deadline(index).filter(|_| self.setup.deadlines),
            draw: request.number,
        };
        let number = request.number;
        let gate = Arc::clone(&self.gates[stream.gate]);
        if self.setup.deadlines && self.is_hopeless(index, &gate) {
            return self.shed(index);
        }
        let inbox = Arc::clone(&self.inbox);
        match gate.admit_or_wait(&call, self.now, || Waiting { request: index, number, inbox }) {
            Asked::Admitted(permit) => self.admitted(index, permit),
            Asked::Queued(ticket, until) => {
                self.events.add(until, Event::QueueEnds(index, number, ticket));
            }
            Asked::Refused(_) => self.shed(index),
        }
    }

    /// Whether less than half the time of a typical call is left.
    fn is_hopeless(&self, index: usize, gate: &Gate<Waiting>) -> bool {
        let Some(deadline) = self.deadline(index) else { return false };
        deadline::check(deadline, self.now, gate.no_load_rtt()).is_some()
    }

    pub(super) fn gate_of(&self, index: usize) -> &Arc<Gate<Waiting>> {
        let stream = self.requests[index].as_ref().map_or(0, |request| request.stream);
        &self.gates[self.setup.streams[stream].gate]
    }

    /// Hands verdicts to those who waited.
    pub(super) fn deliver(&mut self) {
        loop {
            let Some((index, number, verdict)) = self.inbox.lock().pop_front() else { return };
            let is_there = self.is_current(index, number);
            match verdict {
                Verdict::Admitted(permit) => {
                    if !is_there {
                        drop(permit);
                    } else if self.setup.deadlines && self.is_hopeless_now(index) {
                        drop(permit);
                        self.shed(index);
                    } else {
                        self.admitted(index, permit);
                    }
                }
                Verdict::Refused(_) if is_there => self.shed(index),
                Verdict::Refused(_) => {}
            }
        }
    }

    fn is_hopeless_now(&self, index: usize) -> bool {
        let gate = Arc::clone(self.gate_of(index));
        self.is_hopeless(index, &gate)
    }

    fn admitted(&mut self, index: usize, permit: Permit<Waiting>) {
        if let Some(request) = &mut self.requests[index] {
            request.permit = Some(permit);
            let stream = request.stream;
            let gate = self.setup.streams[stream].gate;
            let in_flight: u32 = self.gates[gate].in_flight();
            self.run.in_flight_max[gate] = self.run.in_flight_max[gate].max(in_flight);
            self.send(index);
        }
    }

    /// The edge sends a request to the upstream.
    pub(super) fn send(&mut self, index: usize) {
        let bin = self.bin();
        let Some(request) = &self.requests[index] else { return };
        let (number, stream) = (request.number, request.stream);
        if self.setup.streams[stream].tells_deadline && request.gives_up <= self.now {
            self.run.expired_sent += 1;
        }
        let Some(endpoint) = self.choose(index) else { return self.refused_by_breaker(index) };
        let is_first = self.requests[index].as_ref().is_some_and(|request| request.attempts == 1);
        let counts = if is_first { &mut self.run.first_attempts } else { &mut self.run.retries };
        counts[bin] += 1;
        self.run.calls[endpoint][bin] += 1;
        let service = self.setup.streams[stream].service;
        let visit = Visit {
            request: Some((index, number)),
            endpoint,
            service,
            sent: self.now,
            seconds: 0.0,
        };
        let place = self.free_visits.pop().unwrap_or_else(|| {
            self.visits.push(None);
            self.visits.len() - 1
        });
        self.visits[place] = Some(visit);
        if let Some(request) = &mut self.requests[index] {
            request.visit = Some(place);
        }
        let timeout = self.now + Duration::from_secs_f64(self.setup.timeout);
        self.events.add(timeout, Event::TimedOut(index, number));
        self.reach_endpoint(place, endpoint);
    }

    /// Picks an endpoint and passes its breaker.
    pub(super) fn choose(&mut self, index: usize) -> Option<usize> {
        let request = self.requests[index].as_mut()?;
        request.attempts += 1;
        let upstream = &mut self.upstreams[self.setup.streams[request.stream].upstream];
        if !self.setup.balances {
            upstream.turn += 1;
            return Some(upstream.endpoints.start + upstream.turn % upstream.endpoints.len());
        }
        let (now, random) = (self.now, self.random.u64(..));
        let tried = request.tried;
        let balancer = &upstream.balancer;
        let is_out = |endpoint| upstream.breakers.is_out(endpoint, balancer, now, random);
        let picked = upstream
            .balancer
            .pick(now, random, |endpoint| tried == Some(endpoint) || is_out(endpoint))
            .or_else(|| upstream.balancer.pick(now, random, is_out))?;
        let endpoint = picked.endpoint();
        request.pass = upstream.breakers.admit(endpoint, now, random).ok()?;
        if request.pass.as_ref().is_some_and(Pass::is_probe) {
            self.probes[upstream.endpoints.start + endpoint] += 1;
        }
        request.call = Some(picked);
        request.tried = Some(endpoint);
        Some(upstream.endpoints.start + endpoint)
    }

    fn refused_by_breaker(&mut self, index: usize) {
        self.finish_permit(index, End::Ignore);
        self.shed(index);
    }

    /// Tells the balancer and the breaker how a call ended.
    pub(super) fn tell_endpoint(&mut self, index: usize, answer: Answer) {
        let Some(request) = &mut self.requests[index] else { return };
        let upstream = &self.upstreams[self.setup.streams[request.stream].upstream];
        let Some(call) = request.call.take() else { return };
        let (end, broken) = match answer {
            Answer::Ok => (balance::End::Success, breaker::End::Success),
            Answer::Failed => (balance::End::Failure, breaker::End::Failure),
            Answer::Refused => (balance::End::Failure, breaker::End::Refused),
        };
        let pass = request.pass.take();
        upstream.breakers.record(call.endpoint(), pass.as_ref(), self.now, broken);
        call.finish(self.now, end);
        if answer == Answer::Ok && request.attempts == 1 {
            upstream.budget.deposit(self.now);
        }
    }

    /// Schedules a retry by the edge if there is one.
    pub(super) fn try_again(&mut self, index: usize, answer: Answer) -> bool {
        let Some(request) = &self.requests[index] else { return false };
        let upstream = &self.upstreams[self.setup.streams[request.stream].upstream];
        let status = match answer {
            Answer::Refused => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let attempt = Attempt {
            number: request.attempts,
            failure: Condition::Status(status),
            is_replayable: true,
            is_idempotent: true,
            is_sent: true,
            is_answered: false,
            remaining: Some(request.gives_up.since(self.now)),
            retry_after: None,
        };
        let unlimited = Budget::new(Ratio::new(1.0).unwrap_or_default(), self.now);
        let budget = match self.setup.retries {
            Retries::None => return false,
            Retries::Unlimited => &unlimited,
            Retries::Budgeted => &upstream.budget,
        };
        let decision = upstream.policy.decide(&attempt, budget, self.now, self.random.u64(..));
        let Decision::Retry(wait) = decision else { return false };
        self.events.add(self.now + wait, Event::TryAgain(index, request.number));
        true
    }

    pub(super) fn finish_permit(&mut self, index: usize, end: End) {
        let Some(request) = &mut self.requests[index] else { return };
        request.visit = None;
        let user = request.user;
        if let Some(permit) = request.permit.take() {
            self.usage.charge(user, self.now.since(permit.started()), self.now);
            permit.finish(self.now, end);
        }
    }
}
