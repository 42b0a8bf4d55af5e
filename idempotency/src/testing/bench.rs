//! What a fact needs: records in names of their own, and a clock to move.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headgate_store::{Content, Item, Key};
use headgate_types::{Clock, UnixTime};

use crate::{
    Child, Claim, Claimed, Commit, Committed, Fingerprint, Held, Once, OsRandom, Owner, Random,
    RecordKey, Recorded, Records, Scope, Seen, Settings, StateWrite, Ticket, Uncommitted,
    testing::{suite::Subject, time::ManualClock},
};

pub(super) const LEASE: Duration = Duration::from_secs(30);
pub(super) const TTL: Duration = Duration::from_hours(1);
/// The key that facts are about.
pub(super) const KEY: &str = "order-7";

pub(super) struct Bench<'a> {
    subject: &'a dyn Subject,
    pub(super) clock: Arc<ManualClock>,
    pub(super) records: Records,
    name: String,
}

impl<'a> Bench<'a> {
    pub(super) fn new(subject: &'a dyn Subject) -> Self {
        let clock = Arc::new(ManualClock::new());
        let records = Records::new(
            subject.store(),
            Arc::<ManualClock>::clone(&clock),
            Arc::new(OsRandom),
            Settings::default(),
        );
        let name = format!("suite-{:x}", OsRandom.bits());
        Self { subject, clock, records, name }
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.unix_time()
    }

    /// Lets a lease run out by every clock.
    pub(super) fn pass_lease(&self) {
        self.clock.advance(LEASE + Settings::default().skew + Duration::from_millis(1));
    }

    pub(super) fn key(&self) -> RecordKey {
        let scope = Scope::new(&self.name).expect("the name is plain");
        RecordKey::new(&scope, KEY).expect("the key is short")
    }

    pub(super) fn claim(&self) -> Claim {
        let fingerprint = Fingerprint::of_bytes(b"payload");
        Claim {
            lease: LEASE,
            ttl: TTL,
            ..Claim::new(self.key(), fingerprint, &Settings::default())
        }
    }

    pub(super) async fn claimed(&self, claim: Claim) -> Claimed {
        self.records.claim(claim).await.expect("the store answers")
    }

    /// A claim that must be won.
    pub(super) async fn run(&self, claim: Claim) -> Ticket {
        match self.claimed(claim).await {
            Claimed::Run(ticket) => ticket,
            other => panic!("the key is free, but the claim is answered {other:?}"),
        }
    }

    /// A claim that must be answered with an outcome.
    pub(super) async fn replay(&self) -> Recorded {
        match self.claimed(self.claim()).await {
            Claimed::Replay(recorded) => recorded,
            other => panic!("the key has an outcome, but the claim is answered {other:?}"),
        }
    }

    /// A claim that must be told to wait.
    pub(super) async fn busy(&self, claim: Claim) -> UnixTime {
        match self.claimed(claim).await {
            Claimed::Busy { until } => until,
            other => panic!("the key is busy, but the claim is answered {other:?}"),
        }
    }

    /// A claim that must be told that a person is asked for.
    pub(super) async fn held(&self, claim: Claim) -> Held {
        match self.claimed(claim).await {
            Claimed::Held(held) => held,
            other => panic!("the key is held, but the claim is answered {other:?}"),
        }
    }

    pub(super) async fn once(&self, commit: Commit) -> Once {
        self.records.once(self.claim(), commit).await.expect("the store answers")
    }

    /// The topic, the queue and the group of this fact.
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    pub(super) fn state_key(&self) -> Key {
        Key::new("state", self.name.clone())
    }

    pub(super) async fn state(&self) -> Option<Item> {
        self.subject.store().get(&self.state_key()).await.expect("the store answers")
    }

    pub(super) async fn emitted(&self) -> Vec<Bytes> {
        self.subject.emitted(&self.name).await.expect("the store answers")
    }

    pub(super) async fn delayed(&self) -> Vec<Bytes> {
        self.subject.delayed(&self.name).await.expect("the store answers")
    }

    pub(super) fn keeps_offsets(&self) -> bool {
        self.subject.keeps_offsets()
    }

    pub(super) async fn offset(&self) -> Option<u64> {
        if !self.keeps_offsets() {
            return None;
        }
        let store = self.subject.store();
        store.offset(&self.name, &self.name, 0).await.expect("the store answers")
    }

    pub(super) fn child(&self, payload: &'static str) -> Child {
        Child {
            id: format!("{}-{payload}", Self::fresh()),
            topic: self.name.clone(),
            partition: 0,
            time: self.now(),
            payload: payload.into(),
        }
    }

    fn fresh() -> String {
        format!("{:?}", Owner::draw(&OsRandom))
    }

    pub(super) fn write(&self, seen: Seen, value: &'static str) -> StateWrite {
        let content = Content { value: value.into(), ..Content::default() };
        StateWrite { key: self.state_key(), seen, content: Some(content) }
    }

    /// A result, a state and a child of the same text.
    pub(super) fn commit(&self, seen: Seen, text: &'static str) -> Commit {
        Commit {
            state: vec![self.write(seen, text)],
            emit: vec![self.child(text)],
            ..Commit::new(text)
        }
    }

    /// What [`commit`](Self::commit) wrote, and nothing else, is there.
    pub(super) async fn only(&self, text: &'static str) {
        assert_eq!(self.state().await.map(|item| item.content.value), Some(text.into()));
        assert_eq!(self.emitted().await, [text], "one child");
    }

    /// Nothing but records was written.
    pub(super) async fn nothing(&self) {
        assert_eq!(self.state().await, None, "no state");
        assert!(self.emitted().await.is_empty(), "no child");
        assert_eq!(self.offset().await, None, "no offset");
    }
}

/// The error of a commit that must be refused for good.
pub(super) fn fenced(result: Result<Committed, Uncommitted>) {
    let uncommitted = result.expect_err("the worker is fenced");
    assert!(matches!(uncommitted.error, crate::CommitError::Fenced), "{uncommitted:?}");
    assert!(uncommitted.ticket.is_none(), "the ticket is worth nothing");
}
