use headgate_config::Overlay;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::{
    clock::SystemClock,
    testing::{SharedLog, loaded},
};

/// Edges of one log.
struct Fleet {
    own: SharedLog,
    running: JoinSet<()>,
}

impl Fleet {
    fn new() -> Self {
        Self { own: SharedLog::new(), running: JoinSet::new() }
    }

    fn home(&self) -> Home {
        Home::Log(Arc::clone(&self.own.log), Topic::control(None), "embedded")
    }

    /// An edge that begins with what it has folded, and has caught up.
    async fn edge(&mut self, node: &str, folded: Folded) -> Control {
        let control = made(self.home(), &self.own.clock, node, folded);
        let follower = control.clone();
        self.running.spawn(async move { follower.run().await });
        let mut folded = control.inner.folded.subscribe();
        folded.wait_for(Option::is_some).await.unwrap();
        control
    }
}

fn made(home: Home, clock: &Arc<dyn Clock>, node: &str, folded: Folded) -> Control {
    let loader = (Handle::willing(loaded()), Past::default());
    Control::new(home, loader, folded, (Arc::clone(clock), node.to_owned()))
}

fn by(actor: &str, expect: Option<u64>) -> ChangedBy {
    ChangedBy { actor: actor.to_owned(), reason: "INC-7".to_owned(), expect }
}

fn wish(key: &str, by: ChangedBy) -> OverlayWish {
    let lifetime = Duration::from_hours(1);
    OverlayWish { key: key.to_owned(), value: json!("2s"), lifetime, by }
}

/// An overlay of before there was a log.
fn kept(id: u64, key: &str) -> Overlay {
    Overlay {
        id,
        key: key.to_owned(),
        value: json!("2s"),
        actor: "ada".to_owned(),
        reason: "INC-6".to_owned(),
        since: UnixTime::from_secs(1),
        expires: UnixTime::from_secs(u64::from(u32::MAX)),
    }
}

fn unfolded(overlays: Vec<Overlay>) -> Folded {
    Folded { unfolded: overlays, ..Folded::default() }
}

/// Waits until an edge has a version in force.
async fn reaches(control: &Control, version: u64) {
    let mut running = control.inner.loader.running();
    running.wait_for(|running| running.version == version).await.unwrap();
}

/// Numbers and keys of what is in force.
fn keys(control: &Control) -> Vec<(u64, String)> {
    control.list().into_iter().map(|overlay| (overlay.id, overlay.key)).collect()
}

#[tokio::test]
async fn change_at_one_edge_is_in_force_at_all() {
    let mut fleet = Fleet::new();
    let one = fleet.edge("one", Folded::default()).await;
    let other = fleet.edge("other", Folded::default()).await;

    let overlay = one.set(wish("edge.timeout", by("ada", None))).await.unwrap();
    reaches(&other, 1).await;
    assert_eq!(keys(&other), [(overlay.id, "edge.timeout".to_owned())]);
    let ended = other.unset(overlay.id, by("bob", Some(1))).await.unwrap();
    assert_eq!((ended.actor.as_str(), other.list()), ("ada", Vec::new()));

    reaches(&one, 2).await;
    assert_eq!(one.list(), Vec::new());
    let late = fleet.edge("late", Folded::default()).await;
    assert_eq!(late.control(), one.control());
    assert_eq!((late.control().version, late.control().fault), (2, None));
}

#[tokio::test]
async fn whoever_expected_another_version_is_told_who_was_first() {
    let mut fleet = Fleet::new();
    let one = fleet.edge("one", Folded::default()).await;
    one.set(wish("edge.timeout", by("ada", Some(0)))).await.unwrap();

    let refused = one.set(wish("edge.max_body", by("bob", Some(0)))).await.unwrap_err();

    let OverlayError::Conflict { expected: 0, stands } = refused else { panic!("{refused:?}") };
    assert_eq!(
        (stands.version, stands.actor.as_str(), stands.reason.as_str()),
        (1, "ada", "INC-7")
    );
    assert_eq!(one.control().version, 1);
    assert!(one.unset(1, by("bob", Some(0))).await.is_err());
    assert!(one.rollback(0, by("bob", Some(0))).await.is_err());
}

