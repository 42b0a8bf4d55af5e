use super::*;

fn printed(args: &args::Schema) -> serde_json::Value {
    let mut out = Vec::new();
    schema(args, &mut Output { out: &mut out, json: true }).unwrap();
    serde_json::from_slice(&out).unwrap()
}

const PLATFORM: args::Schema =
    args::Schema { team: false, api_keys: false, dashboard: false, alerts: false, markdown: None };

#[test]
fn each_document_has_its_schema() {
    assert_eq!(printed(&PLATFORM)["title"], "headgate.toml");
    let team = args::Schema { team: true, ..PLATFORM };
    assert_eq!(printed(&team)["title"], "routes.d/<team>/*.toml");
    let api_keys = args::Schema { api_keys: true, ..PLATFORM };
    assert_eq!(printed(&api_keys)["title"], "API keys");
}

#[test]
fn dashboard_and_alerts_are_made_from_the_metrics() {
    let dashboard = args::Schema { dashboard: true, ..PLATFORM };
    assert_eq!(printed(&dashboard)["title"], "Headgate");
    let alerts = printed(&args::Schema { alerts: true, ..PLATFORM });
    assert!(alerts["yaml"].as_str().unwrap().starts_with("groups:\n"), "{alerts}");
}

#[test]
fn each_page_has_its_title() {
    for (page, title) in [
        (Page::Keys, "# Configuration\n"),
        (Page::Metrics, "# Metrics\n"),
        (Page::Audit, "# Audit\n"),
    ] {
        let json = printed(&args::Schema { markdown: Some(page), ..PLATFORM });
        assert!(json["markdown"].as_str().unwrap().starts_with(title), "{page:?}");
    }
}
