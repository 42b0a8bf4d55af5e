//! `headgate why`: the life of a recent exchange.

use std::process::ExitCode;

use headgate_admin::{Why, WhyAttempt, WhyExchange, WhyLayer};
use serde_json::json;

use crate::{
    admin::{Admin, Answer},
    args,
    exit::FINDINGS,
    output::{Output, columns},
};

/// Asks a running edge for the exchanges of a trace; ends with 1 when none is kept.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does; faults of
/// the configuration, where one was named.
pub(crate) fn why(args: &args::Why, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let answer = admin.get(&format!("/v1/why/{}", args.trace))?;
    if let Answer::Refused(refused) = &answer
        && refused.is_unknown()
    {
        if output.json {
            output
                .json(&json!({ "trace_id": args.trace.to_string(), "message": refused.text() }))?;
        } else {
            writeln!(output.out, "{}", refused.text())?;
        }
        return Ok(ExitCode::from(FINDINGS));
    }
    let why: Why = answer.json(&admin)?;
    if output.json {
        output.json(&why)?;
    } else {
        output.out.write_all(text(&why).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(why: &Why) -> String {
    let exchanges = why.earlier.iter().chain([&why.exchange]);
    exchanges.map(exchange).collect::<Vec<_>>().join("\n")
}

fn exchange(exchange: &WhyExchange) -> String {
    let host = exchange.host.as_deref().unwrap_or_default();
    let status = exchange.status.map_or("no status".to_owned(), |status| status.to_string());
    let code = exchange.code.as_ref().map_or_else(String::new, |code| format!(" {code}"));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, text: String| rows.push(vec![name.to_owned(), text]);
    row("request", format!("{} {host}{}", exchange.method, exchange.path));
    row("client", format!("{} by {}", exchange.client, exchange.protocol));
    row("trace", exchange.trace_id.clone());
    row("time", exchange.time.clone());
    let took = millis(exchange.duration_us);
    row("outcome", format!("{} ({status}{code}) after {took}", exchange.outcome));
    if let Some(probe) = &exchange.probe {
        row("probe", probe.clone());
    }
    if let Some(device) = &exchange.device {
        row("device", because(device, exchange.device_reason.as_deref()));
    }
    row("route", route(exchange));
    if let Some(upstream) = &exchange.upstream {
        row("upstream", upstream.clone());
    }
    if let Some(arm) = &exchange.arm {
        row("arm", because(arm, drawn(exchange).as_deref()));
    }
    if exchange.route.is_some() {
        row("identity", exchange.identity.clone().unwrap_or_else(|| "nobody verified".to_owned()));
    }
    if let Some(priority) = &exchange.priority {
        row("priority", because(priority, Some(&granted(exchange, priority))));
    }
    for layer in &exchange.layers {
        row(&format!("layer {}", layer.layer), ruling(layer));
    }
    for (index, attempt) in exchange.attempts.iter().enumerate() {
        row(&format!("attempt {}", index + 1), tried(attempt));
    }
    row("timing", timing(exchange));
    row("config", exchange.config.clone());
    columns(&rows)
}

fn because(what: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| what.to_owned(), |reason| format!("{what}: {reason}"))
}

fn route(exchange: &WhyExchange) -> String {
    match (&exchange.team, &exchange.route) {
        (Some(team), Some(route)) => {
            because(&format!("{team}/{route}"), exchange.pattern.as_deref())
        }
        _ => "none".to_owned(),
    }
}

fn drawn(exchange: &WhyExchange) -> Option<String> {
    let by = exchange.arm_by.as_deref()?;
    Some(match exchange.arm_bucket {
        _ if by == "token" => "a tester's token chose it".to_owned(),
        Some(bucket) => format!("by {by}, bucket {bucket}"),
        None => format!("it is the rest's, which has all requests without {by}"),
    })
}

fn granted(exchange: &WhyExchange, priority: &str) -> String {
    match exchange.priority_granted.as_deref() {
        Some(granted) if granted != priority => {
            format!("the client's headgate-priority; the route grants {granted}")
        }
        _ => "the route's".to_owned(),
    }
}

fn ruling(layer: &WhyLayer) -> String {
    let mut text = vec![layer.ruled.replace('_', " ")];
    if let Some(reason) = &layer.reason {
        text.push(format!(": {reason}"));
    }
    if let (Some(observed), Some(limit)) = (layer.observed, layer.limit)
        && (layer.reason.is_some() || limit > 0.0)
    {
        text.push(format!(", observed {observed} of {limit}"));
    }
    match layer.threshold {
        Some(threshold) => {
            text.push(format!(", rank {} where {threshold} and above are shed", layer.level));
        }
        None if layer.reason.is_some() => text.push(format!(", rank {}", layer.level)),
        None => {}
    }
    if let Some(waited) = layer.waited_us {
        text.push(format!(", waited {}", millis(waited)));
    }
    if let Some(after) = layer.retry_after_ms {
        text.push(format!(", told to come back in {after} ms"));
    }
    if layer.mode == "observe" {
        text.push(" (observes)".to_owned());
    }
    text.concat()
}

fn tried(attempt: &WhyAttempt) -> String {
    let mut text = vec![format!("{} at {}", attempt.endpoint, millis(attempt.started_us))];
    if let Some(connect) = attempt.connect_us {
        text.push(format!(", connected in {}", millis(connect)));
    }
    if let Some(head) = attempt.head_us {
        text.push(format!(", answered in {}", millis(head)));
    }
    text.push(format!(": {}", attempt.result));
    text.concat()
}

/// The steps in the order in which they were passed.
fn timing(exchange: &WhyExchange) -> String {
    let mut steps: Vec<_> = exchange.timing_us.iter().collect();
    steps.sort_by_key(|(_, micros)| **micros);
    let steps: Vec<_> =
        steps.into_iter().map(|(step, micros)| format!("{step} {}", millis(*micros))).collect();
    steps.join(", ")
}

fn millis(micros: u64) -> String {
    format!("{:.3} ms", micros as f64 / 1_000.0)
}

#[cfg(test)]
mod tests;
