use std::{fs, path::Path};

use serde_json::Value;

use super::*;

const PLATFORM: &str = "[admin]\nlisten = \"0.0.0.0:9900\"\n\
    [team.tv]\nclaims = [{ prefix = \"/tv/\" }]\n";
const ROUTES: &str = "team = \"tv\"\n[upstream.u]\nendpoints = [\"a:1\"]\n\
    [route.home]\nmatch = \"GET /tv/home\"\nto = \"u\"\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("routes.d/tv")).unwrap();
    fs::write(folder.path().join("headgate.toml"), PLATFORM).unwrap();
    fs::write(folder.path().join("routes.d/tv/home.toml"), ROUTES).unwrap();
    folder
}

/// What `audit` prints, and its exit code.
fn audited(folder: &Path, ignore: &[&str], fail_on: Severity, json: bool) -> (String, ExitCode) {
    let mut out = Vec::new();
    let args = args::Audit {
        config: args::Config { config: folder.join("headgate.toml") },
        ignore: ignore.iter().map(|&rule| rule.to_owned()).collect(),
        fail_on,
        admin: None,
    };
    let code = audit(&args, &mut Output { out: &mut out, json }).unwrap();
    (String::from_utf8(out).unwrap().replace(&format!("{}/", folder.display()), ""), code)
}

#[test]
fn findings_are_told_with_place_reason_and_remedy() {
    let folder = folder();
    let (text, code) = audited(folder.path(), &[], Severity::Low, false);
    assert_eq!(
        text,
        "high      HGA012 admin-not-on-loopback  headgate.toml:2:10\n          \
         admin.listen: 0.0.0.0:9900 can be reached from elsewhere\n          \
         Listen on loopback, or make sure that only operators can reach the address.\n\
         medium    HGA001 public-route  routes.d/tv/home.toml:5:9\n          \
         tv/home: anybody may call `GET /tv/home`\n          \
         Name an identity source in `auth` or a `rate`, or ignore the rule for this route.\n\
         2 findings, 2 at or above low, 0 ignored\n"
    );
    assert_eq!(code, ExitCode::from(1));
}

#[test]
fn findings_below_the_threshold_or_ignored_are_no_failure() {
    let folder = folder();
    let ends = |ignore: &[&str], fail_on| audited(folder.path(), ignore, fail_on, false).1;
    assert_eq!(ends(&[], Severity::High), ExitCode::from(1));
    assert_eq!(ends(&[], Severity::Critical), ExitCode::SUCCESS);
    assert_eq!(ends(&["HGA012", "public-route"], Severity::Low), ExitCode::SUCCESS);
    assert_eq!(ends(&["hga012", "HGA001:tv/home"], Severity::Low), ExitCode::SUCCESS);
    assert_eq!(ends(&["HGA012", "HGA001:tv/other"], Severity::Low), ExitCode::from(1));
}

#[test]
fn machines_read_findings() {
    let folder = folder();
    let (text, _) = audited(folder.path(), &["HGA012"], Severity::High, true);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["failing"], &json["ignored"]), (&json!(0), &json!(1)));
    let finding = &json["findings"][0];
    assert_eq!((&finding["rule"], &finding["severity"]), (&json!("HGA001"), &json!("medium")));
    assert_eq!((&finding["line"], &finding["column"]), (&json!(5), &json!(9)));
    assert_eq!(
        (&finding["subject"], &finding["key"]),
        (&json!("tv/home"), &json!("route.home.match"))
    );
}

#[test]
fn a_rule_that_does_not_exist_is_refused() {
    assert!(read("HGA999").is_err());
    assert!(read("").is_err());
}
