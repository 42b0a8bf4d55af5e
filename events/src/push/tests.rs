use std::collections::BTreeMap;

use headgate_types::{Event, Root, SpanId};
use parking_lot::Mutex as Lock;
use proptest::prelude::*;

use super::*;
use crate::{Answer, Bounds, Follower, Member, Message, Place, Topic};

/// A log of one partition whose reads can be given up at, and which tells how many there were.
#[derive(Debug, Default)]
struct OneTopic {
    entries: Lock<Vec<Entry>>,
    first: Lock<u64>,
    changed: Arc<tokio::sync::Notify>,
    reads: std::sync::atomic::AtomicU64,
}

impl OneTopic {
    fn push(&self, owner: Option<&str>, id: u64) {
        let mut entries = self.entries.lock();
        let offset = u64::try_from(entries.len()).unwrap();
        let value = event(owner, id).encode().unwrap();
        entries.push(Entry {
            partition: 0,
            offset,
            time: UnixTime::from_secs(1),
            key: None,
            headers: Vec::new(),
            value,
        });
        drop(entries);
        self.changed.notify_waiters();
    }

    fn part(&self, from: u64, rows: usize) -> Vec<Entry> {
        let from = usize::try_from(from.max(*self.first.lock())).unwrap();
        self.entries.lock().iter().skip(from).take(rows).cloned().collect()
    }
}

fn event(owner: Option<&str>, id: u64) -> Event {
    let root = Root {
        id: id.to_string().into(),
        source: "/hg/x".into(),
        kind: RESULT_KIND.into(),
        partition_key: owner.unwrap_or("none").into(),
        time: UnixTime::from_secs(1),
        trace_id: TraceId::from_bytes([7; 16]).unwrap(),
        span_id: SpanId::from_bytes([9; 8]).unwrap(),
    };
    let mut event = Event::root(root, Bytes::from_static(b"{}"));
    event.owner = owner.map(Into::into);
    event
}

#[derive(Debug)]
struct Following1 {
    log: Arc<OneTopic>,
    next: u64,
}

impl Follower for Following1 {
    fn next(&mut self) -> Answer<'_, Vec<Entry>> {
        Box::pin(async {
            loop {
                let changed = Arc::clone(&self.log.changed);
                let mut changed = std::pin::pin!(changed.notified());
                changed.as_mut().enable();
                let entries = self.log.part(self.next, 3);
                if let Some(last) = entries.last() {
                    self.next = last.offset + 1;
                    return Ok(entries);
                }
                changed.await;
            }
        })
    }
}

/// The same log as a handle.
#[derive(Debug, Clone)]
struct Handle(Arc<OneTopic>);

fn nobody_asks<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(std::future::ready(Err(LogError::Invalid("nobody asks this".to_owned()))))
}

impl Log for Handle {
    fn ensure<'a>(&'a self, _topics: &'a [Topic]) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn append(&self, _messages: Vec<Message>) -> Answer<'_, Vec<Place>> {
        nobody_asks()
    }

    fn read<'a>(
        &'a self,
        _topic: &'a str,
        _partition: u32,
        from: u64,
        rows: usize,
    ) -> Answer<'a, Vec<Entry>> {
        self.0.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Few at once, so that a reader comes nearer step by step.
        Box::pin(std::future::ready(Ok(self.0.part(from, rows.min(2)))))
    }

    fn bounds<'a>(&'a self, _topic: &'a str) -> Answer<'a, Option<Vec<Bounds>>> {
        let next = u64::try_from(self.0.entries.lock().len()).unwrap();
        let first = *self.0.first.lock();
        Box::pin(std::future::ready(Ok(Some(vec![Bounds { first, next }]))))
    }

    fn topics(&self) -> Answer<'_, Vec<String>> {
        nobody_asks()
    }

    fn offsets<'a>(&'a self, _group: &'a str, _topic: &'a str) -> Answer<'a, Vec<Option<u64>>> {
        nobody_asks()
    }

    fn groups<'a>(&'a self, _topic: &'a str) -> Answer<'a, Vec<String>> {
        nobody_asks()
    }

    fn reset<'a>(
        &'a self,
        _group: &'a str,
        _topic: &'a str,
        _partition: u32,
        _offset: u64,
    ) -> Answer<'a, ()> {
        nobody_asks()
    }

    fn delete<'a>(&'a self, _topic: &'a str) -> Answer<'a, ()> {
        nobody_asks()
    }

    fn join<'a>(&'a self, _group: &'a str, _topic: &'a str) -> Answer<'a, Box<dyn Member>> {
        nobody_asks()
    }

    fn follow<'a>(&'a self, _topic: &'a str, from: &'a [u64]) -> Answer<'a, Box<dyn Follower>> {
        let follower = Following1 { log: Arc::clone(&self.0), next: from[0] };
        Box::pin(std::future::ready(Ok(Box::new(follower) as Box<dyn Follower>)))
    }
}

fn hub(log: &Arc<OneTopic>) -> PushHub {
    PushHub::new(Arc::new(Handle(Arc::clone(log))), Topics::default(), None)
}

async fn subscribe(
    hub: &PushHub,
    owner: &str,
    from: Following,
    waiting_max: usize,
) -> Subscription {
    let wanted = Subscribe { owner, from, waiting_max, on_cut: Box::new(|| {}) };
    hub.subscribe(wanted).await.unwrap()
}

