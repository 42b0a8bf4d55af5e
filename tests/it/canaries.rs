//! A route's requests are divided between upstreams, and each device keeps its own.

use std::collections::BTreeMap;

use headgate_tests::{
    Bff, Edge, Reply, Site, edge, get,
    identity::{ACCOUNTS, Key, claims_with, jwks, now},
    route, upstream,
};
use serde_json::{Value, json};

/// Devices in these tests. At 10 % of them, none has the canary about once in 10^5 runs with
/// another salt; with these names and salts the draw is always the same.
const DEVICES: usize = 100;

/// A site whose route `home` asks for a token; `split` is the key that divides it.
fn site(stable: &Bff, next: &Bff, key: &Key, split: &str) -> Site {
    Site::new().file("jwks.json", jwks(&[key])).platform(&accounts("device_id = \"esn\"")).team(
        "tv",
        &[
            upstream("home", &[&stable.endpoint()], ""),
            upstream("home-next", &[&next.endpoint()], ""),
            route("home", "GET /tv/home", "home", &format!("auth = \"accounts\"\n{split}")),
        ],
    )
}

fn accounts(more: &str) -> String {
    format!("{ACCOUNTS}{more}\n")
}

fn token(key: &Key, device: usize, user: &str) -> String {
    let mut claims = claims_with("esn", json!(format!("tv-{device}")));
    claims["sub"] = json!(user);
    key.sign(&claims)
}

/// What each device gets.
async fn answers(edge: &Edge, key: &Key) -> Vec<String> {
    let mut client = edge.h1().await;
    let mut answers = Vec::new();
    for device in 0..DEVICES {
        let reply = client.send(get("/tv/home").bearer(&token(key, device, "ada"))).await;
        assert_eq!(reply.status, 200);
        answers.push(reply.text().to_owned());
    }
    answers
}

fn count(answers: &[String], answer: &str) -> usize {
    answers.iter().filter(|one| *one == answer).count()
}

async fn bffs() -> (Bff, Bff, Key) {
    (Bff::saying("stable").await, Bff::saying("next").await, Key::ed25519("1"))
}

#[tokio::test]
async fn device_keeps_its_arm() {
    let (stable, next, key) = bffs().await;
    let split = "canary = { to = \"home-next\", weight = \"10%\", sticky = \"device_id\" }";
    let edge = site(&stable, &next, &key, split).start().await;

    let first = answers(&edge, &key).await;

    assert!((2..=25).contains(&count(&first, "next")), "{first:?}");
    assert_eq!(first, answers(&edge, &key).await);
    // Whoever holds the device: the arm is the device's.
    let mut client = edge.h1().await;
    for (device, answer) in first.iter().enumerate().take(20) {
        let reply = client.send(get("/tv/home").bearer(&token(&key, device, "bob"))).await;
        assert_eq!(reply.text(), answer, "{device}");
    }
}

#[tokio::test]
async fn raised_weight_takes_in_more_and_lets_none_go() {
    let (stable, next, key) = bffs().await;
    let mut before = vec!["stable".to_owned(); DEVICES];
    for weight in ["0%", "5%", "30%", "30.5%", "80%", "100%"] {
        let split = format!("canary = {{ to = \"home-next\", weight = \"{weight}\" }}");
        let edge = site(&stable, &next, &key, &split).start().await;

        let after = answers(&edge, &key).await;

        for (device, (was, is)) in before.iter().zip(&after).enumerate() {
            assert!(was == is || is == "next", "tv-{device} fell back at {weight}");
        }
        before = after;
    }
    assert_eq!(count(&before, "next"), DEVICES);
}

#[tokio::test]
async fn salt_draws_anew_and_routes_with_one_salt_draw_alike() {
    let (stable, next, key) = bffs().await;
    let split = |salt| {
        let salt = format!("salt = \"{salt}\"");
        format!("canary = {{ to = \"home-next\", weight = \"30%\", {salt} }}")
    };
    let site = site(&stable, &next, &key, &split("first")).team(
        "tv",
        &[
            route(
                "twin",
                "GET /tv/twin",
                "home",
                &format!("auth = \"accounts\"\n{}", split("first")),
            ),
            route(
                "own",
                "GET /tv/own",
                "home",
                &format!("auth = \"accounts\"\n{}", split("second")),
            ),
        ],
    );
    let edge = site.start().await;
    let mut client = edge.h1().await;
    let mut drawn: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for path in ["/tv/home", "/tv/twin", "/tv/own"] {
        for device in 0..DEVICES {
            let reply = client.send(get(path).bearer(&token(&key, device, "ada"))).await;
            drawn.entry(path).or_default().push(reply.text().to_owned());
        }
    }

    assert_eq!(drawn["/tv/home"], drawn["/tv/twin"]);
    assert_ne!(drawn["/tv/home"], drawn["/tv/own"]);
}

