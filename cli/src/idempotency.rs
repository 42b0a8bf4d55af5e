//! `headgate idempotency`: finds keys that wait for a person in a running edge, and settles them.

use std::{fmt::Write as _, fs, process::ExitCode};

use headgate_admin::{HeldKey, HeldKeys, Resolve, ResolveAs, Resolved};

use crate::{
    admin::{Admin, Answer},
    args,
    exit::{self, Invalid},
    output::{Output, columns},
};

/// Steps of one list at most: 16 million records. What is left is told, with where to go on.
const STEPS_MAX: usize = 16_384;

/// Lists keys that wait, shows one, or settles one.
///
/// Exit code 1: there are keys that wait, or the key stands otherwise than was said.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers or the edge has no records;
/// [`Invalid`] for what can't be used.
pub(crate) fn idempotency(
    args: &args::Idempotency,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    match args {
        args::Idempotency::List(list) => self::list(list, output),
        args::Idempotency::Show(key) => show(key, output),
        args::Idempotency::Resolve(how) => resolve(how, output),
    }
}

fn list(args: &args::HeldList, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?;
    let limit = usize::try_from(args.limit)?;
    let mut found = HeldKeys { keys: Vec::new(), next: args.after.clone() };
    for _ in 0..STEPS_MAX {
        let after = found.next.take().map(|after| format!("?after={}", escaped(&after)));
        let path = format!("/v1/idempotency/held{}", after.unwrap_or_default());
        let page: HeldKeys = admin.get(&path)?.json(&admin)?;
        found.keys.extend(page.keys);
        found.next = page.next;
        if found.next.is_none() || found.keys.len() >= limit {
            break;
        }
    }
    if output.json {
        output.json(&found)?;
    } else {
        output.out.write_all(table(&found).as_bytes())?;
    }
    Ok(ExitCode::from(if found.keys.is_empty() { exit::OK } else { exit::FINDINGS }))
}

fn show(args: &args::HeldKey, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let key = find(&Admin::at(&args.admin)?, &args.id)?;
    if output.json {
        output.json(&key)?;
    } else {
        output.out.write_all(text(&key).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn resolve(args: &args::HeldResolve, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let (admin, id) = (Admin::at(&args.key.admin)?, &args.key.id);
    let result = args.result.as_ref().map(|path| {
        fs::read_to_string(path)
            .map_err(|error| Invalid::message(format!("can't read {}: {error}", path.display())))
    });
    let fence = match args.fence {
        Some(fence) => fence,
        None => find(&admin, id)?.fence,
    };
    let asked = Resolve {
        fence,
        resolution: match args.resolution {
            args::Resolution::Done => ResolveAs::Done,
            args::Resolution::NotDone => ResolveAs::NotDone,
        },
        status: args.status,
        result: result.transpose()?,
        content_type: args.content_type.clone(),
        actor: args.actor.clone(),
        reason: args.reason.clone(),
    };
    let answer = admin.post(&format!("{}/resolve", path(id)), &asked)?;
    if let Answer::Refused(refused) = answer {
        let is_conflict = refused.is_conflict();
        let error = refused.error();
        if is_conflict {
            crate::output::report(&error, output)?;
            return Ok(ExitCode::from(exit::FINDINGS));
        }
        return Err(error);
    }
    let resolved: Resolved = answer.json(&admin)?;
    if output.json {
        output.json(&resolved)?;
    } else {
        let how = match resolved.resolution {
            ResolveAs::Done => "done",
            ResolveAs::NotDone => "not done",
        };
        writeln!(output.out, "{}: {how}", resolved.id)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn find(admin: &Admin, id: &str) -> anyhow::Result<HeldKey> {
    admin.get(&path(id))?.json(admin)
}

fn path(id: &str) -> String {
    format!("/v1/idempotency/held/{}", escaped(id))
}

/// Text as it may stand in a path or a query.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            // Writing to a text can't fail.
            let _infallible = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

fn table(found: &HeldKeys) -> String {
    let mut text = String::new();
    if found.keys.is_empty() {
        text.push_str("no key waits\n");
    } else {
        let heads = ["id", "state", "claimed at", "attempts", "trace", "error"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        rows.extend(found.keys.iter().map(|key| {
            vec![
                key.id.clone(),
                key.state.clone(),
                key.claimed_at.clone(),
                key.attempts.to_string(),
                key.trace_id.clone().unwrap_or_else(|| "-".to_owned()),
                key.error.clone(),
            ]
        }));
        text.push_str(&columns(&rows));
    }
    if let Some(next) = &found.next {
        let _infallible = writeln!(text, "more may follow: --after '{next}'");
    }
    text
}

fn text(key: &HeldKey) -> String {
    let mut rows = vec![
        vec!["id".to_owned(), key.id.clone()],
        vec!["scope".to_owned(), key.scope.clone()],
        vec!["state".to_owned(), key.state.clone()],
        vec!["error".to_owned(), key.error.clone()],
        vec!["attempts".to_owned(), key.attempts.to_string()],
        vec!["claimed at".to_owned(), key.claimed_at.clone()],
        vec!["fence".to_owned(), key.fence.to_string()],
    ];
    rows.extend(key.trace_id.clone().map(|trace| vec!["trace".to_owned(), trace]));
    rows.extend(key.effects.iter().map(|effect| {
        let state = if effect.is_carried_out { "carried out" } else { "may be carried out" };
        vec![format!("effect {}", effect.name), state.to_owned()]
    }));
    columns(&rows)
}

#[cfg(test)]
mod tests;
