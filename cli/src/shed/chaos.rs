//! `headgate shed chaos`: refuses a share of one class for a while, and stops when a higher one
//! suffers.

use std::{collections::BTreeSet, process::ExitCode, thread, time::Duration};

use headgate_admin::{LimitsStatus, OverlayRequest, OverlayStatus};
use headgate_telemetry::Kept;
use headgate_types::{Class, format_duration};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    admin::{Admin, Answer},
    args,
    exit::{FINDINGS, Invalid},
    limits,
    output::Output,
    overlays::{self, put},
    top::{Routes, scraped},
};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks before anything is refused, for how it was.
const LOOKS_BEFORE: usize = 6;
/// Looks that are judged together.
const LOOKS_JUDGED: usize = 6;
/// Requests of higher classes in those looks below which nothing is judged.
const REQUESTS_MIN: u64 = 20;
/// How long the overlay lasts by itself: if this verb is killed, the refusals end that soon.
const LEASE: Duration = Duration::from_mins(1);
/// What it lasts beyond its end, for whoever is late to end it.
const MARGIN: Duration = Duration::from_secs(10);
/// When it is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(30);

/// Refuses, watches, and ends.
///
/// # Errors
///
/// As [`shed`](super::shed).
pub(super) fn chaos(args: &args::ShedChaos, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let admin = Admin::at(&args.admin)?.reading(crate::top::PAGE_BYTES_MAX);
    let limits: LimitsStatus = admin.get(limits::PATH)?.json(&admin)?;
    refuse_second_cut(&admin, args)?;
    let higher = higher(&limits, &args.class);
    let mut looks = vec![seen(&scraped(&admin)?, &higher)];
    for _ in 0..LOOKS_BEFORE {
        thread::sleep(LOOK_EVERY);
        looks.push(seen(&scraped(&admin)?, &higher));
    }
    let before = share(looks.first(), looks.last()).unwrap_or(0.0);
    let began = Instant::now();
    let (mut lease, mut leased_at) = (put(&admin, &wish(args, args.lifetime))?, began);
    looks.clear();
    let ended = loop {
        thread::sleep(LOOK_EVERY);
        match scraped(&admin) {
            Ok(page) => looks.push(seen(&page, &higher)),
            Err(error) => break Err(error),
        }
        let judged = looks.len().checked_sub(LOOKS_JUDGED).and_then(|from| looks.get(from));
        if let Some(share) = share(judged, looks.last())
            && share > before + args.tolerance / 100.0
        {
            break Ok(Some(share));
        }
        if began.elapsed() >= args.lifetime {
            break Ok(None);
        }
        if leased_at.elapsed() >= RENEW_AFTER {
            let left = args.lifetime.saturating_sub(began.elapsed());
            let next = put(&admin, &wish(args, left))?;
            give_back(&admin, lease.id, args)?;
            (lease, leased_at) = (next, Instant::now());
        }
    };
    // Before anything is told: the refusals end first.
    give_back(&admin, lease.id, args)?;
    tell(args, (before, ended?), began.elapsed(), output)
}

/// Somebody's cut in an incident must not be replaced by a smaller one.
fn refuse_second_cut(admin: &Admin, args: &args::ShedChaos) -> anyhow::Result<()> {
    let overlays = overlays::all(admin)?;
    let Some(other) = overlays.iter().find(|other| other.key == key(args)) else { return Ok(()) };
    let OverlayStatus { id, key, value, actor, .. } = other;
    let message = format!("{key} is {value} already, by {actor} (overlay {id})");
    Err(Invalid::message(message).into())
}

fn key(args: &args::ShedChaos) -> String {
    format!("edge.overload.cut.{}", args.class)
}

/// Ends the overlay, unless it has ended.
fn give_back(admin: &Admin, id: u64, args: &args::ShedChaos) -> anyhow::Result<()> {
    let terms = args::EndTerms { actor: args.actor.clone(), reason: reason(args), expect: None };
    match overlays::delete(admin, id, &terms)? {
        Answer::Refused(refused) if refused.is_unknown() => Ok(()),
        answer => answer.body().map(drop),
    }
}

/// The overlay for the next while. It lasts longer than it should, so that it is this verb that
/// ends it.
fn wish(args: &args::ShedChaos, left: Duration) -> OverlayRequest {
    let left = (left + MARGIN).min(LEASE);
    OverlayRequest {
        key: key(args),
        value: Value::String(format!("{}%", args.percent)),
        lifetime: format_duration(left),
        actor: args.actor.clone(),
        reason: reason(args),
        expect: None,
    }
}

fn reason(args: &args::ShedChaos) -> String {
    format!("shed chaos: {}", args.reason)
}

/// The routes whose requests are worth more.
fn higher(limits: &LimitsStatus, class: &str) -> BTreeSet<(String, String)> {
    let rank = |word: &str| word.parse::<Class>().map_or(0, Class::index);
    let routes = limits.routes.iter().filter(|route| rank(&route.priority) < rank(class));
    routes.map(|route| (route.team.clone(), route.name.clone())).collect()
}

/// Exchanges of the routes that ended, and how many of them were refused or failed.
fn seen(page: &Routes, routes: &BTreeSet<(String, String)>) -> (u64, u64) {
    let mut seen = (0, 0);
    for (_, counts) in page.iter().filter(|(name, _)| routes.contains(name)) {
        let of = |kind: Kept| counts.ended.get(kind.index()).copied().unwrap_or(0);
        seen.0 += counts.ended.iter().sum::<u64>();
        seen.1 += of(Kept::Shed) + of(Kept::Failed);
    }
    seen
}

/// The share that suffered between two looks. None: too few to judge.
fn share(from: Option<&(u64, u64)>, to: Option<&(u64, u64)>) -> Option<f64> {
    let ((all, bad), (all_then, bad_then)) = (to?, from?);
    let all = all.saturating_sub(*all_then);
    (all >= REQUESTS_MIN).then(|| bad.saturating_sub(*bad_then) as f64 / all as f64)
}

fn tell(
    args: &args::ShedChaos,
    (before, suffered): (f64, Option<f64>),
    lasted: Duration,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let (class, percent) = (&args.class, args.percent);
    let seconds = lasted.as_secs_f64();
    if output.json {
        output.json(&json!({
            "class": class,
            "percent": percent,
            "seconds": seconds,
            "is_aborted": suffered.is_some(),
            "share_before": before,
            "share_suffered": suffered,
        }))?;
    } else {
        let (was, end) = (100.0 * before, "of higher classes failed or were refused");
        match suffered {
            Some(share) => writeln!(
                output.out,
                "aborted after {seconds:.1} s: {:.1} % {end}, {was:.1} % before",
                100.0 * share
            )?,
            None => writeln!(
                output.out,
                "{percent} % of {class} were refused for {seconds:.1} s; no more {end} than before \
                 ({was:.1} %)"
            )?,
        }
    }
    Ok(if suffered.is_some() { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests;
