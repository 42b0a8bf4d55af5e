use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::{classes::CLASSES, *};
use crate::{files::Memory, load::load_from, schema};

/// The keys of a schema, with `*` for a name that people choose.
fn leaves(schema: &Value, path: &str, found: &mut Vec<String>) {
    let below = |key: &str| format!("{path}.{key}");
    if let Some(properties) = schema["properties"].as_object() {
        for (key, schema) in properties {
            leaves(schema, &below(key), found);
        }
    } else if schema["additionalProperties"].is_object() {
        leaves(&schema["additionalProperties"], &below("*"), found);
    } else if schema["items"]["properties"].is_object() {
        leaves(&schema["items"], path, found);
    } else if let Some(table) = ["anyOf", "oneOf"]
        .iter()
        .filter_map(|any| schema[any].as_array())
        .flatten()
        .find(|one| one["properties"].is_object() || one["items"]["properties"].is_object())
    {
        leaves(table, path, found);
    } else {
        found.push(path.to_owned());
    }
}

#[test]
fn every_key_has_one_class() {
    let mut keys = Vec::new();
    leaves(&schema::platform(), "headgate", &mut keys);
    leaves(&schema::team_file(), "team", &mut keys);
    keys.sort();
    let mut classed: Vec<&str> =
        CLASSES.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
    classed.sort_unstable();
    let without: Vec<_> = keys.iter().filter(|key| !classed.contains(&key.as_str())).collect();
    assert!(without.is_empty(), "keys without a class: {without:#?}");
    let gone: Vec<_> = classed.iter().filter(|one| !keys.iter().any(|key| key == *one)).collect();
    assert!(gone.is_empty(), "no such keys: {gone:#?}");
    assert_eq!(classed.len(), keys.len(), "a key has two classes");
}

