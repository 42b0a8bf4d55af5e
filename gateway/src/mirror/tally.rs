//! What became of copies, and how both sides' answers compare.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use headgate_router::{
    compare::{Answer, Field},
    split::Weight,
};
use headgate_telemetry::MirrorResult;
use headgate_types::{TraceId, UnixTime};
use parking_lot::Mutex;
use serde_json::Value;

/// One side's answer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// Time to the answer's head. None when it is the edge's own answer.
    pub(crate) head: Option<Duration>,
    /// The whole body. None when it is too long, or nobody compares it.
    pub(crate) body: Option<Bytes>,
}

/// What became of a route's copies.
#[derive(Debug)]
pub(crate) struct Tally {
    since: UnixTime,
    results: [AtomicU64; MirrorResult::ALL.len()],
    fields: Vec<FieldTally>,
    heads: Heads,
}

#[derive(Debug)]
struct FieldTally {
    field: Field,
    same: AtomicU64,
    different: AtomicU64,
    incomparable: AtomicU64,
    /// The trace of the last pair that differed.
    last: Mutex<Option<TraceId>>,
}

/// Times to the heads of both answers, in pairs.
#[derive(Debug, Default)]
struct Heads {
    pairs: AtomicU64,
    slower: AtomicU64,
    caller_micros: AtomicU64,
    mirror_micros: AtomicU64,
}

/// A route's mirror as it stands.
#[derive(Clone, Debug)]
pub struct MirrorState {
    /// The team that owns the route.
    pub team: Arc<str>,
    /// The route.
    pub route: Arc<str>,
    /// The upstream that gets the copies.
    pub upstream: Arc<str>,
    /// The share of requests that are copied.
    pub share: Weight,
    /// Since when copies are counted.
    pub since: UnixTime,
    /// Copies by what became of them, in the order of [`MirrorResult::ALL`].
    pub results: Vec<(MirrorResult, u64)>,
    /// What is compared, in the order of the settings.
    pub fields: Vec<FieldState>,
    /// Pairs of answers of which both times are known.
    pub pairs: u64,
    /// Pairs in which the mirror was slower.
    pub slower: u64,
    /// The caller's mean time to the answer's head. None without a pair.
    pub caller_mean: Option<Duration>,
    /// The mirror's.
    pub mirror_mean: Option<Duration>,
}

/// What is compared, as it stands.
#[derive(Clone, Debug)]
pub struct FieldState {
    /// The part of an answer, as configured.
    pub field: String,
    /// Pairs that agree in it.
    pub same: u64,
    /// Pairs that do not.
    pub different: u64,
    /// Pairs of which it can't be said: a body is no JSON, or too long.
    pub incomparable: u64,
    /// The trace of the last pair that differed.
    pub last_different: Option<TraceId>,
}

impl Tally {
    pub(super) fn new(fields: &[Field], since: UnixTime) -> Self {
        let field = |field: &Field| FieldTally {
            field: field.clone(),
            same: AtomicU64::new(0),
            different: AtomicU64::new(0),
            incomparable: AtomicU64::new(0),
            last: Mutex::new(None),
        };
        Self {
            since,
            results: std::array::from_fn(|_| AtomicU64::new(0)),
            fields: fields.iter().map(field).collect(),
            heads: Heads::default(),
        }
    }

    pub(super) fn ended(&self, result: MirrorResult) {
        if let Some(count) = self.results.get(result.index()) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn answered(&self, caller: Duration, mirror: Duration) {
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        self.heads.pairs.fetch_add(1, Relaxed);
        self.heads.slower.fetch_add(u64::from(mirror > caller), Relaxed);
        self.heads.caller_micros.fetch_add(micros(caller), Relaxed);
        self.heads.mirror_micros.fetch_add(micros(mirror), Relaxed);
    }

    /// Compares both answers field by field.
    pub(super) fn compare(&self, trace: TraceId, caller: &Seen, mirror: &Seen) -> MirrorResult {
        let parse = |seen: &Seen| serde_json::from_slice::<Value>(seen.body.as_deref()?).ok();
        let (ours, theirs) = (parse(caller), parse(mirror));
        let ours = Answer { status: caller.status, json: ours.as_ref() };
        let theirs = Answer { status: mirror.status, json: theirs.as_ref() };
        let mut result = MirrorResult::Same;
        for one in &self.fields {
            match one.field.agrees(&ours, &theirs) {
                Some(true) => one.same.fetch_add(1, Relaxed),
                Some(false) => {
                    result = MirrorResult::Different;
                    *one.last.lock() = Some(trace);
                    one.different.fetch_add(1, Relaxed)
                }
                None => {
                    if result == MirrorResult::Same {
                        result = MirrorResult::Incomparable;
                    }
                    one.incomparable.fetch_add(1, Relaxed)
                }
            };
        }
        result
    }

    pub(super) fn state(
        &self,
        (team, route): (Arc<str>, Arc<str>),
        upstream: &Arc<str>,
        share: Weight,
    ) -> MirrorState {
        let pairs = self.heads.pairs.load(Relaxed);
        let mean = |sum: &AtomicU64| {
            (pairs > 0).then(|| Duration::from_micros(sum.load(Relaxed) / pairs.max(1)))
        };
        let field = |one: &FieldTally| FieldState {
            field: one.field.to_string(),
            same: one.same.load(Relaxed),
            different: one.different.load(Relaxed),
            incomparable: one.incomparable.load(Relaxed),
            last_different: *one.last.lock(),
        };
        let results = MirrorResult::ALL.into_iter().zip(&self.results);
        MirrorState {
            team,
            route,
            upstream: Arc::clone(upstream),
            share,
            since: self.since,
            results: results.map(|(result, count)| (result, count.load(Relaxed))).collect(),
            fields: self.fields.iter().map(field).collect(),
            pairs,
            slower: self.heads.slower.load(Relaxed),
            caller_mean: mean(&self.heads.caller_micros),
            mirror_mean: mean(&self.heads.mirror_micros),
        }
    }
}

#[cfg(test)]
mod tests;
