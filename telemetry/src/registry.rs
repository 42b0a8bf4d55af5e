//! The recorder behind the handles: atomic cells, and their rendering as Prometheus text.
//!
//! It stands where `metrics-exporter-prometheus` could, because that one keeps every histogram
//! sample with a clock reading until somebody renders: memory that grows with traffic, in place of
//! one addition to a fixed bucket.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use parking_lot::Mutex;

use crate::catalog::{self, Kind, Metric};

/// Cells by metric and labels. A name that the catalog does not know gets a handle that does
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By name; inside, by labels as they are rendered. Locked to make a handle and to render.
    families: Mutex<BTreeMap<&'static str, BTreeMap<String, Cell>>>,
}

#[derive(Clone, Debug)]
enum Cell {
    Counter(Arc<Count>),
    Gauge(Arc<Level>),
    Histogram(Arc<Buckets>),
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Relaxed);
    }
}

/// An `f64` in an atomic.
#[derive(Debug, Default)]
struct Level(AtomicU64);

impl Level {
    fn add(&self, value: f64) {
        let mut bits = self.0.load(Relaxed);
        loop {
            let sum = (f64::from_bits(bits) + value).to_bits();
            match self.0.compare_exchange_weak(bits, sum, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(current) => bits = current,
            }
        }
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }
}

#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    /// One for each bound, not cumulative, and the last for what is above them all.
    counts: Box<[AtomicU64]>,
    sum: Level,
}

impl Buckets {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: Level::default() }
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
            self.sum.add(value);
        }
    }
}

impl Registry {
    fn cell(&self, key: &Key) -> Option<Cell> {
        let metric = catalog::ALL.iter().find(|metric| metric.name == key.name())?;
        let mut families = self.families.lock();
        let cells = families.entry(metric.name).or_default();
        let cell = cells.entry(labels(key)).or_insert_with(|| match metric.kind {
            Kind::Counter => Cell::Counter(Arc::default()),
            Kind::Gauge => Cell::Gauge(Arc::default()),
            Kind::Histogram(bounds) => Cell::Histogram(Arc::new(Buckets::new(bounds))),
        });
        Some(cell.clone())
    }

    /// Drops the cells of a metric.
    pub(crate) fn forget(&self, metric: &Metric) {
        self.families.lock().remove(metric.name);
    }

    fn render(&self) -> String {
        let families = self.families.lock();
        let mut text = String::new();
        for metric in catalog::ALL {
            if let Some(cells) = families.get(metric.name) {
                // Writing into a string does not fail.
                family(&mut text, metric, cells).unwrap_or_default();
            }
        }
        text
    }
}

impl Recorder for Registry {
    // Units and help come from the catalog.
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.cell(key) {
            Some(Cell::Counter(count)) => Counter::from_arc(count),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.cell(key) {
            Some(Cell::Gauge(level)) => Gauge::from_arc(level),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.cell(key) {
            Some(Cell::Histogram(buckets)) => Histogram::from_arc(buckets),
            _ => Histogram::noop(),
        }
    }
}

/// Labels as the text format wants them: `team="tv",route="home"`.
fn labels(key: &Key) -> String {
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

fn family(text: &mut String, metric: &Metric, cells: &BTreeMap<String, Cell>) -> std::fmt::Result {
    let name = metric.name;
    writeln!(text, "# HELP {name} {}", metric.help)?;
    writeln!(text, "# TYPE {name} {}", metric.kind.as_str())?;
    for (labels, cell) in cells {
        match cell {
            Cell::Counter(count) => sample(text, name, labels, count.0.load(Relaxed))?,
            Cell::Gauge(level) => sample(text, name, labels, level.get())?,
            Cell::Histogram(buckets) => histogram(text, name, labels, buckets)?,
        }
    }
    Ok(())
}

fn histogram(text: &mut String, name: &str, labels: &str, buckets: &Buckets) -> std::fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let bounds = buckets.bounds.iter().copied().chain([f64::INFINITY]);
    let mut total = 0;
    for (bound, count) in bounds.zip(&buckets.counts) {
        total += count.load(Relaxed);
        if bound.is_finite() {
            writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}")?;
        } else {
            writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {total}")?;
        }
    }
    sample(text, &format!("{name}_sum"), labels, buckets.sum.get())?;
    sample(text, &format!("{name}_count"), labels, total)
}

fn sample(
    text: &mut String,
    name: &str,
    labels: &str,
    value: impl std::fmt::Display,
) -> std::fmt::Result {
    if labels.is_empty() {
        writeln!(text, "{name} {value}")
    } else {
        writeln!(text, "{name}{{{labels}}} {value}")
    }
}

/// Renders what one [`crate::Metrics`] has counted. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Exporter {
    pub(crate) registry: Arc<Registry>,
}

impl Exporter {
    /// The content type of [`Self::render`].
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// All metrics in the Prometheus text format 0.0.4, in the catalog's order. Costs one pass
    /// over all cells; recording goes on meanwhile.
    pub fn render(&self) -> String {
        self.registry.render()
    }
}

#[cfg(test)]
mod tests;
