//! The end of an exchange: counted, written down, and kept for whoever asks why.

use std::{mem, time::Duration};

use headgate_telemetry::{
    Kept,
    access::{self, Mark},
    otlp,
};
use headgate_types::{Moment, Outcome, Priority};
use smallvec::SmallVec;

use super::{Load, Record};
use crate::{
    edge::Route,
    error, facts,
    overload::told,
    step::{self, draw::Drawn},
};

impl Record {
    /// Tells the mirror of the answer, if the client got one to its end.
    fn end_watch(&mut self, outcome: Outcome) {
        let Some((watch, status)) = self.watch.take().zip(self.status) else { return };
        let is_own = status.is_client_error() || status.is_server_error();
        if is_own || matches!(outcome, Outcome::Ok | Outcome::Origin5xx) {
            let offset = |mark| self.journal.offset(mark);
            let head = offset(Mark::UpstreamHead).zip(offset(Mark::AttemptStarted));
            let head = head.map(|(head, started)| head.saturating_sub(started));
            watch.end(status.as_u16(), head);
        }
    }

    fn line<'r>(
        &'r self,
        outcome: Outcome,
        duration: Duration,
        rulings: &'r [access::Ruling],
    ) -> access::Line<'r> {
        let caller = self.caller.as_deref().map(|caller| access::Caller {
            source: &caller.identity.source,
            subject: caller.pseudonym(),
        });
        let host = self.uri.host().or_else(|| self.host.as_ref()?.to_str().ok());
        access::Line {
            time: self.time,
            trace: &self.trace.context,
            untrusted_parent: self.trace.untrusted,
            request: access::Request {
                client: self.client.members.as_deref().unwrap_or(&self.connection.members),
                version: self.version,
                method: self.method.as_str(),
                host,
                path: self.uri.path(),
            },
            outcome,
            status: self.status.map(|status| status.as_u16()),
            code: self.code,
            route: self.route.as_deref().map(|route| route.members(self.arm)),
            device: self.device.as_ref(),
            priority: self.priority.map(Priority::class),
            identity: caller,
            probe: self.probe.as_deref(),
            rulings,
            attempts: &self.attempts,
            request_bytes: self.request_bytes(),
            response_bytes: self.bytes_out,
            duration,
            journal: &self.journal,
            config: &self.terms.members,
        }
    }

    /// What is kept of the exchange beside its line.
    fn detail(&self) -> access::Detail<'_> {
        let route = self.route.as_deref();
        let granted = route.map(|route| route.settings.priority);
        let by = |drawn: Drawn| {
            let sticky = route.and_then(|route| route.split.as_ref())?.sticky();
            let by = if drawn.is_chosen { "token" } else { sticky.as_str() };
            Some(access::ArmDetail { by, bucket: drawn.choice.bucket })
        };
        access::Detail {
            route: route.map(Route::matches),
            arm: self.drawn.and_then(by),
            granted: granted.filter(|_| self.priority.is_some()),
        }
    }

    /// What a fact says of the end.
    fn ended_as(&self, outcome: Outcome, duration: Duration) -> facts::Ended<'_> {
        facts::Ended {
            device: self.device.as_ref(),
            route: self.route.as_deref().map(|route| &route.settings),
            is_verified: self.caller.as_ref().is_some_and(|caller| !caller.is_anonymous()),
            outcome,
            priority: self.priority.map(Priority::class),
            service: self
                .journal
                .offset(Mark::AttemptStarted)
                .map(|began| duration.saturating_sub(began)),
        }
    }

    /// Gives the exchange's line to all who want it, and tells whether its trace can be looked up
    /// from now on. Nothing is made of an exchange that nobody wants.
    fn tell(
        &mut self,
        outcome: Outcome,
        (duration, now): (Duration, Moment),
        is_slow: bool,
    ) -> bool {
        let drafted = mem::take(&mut self.facts);
        let Self { edge, terms, .. } = &*self;
        let draft = edge.facts.get().and_then(|it| Some((it, it.last(drafted, now)?)));
        let kept = edge.recent.keeps(outcome, self.is_spared(), now);
        let traces = edge.traces.as_ref().filter(|_| self.is_sampled());
        let is_wanted = terms.writes_lines || is_slow || edge.tails().is_followed();
        if !is_wanted && kept.is_none() && draft.is_none() && traces.is_none() {
            return false;
        }
        let rulings: SmallVec<[access::Ruling; 3]> = self.rulings.iter().map(told::line).collect();
        let line = self.line(outcome, duration, &rulings);
        if terms.writes_lines {
            // Those come in floods, and then cost more to write down than to refuse.
            match self.code.filter(|code| error::is_refusal(code)) {
                Some(code) => edge.access.record_refusal(&line, code),
                None => edge.access.record(&line),
            }
        }
        edge.tails().tell(&line);
        if let Some(traces) = traces {
            traces.spans().record(&otlp::exchange(&line));
        }
        // What the log of slow ones names can be asked for.
        let is_told = is_slow && edge.slow.tell(&line, terms.slow.per_second);
        let kept = kept.or(is_told.then_some(Kept::Passed));
        if let Some(kind) = kept {
            edge.recent.keep(kind, &line, &self.detail());
        }
        if let Some((keeper, draft)) = draft {
            keeper.end(draft, &self.ended_as(outcome, duration), (&line, &self.detail()));
        }
        kept.is_some() || traces.is_some()
    }

    /// Whether it took as long as its route calls slow; where its answer lasts for as long as it
    /// likes, up to the head of that.
    fn is_slow(&self, now: Moment) -> bool {
        let Some(route) = &self.route else { return false };
        let over = route.settings.slow.or(self.terms.slow.over);
        let head = self.journal.offset(Mark::ResponseHead).filter(|_| self.load == Load::Lasting);
        let took = head.unwrap_or_else(|| now.since(self.started()));
        over.is_some_and(|over| took >= over)
    }

    fn request_bytes(&self) -> u64 {
        self.bytes_in + self.request_body.as_ref().map_or(0, |body| body.bytes())
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let now = self.ended_at.unwrap_or_else(|| self.edge.clock.now());
        self.busy.ended(now);
        if self.status.is_some() {
            self.mark_at(Mark::ResponseBodyEnd, now);
        }
        // Dropped before anything was answered: the client left.
        let outcome = self.outcome.unwrap_or(Outcome::ClientCancelled);
        self.end_watch(outcome);
        let is_slow = self.is_slow(now);
        self.left(now);
        let duration = now.since(self.started());
        self.count_rulings();
        let can_be_looked_up = self.tell(outcome, (duration, now), is_slow);
        let metrics = if let Some(route) = &self.route {
            self.counts(route)
        } else {
            let terms = &self.terms;
            let path = self.uri.path();
            let is_own = path.starts_with(step::results::PREFIX) || path == step::whoami::PATH;
            let metrics = match &self.probe {
                Some(_) => &terms.probes,
                None if is_own => &terms.own,
                None => &terms.unrouted,
            };
            metrics.arrived();
            metrics
        };
        if can_be_looked_up {
            metrics.exemplify(duration, self.trace_id(), self.time + duration);
        }
        let arm = self.route.as_ref().and_then(|route| route.arm(self.arm));
        if let Some(arm) = arm.filter(|_| self.probe.is_none()) {
            arm.metrics.ended(outcome, self.time, duration);
        }
        metrics.ended(outcome, duration);
        metrics.transferred(self.request_bytes(), self.bytes_out);
        self.edge.lifecycle.end();
    }
}
