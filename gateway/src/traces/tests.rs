use std::{collections::VecDeque, io};

use headgate_telemetry::{
    otlp::{Kind, Span},
    trace::RANDOM_TRACE_ID,
};
use headgate_types::UnixTime;
use parking_lot::Mutex;

use super::*;
use crate::identity::Fetch;

/// Answers as it is told to, and keeps what it was sent.
#[derive(Debug, Default)]
struct Collector {
    answers: Mutex<VecDeque<Result<(), FetchError>>>,
    got: Mutex<Vec<(Uri, Bytes)>>,
}

impl FetchKeys for Collector {
    fn fetch(&self, _: Uri) -> Fetch<'_> {
        Box::pin(async { Err(FetchError::Address) })
    }

    fn ask(&self, question: Request<Bytes>) -> Fetch<'_> {
        assert_eq!(question.headers()[CONTENT_TYPE], "application/x-protobuf");
        self.got.lock().push((question.uri().clone(), question.into_body()));
        let answer = self.answers.lock().pop_front().unwrap_or(Ok(()));
        Box::pin(async { answer.map(|()| Bytes::new()) })
    }
}

fn traces(metrics: &Metrics) -> Traces {
    let endpoint = Uri::from_static("http://127.0.0.1:4318/v1/traces");
    Traces::new(&settings::Traces { endpoint, per_second: 2 }, metrics)
}

fn sender<'a>(traces: &'a Traces, client: &'a Collector) -> Sender<'a> {
    Sender { traces, client, untaken: None, is_broken: false }
}

fn record(traces: &Traces) {
    traces.spans().record(&[Span {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap(),
        span_id: "00f067aa0ba902b7".parse().unwrap(),
        parent_id: None,
        name: "GET".into(),
        kind: Kind::Server,
        began: UnixTime::from_secs(1),
        took: Duration::from_millis(1),
        attributes: Vec::new(),
        events: Vec::new(),
        error: None,
    }]);
}

fn context(parent: Option<&str>, flags: u8) -> TraceContext {
    TraceContext {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap(),
        span_id: "00f067aa0ba902b7".parse().unwrap(),
        parent_id: parent.map(|parent| parent.parse().unwrap()),
        flags,
    }
}

fn spans(metrics: &Metrics, result: &str) -> String {
    let name = format!("headgate_telemetry_spans_total{{result=\"{result}\"}} ");
    let text = metrics.exporter().render();
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().to_owned()
}

#[test]
fn trace_of_a_trusted_peer_is_sent_as_that_peer_has_decided() {
    let traces = traces(&Metrics::new());
    for flags in [0, SAMPLED, RANDOM_TRACE_ID, SAMPLED | RANDOM_TRACE_ID] {
        let mut context = context(Some("00f067aa0ba902b8"), flags);
        for _ in 0..100 {
            traces.sample(&mut context, Moment::ZERO);
        }
        assert_eq!(context.flags, flags);
    }
}

#[test]
fn of_traces_that_begin_here_so_many_a_second_are_sent() {
    let traces = traces(&Metrics::new());
    let second = |number: u64| Moment::from(Duration::from_secs(number));
    let sampled = |number: u64| {
        let sampled = (0..1_000).filter(|_| {
            let mut context = context(None, SAMPLED | RANDOM_TRACE_ID);
            traces.sample(&mut context, second(number));
            assert_ne!(context.flags & RANDOM_TRACE_ID, 0);
            context.is_sampled()
        });
        sampled.count()
    };
    sampled(100);
    let later: usize = (101..111).map(sampled).sum();
    assert!((1..=100).contains(&later), "{later} in ten seconds");
}

#[tokio::test]
async fn all_that_waits_is_sent_in_one_request() {
    let (metrics, collector) = (Metrics::new(), Collector::default());
    let traces = traces(&metrics);
    let mut sender = sender(&traces, &collector);
    assert_eq!(sender.round().await, SEND_EVERY);
    assert!(collector.got.lock().is_empty());
    record(&traces);
    record(&traces);
    assert_eq!(sender.round().await, SEND_EVERY);
    let got = collector.got.lock();
    assert_eq!((got.len(), &got[0].0), (1, &traces.endpoint));
    assert_eq!(spans(&metrics, "exported"), "2");
}

#[tokio::test]
async fn spans_that_are_not_taken_are_sent_again_until_they_are_lost() {
    let (metrics, collector) = (Metrics::new(), Collector::default());
    let down = || Err(FetchError::Connect(io::ErrorKind::ConnectionRefused.into()));
    collector.answers.lock().extend((0..SENDS_MAX).map(|_| down()));
    let traces = traces(&metrics);
    let mut sender = sender(&traces, &collector);
    record(&traces);
    let mut waits = Vec::new();
    for _ in 0..SENDS_MAX {
        waits.push(sender.round().await.as_secs());
        // What comes meanwhile waits in its own place.
        record(&traces);
    }
    assert_eq!(waits, [2, 4, 8, 16, 1]);
    assert_eq!((spans(&metrics, "dropped"), spans(&metrics, "exported")), ("1".into(), "4".into()));
    let got = collector.got.lock().clone();
    assert!(got[1..5].iter().all(|(_, body)| *body == got[0].1));
    assert_eq!(sender.round().await, SEND_EVERY);
    assert_eq!(spans(&metrics, "exported"), "5");
}

#[tokio::test]
async fn spans_that_a_collector_refuses_for_good_are_not_sent_again() {
    let (metrics, collector) = (Metrics::new(), Collector::default());
    collector.answers.lock().push_back(Err(FetchError::Status(StatusCode::BAD_REQUEST)));
    let traces = traces(&metrics);
    record(&traces);
    assert_eq!(sender(&traces, &collector).round().await, SEND_EVERY);
    assert_eq!(collector.got.lock().len(), 1);
    assert_eq!(spans(&metrics, "dropped"), "1");
}