#[tokio::test]
async fn user_keeps_its_arm_on_every_device() {
    let (stable, next, key) = bffs().await;
    let split = "canary = { to = \"home-next\", weight = \"50%\", sticky = \"user\" }";
    let edge = site(&stable, &next, &key, split).start().await;
    let mut client = edge.h1().await;
    let mut seen = Vec::new();

    for user in 0..20 {
        let mut of_user = Vec::new();
        for device in 0..3 {
            let token = token(&key, device, &format!("user-{user}"));
            of_user.push(client.send(get("/tv/home").bearer(&token)).await.text().to_owned());
        }
        of_user.dedup();
        assert_eq!(of_user.len(), 1, "user-{user}: {of_user:?}");
        seen.extend(of_user);
    }

    assert!(count(&seen, "next") > 0 && count(&seen, "stable") > 0, "{seen:?}");
}

/// A route that asks for nobody.
fn open(stable: &Bff, next: &Bff, split: &str) -> Site {
    Site::new().team(
        "tv",
        &[
            upstream("home", &[&stable.endpoint()], ""),
            upstream("home-next", &[&next.endpoint()], ""),
            route("home", "GET /tv/home", "home", split),
        ],
    )
}

#[tokio::test]
async fn trace_draws_each_request() {
    let (stable, next, _) = bffs().await;
    let split = "canary = { to = \"home-next\", weight = \"50%\", sticky = \"trace\" }";
    let edge = open(&stable, &next, split).start().await;
    let mut client = edge.h1().await;

    let mut answers = Vec::new();
    for _ in 0..60 {
        let reply = client.send(get("/tv/home")).await;
        let bucket = bucket_of("tv/home", reply.trace_id());
        assert_eq!(reply.text(), if bucket < 5_000 { "next" } else { "stable" }, "{bucket}");
        answers.push(reply.text().to_owned());
    }

    // All alike once in 2^59 runs.
    assert!(count(&answers, "next") > 0 && count(&answers, "stable") > 0);
}

/// The bucket as the reference says that anybody can compute it.
fn bucket_of(salt: &str, unit: &str) -> u64 {
    let hex = headgate_tests::identity::sha256(&format!("{salt}:{unit}"));
    (u64::from_str_radix(hex.get(..8).unwrap(), 16).unwrap() * 10_000) >> 32
}

#[tokio::test]
async fn route_without_auth_divides_by_trace_or_not_at_all() {
    let (stable, next, _) = bffs().await;
    for sticky in ["", ", sticky = \"device_id\"", ", sticky = \"user\""] {
        let split = format!("canary = {{ to = \"home-next\", weight = \"50%\"{sticky} }}");

        let ended = open(&stable, &next, &split).run().await;

        assert_eq!(ended.code(), 2);
        assert!(ended.stderr.contains("sticky = \"trace\""), "{}", ended.stderr);
    }
}

/// The `arm` and `upstream` of what answered.
async fn line(edge: &Edge, reply: &Reply) -> Value {
    edge.access_line(reply.trace_id()).await
}

#[tokio::test]
async fn arm_is_told_to_the_bff_and_in_lines_and_metrics() {
    let (stable, next, key) = bffs().await;
    let split = "canary = { to = \"home-next\", weight = \"10%\" }";
    let edge = site(&stable, &next, &key, split).start().await;

    let answers = answers(&edge, &key).await;
    let token = token(&key, 0, "ada");
    let reply = edge.send(get("/tv/home").bearer(&token).header("headgate-arm", "forged")).await;

    for (bff, arm) in [(&stable, "stable"), (&next, "canary")] {
        for seen in bff.requests() {
            assert_eq!(seen.header("headgate-arm"), Some(arm));
        }
    }
    let line = line(&edge, &reply).await;
    let (arm, upstream) =
        if reply.text() == "next" { ("canary", "home-next") } else { ("stable", "home") };
    assert_eq!((&line["arm"], &line["upstream"]), (&json!(arm), &json!(upstream)), "{line}");
    let total = count(&answers, "next") + usize::from(reply.text() == "next");
    let labels = [("team", "tv"), ("route", "home"), ("arm", "canary"), ("outcome", "ok")];
    let metrics = edge.metrics().await;
    let name = "headgate_gateway_arm_ended_requests_total";
    assert_eq!(metrics.sum(name, &labels), total as u64);
    let all = [("team", "tv"), ("route", "home")];
    assert_eq!(metrics.sum(name, &all), DEVICES as u64 + 1);
}

