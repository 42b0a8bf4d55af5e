//! `headgate config`: the values in force, and which layer has set each.

mod at;

use std::process::ExitCode;

use anyhow::bail;
use headgate_config::{Ask, Disk, Layer, Loaded, Overlay, Setting, Why, environment, load_layered};
use headgate_types::Clock as _;

use crate::{
    args,
    clock::SystemClock,
    exit,
    output::{Output, columns},
};

/// Lists values and where they come from, of the files with overlays put over them; ends with 1
/// when an overlay does not fit. With a time, lists what was in force on a running edge instead.
///
/// # Errors
///
/// The configuration's faults, or a key that has no value.
pub(crate) fn show(
    args: &args::Show,
    overlays: &[Overlay],
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    if let Some(at) = &args.at {
        return at::show_at(at, args, output);
    }
    let ask = Ask {
        files: &Disk,
        path: &args.config.config,
        environment: &environment(),
        overlays,
        kept: None,
        use_kept_platform: false,
        now: Some(SystemClock.unix_time()),
    };
    let loaded = load_layered(&ask)?;
    if loaded.parts.iter().any(|part| !part.faults.is_empty()) {
        bail!(loaded.faults());
    }
    print(&loaded, args, output)?;
    let code = if loaded.left_out.is_empty() { exit::OK } else { exit::FINDINGS };
    Ok(ExitCode::from(code))
}

/// Prints what was loaded, from files or of a running edge.
fn print(loaded: &Loaded, args: &args::Show, output: &mut Output<'_>) -> anyhow::Result<()> {
    let asked = args.why.as_deref().unwrap_or_default();
    let mut values = loaded.provenance.below(asked);
    if values.is_empty() && args.why.is_some() {
        bail!(exit::Invalid::message(format!("nothing is in force at `{asked}`")));
    }
    if !args.effective && args.why.is_none() {
        values.retain(|why| why.from.first().is_some_and(|first| first.layer != Layer::Default));
    }
    if output.json {
        output.json(&values)?;
        return Ok(());
    }
    let text = if args.why.is_some() { chains(&values) } else { table(&values) };
    output.out.write_all(text.as_bytes())?;
    for one in &loaded.left_out {
        writeln!(output.out, "left out: {}", one.faults)?;
    }
    if args.why.is_none() {
        writeln!(output.out, "digest {}", loaded.digest)?;
    }
    Ok(())
}

/// A line for each value, with the layer that has set it.
fn table(values: &[Why]) -> String {
    let row = |why: &Why| {
        let layer = why.from.first().map_or_else(String::new, |first| from(first, &why.key));
        vec![why.key.clone(), why.value.to_string(), layer]
    };
    columns(&values.iter().map(row).collect::<Vec<_>>())
}

/// Each value with all its layers, the one in force first.
fn chains(values: &[Why]) -> String {
    let mut lines = Vec::new();
    for why in values {
        lines.push(format!("{} = {}\n", why.key, why.value));
        let layers = why.from.iter();
        lines.extend(layers.map(|one| format!("  {} {}\n", from(one, &why.key), one.value)));
    }
    lines.concat()
}

/// Where a value is said, and by which key if it is another's.
fn from(setting: &Setting, key: &str) -> String {
    if setting.key == key {
        format!("<- {}", setting.layer)
    } else {
        format!("<- {} <- {}", setting.key, setting.layer)
    }
}

#[cfg(test)]
mod tests;
