use std::time::Duration;

use headgate_events::kafka::{Mechanism, Settings};
use headgate_idempotency::Order;

use super::{faults, load};
use crate::{EventLog, Loaded};

const PLATFORM: &str = r#"
[data]
dir = "kept"
[identity.accounts]
jwks = "https://id.example/jwks.json"
[team.tv]
claims = [{ prefix = "/tv/" }]
[team.pay]
claims = [{ prefix = "/pay/" }]
"#;

const ORDER: &str = r#"
[route.order]
match = "POST /tv/orders"
publish = { topic = "orders", type = "order.placed.v1", key = "body.order_id", wait = "2s" }
auth = "accounts"
idempotency = { required = true, ttl = "48h" }
"#;

const CHARGE: &str = r#"
[handler.charge]
on = "orders/order.placed.v1"
call = "http://127.0.0.1:7003/charge?now"
order = "per_key"
retry = { max = 8, backoff = "100ms..1m" }
timeout = "5s"
concurrency = 4
"#;

fn tv(tables: &str) -> String {
    format!("team = \"tv\"\n{tables}")
}

fn good(platform: &str, tables: &str) -> Loaded {
    load(&[("headgate.toml", platform), ("routes.d/tv/r.toml", &tv(tables))]).unwrap()
}

/// What is wrong with a team's tables.
fn wrong(platform: &str, tables: &str) -> String {
    let found = faults(&[("headgate.toml", platform), ("routes.d/tv/r.toml", &tv(tables))]);
    found.join("\n").replace("routes.d/tv/r.toml:", "")
}

/// What is wrong with one line more of a route that publishes.
fn wrong_route(line: &str) -> String {
    let publish = "publish = { topic = \"orders\", type = \"t\", key = \"body.id\" }";
    wrong(PLATFORM, &format!("[route.order]\n{publish}\n{line}\n"))
}

#[test]
fn order_becomes_an_event_that_a_function_handles() {
    let loaded = good(PLATFORM, &[ORDER, CHARGE].concat());
    assert_eq!(loaded.events, Some(EventLog::Embedded { dir: "kept".into() }));
    let settings = &loaded.settings;
    let route = &settings.routes[0];
    assert_eq!((route.upstream, &route.idempotency), (None, &None));
    let publish = route.publish.as_ref().unwrap();
    assert_eq!((&*publish.topic, &*publish.kind), ("orders", "order.placed.v1"));
    assert_eq!(publish.key.to_string(), "body.order_id");
    assert_eq!((publish.wait, publish.is_key_required), (Duration::from_secs(2), true));
    assert_eq!(publish.ttl, Duration::from_hours(48));
    let handler = &settings.handlers[0];
    assert_eq!(handler.scope(), "tv.charge");
    let upstream = &settings.upstreams[handler.upstream];
    assert_eq!(upstream.endpoints[0].to_string(), "127.0.0.1:7003");
    assert_eq!((&*upstream.name, handler.path.as_str()), ("handler.charge", "/charge?now"));
    assert_eq!((handler.order, handler.retry.max, handler.concurrency), (Order::PerKey, 8, 4));
    assert_eq!(handler.retry.longest, Duration::from_mins(1));
    assert_eq!(settings.topics[0].name, "orders".into());
}

#[test]
fn function_stands_at_an_upstream_of_its_team() {
    let tables = "[upstream.pay]\nendpoints = [\"a:1\"]\n\
                  [handler.charge]\non = \"orders/x.v1\"\ncall = \"pay/charge\"\n";
    let loaded = good(PLATFORM, tables);
    let handler = &loaded.settings.handlers[0];
    assert_eq!(&*loaded.settings.upstreams[handler.upstream].name, "pay");
    assert_eq!(handler.path.as_str(), "/charge");
    assert_eq!(
        wrong(PLATFORM, "[handler.charge]\non = \"orders/x.v1\"\ncall = \"pay/charge\"\n"),
        "4:8: HG1008: team \"tv\" has no upstream \"pay\" (handler.charge.call)"
    );
}

#[test]
fn topic_is_what_the_platform_says() {
    let platform = format!(
        "{PLATFORM}\n[topic.orders]\npartitions = 3\nretention = \"1d\"\n[topic.\"a.b\"]\n"
    );
    let loaded = good(&platform, ORDER);
    assert_eq!(loaded.settings.topics[1].partitions, 3);
    let names: Vec<_> = loaded.settings.topics.iter().map(|topic| &*topic.name).collect();
    assert_eq!(names, ["a.b", "orders"]);
    assert_eq!(
        wrong(&format!("{PLATFORM}[topic.\"hg.x\"]\n"), "").replace("headgate.toml:", ""),
        "10:8: HG1006: expected a topic's name of at most 128 letters, digits, \".\", \"-\" and \
         \"_\" that begins with a letter or digit, and not with \"hg.\", found \"hg.x\" \
         (topic.\"hg.x\")"
    );
}

