//! Events whose data stands apart.

use std::time::Duration;

use bytes::Bytes;
use headgate_idempotency::{
    ClaimCheck, Delivery, Event, Fault, Settlement, Tx, claim_check::Bounds, handler,
};
use headgate_types::ByteSize;

use crate::bench::{Bench, event};

const WEEK: Duration = Duration::from_hours(7 * 24);

#[handler(scope = "size@1", on = "t/k", key = |e| e.data)]
async fn size(e: Event<String>, _cx: &mut Tx) -> Result<usize, Fault> {
    Ok(e.data.len())
}

/// An event with this data, as it travels.
async fn apart(bench: &Bench, data: &str) -> Delivery {
    let bounds = Bounds { total_bytes_max: ByteSize::from_bytes(1 << 20), keep_max: WEEK };
    let data = Bytes::from(format!("\"{data}\""));
    let reference = ClaimCheck::new(&bench.records, bounds).check_in(&data, WEEK).await.unwrap();
    Delivery::first(event("null").apart(reference.to_string().into()))
}

fn done(result: &str) -> Settlement {
    Settlement::Done { result: Bytes::copy_from_slice(result.as_bytes()) }
}

#[tokio::test(start_paused = true)]
async fn handler_gets_the_data_that_the_event_refers_to() {
    let bench = Bench::new();
    let size = bench.decorate(size());
    let long = "x".repeat(100_000);
    let delivery = apart(&bench, &long).await;
    assert_eq!(size.deliver(&delivery).await.unwrap(), done("100000"));
    let replayed = Settlement::Replayed { result: "100000".into(), rejected: false };
    assert_eq!(size.deliver(&delivery).await.unwrap(), replayed);
    assert_eq!(size.standing(&delivery.event).await.unwrap(), Some(replayed));
    // The same event with other data is another piece of work under the same name.
    let other = apart(&bench, "other").await;
    assert_eq!(size.deliver(&other).await.unwrap(), Settlement::Conflict);
}

#[tokio::test(start_paused = true)]
async fn event_is_given_up_whose_data_is_gone() {
    let bench = Bench::new();
    let size = bench.decorate(size());
    let delivery = apart(&bench, "x").await;
    bench.clock.jump(WEEK + Duration::from_hours(25));
    let settlement = size.deliver(&delivery).await.unwrap();
    let Settlement::Parked { error } = settlement else { panic!("{settlement:?}") };
    assert!(error.contains("is not kept any more"), "{error}");
    let letter = bench.log("hg.dlq.size@1").remove(0);
    assert!(String::from_utf8(letter.to_vec()).unwrap().contains("ni:///sha-256;"));
}

#[tokio::test(start_paused = true)]
async fn data_of_anothers_event_that_refers_to_a_copy_is_its_own() {
    let bench = Bench::new();
    let size = bench.decorate(size());
    let mut event = event("\"abc\"");
    event.data_ref = Some("https://example.com/data".into());
    assert_eq!(size.deliver(&Delivery::first(event)).await.unwrap(), done("3"));
}
