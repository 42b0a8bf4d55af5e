use headgate_admin::{EndpointLimits, RouteLimits, UpstreamLimits};

use super::*;

fn limits(gate: Option<GateStatus>) -> LimitsStatus {
    let endpoint = |breaker: &str| EndpointLimits {
        address: "a:1".to_owned(),
        breaker: breaker.to_owned(),
        opened: 0,
    };
    LimitsStatus {
        upstreams: vec![UpstreamLimits {
            team: "tv".to_owned(),
            name: "home".to_owned(),
            gate,
            endpoints: ["closed", "open", "open"].map(endpoint).to_vec(),
            ..UpstreamLimits::default()
        }],
        routes: vec![RouteLimits {
            team: "tv".to_owned(),
            name: "all".to_owned(),
            retries_left: 7.5,
            retry_counts: LayerCounts { admitted: 1, ..LayerCounts::default() },
            ..RouteLimits::default()
        }],
        ..LimitsStatus::default()
    }
}

#[test]
fn limits_and_breakers_are_shown_and_one_that_is_gone_is_zero() {
    let metrics = Metrics::new();
    let mut shown = Shown {
        metrics: metrics.clone(),
        gates: HashMap::new(),
        breakers: HashMap::new(),
        budgets: HashMap::new(),
    };
    let gate = GateStatus {
        limit: 20,
        in_flight_by_class: [("bulk".to_owned(), 4)].into(),
        no_load_ms: Some(250.0),
        ..GateStatus::default()
    };
    shown.show(&limits(Some(gate)));
    let page = metrics.exporter().render();
    let labels = r#"team="tv",scope="upstream",name="home""#;
    for series in [
        format!("limit_requests{{{labels}}} 20"),
        format!("permitted_requests{{{labels},class=\"bulk\"}} 4"),
        format!("no_load_rtt_seconds{{{labels}}} 0.25"),
        format!("shed_from_ranks{{{labels}}} 512"),
        r#"breaker_endpoints{team="tv",upstream="home",state="open"} 2"#.to_owned(),
        r#"retry_budget_attempts{team="tv",route="all"} 7.5"#.to_owned(),
    ] {
        assert!(page.contains(&series), "{series} is not in\n{page}");
    }
    shown.show(&limits(None));
    let page = metrics.exporter().render();
    assert!(page.contains(&format!("limit_requests{{{labels}}} 0")), "{page}");
}
