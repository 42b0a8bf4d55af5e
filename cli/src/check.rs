//! `headgate check`: every fault of a configuration at once.

use std::{collections::BTreeSet, path::Path, process::ExitCode};

use headgate_config::{Loaded, Records};
use headgate_gateway::settings::Auth;
use headgate_types::Clock as _;
use serde_json::json;

use crate::{clock::SystemClock, output::Output};

/// Loads a configuration as `run` would, opens no socket, and tells what it comes to.
///
/// # Errors
///
/// The configuration's faults.
pub(crate) fn check(config: &Path, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let loaded = headgate_config::load_at(config, SystemClock.unix_time())?;
    if output.json {
        output.json(&summary(&loaded))?;
    } else {
        for warning in &loaded.warnings {
            writeln!(output.out, "warning: {warning}")?;
        }
        let settings = &loaded.settings;
        writeln!(
            output.out,
            "ok: {} routes ({} without authentication) of {} teams, {} upstreams, {} identity \
             sources, {} files\n{}digest {}",
            settings.routes.len(),
            open_routes(&loaded).count(),
            teams(&loaded).len(),
            settings.upstreams.len(),
            settings.identity.len(),
            loaded.files.len(),
            keyed_line(&loaded),
            loaded.digest
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(loaded: &Loaded) -> serde_json::Value {
    json!({
        "valid": true,
        "faults": [],
        "warnings": loaded.warnings,
        "digest": loaded.digest,
        "files": loaded.files,
        "teams": teams(loaded),
        "routes": loaded.settings.routes.len(),
        "routes_without_authentication": open_routes(loaded).collect::<Vec<_>>(),
        "routes_with_idempotency_keys": keyed_routes(loaded).collect::<Vec<_>>(),
        "upstreams": loaded.settings.upstreams.len(),
        "identity_sources": loaded.settings.identity.len(),
    })
}

fn teams(loaded: &Loaded) -> BTreeSet<&str> {
    loaded.settings.routes.iter().map(|route| route.team.as_ref()).collect()
}

fn open_routes(loaded: &Loaded) -> impl Iterator<Item = String> {
    let routes = loaded.settings.routes.iter();
    routes
        .filter(|route| matches!(route.auth, Auth::None))
        .map(|route| format!("{}/{}", route.team, route.name))
}

fn keyed_routes(loaded: &Loaded) -> impl Iterator<Item = String> {
    let routes = loaded.settings.routes.iter();
    routes
        .filter(|route| route.idempotency.is_some())
        .map(|route| format!("{}/{}", route.team, route.name))
}

/// Which routes heed a key, and where their records are; nothing where none does.
fn keyed_line(loaded: &Loaded) -> String {
    let place = match &loaded.records {
        Some(Records::Embedded { dir }) => dir.display().to_string(),
        Some(Records::DynamoDb { table, .. }) => format!("table {table} of DynamoDB"),
        _ => return String::new(),
    };
    let routes: Vec<_> = keyed_routes(loaded).collect();
    if routes.is_empty() {
        return String::new();
    }
    format!("idempotency keys on {}; records in {place}\n", routes.join(", "))
}

#[cfg(test)]
mod tests;
