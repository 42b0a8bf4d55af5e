//! Overlays over files, and what does not fit.

use std::time::Duration;

use headgate_types::UnixTime;
use serde_json::{Value as Json, json};

use super::*;

fn overlay(id: u64, key: &str, value: Json) -> Overlay {
    Overlay {
        id,
        key: key.to_owned(),
        value,
        actor: "alice".to_owned(),
        reason: "incident 12".to_owned(),
        since: UnixTime::from_secs(0),
        expires: UnixTime::from_secs(3_600),
    }
}

fn load_with(files: &Memory, overlays: &[Overlay]) -> Loaded {
    load_layered(&Ask { overlays, ..ask(files, &BTreeMap::new()) }).unwrap()
}

fn misfit(key: &str, value: Json) -> String {
    let loaded = load_with(&both(), &[overlay(3, key, value)]);
    assert!(loaded.overlays.is_empty());
    assert_eq!(loaded.digest, load_with(&both(), &[]).digest);
    assert_eq!(states(&loaded), [("tv", "current"), ("web", "current")]);
    loaded.left_out[0].faults.to_string()
}

#[test]
fn an_overlay_wins_over_the_files_and_ends_without_a_trace() {
    let plain = load_with(&both(), &[]);
    let overlays = [
        overlay(1, "edge.timeout", json!("7s")),
        overlay(2, "team.tv.route.a.timeout", json!("2s")),
        overlay(3, "team.web.upstream.up.endpoints", json!(["127.0.0.1:7002"])),
    ];
    let loaded = load_with(&both(), &overlays);
    assert_eq!(loaded.overlays, overlays);
    let settings = &loaded.settings;
    assert_eq!(settings.edge.limits.request_timeout, Duration::from_secs(7));
    let of = |team: &str| settings.routes.iter().find(|route| &*route.team == team).unwrap();
    assert_eq!(of("tv").timeout, Some(Duration::from_secs(2)));
    assert_eq!(
        settings.upstreams[of("web").upstream.unwrap()].endpoints[0].to_string(),
        "127.0.0.1:7002"
    );
    assert_ne!(loaded.digest, plain.digest);
    assert_eq!(
        load_layered(&Ask { kept: Some(&loaded.kept), ..ask(&both(), &BTreeMap::new()) })
            .unwrap()
            .digest,
        plain.digest
    );
}

#[test]
fn an_overlay_has_the_same_effect_as_the_file_that_says_it() {
    let files = both().with("headgate.toml", format!("[edge]\ntimeout = \"7s\"\n{PLATFORM}"));
    let loaded = load_with(&both(), &[overlay(1, "edge.timeout", json!("7s"))]);
    assert_eq!(loaded.digest, load_with(&files, &[]).digest);
}

#[test]
fn an_overlay_wins_over_the_environment() {
    let environment = BTreeMap::from([("HEADGATE_EDGE__TIMEOUT".to_owned(), "5s".to_owned())]);
    let overlays = [overlay(1, "edge.timeout", json!("7s"))];
    let loaded = load_layered(&Ask { overlays: &overlays, ..ask(&both(), &environment) }).unwrap();
    assert_eq!(loaded.settings.edge.limits.request_timeout, Duration::from_secs(7));
}

#[test]
fn of_two_on_one_key_the_higher_number_wins() {
    let one = overlay(9, "edge.timeout", json!("9s"));
    let other = overlay(4, "edge.timeout", json!("4s"));
    for overlays in [[one.clone(), other.clone()], [other, one]] {
        let loaded = load_with(&both(), &overlays);
        assert_eq!(loaded.settings.edge.limits.request_timeout, Duration::from_secs(9));
    }
}

