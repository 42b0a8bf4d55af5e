//! What protects the edge, upstreams and routes.

use std::num::NonZeroU32;

use headgate_gateway::settings;
use headgate_router::overload::rate::Rate;
use headgate_types::Ratio;
use http::{HeaderValue, StatusCode};

use crate::{
    document::{overload, team},
    fault::{Code, Draft, Report},
    load::{Document, Input},
    resolve::{route::no_upstream, upstreams::Upstreams},
    source::{Step, key_path},
};

/// Where an upstream or a route stands.
pub(super) struct At<'i> {
    file: &'i Document<team::TeamFile>,
    path: [Step<'i>; 2],
}

impl<'i> At<'i> {
    pub(super) fn new(
        file: &'i Document<team::TeamFile>,
        heading: &'static str,
        name: &'i str,
    ) -> Self {
        Self { file, path: [heading.into(), name.into()] }
    }

    fn fault(&self, code: Code, keys: &[&'static str], message: String, report: &mut Report) {
        let keys = keys.iter().map(|key| Step::from(*key));
        let path: Vec<_> = self.path.iter().copied().chain(keys).collect();
        let draft = Draft::new(code, self.file.at(&path), message);
        report.push(draft.key(key_path(&path)));
    }
}

pub(super) fn edge(document: &overload::Overload) -> settings::Overload {
    let overload::Cut { standard, best_effort, bulk } = &document.cut;
    settings::Overload {
        mode: document.mode.0,
        cpu: document.cpu.0,
        cut: [Ratio::default(), standard.0, best_effort.0, bulk.0],
    }
}

pub(super) fn upstream(
    document: &team::Upstream,
    at: &At<'_>,
    report: &mut Report,
) -> settings::UpstreamOverload {
    settings::UpstreamOverload {
        concurrency: concurrency(&document.concurrency, at, report),
        breaker: settings::Breaker {
            mode: document.breaker.mode.0,
            consecutive_failures: document.breaker.consecutive_failures,
        },
    }
}

pub(super) fn route(
    (input, team, upstreams): (&Input<'_>, &str, &Upstreams),
    document: &team::Route,
    at: &At<'_>,
    report: &mut Report,
) -> settings::RouteOverload {
    let exempt = &input.platform.doc.edge.overload.exempt;
    let is_this = |name: &Step<'_>| matches!(at.path, [_, own] if own == *name);
    settings::RouteOverload {
        is_exempt: exempt.iter().any(|id| id.0.0 == team && is_this(&Step::from(id.0.1.as_str()))),
        concurrency: document.concurrency.as_ref().map(|own| concurrency(own, at, report)),
        rates: document.rate.iter().map(rate).collect(),
        throttle: document.throttle.mode.0,
        retry: document.retry.mode.0,
        fallback: document.fallback.as_ref().and_then(|own| {
            let to = own.to.as_ref().map(|to| (to, upstreams.position(team, to)));
            fallback((input, team), (own, to), at, report)
        }),
    }
}

fn rate(document: &overload::RateLimit) -> settings::RateLimit {
    let (requests, period) = document.rate.0;
    let burst = document.burst.and_then(NonZeroU32::new).unwrap_or(requests);
    settings::RateLimit {
        mode: document.mode.0,
        callers: match document.callers {
            overload::Callers::All => settings::Callers::All,
            overload::Callers::Known => settings::Callers::Known,
            overload::Callers::Anonymous => settings::Callers::Anonymous,
        },
        per: match document.per {
            overload::Per::DeviceId => settings::Per::DeviceId,
            overload::Per::User => settings::Per::User,
            overload::Per::Route => settings::Per::Route,
        },
        rate: Rate { requests, period, burst },
    }
}

fn fallback(
    (input, team): (&Input<'_>, &str),
    (document, to): (&overload::Fallback, Option<(&String, Option<usize>)>),
    at: &At<'_>,
    report: &mut Report,
) -> Option<settings::Fallback> {
    match (to, &document.body) {
        (Some(_), Some(_)) => {
            let message = "an answer stands here beside another upstream".to_owned();
            at.fault(Code::Contradiction, &["fallback", "body"], message, report);
        }
        (None, None) => {
            let message = "a fallback names another upstream, or an answer's body".to_owned();
            at.fault(Code::Contradiction, &["fallback"], message, report);
        }
        (Some((_, Some(upstream))), None) => return Some(settings::Fallback::Upstream(upstream)),
        (Some((name, None)), None) => {
            if let Some((message, help)) = no_upstream(input, team, name) {
                let message = format!("{message}; {help}");
                at.fault(Code::Unresolved, &["fallback", "to"], message, report);
            }
        }
        (None, Some(body)) => {
            let Ok(content_type) = HeaderValue::from_str(&document.content_type) else {
                let message = format!("{:?} is no content type", document.content_type);
                at.fault(Code::BadValue, &["fallback", "type"], message, report);
                return None;
            };
            return Some(settings::Fallback::Answer(settings::StaticAnswer {
                // The schema keeps others out.
                status: StatusCode::from_u16(document.status).unwrap_or(StatusCode::OK),
                content_type,
                body: body.clone().into(),
            }));
        }
    }
    None
}

fn concurrency(
    document: &overload::Concurrency,
    at: &At<'_>,
    report: &mut Report,
) -> settings::Concurrency {
    let overload::Concurrency { mode, initial, min, max } = document;
    if min > max {
        let message = format!("`min` {min} is above `max` {max}");
        at.fault(Code::Contradiction, &["concurrency", "min"], message, report);
    }
    let (min, max) = (*min, *max.max(min));
    settings::Concurrency { mode: mode.0, initial: (*initial).clamp(min, max), min, max }
}
