//! What protects the edge, upstreams and routes.

use std::num::NonZeroU32;

use headgate_gateway::settings;
use headgate_router::overload::rate::Rate;
use headgate_types::Ratio;
use http::{HeaderValue, StatusCode};

use crate::{
    document::{overload, team},
    fault::{Code, Report},
    load::Input,
    resolve::{
        at::At,
        last_good::LastGood,
        route::no_upstream,
        upstreams::{Upstreams, path_of_team},
    },
};

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
    (last_good, report): (&mut LastGood, &mut Report),
) -> settings::RouteOverload {
    let exempt = &input.platform.doc.edge.overload.exempt;
    settings::RouteOverload {
        is_exempt: exempt.iter().any(|id| id.0.0 == team && at.is_of(&id.0.1)),
        concurrency: document.concurrency.as_ref().map(|own| concurrency(own, at, report)),
        rates: document.rate.iter().map(rate).collect(),
        throttle: document.throttle.mode.0,
        retry: document.retry.mode.0,
        fallback: document
            .fallback
            .as_ref()
            .and_then(|own| fallback((input, team, upstreams), own, at, (last_good, report))),
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

/// Bytes of the file of an answer at most: each route that names it has them in memory.
const ANSWER_BYTES_MAX: usize = 256 << 10;

fn fallback(
    (input, team, upstreams): (&Input<'_>, &str, &Upstreams),
    document: &overload::Fallback,
    at: &At<'_>,
    (last_good, report): (&mut LastGood, &mut Report),
) -> Option<settings::Fallback> {
    let body = match (&document.to, &document.body, &document.file) {
        (Some(name), None, None) => {
            let position = upstreams.position(team, name);
            if position.is_none()
                && let Some((message, help)) = no_upstream(input, team, name)
            {
                let message = format!("{message}; {help}");
                at.fault(Code::Unresolved, &["fallback", "to"], message, report);
            }
            return position.map(settings::Fallback::Upstream);
        }
        (None, Some(body), None) => body.clone().into(),
        (None, None, Some(file)) => answer((input, team), file, at, (last_good, report))?.into(),
        (None, None, None) => {
            let message = "a fallback names another upstream, an answer's body, or its file";
            at.fault(Code::Contradiction, &["fallback"], message.to_owned(), report);
            return None;
        }
        (to, ..) => {
            let (key, message) = match to {
                Some(_) => ("to", "another upstream stands here beside an answer"),
                None => ("file", "a file stands here beside `body`"),
            };
            at.fault(Code::Contradiction, &["fallback", key], message.to_owned(), report);
            return None;
        }
    };
    let Ok(content_type) = HeaderValue::from_str(&document.content_type) else {
        let message = format!("{:?} is no content type", document.content_type);
        at.fault(Code::BadValue, &["fallback", "type"], message, report);
        return None;
    };
    Some(settings::Fallback::Answer(settings::StaticAnswer {
        // The schema keeps others out.
        status: StatusCode::from_u16(document.status).unwrap_or(StatusCode::OK),
        content_type,
        body,
    }))
}

/// What the file of an answer has, or last had.
fn answer(
    (input, team): (&Input<'_>, &str),
    file: &str,
    at: &At<'_>,
    (last_good, report): (&mut LastGood, &mut Report),
) -> Option<Vec<u8>> {
    const KEY: &[&str] = &["fallback", "file"];
    let path = match path_of_team(input, team, file) {
        Ok(path) => path,
        Err(message) => {
            at.fault(Code::BadAnswer, KEY, message, report);
            return None;
        }
    };
    let check = |body: &[u8]| match body.len() {
        0 => Err("it is empty".to_owned()),
        1..=ANSWER_BYTES_MAX => Ok(()),
        bytes => Err(format!("{bytes} bytes, at most {ANSWER_BYTES_MAX} allowed")),
    };
    let codes = (Code::BadAnswer, Code::AnswerHeld);
    let place = |code, message| at.draft(code, KEY, message);
    last_good.read_file((input.files, path), check, (codes, place), report)
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
