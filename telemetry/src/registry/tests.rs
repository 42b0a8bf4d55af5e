use std::time::Duration;

use headgate_types::{Class, Outcome, UnixTime};
use proptest::prelude::*;

use super::*;
use crate::{
    ArmNames, BreakerState, DynamoDbCounts, GateLevels, GateScope, KeyCounts, Layer, LayerReason,
    Metrics, MirrorResult, ProbeResult, Ruled, Ruling, StoreCounts, labels::AttemptResult,
};

/// The number of the one sample that begins so.
fn count(text: &str, sample: &str) -> i64 {
    value(text, sample).parse().unwrap()
}

fn value<'a>(text: &'a str, sample: &str) -> &'a str {
    let mut found = text.lines().filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    let value = found.next().unwrap_or_else(|| panic!("no {sample} in\n{text}"));
    assert_eq!(found.next(), None, "{sample} twice");
    value
}

#[test]
fn every_sample_stands_below_its_help_and_type() {
    let metrics = Metrics::new();
    metrics.route("tv", "home").arrived();
    let names = ArmNames { team: "tv", route: "home", arm: "canary" };
    let now = UnixTime::from_secs(1);
    metrics.arm(names, now).ended(Outcome::Ok, now, Duration::from_millis(3));
    metrics.mirror("tv", "home").ended(MirrorResult::Same);
    metrics.upstream("tv", "home").answered(Duration::from_millis(3));
    metrics.edge().tls_began();
    metrics.identity("accounts").cache_hit();
    metrics.store().observe(StoreCounts::default());
    metrics.keys().observe(KeyCounts::default());
    metrics.dynamodb().observe(DynamoDbCounts::default());
    metrics.handler("billing.charge@1").ran();
    metrics.topic("orders").published();
    metrics.group("billing.charge@1").consumed(1);
    metrics.facts().written(1);
    let (class, layer) = (Class::Standard, Layer::Concurrency);
    let ruling = Ruling { class, layer, ruled: Ruled::Admitted, reason: LayerReason::None };
    metrics.rulings("tv", "home").ruled(ruling);
    metrics.gate(GateScope::Upstream, "tv", "home").observe(&GateLevels::default());
    metrics.breakers("tv", "home").observe([1; BreakerState::ALL.len()]);
    metrics.retry_budget("tv", "home").observe(1.0);
    metrics.health("tv", "home").observe([1; 3]);
    metrics.discovery("tv", "home").failed();
    metrics.probe("order").ran(ProbeResult::Ok, Duration::from_millis(3));
    metrics.exchanges().written(1);
    metrics.timeline().written(1);
    metrics.push().opened();
    crate::otlp::Spans::new(&metrics).exported(1);
    metrics.config().in_force("c0ffee");
    metrics.config().parts([("tv", true)].into_iter());
    let text = metrics.exporter().render();
    let mut family = "";
    let mut seen = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').unwrap().0;
            assert!(!seen.contains(&family), "{family} is split");
            seen.push(family);
            let kind = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
            let kind = kind.strip_prefix(family).unwrap().trim();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
            continue;
        }
        let (sample, number) = line.rsplit_once(' ').unwrap();
        number.parse::<f64>().unwrap();
        let name = sample.split('{').next().unwrap();
        let suffixes = ["", "_bucket", "_sum", "_count"];
        assert!(suffixes.iter().any(|it| name.strip_suffix(it) == Some(family)), "{line}");
    }
    let known: Vec<_> = catalog::ALL.iter().map(|metric| metric.name).collect();
    let of_the_log = [catalog::ACCESS_LINES.name];
    let missing: Vec<_> =
        known.iter().filter(|it| !seen.contains(it) && !of_the_log.contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn histogram_counts_are_cumulative_and_bounds_inclusive() {
    let metrics = Metrics::new();
    let upstream = metrics.upstream("tv", "home");
    for micros in [250, 251, 1_000, 40_000_000] {
        upstream.answered(Duration::from_micros(micros));
    }
    let text = metrics.exporter().render();
    let name = "headgate_gateway_upstream_head_duration_seconds";
    let labels = "team=\"tv\",upstream=\"home\"";
    let bucket = |le: &str| count(&text, &format!("{name}_bucket{{{labels},le=\"{le}\"}}"));
    let counts = ["0.00025", "0.0005", "0.001", "30", "+Inf"].map(bucket);
    assert_eq!(counts, [1, 2, 3, 3, 4]);
    assert_eq!(count(&text, &format!("{name}_count{{{labels}}}")), 4);
    let sum: f64 = value(&text, &format!("{name}_sum{{{labels}}}")).parse().unwrap();
    assert!((sum - 40.001_501).abs() < 1e-9, "{sum}");
}

#[test]
fn label_values_are_escaped() {
    let metrics = Metrics::new();
    metrics.route("a\\b", "c\"d\ne").arrived();
    let text = metrics.exporter().render();
    let sample = "headgate_gateway_arrived_requests_total{team=\"a\\\\b\",route=\"c\\\"d\\ne\"}";
    assert_eq!(count(&text, sample), 1);
}

#[test]
fn same_names_give_the_same_counts() {
    let metrics = Metrics::new();
    metrics.upstream("tv", "home").attempted(AttemptResult::Timeout);
    metrics.upstream("tv", "home").attempted(AttemptResult::Timeout);
    let text = metrics.exporter().render();
    let sample = "headgate_gateway_upstream_attempts_total\
                  {team=\"tv\",upstream=\"home\",result=\"timeout\"}";
    assert_eq!(count(&text, sample), 2);
}

#[test]
fn processes_share_nothing() {
    let (one, other) = (Metrics::new(), Metrics::new());
    one.no_route().arrived();
    assert!(!other.exporter().render().contains("requests_total"));
}

#[test]
fn names_unknown_to_the_catalog_are_not_rendered() {
    let metrics = Metrics::new();
    let registry = &metrics.exporter().registry;
    let metadata = Metadata::new("", metrics::Level::INFO, None);
    registry.register_counter(&Key::from_name("stray_total"), &metadata).increment(1);
    let gauge_as_counter = Key::from_name(catalog::DRAINING.name);
    registry.register_counter(&gauge_as_counter, &metadata).increment(1);
    let text = metrics.exporter().render();
    assert!(!text.contains("stray"), "{text}");
    assert_eq!(count(&text, catalog::DRAINING.name), 0);
}

#[test]
fn names_above_their_limit_share_one() {
    let metrics = Metrics::new();
    let names: Vec<_> = (0..catalog::NAMES_MAX + 2).map(|number| number.to_string()).collect();
    for name in &names {
        metrics.identity(name).cache_hit();
    }
    metrics.identity(&names[0]).cache_hit();
    let text = metrics.exporter().render();
    let hits = |source: &str| {
        let name = catalog::IDENTITY_LOOKUPS.name;
        count(&text, &format!("{name}{{source=\"{source}\",result=\"hit\"}}"))
    };
    assert_eq!(hits(catalog::OTHER), 2);
    assert_eq!(hits("0"), 2);
    let known = text.lines().filter(|line| line.contains("result=\"hit\"")).count();
    assert_eq!(known, catalog::NAMES_MAX + 1);
}

#[test]
fn gauges_follow_connections() {
    let metrics = Metrics::new();
    let upstream = metrics.upstream("tv", "home");
    upstream.connection_opened(Duration::from_millis(1));
    upstream.connection_opened(Duration::from_millis(1));
    upstream.connection_idled();
    upstream.connection_reused();
    upstream.connection_idled();
    upstream.connection_closed_in_use();
    let text = metrics.exporter().render();
    let state = |state: &str| {
        let name = catalog::UPSTREAM_CONNECTIONS.name;
        count(&text, &format!("{name}{{team=\"tv\",upstream=\"home\",state=\"{state}\"}}"))
    };
    assert_eq!([state("in_use"), state("idle")], [0, 1]);
}

proptest! {
    /// Arrivals are the sum over outcomes and what is in flight, whatever happens.
    #[test]
    fn requests_are_conserved(arrivals in 0_usize..40, ends in prop::collection::vec(0_usize..16, 0..40)) {
        let ends = &ends[..ends.len().min(arrivals)];
        let metrics = Metrics::new();
        let route = metrics.route("tv", "home");
        for _ in 0..arrivals {
            route.arrived();
        }
        for end in ends {
            route.ended(Outcome::ALL[*end], Duration::from_millis(1));
        }
        let text = metrics.exporter().render();
        let labels = "team=\"tv\",route=\"home\"";
        let of = |metric: &Metric, more: &str| count(&text, &format!("{}{{{labels}{more}}}", metric.name));
        let ended = |outcome: &Outcome| of(&catalog::ENDED, &format!(",outcome=\"{outcome}\""));
        let sum: i64 = Outcome::ALL.iter().map(ended).sum();
        prop_assert_eq!(sum, i64::try_from(ends.len()).unwrap());
        prop_assert_eq!(of(&catalog::ARRIVED, ""), sum + of(&catalog::IN_FLIGHT, ""));
    }
}

#[test]
fn counts_of_the_store_are_taken_over_and_never_go_down() {
    let metrics = Metrics::new();
    let store = metrics.store();
    let counts = StoreCounts {
        acknowledged: 5,
        refused: 4,
        groups: 3,
        busy: 2,
        waiting: 1,
        is_closed: true,
    };
    store.observe(counts);
    store.observe(StoreCounts { acknowledged: 4, waiting: 0, is_closed: false, ..counts });
    let text = metrics.exporter().render();
    for (name, expected) in [
        ("headgate_store_acknowledged_batches_total", 5),
        ("headgate_store_refused_batches_total", 4),
        ("headgate_store_synced_groups_total", 3),
        ("headgate_store_busy_batches_total", 2),
        ("headgate_store_waiting_batches", 0),
        ("headgate_store_closed_flag", 0),
    ] {
        assert_eq!(count(&text, name), expected, "{name}");
    }
}

#[test]
fn openmetrics_says_the_same_with_exemplars() {
    let metrics = Metrics::new();
    let route = metrics.route("tv", "home");
    route.arrived();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
    let (took, time) = (Duration::from_millis(30), UnixTime::from_secs(1_795_000_000));
    route.ended(Outcome::Ok, took);
    route.exemplify(took, trace, time);
    let text = metrics.exporter().render_as(Format::OpenMetrics);
    let name = "headgate_gateway_exchange_duration_seconds";
    let line = format!(
        "{name}_bucket{{team=\"tv\",route=\"home\",le=\"0.05\"}} 1 \
         # {{trace_id=\"{trace}\"}} 0.03 1795000000.000\n"
    );
    assert!(text.contains(&line), "{text}");
    assert_eq!(text.matches(" # {").count(), 1, "{text}");
    assert!(text.contains("le=\"1.0\"} 1\n") && text.ends_with("\n# EOF\n"), "{text}");
    let counter = "# TYPE headgate_gateway_arrived_requests counter\n\
                   headgate_gateway_arrived_requests_total{team=\"tv\",route=\"home\"} 1\n";
    assert!(text.contains(counter), "{text}");
    let plain = metrics.exporter().render();
    assert!(!plain.contains("trace_id") && !plain.contains("EOF"), "{plain}");
}

#[test]
fn format_is_what_the_scraper_asks_for() {
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                      application/openmetrics-text;version=0.0.1;q=0.5,\
                      text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;q=0.3,*/*;q=0.2";
    for (accept, format) in [
        ("", Format::Text),
        ("*/*", Format::Text),
        ("text/html", Format::Text),
        (prometheus, Format::OpenMetrics),
        ("application/openmetrics-text", Format::OpenMetrics),
        ("Application/OpenMetrics-Text; version=1.0.0", Format::OpenMetrics),
        ("application/openmetrics-text; version=0.0.1", Format::Text),
        ("application/openmetrics-text; q=0", Format::Text),
        ("application/openmetrics-text; q=0.2, text/plain; q=0.5", Format::Text),
        ("application/openmetrics-text; q=much", Format::Text),
    ] {
        assert_eq!(Format::accepted(accept), format, "{accept}");
    }
}
