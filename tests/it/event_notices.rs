//! Who is told when events fail.

use headgate_tests::{Bff, Edge, Site, within};
use serde_json::Value;

use crate::events::{JSON, charging, function, handler, order_route, place, platform};

/// An edge whose function refuses to work, and its function.
async fn failing(notices: &str) -> (Bff, Edge) {
    let bff = function(|_| (500, JSON, "{}".to_owned())).await;
    let never = "retry = { max = 0 }";
    let tables = [order_route("", ""), handler("charge", &bff, never)];
    let site = Site::new().platform(&platform()).platform(notices).team("tv", &tables);
    (bff, site.start().await)
}

/// A topic's entries, once there are any.
async fn entries(edge: &Edge, topic: &str) -> u64 {
    within("entries of the topic", async {
        loop {
            let topics = edge.ask("/v1/topics").await.json();
            let all = topics["topics"].as_array().unwrap();
            let found = all.iter().find(|one| one["name"] == topic);
            if let Some(entries) =
                found.and_then(|one| one["entries"].as_u64()).filter(|it| *it > 0)
            {
                return entries;
            }
        }
    })
    .await
}

#[tokio::test]
async fn dead_letter_is_told_as_an_event_and_to_the_webhook() {
    let hook = charging().await;
    let lines = format!("[events.notices]\nwebhook = \"http://{}/told\"\n", hook.endpoint());
    let (_bff, edge) = failing(&lines).await;

    assert_eq!(edge.send(place("o-1")).await.status, 202);

    hook.saw(1).await;
    let told = hook.requests().remove(0);
    assert_eq!((told.target.as_str(), told.header("ce-type")), ("/told", Some("hg.notice.v1")));
    let notice: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!((&notice["class"], &notice["scope"]), (&"parked".into(), &"tv.charge".into()));
    assert_eq!(notice["topic"], "orders");
    assert!(notice["error"].as_str().unwrap().contains("500"), "{notice}");
    assert_eq!(entries(&edge, "hg.notices").await, 1);
}

#[tokio::test]
async fn only_errors_that_are_asked_for_are_told() {
    let hook = charging().await;
    let lines = format!(
        "[events.notices]\non = [\"deferred\"]\nwebhook = \"http://{}/told\"\n",
        hook.endpoint()
    );
    let bff = function(|_| (500, JSON, "{}".to_owned())).await;
    let once = "retry = { max = 1, backoff = \"1ms..1ms\" }";
    let tables = [order_route("", ""), handler("charge", &bff, once)];
    let site = Site::new().platform(&platform()).platform(&lines).team("tv", &tables);
    let edge = site.start().await;

    assert_eq!(edge.send(place("o-1")).await.status, 202);

    entries(&edge, "hg.dlq.tv.charge").await;
    hook.saw(1).await;
    assert_eq!(entries(&edge, "hg.notices").await, 1);
    let notice: Value = serde_json::from_slice(&hook.requests()[0].body).unwrap();
    assert_eq!(notice["class"], "deferred");
}
