//! Answers of the edge's own tell a client what to do.

use headgate_tests::{
    Bff, Site, bff,
    client::call,
    get,
    identity::{ACCOUNTS, Key, jwks},
    post, route, upstream,
};

#[tokio::test]
async fn every_refusal_tells_who_why_and_whether_to_retry() {
    let (bff, hanging, key) = (Bff::ok().await, Bff::hanging().await, Key::ed25519("1"));
    let edge = Site::new()
        .platform(ACCOUNTS)
        .file("jwks.json", jwks(&[&key]))
        .edge("max_body = \"1KiB\"\nbody_idle = \"200ms\"")
        .team(
            "tv",
            &[
                upstream("home", &[&bff.endpoint()], ""),
                upstream("gone", &[&bff::refusing()], ""),
                upstream("hanging", &[&hanging.endpoint()], "max_connections = 1"),
                route("open", "* /open", "home", ""),
                route("closed", "GET /closed", "home", "auth = \"accounts\""),
                route("scoped", "GET /scoped", "home", "auth = \"accounts\"\nscopes = [\"x\"]"),
                route("gone", "GET /gone", "gone", ""),
                route("late", "GET /late", "hanging", "timeout = \"100ms\""),
            ],
        )
        .start()
        .await;
    let token = key.token();

    for (call, status, outcome, retryable) in [
        (get("/nowhere"), 404, "no_route", false),
        (get("/closed"), 401, "denied_auth", false),
        (get("/closed").bearer("x"), 401, "denied_auth", false),
        (get("/scoped").bearer(&token), 403, "denied_policy", false),
        (post("/open", vec![0; 1025]), 413, "client_too_large", false),
        (get("/open").header("connection", "host"), 400, "client_bad_request", false),
        (get("/gone"), 502, "origin_connect", true),
        (get("/late").header("headgate-deadline-ms", "20"), 504, "deadline_exceeded", true),
        (get("/late"), 504, "origin_timeout", true),
    ] {
        let path = call.path().to_owned();
        let reply = edge.send(call).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        let problem = reply.problem();
        assert_eq!(problem["outcome"], outcome, "{path}");
        assert_eq!(problem["retryable"], retryable, "{path}");
        let code = problem["code"].as_str().unwrap();
        assert!(reply.header("proxy-status").contains(code), "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert_eq!(edge.access_line(reply.trace_id()).await["code"], code, "{path}");
    }
}

#[tokio::test]
async fn connection_serves_on_behind_a_refusal() {
    let bff = Bff::ok().await;
    let edge = Site::new()
        .team("tv", &[upstream("home", &[&bff.endpoint()], ""), route("x", "GET /x", "home", "")])
        .start()
        .await;
    let mut raw = edge.raw().await;

    for (target, status) in [("/nowhere", 404), ("/x", 200), ("/nowhere", 404)] {
        raw.send(format!("GET {target} HTTP/1.1\r\nhost: e\r\n\r\n")).await;
        assert_eq!(raw.answer().await.status, status);
    }
}

#[tokio::test]
async fn unread_body_of_a_refused_request_is_no_request() {
    let edge = Site::new().edge("keep_alive = \"500ms\"").start().await;
    let inner = "GET /smuggled HTTP/1.1\r\nhost: e\r\n\r\n";

    let mut raw = edge.raw().await;
    raw.send(format!(
        "POST /nowhere HTTP/1.1\r\nhost: e\r\ncontent-length: {}\r\n\r\n{inner}",
        inner.len()
    ))
    .await;

    let said = raw.rest_text().await;
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
    assert!(said.starts_with("HTTP/1.1 404 "), "{said}");
}

#[tokio::test]
async fn options_for_the_whole_server_has_an_answer() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let mut raw = edge.raw().await;
    raw.send("OPTIONS * HTTP/1.1\r\nhost: e\r\nconnection: close\r\n\r\n").await;
    let answer = raw.answer().await;

    assert!((200..500).contains(&answer.status), "{}", answer.head);
    answer.trace_id();
}

#[tokio::test]
async fn unusual_methods_pass() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"] {
        assert_eq!(edge.send(call(method, "/tv/x")).await.status, 200, "{method}");
        assert_eq!(bff.requests().pop().unwrap().method, method);
    }
}