#[test]
fn an_overlay_that_does_not_fit_is_left_out_and_told() {
    for (key, value, fault) in [
        (
            "edge.timeout",
            json!("soon"),
            "HG1006: expected a duration above zero such as \"250ms\", \"30s\", \"5m\" or \"24h\", found \"soon\" (edge.timeout)",
        ),
        ("edge.max_headers", json!(0), "HG1007: 0 is outside 1 to 1000 (edge.max_headers)"),
        (
            "edge.max_headers",
            json!("many"),
            "HG1004: expected a whole number, found a text (edge.max_headers)",
        ),
        ("edge.timeout", json!(null), "HG1004: null is no value (edge.timeout)"),
        ("edge.listen", json!([]), "HG1003: no overlay can set `edge.listen` (edge.listen)"),
        ("edge.timeot", json!("1s"), "HG1003: no overlay can set `edge.timeot` (edge.timeot)"),
        (
            "team.tv.claims",
            json!([]),
            "HG1003: no overlay can set `team.tv.claims` (team.tv.claims)",
        ),
        ("data.dir", json!("x"), "HG1003: no overlay can set `data.dir` (data.dir)"),
        ("edge.drain", json!({}), "HG1003: no overlay can set `edge.drain` (edge.drain)"),
        (
            "team.tv.route.gone.timeout",
            json!("1s"),
            "HG1008: team \"tv\" has no route \"gone\" (team.tv.route.gone.timeout)",
        ),
        (
            "team.no.route.a.timeout",
            json!("1s"),
            "HG1008: team \"no\" has no route \"a\" (team.no.route.a.timeout)",
        ),
        (
            "team.tv.route.a.to",
            json!("gone"),
            "HG1008: team \"tv\" has no upstream \"gone\" (route.a.to)",
        ),
    ] {
        let found = misfit(key, value);
        assert_eq!(found, format!("overlay 3 by alice:1:1: {fault}"));
    }
    let outside = misfit("team.tv.route.a.match", json!("GET /web/b"));
    assert!(outside.contains("has not claimed"), "{outside}");
}

#[test]
fn a_ceiling_holds_for_overlays_too() {
    let platform = PLATFORM.replace("[team.web]", "ceiling = { timeout = \"3s\" }\n[team.web]");
    let files = both().with("headgate.toml", platform);
    let loaded = load_with(&files, &[overlay(1, "team.tv.route.a.timeout", json!("4s"))]);
    assert_eq!(loaded.left_out.len(), 1);
    assert_eq!(loaded.left_out[0].faults.iter().next().unwrap().code, Code::AboveCeiling);
    let loaded = load_with(&files, &[overlay(1, "team.tv.route.a.timeout", json!("3s"))]);
    assert!(loaded.left_out.is_empty());
}

#[test]
fn a_misfit_that_shows_in_the_files_is_the_overlays_all_the_same() {
    let tv = team("tv", &[("a", "/tv/a")]) + "try_timeout = \"2s\"\n";
    let files = both().with(TV, tv);
    for key in ["team.tv.route.a.timeout", "edge.timeout"] {
        let good = overlay(1, "edge.max_headers", json!(50));
        let loaded = load_with(&files, &[good.clone(), overlay(2, key, json!("1s"))]);
        assert_eq!(states(&loaded), [("tv", "current"), ("web", "current")]);
        assert_eq!(loaded.overlays, [good]);
        let faults = loaded.left_out[0].faults.to_string();
        assert!(faults.contains("try_timeout 2s is longer"), "{faults}");
    }
}

#[test]
fn an_overlay_never_hides_a_fault_of_the_file_below() {
    let tv = team("tv", &[("a", "/tv/a")]) + "timeout = \"soon\"\n";
    let overlays = [overlay(1, "team.tv.route.a.timeout", json!("1s"))];
    let loaded = load_with(&both().with(TV, tv), &overlays);
    assert_eq!(states(&loaded), [("tv", "absent"), ("web", "current")]);
    assert_eq!(loaded.left_out.len(), 1);
}

#[test]
fn more_overlays_than_the_limit_are_left_out() {
    let count = OVERLAYS_MAX as u64 + 1;
    let overlays: Vec<_> = (0..count).map(|id| overlay(id, "edge.timeout", json!("1s"))).collect();
    let loaded = load_with(&both(), &overlays);
    assert_eq!(loaded.overlays.len(), OVERLAYS_MAX);
    assert_eq!(loaded.left_out[0].overlay.id, OVERLAYS_MAX as u64);
    assert!(loaded.left_out[0].faults.to_string().contains("more than 1000 overlays"));
}

#[test]
fn an_overlay_can_be_written_and_read_back() {
    let overlay = overlay(1, "edge.timeout", json!("1s"));
    let text = serde_json::to_string(&overlay).unwrap();
    assert!(text.contains("\"expires\":\"1970-01-01T01:00:00.000Z\""), "{text}");
    assert_eq!(serde_json::from_str::<Overlay>(&text).unwrap(), overlay);
}