#[tokio::test]
async fn changes_of_other_keys_are_in_nobodys_way() {
    let mut fleet = Fleet::new();
    let one = fleet.edge("one", Folded::default()).await;
    let other = fleet.edge("other", Folded::default()).await;

    let all = (0..4).flat_map(|number| {
        let key = |edge: &str| format!("{edge}.{number}");
        [
            one.set(wish(&key("one"), by("ada", None))),
            other.set(wish(&key("other"), by("bob", None))),
        ]
    });
    let all: JoinSet<_> = all.collect();

    let done = all.join_all().await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    reaches(&one, 8).await;
    reaches(&other, 8).await;
    assert_eq!(keys(&one), keys(&other));
    let ids: Vec<_> = keys(&one).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn rollback_restores_a_version_on_all_edges() {
    let mut fleet = Fleet::new();
    let one = fleet.edge("one", Folded::default()).await;
    let other = fleet.edge("other", Folded::default()).await;
    for key in ["edge.timeout", "edge.max_body"] {
        one.set(wish(key, by("ada", None))).await.unwrap();
    }
    one.unset(1, by("ada", None)).await.unwrap();
    reaches(&other, 3).await;

    let done = other.rollback(2, by("eve", None)).await.unwrap();

    assert_eq!((done.version, done.set.len(), done.unset.len()), (4, 1, 0));
    reaches(&one, 4).await;
    assert_eq!(keys(&one), [(1, "edge.timeout".to_owned()), (2, "edge.max_body".to_owned())]);
    assert_eq!(one.rollback(2, by("eve", None)).await.unwrap().version, 4, "nothing to change");
    assert_eq!(one.rollback(5, by("eve", None)).await, Err(OverlayError::NoVersion));
    let done = one.rollback(0, by("eve", None)).await.unwrap();
    assert_eq!((done.version, done.unset.len()), (5, 2));
    let page = one.versions(VersionsAsk { before: Some(5), limit: 2 }).await.unwrap();
    let told: Vec<_> =
        page.versions.iter().map(|it| (it.version, it.action.as_str(), it.node.as_str())).collect();
    assert_eq!(told, [(3, "unset", "one"), (4, "rollback", "other")]);
    assert_eq!((page.next, page.versions[0].unset[0].key.as_str()), (Some(3), "edge.timeout"));
    let older = one.versions(VersionsAsk { before: page.next, limit: 2 }).await.unwrap();
    assert_eq!((older.versions.len(), older.next), (2, None));
}

#[tokio::test]
async fn what_edges_kept_before_is_taken_over_once() {
    let mut fleet = Fleet::new();
    let one = fleet.edge("one", unfolded(vec![kept(3, "edge.timeout")])).await;
    reaches(&one, 1).await;
    assert_eq!(keys(&one), [(3, "edge.timeout".to_owned())]);

    let theirs = vec![kept(3, "edge.timeout"), kept(4, "edge.max_body")];
    let other = fleet.edge("other", unfolded(theirs)).await;

    reaches(&other, 2).await;
    reaches(&one, 2).await;
    assert_eq!(keys(&one), [(3, "edge.timeout".to_owned()), (4, "edge.max_body".to_owned())]);
    assert_eq!(keys(&one), keys(&other));
    let last = one.versions(VersionsAsk { before: None, limit: 1 }).await.unwrap();
    assert_eq!(last.versions[0].action, "adopt");
}

#[tokio::test]
async fn log_that_has_less_than_was_folded_gets_what_is_in_force() {
    let mut fleet = Fleet::new();
    let head = fold::Control::default().head();
    let control = fold::Control::new(head, [kept(3, "edge.timeout")]);
    let home = fleet.home().name();
    let folded = Folded { control, next: 57, home, ..Folded::default() };

    let one = fleet.edge("one", folded).await;

    reaches(&one, 1).await;
    assert_eq!(keys(&one), [(3, "edge.timeout".to_owned())]);
}

#[tokio::test]
async fn without_a_log_changes_are_the_processs_own() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let one = made(Home::Process, &clock, "one", Folded::default());
    one.set(wish("edge.timeout", by("ada", None))).await.unwrap();
    one.unset(1, by("ada", Some(1))).await.unwrap();
    one.rollback(1, by("ada", None)).await.unwrap();
    assert_eq!(keys(&one), [(1, "edge.timeout".to_owned())]);
    let status = ControlStatus { version: 3, topic: None, fault: None };
    assert_eq!(one.control(), status);
    let all = one.versions(VersionsAsk { before: None, limit: 9 }).await.unwrap();
    assert_eq!((all.versions.len(), all.next), (3, None));
}

#[tokio::test]
async fn log_that_could_not_be_opened_refuses_changes() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let one = made(Home::Nowhere, &clock, "one", Folded::default());
    assert!(one.control().fault.is_some());
    let refused = one.set(wish("edge.timeout", by("ada", None))).await;
    assert!(matches!(refused, Err(OverlayError::NoLog(_))), "{refused:?}");
    let refused = one.versions(VersionsAsk { before: None, limit: 1 }).await;
    assert!(matches!(refused, Err(OverlayError::NoLog(_))), "{refused:?}");
}

#[tokio::test]
async fn edge_without_a_store_remembers_no_configuration() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let one = made(Home::Process, &clock, "one", Folded::default());
    assert_eq!(one.at(ConfigAsk::Version(0)).await, Err(OverlayError::NotRecorded));
}
