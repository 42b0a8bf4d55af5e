use std::sync::Arc;

use serde_json::json;
use tokio::time::advance;

use super::*;
use crate::{
    identity::{Authenticator, testing::*},
    settings::{IdentityKind, Secret},
};

const REMEMBER: Duration = Duration::from_mins(1);

fn settings() -> Introspection {
    Introspection {
        uri: "http://id.example/introspect".parse().unwrap(),
        client_id: None,
        client_secret: None,
        issuer: None,
        audience: None,
        device_id_claim: None,
        leeway: Duration::ZERO,
        timeout: Duration::from_secs(1),
        remember: REMEMBER,
    }
}

struct Site {
    authenticator: Arc<Authenticator>,
    server: Arc<FakeFetch>,
}

impl Site {
    fn new(settings: Introspection) -> Self {
        let (clock, server) = (Arc::new(PausedClock::default()), Arc::new(FakeFetch::default()));
        let source = source(IdentityKind::Introspection(settings));
        let authenticator = Authenticator::new(&[source], clock, server.clone()).unwrap();
        Self { authenticator: Arc::new(authenticator), server }
    }

    async fn ask(&self, token: &str) -> Result<String, Denied> {
        let verified = self.authenticator.authenticate(0, &bearer(token)).await?;
        Ok(verified.identity.subject.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn answer_is_remembered_for_its_time_and_not_beyond_the_end() {
    let site = Site::new(settings());
    let end = START + 90;
    site.server.serve_text(&json!({ "active": true, "sub": "u", "exp": end }).to_string());

    assert_eq!(site.ask("a").await.as_deref(), Ok("u"));
    advance(REMEMBER.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(site.ask("a").await.as_deref(), Ok("u"));
    assert_eq!(site.server.count(), 1);
    advance(Duration::from_secs(1)).await;
    assert_eq!(site.ask("a").await.as_deref(), Ok("u"));
    assert_eq!(site.server.count(), 2, "asked again");
    advance(Duration::from_secs(30)).await;
    assert_eq!(site.ask("a").await, Err(Reason::Expired.into()), "whatever is remembered");
}

#[tokio::test(start_paused = true)]
async fn refusal_is_remembered_for_a_moment() {
    let site = Site::new(settings());
    site.server.serve_text("{\"active\": false}");

    for _ in 0..3 {
        assert_eq!(site.ask("a").await, Err(Reason::Inactive.into()));
    }
    assert_eq!(site.server.count(), 1);
    site.server.serve_text("{\"active\": true, \"username\": \"ada\"}");
    advance(REFUSED_FOR).await;
    assert_eq!(site.ask("a").await.as_deref(), Ok("ada"), "a name in place of the subject");
}

#[tokio::test(start_paused = true)]
async fn outage_is_not_remembered_and_takes_nothing_away() {
    let site = Site::new(settings());
    assert_eq!(site.ask("a").await, Err(Denied::SourceUnavailable));
    site.server.serve_text("{\"active\": true, \"sub\": \"u\"}");
    assert_eq!(site.ask("a").await.as_deref(), Ok("u"), "the very next one is asked about");
    for answer in ["[]", "no JSON", "{\"active\": true"] {
        site.server.serve_text(answer);
        assert_eq!(site.ask(answer).await, Err(Denied::SourceUnavailable), "{answer}");
    }
    site.server.fail();
    assert_eq!(site.ask("a").await.as_deref(), Ok("u"));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_one_answer_ask_once_and_wait_no_longer_than_their_time() {
    let site = Arc::new(Site::new(settings()));
    site.server.serve_text("{\"active\": true, \"sub\": \"u\"}");
    site.server.take(Duration::from_millis(900));
    let (one, two) = tokio::join!(site.ask("a"), site.ask("a"));
    assert_eq!((one.as_deref(), two.as_deref()), (Ok("u"), Ok("u")));
    assert_eq!(site.server.count(), 1);

    site.server.take(Duration::from_secs(2));
    let began = tokio::time::Instant::now();
    let (one, two) = tokio::join!(site.ask("b"), site.ask("b"));
    assert_eq!((one, two), (Err(Denied::SourceUnavailable), Err(Denied::SourceUnavailable)));
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn questions_under_way_are_bounded() {
    let site = Arc::new(Site::new(settings()));
    site.server.take(Duration::from_secs(10));
    let mut asking = tokio::task::JoinSet::new();
    for token in 0..=ASKS_MAX {
        let site = Arc::clone(&site);
        asking.spawn(async move { site.ask(&token.to_string()).await });
    }
    while let Some(ended) = asking.join_next().await {
        assert_eq!(ended.unwrap(), Err(Denied::SourceUnavailable));
    }
    assert_eq!(site.server.count(), ASKS_MAX);
}

#[tokio::test(start_paused = true)]
async fn question_is_a_form_with_the_edges_own_credential() {
    let secret = Some(Secret::new("a:b c"));
    let client_id = Some("edge/1".to_owned());
    let site = Site::new(Introspection { client_id, client_secret: secret, ..settings() });
    site.ask("t/+=").await.unwrap_err();

    let asked = site.server.questions.lock().remove(0);
    assert_eq!(asked.method(), http::Method::POST);
    assert_eq!(asked.uri(), "http://id.example/introspect");
    assert_eq!(asked.headers()[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(asked.body(), "token=t%2F%2B%3D&token_type_hint=access_token");
    let expected = format!("Basic {}", BASE64_STANDARD.encode("edge%2F1:a%3Ab%20c"));
    assert_eq!(asked.headers()[AUTHORIZATION], expected);
    assert!(asked.headers()[AUTHORIZATION].is_sensitive());
}
