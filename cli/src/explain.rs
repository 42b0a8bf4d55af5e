//! `headgate explain`: what the edge would do with a request, and why.

mod arm;

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use headgate_config::{Loaded, Origin};
use headgate_gateway::{
    self as gateway, Caller, Exchange, Explanation,
    settings::{Auth, OnLost, Route},
};
use headgate_types::format_duration;
use http::{Request, Version, header::AUTHORIZATION, request::Parts};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{runtime, sync::watch};

use crate::{
    args, exit,
    output::{Output, columns},
    routes::{auth_name, key_word},
    unserved::{WRITER_END, unserved},
};

/// The word for [`headgate_router::table::Verdict::Won`].
const WON: &str = "won";

/// A decision and why it was made. No value means that it was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Decision {
    value: Option<String>,
    reason: String,
}

impl Decision {
    fn made(value: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { value: Some(value.into()), reason: reason.into() }
    }

    fn not_made(reason: impl Into<String>) -> Self {
        Self { value: None, reason: reason.into() }
    }
}

/// All decisions on a request.
#[derive(Debug, Serialize)]
struct Decisions {
    route: Decision,
    team: Decision,
    upstream: Decision,
    arm: Decision,
    device: Decision,
    auth: Decision,
    priority: Decision,
    timeout: Decision,
    idempotency: Decision,
    /// What was looked at on the way, in the order of an exchange.
    steps: Vec<Value>,
}

/// Tells what the edge would do with a request; ends with 1 when it has no route for it.
///
/// # Errors
///
/// The configuration's faults.
pub(crate) fn explain(args: args::Explain, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let mut loaded = headgate_config::load(&args.config.config)?;
    // Signing keys are for an edge that serves: nothing is written here.
    loaded.settings.passport.keys_dir = None;
    let request = request(args)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let explained = runtime.block_on(ask(&loaded, request))?;
    let decisions = match &explained {
        Ok(explanation) => decisions(&loaded, explanation),
        Err(error) => refused(*error),
    };
    if output.json {
        output.json(&decisions)?;
    } else {
        output.out.write_all(text(&decisions).as_bytes())?;
    }
    let is_found = decisions.route.value.is_some();
    Ok(if is_found { ExitCode::SUCCESS } else { ExitCode::from(exit::FINDINGS) })
}

fn request(args: args::Explain) -> anyhow::Result<Parts> {
    let mut request = Request::builder().method(args.method).uri(args.url);
    for (name, value) in args.headers {
        request = request.header(name, value);
    }
    let (mut parts, ()) = request.body(()).context("request")?.into_parts();
    if parts.uri.authority().is_none() && !parts.headers.contains_key(http::header::HOST) {
        // Only an HTTP/1.0 client may leave out the host.
        parts.version = Version::HTTP_10;
    }
    Ok(parts)
}

/// Has an edge explain the request.
async fn ask(
    loaded: &Loaded,
    request: Parts,
) -> anyhow::Result<Result<Explanation, gateway::Error>> {
    let (edge, writer) = unserved(loaded)?;
    let (_stop, stopped) = watch::channel(false);
    if request.headers.contains_key(AUTHORIZATION) {
        // Fetches the keys that the token may need; ends with the runtime.
        tokio::spawn(Arc::clone(&edge).keep_keys_fresh(stopped));
    }
    let explained = edge.explain(request).await;
    writer.close(WRITER_END);
    Ok(explained)
}

fn refused(error: gateway::Error) -> Decisions {
    let none = Decision::not_made(format!("the edge refuses the request: {error}"));
    Decisions {
        route: none.clone(),
        team: none.clone(),
        upstream: none.clone(),
        arm: none.clone(),
        device: none.clone(),
        auth: none.clone(),
        priority: none.clone(),
        timeout: none.clone(),
        idempotency: none,
        steps: Vec::new(),
    }
}

fn decisions(loaded: &Loaded, explanation: &Explanation) -> Decisions {
    let device = &explanation.device;
    let found = explanation.route.route.and_then(|index| {
        Some((index, loaded.settings.routes.get(index)?, explanation.exchange.as_ref()?))
    });
    let device = Decision::made(device.class.clone(), device.reason.clone());
    let steps = steps(loaded, explanation);
    let Some((index, route, exchange)) = found else {
        let none = Decision::not_made("no route");
        return Decisions {
            route: Decision::not_made(explanation.route.reason.clone()),
            team: none.clone(),
            upstream: none.clone(),
            arm: none.clone(),
            device,
            auth: none.clone(),
            priority: none.clone(),
            timeout: none.clone(),
            idempotency: none,
            steps,
        };
    };
    let id = format!("{}/{}", route.team, route.name);
    let origin = loaded.origins.get(index);
    let at = origin.map_or_else(String::new, |origin| format!(" ({})", origin.at));
    Decisions {
        route: Decision::made(
            route.name.as_ref(),
            format!("{} matches: {}{at}", route.pattern, explanation.route.reason),
        ),
        team: Decision::made(route.team.as_ref(), format!("it owns route {id}")),
        upstream: arm::upstream(loaded, route, exchange.drawn, &id),
        arm: arm::arm(route, exchange.drawn, &id),
        device,
        auth: auth(loaded, route, &exchange.caller),
        priority: priority(exchange, &id, origin.map(|origin| origin.priority)),
        timeout: timeout(exchange, &id, origin.map(|origin| origin.timeout)),
        idempotency: idempotency(route, &id),
        steps,
    }
}

