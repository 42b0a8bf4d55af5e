use std::fs;

use super::*;

/// The routes of two teams, as `routes` prints them.
fn printed(team: Option<&str>, json: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("headgate.toml");
    let platform = "[data]\ndir = \"data\"\n[team.tv]\nclaims = [{ prefix = \"/\" }]\n\
        delegate = [{ prefix = \"/home\", to = \"web\" }]\n[team.web]\n";
    fs::write(&config, platform).unwrap();
    for (team, routes) in [
        ("tv", "[route.any]\nmatch = \"GET /{*rest}\"\nto = \"u\"\n"),
        (
            "web",
            "[route.home]\nmatch = \"POST /home\"\nto = \"u\"\ntimeout = \"2s\"\n\
             idempotency = { required = true }\n",
        ),
    ] {
        fs::create_dir_all(folder.path().join("routes.d").join(team)).unwrap();
        fs::write(
            folder.path().join("routes.d").join(team).join("r.toml"),
            format!("team = \"{team}\"\n[upstream.u]\nendpoints = [\"a:1\"]\n{routes}"),
        )
        .unwrap();
    }
    let mut out = Vec::new();
    let args = args::Routes { config: args::Config { config }, team: team.map(str::to_owned) };
    routes(&args, &mut Output { out: &mut out, json }).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.replace(&folder.path().display().to_string(), "")
}

#[test]
fn routes_are_listed_in_the_order_in_which_they_are_preferred() {
    assert_eq!(
        printed(None, false),
        "TEAM  ROUTE  MATCH         UPSTREAM  AUTH  PRIORITY  TIMEOUT  KEY       AT\n\
         web   home   POST /home    u         none  standard  2s       required  /routes.d/web/r.toml:5\n\
         tv    any    GET /{*rest}  u         none  standard  30s      none      /routes.d/tv/r.toml:5\n"
    );
}

#[test]
fn one_team_can_be_listed_alone() {
    let rows: Vec<serde_json::Value> = serde_json::from_str(&printed(Some("tv"), true)).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["route"], &rows[0]["line"]), (&"any".into(), &5.into()));
}
