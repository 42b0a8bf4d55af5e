use std::time::Duration;

use headgate_types::{Class, Outcome, SpanId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    access::{ArmDetail, Journal, Members, Request},
    labels::Listener,
    trace::TraceContext,
};

fn trace(number: u64) -> TraceId {
    format!("{:032x}", u128::from(number) + 1).parse().unwrap()
}

/// Keeps an exchange with this trace and a path so long.
fn keep(recent: &Recent, kind: Kept, number: u64, path_bytes: usize, detail: &Detail<'_>) {
    let (client, config) = (
        Members::of_client("192.0.2.7:1".parse().unwrap(), Listener::Plain),
        Members::of(&[("config", "c0ffee")]),
    );
    let context = TraceContext {
        trace_id: trace(number),
        span_id: "00f067aa0ba902b7".parse::<SpanId>().unwrap(),
        parent_id: None,
        flags: 0,
    };
    let line = Line {
        time: UnixTime::from_secs(1_000 + number),
        trace: &context,
        untrusted_parent: None,
        request: Request {
            client: &client,
            version: http::Version::HTTP_11,
            method: "GET",
            host: None,
            path: &"a".repeat(path_bytes),
        },
        outcome: Outcome::Ok,
        status: Some(200),
        code: None,
        route: None,
        device: None,
        priority: Some(Class::Bulk),
        identity: None,
        probe: None,
        rulings: &[],
        attempts: &[],
        request_bytes: 0,
        response_bytes: 0,
        duration: Duration::ZERO,
        journal: &Journal::start(headgate_types::Moment::ZERO),
        config: &config,
    };
    recent.keep(kind, &line, detail);
}

fn recent(bytes: usize) -> Recent {
    Recent::new(bytes, NonZeroUsize::MIN)
}

fn found(recent: &Recent, number: u64) -> Vec<Value> {
    recent.find(trace(number)).iter().map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn kept_exchange_is_its_line_and_the_detail() {
    let recent = recent(64 << 10);
    let route = Members::of(&[("match", "GET /\"x\"")]);
    let detail = Detail {
        route: Some(&route),
        arm: Some(ArmDetail { by: "device_id", bucket: Some(77) }),
        granted: Some(Class::Critical),
    };
    keep(&recent, Kept::Passed, 0, 5, &detail);
    let found = found(&recent, 0);
    assert_eq!(found.len(), 1);
    for (member, value) in [
        ("path", json!("aaaaa")),
        ("priority", json!("bulk")),
        ("priority_granted", json!("critical")),
        ("match", json!("GET /\"x\"")),
        ("arm_by", json!("device_id")),
        ("arm_bucket", json!(77)),
        ("config", json!("c0ffee")),
    ] {
        assert_eq!(found[0][member], value, "{member}");
    }
}

#[test]
fn exchanges_of_one_trace_come_in_the_order_of_their_begins() {
    let recent = recent(64 << 10);
    for (kind, path) in [(Kept::Passed, 9), (Kept::Shed, 3)] {
        keep(&recent, kind, 7, path, &Detail::default());
    }
    keep(&recent, Kept::Shed, 8, 1, &Detail::default());
    let paths: Vec<_> = found(&recent, 7).iter().map(|line| line["path"].clone()).collect();
    assert_eq!(paths.len(), 2);
    assert!(paths.contains(&json!("a".repeat(9))) && paths.contains(&json!("aaa")));
    assert_eq!(found(&recent, 9), Vec::<Value>::new());
}

#[test]
fn flood_of_one_kind_leaves_the_others() {
    let recent = recent(64 << 10);
    keep(&recent, Kept::Failed, 0, 1, &Detail::default());
    for number in 1..1_000 {
        keep(&recent, Kept::Shed, number, 1, &Detail::default());
    }
    assert_eq!(found(&recent, 0).len(), 1);
    assert_eq!(found(&recent, 1).len(), 0);
    assert_eq!(found(&recent, 999).len(), 1);
    assert_eq!(recent.reach(Kept::Failed), Reach { count: 1, since: None });
    let shed = recent.reach(Kept::Shed);
    let since = UnixTime::from_secs(1_000 + 1_000 - shed.count as u64);
    assert_eq!(shed.since, Some(since));
}

#[test]
fn what_is_larger_than_all_the_room_is_not_kept() {
    let recent = recent(2 << 10);
    keep(&recent, Kept::Shed, 0, 1, &Detail::default());
    keep(&recent, Kept::Shed, 1, 1_000, &Detail::default());
    assert_eq!((found(&recent, 0).len(), found(&recent, 1).len()), (1, 0));
}

#[test]
fn threads_share_the_room() {
    let recent = Recent::new(256 << 10, NonZeroUsize::new(4).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let recent = &recent;
            scope.spawn(move || {
                (0..20).for_each(|number| {
                    keep(recent, Kept::Failed, thread * 100 + number, 1, &Detail::default());
                });
            });
        }
    });
    let kept = (0..400).filter(|number| !found(&recent, *number).is_empty()).count();
    assert_eq!(kept, 80);
}

proptest! {
    #[test]
    fn memory_never_passes_its_bound(paths in prop::collection::vec(0..900_usize, 1..60)) {
        let recent = recent(8 << 10);
        for (number, path) in paths.iter().enumerate() {
            keep(&recent, Kept::Rejected, number as u64, *path, &Detail::default());
            let part = recent.parts[0].0.lock();
            let ring = &part.rings[Kept::Rejected.index()];
            let bytes: usize = ring.entries.iter().map(|entry| entry.bytes).sum();
            prop_assert_eq!(ring.bytes.len(), bytes);
            prop_assert!(bytes + ring.entries.len() * ENTRY_BYTES <= 2 << 10);
            prop_assert!(ring.bytes.capacity() <= 2 << 10);
        }
        let last = paths.len() as u64 - 1;
        prop_assert_eq!(found(&recent, last).len(), 1);
    }
}
