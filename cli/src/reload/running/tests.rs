use std::{collections::BTreeMap, path::Path};

use headgate_config::{Ask, Memory, load_layered};

use super::*;

const TV: &str = "team = \"tv\"\n[upstream.up]\nendpoints = [\"127.0.0.1:7001\"]\n\
    [route.a]\nmatch = \"GET /tv\"\nto = \"up\"\n";

fn loaded(edge: &str, tv: &str) -> Loaded {
    let claims = "claims = [{ host = \"*\", prefix = \"/\" }]";
    let files = Memory::default()
        .with("headgate.toml", format!("[edge]\n{edge}\n[team.tv]\n{claims}\n"))
        .with("routes.d/tv/a.toml", tv);
    load_layered(&Ask {
        files: &files,
        path: Path::new("headgate.toml"),
        environment: &BTreeMap::new(),
        overlays: &[],
        kept: None,
        use_kept_platform: false,
        now: None,
    })
    .unwrap()
}

#[test]
fn only_what_a_process_begins_with_waits() {
    let started = loaded("", TV);
    let waiting = |edge: &str| waits(&started, &loaded(edge, TV));
    let one = |class, key: &str| vec![(class, key.to_owned())];
    assert_eq!(waiting("timeout = \"2s\""), []);
    assert_eq!(waiting("listen = [\"127.0.0.1:1\"]"), one(Class::HandOver, "edge.listen"));
    assert_eq!(waiting("threads = 77"), one(Class::HandOver, "edge.threads"));
    assert_eq!(waiting("[why]\nmemory = \"1MiB\""), one(Class::HandOver, "why.memory"));
    assert_eq!(waiting("[data]\ndir = \"data\""), one(Class::Refused, "data.dir"));
}

#[test]
fn part_at_fault_is_told_with_its_faults() {
    let running =
        Running::new(Arc::new(loaded("", "team = \"tv\"\nodd = 1\n")), UnixTime::default());
    let status = running.status();
    let parts: Vec<_> =
        status.parts.iter().map(|part| (part.name.as_str(), part.state.as_str())).collect();
    assert_eq!(parts, [("_platform", "current"), ("tv", "absent")]);
    assert!(status.parts[1].faults[0].to_string().contains("routes.d/tv/a.toml:2"));
    assert_eq!(status.loaded, "degraded");
}

#[test]
fn rejected_load_makes_the_platforms_part_the_last_good_one() {
    let mut running = Running::new(Arc::new(loaded("", TV)), UnixTime::default());
    running.rejected = vec![FaultStatus {
        code: None,
        at: "headgate.toml:1:1".to_owned(),
        key: String::new(),
        message: "broken".to_owned(),
    }];
    let status = running.status();
    assert_eq!(status.parts[0].state, "last_good");
    assert_eq!(status.parts[0].faults, running.rejected);
}
