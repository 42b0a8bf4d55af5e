//! The reference page of all metrics.

use std::fmt::Write as _;

use super::{ALL, Kind, Metric, NAMES_MAX, NO_ROUTE, OTHER, Values};

/// The reference page of all metrics, in Markdown.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         `GET /metrics` on the admin address answers these in the Prometheus text format,\n\
         or in OpenMetrics where the scraper accepts it, in which buckets of \
         `headgate_gateway_exchange_duration_seconds` have exemplars: the trace of a recent exchange \
         that can be looked up.\n\
         Counters begin at zero when the process starts; durations are in seconds.\n\
         Labels are bounded: the words below, or names from the configuration.\n",
    );
    let lines = "Requests that match no route are counted under";
    writeln!(page, "{lines} team and route `{NO_ROUTE}`.").unwrap_or_default();
    let lines = "names are told apart in each kind of label; the rest share";
    writeln!(page, "At most {NAMES_MAX} {lines} `{OTHER}`.").unwrap_or_default();
    page.push_str("For each route, arrived = the sum of ended over all outcomes + in flight.\n");
    for metric in ALL {
        describe(&mut page, metric).unwrap_or_default();
    }
    page
}

fn describe(page: &mut String, metric: &Metric) -> std::fmt::Result {
    writeln!(page, "\n## `{}`\n", metric.name)?;
    writeln!(page, "{}\n", metric.help)?;
    write!(page, "- Kind: {}", metric.kind.as_str())?;
    if let Kind::Histogram(bounds) = metric.kind {
        let bounds: Vec<String> = bounds.iter().map(|bound| format!("`{bound}`")).collect();
        write!(page, ", bounds {}", bounds.join(" "))?;
    }
    writeln!(page, "\n- Unit: {}", metric.unit.as_str())?;
    for label in metric.labels {
        match label.values {
            Values::Configured => {
                writeln!(page, "- Label `{}`: from the configuration", label.name)?;
            }
            Values::Words(words) => {
                let words: Vec<String> = words().iter().map(|word| format!("`{word}`")).collect();
                writeln!(page, "- Label `{}`: {}", label.name, words.join(" "))?;
            }
        }
    }
    Ok(())
}
