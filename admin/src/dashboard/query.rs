//! Prometheus queries over metrics of the catalog.

use std::fmt::Write as _;

use headgate_telemetry::catalog::{Kind, Metric};

/// The time over which rates are taken: a few scrapes.
const RANGE: &str = "[1m]";

/// A query that is a sum over some labels.
#[derive(Clone, Debug)]
pub(super) struct Query {
    metric: &'static Metric,
    reads: Reads,
    filters: Vec<(&'static str, &'static str, &'static str)>,
    by: Vec<&'static str>,
    over: Option<Box<Self>>,
}

#[derive(Clone, Copy, Debug)]
enum Reads {
    Rate,
    Gauge,
    Quantile(f64),
}

const fn new(metric: &'static Metric, reads: Reads) -> Query {
    Query { metric, reads, filters: Vec::new(), by: Vec::new(), over: None }
}

/// What a counter gains a second.
pub(super) fn rate(metric: &'static Metric) -> Query {
    debug_assert!(metric.kind == Kind::Counter, "{} is no counter", metric.name);
    new(metric, Reads::Rate)
}

/// What a gauge shows.
pub(super) fn gauge(metric: &'static Metric) -> Query {
    debug_assert!(metric.kind == Kind::Gauge, "{} is no gauge", metric.name);
    new(metric, Reads::Gauge)
}

/// A quantile of a histogram.
pub(super) fn quantile(share: f64, metric: &'static Metric, by: &[&'static str]) -> Query {
    debug_assert!(matches!(metric.kind, Kind::Histogram(_)), "{} is no histogram", metric.name);
    new(metric, Reads::Quantile(share)).by(by)
}

impl Query {
    /// Only series with this word in a label.
    pub(super) fn only(mut self, label: &'static str, word: &'static str) -> Self {
        self.filters.push((label, "=", word));
        self
    }

    /// Only series with another word in a label.
    pub(super) fn without(mut self, label: &'static str, word: &'static str) -> Self {
        self.filters.push((label, "!=", word));
        self
    }

    /// A sum for each of these labels' values.
    pub(super) fn by(mut self, labels: &[&'static str]) -> Self {
        self.by = labels.to_vec();
        self
    }

    /// Divided by another query with the same labels.
    pub(super) fn over(mut self, other: Self) -> Self {
        self.over = Some(Box::new(other));
        self
    }

    /// The metrics that it reads, and the labels that it takes each to have.
    #[cfg(test)]
    pub(super) fn reads(&self) -> Vec<(&'static Metric, Vec<&'static str>)> {
        let filters = self.filters.iter().map(|(label, _, _)| *label);
        let mut reads = vec![(self.metric, filters.chain(self.by.iter().copied()).collect())];
        reads.extend(self.over.iter().flat_map(|other| other.reads()));
        reads
    }

    /// As Prometheus reads it.
    pub(super) fn text(&self) -> String {
        let filters: Vec<_> = self
            .filters
            .iter()
            .map(|(label, compare, word)| format!("{label}{compare}\"{word}\""))
            .collect();
        let filters =
            if filters.is_empty() { String::new() } else { format!("{{{}}}", filters.join(", ")) };
        let mut by = self.by.clone();
        let name = self.metric.name;
        let read = match self.reads {
            Reads::Rate => format!("rate({name}{filters}{RANGE})"),
            Reads::Gauge => format!("{name}{filters}"),
            Reads::Quantile(_) => {
                by.push("le");
                format!("rate({name}_bucket{filters}{RANGE})")
            }
        };
        let mut text = if by.is_empty() {
            format!("sum({read})")
        } else {
            format!("sum by ({}) ({read})", by.join(", "))
        };
        if let Reads::Quantile(share) = self.reads {
            text = format!("histogram_quantile({share}, {text})");
        }
        if let Some(other) = &self.over {
            // A string takes any text.
            write!(text, " / {}", other.text()).unwrap_or_default();
        }
        text
    }
}
