//! Opaque tokens: the server that issued them is asked, not too often, and may be out of reach.

use std::sync::{Arc, Mutex};

use headgate_tests::{
    Bff, Edge, Site, bff, eventually, get,
    identity::{ISSUER, now, verify_passport},
};
use serde_json::{Value, json};

/// A server that answers with what it was last given.
async fn server(answer: Value) -> (Bff, Arc<Mutex<Value>>) {
    let answer = Arc::new(Mutex::new(answer));
    let given = Arc::clone(&answer);
    let server = Bff::raw(move |mut connection| {
        let given = Arc::clone(&given);
        async move {
            while connection.request().await.is_some() {
                let text = given.lock().unwrap().to_string();
                connection.answer(200, &[("content-type", "application/json")], &text).await;
            }
        }
    })
    .await;
    (server, answer)
}

fn active() -> Value {
    json!({
        "active": true, "sub": "user-7", "scope": "read write", "exp": now() + 600,
        "iss": ISSUER, "aud": "edge", "device": "tv-9",
    })
}

async fn edge(bff: &Bff, server: &str, lines: &str) -> Edge {
    let url = format!("http://{server}/introspect");
    Site::with_route(bff, "", "auth = \"legacy\"\nscopes = [\"read\"]")
        .file("secret", "s%e:c\n")
        .platform(&format!("[identity.legacy]\nintrospect = \"{url}\"\n{lines}"))
        .start()
        .await
}

#[tokio::test]
async fn server_vouches_for_a_token_once_for_many_requests() {
    let bff = Bff::ok().await;
    let (server, _) = server(active()).await;
    let lines = "client_id = \"headgate\"\nclient_secret_file = \"secret\"\nissuer = \"https://id.example\"\n\
        audience = \"edge\"\ndevice_id = \"device\"";
    let edge = edge(&bff, &server.endpoint(), lines).await;

    let ask = || edge.send(get("/tv/x").bearer("opaque-1+"));
    let (one, two, three, four) = tokio::join!(ask(), ask(), ask(), ask());
    for reply in [one, two, three, four, ask().await] {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    let asked = server.requests();
    assert_eq!(asked.len(), 1, "one question for all who ask at the same time");
    assert_eq!(asked[0].method, "POST");
    assert_eq!(asked[0].target, "/introspect");
    let form = String::from_utf8(asked[0].body.clone()).unwrap();
    assert_eq!(form, "token=opaque-1%2B&token_type_hint=access_token");
    // headgate:s%25e%3Ac
    assert_eq!(asked[0].header("authorization"), Some("Basic aGVhZGdhdGU6cyUyNWUlM0Fj"));
    let passport = bff.first().await.header("headgate-passport").unwrap().to_owned();
    let keys = edge.ask("/.well-known/jwks.json").await.json();
    let told = verify_passport(&passport, &keys, "tv/home");
    assert_eq!((&told["sub"], &told["device_id"]), (&json!("user-7"), &json!("tv-9")));
    assert_eq!(told["strength"], "opaque_token");
    assert!(!edge.told().contains("opaque-1"));
}

#[tokio::test]
async fn bad_answers_are_refusals_and_are_remembered() {
    let bff = Bff::ok().await;
    let cases = [
        ("inactive", json!({ "active": false }), 401, "HG0003"),
        ("no word", json!({}), 401, "HG0003"),
        ("ended", json!({ "active": true, "sub": "u", "exp": now() - 600 }), 401, "HG0003"),
        ("nobody", json!({ "active": true, "scope": "read" }), 401, "HG0003"),
        ("no scope", json!({ "active": true, "sub": "u" }), 403, "HG0005"),
    ];
    let (server, answer) = server(Value::Null).await;
    let edge = edge(&bff, &server.endpoint(), "").await;

    for (what, given, status, code) in cases {
        *answer.lock().unwrap() = given;
        for _ in 0..2 {
            let reply = edge.send(get("/tv/x").bearer(what)).await;
            assert_eq!(reply.status, status, "{what}: {}", reply.text());
            assert_eq!(reply.problem()["code"], code, "{what}");
        }
    }

    assert_eq!(server.requests().len(), 5, "one question for each token");
    assert!(bff.requests().is_empty());
}

#[tokio::test]
async fn other_issuers_and_audiences_are_refused() {
    let bff = Bff::ok().await;
    let (server, answer) = server(Value::Null).await;
    let lines = "issuer = \"https://id.example\"\naudience = \"edge\"\nleeway = \"0s\"";
    let edge = edge(&bff, &server.endpoint(), lines).await;

    for (member, value) in [
        ("iss", json!("https://other.example")),
        ("aud", json!("other")),
        ("exp", json!(now() - 5)),
    ] {
        let mut given = active();
        given[member] = value;
        *answer.lock().unwrap() = given;
        assert_eq!(edge.send(get("/tv/x").bearer(member)).await.status, 401, "{member}");
    }
    *answer.lock().unwrap() = active();
    assert_eq!(edge.send(get("/tv/x").bearer("good")).await.status, 200);
}

#[tokio::test]
async fn server_out_of_reach_is_no_fault_of_the_token() {
    let bff = Bff::ok().await;
    let edge = edge(&bff, &bff::refusing(), "").await;

    let reply = edge.send(get("/tv/x").bearer("opaque")).await;

    assert_eq!(reply.status, 503);
    let problem = reply.problem();
    assert_eq!(
        (problem["outcome"].as_str(), problem["code"].as_str()),
        (Some("origin_unhealthy"), Some("HG0080"))
    );
    assert!(problem["retry_after_ms"].as_u64().unwrap() >= 1000, "{problem}");
    assert_eq!(edge.send(get("/tv/x")).await.status, 401, "who shows nothing is not good either");
    assert!(bff.requests().is_empty());
}

#[tokio::test]
async fn server_that_hangs_costs_its_time_and_no_more() {
    let bff = Bff::ok().await;
    let server = Bff::hanging().await;
    let edge = edge(&bff, &server.endpoint(), "timeout = \"100ms\"").await;

    let reply = edge.send(get("/tv/x").bearer("opaque")).await;

    assert_eq!((reply.status, reply.problem()["code"].as_str()), (503, Some("HG0080")));
    assert_eq!(server.saw(1).await.len(), 1);
}

#[tokio::test]
async fn what_is_remembered_outlasts_the_server_for_its_time() {
    let bff = Bff::ok().await;
    let (server, answer) = server(active()).await;
    let edge = edge(&bff, &server.endpoint(), "remember = \"2s\"").await;
    assert_eq!(edge.send(get("/tv/x").bearer("opaque")).await.status, 200);
    let remembered_until = now() + 2;

    *answer.lock().unwrap() = json!("no object");
    let known = edge.send(get("/tv/x").bearer("opaque")).await.status;
    assert!(known == 200 || now() > remembered_until, "{known}");
    assert_eq!(edge.send(get("/tv/x").bearer("other")).await.status, 503);
    eventually("the end of what is remembered", || (now() > remembered_until).then_some(())).await;

    assert_eq!(edge.send(get("/tv/x").bearer("opaque")).await.status, 503);
    *answer.lock().unwrap() = json!({ "active": false });
    assert_eq!(edge.send(get("/tv/x").bearer("opaque")).await.status, 401, "it was withdrawn");
}
