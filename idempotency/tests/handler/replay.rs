//! A replay is the recorded answer byte for byte, and a conflict shows nothing of it.

use std::convert::Infallible;

use bytes::Bytes;
use headgate_idempotency::{
    Delivery, Event, Fault, Fingerprint, IdempotencyLayer, Scope, Settlement, Tx, Work, handler,
};
use tower::{Layer as _, Service as _, service_fn};

use crate::bench::{Bench, event};

/// The largest result that a store keeps.
const RESULT_BYTES_MAX: usize = 1 << 20;
const DUPLICATES: usize = 500;

/// Sizes from nothing to the largest, each twice as long as the one before, and its neighbors.
fn sizes() -> Vec<usize> {
    let powers = (0..=20).map(|power| 1_usize << power);
    let sizes = powers.flat_map(|size| [size - 1, size, (size + 1).min(RESULT_BYTES_MAX)]);
    sizes.collect()
}

/// Bytes that no text would survive as.
fn noise(seed: u64, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}

#[tokio::test]
async fn any_bytes_come_back_as_they_were() {
    let bench = Bench::new();
    let name = |(key, _): &(usize, Bytes)| Work {
        key: key.to_string().into(),
        fingerprint: Fingerprint::of_bytes(b""),
        trace: None,
    };
    let scope = Scope::new("noise@1").unwrap();
    let layer = IdempotencyLayer::new(bench.records.clone(), scope, name);
    let echo = service_fn(|(_, answer): (usize, Bytes)| async { Ok::<_, Infallible>(answer) });
    let mut service = layer.layer(echo);
    let sizes = sizes();
    for (seed, size) in (0..).zip(&sizes) {
        let key = usize::try_from(seed).unwrap();
        let first = service.call((key, noise(seed, *size))).await.unwrap();
        assert_eq!(first.len(), *size);
    }
    for duplicate in 0..DUPLICATES {
        let key = duplicate % sizes.len();
        let replayed = service.call((key, Bytes::from_static(b"another run"))).await.unwrap();
        assert!(replayed == noise(key as u64, sizes[key]), "{} bytes", sizes[key]);
    }
}

const SECRET: &str = "4929-1111-2222-3333";

#[handler(scope = "secret@1", on = "t/k", key = |_e| "one key")]
async fn secret(e: Event<String>, _cx: &mut Tx) -> Result<String, Fault> {
    Ok(format!("kept {}", e.data))
}

#[tokio::test]
async fn a_conflict_shows_no_byte_of_what_was_first() {
    let bench = Bench::new();
    let secret = bench.decorate(secret());
    let first = Delivery::first(event(&format!("\"{SECRET}\"")));
    let settlement = secret.deliver(&first).await.unwrap();
    assert_eq!(settlement, Settlement::Done { result: format!("\"kept {SECRET}\"").into() });
    for number in 0..DUPLICATES {
        let other = Delivery::first(event(&format!("\"guess {number}\"")));
        let settlement = secret.deliver(&other).await.unwrap();
        assert_eq!(settlement, Settlement::Conflict);
        assert!(!format!("{settlement:?}").contains("4929"));
    }
}

#[tokio::test]
async fn the_same_data_written_in_another_way_is_no_conflict() {
    let bench = Bench::new();
    let same = bench.decorate(same());
    let first = Delivery::first(event(r#"{"a":1,"b":[true,"x"]}"#));
    let other = Delivery::first(event(r#"{ "b" : [ true, "\u0078" ], "a" : 1.0 }"#));
    let done = same.deliver(&first).await.unwrap();
    assert!(matches!(done, Settlement::Done { .. }), "{done:?}");
    let replayed = same.deliver(&other).await.unwrap();
    assert!(matches!(replayed, Settlement::Replayed { .. }), "{replayed:?}");
}

#[handler(scope = "same@1", on = "t/k")]
async fn same(_e: Event<serde_json::Value>, _cx: &mut Tx) -> Result<(), Fault> {
    Ok(())
}
