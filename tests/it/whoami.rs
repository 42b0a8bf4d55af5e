//! A device's developer asks the edge what it makes of them.

use headgate_tests::{
    Bff, Edge, Site, get,
    identity::{ACCOUNTS, Key, claims_with, jwks, now},
};
use serde_json::{Value, json};

const DEVICES: &str =
    "[[device]]\nname = \"tv\"\nwhen = [\"header x-app ~ '^tv/(?<ver>[0-9.]+)'\"]\n";

async fn edge(bff: &Bff, key: &Key, whoami: &str) -> Edge {
    let rate = "rate = [{ per = \"user\", rate = \"5/s\", burst = 20 }]";
    Site::with_route(bff, "", &format!("auth = \"accounts\"\ntimeout = \"3s\"\n{rate}"))
        .file("jwks.json", jwks(&[key]))
        .platform(&format!("{DEVICES}{ACCOUNTS}{whoami}"))
        .start()
        .await
}

fn debugger(key: &Key) -> String {
    key.sign(&claims_with("scope", json!("profile:read debug")))
}

#[tokio::test]
async fn caller_with_the_scope_hears_what_the_edge_makes_of_it() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &key, "[whoami]\nauth = \"accounts\"\nscope = \"debug\"").await;
    let clock = (now() - 90) * 1000;
    let path = format!("/_headgate/whoami?path=%2Ftv%2Fhome%3Fa%3D1&now={clock}");

    let reply = edge.send(get(&path).bearer(&debugger(&key)).header("x-app", "tv/7.3")).await;

    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    let told: Value = reply.json();
    assert_eq!(told["trace_id"], reply.trace_id());
    assert_eq!(told["config"], edge.config().await["digest"]);
    assert_eq!(told["client"]["address"], "127.0.0.1");
    assert_eq!(
        (&told["device"]["class"], &told["device"]["version"]),
        (&json!("tv"), &json!("7.3"))
    );
    assert!(told["device"]["reason"].as_str().unwrap().starts_with("header x-app ~"), "{told}");
    let identity = &told["identity"];
    assert_eq!((&identity["source"], &identity["subject"]), (&json!("accounts"), &json!("user-1")));
    assert!((500..=600).contains(&identity["expires_in_s"].as_u64().unwrap()), "{identity}");
    let skew = told["clock_skew_ms"].as_i64().unwrap();
    assert!((-200_000..=-89_000).contains(&skew), "the caller's clock is late: {skew}");
    let route = &told["route"];
    assert_eq!((&route["team"], &route["name"]), (&json!("tv"), &json!("all")));
    assert_eq!(route["upstream"], "home");
    assert_eq!(route["caller"]["source"], "accounts");
    assert_eq!(route["timeout_ms"], 3000);
    assert_eq!(route["limits"]["rates"][0]["burst"], 20);
    assert!(bff.requests().is_empty(), "nobody else is asked");
}

#[tokio::test]
async fn question_without_a_path_is_about_the_caller_alone() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let edge = edge(&bff, &key, "[whoami]\nauth = \"accounts\"\nscope = \"debug\"").await;

    let told: Value = edge.send(get("/_headgate/whoami").bearer(&debugger(&key))).await.json();

    assert_eq!((&told["route"], &told["clock_skew_ms"]), (&Value::Null, &Value::Null));
    assert_eq!(told["device"]["class"], "unknown");
    let bad = get("/_headgate/whoami?path=/a&method=no%20method").bearer(&debugger(&key));
    assert_eq!(edge.send(bad).await.status, 400);
}

#[tokio::test]
async fn nobody_else_hears_anything() {
    let (bff, key) = (Bff::ok().await, Key::ed25519("1"));
    let open = edge(&bff, &key, "[whoami]\nauth = \"accounts\"\nscope = \"debug\"").await;
    assert_eq!(open.send(get("/_headgate/whoami")).await.status, 401);
    let reply = open.send(get("/_headgate/whoami").bearer(&key.token())).await;
    assert_eq!((reply.status, reply.problem()["code"].as_str()), (403, Some("HG0005")));

    let closed = edge(&bff, &key, "").await;
    assert_eq!(closed.send(get("/_headgate/whoami").bearer(&debugger(&key))).await.status, 404);
}
