//! Spans for a collector that takes OTLP: what they are, how they are written, and where they wait.
//!
//! A span is made when what it tells of has ended, from facts that are kept anyway, and written at
//! once as a part of the request that will carry it. So there is no span to carry about, and what
//! waits is bytes with a bound. Sending them is somebody else's: here is no network.
//!
//! The bytes are protocol buffers, as `opentelemetry/proto/trace/v1/trace.proto` and
//! `opentelemetry/proto/collector/trace/v1/trace_service.proto` of OTLP 1 have them.

mod exchange;
mod series;
mod span;
mod wire;

use std::{fmt, mem, sync::Arc};

use metrics::Counter;
use parking_lot::Mutex;

pub use self::{
    exchange::exchange,
    series::{Handled, handled, handling, published, pushed},
    span::{Kind, Span, Value, span_id},
};
use self::{span::FIELD, wire::Message};
use crate::{catalog, metrics::Metrics};

/// Bytes of spans that wait to be sent at most; what comes then is dropped and counted.
pub const WAITING_BYTES_MAX: usize = 1 << 20;
/// The media type of a request to a collector.
pub const CONTENT_TYPE: &str = "application/x-protobuf";
/// The name of the service whose spans these are.
const SERVICE: &str = "headgate";

/// Takes spans that somebody sends. Cheap to clone.
#[derive(Clone)]
pub struct Spans(Arc<Shared>);

struct Shared {
    /// Tells this process from others of the service.
    instance: String,
    waiting: Mutex<Waiting>,
    exported: Counter,
    dropped: Counter,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    count: u64,
}

/// Spans to be sent in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The request's body.
    pub body: Vec<u8>,
    /// Spans in it.
    pub count: u64,
}

impl Spans {
    /// Begins with none.
    pub fn new(metrics: &Metrics) -> Self {
        Self(Arc::new(Shared {
            instance: format!("{:016x}", fastrand::u64(..)),
            waiting: Mutex::default(),
            exported: metrics.counter(&catalog::SPANS, &["exported"]),
            dropped: metrics.counter(&catalog::SPANS, &["dropped"]),
        }))
    }

    /// Takes spans that belong together, all or none: without room they are dropped and counted.
    /// Waits for nobody who sends.
    pub fn record(&self, spans: &[Span<'_>]) {
        let mut message = Message::default();
        for span in spans {
            message.message(FIELD, |inner| span.write(inner));
        }
        let bytes = message.into_bytes();
        let count = spans.len() as u64;
        let mut waiting = self.0.waiting.lock();
        if waiting.bytes.len() + bytes.len() > WAITING_BYTES_MAX {
            drop(waiting);
            return self.dropped(count);
        }
        waiting.bytes.extend_from_slice(&bytes);
        waiting.count += count;
    }

    /// All that waits, as one request. None: nothing does.
    pub fn take(&self) -> Option<Batch> {
        let Waiting { bytes, count } = mem::take(&mut *self.0.waiting.lock());
        (count > 0).then(|| Batch { body: request(&self.0.instance, &bytes), count })
    }

    /// Counts spans that a collector has taken.
    pub fn exported(&self, count: u64) {
        self.0.exported.increment(count);
    }

    /// Counts spans that are lost.
    pub fn dropped(&self, count: u64) {
        self.0.dropped.increment(count);
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").field("instance", &self.0.instance).finish_non_exhaustive()
    }
}

/// An `ExportTraceServiceRequest` with these spans, which are fields of `ScopeSpans` already.
fn request(instance: &str, spans: &[u8]) -> Vec<u8> {
    let attributes = [
        ("service.name", Value::text(SERVICE)),
        ("service.version", Value::text(env!("CARGO_PKG_VERSION"))),
        ("service.instance.id", Value::text(instance)),
    ];
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.message(1, |resource| span::attributes(resource, 1, &attributes));
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.text(1, SERVICE);
                scope.text(2, env!("CARGO_PKG_VERSION"));
            });
            scope_spans.raw(spans);
        });
    });
    request.into_bytes()
}

#[cfg(test)]
mod tests;
