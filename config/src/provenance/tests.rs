use std::{collections::BTreeMap, path::Path};

use proptest::{prelude::*, sample::Index};
use serde_json::json;

use super::*;
use crate::{Ask, Loaded, Memory, load_layered};

const PLATFORM: &str = "[edge]\nmax_body = \"2MiB\"\n[[device]]\nname = \"tv\"\nwhen = [\"*\"]\n\
    [team.tv]\nclaims = [{ prefix = \"/tv/\" }]\nceiling = { timeout = \"20s\" }\n";
const TV: &str = "team = \"tv\"\n[upstream.up]\nendpoints = [\"127.0.0.1:7001\"]\n\
    [route.a]\nmatch = \"GET /tv/a\"\nto = \"up\"\n[route.b]\nmatch = \"GET /tv/b\"\nto = \"up\"\n\
    timeout = \"2s\"\npriority = \"bulk\"\nmax_body = \"1KiB\"\n";

/// What the layers say: lines for `[edge]`, variables, overlays.
fn load(edge: &str, environment: &[(&str, &str)], overlays: &[Overlay]) -> Loaded {
    let platform = PLATFORM.replace("[edge]\n", &format!("[edge]\n{edge}"));
    let files = Memory::default().with("headgate.toml", platform).with("routes.d/tv/a.toml", TV);
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let path = Path::new("headgate.toml");
    let ask = Ask {
        files: &files,
        path,
        environment: &environment,
        overlays,
        kept: None,
        use_kept_platform: false,
        now: None,
    };
    let loaded = load_layered(&ask).unwrap();
    assert!(loaded.faults().is_empty(), "{}", loaded.faults());
    loaded
}

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

/// A value and its layers in one line.
fn line(loaded: &Loaded, key: &str) -> String {
    let why = loaded.provenance.why(key).unwrap();
    let layer = |setting: &Setting| {
        let other = if setting.key == key { String::new() } else { format!("{} ", setting.key) };
        format!(" <- {other}{} {}", setting.layer, setting.value)
    };
    let layers: Vec<_> = why.from.iter().map(layer).collect();
    why.value.to_string() + &layers.concat()
}

#[test]
fn every_layer_is_told_from_the_top_down() {
    let overlays = [overlay(3, "edge.timeout", json!("7s"))];
    let loaded = load("timeout = \"5s\"\n", &[("HEADGATE_EDGE__TIMEOUT", "6s")], &overlays);
    assert_eq!(
        line(&loaded, "edge.timeout"),
        "\"7s\" <- overlay 3 by alice until 1970-01-01T01:00:00.000Z: incident 12 \"7s\" \
         <- environment variable HEADGATE_EDGE__TIMEOUT \"6s\" \
         <- headgate.toml:2:11 \"5s\" <- default \"30s\""
    );
}

#[test]
fn a_default_is_a_layer_too() {
    let loaded = load("", &[], &[]);
    assert_eq!(line(&loaded, "edge.timeout"), "\"30s\" <- default \"30s\"");
    assert_eq!(line(&loaded, "team.tv.route.a.auth"), "\"none\" <- default \"none\"");
}

#[test]
fn a_value_of_a_team_names_its_file() {
    let loaded = load("", &[], &[]);
    assert_eq!(line(&loaded, "team.tv.route.a.to"), "\"up\" <- routes.d/tv/a.toml:6:6 \"up\"");
    let at = "routes.d/tv/a.toml:3:13";
    assert_eq!(
        line(&loaded, "team.tv.upstream.up.endpoints"),
        format!("[\"127.0.0.1:7001\"] <- {at} [\"127.0.0.1:7001\"] <- default []")
    );
}

#[test]
fn a_value_in_a_list_of_tables_has_a_place() {
    let loaded = load("", &[], &[]);
    assert_eq!(line(&loaded, "device[0].name"), "\"tv\" <- headgate.toml:4:8 \"tv\"");
    assert_eq!(line(&loaded, "team.tv.claims[0].host"), "\"*\" <- default \"*\"");
}

#[test]
fn what_a_route_takes_over_names_where_it_is_set() {
    let loaded = load("", &[], &[]);
    assert_eq!(
        line(&loaded, "team.tv.route.a.timeout"),
        "\"20s\" <- team.tv.ceiling.timeout headgate.toml:8:23 \"20s\" \
         <- edge.timeout default \"30s\""
    );
    assert_eq!(
        line(&loaded, "team.tv.route.a.max_body"),
        "\"2MiB\" <- edge.max_body headgate.toml:2:12 \"2MiB\" <- edge.max_body default \"1MiB\""
    );
    assert_eq!(line(&loaded, "team.tv.route.a.priority"), "\"standard\" <- default \"standard\"");
    let shorter = load("timeout = \"5s\"\n", &[], &[]);
    assert_eq!(
        line(&shorter, "team.tv.route.a.timeout"),
        "\"5s\" <- edge.timeout headgate.toml:2:11 \"5s\" <- edge.timeout default \"30s\""
    );
}