#[test]
fn second_team_must_not_publish_to_a_topic() {
    let pay = ORDER.replace("/tv/", "/pay/").replace("order]", "again]");
    let found = load(&[
        ("headgate.toml", PLATFORM),
        ("routes.d/tv/r.toml", &tv(ORDER)),
        ("routes.d/pay/r.toml", &format!("team = \"pay\"\n{pay}")),
    ])
    .unwrap_err();
    let fault = found.iter().next().unwrap();
    assert_eq!(
        fault.to_string(),
        "routes.d/tv/r.toml:5:21: HG1040: teams \"pay\" and \"tv\" both publish to topic \
         \"orders\" (route.order.publish.topic)"
    );
    assert_eq!(fault.related[0].message, "route pay/again publishes to it");
    // Handling is open.
    let handler = CHARGE.replace("[handler.charge]", "team = \"pay\"\n[handler.charge]");
    let both = [
        ("headgate.toml", PLATFORM),
        ("routes.d/tv/r.toml", &tv(ORDER)),
        ("routes.d/pay/h.toml", &handler),
    ];
    let loaded = load(&both).unwrap();
    assert_eq!(loaded.settings.handlers[0].scope(), "pay.charge");
}

#[test]
fn events_need_a_place() {
    let nowhere = PLATFORM.replace("[data]\ndir = \"kept\"", "");
    assert_eq!(
        wrong(&nowhere, ORDER),
        "5:1: HG1042: there is no folder to keep events in (route.order.publish)"
    );
    assert_eq!(
        wrong(&nowhere, CHARGE),
        "3:10: HG1042: there is no folder to keep events in (handler.charge)"
    );
    let kafka = format!("{PLATFORM}[events]\nlog = \"kafka\"\n");
    let found = wrong(&kafka, "");
    assert_eq!(found.matches("HG1042").count(), 2, "{found}");
    let unused = format!("{PLATFORM}[events]\nkafka = {{ brokers = \"b:1\" }}\n");
    assert!(wrong(&unused, "").contains("HG1019: `kafka` is not used"));
    let both = format!(
        "{PLATFORM}[events]\nlog = \"kafka\"\nkafka = {{ brokers = \"b:1\" }}\n\
         [idempotency]\nstore = \"dynamodb\"\n"
    );
    let settings = Box::new(Settings::new("b:1"));
    assert_eq!(good(&both, ORDER).events, Some(EventLog::Kafka { password: None, settings }));
    let apart = format!("{PLATFORM}[idempotency]\nstore = \"dynamodb\"\n");
    assert!(wrong(&apart, ORDER).contains("HG1042: events in the embedded log need their records"));
}

#[test]
fn key_that_is_none_is_pointed_at() {
    assert_eq!(
        wrong(PLATFORM, &ORDER.replace("body.order_id", "body.order..id")),
        "5:75: HG1041: no name of a member (route.order.publish.key)"
    );
    assert!(wrong(PLATFORM, &ORDER.replace("body.order_id", "order_id")).contains("HG1041"));
    let nobody =
        wrong(PLATFORM, &ORDER.replace("auth = \"accounts\"", "").replace("body.order_id", "user"));
    assert!(nobody.contains("HG1019: a route without `auth` knows no user"), "{nobody}");
}

#[test]
fn keys_of_a_call_have_no_effect_on_an_event() {
    let post = "match = \"POST /tv/x\"\n";
    for line in ["to = \"home\"", "retry = { max = 1 }", "try_timeout = \"1s\""] {
        let key = line.split(' ').next().unwrap();
        let found = wrong_route(&format!("{post}{line}"));
        let expected = format!("HG1019: `{key}` has no effect on a route that publishes");
        assert!(found.contains(&expected), "{found}");
    }
    let found = wrong_route(&format!("{post}idempotency = {{ lease = \"1s\" }}"));
    assert!(found.contains("`lease` has no effect"), "{found}");
    assert!(wrong_route("match = \"GET /tv/x\"").contains("takes no safe method"));
    assert!(wrong_route("match = \"* /tv/x\"").contains("takes no safe method"));
    assert!(wrong_route(&format!("{post}max_body = \"65KiB\"")).contains("HG1007"));
    assert!(wrong(PLATFORM, &ORDER.replace("\"2s\"", "\"40s\"")).contains("outlasts the exchange"));
}

