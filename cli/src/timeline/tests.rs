use std::time::Duration;

use headgate_store::Settings;
use tokio::time::{Instant, sleep};

use super::*;
use crate::testing::{SharedLog, loaded};

/// How long an entry may take to be in the log, on a machine that does something else.
const PATIENCE: Duration = Duration::from_secs(20);

/// Edges of one log.
struct Fleet {
    own: SharedLog,
    stop: watch::Sender<bool>,
}

impl Fleet {
    fn new() -> Self {
        Self { own: SharedLog::new(), stop: watch::channel(false).0 }
    }

    fn edge(&self, node: &str, store: Option<&Store>) -> Timeline {
        let running = Running::new(Arc::new(loaded()), self.own.clock.unix_time());
        let running = watch::channel(Arc::new(running)).1;
        let home = (Arc::clone(&self.own.log), Topic::timeline(None));
        let timeline = Timeline::new(store, (node.to_owned(), &running), &self.own.clock)
            .shared(Some(home), &Metrics::new());
        tokio::spawn(timeline.task().unwrap()(self.stop.subscribe()));
        timeline
    }
}

fn entry(kind: &str, what: &str) -> HistoryEntry {
    HistoryEntry { kind: kind.to_owned(), what: what.to_owned(), ..HistoryEntry::default() }
}

fn ask() -> HistoryAsk {
    HistoryAsk { since: Duration::from_hours(1), ..HistoryAsk::default() }
}

/// What an edge tells, each entry as its node and what it is about.
async fn told(timeline: &Timeline, ask: HistoryAsk) -> Vec<String> {
    let page = timeline.read(ask).await;
    assert_eq!(page.fault, None);
    let told = |entry: HistoryEntry| format!("{} {}", entry.node.unwrap_or_default(), entry.what);
    page.entries.into_iter().map(told).collect()
}

/// Waits until an edge tells this.
async fn tells(timeline: &Timeline, expected: &[&str]) {
    let ends = Instant::now() + PATIENCE;
    loop {
        let told = told(timeline, ask()).await;
        if told == expected {
            return;
        }
        assert!(Instant::now() < ends, "{told:?} and not {expected:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edges_tell_each_others_entries_once() {
    let fleet = Fleet::new();
    let (one, other) = (fleet.edge("one", None), fleet.edge("other", None));

    one.write(vec![entry("config", "a")]).await;
    tells(&other, &["one a"]).await;
    other.write(vec![entry("breaker", "b"), entry("overlay", "edge.timeout")]).await;

    tells(&one, &["one a", "other b"]).await;
    tells(&other, &["one a", "other b", "other edge.timeout"]).await;
    let digest = one.running.borrow().loaded.digest.clone();
    let entries = other.read(ask()).await.entries;
    assert!(entries.iter().all(|entry| entry.digest.as_ref() == Some(&digest)), "{entries:?}");
    let of_one = HistoryAsk { nodes: vec!["one".to_owned()], ..ask() };
    assert_eq!(told(&other, of_one).await, ["one a"]);
    let breakers = HistoryAsk { kinds: vec!["breaker".to_owned()], ..ask() };
    assert_eq!(told(&one, breakers).await, ["other b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edge_knows_its_own_entries_after_a_restart_under_another_name() {
    let fleet = Fleet::new();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &Settings::default()).unwrap();
    let other = fleet.edge("other", None);
    let before = fleet.edge("one:1", Some(&store));
    before.write(vec![entry("start", "a")]).await;
    tells(&other, &["one:1 a"]).await;

    let after = fleet.edge("one:2", Some(&store));
    after.write(vec![entry("start", "b")]).await;

    tells(&after, &["one:1 a", "one:2 b"]).await;
    tells(&other, &["one:1 a", "one:2 b"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_log_an_edge_tells_its_own() {
    let fleet = Fleet::new();
    let mut alone = fleet.edge("one", None);
    alone.shared = None;
    alone.write(vec![entry("config", "a")]).await;
    assert_eq!(told(&alone, ask()).await, ["one a"]);
    assert!(alone.task().is_none());
}
