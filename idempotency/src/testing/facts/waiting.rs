//! Facts about keys that wait for a person.

use bytes::Bytes;

use crate::{
    claim::{Claim, OnLost},
    outcome::{Commit, Park, Resolution},
    testing::bench::Bench,
};

/// Looks through everything in steps of so many records, and gives the ids of this bench's keys.
async fn listed(bench: &Bench<'_>, rows: usize) -> Vec<String> {
    let (mut found, mut after): (Vec<String>, Option<Bytes>) = (Vec::new(), None);
    loop {
        let page = bench.records.waiting(after.as_ref(), rows).await.expect("the store answers");
        assert!(page.keys.len() <= rows, "a step is bounded");
        let of_ours = page.keys.iter().filter(|it| it.key.scope() == bench.key().scope());
        found.extend(of_ours.map(|it| it.key.id()));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

pub(crate) async fn keys_that_wait_are_found(bench: Bench<'_>) {
    assert_eq!(listed(&bench, 100).await, Vec::<String>::new());
    let ticket = bench.run(bench.claim()).await;
    let park = Park { error: "poison".to_owned(), ..Park::default() };
    bench.records.park(ticket, park).await.expect("the claim is held");
    let id = bench.key().id();
    for rows in [1, 3, 1_000] {
        assert_eq!(listed(&bench, rows).await, std::slice::from_ref(&id), "{rows} a step");
    }
    let found = bench.records.waiting_as(&id).await.expect("the store answers");
    let found = found.expect("it waits");
    assert_eq!(found.key, bench.key());
    assert_eq!(Some(found.held.clone()), bench.records.held(&bench.key()).await.expect("it is"));
    let done = Resolution::Done(Commit::new("done"));
    bench.records.resolve(&found.key, &found.held, done).await.expect("it waits");
    assert_eq!(listed(&bench, 100).await, Vec::<String>::new());
    assert_eq!(bench.records.waiting_as(&id).await.expect("the store answers"), None);
    assert_eq!(bench.records.stats().resolved, 1);
    assert_eq!(bench.replay().await.result, "done");
}

pub(crate) async fn what_is_at_work_does_not_wait(bench: Bench<'_>) {
    let claim = Claim { on_lost: OnLost::Hold, ..bench.claim() };
    let ticket = bench.run(claim).await;
    let id = bench.key().id();
    assert_eq!(bench.records.waiting_as(&id).await.expect("the store answers"), None);
    assert_eq!(listed(&bench, 100).await, Vec::<String>::new());
    bench.records.commit(ticket, Commit::new("done")).await.expect("the claim is held");
}
