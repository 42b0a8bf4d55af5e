use headgate_telemetry::Metrics;
use http::{HeaderMap, Method};

use super::*;

fn seen<'a>(path: &'a str, headers: &'a HeaderMap, watches: &'a Arc<Watches>) -> Seen<'a> {
    Seen {
        time: UnixTime::from_secs(1_795_243_200),
        version: http::Version::HTTP_2,
        watches,
        facts: Facts {
            method: &Method::GET,
            host: "edge",
            path,
            query: None,
            headers,
            claims: None,
            device: "",
            version: None,
        },
    }
}

const ENDED: Ended<'_> = Ended {
    device: None,
    route: None,
    is_verified: false,
    outcome: Outcome::NoRoute,
    priority: Some(Class::Bulk),
    service: Some(Duration::from_micros(1_500)),
};

#[test]
fn both_halves_are_one_fact() {
    let (keeper, mut facts) = Keeper::new(Duration::from_mins(15), Metrics::new().facts());
    let (headers, watches) = (HeaderMap::new(), Arc::<Watches>::default());
    let draft = keeper.begin(&seen("/tv/home", &headers, &watches), Moment::ZERO).unwrap();
    keeper.end(draft, &ENDED);
    let fact: Fact = serde_json::from_slice(&facts.try_recv().unwrap()).unwrap();
    let expected = Fact {
        time: "2026-11-21T06:40:00.000Z".to_owned(),
        method: "GET".to_owned(),
        host: "edge".to_owned(),
        path: "/tv/home".to_owned(),
        protocol: "h2".to_owned(),
        read: BTreeMap::new(),
        identified: false,
        weight: 1,
        device: None,
        route: None,
        auth: None,
        caller: "anybody".to_owned(),
        outcome: "no_route".to_owned(),
        priority: Some("bulk".to_owned()),
        service_us: Some(1_500),
    };
    assert_eq!(fact, expected);
}

#[test]
fn what_the_queue_does_not_take_is_counted() {
    let metrics = Metrics::new();
    let (keeper, facts) = Keeper::new(Duration::from_mins(15), metrics.facts());
    let (headers, watches) = (HeaderMap::new(), Arc::<Watches>::default());
    for _ in 0..QUEUE_FACTS_MAX + 3 {
        let draft = keeper.begin(&seen("/", &headers, &watches), Moment::ZERO).unwrap();
        keeper.end(draft, &ENDED);
    }
    assert_eq!(facts.len(), QUEUE_FACTS_MAX);
    let told = metrics.exporter().render();
    assert!(told.contains("headgate_gateway_kept_facts_total{result=\"dropped\"} 3\n"), "{told}");
}

#[test]
fn fact_that_is_too_long_is_not_kept() {
    let metrics = Metrics::new();
    let (keeper, _facts) = Keeper::new(Duration::from_mins(15), metrics.facts());
    let (headers, watches) = (HeaderMap::new(), Arc::<Watches>::default());
    let long = "/a".repeat(FACT_BYTES_MAX / 2);
    assert!(keeper.begin(&seen(&long, &headers, &watches), Moment::ZERO).is_none());
    assert!(metrics.exporter().render().contains("{result=\"dropped\"} 1\n"));
}

#[test]
fn kept_values_are_plain_json() {
    for (kept, text) in [
        (Kept::Absent, "null"),
        (Kept::There(Vec::new()), "[]"),
        (Kept::There(vec![7]), "[7]"),
        (Kept::Text("tv".to_owned()), "\"tv\""),
    ] {
        assert_eq!(serde_json::to_string(&kept).unwrap(), text);
        assert_eq!(serde_json::from_str::<Kept>(text).unwrap(), kept);
    }
}
