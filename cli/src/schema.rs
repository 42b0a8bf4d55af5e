//! `headgate schema`: the JSON Schemas of the documents, and their reference page.

use std::process::ExitCode;

use crate::{args, output::Output};

/// Prints a schema, or the page of all keys.
///
/// # Errors
///
/// When it can't be written.
pub(crate) fn schema(args: &args::Schema, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    if args.markdown {
        let page = headgate_config::reference::markdown();
        if output.json {
            output.json(&serde_json::json!({ "markdown": page }))?;
        } else {
            output.out.write_all(page.as_bytes())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    output.json(&match (args.team, args.api_keys) {
        (true, _) => headgate_config::schema::team_file(),
        (_, true) => headgate_config::schema::api_keys(),
        _ => headgate_config::schema::platform(),
    })?;
    Ok(ExitCode::SUCCESS)
}
