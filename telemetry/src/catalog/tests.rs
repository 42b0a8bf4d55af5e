use std::collections::HashSet;

use super::*;

#[test]
fn names_say_crate_thing_and_unit() {
    for metric in ALL {
        let name = metric.name;
        let rest = name.strip_prefix("headgate_").expect(name);
        assert!(
            ["config_", "events_", "gateway_", "idempotency_", "store_", "telemetry_"]
                .iter()
                .any(|it| rest.starts_with(it)),
            "{name}"
        );
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        let unit = if metric.kind == Kind::Counter {
            name.strip_suffix("_total").expect(name)
        } else {
            assert!(!name.ends_with("_total"), "{name}");
            name
        };
        assert!(unit.ends_with(&format!("_{}", metric.unit.as_str())), "{name}");
    }
}

#[test]
fn names_are_unique() {
    let names: HashSet<_> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), ALL.len());
}

#[test]
fn labels_are_few_and_never_a_path_or_an_id() {
    let allowed = [
        "team",
        "route",
        "arm",
        "upstream",
        "source",
        "outcome",
        "result",
        "listener",
        "reason",
        "state",
        "side",
        "handler",
        "probe",
        "settlement",
        "topic",
        // Of the configuration in force: one at a time.
        "digest",
        "class",
        "layer",
        "ruled",
        "scope",
        // Of a user: ordinary or heavy.
        "usage",
        // Of an upstream or a route.
        "name",
    ];
    for metric in ALL {
        assert!(metric.labels.len() <= 6, "{}", metric.name);
        for label in metric.labels {
            assert!(allowed.contains(&label.name), "{} {}", metric.name, label.name);
        }
    }
}

#[test]
fn help_is_one_line_that_needs_no_escape() {
    for metric in ALL {
        assert!(metric.help.ends_with('.'), "{}", metric.name);
        assert!(!metric.help.contains(['\n', '\\']), "{}", metric.name);
        assert_eq!(metric.help, metric.help.trim(), "{}", metric.name);
    }
}

#[test]
fn histogram_bounds_ascend() {
    assert!(LATENCY_BOUNDS.is_sorted_by(|low, high| low < high && high / low <= 3.0));
}

#[test]
fn reference_page_is_what_the_catalog_says() {
    let page = include_str!("../../../docs/reference/metrics.md");
    assert_eq!(page, markdown(), "docs/reference/metrics.md is stale");
}
