use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use headgate_types::{Moment, Outcome, UnixTime};

use super::*;
use crate::{
    access::{Journal, Members, Request},
    labels::Listener,
    trace::{self, Peer, TraceContext},
};

const LONG: Duration = Duration::from_secs(20);

fn record(log: &Log, path: &str) {
    let headers = http::HeaderMap::new();
    let trace: TraceContext = trace::accept(Peer::Untrusted, &headers).context;
    log.record(&Line {
        time: UnixTime::from_secs(1),
        trace: &trace,
        untrusted_parent: None,
        request: Request {
            client: &Members::of_client("127.0.0.1:1".parse().unwrap(), Listener::Plain),
            version: http::Version::HTTP_11,
            method: "GET",
            host: None,
            path,
        },
        outcome: Outcome::Ok,
        status: Some(200),
        code: None,
        route: None,
        device: None,
        priority: None,
        identity: None,
        probe: None,
        rulings: &[],
        attempts: &[],
        request_bytes: 0,
        response_bytes: 0,
        duration: Duration::ZERO,
        journal: &Journal::start(Moment::ZERO),
        config: &Members::of(&[]),
    });
}

fn lines(metrics: &Metrics, result: &str) -> u64 {
    let sample = format!("headgate_telemetry_access_lines_total{{result=\"{result}\"}} ");
    let text = metrics.exporter().render();
    text.lines().find_map(|line| line.strip_prefix(&sample)).unwrap().parse().unwrap()
}

/// Collects what is written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says when it is about to write, and does so, or fails, when it is told.
struct Gate {
    waits: SyncSender<()>,
    go: Receiver<io::Result<()>>,
    memory: Memory,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nobody counts more than the first few.
        self.waits.try_send(()).unwrap_or_default();
        self.go.recv().map_err(io::Error::other)??;
        self.memory.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Gated {
    log: Log,
    writer: Writer,
    metrics: Metrics,
    memory: Memory,
    waits: Receiver<()>,
    go: SyncSender<io::Result<()>>,
}

fn gated() -> Gated {
    let (waiting, waits) = sync_channel(64);
    let (go, going) = sync_channel(64);
    let (metrics, memory) = (Metrics::new(), Memory::default());
    let gate = Gate { waits: waiting, go: going, memory: memory.clone() };
    let (log, writer) = Log::start(gate, &metrics).unwrap();
    Gated { log, writer, metrics, memory, waits, go }
}

#[test]
fn lines_are_written_in_order() {
    let (metrics, memory) = (Metrics::new(), Memory::default());
    let (log, writer) = Log::start(memory.clone(), &metrics).unwrap();
    for number in 0..1_000 {
        record(&log, &format!("/{number}"));
    }
    assert!(writer.close(LONG));
    let text = memory.text();
    let paths: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["path"].clone())
        .collect();
    let expected: Vec<_> = (0..1_000).map(|number| format!("/{number}")).collect();
    assert_eq!(paths, expected);
    assert_eq!([lines(&metrics, "written"), lines(&metrics, "dropped")], [1_000, 0]);
}

#[test]
fn lines_above_a_full_buffer_are_dropped_and_counted() {
    let Gated { log, writer, metrics, waits, go, .. } = gated();
    record(&log, "/first");
    waits.recv().unwrap();
    // The writer holds the first line and waits, so that nothing empties the buffer meanwhile.
    let mut taken = 1;
    while log.dropped() == 0 {
        record(&log, "/");
        taken += 1;
    }
    taken -= 1;
    for _ in 0..6 {
        record(&log, "/");
    }
    assert_eq!(log.dropped(), 7);
    let shortest_line = 200;
    assert!(taken * shortest_line < BUFFER_BYTES_MAX, "{taken}");
    let bytes: usize = log.shared.buffers.iter().map(|buffer| buffer.0.lock().bytes.len()).sum();
    assert!((BUFFER_BYTES_MAX..BUFFER_BYTES_MAX + 1_024).contains(&bytes), "{bytes}");
    go.send(Ok(())).unwrap();
    go.send(Ok(())).unwrap();
    assert!(writer.close(LONG));
    assert_eq!([lines(&metrics, "written"), lines(&metrics, "dropped")], [taken as u64, 7]);
}

