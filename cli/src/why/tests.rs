use super::*;

fn text_of(value: &serde_json::Value) -> String {
    let mut members = json!({
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "time": "2026-11-18T11:06:40.000Z",
        "client": "192.0.2.7",
        "protocol": "HTTP/2",
        "method": "GET",
        "host": "tv.example",
        "path": "/tv/home/1",
        "outcome": "limited_concurrency",
        "status": 503,
        "code": "HG0032",
        "request_bytes": 0,
        "response_bytes": 9,
        "duration_us": 1_250,
        "timing_us": {},
        "attempts": [],
        "config": "c0ffee",
        "earlier": [],
    });
    let object = members.as_object_mut().unwrap();
    object.extend(value.as_object().unwrap().clone());
    text(&serde_json::from_value(members).unwrap())
}

/// The text of a row, by its name.
fn row<'t>(text: &'t str, name: &str) -> &'t str {
    let row = text.lines().find_map(|line| line.strip_prefix(name));
    row.unwrap_or_else(|| panic!("no {name} in\n{text}")).trim()
}

#[test]
fn request_and_outcome_are_told_in_one_line_each() {
    let text = text_of(&json!({}));
    assert_eq!(row(&text, "request"), "GET tv.example/tv/home/1");
    assert_eq!(row(&text, "outcome"), "limited_concurrency (503 HG0032) after 1.250 ms");
    assert_eq!(row(&text, "route"), "none");
}

#[test]
fn every_decision_has_its_reason() {
    let text = text_of(&json!({
        "device": "tv", "device_reason": "header x-app ~ '^tv/'",
        "team": "tv", "route": "home", "match": "GET /tv/home/{profile}", "upstream": "next",
        "arm": "next", "arm_by": "device_id", "arm_bucket": 77,
        "priority": "bulk", "priority_granted": "critical",
    }));
    assert_eq!(row(&text, "device"), "tv: header x-app ~ '^tv/'");
    assert_eq!(row(&text, "route"), "tv/home: GET /tv/home/{profile}");
    assert_eq!(row(&text, "arm"), "next: by device_id, bucket 77");
    assert_eq!(row(&text, "identity"), "nobody verified");
    let priority = "bulk: the client's headgate-priority; the route grants critical";
    assert_eq!(row(&text, "priority"), priority);
}

#[test]
fn layers_tell_their_numbers() {
    let layer = json!({
        "layer": "concurrency", "mode": "enforce", "ruled": "refused", "reason": "limit_reached",
        "observed": 24.0, "limit": 20.0, "level": 130, "retry_after_ms": 1_500,
    });
    let passed = json!({
        "layer": "instance", "mode": "observe", "ruled": "would_refuse", "reason": "cpu",
        "observed": 0.97, "limit": 0.95, "level": 300, "threshold": 256,
    });
    let admitted = json!({
        "layer": "rate", "mode": "enforce", "ruled": "admitted", "observed": 0.0, "limit": 0.0,
        "level": 300, "waited_us": 40,
    });
    let text = text_of(&json!({ "layers": [layer, passed, admitted] }));
    let expected =
        "refused: limit_reached, observed 24 of 20, rank 130, told to come back in 1500 ms";
    assert_eq!(row(&text, "layer concurrency"), expected);
    let expected = "would refuse: cpu, observed 0.97 of 0.95, rank 300 where 256 and above are \
                    shed (observes)";
    assert_eq!(row(&text, "layer instance"), expected);
    assert_eq!(row(&text, "layer rate"), "admitted, waited 0.040 ms");
}

#[test]
fn steps_are_told_in_their_order() {
    let attempt = json!({
        "endpoint": "127.0.0.1:7001", "started_us": 400, "connect_us": 210, "result": "reset",
    });
    let timing = json!({ "response_head": 900, "classified": 5, "routed": 12 });
    let text = text_of(&json!({ "attempts": [attempt], "timing_us": timing }));
    let expected = "127.0.0.1:7001 at 0.400 ms, connected in 0.210 ms: reset";
    assert_eq!(row(&text, "attempt 1"), expected);
    let expected = "classified 0.005 ms, routed 0.012 ms, response_head 0.900 ms";
    assert_eq!(row(&text, "timing"), expected);
}
