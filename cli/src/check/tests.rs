use std::fs;

use headgate_config::Faults;
use serde_json::Value;

use super::*;

const GOOD: &str =
    "[edge]\nlisten = [\"127.0.0.1:0\"]\n[team.tv]\nclaims = [{ prefix = \"/tv/\" }]\n";

/// What `check` says of a platform's file beside one team's file.
fn checked(platform: &str, json: bool) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("headgate.toml");
    fs::write(&config, platform)?;
    fs::create_dir_all(folder.path().join("routes.d/tv"))?;
    fs::write(
        folder.path().join("routes.d/tv/home.toml"),
        "team = \"tv\"\n[upstream.u]\nendpoints = [\"a:1\"]\n\
         [route.r]\nmatch = \"GET /tv/a\"\nto = \"u\"\n",
    )?;
    if platform.contains("[data]") {
        fs::write(
            folder.path().join("routes.d/tv/order.toml"),
            "team = \"tv\"\n[route.order]\nmatch = \"POST /tv/a\"\nto = \"u\"\n\
             idempotency = {}\n",
        )?;
    }
    let mut out = Vec::new();
    check(&config, &mut Output { out: &mut out, json })?;
    Ok(String::from_utf8(out)?)
}

#[test]
fn a_good_configuration_is_summed_up() {
    let text = checked(GOOD, false).unwrap();
    assert!(
        text.starts_with(
            "ok: 1 routes (1 without authentication) of 1 teams, 1 upstreams, \
             0 identity sources, 2 files\ndigest "
        ),
        "{text}"
    );
}

#[test]
fn machines_read_what_a_good_configuration_comes_to() {
    let json: Value = serde_json::from_str(&checked(GOOD, true).unwrap()).unwrap();
    assert_eq!(json["valid"], true);
    assert_eq!(json["teams"], serde_json::json!(["tv"]));
    assert_eq!(json["routes_without_authentication"], serde_json::json!(["tv/r"]));
    assert_eq!(json["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn routes_that_heed_keys_are_named_with_the_folder_of_their_records() {
    let text = checked(&format!("{GOOD}[data]\ndir = \"kept\"\n"), false).unwrap();
    let line = text.lines().nth(1).unwrap();
    assert!(line.starts_with("idempotency keys on tv/order; records in "), "{text}");
    assert!(line.ends_with("kept"), "{text}");
    let json: Value =
        serde_json::from_str(&checked(&format!("{GOOD}[data]\ndir = \"kept\"\n"), true).unwrap())
            .unwrap();
    assert_eq!(json["routes_with_idempotency_keys"], serde_json::json!(["tv/order"]));
}

#[test]
fn faults_of_a_bad_configuration_end_the_check() {
    let error = checked("[edge]\nlisten = 1\n", false).unwrap_err();
    let faults = error.downcast_ref::<Faults>().unwrap();
    let codes: Vec<_> = faults.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(codes, ["HG1004", "HG1008"]);
}
