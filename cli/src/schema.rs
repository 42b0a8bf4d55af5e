//! `headgate schema`: the JSON Schemas of the documents, the pages of keys, metrics, rules of the
//! audit and the admin API, and what is made of the metrics.

use std::process::ExitCode;

use crate::{
    args::{self, Page},
    output::Output,
};

/// Prints a schema, or a page.
///
/// # Errors
///
/// When it can't be written.
pub(crate) fn schema(args: &args::Schema, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    if let Some(page) = args.markdown {
        let page = match page {
            Page::Keys => headgate_config::reference::markdown(),
            Page::Metrics => headgate_telemetry::catalog::markdown(),
            Page::Audit => headgate_config::audit::markdown(),
            Page::HttpApi => headgate_admin::http_api(),
        };
        if output.json {
            output.json(&serde_json::json!({ "markdown": page }))?;
        } else {
            output.out.write_all(page.as_bytes())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.alerts {
        let rules = headgate_admin::alerts();
        if output.json {
            output.json(&serde_json::json!({ "yaml": rules }))?;
        } else {
            output.out.write_all(rules.as_bytes())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.dashboard {
        output.json(&headgate_admin::dashboard())?;
        return Ok(ExitCode::SUCCESS);
    }
    output.json(&match (args.team, args.api_keys) {
        (true, _) => headgate_config::schema::team_file(),
        (_, true) => headgate_config::schema::api_keys(),
        _ => headgate_config::schema::platform(),
    })?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
