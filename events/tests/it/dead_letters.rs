//! Letters that people look at, bring back and settle.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use headgate_events::{
    AUDIT_TOPIC, Actor, Consumer, DeadLetterError, DeadLetters, Filter, LetterState, NoticeClass,
    REDRIVES_MAX, Resolve, Which,
};
use headgate_idempotency::Fault;
use tokio::time::Instant;

use crate::bench::{Bench, Probed, Wanted, eventually};

fn by() -> Actor {
    Actor { name: "sre".into(), why: "the psp is back".into() }
}

/// A consumer whose handler fails until it is mended, and its letters of so many events.
async fn parked(events: u64) -> (Bench, Probed, Consumer, DeadLetters, Arc<AtomicBool>) {
    let bench = Bench::new();
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let handler = bench.handler(Wanted::default(), move |_, _| {
        if mended.load(Ordering::Relaxed) { Ok(()) } else { Err(Fault::retry("broken")) }
    });
    let consumer = bench.start(&handler).await;
    bench.append((0..events).map(|n| bench.event(&format!("k{n}"), n))).await;
    let all = usize::try_from(events).unwrap();
    eventually("all are parked", async || {
        (bench.notices(NoticeClass::Parked).len() == all).then_some(())
    })
    .await;
    let letters = DeadLetters::new(bench.parts.clone(), vec![handler.registered()]);
    (bench, handler, consumer, letters, is_mended)
}

