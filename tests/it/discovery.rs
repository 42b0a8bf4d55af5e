//! Endpoints are looked up by DNS or read from a file, and no outage of either takes them away.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use headgate_tests::{
    Bff, Edge, PATIENCE, Site,
    dns::{Answer, Dns, Service},
    get, route,
    tls::Authority,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet, time::Instant};

const NAME: &str = "home.internal";
const FIRST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Two BFFs on one port of two addresses, which say `a` and `b`.
async fn two() -> (Bff, Bff, u16) {
    loop {
        let first = TcpListener::bind((FIRST, 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        // Somebody else may have the port at the other address.
        if let Ok(second) = TcpListener::bind((SECOND, port)).await {
            let a = Bff::on(first, |connection| connection.serve(200, "a"));
            let b = Bff::on(second, |connection| connection.serve(200, "b"));
            return (a, b, port);
        }
    }
}

/// A site whose upstream has these lines alone.
fn site(lines: &str) -> Site {
    let home = format!("[upstream.home]\n{lines}\n");
    Site::new().edge("threads = 1").team("tv", &[home, route("all", "* /{*rest}", "home", "")])
}

fn by_dns(dns: &Dns, question: &str) -> Site {
    site(&format!("dns = {{ {question} }}")).edge(&format!("dns_servers = [\"{}\"]", dns.address()))
}

fn by_name(dns: &Dns, port: u16) -> Site {
    by_dns(dns, &format!("name = \"{NAME}\", port = {port}, refresh_min = \"20ms\""))
}

async fn home(edge: &Edge) -> Value {
    edge.ask("/v1/status").await.json()["upstreams"][0].clone()
}

/// Waits until the upstream stands so.
async fn home_shows(edge: &Edge, what: &str, shows: impl Fn(&Value) -> bool) -> Value {
    let ends = Instant::now() + PATIENCE;
    loop {
        let home = home(edge).await;
        if shows(&home) {
            return home;
        }
        assert!(Instant::now() < ends, "never {what}: {home:#}");
    }
}

fn addresses(home: &Value) -> Vec<&str> {
    let all = home["endpoints"].as_array().unwrap();
    all.iter().map(|one| one["address"].as_str().unwrap()).collect()
}

async fn says(edge: &Edge) -> String {
    let reply = edge.send(get("/tv/x")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text().to_owned()
}

/// Who answers so many requests, each on a connection of its own.
async fn who(edge: &Edge, count: usize) -> String {
    let mut said = Vec::new();
    for _ in 0..count {
        said.push(says(edge).await);
    }
    said.sort();
    said.dedup();
    said.concat()
}

/// Waits until both have answered: which of two is quicker, the balancer may think for a while.
async fn both_answer(edge: &Edge) {
    let ends = Instant::now() + PATIENCE;
    let mut said = BTreeSet::new();
    while said.len() < 2 {
        let mut sent = JoinSet::new();
        for _ in 0..16 {
            let mut client = edge.h1().await;
            sent.spawn(async move { client.send(get("/tv/x")).await.text().to_owned() });
        }
        said.extend(sent.join_all().await);
        assert!(Instant::now() < ends, "only {said:?}");
    }
}

/// Waits until an answer is this.
async fn until_said(edge: &Edge, text: &str) {
    let ends = Instant::now() + PATIENCE;
    while says(edge).await != text {
        assert!(Instant::now() < ends, "nobody says {text}");
    }
}

#[tokio::test]
async fn endpoints_follow_the_addresses_of_a_name() {
    let (_a, _b, port) = two().await;
    let dns = Dns::start().await;
    dns.say(NAME, Answer::addresses(0, &[FIRST]));
    let edge = by_name(&dns, port).start().await;
    assert_eq!(who(&edge, 5).await, "a");
    assert_eq!(home(&edge).await["discovery"]["question"], format!("{NAME}:{port}"));

    dns.say(NAME, Answer::addresses(0, &[SECOND]));
    until_said(&edge, "b").await;
    assert_eq!(who(&edge, 5).await, "b");
    let told = edge.metrics().await;
    let labels = [("team", "tv"), ("upstream", "home")];
    assert_eq!(told.sum("headgate_gateway_discovery_endpoints", &labels), 1);
}

#[tokio::test]
async fn no_outage_of_the_name_server_takes_endpoints_away() {
    let (_a, _b, port) = two().await;
    let dns = Dns::start().await;
    let good = Answer::addresses(0, &[FIRST]);
    dns.say(NAME, good.clone());
    let edge = by_name(&dns, port).start().await;
    for (outage, fault) in [
        (Answer::NoName, "the name does not exist"),
        (Answer::Empty, "the name has no addresses"),
        (Answer::addresses(0, &[Ipv4Addr::UNSPECIFIED]), "no address can be an endpoint"),
        (Answer::Failed, "the name server can't answer"),
        (Answer::Garbage, "the answer can't be read"),
        (Answer::Silence, "no answer in time"),
    ] {
        dns.say(NAME, outage.clone());
        let is_told = |home: &Value| home["discovery"]["fault"] == fault;
        let home = home_shows(&edge, &format!("{fault:?} for {outage:?}"), is_told).await;
        assert_eq!(addresses(&home).len(), 1, "{outage:?}");
        assert_eq!(says(&edge).await, "a", "{outage:?}");
        dns.say(NAME, good.clone());
        home_shows(&edge, "good again", |home| home["discovery"]["fault"].is_null()).await;
    }
    let told = edge.metrics().await;
    let failed = [("upstream", "home"), ("result", "failed")];
    assert!(told.sum("headgate_gateway_discovery_lookups_total", &failed) >= 6);
    assert!(edge.told().contains("the last ones stay"), "{}", edge.told());
}

#[tokio::test]
async fn name_server_that_is_down_at_the_start_is_asked_until_it_answers() {
    let (_a, _b, port) = two().await;
    let dns = Dns::start().await;
    dns.say(NAME, Answer::Failed);
    let edge = by_name(&dns, port).start().await;
    let refused = edge.send(get("/tv/x")).await;
    assert_eq!((refused.status, refused.outcome().as_str()), (503, "origin_unhealthy"));
    assert!(home(&edge).await["discovery"]["age_seconds"].is_null());

    dns.say(NAME, Answer::addresses(0, &[SECOND]));
    home_shows(&edge, "found", |home| addresses(home).len() == 1).await;
    assert_eq!(says(&edge).await, "b");
}

#[tokio::test]
async fn endpoint_that_stays_keeps_its_connections() {
    let (a, _b, port) = two().await;
    let dns = Dns::start().await;
    dns.say(NAME, Answer::addresses(0, &[FIRST]));
    let lines = format!(
        "dns = {{ name = \"{NAME}\", port = {port}, refresh_min = \"20ms\" }}\nidle_timeout = \"1h\""
    );
    let edge = site(&lines).edge(&format!("dns_servers = [\"{}\"]", dns.address())).start().await;
    assert_eq!(who(&edge, 3).await, "a");
    dns.say(NAME, Answer::addresses(0, &[FIRST, SECOND]));
    until_said(&edge, "b").await;
    dns.say(NAME, Answer::addresses(0, &[FIRST]));
    home_shows(&edge, "alone again", |home| addresses(home).len() == 1).await;
    assert_eq!(who(&edge, 3).await, "a");
    // Each set with connections of its own would have made three.
    assert!(a.connections() < 3, "{}", a.connections());
}

#[tokio::test]
async fn answer_is_asked_for_again_by_floor_and_ceiling() {
    let (_a, _b, port) = two().await;
    let dns = Dns::start().await;
    let question = |pace: &str| format!("name = \"{NAME}\", port = {port}, {pace}");
    // Good for a day, but that is longer than the longest.
    dns.say(NAME, Answer::addresses(86_400, &[FIRST]));
    let edge = by_dns(&dns, &question("refresh_min = \"10ms\", refresh_max = \"50ms\"")).start();
    let edge = edge.await;
    dns.say(NAME, Answer::addresses(0, &[SECOND]));
    until_said(&edge, "b").await;

    // Good for nothing, but asked for once an hour at most.
    let before = edge.config().await;
    by_dns(&dns, &question("refresh_min = \"1h\", refresh_max = \"2h\"")).rewrite(&edge);
    edge.config_changes(&before).await;
    let is_young = |home: &Value| home["discovery"]["age_seconds"].is_number();
    home_shows(&edge, "looked up once more", is_young).await;
    let asked = dns.asked();
    dns.say(NAME, Answer::addresses(0, &[FIRST]));
    let ends = Instant::now() + Duration::from_millis(300);
    while Instant::now() < ends {
        assert_eq!(says(&edge).await, "b");
    }
    assert_eq!(dns.asked(), asked);
}

#[tokio::test]
async fn records_of_a_service_have_ports_weights_and_priorities() {
    let (heavy, light, spare) =
        (Bff::saying("heavy").await, Bff::saying("light").await, Bff::saying("spare").await);
    let dns = Dns::start().await;
    let record = |bff: &Bff, (priority, weight)| Service {
        priority,
        weight,
        port: bff.endpoint().rsplit_once(':').unwrap().1.parse().unwrap(),
        target: NAME.to_owned(),
    };
    let records = vec![record(&heavy, (1, 95)), record(&light, (1, 5)), record(&spare, (2, 100))];
    dns.say("_http._tcp.home.internal", Answer::Services(0, records));
    dns.say(NAME, Answer::addresses(0, &[FIRST]));
    let edge = by_dns(&dns, "srv = \"_http._tcp.home.internal\"").start().await;
    let home = home(&edge).await;
    let mut weights: Vec<_> =
        home["endpoints"].as_array().unwrap().iter().map(|one| one["weight"].as_u64()).collect();
    weights.sort_unstable();
    assert_eq!(weights, [Some(5), Some(95)]);
    let mut client = edge.h1().await;
    let mut said = Vec::new();
    for _ in 0..200 {
        said.push(client.send(get("/tv/x")).await.text().to_owned());
    }
    let heavy = said.iter().filter(|text| *text == "heavy").count();
    assert!(heavy > 150 && !said.contains(&"spare".to_owned()), "{heavy} of 200");
}

#[tokio::test]
async fn more_addresses_than_an_upstream_may_have_are_left_out_loudly() {
    let dns = Dns::start().await;
    let all: Vec<_> = (0..300_u32).map(|last| Ipv4Addr::from(0x7f00_0101 + last)).collect();
    dns.say(NAME, Answer::addresses(60, &all));
    let edge = by_name(&dns, 7001).start().await;
    let home = home_shows(&edge, "found", |home| !addresses(home).is_empty()).await;
    assert_eq!(addresses(&home).len(), 256);
    assert_eq!(home["discovery"]["left_out"], 44);
    assert!(edge.told().contains("more endpoints than one upstream may have"), "{}", edge.told());
}

#[tokio::test]
async fn certificate_must_be_for_the_name_that_was_looked_up() {
    let authority = Authority::default();
    let serve = |_| async { headgate_tests::bff::respond(200, "by TLS") };
    for (name, status) in [(NAME, 200), ("127.0.0.1", 502)] {
        let bff = Bff::https(Authority::server(&authority.issue(name), &[], None), serve).await;
        let port = bff.endpoint().rsplit_once(':').unwrap().1.to_owned();
        let dns = Dns::start().await;
        dns.say(NAME, Answer::addresses(60, &[FIRST]));
        let lines =
            format!("dns = {{ name = \"{NAME}\", port = {port} }}\ntls = {{ ca = \"ca.pem\" }}");
        let edge = site(&lines)
            .edge(&format!("dns_servers = [\"{}\"]", dns.address()))
            .file("routes.d/tv/ca.pem", authority.root_pem())
            .start()
            .await;
        assert_eq!(edge.send(get("/tv/x")).await.status, status, "{name}");
    }
}

const FILE: &str = "routes.d/tv/endpoints.json";

fn entry(bff: &Bff, more: &str) -> String {
    format!("{{ \"address\": \"{}\"{more} }}", bff.endpoint())
}

fn list(entries: &[String]) -> String {
    format!("[{}]", entries.join(", "))
}

fn by_file(text: &str) -> Site {
    site("endpoints_file = \"endpoints.json\"").file(FILE, text)
}

#[tokio::test]
async fn file_of_endpoints_is_read_again_and_a_broken_one_changes_nothing() {
    let (a, b) = (Bff::saying("a").await, Bff::saying("b").await);
    let edge = by_file(&list(&[entry(&a, "")])).start().await;
    assert_eq!(who(&edge, 3).await, "a");
    let whole = list(&[entry(&b, "")]);
    edge.folder().write(FILE, &whole);
    until_said(&edge, "b").await;

    let is_held = |config: &Value| config["parts"].to_string().contains("HG1062");
    let half = whole.get(..whole.len() / 2).unwrap();
    for broken in [half, "[]", "", &format!("[{0}, {0}]", entry(&a, ""))] {
        edge.folder().write(FILE, broken);
        edge.config_shows("held", is_held).await;
        assert_eq!(who(&edge, 3).await, "b", "{broken:?}");
        edge.folder().write(FILE, &whole);
        edge.config_shows("good again", |config| !is_held(config)).await;
    }
    assert!(edge.told().contains("HG1062"), "{}", edge.told());
}

#[tokio::test]
async fn endpoints_of_the_own_zone_are_preferred_and_others_help_out() {
    let (a, b) = (Bff::saying("a").await, Bff::saying("b").await);
    let text = list(&[entry(&a, ", \"zone\": \"north\""), entry(&b, ", \"zone\": \"south\"")]);
    for (zone, expected) in [("north", "a"), ("south", "b")] {
        let edge = by_file(&text).edge(&format!("zone = {zone:?}")).start().await;
        assert_eq!(who(&edge, 20).await, expected);
        assert_eq!(home(&edge).await["endpoints"][0]["zone"], "north");
    }
    // A zone that has no endpoint prefers none, and one whose endpoint is gone is helped out.
    let edge = by_file(&text).edge("zone = \"west\"").start().await;
    both_answer(&edge).await;
    let edge = by_file(&text).edge("zone = \"north\"").start().await;
    drop(a);
    let (ends, mut helped) = (Instant::now() + PATIENCE, 0);
    while helped < 10 {
        // Until the breaker knows, more may fail than the budget lets be tried again.
        helped = if edge.send(get("/tv/x")).await.text() == "b" { helped + 1 } else { 0 };
        assert!(Instant::now() < ends, "nobody helps out");
    }
}

#[tokio::test]
async fn requests_with_one_key_go_to_one_endpoint() {
    let bffs = [Bff::saying("a").await, Bff::saying("b").await, Bff::saying("c").await];
    let entries: Vec<_> = bffs.iter().map(|bff| entry(bff, "")).collect();
    let home = "[upstream.home]\nendpoints_file = \"endpoints.json\"\n".to_owned();
    let lines = "hash_by = \"header.x-session\"";
    let edge = Site::new()
        .team("tv", &[home, route("all", "* /{*rest}", "home", lines)])
        .file(FILE, list(&entries))
        .start()
        .await;
    let mut client = edge.h1().await;
    let mut ask = async |key: usize| {
        client.send(get("/tv/x").header("x-session", format!("s-{key}"))).await.text().to_owned()
    };
    let mut first = Vec::new();
    for key in 0..30 {
        first.push(ask(key).await);
        for _ in 0..3 {
            assert_eq!(ask(key).await, first[key], "s-{key}");
        }
    }
    for text in ["a", "b", "c"] {
        assert!(first.iter().any(|said| said == text), "{first:?}");
    }

    let before = edge.config().await;
    edge.folder().write(FILE, list(&entries[..2]));
    edge.config_changes(&before).await;
    for (key, said) in first.iter().enumerate() {
        let after = ask(key).await;
        assert!(after == *said || said == "c" && after != "c", "s-{key} moved from {said}");
    }
}
