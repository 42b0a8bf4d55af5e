//! The pages that scrapers read: Prometheus' text format 0.0.4, and `OpenMetrics` 1.0.
//!
//! They say the same, but only `OpenMetrics` has a place for exemplars.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Write as _},
    sync::atomic::Ordering::Relaxed,
};

use metrics::Key;

use super::{Buckets, Cell};
use crate::catalog::{Kind, Metric};

/// How a page of metrics is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The Prometheus text format 0.0.4.
    Text,
    /// `OpenMetrics` 1.0, in which buckets of latencies have exemplars.
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";
const TEXT: &str = "text/plain";

impl Format {
    /// What a scraper's `accept` asks for (RFC 9110, 12.5.1): `OpenMetrics` where it is named and
    /// nothing speaks for text, which is for everybody else.
    pub fn accepted(accept: &str) -> Self {
        let weights = |kind| accept.split(',').filter_map(move |range| weight(range, kind));
        let best = |kind: &'static str| weights(kind).fold(0.0, f64::max);
        let open_metrics = best(OPEN_METRICS);
        if open_metrics > 0.0 && open_metrics >= best(TEXT) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The page's media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What stands below the last line.
    pub(super) const fn end(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::OpenMetrics => "# EOF\n",
        }
    }
}

/// The weight of one range of an `accept`, if it names this media type, in a version that is ours.
fn weight(range: &str, kind: &str) -> Option<f64> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(kind) {
        return None;
    }
    let mut weight = 1.0;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name {
            "q" => weight = value.parse().ok()?,
            "version" if kind == OPEN_METRICS && value != "1.0.0" => return None,
            _ => {}
        }
    }
    Some(weight)
}

/// Labels as both formats want them: `team="tv",route="home"`.
pub(super) fn labels(key: &Key) -> String {
    let mut text = String::new();
    for label in key.labels() {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(label.key());
        text.push_str("=\"");
        for c in label.value().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text
}

/// Writes all samples of one metric below its help and type.
pub(super) fn family(
    (text, format): (&mut String, Format),
    metric: &Metric,
    cells: &BTreeMap<String, Cell>,
) -> fmt::Result {
    let name = metric.name;
    // `OpenMetrics` names a counter without the ending of its samples, and escapes quotes in help.
    let (family, help) = match format {
        Format::Text => (name, metric.help.to_owned()),
        Format::OpenMetrics => {
            let is_counter = metric.kind == Kind::Counter;
            let family = name.strip_suffix("_total").filter(|_| is_counter).unwrap_or(name);
            (family, metric.help.replace('"', "\\\""))
        }
    };
    writeln!(text, "# HELP {family} {help}")?;
    writeln!(text, "# TYPE {family} {}", metric.kind.as_str())?;
    for (labels, cell) in cells {
        match cell {
            Cell::Counter(count) => sample(text, name, labels, count.0.load(Relaxed))?,
            Cell::Gauge(level) => sample(text, name, labels, level.get())?,
            Cell::Histogram(buckets) => histogram((text, format), name, labels, buckets)?,
        }
    }
    Ok(())
}

fn histogram(
    (text, format): (&mut String, Format),
    name: &str,
    labels: &str,
    buckets: &Buckets,
) -> fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let bounds = buckets.bounds.iter().copied().chain([f64::INFINITY]);
    let mut total = 0;
    for (index, (bound, count)) in bounds.zip(&buckets.counts).enumerate() {
        total += count.load(Relaxed);
        write!(text, "{name}_bucket{{{labels}{comma}le=\"")?;
        match format {
            _ if bound.is_infinite() => text.push_str("+Inf"),
            Format::Text => write!(text, "{bound}")?,
            // Whole numbers have a fraction there too.
            Format::OpenMetrics => write!(text, "{bound:?}")?,
        }
        write!(text, "\"}} {total}")?;
        if format == Format::OpenMetrics
            && let Some(exemplar) = buckets.exemplar(index)
        {
            let seconds = exemplar.time.as_duration().as_secs_f64();
            let (trace, value) = (exemplar.trace, exemplar.value);
            write!(text, " # {{trace_id=\"{trace}\"}} {value} {seconds:.3}")?;
        }
        text.push('\n');
    }
    sample(text, &format!("{name}_sum"), labels, buckets.sum.get())?;
    sample(text, &format!("{name}_count"), labels, total)
}

fn sample(text: &mut String, name: &str, labels: &str, value: impl Display) -> fmt::Result {
    if labels.is_empty() {
        writeln!(text, "{name} {value}")
    } else {
        writeln!(text, "{name}{{{labels}}} {value}")
    }
}