async fn id(subscription: &mut Subscription) -> String {
    match subscription.next().await.unwrap() {
        Next::Pushed(pushed) => pushed.id.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Lets the hub take in what stands.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn owner_gets_his_own_from_now_on() {
    let log = Arc::<OneTopic>::default();
    log.push(Some("ann"), 0);
    let hub = hub(&log);
    let running = tokio::spawn({
        let hub = hub.clone();
        async move { hub.run().await }
    });
    let mut ann = subscribe(&hub, "ann", Following::Now, 10).await;
    settle().await;
    assert_eq!(ann.position(), 1);
    // Joined by the first wait, given up.
    assert!(tokio::time::timeout(Duration::from_millis(1), ann.next()).await.is_err());
    log.push(Some("bob"), 1);
    log.push(None, 2);
    log.push(Some("ann"), 3);
    assert_eq!(id(&mut ann).await, "3");
    assert_eq!(ann.position(), 4);
    running.abort();
}

#[tokio::test]
async fn place_that_is_gone_is_a_gap_and_one_of_another_log_too() {
    let log = Arc::<OneTopic>::default();
    (0..6).for_each(|id| log.push(Some("ann"), id));
    *log.first.lock() = 3;
    let hub = hub(&log);
    let running = tokio::spawn({
        let hub = hub.clone();
        async move { hub.run().await }
    });
    for from in [1, 99] {
        let mut ann = subscribe(&hub, "ann", Following::From(from), 10).await;
        assert_eq!(ann.next().await.unwrap(), Next::Gap, "{from}");
        assert_eq!(id(&mut ann).await, "3");
    }
    // Whoever asks for all that is kept misses nothing.
    let mut all = subscribe(&hub, "ann", Following::From(0), 10).await;
    assert_eq!(id(&mut all).await, "3");
    running.abort();
}

#[tokio::test]
async fn who_reads_too_slowly_is_cut_off_and_forgotten() {
    let log = Arc::<OneTopic>::default();
    let hub = hub(&log);
    let running = tokio::spawn({
        let hub = hub.clone();
        async move { hub.run().await }
    });
    let mut slow = subscribe(&hub, "ann", Following::Now, 2).await;
    assert!(tokio::time::timeout(Duration::from_millis(1), slow.next()).await.is_err());
    (0..3).for_each(|id| log.push(Some("ann"), id));
    settle().await;
    assert_eq!(slow.next().await.unwrap(), Next::CutOff);
    let place = slow.position();
    drop(slow);
    let mut again = subscribe(&hub, "ann", Following::From(place), 2).await;
    for expected in ["0", "1", "2"] {
        assert_eq!(id(&mut again).await, expected);
    }
    assert_eq!(log.reads.load(std::sync::atomic::Ordering::Relaxed), 0, "memory had it");
    running.abort();
}

#[test]
fn entry_that_a_relay_wrote_twice_is_given_once() {
    let mut lane = Lane::new(0);
    let mailbox = Arc::new(Mailbox::new(8, OnCut(Box::new(|| {}))));
    assert_eq!(lane.join(&"ann".into(), 0, &mailbox).unwrap().len(), 0);
    let pushed = |position: u64, id: &str| {
        let owner = Some("ann");
        let entry = event(owner, 0);
        Some(Pushed {
            position,
            kind: PushedKind::Result,
            id: id.into(),
            trace: entry.trace_id,
            time: entry.time,
            data: entry.data,
            owner: "ann".into(),
        })
    };
    assert_eq!(lane.take(0, pushed(0, "a")).sent, 1);
    assert_eq!(lane.take(1, pushed(1, "a")).sent, 0);
    assert_eq!(lane.take(2, pushed(2, "b")).sent, 1);
    assert_eq!(lane.take(2, pushed(2, "b")).sent, 0, "and so is one that is followed again");
    assert_eq!(lane.next(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However pushes, connections that drop, and a hub that starts anew interleave, an owner sees
    /// each of his once, in order.
    #[test]
    fn nothing_is_missed_and_nothing_comes_twice(
        steps in prop::collection::vec((0_u8..6, 0_u8..3), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let log = Arc::<OneTopic>::default();
            let mut hub = hub(&log);
            let start = |hub: &PushHub| {
                let hub = hub.clone();
                tokio::spawn(async move { hub.run().await })
            };
            let mut running = start(&hub);
            let owners = ["ann", "bob", "cem"];
            let mut expected: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            let mut seen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            let mut places: BTreeMap<&str, u64> = BTreeMap::new();
            let mut open: BTreeMap<&str, Subscription> = BTreeMap::new();
            let mut number = 0;
            for (step, which) in steps {
                let owner = owners[usize::from(which)];
                match step {
                    0..=2 => {
                        log.push(Some(owner), number);
                        expected.entry(owner).or_default().push(number.to_string());
                        number += 1;
                    }
                    3 => {
                        let from = Following::From(places.get(owner).copied().unwrap_or(0));
                        open.insert(owner, subscribe(&hub, owner, from, 1_000).await);
                    }
                    4 => {
                        settle().await;
                        let Some(subscription) = open.get_mut(owner) else { continue };
                        let short = Duration::from_micros(50);
                        while let Ok(Ok(Next::Pushed(pushed))) =
                            tokio::time::timeout(short, subscription.next()).await
                        {
                            seen.entry(owner).or_default().push(pushed.id.to_string());
                            places.insert(owner, pushed.position + 1);
                        }
                    }
                    _ => {
                        // As a node that is killed: every connection with it.
                        running.abort();
                        open.clear();
                        hub = self::hub(&log);
                        running = start(&hub);
                    }
                }
            }
            for owner in owners {
                let from = Following::From(places.get(owner).copied().unwrap_or(0));
                let mut subscription = subscribe(&hub, owner, from, 1_000).await;
                let wanted = expected.remove(owner).unwrap_or_default();
                let seen = seen.entry(owner).or_default();
                while seen.len() < wanted.len() {
                    seen.push(id(&mut subscription).await);
                }
                assert_eq!(*seen, wanted, "{owner}");
            }
            running.abort();
        });
    }
}
