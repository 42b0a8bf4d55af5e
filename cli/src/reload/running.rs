//! What is in force, and what came of the last load.

use std::sync::Arc;

use headgate_admin::{ConfigStatus, FaultStatus, OverlayStatus, PartStatus};
use headgate_config::{
    Class, Fault, Faults, LeftOut, Loaded, Overlay, PartState, Watching, waiting,
};
use headgate_telemetry::Reload as Outcome;
use headgate_types::UnixTime;

/// Faults of one part that are told; `headgate check` tells all.
const FAULTS_TOLD_MAX: usize = 20;

/// The configuration in force. A copy is cheap to make but for the overlays.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// What is in force.
    pub(crate) loaded: Arc<Loaded>,
    /// Since when.
    pub(crate) since: UnixTime,
    /// How many changes of operators it has taken in.
    pub(crate) version: u64,
    /// When files were last read, and what came of it.
    pub(crate) last: (UnixTime, Outcome),
    /// Why the last load was rejected. Empty when it was not.
    pub(crate) rejected: Vec<FaultStatus>,
    /// What is loaded but takes effect only in another process.
    pub(crate) waits: Vec<(Class, String)>,
    /// How changes are found.
    pub(crate) watching: Watching,
    /// Whether what is in force would outlast the process.
    pub(crate) is_kept: bool,
}

impl Running {
    /// What the process begins with.
    pub(crate) fn new(loaded: Arc<Loaded>, now: UnixTime) -> Self {
        let outcome = outcome(&loaded);
        Self {
            loaded,
            since: now,
            version: 0,
            last: (now, outcome),
            rejected: Vec::new(),
            waits: Vec::new(),
            watching: Watching::Nothing,
            is_kept: false,
        }
    }

    /// The parts with their states: the platform's file first, then the teams by name.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, PartState)> {
        let is_good = self.rejected.is_empty();
        let platform = if is_good { self.loaded.platform } else { PartState::LastGood };
        let teams = self.loaded.parts.iter().map(|part| (part.team.as_str(), part.state));
        [(PLATFORM, platform)].into_iter().chain(teams)
    }

    /// Keys of a class that wait for another process.
    fn waiting(&self, class: Class) -> Vec<String> {
        self.waits.iter().filter(|(of, _)| *of == class).map(|(_, key)| key.clone()).collect()
    }

    /// As the admin API shows it.
    pub(crate) fn status(&self) -> ConfigStatus {
        let loaded = &self.loaded;
        let mut platform = told(&loaded.platform_faults);
        platform.extend(self.rejected.iter().cloned());
        let faults = [platform].into_iter();
        let faults = faults.chain(loaded.parts.iter().map(|part| told(&part.faults)));
        let parts = self.parts().zip(faults).map(|((name, state), mut faults)| {
            faults.extend(held(loaded, name).map(told).unwrap_or_default());
            PartStatus { name: name.to_owned(), state: state.as_str().to_owned(), faults }
        });
        let (at, outcome) = self.last;
        ConfigStatus {
            digest: loaded.digest.clone(),
            since: self.since.to_string(),
            version: self.version,
            loaded_at: at.to_string(),
            loaded: outcome.as_str().to_owned(),
            parts: parts.collect(),
            waits_for_hand_over: self.waiting(Class::HandOver),
            waits_for_restart: self.waiting(Class::Refused),
            watching: self.watching.as_str().to_owned(),
            is_kept: self.is_kept,
            overlays: self.overlays(),
        }
    }

    /// The overlays, those that do not fit the files among them, by number.
    pub(crate) fn overlays(&self) -> Vec<OverlayStatus> {
        let loaded = &self.loaded;
        let in_force = loaded.overlays.iter().map(|one| overlay(one, &Faults::default(), true));
        let out = loaded.left_out.iter();
        let out = out.map(|LeftOut { overlay: one, faults }| overlay(one, faults, false));
        let mut all: Vec<_> = in_force.chain(out).collect();
        all.sort_by_key(|one| one.id);
        all
    }
}

/// The name under which the platform's file is told. A team's never begins so.
pub(crate) const PLATFORM: &str = "_platform";

/// What is wrong with certificates of a part, in whose place the last good ones are in force.
pub(crate) fn held<'l>(loaded: &'l Loaded, part: &str) -> Option<&'l Faults> {
    let owner = (part != PLATFORM).then(|| part.to_owned());
    loaded.held.get(&owner)
}

/// What a load comes to that takes effect.
pub(crate) fn outcome(loaded: &Loaded) -> Outcome {
    let teams = loaded.parts.iter().map(|part| part.state);
    let mut parts = teams.chain([loaded.platform]);
    let is_whole = loaded.held.is_empty() && parts.all(|state| state == PartState::Current);
    if is_whole { Outcome::Applied } else { Outcome::Degraded }
}

/// What of a configuration a running process can't take over: the keys by their classes.
pub(crate) fn waits(started: &Loaded, loaded: &Loaded) -> Vec<(Class, String)> {
    waiting(started, loaded).into_iter().map(|change| (change.class, change.what)).collect()
}

/// Faults as the API tells them, the first ones of many.
pub(crate) fn told(faults: &Faults) -> Vec<FaultStatus> {
    faults.iter().take(FAULTS_TOLD_MAX).map(fault).collect()
}

fn fault(fault: &Fault) -> FaultStatus {
    FaultStatus {
        code: Some(fault.code.to_string()),
        at: fault.at.to_string(),
        key: fault.key.clone(),
        message: fault.message.clone(),
    }
}

fn overlay(overlay: &Overlay, faults: &Faults, is_in_force: bool) -> OverlayStatus {
    OverlayStatus {
        id: overlay.id,
        key: overlay.key.clone(),
        value: overlay.value.clone(),
        actor: overlay.actor.clone(),
        reason: overlay.reason.clone(),
        since: overlay.since.to_string(),
        expires: overlay.expires.to_string(),
        is_in_force,
        faults: told(faults),
    }
}

#[cfg(test)]
mod tests;
