//! `headgate dlq`: finds events of a running edge that were given up, and brings them back.

use std::{collections::BTreeMap, fs, process::ExitCode};

use headgate_admin::{
    DeadLetter, DeadLetterPage, Groups, Redrive, RedrivePlan, Redriven, ResolveLetter,
    ResolveLetterAs, ResolvedLetter,
};
use serde_json::Value;

use crate::{
    admin::Admin,
    args::events::{Became, Dlq, Letter, List, Matching, Redrive as Wish, Resolve},
    exit::{self, Invalid},
    idempotency::escaped,
    output::{Output, columns},
};

/// Pages of one list at most: a quarter of a million letters of each handler.
const PAGES_MAX: usize = 1_024;

/// Lists dead letters, shows one, redrives some or resolves one.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers or the edge has no log; a letter
/// that is not there or stands otherwise; [`Invalid`] for what can't be used.
pub(crate) fn dlq(args: &Dlq, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    match args {
        Dlq::List(list) => self::list(list, output),
        Dlq::Show(letter) => show(letter, output),
        Dlq::Redrive(wish) => redrive(wish, output),
        Dlq::Resolve(said) => resolve(said, output),
    }
}

fn list(args: &List, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let groups = if let Some(group) = &args.group {
        vec![group.clone()]
    } else {
        let Groups { groups } = admin.get("/v1/groups")?.json(&admin)?;
        groups.into_iter().map(|group| group.name).collect()
    };
    let mut letters = Vec::new();
    for group in groups {
        letters.extend(of_group(&admin, &group, &args.matching)?);
    }
    let waits = letters.iter().any(|letter| matches!(letter.state.as_str(), "parked" | "held"));
    if output.json {
        output.json(&letters)?;
    } else if letters.is_empty() {
        writeln!(output.out, "no dead letters")?;
    } else {
        output.out.write_all(table(&letters).as_bytes())?;
    }
    Ok(ExitCode::from(if waits { exit::FINDINGS } else { exit::OK }))
}

fn of_group(admin: &Admin, group: &str, matching: &Matching) -> anyhow::Result<Vec<DeadLetter>> {
    let mut query = String::new();
    let filters = [("reason", &matching.reason), ("type", &matching.kind), ("key", &matching.key)];
    for (name, value) in filters {
        if let Some(value) = value {
            query.extend(["&", name, "=", &escaped(value)]);
        }
    }
    let (mut letters, mut after) = (Vec::new(), 0);
    for _ in 0..PAGES_MAX {
        let path = format!("/v1/dead-letters/{}?after={after}{query}", escaped(group));
        let page: DeadLetterPage = admin.get(&path)?.json(admin)?;
        letters.extend(page.letters);
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    Ok(letters)
}

fn show(args: &Letter, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let letter: DeadLetter = admin.get(&path(args))?.json(&admin)?;
    output.json(&letter)?;
    Ok(ExitCode::SUCCESS)
}

fn redrive(args: &Wish, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let Matching { reason, kind, key } = &args.matching;
    let wish = Redrive {
        id: args.id.clone(),
        reason: reason.clone(),
        kind: kind.clone(),
        key: key.clone(),
        dry_run: args.dry_run,
        rate: args.rate.map(f64::from),
        actor: args.by.actor.clone(),
        why: args.by.why.clone(),
    };
    let path = format!("/v1/dead-letters/{}/redrive", escaped(&args.group));
    let answer = admin.post(&path, &wish)?;
    if args.dry_run {
        let plan: RedrivePlan = answer.json(&admin)?;
        if output.json {
            output.json(&plan)?;
        } else {
            let RedrivePlan { redriven, reasons, left } = plan;
            writeln!(output.out, "{redriven} would be handled again{}", told(&reasons))?;
            writeln!(output.out, "{} would not{}", left.values().sum::<u64>(), told(&left))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let done: Redriven = answer.json(&admin)?;
    if output.json {
        output.json(&done)?;
    } else {
        let Redriven { redriven, left, loops } = done;
        writeln!(output.out, "{redriven} on their way again, {left} left, {loops} went too often")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn resolve(args: &Resolve, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.letter.admin)?;
    let result = args.result.as_ref().map(|path| -> anyhow::Result<Value> {
        let text = fs::read_to_string(path)
            .map_err(|error| Invalid::message(format!("can't read {}: {error}", path.display())))?;
        Ok(serde_json::from_str(&text)
            .map_err(|error| Invalid::message(format!("{} is no JSON: {error}", path.display())))?)
    });
    let said = ResolveLetter {
        resolution: match args.resolution {
            Became::Done => ResolveLetterAs::Done,
            Became::Rejected => ResolveLetterAs::Rejected,
            Became::Retry => ResolveLetterAs::Retry,
        },
        result: result.transpose()?,
        error: args.error.clone(),
        actor: args.by.actor.clone(),
        why: args.by.why.clone(),
    };
    let answer = admin.post(&format!("{}/resolve", path(&args.letter)), &said)?;
    let resolved: ResolvedLetter = answer.json(&admin)?;
    if output.json {
        output.json(&resolved)?;
    } else {
        writeln!(output.out, "{}: settled", resolved.id)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn path(args: &Letter) -> String {
    format!("/v1/dead-letters/{}/{}", escaped(&args.group), escaped(&args.id))
}

/// Counts by their words, such as `: 2 attempts`.
fn told(counts: &BTreeMap<String, u64>) -> String {
    let all: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    if all.is_empty() { String::new() } else { format!(": {}", all.join(", ")) }
}

fn table(letters: &[DeadLetter]) -> String {
    let heads =
        ["GROUP", "ID", "STATE", "REASON", "ATTEMPTS", "REDRIVES", "TIME", "TRACE", "ERROR"];
    let rows = letters.iter().map(|letter| {
        vec![
            letter.group.clone(),
            letter.id.clone(),
            letter.state.clone(),
            letter.reason.clone(),
            letter.attempts.to_string(),
            letter.redrives.to_string(),
            letter.time.clone(),
            letter.trace_id.clone().unwrap_or_else(|| "-".to_owned()),
            letter.error.clone(),
        ]
    });
    let rows: Vec<_> = [heads.map(str::to_owned).to_vec()].into_iter().chain(rows).collect();
    columns(&rows)
}
