//! What the log says of a load.

use headgate_admin::FaultStatus;
use headgate_config::Loaded;

use crate::reload::{loader::Loader, running::told};

/// Faults that one log line names.
const FAULTS_LOGGED_MAX: usize = 5;
impl Loader {
    /// Tells of parts whose state or faults are other than before.
    pub(super) fn log_parts(&self, before: Option<&Loaded>) {
        let loaded = &self.begin.loaded;
        let is_known = before.is_some_and(|it| it.platform_faults == loaded.platform_faults);
        if !is_known && !loaded.platform_faults.is_empty() {
            let faults = logged(&told(&loaded.platform_faults));
            tracing::error!(faults, "platform's file has faults; the last good one is in force");
        }
        self.log_held(before);
        for part in &loaded.parts {
            let mut known = before.iter().flat_map(|before| &before.parts);
            let known = known.find(|known| known.team == part.team);
            if known == Some(part) {
                continue;
            }
            let (team, state) = (&part.team, part.state.as_str());
            if !part.faults.is_empty() {
                let faults = logged(&told(&part.faults));
                tracing::error!(team, state, faults, "team's files have faults and wait");
            } else if known.is_some_and(|known| !known.faults.is_empty()) {
                tracing::info!(team, "team's files are in force again");
            }
        }
    }

    /// Tells of certificates that can't be used and did not take effect.
    fn log_held(&self, before: Option<&Loaded>) {
        let loaded = &self.begin.loaded;
        if before.map(|before| &before.held) == Some(&loaded.held) {
            return;
        }
        for (team, faults) in &loaded.held {
            let (team, faults) = (team.as_deref().unwrap_or("_platform"), logged(&told(faults)));
            tracing::error!(team, faults, "certificate can't be used; the last good one stays");
        }
        if loaded.held.is_empty() && before.is_some_and(|before| !before.held.is_empty()) {
            tracing::info!("certificates are as the files have them again");
        }
    }
}

pub(super) fn logged(faults: &[FaultStatus]) -> String {
    let mut lines: Vec<String> =
        faults.iter().take(FAULTS_LOGGED_MAX).map(ToString::to_string).collect();
    if let Some(more) = faults.len().checked_sub(FAULTS_LOGGED_MAX).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines.join("; ")
}
