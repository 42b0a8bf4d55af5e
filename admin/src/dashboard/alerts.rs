//! Alert rules: what a person must look at.

use std::fmt::Write as _;

use headgate_telemetry::catalog;

use super::query::{Query, gauge, rate};

/// One rule.
pub(super) struct Alert {
    pub(super) name: &'static str,
    pub(super) query: Query,
    /// What its value must be for the alert, such as `> 0`.
    pub(super) when: &'static str,
    /// For how long.
    pub(super) lasts: &'static str,
    /// `page` wakes somebody; `ticket` waits for the morning.
    severity: &'static str,
    summary: &'static str,
    /// What to do first.
    first: &'static str,
}

pub(super) fn all() -> Vec<Alert> {
    [of_overload(), of_operation(), of_probes()].into_iter().flatten().collect()
}

fn of_overload() -> Vec<Alert> {
    let refused = || rate(&catalog::RULED).only("ruled", "refused");
    vec![
        Alert {
            name: "HeadgateRefusesCritical",
            query: refused().only("class", "critical").by(&["team", "route", "layer", "reason"]),
            when: "> 0",
            lasts: "1m",
            severity: "page",
            summary: "Critical requests of {{ $labels.team }}/{{ $labels.route }} are refused by \
                      {{ $labels.layer }}: {{ $labels.reason }}",
            first: "headgate shed status, then headgate limits",
        },
        Alert {
            name: "HeadgateLimitUsedUp",
            query: gauge(&catalog::GATE_IN_FLIGHT)
                .by(&["team", "scope", "name"])
                .over(gauge(&catalog::GATE_LIMIT).by(&["team", "scope", "name"])),
            when: "> 0.95",
            lasts: "10m",
            severity: "ticket",
            summary: "The limit of {{ $labels.scope }} {{ $labels.team }}/{{ $labels.name }} is \
                      used up for ten minutes",
            first: "headgate limits, then headgate history --kind limit",
        },
        Alert {
            name: "HeadgateBreakerOpen",
            query: gauge(&catalog::BREAKERS).only("state", "open").by(&["team", "upstream"]),
            when: "> 0",
            lasts: "2m",
            severity: "ticket",
            summary: "Breakers of {{ $labels.team }}/{{ $labels.upstream }} are open",
            first: "headgate limits names the endpoints",
        },
        Alert {
            name: "HeadgateRetryBudgetEmpty",
            query: refused().only("layer", "retry_budget").by(&["team", "route"]),
            when: "> 0",
            lasts: "1m",
            severity: "ticket",
            summary: "Retries of {{ $labels.team }}/{{ $labels.route }} find no budget",
            first: "headgate top: its upstream fails more than retries can help",
        },
        Alert {
            name: "HeadgateEdgeOverloaded",
            query: refused().only("layer", "instance"),
            when: "> 0",
            lasts: "5m",
            severity: "page",
            summary: "The edge itself sheds requests for five minutes",
            first: "headgate shed status; more edges, or less traffic",
        },
    ]
}

fn of_operation() -> Vec<Alert> {
    vec![
        Alert {
            name: "HeadgateReloadRejected",
            query: rate(&catalog::CONFIG_RELOADS).only("result", "rejected"),
            when: "> 0",
            lasts: "0m",
            severity: "ticket",
            summary: "A load of the configuration was rejected; what was in force stays",
            first: "headgate status names the faults",
        },
        Alert {
            name: "HeadgateTeamOnLastGood",
            query: gauge(&catalog::CONFIG_PART_OK).by(&["team"]),
            when: "< 1",
            lasts: "15m",
            severity: "ticket",
            summary: "Files of {{ $labels.team }} have faults; their last good ones are in force",
            first: "headgate status names the faults",
        },
        Alert {
            name: "HeadgateStoreClosed",
            query: gauge(&catalog::STORE_CLOSED),
            when: "> 0",
            lasts: "1m",
            severity: "page",
            summary: "The embedded store is closed; what needs it is refused",
            first: "the edge's log says why; a restart recovers",
        },
    ]
}

fn of_probes() -> Vec<Alert> {
    vec![Alert {
        name: "HeadgateProbeFails",
        query: gauge(&catalog::PROBE_FAILING).by(&["probe"]),
        when: "> 0",
        lasts: "2m",
        severity: "page",
        summary: "The edge's own probe {{ $labels.probe }} fails: what it does, customers can't do",
        first: "headgate probe, then headgate why with its trace",
    }]
}

/// The rules, as a file for Prometheus.
pub fn alerts() -> String {
    let mut text = String::from("groups:\n  - name: headgate\n    rules:\n");
    for alert in all() {
        let expression = format!("{} {}", alert.query.text(), alert.when);
        // A string takes any text; JSON's texts are YAML's.
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        write!(
            text,
            "      - alert: {}\n        expr: {}\n        for: {}\n        labels:\n          \
             severity: {}\n        annotations:\n          summary: {}\n          first: {}\n",
            alert.name,
            quoted(&expression),
            alert.lasts,
            alert.severity,
            quoted(alert.summary),
            quoted(alert.first),
        )
        .unwrap_or_default();
    }
    text
}
