//! Reads all documents, checks them together, and makes the settings of an edge from them.

use std::{
    collections::BTreeMap,
    env,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use headgate_gateway::settings::Settings;
use headgate_types::{ByteSize, UnixTime};

use crate::{
    digest::{Effective, digest_of},
    fault::{Code, Draft, Faults, Location, Report},
    files::{Disk, Files},
    kept::Kept,
    layered::{Ask, Part, PartState, Settling},
    overlay::{LeftOut, Overlay},
    provenance::Provenance,
    resolve,
    secret::Secret,
    source::{Source, SourceId},
};

mod attempt;
mod texts;

pub(crate) use crate::load::{
    attempt::{
        Attempt, Cache, Chosen, Document, Frame, Input, Owner, PLATFORM, PlatformRead, TEAM_FILE,
    },
    texts::{TeamTexts, gather, read_file, reason},
};

/// A configuration that can be served.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the data path needs, with the routes in the order in which they are preferred.
    pub settings: Settings,
    /// Where the admin listener is wanted.
    pub admin_listen: SocketAddr,
    /// The folder for what must last. None when nothing is kept.
    pub data_dir: Option<PathBuf>,
    /// Where idempotency records are kept. None when no route needs any, unless a table is named.
    pub records: Option<Records>,
    /// Where events are kept. None where there is no place for them.
    pub events: Option<EventLog>,
    /// The edges that are changed together. None: all that share the log.
    pub fleet: Option<String>,
    /// Topics that go into tables of a database, in the order of the sinks' names.
    pub sinks: Vec<Sink>,
    /// Requests that the edge sends to itself, in the order of their names.
    pub probes: Vec<Probe>,
    /// Errors of events that are told, as events of their own.
    pub notices: Vec<headgate_events::NoticeClass>,
    /// Which exchanges become events. None: none do.
    pub exchanges: Option<Exchanges>,
    /// Bytes of large data of events that are kept at a time. None: no data is too large for its
    /// event.
    pub large_data_max: Option<ByteSize>,
    /// How long the facts of requests are kept. None: not at all.
    pub facts: Option<Duration>,
    /// The documents as they took effect, defaults filled in, in canonical JSON.
    pub effective: String,
    /// SHA-256 of [`Self::effective`], in hexadecimal digits. Two edges with the same digest run
    /// the same configuration, however it is spread over files.
    pub digest: String,
    /// The files that are in force, in order.
    pub files: Vec<PathBuf>,
    /// What is no fault but hardly meant.
    pub warnings: Faults,
    /// Where each of the settings' routes comes from, in their order.
    pub origins: Vec<RouteOrigin>,
    /// Each folder of team files, by name, and whether what lies in it is in force.
    pub parts: Vec<Part>,
    /// Whether the platform's file is in force: never [`PartState::Absent`].
    pub platform: PartState,
    /// What is wrong with the platform's file. None of it unless the last good one is in force.
    pub platform_faults: Faults,
    /// Certificates that can't be used, in whose place the last good ones are in force: by the team
    /// whose they are, or none for the platform's.
    pub held: BTreeMap<Option<String>, Faults>,
    /// The overlays that are in force, by their number.
    pub overlays: Vec<Overlay>,
    /// The overlays that do not fit the files.
    pub left_out: Vec<LeftOut>,
    /// The texts that are in force, for the next load.
    pub kept: Kept,
    /// When the next delegation ends, from which on the same files are judged otherwise.
    pub next_end: Option<UnixTime>,
    /// Where each value comes from.
    pub provenance: Provenance,
}

impl Loaded {
    /// Everything that is wrong and was worked around, over all parts.
    pub fn faults(&self) -> Faults {
        let mut all = self.platform_faults.clone();
        self.parts.iter().for_each(|part| all.extend(part.faults.clone()));
        self.held.values().for_each(|faults| all.extend(faults.clone()));
        self.left_out.iter().for_each(|one| all.extend(one.faults.clone()));
        all
    }
}

/// Where idempotency records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Records {
    /// In the embedded store.
    Embedded {
        /// Its folder.
        dir: PathBuf,
    },
    /// In a table of DynamoDB.
    DynamoDb {
        /// Its name.
        table: String,
        /// Where a stand-in listens. None: the region's own endpoint.
        endpoint: Option<String>,
        /// The region. None: where AWS's tools would find it.
        region: Option<String>,
    },
}

/// Where events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventLog {
    /// In the embedded store.
    Embedded {
        /// Its folder.
        dir: PathBuf,
    },
    /// In a Kafka cluster.
    Kafka {
        /// Where the password for it is. None: it is asked for none.
        password: Option<Secret>,
        /// Everything else; the password in it is empty.
        settings: Box<headgate_events::kafka::Settings>,
    },
}

/// Which exchanges become events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchanges {
    /// So many a second of each edge. None: all of them.
    pub per_second: Option<NonZeroU32>,
    /// How long they are kept, as far as there is room.
    pub keep: Duration,
}

/// A request that the edge sends to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is sent.
    pub settings: headgate_gateway::settings::Probe,
    /// Where its credential is. None: it shows none.
    pub credential: Option<Secret>,
    /// The header that has the credential; `authorization` has it behind `Bearer`.
    pub credential_header: http::HeaderName,
    /// Time between two runs. None: it runs when somebody asks for it.
    pub every: Option<Duration>,
}

/// Topics that go into tables of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Where the database's address is.
    pub url: Secret,
    /// Everything else; the address in it is empty.
    pub settings: headgate_events::sink::Settings,
}

