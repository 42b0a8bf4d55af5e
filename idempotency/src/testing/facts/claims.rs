//! Who works on a key.

use std::time::Duration;

use headgate_store::{Batch, Condition};
use headgate_types::{Clock, UnixTime};

use crate::{
    Claim, Claimed, Commit, Effect, HeldAs, OnLost, RecordKey, Scope, Seen, StoreError,
    TicketError,
    testing::bench::{Bench, LEASE, fenced},
};

pub(crate) async fn a_key_is_claimed_once(bench: Bench<'_>) {
    let ticket = bench.run(bench.claim()).await;
    assert_eq!(ticket.attempt(), 1);
    let until = bench.busy(bench.claim()).await;
    assert!(until > bench.now() + LEASE, "a lease that another clock wrote has the skew on top");
    let usable = ticket.stop_at().since(bench.clock.now());
    assert_eq!(usable, LEASE * 9 / 10, "a worker stops before its lease is over");
}

pub(crate) async fn of_many_claims_at_once_one_wins(bench: Bench<'_>) {
    let claim = || bench.claimed(bench.claim());
    let answers = tokio::join!(claim(), claim(), claim(), claim(), claim(), claim());
    let answers: [_; 6] = answers.into();
    let won = answers.iter().filter(|answer| matches!(answer, Claimed::Run(_))).count();
    let busy = answers.iter().filter(|answer| matches!(answer, Claimed::Busy { .. })).count();
    assert_eq!((won, busy), (1, 5), "{answers:?}");
}

pub(crate) async fn a_beat_keeps_the_claim(bench: Bench<'_>) {
    let ticket = bench.run(bench.claim()).await;
    for _ in 0..5 {
        bench.clock.advance(LEASE / 3);
        bench.records.renew(&ticket).await.expect("the claim is held");
        bench.busy(bench.claim()).await;
    }
    let usable = ticket.stop_at().since(bench.clock.now());
    assert_eq!(usable, LEASE * 9 / 10);
    bench.records.commit(ticket, Commit::new("done")).await.expect("the claim is held");
    assert_eq!(bench.replay().await.result, "done");
}

pub(crate) async fn a_lost_claim_is_taken_and_its_late_worker_is_fenced(bench: Bench<'_>) {
    let late = bench.run(bench.claim()).await;
    bench.pass_lease();
    let ticket = bench.run(bench.claim()).await;
    assert_eq!(ticket.attempt(), 2);
    assert!(ticket.fence() > late.fence(), "fences rise");
    let beat = bench.records.renew(&late).await;
    assert!(matches!(beat, Err(TicketError::Fenced)), "{beat:?}");
    fenced(bench.records.commit(late, bench.commit(Seen::Absent, "late")).await);
    bench.nothing().await;
    let commit = bench.commit(Seen::Absent, "second");
    bench.records.commit(ticket, commit).await.expect("the claim is held");
    bench.only("second").await;
    let recorded = bench.replay().await;
    assert_eq!((recorded.result.as_ref(), recorded.attempts), (b"second".as_slice(), 2));
}

pub(crate) async fn a_beat_that_is_not_seen_to_move_ends_a_lease_too(bench: Bench<'_>) {
    let far_ahead = bench.now() + Duration::from_hours(1);
    let now = bench.now();
    bench.clock.set_unix_time(far_ahead);
    let late = bench.run(bench.claim()).await;
    bench.clock.set_unix_time(now);
    let until = bench.busy(bench.claim()).await;
    assert!(until <= now + LEASE + Duration::from_millis(1), "an hour is not waited for");
    bench.clock.advance(LEASE / 2);
    bench.clock.set_unix_time(now);
    bench.busy(bench.claim()).await;
    bench.clock.advance(LEASE / 2);
    bench.clock.set_unix_time(now);
    let ticket = bench.run(bench.claim()).await;
    assert!(ticket.fence() > late.fence(), "fences rise, however the clocks stand");
    fenced(bench.records.commit(late, Commit::new("late")).await);
}

fn may_have_acted(bench: &Bench<'_>) -> Claim {
    Claim { on_lost: OnLost::Hold, ..bench.claim() }
}

pub(crate) async fn a_worker_that_may_have_acted_is_held(bench: Bench<'_>) {
    let late = bench.run(may_have_acted(&bench)).await;
    bench.busy(may_have_acted(&bench)).await;
    bench.clock.advance(Duration::from_hours(24 * 365));
    let held = bench.held(may_have_acted(&bench)).await;
    assert_eq!((held.state, held.fence), (HeldAs::InDoubt, late.fence()));
    assert_eq!(bench.held(may_have_acted(&bench)).await.state, HeldAs::InDoubt, "it stays held");
    let seen = bench.records.held(&bench.key()).await.expect("the store answers");
    assert_eq!(seen, Some(held));
    let beat = bench.records.renew(&late).await;
    assert!(matches!(beat, Err(TicketError::Fenced)), "{beat:?}");
}

pub(crate) async fn a_late_worker_settles_what_is_held_for_it(bench: Bench<'_>) {
    let late = bench.run(may_have_acted(&bench)).await;
    bench.pass_lease();
    bench.held(may_have_acted(&bench)).await;
    let commit = bench.commit(Seen::Absent, "it happened");
    bench.records.commit(late, commit).await.expect("nobody ran in between");
    bench.only("it happened").await;
    assert_eq!(bench.replay().await.result, "it happened");
}

pub(crate) async fn journaled_effects_are_found_by_the_next_attempt(bench: Bench<'_>) {
    let first = bench.run(bench.claim()).await;
    let planned = Effect::Planned { since: bench.now() };
    let carried = Effect::Carried { response: "paid".into() };
    bench.records.journal(&first, "pay", planned.clone()).await.expect("the claim is held");
    bench.records.journal(&first, "mail", planned.clone()).await.expect("the claim is held");
    bench.records.journal(&first, "pay", carried.clone()).await.expect("the claim is held");
    let effect_key = first.effect_key("pay");
    bench.pass_lease();
    let second = bench.run(bench.claim()).await;
    assert_eq!(second.effect("pay"), Some(carried));
    assert_eq!(second.effect("mail"), Some(planned.clone()));
    assert_eq!(second.effect("other"), None);
    assert_eq!(second.effect_key("pay"), effect_key, "another attempt has the same key");
    let late = bench.records.journal(&first, "more", planned).await;
    assert!(matches!(late, Err(TicketError::Fenced)), "{late:?}");
    bench.records.commit(second, Commit::new("done")).await.expect("the claim is held");
    bench.clock.advance(Duration::from_hours(2));
    let third = bench.run(bench.claim()).await;
    assert_eq!(third.effect("pay"), None, "an outcome needs no journal");
}

pub(crate) async fn a_record_of_another_key_is_not_touched(bench: Bench<'_>) {
    let other = RecordKey::new(&Scope::new(&bench.name()).expect("plain"), "x").expect("short");
    let _ticket = bench.run(Claim { key: other.clone(), ..bench.claim() }).await;
    let store = bench.records.store();
    let item = store.get(other.item()).await.expect("the store answers").expect("it is claimed");
    let collision = Batch::new().put(bench.key().item().clone(), item.content, Condition::Absent);
    store.commit(collision).await.expect("the key is free");
    let answer = bench.records.claim(bench.claim()).await;
    assert!(matches!(answer, Err(StoreError::Foreign(_))), "{answer:?}");
    let _: UnixTime = bench.busy(Claim { key: other, ..bench.claim() }).await;
}
