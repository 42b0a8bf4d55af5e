//! `headgate mirror report`: how the answers to copied requests compare.

use std::{fmt::Write as _, process::ExitCode};

use headgate_admin::MirrorStatus;
use serde::Deserialize;

use crate::{
    admin::Admin,
    args,
    exit::FINDINGS,
    output::{Output, columns},
};

/// What `/v1/mirrors` answers.
#[derive(Debug, Deserialize)]
struct Answer {
    mirrors: Vec<MirrorStatus>,
}

/// Asks a running edge and prints what became of copies; ends with 1 when answers differ.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does; faults of
/// the configuration, where one was named.
pub(crate) fn mirror(args: &args::Mirror, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let args::Mirror::Report(args) = args;
    let admin = Admin::at(args)?;
    let answer: Answer = admin.get("/v1/mirrors")?.json(&admin)?;
    if output.json {
        output.json(&answer.mirrors)?;
    } else if answer.mirrors.is_empty() {
        writeln!(output.out, "no route has a mirror")?;
    } else {
        let text: String = answer.mirrors.iter().map(text).collect();
        output.out.write_all(text.as_bytes())?;
    }
    let differs = |mirror: &MirrorStatus| mirror.fields.iter().any(|field| field.different > 0);
    let is_finding = answer.mirrors.iter().any(differs);
    Ok(if is_finding { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
}

fn text(mirror: &MirrorStatus) -> String {
    let MirrorStatus { team, route, to, share, since, .. } = mirror;
    let all: u64 = mirror.copies.values().sum();
    let mut text = format!("{team}/{route} to {to}, {share}: {all} copies since {since}\n");
    let became = mirror.copies.iter().filter(|(_, count)| **count > 0);
    let became: Vec<_> = became.map(|(word, count)| format!("{count} {word}")).collect();
    // Writing to a text can't fail.
    let _infallible = writeln!(text, "  {}", became.join(", "));
    if let (Some(caller), Some(copy)) = (mirror.caller_ms, mirror.mirror_ms) {
        let slower = 100.0 * mirror.slower as f64 / mirror.pairs.max(1) as f64;
        let _infallible = writeln!(
            text,
            "  to the answer's head: caller {caller:.1} ms, mirror {copy:.1} ms on average; the \
             mirror was slower in {slower:.1}%"
        );
    }
    let head = ["  FIELD", "SAME", "DIFFERENT", "INCOMPARABLE", "LAST DIFFERENT"];
    let rows = mirror.fields.iter().map(|field| {
        vec![
            format!("  {}", field.field),
            field.same.to_string(),
            field.different.to_string(),
            field.incomparable.to_string(),
            field.last_different.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let rows: Vec<_> = [head.map(str::to_owned).to_vec()].into_iter().chain(rows).collect();
    text + &columns(&rows)
}

#[cfg(test)]
mod tests;
