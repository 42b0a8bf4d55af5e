//! The life of exchanges that are kept.

use headgate_admin::{NotKept, Why};
use headgate_gateway::Told;
use headgate_telemetry::{Kept, access::Reach};

/// The exchanges of a trace, as the admin API tells them.
pub(super) fn why(told: &Told) -> Result<Why, NotKept> {
    Why::read(&told.exchanges).ok_or_else(|| NotKept { reach: reach(told) })
}

/// How far back exchanges are kept, for people.
fn reach(told: &Told) -> String {
    let settings = &told.settings;
    if settings.bytes_max.as_bytes() == 0 {
        return "none are, by why.memory = \"0B\"".to_owned();
    }
    let kinds: Vec<_> = told.reach.iter().map(|(kind, reach)| of_kind(*kind, *reach)).collect();
    format!(
        "once they have ended, exchanges are kept in memory for as long as {} (why.memory) lasts: \
         {}; of those that passed, {} a second at most (why.passed_per_second)",
        settings.bytes_max,
        kinds.join(", "),
        settings.passed_per_second,
    )
}

fn of_kind(kind: Kept, Reach { count, since }: Reach) -> String {
    match since {
        Some(since) => format!("{count} {kind} since {since}"),
        None => format!("{count} {kind} since the start"),
    }
}

#[cfg(test)]
mod tests;
