//! Who asks more often than a route allows is told when to come back; others notice nothing.

use headgate_tests::{Bff, Client, Reply, Site, get};

const PLATFORM: &str = "[identity.keys]\nheader = \"x-api-key\"\napi_keys = [KEYS]";

/// A site whose callers are `ada` and `bob`, with the keys of these names.
fn site(bff: &Bff, rates: &str) -> Site {
    let keys = [
        ("ada", "fdee430d40bd57deeac186cd9790033d0f06f909a8806e7ce6e717ab7c7d5029"),
        ("bob", "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9"),
    ]
    .map(|(subject, sha)| format!("{{ sha256 = \"{sha}\", subject = \"{subject}\" }}"));
    Site::with_route(bff, "", &format!("auth = \"keys\"\nrate = [{rates}]"))
        .platform(&PLATFORM.replace("KEYS", &keys.join(", ")))
}

async fn ask(client: &mut Client, who: &str) -> Reply {
    client.send(get("/tv/x").header("x-api-key", who)).await
}

/// The statuses of so many requests of one caller.
async fn statuses(client: &mut Client, who: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        let reply = ask(client, who).await;
        if reply.status != 200 {
            let problem = reply.problem();
            assert_eq!((reply.status, problem["outcome"].as_str()), (429, Some("limited_rate")));
            assert_eq!(problem["code"], "HG0034");
            let seconds: u64 = reply.header("retry-after").parse().unwrap();
            assert!((1..=3_602).contains(&seconds), "{seconds}");
        }
        statuses.push(reply.status);
    }
    statuses
}

#[tokio::test]
async fn each_device_has_its_own_rate() {
    let bff = Bff::ok().await;
    let edge = site(&bff, "{ rate = \"2/h\" }").start().await;
    let mut client = edge.h1().await;
    assert_eq!(statuses(&mut client, "ada", 4).await, [200, 200, 429, 429]);
    assert_eq!(statuses(&mut client, "bob", 3).await, [200, 200, 429]);
    assert_eq!(bff.requests().len(), 4, "what was refused was not sent");
}

#[tokio::test]
async fn route_as_a_whole_may_have_a_rate() {
    let bff = Bff::ok().await;
    for (per, expected) in [("route", 429), ("user", 200)] {
        let edge = site(&bff, &format!("{{ per = \"{per}\", rate = \"2/h\" }}")).start().await;
        let mut client = edge.h1().await;
        assert_eq!(statuses(&mut client, "ada", 2).await, [200, 200]);
        assert_eq!(statuses(&mut client, "bob", 1).await, [expected], "{per}");
    }
}

#[tokio::test]
async fn burst_may_be_less_than_the_rate() {
    let bff = Bff::ok().await;
    let edge = site(&bff, "{ rate = \"100/h\", burst = 1 }").start().await;
    assert_eq!(statuses(&mut edge.h1().await, "ada", 2).await, [200, 429]);
}

#[tokio::test]
async fn rate_refuses_only_where_it_is_enforced() {
    let bff = Bff::ok().await;
    for (mode, expected) in [("off", 200), ("observe", 200), ("enforce", 429)] {
        let edge = site(&bff, &format!("{{ rate = \"1/h\", mode = \"{mode}\" }}")).start().await;
        assert_eq!(statuses(&mut edge.h1().await, "ada", 2).await, [200, expected], "{mode}");
    }
}

#[tokio::test]
async fn all_rates_of_a_route_hold() {
    let bff = Bff::ok().await;
    let rates = "{ rate = \"3/h\" }, { per = \"route\", rate = \"4/h\" }";
    let edge = site(&bff, rates).start().await;
    let mut client = edge.h1().await;
    assert_eq!(statuses(&mut client, "ada", 4).await, [200, 200, 200, 429]);
    assert_eq!(statuses(&mut client, "bob", 2).await, [200, 429]);
}

#[tokio::test]
async fn callers_that_nobody_knows_count_by_their_address() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", "rate = [{ rate = \"2/h\" }]").start().await;
    let mut client = edge.h1().await;
    assert_eq!(statuses(&mut client, "ada", 2).await, [200, 200]);
    assert_eq!(statuses(&mut client, "bob", 1).await, [429], "no credential is looked at");
}

#[tokio::test]
async fn what_was_counted_stays_when_other_things_change() {
    let bff = Bff::ok().await;
    let edge = site(&bff, "{ rate = \"2/h\" }").start().await;
    let mut client = edge.h1().await;
    assert_eq!(statuses(&mut client, "ada", 2).await, [200, 200]);

    let config = edge.config().await;
    let file = edge.folder().path().join("routes.d/tv/main.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    edge.folder().write("routes.d/tv/main.toml", format!("{text}\ntimeout = \"7s\"\n"));
    edge.config_changes(&config).await;

    assert_eq!(statuses(&mut client, "ada", 1).await, [429]);
}