#[tokio::test]
async fn passport_is_for_the_upstream_that_gets_it() {
    let (stable, next, key) = bffs().await;
    let split = "canary = { to = \"home-next\", weight = \"100%\" }";
    let edge = site(&stable, &next, &key, split).start().await;

    edge.send(get("/tv/home").bearer(&token(&key, 1, "ada"))).await;

    let seen = next.first().await;
    let keys = edge.ask("/.well-known/jwks.json").await.json();
    let passport = seen.header("headgate-passport").unwrap();
    headgate_tests::identity::verify_passport(passport, &keys, "tv/home-next");
}

#[tokio::test]
async fn canary_that_is_down_fails_for_its_own_share_alone() {
    let (stable, next, key) = bffs().await;
    drop(next);
    let address = headgate_tests::bff::refusing();
    let edge = Site::new()
        .file("jwks.json", jwks(&[&key]))
        .platform(&accounts("device_id = \"esn\""))
        .team(
            "tv",
            &[
                upstream("home", &[&stable.endpoint()], ""),
                upstream("home-next", &[&address], ""),
                route(
                    "home",
                    "GET /tv/home",
                    "home",
                    "auth = \"accounts\"\ncanary = { to = \"home-next\", weight = \"50%\" }",
                ),
            ],
        )
        .start()
        .await;
    let mut client = edge.h1().await;

    for device in 0..30 {
        let reply = client.send(get("/tv/home").bearer(&token(&key, device, "ada"))).await;
        let in_canary = bucket_of("tv/home", &format!("tv-{device}")) < 5_000;
        assert_eq!(reply.status, if in_canary { 502 } else { 200 }, "tv-{device}");
    }
}

#[tokio::test]
async fn explain_draws_as_the_edge_does() {
    let (stable, next, key) = bffs().await;
    let split = "canary = { to = \"home-next\", weight = \"40%\" }";
    let edge = site(&stable, &next, &key, split).start().await;
    let mut client = edge.h1().await;

    for device in 0..8 {
        let token = token(&key, device, "ada");
        let header = format!("authorization: Bearer {token}");
        let url = "http://localhost/tv/home";
        let arguments =
            ["explain", "--config", "headgate.toml", "GET", url, "-H", &header, "--json"];
        let explained = edge::run(&arguments, edge.folder()).await;
        let explained: Value = serde_json::from_str(&explained.stdout).unwrap();
        let reply = client.send(get("/tv/home").bearer(&token)).await;
        let line = line(&edge, &reply).await;

        assert_eq!(explained["arm"]["value"], line["arm"], "{explained}");
        assert_eq!(explained["upstream"]["value"], line["upstream"], "{explained}");
        let reason = explained["arm"]["reason"].as_str().unwrap();
        let bucket = bucket_of("tv/home", &format!("tv-{device}"));
        for part in [&format!("bucket {bucket} "), "salt tv/home", "0 to 3999", "40%"] {
            assert!(reason.contains(part), "{part} in {reason}");
        }
    }
}

#[tokio::test]
async fn experiment_has_several_arms_and_a_control() {
    let (stable, next, key) = bffs().await;
    let blue = Bff::saying("blue").await;
    let experiment = |green: &str| {
        let arms = format!(
            "blue = {{ to = \"blue\", weight = \"20%\" }}, green = {{ to = \"home-next\", weight = \"{green}\" }}"
        );
        let table =
            format!("experiment = {{ arms = {{ {arms} }}, sticky = \"device_id\", salt = \"x\" }}");
        site(&stable, &next, &key, &table).team("tv", &[upstream("blue", &[&blue.endpoint()], "")])
    };
    let edge = experiment("20%").start().await;
    let first = answers(&edge, &key).await;
    let edge = experiment("50%").start().await;
    let second = answers(&edge, &key).await;

    for arm in ["stable", "next", "blue"] {
        assert!(count(&first, arm) > 0, "{arm} in {first:?}");
    }
    for (was, is) in first.iter().zip(&second) {
        assert!(was == is || (was == "stable" && is == "next"), "{was} to {is}");
    }
    assert!(count(&second, "next") > count(&first, "next"));
    assert_eq!(stable.first().await.header("headgate-arm"), Some("control"));
    assert_eq!(blue.first().await.header("headgate-arm"), Some("blue"));

    let ended = experiment("50.01%").run().await;
    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("at most 50%"), "{}", ended.stderr);
}

