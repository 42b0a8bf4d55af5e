use headgate_admin::{GateStatus, LayerCounts, UpstreamLimits};
use serde_json::json;

use super::*;

fn args(upstream: Option<&str>, route: Option<&str>, settings: &[&str]) -> args::ShedSet {
    args::ShedSet {
        settings: settings.iter().map(|one| (*one).to_owned()).collect(),
        upstream: upstream.map(str::to_owned),
        route: route.map(str::to_owned),
        terms: args::OverlayTerms {
            lifetime: "15m".to_owned(),
            reason: "why".to_owned(),
            actor: "ada".to_owned(),
            expect: None,
        },
        admin: args::Admin { admin: None, config: None },
    }
}

fn told() -> LimitsStatus {
    let gate = GateStatus {
        mode: "enforce".to_owned(),
        limit: 24,
        cause: "queueing".to_owned(),
        in_flight: 22,
        queued: 3,
        shed_from: Some(384),
        counts: LayerCounts { refused: 7, ..LayerCounts::default() },
        ..GateStatus::default()
    };
    let route = |name: &str, is_exempt| RouteLimits {
        team: "tv".to_owned(),
        name: name.to_owned(),
        upstream: "home".to_owned(),
        priority: "bulk".to_owned(),
        is_exempt,
        ..RouteLimits::default()
    };
    LimitsStatus {
        upstreams: vec![UpstreamLimits {
            team: "tv".to_owned(),
            name: "home".to_owned(),
            gate: Some(gate),
            ..UpstreamLimits::default()
        }],
        routes: vec![route("all", false), route("ops", true)],
        ..LimitsStatus::default()
    }
}

#[test]
fn route_without_a_limit_of_its_own_stands_at_its_upstreams() {
    let limits = told();
    let row = row(&limits, &limits.routes[0]);
    assert_eq!((row.limit, row.in_flight, row.queued), (Some(24), Some(22), Some(3)));
    assert_eq!(row.reason, "limit of upstream home: queueing, sheds ranks from 384");
}

#[test]
fn own_limit_and_exemption_are_told() {
    let mut limits = told();
    limits.routes[0].gate =
        Some(GateStatus { limit: 5, cause: "set".to_owned(), ..GateStatus::default() });
    let own = row(&limits, &limits.routes[0]);
    assert_eq!((own.limit, own.reason.as_str()), (Some(5), "limit of route all: set"));
    let exempt = row(&limits, &limits.routes[1]);
    assert_eq!(exempt.reason, "exempt: no layer may refuse its requests");
}

#[test]
fn settings_are_keys_of_the_configuration() {
    let all = |args: &args::ShedSet| keys(args).map_err(|error| error.to_string());
    let edge = args(None, None, &["cut.bulk=60%", "mode=observe"]);
    let expected = vec![
        ("edge.overload.cut.bulk".to_owned(), json!("60%")),
        ("edge.overload.mode".to_owned(), json!("observe")),
    ];
    assert_eq!(all(&edge), Ok(expected));
    let upstream = args(Some("tv/home"), None, &["concurrency.max=50"]);
    let expected = vec![("team.tv.upstream.home.concurrency.max".to_owned(), json!(50))];
    assert_eq!(all(&upstream), Ok(expected));
    let route = args(None, Some("tv/all"), &["priority=bulk"]);
    let expected = vec![("team.tv.route.all.priority".to_owned(), json!("bulk"))];
    assert_eq!(all(&route), Ok(expected));
}

#[test]
fn what_is_not_about_shedding_is_refused_with_what_is_allowed() {
    let error = |args: &args::ShedSet| keys(args).unwrap_err().to_string();
    let told = error(&args(None, None, &["timeout=1s"]));
    assert_eq!(told, "\"timeout\" can't be set here: allowed is mode, cut.…, exempt");
    assert!(error(&args(None, None, &["mode"])).contains("is no setting such as mode=observe"));
    assert!(error(&args(Some("home"), None, &["breaker.mode=off"])).contains("is no upstream"));
    assert!(error(&args(None, None, &["modes=off"])).contains("can't be set"));
}

#[test]
fn overlays_about_shedding_are_known_by_their_keys() {
    for (key, expected) in [
        ("edge.overload.mode", true),
        ("edge.overload.cut.bulk", true),
        ("edge.timeout", false),
        ("team.tv.upstream.home.concurrency.max", true),
        ("team.tv.upstream.home.endpoints", false),
        ("team.tv.route.home.priority", true),
        ("team.tv.route.home.match", false),
        ("team.tv.ceiling.priority", false),
    ] {
        assert_eq!(is_about_shedding(key), expected, "{key}");
    }
}

#[test]
fn table_has_a_line_for_each_route() {
    let limits = told();
    let rows: Vec<_> = limits.routes.iter().map(|route| row(&limits, route)).collect();
    let text = table(&rows);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("ROUTE") && lines[1].starts_with("tv/all"), "{text}");
    assert!(lines[1].contains("24") && lines[1].contains("384"), "{text}");
    assert!(lines[2].contains("exempt"), "{text}");
}
