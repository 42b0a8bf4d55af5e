//! A collector of the tests' own, which decodes what arrives.
//!
//! The messages are those of `opentelemetry/proto/trace/v1/trace.proto`, by their field numbers, and
//! another implementation of the wire format than the edge's reads them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use headgate_tests::{Bff, bff::respond, eventually};
use http_body_util::BodyExt as _;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<WireSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct WireSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 3")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// A span that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty where it has none.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) kind: i32,
    /// Nanoseconds since 1970.
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// Numbers as they are written.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Names, and microseconds since its begin.
    pub(crate) events: BTreeMap<String, u64>,
    /// Why it failed.
    pub(crate) error: Option<String>,
}

impl Span {
    pub(crate) fn took_us(&self) -> u64 {
        (self.ended - self.began) / 1_000
    }

    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn pairs(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |pair: KeyValue| {
        let value = match pair.value.and_then(|any| any.value) {
            Some(Any::Text(text)) => text,
            Some(Any::Number(number)) => number.to_string(),
            None => panic!("{} has no value", pair.key),
        };
        (pair.key, value)
    };
    pairs.into_iter().map(text).collect()
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = Request::decode(body).unwrap();
    let mut all = Vec::new();
    for of_resource in request.resource_spans {
        let resource = pairs(of_resource.resource.unwrap().attributes);
        assert_eq!(resource["service.name"], "headgate");
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            assert_eq!((span.trace_id.len(), span.span_id.len(), span.flags), (16, 8, 1));
            let began = span.start_time_unix_nano;
            let events = span.events.into_iter();
            let error = span.status.filter(|status| status.code == 2);
            all.push(Span {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                began,
                ended: span.end_time_unix_nano,
                attributes: pairs(span.attributes),
                events: events
                    .map(|event| (event.name, (event.time_unix_nano - began) / 1_000))
                    .collect(),
                error: error.map(|status| status.message),
            });
        }
    }
    all
}

/// A running collector.
pub(crate) struct Collector {
    server: Bff,
    got: Arc<Mutex<Vec<Span>>>,
    status: Arc<AtomicU16>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let got = Arc::<Mutex<Vec<Span>>>::default();
        let status = Arc::new(AtomicU16::new(200));
        let (taken, answer) = (Arc::clone(&got), Arc::clone(&status));
        let server = Bff::http(move |request| {
            let (taken, answer) = (Arc::clone(&taken), Arc::clone(&answer));
            async move {
                assert_eq!(request.uri().path(), "/v1/traces");
                assert_eq!(request.headers()["content-type"], "application/x-protobuf");
                let status = answer.load(Ordering::Relaxed);
                let body = request.into_body().collect().await.unwrap().to_bytes();
                if status == 200 {
                    taken.lock().unwrap().extend(spans(&body));
                }
                respond(status, "")
            }
        })
        .await;
        Self { server, got, status }
    }

    /// What it answers from now on; spans that it does not take are not kept.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// The lines of a configuration that send traces here.
    pub(crate) fn table(&self) -> String {
        format!("[traces]\nendpoint = \"http://{}\"", self.server.endpoint())
    }

    /// All that has arrived.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.got.lock().unwrap().clone()
    }

    /// The spans of a trace, once one has arrived that satisfies; they are sent together.
    pub(crate) async fn trace(&self, trace: &str, has: impl Fn(&Span) -> bool) -> Vec<Span> {
        eventually("spans of the trace", || {
            let all = self.spans();
            let of: Vec<_> = all.into_iter().filter(|span| span.trace == trace).collect();
            of.iter().any(&has).then_some(of)
        })
        .await
    }
}
