use std::time::Duration;

use headgate_gateway::settings::{Idempotency, OnLost, StatusKind};
use headgate_types::ByteSize;

use super::load;
use crate::{Faults, Loaded, Records};

const DATA: &str = "[data]\ndir = \"kept\"\n";

/// A site with a route `order`, whose match and other lines are given.
fn site(data: &str, matches: &str, lines: &str) -> Result<Loaded, Faults> {
    let platform = format!("{data}[team.tv]\nclaims = [{{ prefix = \"/tv/\" }}]\n");
    let team = format!(
        "team = \"tv\"\n[upstream.home]\nendpoints = [\"a:1\"]\n[route.order]\nto = \"home\"\n\
         match = {matches:?}\n{lines}\n"
    );
    load(&[("headgate.toml", &platform), ("routes.d/tv/a.toml", &team)])
}

/// What is wrong with the table, and the help beside it.
fn faults(data: &str, matches: &str, lines: &str) -> Vec<(String, String)> {
    let Err(faults) = site(data, matches, lines) else { return Vec::new() };
    let told = |fault: &crate::Fault| {
        let at = format!("{}: {}: {}", fault.key, fault.code, fault.message);
        (at, fault.help.clone().unwrap_or_default())
    };
    faults.iter().map(told).collect()
}

#[test]
fn an_empty_table_has_the_named_defaults() {
    let loaded = site(DATA, "POST /tv/orders", "idempotency = {}").unwrap();
    let keys = loaded.settings.routes[0].idempotency.clone().unwrap();
    assert_eq!(keys, Idempotency::default());
    assert_eq!((keys.ttl, keys.wait), (Duration::from_hours(24), Duration::ZERO));
    assert!(!keys.is_required);
    assert_eq!(loaded.records, Some(Records::Embedded { dir: "kept".into() }));
}

#[test]
fn every_key_becomes_a_setting() {
    let lines = "timeout = \"2s\"\nidempotency = { required = true, ttl = \"1h\", wait = \"2s\", \
                 lease = \"5s\", on_lost = \"hold\", max_body = \"1KiB\", max_answer = \"2KiB\", \
                 keep = [\"2xx\", \"5xx\"] }";
    let loaded = site(DATA, "POST /tv/orders", lines).unwrap();
    let expected = Idempotency {
        is_required: true,
        ttl: Duration::from_hours(1),
        wait: Duration::from_secs(2),
        lease: Duration::from_secs(5),
        on_lost: OnLost::Hold,
        body_bytes_max: ByteSize::from_bytes(1 << 10),
        answer_bytes_max: ByteSize::from_bytes(2 << 10),
        keep: vec![StatusKind::Success, StatusKind::ServerError],
    };
    assert_eq!(loaded.settings.routes[0].idempotency, Some(expected));
}

#[test]
fn without_a_route_that_heeds_keys_nothing_is_opened() {
    let loaded = site(DATA, "POST /tv/orders", "").unwrap();
    assert_eq!((loaded.records, &loaded.settings.routes[0].idempotency), (None, &None));
}

#[test]
fn a_body_is_never_held_beyond_what_the_route_takes() {
    let lines = "max_body = \"1KiB\"\nidempotency = {}";
    let loaded = site(DATA, "POST /tv/orders", lines).unwrap();
    let keys = loaded.settings.routes[0].idempotency.clone().unwrap();
    assert_eq!(keys.body_bytes_max, ByteSize::from_bytes(1 << 10));
}

const ORDERS: &str = "POST /tv/orders";

