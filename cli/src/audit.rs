//! `headgate audit`: what a configuration may say and what is hardly meant all the same.

mod traffic;

use std::{path::Path, process::ExitCode};

use headgate_admin::Status;
use headgate_config::audit::{Audit, Finding, Rule, Severity, Traffic};
use headgate_types::Clock as _;
use http::Uri;
use serde_json::json;

use crate::{
    admin::Admin,
    args,
    clock::SystemClock,
    exit::{self, Invalid},
    output::Output,
};

/// A running edge, as far as an audit wants to know.
struct Live {
    traffic: Traffic,
    digest: String,
}

/// A rule that is not wanted, everywhere or for one subject.
struct Ignored<'a> {
    rule: &'static Rule,
    subject: Option<&'a str>,
}

/// Audits a configuration, beside the counts of a running edge if one is named.
///
/// # Errors
///
/// The configuration's faults; [`Unreachable`](crate::exit::Unreachable) when the edge does not answer; [`Invalid`] for a rule
/// that does not exist.
pub(crate) fn audit(args: &args::Audit, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let ignored = args.ignore.iter().map(|text| read(text)).collect::<Result<Vec<_>, _>>()?;
    let config = &args.config.config;
    let live = args.admin.as_ref().map(|admin| live(admin, config)).transpose()?;
    let traffic = live.as_ref().map(|live| &live.traffic);
    let now = SystemClock.unix_time();
    let Audit { findings, digest } = headgate_config::audit::audit(config, now, traffic)?;
    let all = findings.len();
    let is_wanted = |finding: &Finding| !ignored.iter().any(|one| one.covers(finding));
    let findings: Vec<_> = findings.into_iter().filter(is_wanted).collect();
    let failing = findings.iter().filter(|one| one.severity >= args.fail_on).count();
    let other_digest = live.map(|live| live.digest).filter(|running| *running != digest);
    if output.json {
        output.json(&json!({
            "findings": findings,
            "failing": failing,
            "ignored": all - findings.len(),
            "fail_on": args.fail_on,
            "digest": digest,
            "running_digest": other_digest.as_ref().unwrap_or(&digest),
        }))?;
    } else {
        if other_digest.is_some() {
            writeln!(output.out, "note: the edge that was asked runs another configuration")?;
        }
        let text = text(&findings, (failing, all - findings.len()), args.fail_on);
        output.out.write_all(text.as_bytes())?;
    }
    Ok(ExitCode::from(if failing > 0 { exit::FINDINGS } else { exit::OK }))
}

/// Reads `RULE` or `RULE:SUBJECT`.
fn read(text: &str) -> Result<Ignored<'_>, Invalid> {
    let (rule, subject) = match text.split_once(':') {
        Some((rule, subject)) => (rule, Some(subject)),
        None => (text, None),
    };
    let unknown = || Invalid::message(format!("no rule {rule:?}: docs/reference/audit.md has all"));
    Ok(Ignored { rule: Rule::named(rule).ok_or_else(unknown)?, subject })
}

impl Ignored<'_> {
    fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.rule && self.subject.is_none_or(|subject| subject == finding.subject)
    }
}

fn live(admin: &Uri, config: &Path) -> anyhow::Result<Live> {
    let admin = Admin::of_url(admin)?;
    let status: Status = admin.get("/v1/status")?.json(&admin)?;
    let traffic = traffic::traffic(admin, config, &status.started_at)?;
    Ok(Live { traffic, digest: status.config_digest })
}

fn text(findings: &[Finding], (failing, ignored): (usize, usize), fail_on: Severity) -> String {
    let told = findings.iter().map(|finding| {
        let Finding { rule, severity, at, subject, message, remedy, .. } = finding;
        let (id, name) = (rule.id, rule.name);
        format!(
            "{severity:8}  {id} {name}  {at}\n          {subject}: {message}\n          {remedy}\n"
        )
    });
    let count = findings.len();
    let noun = if count == 1 { "finding" } else { "findings" };
    let sum = format!("{count} {noun}, {failing} at or above {fail_on}, {ignored} ignored\n");
    told.chain([sum]).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests;
