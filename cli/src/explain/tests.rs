use std::{collections::BTreeMap, path::Path};

use headgate_config::{Memory, load_from};

use super::*;

const PLATFORM: &str = r#"
[data]
dir = "data"
[identity.keys]
api_keys = [{ sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", subject = "ops", scopes = ["read"] }]
[[device]]
name = "tv"
when = ["header x-app ~ '^tv/'"]
[team.tv]
claims = [{ host = "*", prefix = "/tv/" }]
ceiling = { timeout = "3s" }
"#;

const HOME: &str = r#"
team = "tv"
[upstream.home]
endpoints = ["127.0.0.1:7001"]
[route.home]
match = "GET /tv/home/{profile} device=tv"
to = "home"
priority = "critical"
[route.account]
match = "GET api.example/tv/account"
to = "home"
auth = "keys"
scopes = ["read"]
timeout = "900ms"
[route.order]
match = "POST /tv/orders"
to = "home"
idempotency = { required = true, wait = "2s", on_lost = "hold" }
[route.admin]
match = "GET /tv/admin"
to = "home"
auth = "keys"
scopes = ["write"]
"#;

fn loaded() -> Loaded {
    let files =
        Memory::default().with("headgate.toml", PLATFORM).with("routes.d/tv/home.toml", HOME);
    let mut loaded = load_from(&files, Path::new("headgate.toml"), &BTreeMap::new()).unwrap();
    loaded.settings.passport.keys_dir = None;
    loaded
}

/// All decisions on `METHOD URL [NAME:VALUE …]`.
fn explained(line: &str) -> Decisions {
    let mut words = line.split(' ');
    let method = words.next().unwrap().parse().unwrap();
    let url = words.next().unwrap().parse().unwrap();
    let header = |word: &str| {
        let (name, value) = word.split_once(':').unwrap();
        (name.parse().unwrap(), value.parse().unwrap())
    };
    let config = args::Config { config: "headgate.toml".into() };
    let args = args::Explain { config, method, url, headers: words.map(header).collect() };
    let loaded = loaded();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(ask(&loaded, request(args).unwrap())).unwrap() {
        Ok(explanation) => decisions(&loaded, &explanation),
        Err(error) => refused(error),
    }
}

fn pair(decision: &Decision) -> (&str, &str) {
    (decision.value.as_deref().unwrap_or("none"), decision.reason.as_str())
}

#[test]
fn each_decision_has_its_reason() {
    let of = explained("GET http://a/tv/home/1 x-app:tv/7");
    assert_eq!(
        pair(&of.route),
        (
            "home",
            "GET /tv/home/{profile} device=tv matches: the only route that matches \
             (routes.d/tv/home.toml:6:9)"
        )
    );
    assert_eq!(pair(&of.team), ("tv", "it owns route tv/home"));
    assert_eq!(pair(&of.upstream), ("home", "`to` of route tv/home; endpoints 127.0.0.1:7001"));
    assert_eq!(pair(&of.device), ("tv", "header x-app ~ '^tv/'"));
    assert_eq!(pair(&of.auth), ("none", "anybody may call"));
    assert_eq!(pair(&of.priority), ("critical", "`priority` of route tv/home"));
    assert_eq!(pair(&of.timeout), ("3s", "the ceiling of its team, which is below `edge.timeout`"));
}

#[test]
fn a_predicate_that_fails_is_named() {
    let of = explained("GET http://a/tv/home/1");
    assert_eq!(pair(&of.route).0, "none");
    assert_eq!(pair(&of.device), ("unknown", "no rule matched"));
    assert!(
        text(&of)
            .contains("not tv/home (GET /tv/home/{profile} device=tv): device=tv does not hold")
    );
}

#[test]
fn a_client_can_lower_its_priority_and_its_time_only() {
    let of = explained(
        "GET http://a/tv/home/1 x-app:tv/7 headgate-priority:bulk headgate-deadline-ms:50",
    );
    assert_eq!(pair(&of.priority).0, "bulk");
    assert_eq!(pair(&of.timeout).0, "50ms");
    let of = explained("GET http://api.example/tv/account headgate-priority:critical");
    assert_eq!(pair(&of.priority), ("standard", "the default: route tv/account names none"));
}

#[test]
fn credentials_are_verified_as_the_edge_would() {
    let url = "GET http://api.example/tv/account";
    assert_eq!(
        pair(&explained(url).auth),
        ("keys", "refused: no credential; the route demands scope read")
    );
    let with_key = explained(&format!("{url} x-api-key:secret"));
    assert_eq!(pair(&with_key.auth), ("keys", "the credential is good: subject ops"));
    let forbidden = explained("GET http://a/tv/admin x-api-key:secret");
    assert_eq!(
        pair(&forbidden.auth),
        ("keys", "refused: credential lacks a scope or claim; the route demands scope write")
    );
}

#[test]
fn a_route_for_a_host_takes_no_other() {
    assert_eq!(pair(&explained("GET http://other.example/tv/account").route).0, "none");
    assert_eq!(pair(&explained("GET http://api.example:8443/tv/account").route).0, "account");
}

#[test]
fn what_the_edge_refuses_at_sight_has_no_decision() {
    let of = explained("GET http://a/tv/%2f");
    let why = "the edge refuses the request: bad request: path has an escaped slash or backslash";
    assert_eq!(pair(&of.route), ("none", why));
}

#[test]
fn the_edges_own_paths_have_no_route() {
    let of = explained("GET http://a/_headgate/whoami");
    assert_eq!(pair(&of.route), ("none", "the path belongs to the edge itself"));
}

#[test]
fn machines_read_value_and_reason() {
    let json = serde_json::to_value(explained("GET http://a/tv/home/1 x-app:tv/7")).unwrap();
    for key in ["route", "upstream", "device", "priority", "team", "auth", "timeout"] {
        assert!(json[key]["value"].is_string() && json[key]["reason"].is_string(), "{key}");
    }
    let steps: Vec<_> = json["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["target", "classify", "route", "authenticate", "dispatch"]);
}

#[test]
fn what_a_key_does_is_told_with_its_times() {
    let keyed = explained("POST http://e/tv/orders").idempotency;
    assert_eq!(keyed.value.as_deref(), Some("required"));
    for part in ["tv/order", "kept for 1d", "waits 2s", "is held"] {
        assert!(keyed.reason.contains(part), "{part} in {}", keyed.reason);
    }
    let plain = explained("GET http://e/tv/home/ada x-app:tv/1").idempotency;
    assert_eq!(plain.value.as_deref(), Some("none"));
}