/// The region of DynamoDB Local, which takes any credentials.
pub const LOCAL_REGION: &str = "local";

/// Where a route and what it grants come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteOrigin {
    /// Where its match is written.
    pub at: Location,
    /// What set its priority.
    pub priority: Origin,
    /// What set its timeout.
    pub timeout: Origin,
}

/// What set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The route's own key.
    Route,
    /// The ceiling of its team, which is below the default.
    Ceiling,
    /// The default of all routes.
    Default,
}

/// Loads `headgate.toml` and what it refers to, with overrides from the environment.
///
/// # Errors
///
/// Everything that is wrong, over all files.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    load_from(&Disk, path, &environment())
}

/// The variables of this process that are texts.
pub fn environment() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Loads as [`load`] does, at a time of day: delegations that are over are at fault, and those that
/// end soon are warned about.
///
/// # Errors
///
/// Everything that is wrong, over all files.
pub fn load_at(path: &Path, now: UnixTime) -> Result<Loaded, Faults> {
    load_from_at(&Disk, path, &environment(), Some(now))
}

/// Loads from any files and any environment, at no time of day: nothing is over. Neither the order
/// of files nor that of variables has an effect.
///
/// # Errors
///
/// Everything that is wrong, over all files.
pub fn load_from(
    files: &dyn Files,
    path: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Loaded, Faults> {
    load_from_at(files, path, environment, None)
}

/// Loads from any files and any environment, at a time of day if there is one.
///
/// # Errors
///
/// Everything that is wrong, over all files.
pub fn load_from_at(
    files: &dyn Files,
    path: &Path,
    environment: &BTreeMap<String, String>,
    now: Option<UnixTime>,
) -> Result<Loaded, Faults> {
    let ask =
        Ask { overlays: &[], kept: None, use_kept_platform: false, files, path, environment, now };
    Settling::new(&ask)?.strict()
}

impl Attempt<'_> {
    /// What is in force when nothing is wrong; what its parts say has to be added.
    pub(crate) fn into_loaded(mut self, overlays: &[&Overlay]) -> Loaded {
        let effective = Effective::of(&self.input, &self.resolved.last_good);
        let origin = |draft: &resolve::OriginDraft| RouteOrigin {
            at: self.report.location(&draft.at),
            priority: draft.priority,
            timeout: draft.timeout,
        };
        let origins = self.resolved.origins.iter().map(origin).collect();
        let paths = self.input.teams.iter().map(|team| &team.path);
        let held = self.held();
        let mut files: Vec<_> =
            [&self.input.platform.path].into_iter().chain(paths).cloned().collect();
        files.sort();
        for warning in std::mem::take(&mut self.resolved.warnings) {
            self.report.push(warning);
        }
        if self.resolved.settings.routes.is_empty() {
            let at = self.input.platform.at(&["routes".into(), "dir".into()]);
            let message = format!("no routes below {}", self.input.routes_dir.display());
            self.report.push(Draft::new(Code::NoRoutes, at, message).key("routes.dir"));
        }
        let overlays: Vec<_> = overlays.iter().map(|overlay| (*overlay).clone()).collect();
        let platform = &self.input.platform;
        Loaded {
            settings: self.resolved.settings,
            admin_listen: platform.doc.admin.listen.0,
            data_dir: self.resolved.data_dir,
            records: self.resolved.records,
            events: self.resolved.events,
            fleet: platform.doc.events.fleet.as_ref().map(|name| name.0.clone()),
            sinks: self.resolved.sinks,
            probes: self.resolved.probes,
            notices: self.resolved.notices,
            exchanges: self.resolved.exchanges,
            large_data_max: self.resolved.large_data_max,
            facts: self.resolved.facts,
            next_end: self.resolved.next_end,
            digest: digest_of(&effective),
            effective,
            files,
            warnings: self.report.part(|_| true),
            origins,
            parts: Vec::new(),
            platform: PartState::Current,
            platform_faults: Faults::default(),
            held,
            left_out: Vec::new(),
            kept: Kept::default(),
            provenance: Provenance {
                platform: platform.clone(),
                teams: self.input.teams.into(),
                sources: Arc::new(self.report.sources),
                owners: Arc::new(self.owners),
                overlays: overlays.as_slice().into(),
            },
            overlays,
        }
    }
}

impl Attempt<'_> {
    /// What is wrong with certificates that did not take effect, by whose they are.
    fn held(&self) -> BTreeMap<Option<String>, Faults> {
        let mut held = BTreeMap::<_, Vec<Draft>>::new();
        for draft in &self.resolved.last_good.held {
            let owner = match self.owner(draft.place().source) {
                Owner::Team(team) => Some(team.as_ref().to_owned()),
                _ => None,
            };
            held.entry(owner).or_default().push(draft.clone());
        }
        held.into_iter().map(|(owner, drafts)| (owner, self.report.faults(drafts))).collect()
    }
}

/// Reads a file that is a text, or reports why it can't.
pub(crate) fn read_text(files: &dyn Files, path: &Path, report: &mut Report) -> Option<SourceId> {
    let name = path.display().to_string();
    match read_file(files, path) {
        Ok(text) => Some(report.source(Source::of(name, &text))),
        Err(why) => {
            let source = report.source(Source::new(name, ""));
            let message = format!("can't be read: {why}");
            let at = crate::source::Place::new(source, 0..0);
            report.push(Draft::new(Code::Unreadable, at, message));
            None
        }
    }
}

#[cfg(test)]
mod tests;