const PLATFORM: &str = r#"
[edge]
listen = ["127.0.0.1:8080"]
[identity.accounts]
api_keys = [{ sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", subject = "ada" }]
[identity.partners]
api_keys = [{ sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a09", subject = "bob" }]
[[device]]
name = "tv"
when = ["ua ~ 'Tizen'"]
[[device]]
name = "web"
when = ["*"]
[team.tv]
claims = [{ host = "*", prefix = "/tv/" }]
ceiling = { timeout = "3s" }
"#;

const TEAM: &str = r#"
team = "tv"
[upstream.home]
endpoints = ["127.0.0.1:7001"]
[upstream.next]
endpoints = ["127.0.0.1:7002"]
[route.home]
match = "GET /tv/home"
to = "home"
auth = "accounts"
timeout = "900ms"
[route.rest]
match = "GET /tv/{*rest}"
to = "home"
require = { tier = "gold" }
auth = "accounts"
"#;

fn loaded(platform: &str, team: &str) -> Loaded {
    let files = Memory::default().with("headgate.toml", platform).with("routes.d/tv/tv.toml", team);
    let loaded = load_from(&files, Path::new("headgate.toml"), &BTreeMap::new());
    loaded.unwrap_or_else(|faults| panic!("{faults}"))
}

/// Replaces a text in either document and compares what differs with lines such as
/// `hot edge.timeout "30s" -> "20s"`.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    let old = loaded(PLATFORM, TEAM);
    assert!(PLATFORM.contains(from) || TEAM.contains(from), "{from:?} is in neither document");
    let new = loaded(&PLATFORM.replace(from, to), &TEAM.replace(from, to));
    let line = |change: &Change| {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let (before, after) = (value(&change.before), value(&change.after));
        format!("{} {} {before} -> {after}", change.class, change.what)
    };
    let found: Vec<_> = changes(&old, &new).iter().map(line).collect();
    assert_eq!(found, expected);
}

#[test]
fn same_configuration_has_no_difference() {
    check(
        "timeout = \"900ms\"",
        "timeout = \"900ms\"\npriority = \"standard\"",
        &["hot team.tv.route.home.priority none -> \"standard\""],
    );
    let sorted = "[route.rest]\nto = \"home\"\nauth = \"accounts\"\nrequire = { tier = \"gold\" }\n\
        match = \"GET /tv/{*rest}\"\n";
    let (_, rest) = TEAM.split_once("[route.rest]").unwrap();
    check(&format!("[route.rest]{rest}"), sorted, &[]);
}

#[test]
fn keys_of_the_platform_have_their_classes() {
    check("8080", "8081", &[r#"hand-over edge.listen ["127.0.0.1:8080"] -> ["127.0.0.1:8081"]"#]);
    check(
        "[edge]",
        "[edge]\ntimeout = \"20s\"\nthreads = 2",
        &["hand-over edge.threads none -> 2", r#"hot edge.timeout "30s" -> "20s""#],
    );
    check(
        "[edge]",
        "[edge.drain]\ndeadline = \"20s\"\n[edge]",
        &[r#"hot edge.drain.deadline "10s" -> "20s""#],
    );
    check(
        "[edge]",
        "[data]\ndir = \"kept\"\n[admin]\nlisten = \"127.0.0.1:9901\"\n[edge]",
        &[
            r#"hand-over admin.listen "127.0.0.1:9900" -> "127.0.0.1:9901""#,
            r#"refused data.dir none -> "kept""#,
        ],
    );
    check("timeout = \"3s\"", "timeout = \"4s\"", &[r#"hot team.tv.ceiling.timeout "3s" -> "4s""#]);
}

#[test]
fn devices_are_told_by_name() {
    check("'Tizen'", "'webOS'", &[r#"hot device.tv.when ["ua ~ 'Tizen'"] -> ["ua ~ 'webOS'"]"#]);
    check(
        "[[device]]\nname = \"web\"",
        "[[device]]\nname = \"ios\"\nwhen = [\"ua\"]\n[[device]]\nname = \"web\"",
        &[r#"hot device.ios none -> {"name":"ios","when":["ua"]}"#],
    );
}

#[test]
fn order_of_devices_counts() {
    let devices = "[[device]]\nname = \"tv\"\nwhen = [\"ua ~ 'Tizen'\"]\n\
        [[device]]\nname = \"web\"\nwhen = [\"*\"]\n";
    let swapped = "[[device]]\nname = \"web\"\nwhen = [\"*\"]\n[[device]]\nname = \"tv\"\n\
        when = [\"ua ~ 'Tizen'\"]\n";
    check(devices, swapped, &["hot order of device [tv,web] -> [web,tv]"]);
}

#[test]
fn route_that_goes_elsewhere_drains() {
    check(
        "to = \"home\"\nauth = \"accounts\"\ntimeout",
        "to = \"next\"\nauth = \"accounts\"\ntimeout",
        &[r#"drain team.tv.route.home.to "home" -> "next""#],
    );
    check(
        "GET /tv/home\"",
        "GET /tv/house\"",
        &[r#"drain team.tv.route.home.match "GET /tv/home" -> "GET /tv/house""#],
    );
}

#[test]
fn other_keys_of_a_route_are_hot() {
    check("\"900ms\"", "\"800ms\"", &[r#"hot team.tv.route.home.timeout "900ms" -> "800ms""#]);
    check("gold", "silver", &[r#"hot team.tv.route.rest.require.tier "gold" -> "silver""#]);
    check(
        "to = \"home\"\nauth = \"accounts\"\ntimeout",
        "to = \"home\"\nauth = \"partners\"\ntimeout",
        &[r#"hot team.tv.route.home.auth "accounts" -> "partners""#],
    );
}

#[test]
fn route_that_goes_drains_and_one_that_comes_is_hot() {
    let (upstreams, rest) = TEAM.split_once("[route.home]").unwrap();
    let (_, rest) = rest.split_once("[route.rest]").unwrap();
    let old = loaded(PLATFORM, TEAM);
    let new = loaded(PLATFORM, &format!("{upstreams}[route.rest]{rest}"));
    let gone = changes(&old, &new);
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!((gone[0].class, gone[0].what.as_str()), (Class::Drain, "team.tv.route.home"));
    assert!(gone[0].before.as_deref().unwrap().contains("GET /tv/home"));
    assert_eq!(gone[0].after, None);
    let came = changes(&new, &old);
    assert_eq!((came[0].class, came[0].what.as_str()), (Class::Hot, "team.tv.route.home"));
    assert_eq!(came[0].before, None);
}

#[test]
fn upstreams_are_compared() {
    check(
        "7001",
        "7003",
        &[r#"hot team.tv.upstream.home.endpoints ["127.0.0.1:7001"] -> ["127.0.0.1:7003"]"#],
    );
}

#[test]
fn team_that_goes_is_told_by_its_routes() {
    let old = loaded(PLATFORM, TEAM);
    let new = loaded(PLATFORM, "team = \"tv\"");
    let gone: Vec<_> = changes(&old, &new).into_iter().map(|one| (one.class, one.what)).collect();
    assert_eq!(
        gone,
        [
            (Class::Drain, "team.tv.route.home".to_owned()),
            (Class::Drain, "team.tv.route.rest".to_owned()),
            (Class::Hot, "team.tv.upstream.home".to_owned()),
            (Class::Hot, "team.tv.upstream.next".to_owned()),
        ]
    );
}

#[test]
fn files_of_keys_are_told_by_their_digest() {
    let old = r#"{"files":{"jwks.json":"aa"},"platform":{},"teams":{}}"#;
    let found = changes_between(old, &old.replace("aa", "bb"));
    assert_eq!(
        found,
        [Change {
            class: Class::Hot,
            what: "file jwks.json".to_owned(),
            before: Some("\"aa\"".to_owned()),
            after: Some("\"bb\"".to_owned()),
        }]
    );
}

#[test]
fn long_values_are_cut() {
    let long = "é".repeat(SHOWN_CHARS_MAX + 1);
    let cut = shortened(&long);
    assert_eq!(cut.chars().count(), SHOWN_CHARS_MAX + 1);
    assert!(cut.ends_with('…'));
}

#[test]
fn texts_that_are_no_documents_differ_in_nothing() {
    assert_eq!(changes_between("", "no json"), []);
    assert_eq!(
        changes_between("[1]", "{\"platform\":7}"),
        [Change {
            class: Class::Refused,
            what: String::new(),
            before: None,
            after: Some("7".to_owned()),
        }]
    );
}