async fn ids(letters: &DeadLetters) -> Vec<String> {
    let page = letters.list("charge", &Filter::default(), None, 1_000).await.unwrap();
    page.letters.into_iter().map(|letter| letter.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letter_says_what_happened_and_stands_as_its_event_does() {
    let (_bench, _handler, _consumer, letters, is_mended) = parked(1).await;
    let id = ids(&letters).await.remove(0);
    let letter = letters.show("charge", &id).await.unwrap().expect("there is one");
    assert_eq!(
        (&*letter.reason, &*letter.error, letter.attempts, letter.state),
        ("attempts", "broken", 4, LetterState::Parked)
    );
    assert_eq!(letter.event.as_ref().map(|event| &*event.id), Some("e-1"));

    is_mended.store(true, Ordering::Relaxed);
    letters.redrive("charge", Which::Id(id.clone()), &by(), None).await.unwrap();
    let letter = eventually("it is done", async || {
        let letter = letters.show("charge", &id).await.unwrap()?;
        (letter.state == LetterState::Done).then_some(letter)
    })
    .await;
    assert_eq!(letter.redrives, 1);
    let again = letters.redrive("charge", Which::Id(id), &by(), None).await.unwrap_err();
    assert!(matches!(again, DeadLetterError::NotWaiting(LetterState::Done)), "{again:?}");
    let unknown = letters.redrive("charge", Which::Id("x".into()), &by(), None).await.unwrap_err();
    assert_eq!(unknown.code(), "HG0066");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_says_what_a_redrive_would_do_and_does_nothing() {
    let (bench, handler, _consumer, letters, _) = parked(5).await;
    let plan = letters.plan("charge", &Filter::default()).await.unwrap();
    assert_eq!(plan.redriven, 5);
    assert_eq!(plan.reasons.get("attempts"), Some(&5));
    let key = Filter { key: Some("k3".into()), ..Filter::default() };
    assert_eq!(letters.plan("charge", &key).await.unwrap().redriven, 1);
    let reason = Filter { reason: Some("panic".into()), ..Filter::default() };
    assert_eq!(letters.plan("charge", &reason).await.unwrap().redriven, 0);
    assert_eq!(handler.runs_of("e-1"), 4);
    assert!(bench.entries(AUDIT_TOPIC).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_redrivers_at_once_run_each_event_once() {
    let (bench, handler, _consumer, letters, is_mended) = parked(60).await;
    is_mended.store(true, Ordering::Relaxed);
    let redrive = || {
        let letters = letters.clone();
        tokio::spawn(async move {
            letters.redrive("charge", Which::Matching(Filter::default()), &by(), None).await
        })
    };
    let (one, two) = (redrive(), redrive());
    let (one, two) = (one.await.unwrap().unwrap(), two.await.unwrap().unwrap());
    assert_eq!(one.redriven + two.redriven, 60, "each letter once: {one:?} and {two:?}");
    for n in 0..60 {
        let key = format!("k{n}");
        eventually("it is done", async || (bench.seen("charge", &key) == [n]).then_some(())).await;
    }
    for n in 1..=60 {
        assert_eq!(handler.runs_of(&format!("e-{n}")), 5, "four attempts and one redrive");
    }
    assert_eq!(bench.entries(AUDIT_TOPIC).await.len(), 60, "each change is audited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redriver_that_dies_leaves_the_rest_to_the_next_one() {
    let (bench, handler, _consumer, letters, is_mended) = parked(60).await;
    is_mended.store(true, Ordering::Relaxed);
    let dying = tokio::spawn({
        let letters = letters.clone();
        // Slow enough to die in the middle.
        async move {
            letters.redrive("charge", Which::Matching(Filter::default()), &by(), Some(20.0)).await
        }
    });
    let has_begun = || (1..=60).any(|n| handler.runs_of(&format!("e-{n}")) == 5);
    eventually("it has begun", async || has_begun().then_some(())).await;
    dying.abort();
    let all = Which::Matching(Filter::default());
    let rest = letters.redrive("charge", all, &by(), None).await.unwrap();
    assert!((1..60).contains(&rest.redriven), "{rest:?}");
    for n in 0..60 {
        let key = format!("k{n}");
        eventually("it is done", async || (bench.seen("charge", &key) == [n]).then_some(())).await;
        assert_eq!(handler.runs_of(&format!("e-{}", n + 1)), 5, "four attempts and one redrive");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letter_that_fails_again_and_again_is_redriven_no_more() {
    let (bench, _handler, _consumer, letters, _) = parked(1).await;
    let id = ids(&letters).await.remove(0);
    for round in 1..=REDRIVES_MAX {
        letters.redrive("charge", Which::Id(id.clone()), &by(), None).await.unwrap();
        let times = 1 + round as usize;
        eventually("it is parked again", async || {
            (bench.notices(NoticeClass::Parked).len() == times).then_some(())
        })
        .await;
    }
    let refused = letters.redrive("charge", Which::Id(id), &by(), None).await.unwrap_err();
    assert!(matches!(refused, DeadLetterError::Loop), "{refused:?}");
    let plan = letters.plan("charge", &Filter::default()).await.unwrap();
    assert_eq!((plan.redriven, plan.left.get("loops")), (0, Some(&1)), "one letter, however often");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redrive_keeps_its_rate() {
    let (_bench, _handler, _consumer, letters, is_mended) = parked(11).await;
    is_mended.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    let all = Which::Matching(Filter::default());
    letters.redrive("charge", all, &by(), Some(50.0)).await.unwrap();
    // The first goes at once, and each other one a fiftieth of a second later.
    assert!(begun.elapsed() >= Duration::from_millis(199), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_settles_a_letter() {
    let (bench, handler, _consumer, letters, _) = parked(1).await;
    let id = ids(&letters).await.remove(0);
    let done = Resolve::Done(r#""paid by hand""#.into());
    letters.resolve("charge", &id, done, &by()).await.unwrap();
    let letter = letters.show("charge", &id).await.unwrap().expect("there is one");
    assert_eq!(letter.state, LetterState::Done);
    // A duplicate is answered what the person said.
    let event = letter.event.expect("it has its event");
    let standing = handler.handler.standing(&event).await.unwrap();
    assert!(format!("{standing:?}").contains("paid by hand"), "{standing:?}");
    let audit = bench.entries(AUDIT_TOPIC).await;
    let audit: serde_json::Value = serde_json::from_slice(&audit[0].value).unwrap();
    assert_eq!((&audit["action"], &audit["by"]["name"]), (&"done".into(), &"sre".into()));
}
