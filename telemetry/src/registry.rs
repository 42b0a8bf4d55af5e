//! The recorder behind the handles: atomic cells, which [`page`] renders for Prometheus.
//!
//! It stands where `metrics-exporter-prometheus` could, because that one keeps every histogram
//! sample with a clock reading until somebody renders: memory that grows with traffic, in place of
//! one addition to a fixed bucket.

mod page;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use headgate_types::{TraceId, UnixTime};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use parking_lot::Mutex;

pub use self::page::Format;
use self::page::{family, labels};
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
    /// The last that each bucket got, made with the first of them.
    exemplars: OnceLock<Box<[Mutex<Option<Exemplar>>]>>,
}

/// One value of a bucket, and the trace of the exchange that had it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) trace: TraceId,
    /// In seconds.
    pub(crate) value: f64,
    pub(crate) time: UnixTime,
}

impl Buckets {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: Level::default(), exemplars: OnceLock::new() }
    }

    fn bucket(&self, value: f64) -> usize {
        self.bounds.partition_point(|bound| *bound < value)
    }

    /// Keeps an exemplar, unless another thread does at this instant.
    fn exemplify(&self, exemplar: Exemplar) {
        let exemplars =
            self.exemplars.get_or_init(|| self.counts.iter().map(|_| Mutex::default()).collect());
        if let Some(place) = exemplars.get(self.bucket(exemplar.value))
            && let Some(mut place) = place.try_lock()
        {
            *place = Some(exemplar);
        }
    }

    fn exemplar(&self, bucket: usize) -> Option<Exemplar> {
        *self.exemplars.get()?.get(bucket)?.lock()
    }
}

/// Takes exemplars of one histogram's values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exemplars(Option<Arc<Buckets>>);

impl Exemplars {
    /// Keeps one for the bucket that its value falls into, in the place of the one before.
    pub(crate) fn keep(&self, exemplar: Exemplar) {
        if let Some(buckets) = &self.0 {
            buckets.exemplify(exemplar);
        }
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        if let Some(count) = self.counts.get(self.bucket(value)) {
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

    /// Takes exemplars for the histogram of a key.
    pub(crate) fn exemplars(&self, key: &Key) -> Exemplars {
        match self.cell(key) {
            Some(Cell::Histogram(buckets)) => Exemplars(Some(buckets)),
            _ => Exemplars::default(),
        }
    }

    /// Drops the cells of a metric.
    pub(crate) fn forget(&self, metric: &Metric) {
        self.families.lock().remove(metric.name);
    }

    fn render(&self, format: Format) -> String {
        let families = self.families.lock();
        let mut text = String::new();
        for metric in catalog::ALL {
            if let Some(cells) = families.get(metric.name) {
                // Writing into a string does not fail.
                family((&mut text, format), metric, cells).unwrap_or_default();
            }
        }
        text.push_str(format.end());
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

/// Renders what one [`crate::Metrics`] has counted. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Exporter {
    pub(crate) registry: Arc<Registry>,
}

impl Exporter {
    /// All metrics in the Prometheus text format 0.0.4, in the catalog's order. Costs one pass
    /// over all cells; recording goes on meanwhile.
    pub fn render(&self) -> String {
        self.render_as(Format::Text)
    }

    /// The same in a format that the scraper accepts.
    pub fn render_as(&self, format: Format) -> String {
        self.registry.render(format)
    }
}

#[cfg(test)]
mod tests;
