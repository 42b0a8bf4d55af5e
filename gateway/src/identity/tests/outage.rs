//! Keys from a URL: rotation, withdrawal, outages, and how often they are fetched.

use tokio::{
    sync::watch,
    task::{JoinHandle, yield_now},
    time::{Instant, advance, sleep},
};

use super::*;
use crate::identity::key_store::WAITERS_MAX;

struct Remote {
    authenticator: Arc<Authenticator>,
    issuer: Arc<FakeFetch>,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Remote {
    fn start(issuer: Arc<FakeFetch>) -> Self {
        let url = KeySet::Url("https://id.example/jwks".parse().unwrap());
        let sources = [source(IdentityKind::Jwt(jwt(url)))];
        let clock = Arc::new(PausedClock::default());
        let authenticator = Arc::new(Authenticator::new(&sources, clock, issuer.clone()).unwrap());
        let (shutdown, over) = watch::channel(false);
        let mut refreshes = Refreshes::default();
        refreshes.follow(&authenticator, &over);
        let task =
            tokio::spawn(async move { while refreshes.tasks.join_next().await.is_some() {} });
        Self { authenticator, issuer, shutdown, task }
    }

    async fn with_keys(keys: &[&IssuerKey]) -> Self {
        let this = Self::start(FakeFetch::serving(keys));
        settle().await;
        this
    }

    async fn present(&self, token: &str) -> Result<Arc<Verified>, Denied> {
        self.authenticator.authenticate(0, &bearer(token)).await
    }

    fn status(&self) -> SourceStatus {
        self.authenticator.status().remove(0)
    }
}

/// Lets every task run until it waits. Takes no time.
async fn settle() {
    for _ in 0..32 {
        yield_now().await;
    }
}

/// Lets time pass, timer by timer.
async fn pass(time: Duration) {
    sleep(time).await;
    settle().await;
}

fn lasting(key: &IssuerKey) -> String {
    key.sign(&claims_with("exp", json!(START + 1_000_000)))
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_at_the_start() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    assert!(remote.present(&KEYS.ed.sign(&claims())).await.is_ok());
    assert_eq!(remote.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_before_the_first_keys_waits_for_them() {
    let issuer = FakeFetch::serving(&[&KEYS.ed]);
    issuer.take(Duration::from_millis(500));
    let remote = Remote::start(issuer);
    let started = Instant::now();
    assert!(remote.present(&KEYS.ed.sign(&claims())).await.is_ok());
    assert_eq!(started.elapsed().as_millis(), 500);
    assert_eq!(remote.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_a_second_at_most() {
    let issuer = FakeFetch::serving(&[&KEYS.ed]);
    issuer.take(Duration::from_secs(4));
    let remote = Remote::start(issuer);
    let started = Instant::now();
    let denied = remote.present(&KEYS.ed.sign(&claims())).await.unwrap_err();
    assert_eq!(denied, Denied::KeysUnavailable);
    assert_eq!(started.elapsed().as_millis(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_nobody_can_tell() {
    let remote = Remote::start(Arc::new(FakeFetch::default()));
    settle().await;
    let denied = remote.present(&KEYS.ed.sign(&claims())).await.unwrap_err();
    assert_eq!(denied, Denied::KeysUnavailable);
    let status = remote.status();
    assert!(!status.is_usable);
    assert_eq!(status.last_error.as_deref(), Some("answered 502 Bad Gateway"));
    remote.issuer.serve(&[&KEYS.ed]);
    pass(Duration::from_mins(1)).await;
    assert!(remote.present(&KEYS.ed.sign(&claims())).await.is_ok());
    assert_eq!(remote.status().last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_when_its_first_token_comes() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    remote.issuer.serve(&[&KEYS.ed, &KEYS.ec]);
    assert!(remote.present(&KEYS.ec.sign(&claims())).await.is_ok());
    assert_eq!(remote.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn unknown_key_ids_fetch_once_an_interval() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    remote.issuer.take(Duration::from_millis(100));
    let stranger = IssuerKey::ed25519("stranger");
    for round in 1..=3_usize {
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let kid = Some(format!("{round}-{n}"));
                let token = signed_with(&Header { kid, ..stranger.header() }, &stranger);
                let authenticator = Arc::clone(&remote.authenticator);
                tokio::spawn(async move { authenticator.authenticate(0, &bearer(&token)).await })
            })
            .collect();
        for task in tasks {
            let denied = task.await.unwrap().unwrap_err();
            assert_eq!(denied, Denied::Invalid(Reason::UnknownKey));
        }
        let started = Instant::now();
        remote.present(&stranger.sign(&claims())).await.unwrap_err();
        assert!(started.elapsed().is_zero(), "past the budget nobody waits");
        assert_eq!(remote.issuer.count(), 1 + round);
        pass(Duration::from_secs(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_another_issuer_use_up_no_budget() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    let foreign = claims_with("iss", json!("https://staging.example"));
    let denied = remote.present(&IssuerKey::ed25519("staging").sign(&foreign)).await.unwrap_err();
    assert_eq!(denied, Denied::Invalid(Reason::Issuer));
    let header = Header { kid: Some("any".to_owned()), ..Header::new(Algorithm::HS256) };
    let shared = encode(&header, &claims(), &EncodingKey::from_secret(b"x")).unwrap();
    let denied = remote.present(&shared).await.unwrap_err();
    assert_eq!(denied, Denied::Invalid(Reason::Algorithm));
    assert_eq!(remote.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn good_tokens_do_not_wait_while_others_cause_a_fetch() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    remote.issuer.take(Duration::from_secs(3));
    let authenticator = Arc::clone(&remote.authenticator);
    let unknown = bearer(&IssuerKey::ed25519("unknown").sign(&claims()));
    let waiting = tokio::spawn(async move { authenticator.authenticate(0, &unknown).await });
    settle().await;
    let started = Instant::now();
    assert!(remote.present(&KEYS.ed.sign(&claims())).await.is_ok());
    assert!(started.elapsed().is_zero());
    assert_eq!(waiting.await.unwrap().unwrap_err(), Denied::KeysUnavailable);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_bounded() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    remote.issuer.take(Duration::from_secs(3));
    let unknown = bearer(&IssuerKey::ed25519("unknown").sign(&claims()));
    for _ in 0..WAITERS_MAX {
        let (authenticator, headers) = (Arc::clone(&remote.authenticator), unknown.clone());
        tokio::spawn(async move { authenticator.authenticate(0, &headers).await });
    }
    settle().await;
    let started = Instant::now();
    let denied = remote.authenticator.authenticate(0, &unknown).await.unwrap_err();
    assert_eq!(denied, Denied::KeysUnavailable);
    assert!(started.elapsed().is_zero());
    assert_eq!(remote.issuer.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_ends_what_it_verified() {
    let remote = Remote::with_keys(&[&KEYS.ed, &KEYS.ec]).await;
    let (ed, ec) = (lasting(&KEYS.ed), lasting(&KEYS.ec));
    remote.present(&ed).await.unwrap();
    let kept = remote.present(&ec).await.unwrap();
    remote.issuer.serve(&[&KEYS.ec]);
    pass(Duration::from_mins(10)).await;
    assert!(remote.authenticator.cached(0, &bearer(&ed)).is_none());
    let denied = remote.present(&ed).await.unwrap_err();
    assert_eq!(denied, Denied::Invalid(Reason::UnknownKey));
    let still = remote.authenticator.cached(0, &bearer(&ec)).unwrap().unwrap();
    assert!(Arc::ptr_eq(&kept, &still), "an unchanged key keeps what it verified");
}

#[tokio::test(start_paused = true)]
async fn another_key_under_the_same_name_ends_what_the_first_verified() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    let token = lasting(&KEYS.ed);
    remote.present(&token).await.unwrap();
    let successor = IssuerKey::ed25519("ed");
    remote.issuer.serve(&[&successor]);
    pass(Duration::from_mins(10)).await;
    let denied = remote.present(&token).await.unwrap_err();
    assert_eq!(denied, Denied::Invalid(Reason::Signature));
    assert!(remote.present(&lasting(&successor)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_an_outage_for_as_long_as_configured() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    let remembered = lasting(&KEYS.ed);
    remote.present(&remembered).await.unwrap();
    remote.issuer.fail();
    // Refresh after 10 minutes, then an hour of outage.
    pass(Duration::from_mins(70) - Duration::from_millis(10)).await;
    assert!(remote.present(&remembered).await.is_ok());
    let fresh = KEYS.ed.sign(&claims_with("exp", json!(START + 2_000_000)));
    assert!(remote.present(&fresh).await.is_ok());
    assert!(remote.status().is_usable);
    pass(Duration::from_millis(20)).await;
    for token in [&remembered, &fresh] {
        assert_eq!(remote.present(token).await.unwrap_err(), Denied::KeysUnavailable);
    }
    assert!(!remote.status().is_usable);
    remote.issuer.serve(&[&KEYS.ed]);
    pass(Duration::from_mins(1)).await;
    assert!(remote.present(&remembered).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_an_unknown_key_may_be_a_good_one() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    remote.issuer.fail();
    let denied = remote.present(&KEYS.ec.sign(&claims())).await.unwrap_err();
    assert_eq!(denied, Denied::KeysUnavailable);
}

#[tokio::test(start_paused = true)]
async fn a_document_without_keys_does_not_replace_good_ones() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    for text in ["<html>maintenance</html>", r#"{"keys": []}"#] {
        remote.issuer.serve_text(text);
        pass(Duration::from_mins(11)).await;
        assert!(remote.status().last_error.is_some(), "{text}");
        assert!(remote.present(&lasting(&KEYS.ed)).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_never_ends_is_given_up() {
    let issuer = FakeFetch::serving(&[&KEYS.ed]);
    issuer.take(Duration::from_hours(9));
    let remote = Remote::start(issuer);
    pass(Duration::from_secs(5)).await;
    assert_eq!(remote.status().last_error.as_deref(), Some("no answer within 5 seconds"));
}

#[tokio::test(start_paused = true)]
async fn failed_fetches_are_repeated_ever_more_slowly() {
    let remote = Remote::start(Arc::new(FakeFetch::default()));
    pass(Duration::from_mins(10)).await;
    // 1, 2, 4 … 32 s, then one a minute, each up to a tenth sooner.
    let count = remote.issuer.count();
    assert!((15..=18).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn fresh_keys_are_fetched_again_before_they_are_too_old() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    for n in 1..20 {
        advance(Duration::from_secs(30)).await;
        settle().await;
        let age = remote.status().age.unwrap();
        assert!(age <= Duration::from_mins(10), "{age:?} in step {n}");
    }
    pass(Duration::from_mins(90)).await;
    let count = remote.issuer.count();
    assert!((10..=13).contains(&count), "{count} fetches in 100 minutes");
}

#[tokio::test(start_paused = true)]
async fn refresh_ends_with_shutdown() {
    let remote = Remote::with_keys(&[&KEYS.ed]).await;
    remote.shutdown.send_replace(true);
    remote.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn refresh_ends_with_shutdown_during_a_fetch() {
    let issuer = FakeFetch::serving(&[&KEYS.ed]);
    issuer.take(Duration::from_secs(4));
    let remote = Remote::start(issuer);
    settle().await;
    drop(remote.shutdown);
    let started = Instant::now();
    remote.task.await.unwrap();
    assert!(started.elapsed().is_zero());
}
