//! What goes through a running edge, as `top` shows it.

use headgate_tests::{Bff, Site, edge, get};
use serde_json::Value;

#[tokio::test]
async fn rates_of_routes_are_shown_while_requests_pass() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;
    let admin = format!("http://{}", edge.admin());
    let arguments = ["top", "--once", "--every", "1s", "--json", "--admin", admin.as_str()];
    let watch = edge::run(&arguments, edge.folder());
    let load = async {
        let mut client = edge.h1().await;
        loop {
            assert_eq!(client.send(get("/tv/x")).await.status, 200);
        }
    };
    let ended = tokio::select! {
        ended = watch => ended,
        () = load => unreachable!("the load has no end"),
    };

    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    let row = told["routes"].as_array().unwrap().iter().find(|row| row["route"] == "all").unwrap();
    assert!(row["arrived"].as_f64().unwrap() > 0.0, "{row}");
    assert!(row["passed"].as_f64().unwrap() > 0.0, "{row}");
    assert_eq!((row["failed"].as_f64(), row["shed"].as_f64()), (Some(0.0), Some(0.0)));
    assert!(row["p99_ms"].as_f64().unwrap() >= row["p50_ms"].as_f64().unwrap(), "{row}");
    let arguments = ["top", "--once", "--every", "10ms", "--admin", admin.as_str()];
    let people = edge::run(&arguments, edge.folder()).await.stdout;
    assert!(people.starts_with("ROUTE") && people.contains("tv/all"), "{people}");
}