#[test]
fn thread_whose_buffer_is_held_takes_the_next() {
    let Gated { log, writer, metrics, waits, go, .. } = gated();
    record(&log, "/first");
    waits.recv().unwrap();
    let held: Vec<_> = log.shared.buffers.iter().map(|buffer| buffer.0.lock()).collect();
    record(&log, "/dropped");
    assert_eq!(log.dropped(), 1);
    let place = PLACE.with(|place| *place);
    let others = held.into_iter().enumerate().filter(|(index, _)| *index != (place + 1) % BUFFERS);
    let still_held: Vec<_> = others.collect();
    record(&log, "/next");
    assert_eq!(log.dropped(), 1);
    drop(still_held);
    go.send(Ok(())).unwrap();
    go.send(Ok(())).unwrap();
    assert!(writer.close(LONG));
    assert_eq!([lines(&metrics, "written"), lines(&metrics, "dropped")], [2, 1]);
}

#[test]
fn every_line_of_every_thread_is_written_or_counted() {
    let (metrics, memory) = (Metrics::new(), Memory::default());
    let (log, writer) = Log::start(memory.clone(), &metrics).unwrap();
    let (threads, each) = (2 * BUFFERS as u64, 200);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..each).for_each(|_| record(&log, "/")));
        }
        // Races with the threads: what comes too late must be counted.
        assert!(writer.close(LONG));
    });
    let written = memory.text().lines().count() as u64;
    assert_eq!(written, lines(&metrics, "written"));
    assert_eq!(written + log.dropped(), threads * each);
}

#[test]
fn blocked_sink_does_not_hold_up_the_close() {
    let Gated { log, writer, waits, go, .. } = gated();
    record(&log, "/");
    waits.recv().unwrap();
    assert!(!writer.close(Duration::from_millis(1)));
    drop(go);
}

#[test]
fn broken_sink_costs_its_lines_and_is_tried_again() {
    let Gated { log, writer, metrics, memory, waits, go } = gated();
    record(&log, "/lost");
    waits.recv().unwrap();
    go.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    record(&log, "/kept");
    waits.recv().unwrap();
    go.send(Ok(())).unwrap();
    assert!(writer.close(LONG));
    assert!(memory.text().contains("/kept") && !memory.text().contains("/lost"));
    assert_eq!([lines(&metrics, "written"), lines(&metrics, "dropped")], [1, 1]);
}

#[test]
fn lines_after_the_close_are_dropped() {
    let (metrics, memory) = (Metrics::new(), Memory::default());
    let (log, writer) = Log::start(memory.clone(), &metrics).unwrap();
    assert!(writer.close(LONG));
    record(&log, "/");
    assert_eq!(log.dropped(), 1);
    assert_eq!(memory.text(), "");
}

#[test]
fn dropping_the_writer_closes_the_log() {
    let (metrics, memory) = (Metrics::new(), Memory::default());
    let (log, writer) = Log::start(memory, &metrics).unwrap();
    drop(writer);
    // Nobody waits for the close, so the first lines may still come before it.
    while log.dropped() == 0 {
        record(&log, "/");
    }
}

#[test]
fn the_writer_rests_less_the_more_there_is_to_write() {
    let busy = rest_after(WRITE_INTERVAL, BATCH_BYTES * 5);
    assert_eq!(busy, WRITE_INTERVAL / 5);
    assert_eq!(rest_after(busy, BATCH_BYTES), busy, "as much as wanted: it stays");
    assert_eq!(rest_after(busy, BUFFER_BYTES_MAX), WRITE_INTERVAL_MIN);
    assert_eq!(rest_after(WRITE_INTERVAL_MIN, 0), WRITE_INTERVAL);
}
