//! The end of an exchange: counted, written down, and kept for whoever asks why.

use std::{mem, time::Duration};

use headgate_telemetry::access::{self, Mark};
use headgate_types::{Moment, Outcome, Priority};
use smallvec::SmallVec;

use super::Record;
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

    /// Writes the exchange down wherever it is kept.
    fn keep(&mut self, outcome: Outcome, duration: Duration, now: Moment) {
        let kept = self.edge.recent.keeps(outcome, self.is_spared(), now);
        let drafted = mem::take(&mut self.facts);
        let keeper = self.edge.facts.get();
        let draft = keeper.and_then(|keeper| Some((keeper, keeper.last(drafted, now)?)));
        if !self.terms.writes_lines && kept.is_none() && draft.is_none() {
            return;
        }
        let rulings: SmallVec<[access::Ruling; 3]> = self.rulings.iter().map(told::line).collect();
        let line = self.line(outcome, duration, &rulings);
        if self.terms.writes_lines {
            // Those come in floods, and then cost more to write down than to refuse.
            match self.code.filter(|code| error::is_refusal(code)) {
                Some(code) => self.edge.access.record_refusal(&line, code),
                None => self.edge.access.record(&line),
            }
        }
        if let Some(kind) = kept {
            self.edge.recent.keep(kind, &line, &self.detail());
        }
        if let Some((keeper, draft)) = draft {
            keeper.end(draft, &self.ended_as(outcome, duration), (&line, &self.detail()));
        }
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
        self.left(now);
        let duration = now.since(self.started());
        self.count_rulings();
        self.keep(outcome, duration, now);
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
        let arm = self.route.as_ref().and_then(|route| route.arm(self.arm));
        if let Some(arm) = arm.filter(|_| self.probe.is_none()) {
            arm.metrics.ended(outcome, self.time, duration);
        }
        metrics.ended(outcome, duration);
        metrics.transferred(self.request_bytes(), self.bytes_out);
        self.edge.lifecycle.end();
    }
}