fn auth(loaded: &Loaded, route: &Route, caller: &Caller) -> Decision {
    let name = auth_name(loaded, route);
    let reason = match (caller, &route.auth) {
        (Caller::Anybody, _) | (_, Auth::None) => "anybody may call".to_owned(),
        (Caller::Verified(caller), _) if caller.is_anonymous() => {
            "it shows no credential, and anybody may call so".to_owned()
        }
        (Caller::Verified(caller), _) => {
            format!("the credential is good: subject {}", caller.identity.subject)
        }
        (Caller::Refused(error), Auth::Source { scopes, claims, .. }) => {
            let mut wanted =
                scopes.iter().map(|scope| format!("scope {scope}")).collect::<Vec<_>>();
            wanted.extend(claims.iter().map(|(name, value)| format!("claim {name} = {value}")));
            let demands = match wanted.as_slice() {
                [] => String::new(),
                wanted => format!("; the route demands {}", wanted.join(", ")),
            };
            format!("refused: {error}{demands}")
        }
    };
    Decision::made(name, reason)
}

fn priority(exchange: &Exchange, id: &str, origin: Option<Origin>) -> Decision {
    let mut reason = match origin {
        Some(Origin::Ceiling) => "the ceiling of its team, which is below the default".to_owned(),
        Some(Origin::Default) => format!("the default: route {id} names none"),
        _ => format!("`priority` of route {id}"),
    };
    if exchange.priority != exchange.granted {
        reason = format!("lowered by headgate-priority; {} is {reason}", exchange.granted);
    }
    Decision::made(exchange.priority.as_str(), reason)
}

fn timeout(exchange: &Exchange, id: &str, origin: Option<Origin>) -> Decision {
    let granted = format_duration(exchange.timeout);
    let mut reason = match origin {
        Some(Origin::Ceiling) => {
            "the ceiling of its team, which is below `edge.timeout`".to_owned()
        }
        Some(Origin::Default) => format!("`edge.timeout`: route {id} names none"),
        _ => format!("`timeout` of route {id}"),
    };
    if exchange.remaining < exchange.timeout {
        reason = format!("shortened by headgate-deadline-ms; {granted} is {reason}");
    }
    Decision::made(format_duration(exchange.remaining), reason)
}

fn idempotency(route: &Route, id: &str) -> Decision {
    let Some(keys) = &route.idempotency else {
        return Decision::made("none", format!("route {id} has no `idempotency`"));
    };
    let lost = match keys.on_lost {
        OnLost::Retry => "passed on again",
        OnLost::Hold => "held",
    };
    let reason = format!(
        "`idempotency` of route {id}: answers are kept for {}, a twin waits {}, a key whose \
         request was lost is {lost}; safe methods need no key",
        format_duration(keys.ttl),
        format_duration(keys.wait),
    );
    Decision::made(key_word(route), reason)
}

fn steps(loaded: &Loaded, explanation: &Explanation) -> Vec<Value> {
    let (host, path) = &explanation.target;
    let mut steps = vec![json!({ "step": "target", "host": host, "path": path })];
    if let Some(caller) = &explanation.identified {
        let reason = "a device rule or a route reads claims";
        steps.push(json!({ "step": "identify", "caller": caller_word(caller), "reason": reason }));
    }
    steps.push(json!({ "step": "classify", "tried": explanation.device.tried }));
    let candidates = explanation.route.candidates.iter().map(|candidate| {
        let route = loaded.settings.routes.get(candidate.route);
        let origin = loaded.origins.get(candidate.route);
        json!({
            "route": route.map(|route| route.name.as_ref()),
            "team": route.map(|route| route.team.as_ref()),
            "match": candidate.pattern,
            "verdict": candidate.verdict,
            "reason": candidate.reason,
            "at": origin.map(|origin| origin.at.to_string()),
        })
    });
    steps.push(json!({ "step": "route", "candidates": candidates.collect::<Vec<_>>() }));
    if let Some(exchange) = &explanation.exchange {
        steps.push(json!({ "step": "authenticate", "caller": caller_word(&exchange.caller) }));
        steps.push(json!({
            "step": "dispatch",
            "priority": exchange.priority,
            "deadline_ms": exchange.remaining.as_millis(),
        }));
    }
    steps
}

fn caller_word(caller: &Caller) -> Value {
    match caller {
        Caller::Anybody => json!({ "result": "anybody" }),
        Caller::Verified(caller) => json!({
            "result": "verified",
            "subject": caller.identity.subject.as_ref(),
            "source": caller.identity.source.as_ref(),
        }),
        Caller::Refused(error) => json!({
            "result": "refused",
            "code": error.code(),
            "outcome": error.outcome().as_str(),
            "reason": error.to_string(),
        }),
    }
}

fn text(decisions: &Decisions) -> String {
    let rows = [
        ("route", &decisions.route),
        ("team", &decisions.team),
        ("upstream", &decisions.upstream),
        ("arm", &decisions.arm),
        ("device", &decisions.device),
        ("auth", &decisions.auth),
        ("priority", &decisions.priority),
        ("timeout", &decisions.timeout),
        ("idempotency", &decisions.idempotency),
    ];
    let decided = rows.into_iter().map(|(name, decision)| {
        let value = decision.value.as_deref().unwrap_or("none");
        vec![name.to_owned(), value.to_owned(), decision.reason.clone()]
    });
    let candidates = decisions.steps.iter().filter_map(|step| step.get("candidates")?.as_array());
    let passed_over = candidates.flatten().filter_map(passed_over);
    columns(&decided.collect::<Vec<_>>()) + &passed_over.collect::<String>()
}

/// The line of a route that matches the path and is not taken.
fn passed_over(candidate: &Value) -> Option<String> {
    let part = |key: &str| candidate.get(key).and_then(Value::as_str).unwrap_or_default();
    let (team, route, pattern) = (part("team"), part("route"), part("match"));
    (part("verdict") != WON)
        .then(|| format!("  not {team}/{route} ({pattern}): {}\n", part("reason")))
}

#[cfg(test)]
mod tests;
