use headgate_admin::{EndpointLimits, InstanceLimits, UpstreamLimits};

use super::*;

fn limits(limit: u32, cause: &str, breaker: &str) -> LimitsStatus {
    let gate = GateStatus { limit, cause: cause.to_owned(), ..GateStatus::default() };
    LimitsStatus {
        upstreams: vec![UpstreamLimits {
            team: "tv".to_owned(),
            name: "home".to_owned(),
            gate: Some(gate),
            endpoints: vec![EndpointLimits {
                address: "a:1".to_owned(),
                breaker: breaker.to_owned(),
                opened: 0,
            }],
            ..UpstreamLimits::default()
        }],
        ..LimitsStatus::default()
    }
}

fn config(digest: &str, overlays: &[u64]) -> ConfigStatus {
    let overlay = |id: &u64| OverlayStatus {
        id: *id,
        key: "edge.timeout".to_owned(),
        value: "2s".into(),
        actor: "ada".to_owned(),
        reason: "slow BFF".to_owned(),
        since: String::new(),
        expires: "12:00".to_owned(),
        is_in_force: true,
        faults: Vec::new(),
    };
    ConfigStatus {
        digest: digest.to_owned(),
        since: String::new(),
        version: 7,
        loaded_at: String::new(),
        loaded: "applied".to_owned(),
        parts: Vec::new(),
        waits_for_hand_over: Vec::new(),
        waits_for_restart: Vec::new(),
        watching: String::new(),
        is_kept: true,
        overlays: overlays.iter().map(overlay).collect(),
    }
}

/// Looks half a second after the last look; tells the entries in a line each.
struct Looks {
    changes: Changes,
    number: u64,
}

impl Looks {
    fn begun() -> Self {
        let mut looks = Self { changes: Changes::default(), number: 0 };
        let told = looks.look(&limits(20, "set", "closed"), &config("a", &[]));
        assert_eq!(told, ["start edge: - to a, the process began"]);
        looks
    }

    fn look(&mut self, limits: &LimitsStatus, config: &ConfigStatus) -> Vec<String> {
        self.number += 1;
        let now = Moment::from_nanos(self.number * 500_000_000);
        let entries = self.changes.look(limits, config, now);
        let told = |entry: &HistoryEntry| {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
            let (from, to) = (side(&entry.from), side(&entry.to));
            format!("{} {}: {from} to {to}, {}", entry.kind, entry.what, entry.reason)
        };
        entries.iter().map(told).collect()
    }

    fn limit(&mut self, limit: u32, cause: &str) -> Vec<String> {
        self.look(&limits(limit, cause, "closed"), &config("a", &[]))
    }
}

#[test]
fn limit_that_moves_is_told_with_its_reason() {
    let mut looks = Looks::begun();
    looks.limit(20, "set");
    assert_eq!(looks.limit(30, "headroom"), ["limit upstream tv/home: 20 to 30, headroom"]);
}

#[test]
fn moves_of_one_limit_are_told_once_a_second() {
    let mut looks = Looks::begun();
    let told: usize = (0..20).map(|number| looks.limit(20 + 10 * number, "headroom").len()).sum();
    // Nineteen moves, two a second, from the first to the last 9 s later.
    assert_eq!(told, 10);
}

#[test]
fn small_moves_are_told_when_their_reason_is_telling() {
    let mut looks = Looks::begun();
    looks.limit(20, "set");
    assert_eq!(looks.limit(21, "probe"), Vec::<String>::new());
    assert_eq!(looks.limit(19, "overload"), ["limit upstream tv/home: 20 to 19, overload"]);
}

#[test]
fn each_transition_of_a_breaker_is_told() {
    let mut looks = Looks::begun();
    let mut told = Vec::new();
    for state in ["closed", "open", "open", "half_open", "ramp", "closed"] {
        told.extend(looks.look(&limits(20, "set", state), &config("a", &[])));
    }
    let expected = [
        "breaker a:1 of tv/home: closed to open, the endpoint failed too often",
        "breaker a:1 of tv/home: open to half_open, it was open for its time; a few calls try",
        "breaker a:1 of tv/home: half_open to ramp, the calls that tried were answered",
        "breaker a:1 of tv/home: ramp to closed, it has its whole share again",
    ];
    assert_eq!(told, expected);
}

#[test]
fn breaker_that_opened_between_two_looks_is_told() {
    let opened = |state: &str, times: u64| {
        let mut all = limits(20, "set", state);
        all.upstreams[0].endpoints[0].opened = times;
        all
    };
    for (from, to, expected) in [
        (
            ("closed", 0),
            ("closed", 1),
            vec![
                "closed to open, the endpoint failed too often",
                "open to closed, it has its whole share again",
            ],
        ),
        (
            ("closed", 0),
            ("ramp", 2),
            vec![
                "closed to open, the endpoint failed too often, 2 times",
                "open to ramp, the calls that tried were answered",
            ],
        ),
        (("open", 1), ("open", 2), vec!["half_open to open, the endpoint failed too often"]),
        (("closed", 3), ("open", 4), vec!["closed to open, the endpoint failed too often"]),
        (("ramp", 3), ("closed", 3), vec!["ramp to closed, it has its whole share again"]),
        // A reload has made a new one.
        (("closed", 3), ("closed", 0), vec![]),
    ] {
        let mut looks = Looks::begun();
        looks.look(&opened(from.0, from.1), &config("a", &[]));
        let told = looks.look(&opened(to.0, to.1), &config("a", &[]));
        let expected: Vec<_> =
            expected.iter().map(|change| format!("breaker a:1 of tv/home: {change}")).collect();
        assert_eq!(told, expected, "{from:?} to {to:?}");
    }
}

#[test]
fn loads_and_overlays_stand_beside_the_moves() {
    let mut looks = Looks::begun();
    let same = limits(20, "set", "closed");
    let told = looks.look(&same, &config("b", &[7]));
    let expected = [
        "overlay edge.timeout: - to \"2s\" until 12:00, slow BFF",
        "config edge: a to b, a load: applied",
    ];
    assert_eq!(told, expected);
    let told = looks.look(&same, &config("a", &[]));
    assert_eq!(
        told[0],
        "overlay edge.timeout: \"2s\" by ada to -, it expired, or was unset; the files hold again"
    );
}

#[test]
fn edge_that_begins_to_shed_is_told() {
    let mut looks = Looks::begun();
    let mut now = limits(20, "set", "closed");
    now.instance = InstanceLimits { shed_from: Some(300), cpu: Some(0.97), ..Default::default() };
    let told = looks.look(&now, &config("a", &[]));
    assert_eq!(told, ["instance edge: - to sheds from rank 300, CPU at 97 %"]);
    now.instance.shed_from = Some(290);
    assert_eq!(looks.look(&now, &config("a", &[])), Vec::<String>::new());
}

#[test]
fn storm_of_moves_does_not_flood_the_timeline() {
    let mut looks = Looks::begun();
    let many = |breaker: &str| {
        let mut all = limits(20, "set", "closed");
        let endpoint = |number| EndpointLimits {
            address: format!("b:{number}"),
            breaker: breaker.to_owned(),
            opened: 0,
        };
        all.upstreams[0].endpoints = (0..100).map(endpoint).collect();
        all
    };
    let told = looks.look(&many("open"), &config("a", &[]));
    assert_eq!(told.len(), ENTRIES_MAX + 1);
    assert!(told[ENTRIES_MAX].contains("68 more moved"), "{told:?}");
}
