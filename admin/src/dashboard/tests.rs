use std::collections::HashSet;

use headgate_telemetry::catalog::{ALL, Label, Metric, Values};

use super::*;

fn queries() -> Vec<(&'static str, Query)> {
    let panels = panels().into_iter().flat_map(|(_, panels)| panels);
    let panels = panels
        .flat_map(|panel| panel.queries.into_iter().map(move |(query, _)| (panel.title, query)));
    panels.chain(alerts::all().into_iter().map(|alert| (alert.name, alert.query))).collect()
}

fn label<'m>(metric: &'m Metric, name: &str) -> Option<&'m Label> {
    metric.labels.iter().find(|label| label.name == name)
}

#[test]
fn every_query_reads_metrics_by_labels_that_they_have() {
    for (title, query) in queries() {
        for (metric, labels) in query.reads() {
            assert!(ALL.iter().any(|known| known.name == metric.name), "{title}: {}", metric.name);
            for name in labels {
                assert!(label(metric, name).is_some(), "{title}: {} has no {name}", metric.name);
            }
        }
    }
}

#[test]
fn words_in_filters_are_words_of_the_label() {
    for (title, query) in queries() {
        let text = query.text();
        for (metric, _) in query.reads() {
            for part in text.split(['{', ',', '}']) {
                let Some((name, word)) = part.trim().split_once("=\"") else { continue };
                let name = name.trim_end_matches('!');
                let Some(Label { values: Values::Words(words), .. }) = label(metric, name) else {
                    continue;
                };
                let word = word.trim_end_matches('"');
                assert!(words().contains(&word), "{title}: {name} is never {word}");
            }
        }
    }
}

#[test]
fn legends_name_labels_that_the_query_keeps() {
    for (_, panels) in panels() {
        for panel in panels {
            for (query, legend) in &panel.queries {
                let kept = query.text();
                for name in legend.split("{{").skip(1).filter_map(|part| part.split("}}").next()) {
                    let by = kept.split("by (").nth(1).and_then(|by| by.split(')').next()).unwrap();
                    assert!(by.split(", ").any(|label| label == name), "{}: {name}", panel.title);
                }
            }
        }
    }
}

#[test]
fn queries_are_what_prometheus_reads() {
    let refused = rate(&catalog::RULED).only("ruled", "refused").by(&["class"]);
    assert_eq!(
        refused.text(),
        "sum by (class) (rate(headgate_gateway_ruled_requests_total{ruled=\"refused\"}[1m]))"
    );
    assert_eq!(
        quantile(0.99, &catalog::DURATION, &[]).text(),
        "histogram_quantile(0.99, sum by (le) \
         (rate(headgate_gateway_exchange_duration_seconds_bucket[1m])))"
    );
    let share = gauge(&catalog::CONFIG_OVERLAYS).over(gauge(&catalog::DRAINING));
    assert_eq!(
        share.text(),
        "sum(headgate_config_active_overlays) / sum(headgate_gateway_draining_flag)"
    );
}

#[test]
fn panels_do_not_overlap_and_have_ids_of_their_own() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut cells = HashSet::new();
    let mut ids = HashSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(x < u64::from(GRID_WIDTH) && cells.insert((x, y)), "{}", panel["title"]);
            }
        }
    }
}

#[test]
fn pages_are_what_the_catalog_says() {
    let page = include_str!("../../../docs/reference/dashboard.json");
    let page: Value = serde_json::from_str(page).unwrap();
    assert_eq!(page, dashboard(), "docs/reference/dashboard.json is stale");
    let page = include_str!("../../../docs/reference/alerts.yaml");
    assert_eq!(page, alerts(), "docs/reference/alerts.yaml is stale");
}
