//! Trailers pass, whatever is spoken on either side.

use headgate_tests::{
    Bff, Site,
    client::{call, streamed},
    get,
};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;

fn one(name: &'static str, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))])
}

/// Answers with the request's trailer in a trailer of its own.
async fn bff() -> Bff {
    Bff::http(|request| async move {
        let collected = request.into_body().collect().await.unwrap();
        let sum = collected.trailers().and_then(|all| all.get("x-sum")).cloned();
        let (mut sender, body) = streamed();
        tokio::spawn(async move {
            sender.send_data("hello".into()).await.unwrap();
            let mut trailers = one("x-answer", "end");
            if let Some(sum) = sum {
                trailers.insert("x-echo", sum);
            }
            sender.send_trailers(trailers).await.unwrap();
        });
        http::Response::builder().header("trailer", "x-answer, x-echo").body(body).unwrap()
    })
    .await
}

#[tokio::test]
async fn trailers_pass_both_ways_between_all_protocols() {
    for protocol in ["h1", "h2c"] {
        let bff = bff().await;
        let edge = Site::with_route(&bff, &format!("protocol = \"{protocol}\""), "").start().await;
        for (mut client, spoken) in [(edge.h1().await, "h1"), (edge.h2().await, "h2")] {
            let (mut sender, body) = streamed();
            tokio::spawn(async move {
                sender.send_data("piece".into()).await.unwrap();
                sender.send_trailers(one("x-sum", "42")).await.unwrap();
            });
            let call = call("POST", "/tv/x")
                .header("te", "trailers")
                .header("trailer", "x-sum")
                .body(body);
            let reply = client.send(call).await;

            let case = format!("{spoken} to {protocol}");
            assert_eq!((reply.status, reply.text()), (200, "hello"), "{case}");
            let trailers = reply.trailers.unwrap_or_else(|| panic!("no trailers: {case}"));
            assert_eq!(trailers.get("x-answer").unwrap(), "end", "{case}");
            assert_eq!(trailers.get("x-echo").unwrap(), "42", "{case}");
        }
    }
}

#[tokio::test]
async fn trailers_of_the_upstream_cannot_speak_for_the_edge() {
    let bff = Bff::http(|_| async {
        let (mut sender, body) = streamed();
        tokio::spawn(async move {
            sender.send_data("hello".into()).await.unwrap();
            sender.send_trailers(one("headgate-trace-id", "spoofed")).await.unwrap();
        });
        http::Response::new(body)
    })
    .await;
    let edge = Site::with_route(&bff, "protocol = \"h2c\"", "").start().await;

    let reply = edge.h2().await.send(get("/tv/x").header("te", "trailers")).await;

    let trailers = reply.trailers.unwrap_or_default();
    assert!(!trailers.contains_key("headgate-trace-id"), "{trailers:?}");
}