/// Match and lines of a route, and the fault and the help that they get.
const CONTRADICTIONS: &[[&str; 4]] = &[
    [
        "GET|OPTIONS /tv/orders",
        "idempotency = {}",
        "route.order.idempotency: HG1019: the route takes no method that a key is for",
        "keys are for POST, PUT, PATCH, DELETE",
    ],
    [
        "POST /tv/orders header.content-type='application/grpc'",
        "idempotency = {}",
        "route.order.idempotency: HG1019: the route is for gRPC",
        "a key of their own",
    ],
    [
        "* /tv/orders header.upgrade=websocket",
        "idempotency = {}",
        "route.order.idempotency: HG1019: the route is for WebSockets",
        "a key of their own",
    ],
    [
        ORDERS,
        "timeout = \"3s\"\nidempotency = { ttl = \"3s\", lease = \"1s\" }",
        "route.order.idempotency.ttl: HG1019: ttl 3s is too short",
        "longer than the exchange's 3s and the lease of 1s",
    ],
    [
        ORDERS,
        "timeout = \"3s\"\nidempotency = { ttl = \"10s\" }",
        "route.order.idempotency.ttl: HG1019: ttl 10s is too short",
        "longer than the exchange's 3s and the lease of 10s",
    ],
    [
        ORDERS,
        "timeout = \"3s\"\nidempotency = { wait = \"4s\" }",
        "route.order.idempotency.wait: HG1019: wait 4s outlasts the exchange",
        "at most the exchange's 3s",
    ],
    [
        ORDERS,
        "idempotency = { lease = \"500ms\" }",
        "route.order.idempotency.lease: HG1007: lease 500ms is too short",
        "at least 1s",
    ],
    [
        ORDERS,
        "idempotency = { max_answer = \"2MiB\" }",
        "route.order.idempotency.max_answer: HG1007: max_answer 2MiB is more than can be kept",
        "at most 1MiB",
    ],
    [
        ORDERS,
        "max_body = \"1KiB\"\nidempotency = { max_body = \"2KiB\" }",
        "route.order.idempotency.max_body: HG1019: max_body 2KiB is more than the route takes",
        "at most the route's 1KiB",
    ],
    [
        ORDERS,
        "idempotency = { keep = [] }",
        "route.order.idempotency.keep: HG1007: 0 entries, at least 1 needed",
        "",
    ],
    [
        ORDERS,
        "idempotency = { keep = [\"200\"] }",
        "route.order.idempotency.keep[0]: HG1006: \"200\" is none of 2xx, 3xx, 4xx, 5xx",
        "",
    ],
    [
        ORDERS,
        "idempotency = { on_lost = \"forget\" }",
        "route.order.idempotency.on_lost: HG1006: \"forget\" is none of retry, hold",
        "",
    ],
    [
        ORDERS,
        "idempotency = { require = true }",
        "route.order.idempotency.require: HG1003: unknown key `require`",
        "did you mean `required`?",
    ],
];

#[test]
fn what_contradicts_a_key_is_told_with_what_is_allowed() {
    for [matches, lines, fault, help] in CONTRADICTIONS {
        let found = faults(DATA, matches, lines);
        assert!(
            matches!(found.as_slice(), [one] if one.0.starts_with(fault) && one.1.contains(help)),
            "{lines}: {found:#?}"
        );
    }
}

#[test]
fn a_route_that_heeds_keys_needs_a_folder() {
    let found = site("", "POST /tv/orders", "idempotency = {}").unwrap_err();
    let fault = found.iter().next().unwrap();
    assert_eq!(found.len(), 1, "{found}");
    assert_eq!(
        fault.to_string(),
        "routes.d/tv/a.toml:7:15: HG1019: there is no folder to keep \
        records in (route.order.idempotency)"
    );
    assert!(fault.help.as_ref().unwrap().contains("`dir` in `[data]`"));
    assert_eq!(fault.related[0].at.file, "headgate.toml");
}

#[test]
fn dynamodb_needs_no_folder() {
    let table = "[idempotency]\nstore = \"dynamodb\"\n";
    let of = |data: &str| site(data, "POST /tv/orders", "idempotency = {}").unwrap().records;
    let plain = Records::DynamoDb { table: "headgate".to_owned(), endpoint: None, region: None };
    assert_eq!(of(table), Some(plain));
    let local = "dynamodb = { table = \"keys\", endpoint = \"http://127.0.0.1:8000\", region = \"local\" }\n";
    let expected = Records::DynamoDb {
        table: "keys".to_owned(),
        endpoint: Some("http://127.0.0.1:8000".to_owned()),
        region: Some("local".to_owned()),
    };
    assert_eq!(of(&format!("{table}{local}")), Some(expected));
}

#[test]
fn what_contradicts_the_store_is_told() {
    for (data, lines, fault, help) in [
        (
            "[data]\ndir = \"kept\"\n[idempotency]\ndynamodb = { table = \"keys\" }\n",
            "idempotency = {}",
            "idempotency.dynamodb: HG1019: `dynamodb` is not used",
            "set `store = \"dynamodb\"`",
        ),
        (
            "[idempotency]\nstore = \"dynamodb\"\ndynamodb = { region = \"local\" }\n",
            "idempotency = {}",
            "idempotency.dynamodb.region: HG1019: region \"local\" is nowhere",
            "`endpoint`",
        ),
        (
            "[idempotency]\nstore = \"dynamodb\"\ndynamodb = { endpoint = \"127.0.0.1\" }\n",
            "idempotency = {}",
            "idempotency.dynamodb.endpoint: HG1006: expected a URL without a path",
            "",
        ),
        (
            "[idempotency]\nstore = \"dynamodb\"\n",
            "idempotency = { max_answer = \"321KiB\" }",
            "route.order.idempotency.max_answer: HG1007: max_answer 321KiB is more",
            "at most 320KiB",
        ),
        (
            "[idempotency]\nstore = \"redis\"\n",
            "",
            "idempotency.store: HG1006: \"redis\" is none of embedded, dynamodb",
            "",
        ),
    ] {
        let found = faults(data, "POST /tv/orders", lines);
        assert!(
            matches!(found.as_slice(), [one] if one.0.starts_with(fault) && one.1.contains(help)),
            "{data}: {found:#?}"
        );
    }
}
