use headgate_gateway::RouteRule;
use headgate_types::Class;

use super::*;

fn key(team: &str, route: &str) -> (String, String) {
    (team.to_owned(), route.to_owned())
}

fn replay() -> Replay {
    let route = |name: &str, pattern: &str| RouteRule {
        team: "tv".to_owned(),
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        to: "u".to_owned(),
        auth: None,
        priority: Class::Standard,
    };
    let routes = vec![
        route("one", "GET /a/{x}"),
        route("two", "GET /a/{*y}"),
        route("three", "GET /{*rest}"),
    ];
    Replay::new(Routing { devices: Vec::new(), routes }).unwrap()
}

fn fact(path: &str, time: &str, route: Option<&str>) -> Fact {
    Fact {
        time: time.to_owned(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        weight: 3,
        route: route.map(str::to_owned),
        ..Fact::default()
    }
}

#[test]
fn requests_are_counted_by_team_and_route() {
    let metrics = "# TYPE headgate_gateway_arrived_requests_total counter\n\
        headgate_gateway_arrived_requests_total{team=\"tv\",route=\"home\"} 12\n\
        headgate_gateway_arrived_requests_total{team=\"web\",route=\"rest\"} 0\n\
        headgate_gateway_ended_requests_total{team=\"tv\",route=\"x\",outcome=\"ok\"} 7\n";
    let expected = [(key("tv", "home"), 12), (key("web", "rest"), 0)];
    assert_eq!(arrived(metrics), expected.into_iter().collect());
}

#[test]
fn route_of_whose_requests_another_takes_all_is_told() {
    let replay = replay();
    let mut seen = Seen::default();
    seen.add(&fact("/a/7", "2026-11-21T06:40:00.000Z", Some("tv/one")), &replay);
    seen.add(&fact("/a/8", "2026-11-21T06:41:00.000Z", None), &replay);
    let traffic = seen.with_counts(BTreeMap::new(), "2026-11-21T06:40:30.000Z");
    let by = |by: &str| Taken { requests: 6, by: [by.to_owned()].into() };
    let expected = [(key("tv", "three"), by("tv/one")), (key("tv", "two"), by("tv/one"))];
    assert_eq!(traffic.taken, expected.into_iter().collect());
    assert_eq!(traffic.since, "2026-11-21T06:40:00.000Z");
}

#[test]
fn one_request_is_enough_for_a_route_that_wins_it() {
    let replay = replay();
    let mut seen = Seen::default();
    for path in ["/a/7", "/a/x/y", "/b"] {
        seen.add(&fact(path, "2026-11-21T06:40:00.000Z", Some("tv/gone")), &replay);
    }
    let counts = [(key("tv", "one"), 12), (key("tv", "gone"), 1)];
    let traffic = seen.with_counts(counts.into_iter().collect(), "2026-11-21T06:30:00.000Z");
    assert_eq!(traffic.taken, BTreeMap::new());
    let arrived = [(key("tv", "gone"), 9), (key("tv", "one"), 12)];
    assert_eq!(traffic.arrived, arrived.into_iter().collect());
    assert_eq!(traffic.since, "2026-11-21T06:30:00.000Z");
}
