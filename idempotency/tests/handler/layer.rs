//! The layer: any request with a key.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use headgate_idempotency::{Event, Fingerprint, IdempotencyLayer, LayerError, OnLost, Scope, Work};
use tower::{Layer as _, Service, service_fn};

use crate::bench::{Bench, event};

/// Answers with the number of the request, or fails.
#[derive(Clone, Debug, Default)]
struct Numbered {
    served: Arc<AtomicU32>,
    fails: bool,
}

impl Service<Event> for Numbered {
    type Response = Bytes;
    type Error = &'static str;
    type Future = Ready<Result<Bytes, &'static str>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Event) -> Self::Future {
        let number = self.served.fetch_add(1, Ordering::Relaxed) + 1;
        ready(if self.fails { Err("it failed") } else { Ok(number.to_string().into()) })
    }
}

fn layer(bench: &Bench) -> IdempotencyLayer<fn(&Event) -> Work> {
    IdempotencyLayer::events(bench.records.clone(), Scope::new("numbers@1").unwrap())
}

#[tokio::test]
async fn a_request_that_comes_again_gets_the_recorded_answer() {
    let bench = Bench::new();
    let mut service = layer(&bench).layer(Numbered::default());
    for _ in 0..3 {
        assert_eq!(service.call(event("1")).await.unwrap(), "1");
    }
    let mut other = event("1");
    other.id = "e-2".into();
    assert_eq!(service.call(other).await.unwrap(), "2");
}

#[tokio::test]
async fn a_key_for_another_payload_is_a_conflict() {
    let bench = Bench::new();
    let mut service = layer(&bench).layer(Numbered::default());
    service.call(event("1")).await.unwrap();
    let error = service.call(event("2")).await.unwrap_err();
    assert!(matches!(error, LayerError::Conflict), "{error:?}");
}

#[tokio::test]
async fn a_request_that_fails_gives_its_key_back() {
    let bench = Bench::new();
    let numbered = Numbered::default();
    let failing = Numbered { fails: true, ..numbered.clone() };
    for _ in 0..2 {
        let error = layer(&bench).layer(failing.clone()).call(event("1")).await.unwrap_err();
        assert!(matches!(error, LayerError::Service("it failed")), "{error:?}");
    }
    assert_eq!(layer(&bench).layer(numbered).call(event("1")).await.unwrap(), "3");
}

#[tokio::test(start_paused = true)]
async fn while_one_is_served_its_twin_is_busy() {
    let bench = Bench::new();
    let slow = service_fn(|_: Event| async {
        tokio::time::sleep(Duration::from_mins(2)).await;
        Ok::<_, Infallible>(Bytes::from_static(b"slow"))
    });
    let mut service = layer(&bench).layer(slow);
    let (one, twin) = (service.call(event("1")), service.call(event("1")));
    let twin = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        twin.await
    };
    let (one, twin) = tokio::join!(one, twin);
    assert_eq!(one.unwrap(), "slow");
    let error = twin.unwrap_err();
    assert!(matches!(error, LayerError::Busy { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_worker_died_is_held_where_that_is_asked_for() {
    let bench = Bench::new();
    let hanging = service_fn(|_: Event| std::future::pending::<Result<Bytes, Infallible>>());
    let layer = layer(&bench).on_lost(OnLost::Hold).lease(Duration::from_secs(1));
    let served = layer.layer(hanging).call(event("1"));
    assert!(tokio::time::timeout(Duration::from_secs(10), served).await.is_err());
    tokio::time::advance(Duration::from_secs(10)).await;
    let error = layer.layer(Numbered::default()).call(event("1")).await.unwrap_err();
    assert!(matches!(error, LayerError::Held(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_time() {
    let bench = Bench::new();
    let mut service = layer(&bench).ttl(Duration::from_mins(1)).layer(Numbered::default());
    assert_eq!(service.call(event("1")).await.unwrap(), "1");
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(service.call(event("1")).await.unwrap(), "1");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(service.call(event("1")).await.unwrap(), "2");
}

#[tokio::test]
async fn any_request_can_be_given_a_key() {
    let bench = Bench::new();
    let name = |request: &&'static str| Work {
        key: request.split(' ').next().unwrap_or_default().into(),
        fingerprint: Fingerprint::of_bytes(request.as_bytes()),
        trace: None,
    };
    let layer = IdempotencyLayer::new(bench.records.clone(), Scope::new("words@1").unwrap(), name);
    let length =
        |request: &'static str| ready(Ok::<_, Infallible>(Bytes::from(request.len().to_string())));
    let mut service = layer.layer(service_fn(length));
    assert_eq!(service.call("k one").await.unwrap(), "5");
    assert!(matches!(service.call("k two").await.unwrap_err(), LayerError::Conflict));
    assert!(matches!(service.call(" none").await.unwrap_err(), LayerError::Key(_)));
}
