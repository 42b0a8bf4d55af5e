use headgate_admin::{EndpointLimits, LayerCounts, RouteLimits, UpstreamLimits};

use super::*;

pub(crate) fn gate(limit: u32, in_flight: u32) -> GateStatus {
    GateStatus {
        mode: "enforce".to_owned(),
        limit,
        cause: "queueing".to_owned(),
        no_load_ms: Some(12.34),
        in_flight,
        queued: 2,
        shed_from: Some(384),
        counts: LayerCounts { admitted: 90, would_refuse: 10, refused: 7 },
        ..GateStatus::default()
    }
}

fn told() -> LimitsStatus {
    let endpoint = |address: &str, breaker: &str| EndpointLimits {
        opened: 0,
        address: address.to_owned(),
        breaker: breaker.to_owned(),
    };
    LimitsStatus {
        instance: InstanceLimits {
            mode: "enforce".to_owned(),
            in_flight: 24,
            cpu: Some(0.5),
            ..InstanceLimits::default()
        },
        upstreams: vec![
            UpstreamLimits {
                team: "tv".to_owned(),
                name: "home".to_owned(),
                gate: Some(gate(24, 22)),
                breaker: "observe".to_owned(),
                endpoints: vec![endpoint("a:1", "closed"), endpoint("b:1", "open")],
                ..UpstreamLimits::default()
            },
            UpstreamLimits { team: "tv".to_owned(), name: "new".to_owned(), ..Default::default() },
        ],
        routes: vec![RouteLimits {
            team: "tv".to_owned(),
            name: "all".to_owned(),
            ..Default::default()
        }],
    }
}

/// The cells of the row that begins so.
fn row_of(text: &str, name: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.starts_with(name));
    let cells = line.unwrap_or_else(|| panic!("no {name} in\n{text}")).split("  ");
    cells.map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
}

#[test]
fn limit_stands_against_what_is_in_flight_and_waits() {
    let text = text(&told());
    let expected =
        ["upstream tv/home", "enforce", "24", "22", "2", "12.3 ms", "queueing", "384", "7", "3"];
    assert_eq!(row_of(&text, "upstream tv/home"), expected);
    assert_eq!(row_of(&text, "upstream tv/new"), ["upstream tv/new", "no request yet"]);
    assert!(!text.contains("route tv/all"), "a route without a limit of its own is not listed");
}

#[test]
fn each_endpoint_has_its_breaker() {
    let text = text(&told());
    assert_eq!(row_of(&text, "a:1"), ["a:1", "tv/home", "observe", "closed"]);
    assert_eq!(row_of(&text, "b:1"), ["b:1", "tv/home", "observe", "open"]);
}

#[test]
fn edge_itself_is_told_first() {
    let text = text(&told());
    let first = text.lines().next().unwrap();
    assert_eq!(first, "edge: enforce, 24 in flight, CPU 50 %, sheds none, refused 0");
}
