//! What has changed between two looks at the edge.

use std::collections::{BTreeMap, HashMap};

use headgate_admin::{ConfigStatus, GateStatus, HistoryEntry, LimitsStatus, OverlayStatus};
use headgate_types::Moment;

/// Entries of one look at most; what is more is told as one.
const ENTRIES_MAX: usize = 32;
/// The least time between two entries about one limit, which may move ten times a second.
const MOVES_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
/// Moves by less than one part in so many are told only when they have a reason of their own.
const SMALL_MOVE: u32 = 10;
/// Reasons for which even a small move is told.
const TELLING: [&str; 4] = ["overload", "loss", "rebaselined", "recovered"];

/// Compares each look with the one before.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    gates: HashMap<String, Gate>,
    /// How each stood, and how often it had opened.
    breakers: HashMap<String, (String, u64)>,
    shed_from: Option<u16>,
    config: Option<Config>,
}

/// A limit as it was told last.
#[derive(Debug)]
struct Gate {
    limit: u32,
    cause: String,
    told_at: Moment,
}

/// The configuration as it was told last.
#[derive(Debug)]
struct Config {
    digest: String,
    loaded: (String, String),
    overlays: BTreeMap<u64, OverlayStatus>,
}

impl Changes {
    /// What has changed since the last look. The first look tells the start.
    pub(crate) fn look(
        &mut self,
        limits: &LimitsStatus,
        config: &ConfigStatus,
        now: Moment,
    ) -> Vec<HistoryEntry> {
        let mut entries = Vec::new();
        self.config(config, &mut entries);
        self.instance(limits, &mut entries);
        self.breakers(limits, &mut entries);
        self.gates(limits, now, &mut entries);
        if entries.len() > ENTRIES_MAX {
            let more = entries.len() - ENTRIES_MAX;
            entries.truncate(ENTRIES_MAX);
            let reason = format!("{more} more moved in the same half second");
            entries.push(entry("more", "edge", (None, None), reason));
        }
        entries
    }

    fn config(&mut self, config: &ConfigStatus, entries: &mut Vec<HistoryEntry>) {
        let loaded = (config.loaded_at.clone(), config.loaded.clone());
        let overlays: BTreeMap<_, _> =
            config.overlays.iter().map(|overlay| (overlay.id, overlay.clone())).collect();
        let after = Config { digest: config.digest.clone(), loaded, overlays };
        let Some(before) = self.config.replace(after) else {
            let to = Some(config.digest.clone());
            entries.push(entry("start", "edge", (None, to), "the process began".to_owned()));
            return;
        };
        let Some(after) = &self.config else { return };
        for (id, overlay) in &after.overlays {
            if !before.overlays.contains_key(id) {
                entries.push(set(overlay));
            }
        }
        for (id, overlay) in &before.overlays {
            if !after.overlays.contains_key(id) {
                entries.push(ended(overlay));
            }
        }
        if before.digest != after.digest {
            let change = (Some(before.digest), Some(after.digest.clone()));
            let reason = format!("a load: {}", after.loaded.1);
            entries.push(entry("config", "edge", change, reason));
        } else if before.loaded != after.loaded && after.loaded.1 == "rejected" {
            let reason = "a load was rejected; what was in force stays".to_owned();
            entries.push(entry("config", "edge", (None, None), reason));
        }
    }

    fn instance(&mut self, limits: &LimitsStatus, entries: &mut Vec<HistoryEntry>) {
        let after = limits.instance.shed_from;
        let before = std::mem::replace(&mut self.shed_from, after);
        if before.is_some() != after.is_some() {
            let told = |rank: Option<u16>| rank.map(|rank| format!("sheds from rank {rank}"));
            let reason = match limits.instance.cpu {
                Some(cpu) => format!("CPU at {:.0} %", cpu * 100.0),
                None => "its own load".to_owned(),
            };
            entries.push(entry("instance", "edge", (told(before), told(after)), reason));
        }
    }