#[tokio::test]
async fn experiment_has_its_salt_and_what_is_sticky() {
    let (stable, next, key) = bffs().await;
    let mut drawn = Vec::new();
    for more in ["salt = \"a\"", "salt = \"b\"", "salt = \"a\", sticky = \"user\""] {
        let arms = "arms = { next = { to = \"home-next\", weight = \"50%\" } }";
        let table = format!("experiment = {{ {arms}, {more} }}");
        let edge = site(&stable, &next, &key, &table).start().await;
        drawn.push(answers(&edge, &key).await);
    }

    assert_ne!(drawn[0], drawn[1]);
    // One user on all devices.
    assert!(matches!(count(&drawn[2], "next"), 0 | DEVICES), "{:?}", drawn[2]);
    assert!((20..80).contains(&count(&drawn[0], "next")), "{:?}", drawn[0]);
}

fn tester(key: &Key, route: &str, arm: &str, exp: u64) -> String {
    let audience = "headgate-arm";
    key.sign(&json!({ "aud": audience, "sub": "qa", "exp": exp, "route": route, "arm": arm }))
}

#[tokio::test]
async fn tester_chooses_an_arm() {
    let (stable, next, key) = bffs().await;
    let (qa, other) = (Key::ed25519("qa"), Key::ed25519("other"));
    let split = "canary = { to = \"home-next\", weight = \"0%\" }";
    let testers = "[testers]\njwks_file = \"testers.json\"";
    let site = site(&stable, &next, &key, split).file("testers.json", jwks(&[&qa]));
    let edge = site.platform(testers).start().await;
    let token = token(&key, 1, "ada");
    let soon = now() + 600;
    let good = tester(&qa, "tv/home", "canary", soon);
    let mut client = edge.h1().await;

    for (chosen, answer, counted) in [
        (good.clone(), "next", "used"),
        (tester(&qa, "tv/home", "stable", soon), "stable", "used"),
        (tester(&qa, "tv/home", "canary", now() - 60), "stable", "expired"),
        (tester(&qa, "tv/home", "canary", now() + 100_000), "stable", "too_long"),
        (tester(&qa, "tv/other", "canary", soon), "stable", "foreign"),
        (tester(&qa, "tv/home", "nowhere", soon), "stable", "foreign"),
        (tester(&other, "tv/home", "canary", soon), "stable", "invalid"),
        (token.clone(), "stable", "invalid"),
        ("canary".to_owned(), "stable", "invalid"),
    ] {
        let name = "headgate_gateway_arm_token_requests_total";
        let before = edge.metrics().await.sum(name, &[("result", counted)]);

        let reply =
            client.send(get("/tv/home").bearer(&token).header("headgate-arm", &chosen)).await;

        assert_eq!((reply.status, reply.text()), (200, answer), "{counted}");
        assert_eq!(edge.metrics().await.sum(name, &[("result", counted)]), before + 1, "{counted}");
    }
    for seen in stable.requests().iter().chain(&next.requests()) {
        assert!(matches!(seen.header("headgate-arm"), Some("stable" | "canary")), "{}", seen.head);
    }

    let headers = [format!("authorization: Bearer {token}"), format!("headgate-arm: {good}")];
    let url = "http://localhost/tv/home";
    let arguments = ["explain", "GET", url, "-H", &headers[0], "-H", &headers[1], "--json"];
    let explained = edge::run(&arguments, edge.folder()).await;
    let explained: Value = serde_json::from_str(&explained.stdout).unwrap();
    assert_eq!(explained["arm"]["value"], "canary", "{explained}");
    assert!(explained["arm"]["reason"].as_str().unwrap().contains("tester"), "{explained}");
}

#[tokio::test]
async fn route_divides_its_requests_once() {
    let (stable, next, key) = bffs().await;
    let both = "canary = { to = \"home-next\", weight = \"1%\" }\n\
                strangle = { old = \"home-next\", weight = \"1%\" }";

    let ended = site(&stable, &next, &key, both).run().await;

    assert_eq!(ended.code(), 2);
    assert!(ended.stderr.contains("`strangle` and `canary` can't both be set"), "{}", ended.stderr);
}
