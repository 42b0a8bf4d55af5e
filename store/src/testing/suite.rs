//! Facts that hold for every engine.

mod topics;

use bytes::Bytes;
use headgate_types::UnixTime;

use crate::{
    batch::{Ack, Batch, Done, Keep, Operation, STEP_ROWS_MAX},
    engine::{Engine, LogBounds, READ_ROWS_MAX, Refused, Verdict},
    error::Error,
    item::{Condition, Content, Edit, Item, Key, Scalar},
    testing::{
        memory::Memory,
        world::{self, picture},
    },
};

const GROUPS: usize = 200;

/// Checks every fact on an engine of its own.
///
/// # Panics
///
/// When a fact does not hold; the message names it.
pub fn conformance(make: &dyn Fn() -> Box<dyn Engine>) {
    let facts: [fn(&dyn Engine); 20] = [
        an_item_is_read_as_it_was_put,
        a_refused_batch_leaves_no_trace,
        the_refusal_names_the_operation_and_the_item,
        a_batch_sees_those_before_it_in_its_group,
        a_version_is_never_used_twice,
        an_update_makes_or_changes_an_item,
        a_sum_that_fails_refuses_the_batch,
        offsets_follow_the_order_of_commits,
        a_group_offset_moves_forward_only,
        of_two_takes_one_succeeds,
        delayed_entries_come_in_order_of_time,
        a_trim_goes_by_age_size_and_offset,
        a_sweep_removes_what_expired,
        reads_are_bounded_and_ordered,
        logs_and_offsets_are_listed,
        large_groups_are_read_as_small_ones,
        topics::a_deleted_topic_is_gone_at_once,
        topics::a_deleted_topic_can_be_made_again,
        topics::a_deletion_that_is_refused_leaves_the_topic,
        topics::sweeps_remove_deleted_topics_step_by_step,
    ];
    for fact in facts {
        fact(&*make());
    }
    topics::a_subscription_is_told_of_its_topic(make());
    topics::who_waits_is_woken_before_the_acknowledgement(make());
    topics::a_store_that_closes_wakes_all_who_wait(make());
    agrees_with_the_model(&*make());
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn content(value: &str) -> Content {
    Content { value: Bytes::copy_from_slice(value.as_bytes()), ..Content::default() }
}

fn key(name: &str) -> Key {
    Key::new("s", name.to_owned())
}

fn put(name: &str, value: &str, when: Condition) -> Batch {
    Batch::new().put(key(name), content(value), when)
}

fn append(payload: &str) -> Batch {
    Batch::new().append("t", 0, at(1), payload.to_owned())
}

fn commit(engine: &dyn Engine, batch: Batch) -> Verdict {
    let mut verdicts = engine.commit(&[batch]).expect("the engine works");
    verdicts.pop().expect("a verdict for each batch")
}

fn done(engine: &dyn Engine, batch: Batch) -> Vec<Done> {
    commit(engine, batch).expect("the batch is carried out").done
}

fn get(engine: &dyn Engine, name: &str) -> Option<Item> {
    engine.get(&key(name)).expect("the engine works")
}

fn value(engine: &dyn Engine, name: &str) -> Option<Bytes> {
    get(engine, name).map(|item| item.content.value)
}

fn an_item_is_read_as_it_was_put(engine: &dyn Engine) {
    let mut whole = content("v");
    whole.expires = Some(UnixTime::from_duration(std::time::Duration::from_millis(1_234)));
    whole.attributes.insert("n".to_owned(), Scalar::Number(u64::MAX));
    whole.attributes.insert("b".to_owned(), Scalar::from("\0bytes"));
    let batch = Batch::new().put(key("a"), whole.clone(), Condition::Absent);
    let Ack { sequence, .. } = commit(engine, batch).expect("the item is absent");
    assert_eq!(get(engine, "a"), Some(Item { version: sequence, content: whole }));
    assert_eq!(get(engine, "b"), None);
    let elsewhere = Key::new("t", "a");
    assert_eq!(engine.get(&elsewhere).expect("the engine works"), None, "spaces are apart");
}

fn a_refused_batch_leaves_no_trace(engine: &dyn Engine) {
    done(engine, put("a", "1", Condition::Always));
    let batch = append("lost")
        .put(key("b"), content("lost"), Condition::Absent)
        .with(Operation::CommitOffset {
            group: "g".to_owned(),
            topic: "t".to_owned(),
            partition: 0,
            offset: 7,
        })
        .put(key("a"), content("lost"), Condition::Absent);
    assert!(commit(engine, batch).is_err(), "the last operation's condition does not hold");
    assert_eq!(value(engine, "a").as_deref(), Some(b"1".as_slice()));
    assert_eq!(get(engine, "b"), None);
    assert_eq!(engine.log("t", 0).expect("the engine works"), None);
    assert_eq!(engine.offset("g", "t", 0).expect("the engine works"), None);
    assert_eq!(done(engine, append("first")), [Done::Appended { offset: 0 }]);
}

fn the_refusal_names_the_operation_and_the_item(engine: &dyn Engine) {
    done(engine, put("a", "1", Condition::Always));
    let standing = get(engine, "a");
    let batch = put("b", "2", Condition::Absent)
        .put(key("a"), content("2"), Condition::Absent)
        .put(key("c"), content("2"), Condition::Present);
    match commit(engine, batch) {
        Err(Error::Refused(refused)) => {
            assert_eq!(refused, Refused { operation: 1, current: standing });
        }
        other => assert!(other.is_err(), "the condition does not hold: {other:?}"),
    }
}

fn a_batch_sees_those_before_it_in_its_group(engine: &dyn Engine) {
    let group = [
        put("a", "1", Condition::Absent),
        put("a", "2", Condition::Absent),
        append("x"),
        append("y"),
        put("a", "3", Condition::Present),
    ];
    let verdicts = engine.commit(&group).expect("the engine works");
    let carried_out: Vec<_> = verdicts.iter().map(Result::is_ok).collect();
    assert_eq!(carried_out, [true, false, true, true, true]);
    assert_eq!(value(engine, "a").as_deref(), Some(b"3".as_slice()));
    let entries = engine.read("t", 0, 0, 10).expect("the engine works");
    let payloads: Vec<_> = entries.iter().map(|entry| entry.payload.as_ref()).collect();
    assert_eq!(payloads, [b"x", b"y"]);
}

fn a_version_is_never_used_twice(engine: &dyn Engine) {
    done(engine, put("a", "1", Condition::Always));
    let first = get(engine, "a").expect("the item was put").version;
    done(engine, Batch::new().delete(key("a"), Condition::VersionIs(first)));
    assert_eq!(get(engine, "a"), None);
    done(engine, put("a", "1", Condition::Absent));
    let second = get(engine, "a").expect("the item was put").version;
    assert!(second > first, "{second} comes after {first}");
    let stale = put("a", "2", Condition::VersionIs(first));
    assert!(commit(engine, stale).is_err(), "the version is another one");
}

fn an_update_makes_or_changes_an_item(engine: &dyn Engine) {
    let fence = || Edit::Add { name: "fn".to_owned(), amount: 1, from: 100 };
    let claim = |owner: &str| {
        let edits = vec![fence(), Edit::Set("own".to_owned(), owner.into())];
        Batch::new().update(key("a"), edits, Condition::Always)
    };
    done(engine, claim("one"));
    done(engine, claim("two"));
    let attributes = get(engine, "a").expect("the item was made").content.attributes;
    assert_eq!(attributes.get("fn"), Some(&Scalar::Number(102)));
    assert_eq!(attributes.get("own"), Some(&"two".into()));
    let mine = Condition::All(vec![Condition::equals("own", "one"), Condition::equals("fn", 101)]);
    let late = Batch::new().update(key("a"), vec![Edit::Remove("own".to_owned())], mine);
    assert!(commit(engine, late).is_err(), "the first owner is fenced off");
}

fn a_sum_that_fails_refuses_the_batch(engine: &dyn Engine) {
    let edits = vec![
        Edit::Set("n".to_owned(), u64::MAX.into()),
        Edit::Add { name: "n".to_owned(), amount: 1, from: 0 },
    ];
    let verdict = commit(engine, append("lost").update(key("a"), edits, Condition::Always));
    assert!(matches!(verdict, Err(Error::Invalid(_))), "{verdict:?}");
    assert_eq!(engine.log("t", 0).expect("the engine works"), None);
}

fn offsets_follow_the_order_of_commits(engine: &dyn Engine) {
    let other = Batch::new().append("t", 1, at(1), "o").append("u", 0, at(1), "o");
    let group = [append("a"), other, append("b").append("t", 0, at(2), "c")];
    let verdicts = engine.commit(&group).expect("the engine works");
    let offsets: Vec<_> = verdicts.iter().flatten().flat_map(|ack| ack.done.clone()).collect();
    let offset = |offset| Done::Appended { offset };
    assert_eq!(offsets, [offset(0), offset(0), offset(0), offset(1), offset(2)]);
    let bounds = LogBounds { start: 0, end: 3, bytes: 3 * 17 };
    assert_eq!(engine.log("t", 0).expect("the engine works"), Some(bounds));
    let entries = engine.read("t", 0, 1, 10).expect("the engine works");
    let found: Vec<_> = entries.iter().map(|entry| (entry.offset, entry.time)).collect();
    assert_eq!(found, [(1, at(1)), (2, at(2))]);
}

fn a_group_offset_moves_forward_only(engine: &dyn Engine) {
    let names = || ("g".to_owned(), "t".to_owned());
    let forward = |offset| {
        let (group, topic) = names();
        Batch::new().with(Operation::CommitOffset { group, topic, partition: 0, offset })
    };
    let back = |offset| {
        let (group, topic) = names();
        Batch::new().with(Operation::ResetOffset { group, topic, partition: 0, offset })
    };
    assert_eq!(done(engine, forward(5)), [Done::Offset { offset: 5 }]);
    assert_eq!(done(engine, forward(3)), [Done::Offset { offset: 5 }]);
    assert_eq!(engine.offset("g", "t", 0).expect("the engine works"), Some(5));
    assert_eq!(done(engine, back(2)), [Done::Offset { offset: 2 }]);
    assert_eq!(engine.offset("g", "t", 0).expect("the engine works"), Some(2));
    assert_eq!(engine.offset("h", "t", 0).expect("the engine works"), None);
}

fn schedule(due: u64, id: &str) -> Operation {
    let (id, payload) = (Bytes::copy_from_slice(id.as_bytes()), Bytes::from_static(b"p"));
    Operation::Schedule { queue: "q".to_owned(), due: at(due), id, payload }
}

fn take(due: u64, id: &str) -> Batch {
    let id = Bytes::copy_from_slice(id.as_bytes());
    Batch::new().with(Operation::Take { queue: "q".to_owned(), due: at(due), id })
}

fn of_two_takes_one_succeeds(engine: &dyn Engine) {
    done(engine, Batch::new().with(schedule(5, "a")));
    let verdicts = engine.commit(&[take(5, "a"), take(5, "a")]).expect("the engine works");
    let taken: Vec<_> = verdicts.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, false]);
    assert!(engine.due("q", at(9), 10).expect("the engine works").is_empty());
}

