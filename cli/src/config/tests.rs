use std::fs;

use headgate_types::UnixTime;
use serde_json::json;
use tempfile::TempDir;

use super::*;

/// What `config show` prints of two files, and how it ends.
fn shown(
    (effective, why): (bool, Option<&str>),
    overlays: &[Overlay],
    json: bool,
) -> anyhow::Result<(String, ExitCode)> {
    let folder = files("")?;
    let args = args::Show {
        config: args::Config { config: folder.path().join("headgate.toml") },
        effective,
        why: why.map(str::to_owned),
        at: None,
        admin: None,
    };
    let mut out = Vec::new();
    let code = show(&args, overlays, &mut Output { out: &mut out, json })?;
    let text = String::from_utf8(out)?;
    Ok((text.replace(&format!("{}/", folder.path().display()), ""), code))
}

fn files(more: &str) -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    fs::write(
        folder.path().join("headgate.toml"),
        "[edge]\ntimeout = \"5s\"\n[team.tv]\nclaims = [{ prefix = \"/tv/\" }]\n",
    )?;
    fs::create_dir_all(folder.path().join("routes.d/tv"))?;
    let text = "team = \"tv\"\n[upstream.u]\nendpoints = [\"a:1\"]\n\
                [route.r]\nmatch = \"GET /tv/a\"\nto = \"u\"\n";
    fs::write(folder.path().join("routes.d/tv/home.toml"), format!("{text}{more}"))?;
    Ok(folder)
}

fn overlay(key: &str) -> Overlay {
    Overlay {
        id: 3,
        key: key.to_owned(),
        value: json!("7s"),
        actor: "alice".to_owned(),
        reason: "incident 12".to_owned(),
        since: UnixTime::from_secs(0),
        expires: UnixTime::from_secs(3_600),
    }
}

#[test]
fn what_is_set_is_listed_with_its_layer() {
    let (text, _) = shown((false, None), &[], false).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let words: Vec<_> = lines[0].split_whitespace().collect();
    assert_eq!(words, ["edge.timeout", "\"5s\"", "<-", "headgate.toml:2:11"]);
    assert!(lines.iter().any(|line| line.starts_with("team.tv.route.r.to ")), "{text}");
    assert!(!text.contains("edge.keep_alive"), "{text}");
    assert!(lines.last().unwrap().starts_with("digest "), "{text}");
}

#[test]
fn defaults_are_listed_on_demand() {
    let (text, _) = shown((true, None), &[], false).unwrap();
    let line = text.lines().find(|line| line.starts_with("edge.keep_alive ")).unwrap();
    assert!(line.ends_with("<- default"), "{line}");
}

#[test]
fn a_key_tells_all_its_layers() {
    let overlays = [overlay("edge.timeout")];
    let (text, _) = shown((false, Some("team.tv.route.r.timeout")), &overlays, false).unwrap();
    assert_eq!(
        text,
        "team.tv.route.r.timeout = \"7s\"\n\
         \x20 <- edge.timeout <- overlay 3 by alice until 1970-01-01T01:00:00.000Z: incident 12 \"7s\"\n\
         \x20 <- edge.timeout <- headgate.toml:2:11 \"5s\"\n\
         \x20 <- edge.timeout <- default \"30s\"\n"
    );
}

#[test]
fn machines_get_the_same_as_json() {
    let (text, _) = shown((false, Some("edge.timeout")), &[], true).unwrap();
    let values: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(values[0]["value"], "5s");
    assert_eq!(values[0]["from"][0]["layer"], "platform");
    assert_eq!(values[0]["from"][0]["at"]["line"], 2);
    assert_eq!(values[0]["from"][1]["layer"], "default");
}

#[test]
fn an_overlay_that_does_not_fit_is_a_finding() {
    let (text, code) = shown((false, None), &[overlay("edge.listen")], false).unwrap();
    assert!(text.contains("left out: overlay 3 by alice:1:1: HG1003"), "{text}");
    assert_eq!(code, ExitCode::from(exit::FINDINGS));
}

#[test]
fn a_key_without_a_value_is_told() {
    let error = shown((false, Some("edge.tmeout")), &[], false).unwrap_err();
    assert_eq!(error.to_string(), "nothing is in force at `edge.tmeout`");
}

#[test]
fn faults_of_the_files_are_told_instead() {
    let folder = files("timeout = 1\n").unwrap();
    let config = args::Config { config: folder.path().join("headgate.toml") };
    let args = args::Show { config, effective: false, why: None, at: None, admin: None };
    let error = show(&args, &[], &mut Output { out: &mut Vec::new(), json: false }).unwrap_err();
    assert_eq!(error.downcast_ref::<headgate_config::Faults>().unwrap().len(), 1);
}
