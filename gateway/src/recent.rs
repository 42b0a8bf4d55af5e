//! Recent exchanges, kept in memory for whoever asks why one ended as it did.

use std::num::NonZeroUsize;

use headgate_telemetry::{
    Kept,
    access::{self, Detail, Line, Reach},
};
use headgate_types::{Moment, Outcome, TraceId, UnixTime};

use crate::{facts::Sampler, settings};

/// The recent exchanges. None are kept where they may take no memory.
#[derive(Debug)]
pub(crate) struct Recent {
    settings: settings::Recent,
    kept: Option<(access::Recent, Sampler)>,
}

/// What is kept of a trace, and how far back exchanges are kept at all.
#[derive(Clone, Debug)]
pub struct Told {
    /// The exchanges of the trace, each a JSON object: its access line and more. In the order of
    /// their begins.
    pub exchanges: Vec<Vec<u8>>,
    /// By kind of end.
    pub reach: [(Kept, Reach); Kept::ALL.len()],
    /// How much is kept.
    pub settings: settings::Recent,
    /// When this was told.
    pub now: UnixTime,
}

impl Recent {
    pub(crate) fn new(settings: settings::Recent, threads: NonZeroUsize) -> Self {
        let bytes = usize::try_from(settings.bytes_max.as_bytes()).unwrap_or(usize::MAX);
        let kept = (bytes > 0).then(|| {
            let sampler = Sampler::new(settings.passed_per_second.into());
            (access::Recent::new(bytes, threads), sampler)
        });
        Self { settings, kept }
    }

    /// The kind under which an exchange is to be kept, if it is. One that was spared, because the
    /// layer that would have refused it only observes, is kept as one that was shed.
    pub(crate) fn keeps(&self, outcome: Outcome, is_spared: bool, now: Moment) -> Option<Kept> {
        let (_, sampler) = self.kept.as_ref()?;
        let kind = match Kept::of(outcome) {
            Kept::Passed if is_spared => Kept::Shed,
            kind => kind,
        };
        let is_kept = kind != Kept::Passed || sampler.weight(now, fastrand::u64(..)).is_some();
        is_kept.then_some(kind)
    }

    pub(crate) fn keep(&self, kind: Kept, line: &Line<'_>, detail: &Detail<'_>) {
        if let Some((lines, _)) = &self.kept {
            lines.keep(kind, line, detail);
        }
    }

    /// Tells of a trace. Reads all that is kept: for people, not for requests.
    pub(crate) fn tell(&self, trace: TraceId, now: UnixTime) -> Told {
        let none = Reach { count: 0, since: None };
        let reach = |kind| self.kept.as_ref().map_or(none, |(lines, _)| lines.reach(kind));
        Told {
            exchanges: self.kept.as_ref().map_or_else(Vec::new, |(lines, _)| lines.find(trace)),
            reach: Kept::ALL.map(|kind| (kind, reach(kind))),
            settings: self.settings,
            now,
        }
    }
}

#[cfg(test)]
mod tests;
