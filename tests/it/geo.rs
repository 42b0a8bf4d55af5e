//! Where clients are, as a file of the operator's tells it.

use std::fs;

use headgate_tests::{Bff, Site, get, mmdb::database};
use serde_json::{Value, json};

fn place(country: &str, region: &str, time_zone: &str) -> Value {
    json!({
        "country": { "iso_code": country, "names": { "en": "a country" } },
        "continent": { "code": "EU" },
        "subdivisions": [{ "iso_code": region }],
        "location": { "time_zone": time_zone, "accuracy_radius": 100 },
    })
}

fn site(bff: &Bff) -> Site {
    Site::to(bff).edge(
        "geo = \"places.mmdb\"\ntrusted_peers = [\"127.0.0.1\"]\nclient_address = \"x-forwarded-for\"",
    )
}

#[tokio::test]
async fn bffs_hear_where_the_client_is_and_a_new_file_is_read() {
    let bff = Bff::ok().await;
    let berlin = database(&[("203.0.113.0/24", place("DE", "BE", "Europe/Berlin"))]);
    let edge = site(&bff).file("places.mmdb", berlin).start().await;
    let ask = async |address: &str| {
        let call = get("/tv/x").header("x-forwarded-for", address);
        edge.send(call.header("headgate-geo", "country=\"XX\"")).await;
        let seen = bff.requests().pop().unwrap();
        seen.header("headgate-geo").map(str::to_owned)
    };

    let expected = "country=\"DE\", region=\"BE\", continent=\"EU\", tz=\"Europe/Berlin\"";
    assert_eq!(ask("203.0.113.7").await.as_deref(), Some(expected));
    assert_eq!(ask("198.51.100.7").await, None, "nor what the client says");

    let config = edge.config().await;
    let paris = database(&[("203.0.113.0/24", place("FR", "75", "Europe/Paris"))]);
    let folder = edge.folder().path();
    fs::write(folder.join("new.mmdb"), paris).unwrap();
    fs::rename(folder.join("new.mmdb"), folder.join("places.mmdb")).unwrap();
    edge.config_changes(&config).await;

    let expected = "country=\"FR\", region=\"75\", continent=\"EU\", tz=\"Europe/Paris\"";
    assert_eq!(ask("203.0.113.7").await.as_deref(), Some(expected));
}

#[tokio::test]
async fn file_that_is_none_changes_nothing() {
    let bff = Bff::ok().await;
    let berlin = database(&[("203.0.113.0/24", place("DE", "BE", "Europe/Berlin"))]);
    let edge = site(&bff).file("places.mmdb", berlin).start().await;

    edge.folder().write("places.mmdb", "half a file");
    edge.config_shows("a fault", |config| config.to_string().contains("HG1055")).await;

    edge.send(get("/tv/x").header("x-forwarded-for", "203.0.113.7")).await;
    assert!(bff.first().await.header("headgate-geo").unwrap().contains("DE"));
    let ended = site(&bff).file("places.mmdb", "half a file").run().await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(format!("{ended:?}").contains("HG1055"), "{ended:?}");
}