fn delayed_entries_come_in_order_of_time(engine: &dyn Engine) {
    let batch = [(300, "a"), (5, "c"), (5, "b"), (6, "a")];
    let batch = batch.iter().fold(Batch::new(), |batch, (due, id)| batch.with(schedule(*due, id)));
    done(engine, batch);
    let due = |now, rows| {
        let found = engine.due("q", at(now), rows).expect("the engine works");
        found.iter().map(|due| (due.due.as_secs(), due.id.to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(due(4, 10), []);
    assert_eq!(due(5, 10), [(5, b"b".to_vec()), (5, b"c".to_vec())]);
    assert_eq!(due(1_000, 3).last(), Some(&(6, b"a".to_vec())));
    assert!(engine.due("qq", at(1_000), 10).expect("the engine works").is_empty());
}

fn a_trim_goes_by_age_size_and_offset(engine: &dyn Engine) {
    for second in 0..10 {
        done(engine, Batch::new().append("t", 0, at(second), "x"));
    }
    let trim = |keep| done(engine, Batch::trim("t", 0, keep));
    let bounds = || engine.log("t", 0).expect("the engine works").expect("the log is there");
    let removed = |rows| [Done::Removed { rows, more: false }];
    assert_eq!(trim(Keep { since: Some(at(3)), ..Keep::default() }), removed(3));
    assert_eq!(bounds(), LogBounds { start: 3, end: 10, bytes: 7 * 17 });
    assert_eq!(trim(Keep { bytes: Some(5 * 17), ..Keep::default() }), removed(2));
    let protected = Keep { since: Some(at(99)), bytes: Some(0), below: Some(6) };
    assert_eq!(trim(protected), removed(1));
    assert_eq!(trim(Keep { bytes: Some(0), ..Keep::default() }), removed(4));
    assert_eq!(bounds(), LogBounds { start: 10, end: 10, bytes: 0 });
    assert_eq!(done(engine, append("next")), [Done::Appended { offset: 10 }]);
    let entries = engine.read("t", 0, 0, 10).expect("the engine works");
    assert_eq!(entries.first().map(|entry| entry.offset), Some(10), "reads start at the first");
}

fn a_sweep_removes_what_expired(engine: &dyn Engine) {
    let expiring = |name: &str, expires| {
        let content = Content { expires: Some(at(expires)), ..Content::default() };
        Batch::new().put(key(name), content, Condition::Always)
    };
    done(engine, expiring("soon", 5));
    done(engine, expiring("later", 9));
    done(engine, expiring("put off", 5));
    done(engine, expiring("put off", 20));
    done(engine, put("for ever", "x", Condition::Always));
    assert_eq!(done(engine, Batch::sweep(at(5))), [Done::Removed { rows: 0, more: false }]);
    assert!(get(engine, "soon").is_some(), "an item is there until it is swept");
    assert_eq!(done(engine, Batch::sweep(at(10))), [Done::Removed { rows: 2, more: false }]);
    assert_eq!(get(engine, "soon"), None);
    assert!(get(engine, "put off").is_some() && get(engine, "for ever").is_some());
    let many = STEP_ROWS_MAX + 1;
    let group: Vec<_> = (0..many).map(|number| expiring(&number.to_string(), 1)).collect();
    engine.commit(&group).expect("the engine works");
    let step = Done::Removed { rows: STEP_ROWS_MAX, more: true };
    assert_eq!(done(engine, Batch::sweep(at(10))), [step], "a step is bounded");
    assert_eq!(done(engine, Batch::sweep(at(10))), [Done::Removed { rows: 1, more: false }]);
}

fn reads_are_bounded_and_ordered(engine: &dyn Engine) {
    let rows = READ_ROWS_MAX + 6;
    let group: Vec<_> = (0..rows)
        .map(|row| append("x").put(key(&format!("{row:05}")), content("x"), Condition::Always))
        .collect();
    engine.commit(&group).expect("the engine works");
    assert_eq!(engine.read("t", 0, 0, usize::MAX).expect("it works").len(), READ_ROWS_MAX);
    let first = engine.scan("s", None, usize::MAX).expect("it works");
    assert_eq!(first.len(), READ_ROWS_MAX);
    assert!(first.is_sorted_by(|(a, _), (b, _)| a < b), "keys rise");
    let last = first.last().map(|(key, _)| key.clone());
    let rest = engine.scan("s", last.as_deref(), usize::MAX).expect("it works");
    assert_eq!(rest.len(), 6, "a scan goes on after the last key");
    assert!(engine.scan("ss", None, 10).expect("it works").is_empty());
}

fn logs_and_offsets_are_listed(engine: &dyn Engine) {
    let offset = |group: &str, partition, offset| Operation::CommitOffset {
        group: group.to_owned(),
        topic: "t".to_owned(),
        partition,
        offset,
    };
    let appends = Batch::new().append("u", 0, at(1), "x").append("t", 2, at(1), "x");
    done(engine, appends.append("t", 1, at(1), "x"));
    let offsets = Batch::new().with(offset("h", 1, 4)).with(offset("g", 1, 3));
    done(engine, offsets.with(offset("g", 2, 9)));
    let logs = engine.logs().expect("it works");
    let names: Vec<_> = logs.iter().map(|(topic, part, _)| (topic.as_str(), *part)).collect();
    assert_eq!(names, [("t", 1), ("t", 2), ("u", 0)]);
    assert!(logs.iter().all(|(_, _, bounds)| bounds.end == 1));
    let expected = [("g".to_owned(), 3), ("h".to_owned(), 4)];
    assert_eq!(engine.offsets("t", 1).expect("it works"), expected);
    assert!(engine.offsets("u", 0).expect("it works").is_empty());
}

/// Entries of any size, many of a group, are read from any offset, also when the start of the log
/// lies between entries of one group.
fn large_groups_are_read_as_small_ones(engine: &dyn Engine) {
    let (model, mut chance) = (Memory::new(), fastrand::Rng::with_seed(5));
    for _ in 0..12 {
        let group: Vec<_> = (0..chance.usize(1..80))
            .map(|_| {
                let size = if chance.u8(..20) == 0 { 40_000 } else { chance.usize(..2_000) };
                let (byte, second) = (chance.u8(..), chance.u64(..60));
                Batch::new().append("t", chance.u32(..2), at(second), vec![byte; size])
            })
            .collect();
        engine.commit(&group).expect("the engine works");
        model.commit(&group).expect("the model works");
        let below = Some(chance.u64(..400));
        let trim = Batch::trim("t", 0, Keep { bytes: Some(100_000), below, since: None });
        assert_eq!(done(engine, trim.clone()), done(&model, trim));
        for partition in 0..2 {
            let (from, rows) = (chance.u64(..400), chance.usize(1..40));
            let found = engine.read("t", partition, from, rows).expect("the engine works");
            let expected = model.read("t", partition, from, rows).expect("the model works");
            assert_eq!(found, expected);
            let bounds = model.log("t", partition).expect("the model works");
            assert_eq!(engine.log("t", partition).expect("the engine works"), bounds);
        }
    }
}

fn agrees_with_the_model(engine: &dyn Engine) {
    let (model, mut chance) = (Memory::new(), fastrand::Rng::with_seed(7));
    for _ in 0..GROUPS {
        let group: Vec<_> = (0..4).map(|_| world::batch(&mut chance)).collect();
        let found = engine.commit(&group).expect("the engine works");
        let expected = model.commit(&group).expect("the model works");
        for (found, expected) in found.iter().zip(&expected) {
            let done = |verdict: &Verdict| verdict.as_ref().ok().map(|ack| ack.done.clone());
            assert_eq!(done(found), done(expected));
        }
    }
    let found = picture(engine).expect("the engine works");
    assert_eq!(found, picture(&model).expect("the model works"));
}