#[test]
fn route_leads_to_an_upstream_or_makes_an_event() {
    assert_eq!(
        wrong(PLATFORM, "[route.order]\nmatch = \"POST /tv/x\"\n"),
        "2:1: HG1005: missing key `to` (route.order)"
    );
    assert!(
        wrong(PLATFORM, "[handler.x]\non = \"orders\"\ncall = \"a/b\"\n").contains("3:6: HG1006")
    );
    assert!(
        wrong(PLATFORM, "[handler.x]\non = \"o/t\"\ncall = \"https://a/b\"\n")
            .contains("4:8: HG1006")
    );
    let backoff = wrong(
        PLATFORM,
        "[handler.x]\non = \"o/t\"\ncall = \"http://a/b\"\nretry = { backoff = \"5m..200ms\" }\n",
    );
    assert!(backoff.contains("HG1006"), "{backoff}");
}

#[test]
fn names_of_handlers_have_a_length() {
    let handler = CHARGE.replace("charge]", &format!("{}]", "c".repeat(64)));
    let team = "t".repeat(40);
    let platform = format!("{PLATFORM}[team.{team}]\nclaims = [{{ prefix = '/t/' }}]\n");
    let file = format!("team = \"{team}\"\n{handler}");
    let path = format!("routes.d/{team}/h.toml");
    let found = faults(&[("headgate.toml", &platform), (&path, &file)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("HG1007") && found[0].contains("too long together"), "{found:?}");
}

const KAFKA: &str = r#"
[idempotency]
store = "dynamodb"
[events]
log = "kafka"
[events.kafka]
brokers = "b:1"
"#;

#[test]
fn cluster_is_spoken_to_as_is_said() {
    let platform = format!(
        "{PLATFORM}{KAFKA}instance = \"edge-1\"\ntls = true\n\
         sasl = {{ mechanism = \"plain\", username = \"edge\", password = \"env:KAFKA_PASSWORD\" }}\n"
    );
    let Some(EventLog::Kafka { password, settings }) = good(&platform, ORDER).events else {
        panic!("it is Kafka")
    };
    assert_eq!(password.unwrap().to_string(), "env:KAFKA_PASSWORD");
    assert_eq!(settings.instance.as_deref(), Some("edge-1"));
    assert!(settings.tls.is_some());
    let sasl = settings.sasl.unwrap();
    assert_eq!((sasl.mechanism, &*sasl.username), (Mechanism::Plain, "edge"));
}

#[test]
fn cluster_with_a_contradiction_is_pointed_at() {
    let wrong = |lines: &str| wrong(&format!("{PLATFORM}{KAFKA}{lines}\n"), ORDER);
    let sasl = "sasl = { mechanism = \"plain\", username = \"e\", password = \"env:P\" }";
    assert!(wrong(sasl).contains("HG1019: a password in plain needs TLS"), "{}", wrong(sasl));
    let alone = wrong("tls = { cert = \"edge.pem\" }");
    assert!(alone.contains("HG1019: `cert` without `key` (events.kafka.tls.cert)"), "{alone}");
    let gone = wrong("tls = { ca = \"ca.pem\" }");
    assert!(gone.contains("HG1015") && gone.contains("(events.kafka.tls.ca)"), "{gone}");
    let open = wrong("sasl = { username = \"edge\", password = \"hunter2\" }");
    assert!(open.contains("HG1006"), "{open}");
    assert!(wrong("sasl = { username = \"edge\" }").contains("HG1005"));
}

#[test]
fn large_bodies_need_room() {
    let route = ORDER.replace("auth =", "max_body = \"512KiB\"\nauth =");
    let without = wrong(PLATFORM, &route);
    assert!(
        without.contains("HG1007: max_body 512KiB is more than an event's data has"),
        "{without}"
    );
    let with = |room: &str| format!("{PLATFORM}[events]\nclaim_check = {{ {room} }}\n");
    let loaded = good(&with(""), &route);
    let publish = loaded.settings.routes[0].publish.as_ref().unwrap();
    assert_eq!(publish.body_bytes_max.to_string(), "512KiB");
    assert_eq!(loaded.large_data_max.unwrap().to_string(), "1GiB");
    let usual = good(&with(""), ORDER);
    let usual = usual.settings.routes[0].publish.as_ref().unwrap();
    assert_eq!(usual.body_bytes_max.to_string(), "64KiB", "a route asks for it");
    let small = wrong(&with("max_body = \"256KiB\""), &route);
    assert!(small.contains("HG1007"), "{small}");
    for room in ["max_body = \"64KiB\"", "max_body = \"5MiB\"", "max_total = \"1KiB\""] {
        let found = wrong(&with(room), ORDER);
        assert!(found.contains("(events.claim_check."), "{room}: {found}");
    }
    let long = format!("{}[topic.orders]\nretention = \"500d\"\n", with(""));
    assert!(wrong(&long, &route).contains("large data is not kept for the topic's 500d"));
}
