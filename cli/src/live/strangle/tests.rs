use headgate_telemetry::ArmCounts;

use super::*;

const HOUR: u64 = 3_600;
const SINCE: UnixTime = UnixTime::from_secs(100);

fn arm(name: &str, upstream: &str, weight: &str, requests: u64, last: Option<u64>) -> ArmState {
    ArmState {
        name: name.into(),
        upstream: upstream.into(),
        weight: weight.parse().unwrap(),
        counts: ArmCounts { since: SINCE, requests, last: last.map(UnixTime::from_secs) },
    }
}

fn split(route: &str, kind: SplitKind, arms: Vec<ArmState>) -> SplitState {
    let pattern = format!("GET /tv/{route}");
    SplitState { team: "tv".into(), route: route.into(), pattern, kind, arms }
}

fn moving(weight: &str, old: (u64, Option<u64>), new: u64) -> SplitState {
    let kept = weight.parse::<Weight>().unwrap().rest().to_string();
    let arms =
        vec![arm("new", "home", weight, new, None), arm("old", "legacy", &kept, old.0, old.1)];
    split("home", SplitKind::Strangle { ends: Some(UnixTime::from_secs(5 * HOUR)) }, arms)
}

/// The stage at an hour, and whether it is overdue.
fn stage(of: SplitState, hour: u64) -> (Stage, bool) {
    let all = strangle(&[of], UnixTime::from_secs(hour * HOUR));
    (all[0].stage, all[0].is_overdue)
}

#[test]
fn route_moves_until_everybody_should_have_left() {
    assert_eq!(stage(moving("0%", (3, Some(HOUR)), 0), 2), (Stage::Moving, false));
    assert_eq!(stage(moving("99.99%", (0, None), 7), 2), (Stage::Moving, false));
    assert_eq!(stage(moving("25%", (3, Some(HOUR)), 1), 5), (Stage::Moving, true));
}

#[test]
fn nothing_is_left_an_hour_after_the_last_request() {
    assert_eq!(stage(moving("100%", (3, Some(2 * HOUR)), 9), 2), (Stage::Draining, false));
    assert_eq!(stage(moving("100%", (3, Some(HOUR + 1)), 9), 2), (Stage::Draining, false));
    assert_eq!(stage(moving("100%", (3, Some(HOUR)), 9), 2), (Stage::NothingLeft, false));
    assert_eq!(stage(moving("100%", (0, None), 9), 6), (Stage::NothingLeft, false));
    assert_eq!(stage(moving("100%", (0, None), 0), 6), (Stage::Idle, true));
}

#[test]
fn every_route_to_a_legacy_service_is_told() {
    let kind = SplitKind::Strangle { ends: None };
    let all = [
        moving("25%", (3, Some(HOUR)), 1),
        split("rest", kind, vec![arm("old", "legacy", "100%", 5, Some(7))]),
        split(
            "trial",
            SplitKind::Canary,
            vec![arm("canary", "next", "5%", 1, None), arm("stable", "legacy", "95%", 19, None)],
        ),
        split(
            "other",
            SplitKind::Canary,
            vec![arm("canary", "next", "5%", 1, None), arm("stable", "home", "95%", 19, None)],
        ),
    ];

    let told = strangle(&all, UnixTime::from_secs(2 * HOUR));

    let told: Vec<_> =
        told.iter().map(|one| (one.route.as_str(), one.stage, one.weight.as_str())).collect();
    assert_eq!(
        told,
        [
            ("home", Stage::Moving, "25%"),
            ("rest", Stage::NotBegun, "0%"),
            ("trial", Stage::Moving, "5%"),
        ]
    );
}
