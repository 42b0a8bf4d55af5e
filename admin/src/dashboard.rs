//! A Grafana dashboard and Prometheus alert rules, made from the catalog, so that no panel names a
//! metric that is not there.

mod alerts;
mod query;

use headgate_telemetry::catalog;
use serde_json::{Value, json};

pub use self::alerts::alerts;
use self::query::{Query, gauge, quantile, rate};

/// Columns of Grafana's grid.
const GRID_WIDTH: u32 = 24;
/// Panels beside one another.
const PANELS_PER_ROW: u32 = 2;
const PANEL_HEIGHT: u32 = 8;

/// One panel.
struct Panel {
    title: &'static str,
    /// What it tells, for whoever points at it.
    about: &'static str,
    /// Grafana's word for its unit.
    unit: &'static str,
    /// Each with the text of its legend.
    queries: Vec<(Query, &'static str)>,
}

/// The panels, row by row.
fn panels() -> Vec<(&'static str, Vec<Panel>)> {
    vec![
        ("Traffic", traffic()),
        ("Who is refused", refusals()),
        ("Limits", limits()),
        ("Retries and breakers", retries()),
        ("Configuration", configuration()),
    ]
}

fn traffic() -> Vec<Panel> {
    vec![
        Panel {
            title: "Arrivals",
            about: "Requests that matched a route, a second.",
            unit: "reqps",
            queries: vec![(rate(&catalog::ARRIVED).by(&["team", "route"]), "{{team}}/{{route}}")],
        },
        Panel {
            title: "Outcomes",
            about: "How exchanges ended, a second. Arrivals equal their sum and what is in flight.",
            unit: "reqps",
            queries: vec![(rate(&catalog::ENDED).by(&["outcome"]), "{{outcome}}")],
        },
        Panel {
            title: "Latency",
            about: "From a request's head to the end of its exchange, all routes.",
            unit: "s",
            queries: vec![
                (quantile(0.5, &catalog::DURATION, &[]), "p50"),
                (quantile(0.99, &catalog::DURATION, &[]), "p99"),
            ],
        },
        Panel {
            title: "In flight",
            about: "Exchanges that have begun and not ended.",
            unit: "short",
            queries: vec![(
                gauge(&catalog::IN_FLIGHT).by(&["team", "route"]),
                "{{team}}/{{route}}",
            )],
        },
    ]
}

fn refusals() -> Vec<Panel> {
    let refused = || rate(&catalog::RULED).only("ruled", "refused");
    vec![
        Panel {
            title: "Refused, by class",
            about: "Whom layers refused. The least important class should be first, and the \
                    critical one never.",
            unit: "reqps",
            queries: vec![(refused().by(&["class"]), "{{class}}")],
        },
        Panel {
            title: "Refused, by layer and reason",
            about: "Which layer refused, and why.",
            unit: "reqps",
            queries: vec![(refused().by(&["layer", "reason"]), "{{layer}}: {{reason}}")],
        },
        Panel {
            title: "Would be refused",
            about: "What layers that only observe would refuse: what to expect of enforcing them.",
            unit: "reqps",
            queries: vec![(
                rate(&catalog::RULED).only("ruled", "would_refuse").by(&["layer", "class"]),
                "{{layer}}: {{class}}",
            )],
        },
        Panel {
            title: "Share refused, by how much users ask",
            about: "Fairness: of users who ask for much more than others, more should be refused \
                    than of ordinary ones.",
            unit: "percentunit",
            queries: vec![(
                rate(&catalog::USER_REQUESTS)
                    .only("ruled", "refused")
                    .by(&["usage"])
                    .over(rate(&catalog::USER_REQUESTS).by(&["usage"])),
                "{{usage}}",
            )],
        },
        Panel {
            title: "Share refused, by route",
            about: "Of what met a concurrency limit. Routes of one upstream should share alike.",
            unit: "percentunit",
            queries: vec![(
                refused().only("layer", "concurrency").by(&["team", "route"]).over(
                    rate(&catalog::RULED).only("layer", "concurrency").by(&["team", "route"]),
                ),
                "{{team}}/{{route}}",
            )],
        },
    ]
}

fn limits() -> Vec<Panel> {
    let name = "{{scope}} {{team}}/{{name}}";
    vec![
        Panel {
            title: "Limit",
            about: "Requests that may be at an upstream or a route at once.",
            unit: "short",
            queries: vec![(gauge(&catalog::GATE_LIMIT).by(&["team", "scope", "name"]), name)],
        },
        Panel {
            title: "In flight against the limit",
            about: "1 is a limit that is used up: then requests wait, and are refused.",
            unit: "percentunit",
            queries: vec![(
                gauge(&catalog::GATE_IN_FLIGHT)
                    .by(&["team", "scope", "name"])
                    .over(gauge(&catalog::GATE_LIMIT).by(&["team", "scope", "name"])),
                name,
            )],
        },
        Panel {
            title: "Waiting for a permit",
            about: "A queue that stands is let go of; one that comes and goes is a burst.",
            unit: "short",
            queries: vec![(gauge(&catalog::GATE_QUEUED).by(&["team", "scope", "name"]), name)],
        },
        Panel {
            title: "No-load and current latency",
            about: "What a call takes without load, as the limit has learnt it, and what it takes.",
            unit: "s",
            queries: vec![
                (
                    gauge(&catalog::GATE_NO_LOAD).by(&["team", "scope", "name"]),
                    "no load, {{scope}} {{team}}/{{name}}",
                ),
                (
                    quantile(0.5, &catalog::HEAD_DURATION, &["team", "upstream"]),
                    "p50, {{team}}/{{upstream}}",
                ),
            ],
        },
    ]
}

fn retries() -> Vec<Panel> {
    vec![
        Panel {
            title: "Retry amplification",
            about: "Attempts over arrivals: 1.1 at most where retries are budgeted.",
            unit: "short",
            queries: vec![(
                rate(&catalog::ATTEMPTS).by(&["team"]).over(rate(&catalog::ARRIVED).by(&["team"])),
                "{{team}}",
            )],
        },
        Panel {
            title: "Retries that are left",
            about: "What each route's budget has left.",
            unit: "short",
            queries: vec![(
                gauge(&catalog::RETRY_BUDGET).by(&["team", "route"]),
                "{{team}}/{{route}}",
            )],
        },
        Panel {
            title: "Breakers that are not closed",
            about: "Endpoints that get no traffic, or less than their share.",
            unit: "short",
            queries: vec![(
                gauge(&catalog::BREAKERS)
                    .without("state", "closed")
                    .by(&["team", "upstream", "state"]),
                "{{team}}/{{upstream}} {{state}}",
            )],
        },
        Panel {
            title: "Attempts that failed",
            about: "By what became of them.",
            unit: "reqps",
            queries: vec![(
                rate(&catalog::ATTEMPTS).without("result", "ok").by(&["upstream", "result"]),
                "{{upstream}} {{result}}",
            )],
        },
    ]
}

fn configuration() -> Vec<Panel> {
    vec![
        Panel {
            title: "Overlays in force",
            about: "Values that somebody has put over the files': `headgate status` names them.",
            unit: "short",
            queries: vec![(gauge(&catalog::CONFIG_OVERLAYS), "overlays")],
        },
        Panel {
            title: "Teams on their last good files",
            about: "0 for a team whose files have faults.",
            unit: "short",
            queries: vec![(gauge(&catalog::CONFIG_PART_OK).by(&["team"]), "{{team}}")],
        },
    ]
}

/// The dashboard, for Grafana's import.
pub fn dashboard() -> Value {
    let mut placed = Vec::new();
    let (mut id, mut y) = (0_u32, 0_u32);
    for (row, panels) in panels() {
        id += 1;
        placed.push(json!({
            "id": id, "type": "row", "title": row, "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": y, "w": GRID_WIDTH, "h": 1 },
        }));
        y += 1;
        let width = GRID_WIDTH / PANELS_PER_ROW;
        let count = u32::try_from(panels.len()).unwrap_or(u32::MAX);
        for (panel, place) in panels.iter().zip(0_u32..) {
            id += 1;
            let (column, line) = (place % PANELS_PER_ROW, place / PANELS_PER_ROW);
            let at = (column * width, y + line * PANEL_HEIGHT, width);
            placed.push(panel.json(id, at));
        }
        y += count.div_ceil(PANELS_PER_ROW) * PANEL_HEIGHT;
    }
    json!({
        "title": "Headgate",
        "uid": "headgate",
        "tags": ["headgate"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "10s",
        "time": { "from": "now-30m", "to": "now" },
        "templating": { "list": [{
            "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus",
        }] },
        "panels": placed,
    })
}

impl Panel {
    fn json(&self, id: u32, (x, y, width): (u32, u32, u32)) -> Value {
        let source = json!({ "type": "prometheus", "uid": "${datasource}" });
        let target = |((query, legend), letter): (&(Query, &str), char)| {
            json!({
                "refId": letter.to_string(),
                "datasource": source,
                "expr": query.text(),
                "legendFormat": legend,
            })
        };
        let targets: Vec<_> = self.queries.iter().zip('A'..).map(target).collect();
        json!({
            "id": id,
            "type": "timeseries",
            "title": self.title,
            "description": self.about,
            "datasource": source,
            "gridPos": { "x": x, "y": y, "w": width, "h": PANEL_HEIGHT },
            "fieldConfig": { "defaults": { "unit": self.unit, "min": 0 }, "overrides": [] },
            "options": { "legend": { "displayMode": "table", "placement": "right" } },
            "targets": targets,
        })
    }
}

#[cfg(test)]
mod tests;