#[test]
fn a_routes_own_value_stands_over_what_it_would_take_over() {
    let loaded = load("", &[], &[]);
    assert_eq!(
        line(&loaded, "team.tv.route.b.timeout"),
        "\"2s\" <- routes.d/tv/a.toml:10:11 \"2s\" \
         <- team.tv.ceiling.timeout headgate.toml:8:23 \"20s\" <- edge.timeout default \"30s\""
    );
}

#[test]
fn all_values_of_a_part_are_found_below_its_key() {
    let loaded = load("", &[], &[]);
    let keys = |key: &str| -> Vec<String> {
        loaded.provenance.below(key).into_iter().map(|why| why.key).collect()
    };
    assert_eq!(keys("edge.drain"), ["edge.drain.accept_for", "edge.drain.deadline"]);
    assert!(keys("team.tv").iter().any(|key| key == "team.tv.claims[0].prefix"));
    assert!(keys("team.tv").iter().any(|key| key == "team.tv.route.a.to"));
    assert!(keys("edge.time").is_empty());
    let all = keys("");
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    assert!(loaded.provenance.why("edge.nothing").is_none());
}

/// One key with the values that the layers may give it.
struct Subject {
    key: &'static str,
    platform: fn(&str) -> String,
    variable: &'static str,
    values: [&'static str; 4],
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        key: "edge.timeout",
        platform: |value| format!("timeout = \"{value}\"\n"),
        variable: "HEADGATE_EDGE__TIMEOUT",
        values: ["3s", "4s", "5s", "6s"],
    },
    Subject {
        key: "edge.max_head",
        platform: |value| format!("max_head = \"{value}\"\n"),
        variable: "HEADGATE_EDGE__MAX_HEAD",
        values: ["3KiB", "4KiB", "5KiB", "6KiB"],
    },
    Subject {
        key: "edge.drain.deadline",
        platform: |value| format!("drain.deadline = \"{value}\"\n"),
        variable: "HEADGATE_EDGE__DRAIN__DEADLINE",
        values: ["31s", "32s", "33s", "34s"],
    },
];

/// The value of a subject when its layers, from the file up, say this.
fn says(subject: &Subject, layers: &[Option<&str>]) -> (String, Option<usize>) {
    let [file, variable, overlaid] = layers else { panic!("three layers") };
    let lines = file.map(subject.platform).unwrap_or_default();
    let variables: Vec<_> = variable.map(|value| (subject.variable, value)).into_iter().collect();
    let overlays: Vec<_> =
        overlaid.map(|value| overlay(1, subject.key, json!(value))).into_iter().collect();
    let loaded = load(&lines, &variables, &overlays);
    let why = loaded.provenance.why(subject.key).unwrap();
    let winner = match &why.from[0].layer {
        Layer::Platform { .. } => Some(0),
        Layer::Environment { .. } => Some(1),
        Layer::Overlay { .. } => Some(2),
        _ => None,
    };
    assert_eq!(why.value, why.from[0].value);
    let effective: Json = serde_json::from_str(&loaded.effective).unwrap();
    let pointer = format!("/platform/{}", subject.key.replace('.', "/"));
    assert_eq!(effective.pointer(&pointer), Some(&why.value));
    (why.value.as_str().unwrap().to_owned(), winner)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Another word of the layer that is named changes the value; of any other, it does not.
    #[test]
    fn the_layer_that_is_named_is_the_one_that_wins(
        subject in any::<Index>(),
        set in prop::array::uniform3(any::<bool>()),
    ) {
        let subject = &SUBJECTS[subject.index(SUBJECTS.len())];
        let mut layers = [None; 3];
        for (layer, is_set) in set.into_iter().enumerate() {
            layers[layer] = is_set.then_some(subject.values[layer]);
        }
        let (value, winner) = says(subject, &layers);
        prop_assert_eq!(winner, set.into_iter().rposition(|is_set| is_set));
        for layer in (0..3).filter(|layer| set[*layer]) {
            let mut flipped = layers;
            flipped[layer] = Some(subject.values[3]);
            let (changed, _) = says(subject, &flipped);
            prop_assert_eq!(changed != value, Some(layer) == winner);
        }
    }
}
