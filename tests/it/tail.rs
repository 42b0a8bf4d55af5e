//! Exchanges as an operator watches them end.

use headgate_tests::{Bff, Edge, Ended, Site, edge, get};
use serde_json::Value;

/// Runs a verb while requests pass.
async fn while_loaded(running: &Edge, arguments: &[&str]) -> Ended {
    let admin = format!("http://{}", running.admin());
    let arguments = [arguments, &["--admin", admin.as_str()]].concat();
    let watch = edge::run(&arguments, running.folder());
    let load = async {
        let mut client = running.h1().await;
        loop {
            for path in ["/tv/home", "/tv/list", "/nowhere"] {
                client.send(get(path).header("user-agent", "Tizen 7")).await;
            }
        }
    };
    tokio::select! {
        ended = watch => ended,
        () = load => unreachable!("the load has no end"),
    }
}

async fn loaded() -> (Bff, Edge) {
    let bff = Bff::ok().await;
    let site = Site::new().team(
        "tv",
        &[
            headgate_tests::upstream("home", &[&bff.endpoint()], ""),
            headgate_tests::route("all", "* /tv/{*rest}", "home", ""),
        ],
    );
    let tv = "[[device]]\nname = \"tv\"\nwhen = [\"ua contains 'Tizen'\"]";
    // Lines are watched whether they are written or not.
    (bff, site.platform(tv).edge("access_log = \"off\"").start().await)
}

#[tokio::test]
async fn wanted_exchanges_are_shown_as_they_end() {
    let (bff, running) = loaded().await;

    let filter = "route==all && status<500 && path ~ 'l.st$'";
    let ended =
        while_loaded(&running, &["tail", "--where", filter, "--limit", "3", "--json"]).await;

    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for line in &lines {
        assert_eq!((&line["path"], &line["device"]), (&"/tv/list".into(), &"tv".into()));
        assert_eq!(line["attempts"][0]["endpoint"], bff.endpoint());
    }
    let people = while_loaded(&running, &["tail", "--where", "outcome==no_route", "--limit", "1"]);
    let people = people.await.stdout;
    assert!(
        people.contains(" 404 no_route HG0001 GET ") && people.contains("/nowhere"),
        "{people}"
    );
    let refused = while_loaded(&running, &["tail", "--where", "colour==red"]).await;
    assert_eq!(refused.code(), 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("HG1269") && refused.stderr.contains("outcome"));
}

#[tokio::test]
async fn devices_and_endpoints_are_told_apart_while_somebody_looks() {
    let (bff, running) = loaded().await;
    for (by, name) in [("device", "tv".to_owned()), ("endpoint", bff.endpoint())] {
        let once = ["top", "--once", "--every", "500ms", "--by", by, "--json"];
        let ended = while_loaded(&running, &once).await;
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        let rows = told[format!("{by}s")].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{told}"));
        assert!(row["passed"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["p99_ms"].as_f64().unwrap() >= row["p50_ms"].as_f64().unwrap(), "{row}");
    }
}