    fn breakers(&mut self, limits: &LimitsStatus, entries: &mut Vec<HistoryEntry>) {
        let before = std::mem::take(&mut self.breakers);
        for upstream in &limits.upstreams {
            for endpoint in &upstream.endpoints {
                let what = format!("{} of {}/{}", endpoint.address, upstream.team, upstream.name);
                let (state, opened) = (endpoint.breaker.clone(), endpoint.opened);
                let (mut known, times) =
                    before.get(&what).map_or(("closed", opened), |(state, times)| (state, *times));
                let mut tell = |from: &str, to: &str, reason: String| {
                    let change = (Some(from.to_owned()), Some(to.to_owned()));
                    entries.push(entry("breaker", &what, change, reason));
                };
                // Of openings the last is seen, if it still stands so.
                let is_seen = state == OPEN && known != OPEN;
                let unseen = opened.saturating_sub(times).saturating_sub(u64::from(is_seen));
                if unseen > 0 {
                    let from = if known == OPEN { "half_open" } else { known };
                    let times =
                        if unseen > 1 { format!(", {unseen} times") } else { String::new() };
                    tell(from, OPEN, format!("{}{times}", reason(OPEN)));
                    known = OPEN;
                }
                if known != state {
                    tell(known, &state, reason(&state).to_owned());
                }
                self.breakers.insert(what, (state, opened));
            }
        }
    }

    fn gates(&mut self, limits: &LimitsStatus, now: Moment, entries: &mut Vec<HistoryEntry>) {
        let upstreams = limits.upstreams.iter().filter_map(|one| {
            Some((format!("upstream {}/{}", one.team, one.name), one.gate.as_ref()?))
        });
        let routes = limits.routes.iter().filter_map(|one| {
            Some((format!("route {}/{}", one.team, one.name), one.gate.as_ref()?))
        });
        let mut before = std::mem::take(&mut self.gates);
        for (what, gate) in upstreams.chain(routes) {
            let known = before.remove(&what);
            let known = match known {
                None => Gate { limit: gate.limit, cause: gate.cause.clone(), told_at: now },
                Some(known) if is_told(&known, gate, now) => {
                    let change = (Some(known.limit.to_string()), Some(gate.limit.to_string()));
                    entries.push(entry("limit", &what, change, gate.cause.clone()));
                    Gate { limit: gate.limit, cause: gate.cause.clone(), told_at: now }
                }
                Some(known) => known,
            };
            self.gates.insert(what, known);
        }
    }
}

/// As a breaker is called that lets nothing pass.
const OPEN: &str = "open";

/// Whether a move is worth an entry.
fn is_told(known: &Gate, gate: &GateStatus, now: Moment) -> bool {
    let by = known.limit.abs_diff(gate.limit);
    let is_large = by > 0 && by.saturating_mul(SMALL_MOVE) >= known.limit;
    let is_telling = known.cause != gate.cause && TELLING.contains(&gate.cause.as_str());
    (is_large || (is_telling && by > 0)) && now.since(known.told_at) >= MOVES_EVERY
}

/// Why a breaker stands so.
fn reason(state: &str) -> &'static str {
    match state {
        "open" => "the endpoint failed too often",
        "half_open" => "it was open for its time; a few calls try",
        "ramp" => "the calls that tried were answered",
        _ => "it has its whole share again",
    }
}

fn set(overlay: &OverlayStatus) -> HistoryEntry {
    let to = format!("{} until {}", overlay.value, overlay.expires);
    let entry = entry("overlay", &overlay.key, (None, Some(to)), overlay.reason.clone());
    HistoryEntry { actor: Some(overlay.actor.clone()), ..entry }
}

fn ended(overlay: &OverlayStatus) -> HistoryEntry {
    let from = format!("{} by {}", overlay.value, overlay.actor);
    let reason = "it expired, or was unset; the files hold again".to_owned();
    entry("overlay", &overlay.key, (Some(from), None), reason)
}

fn entry(
    kind: &str,
    what: &str,
    (from, to): (Option<String>, Option<String>),
    reason: String,
) -> HistoryEntry {
    let (kind, what) = (kind.to_owned(), what.to_owned());
    HistoryEntry { kind, what, from, to, reason, ..HistoryEntry::default() }
}

#[cfg(test)]
mod tests;
