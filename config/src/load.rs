//! Reads all documents, checks them together, and makes the settings of an edge from them.

use std::{
    collections::BTreeMap,
    env, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use headgate_gateway::settings::Settings;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{
    digest::{Effective, digest_of},
    document::{platform::Platform, team::TeamFile},
    environment,
    fault::{Code, Draft, Faults, Location, Report},
    files::{Disk, FILE_BYTES_MAX, FILES_MAX, Files, TOTAL_BYTES_MAX},
    resolve, schema,
    source::{Node, Place, Source, Step, parse},
    walk,
};

/// A configuration without a fault.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the data path needs, with the routes in the order in which they are preferred.
    pub settings: Settings,
    /// Where the admin listener is wanted.
    pub admin_listen: SocketAddr,
    /// The folder for what must last. None when nothing is kept.
    pub data_dir: Option<PathBuf>,
    /// Where idempotency records are kept. None when no route needs any.
    pub records: Option<Records>,
    /// How long the facts of requests are kept. None: not at all.
    pub facts: Option<Duration>,
    /// The documents as they took effect, defaults filled in, in canonical JSON.
    pub effective: String,
    /// SHA-256 of [`Self::effective`], in hexadecimal digits. Two edges with the same digest run
    /// the same configuration, however it is spread over files.
    pub digest: String,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
    /// What is no fault but hardly meant.
    pub warnings: Faults,
    /// Where each of the settings' routes comes from, in their order.
    pub origins: Vec<RouteOrigin>,
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
    let environment = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    load_from(&Disk, path, &environment)
}

/// Loads from any files and any environment. Neither the order of files nor that of variables has
/// an effect.
///
/// # Errors
///
/// Everything that is wrong, over all files.
pub fn load_from(
    files: &dyn Files,
    path: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Loaded, Faults> {
    let mut report = Report::default();
    let Some(platform) = read_platform(files, path, environment, &mut report) else {
        return Err(report.finish());
    };
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let routes_dir = base.join(&platform.doc.routes.dir);
    let teams = read_teams(files, &routes_dir, &platform, &mut report);
    let mut input = Input { files, base, routes_dir, platform, teams, texts: BTreeMap::new() };
    let resolved = resolve::resolve(&mut input, &mut report);
    if !report.is_clean() {
        return Err(report.finish());
    }
    let effective = Effective::of(&input);
    let origin = |draft: &resolve::OriginDraft| RouteOrigin {
        at: report.location(&draft.at),
        priority: draft.priority,
        timeout: draft.timeout,
    };
    let origins = resolved.origins.iter().map(origin).collect();
    let files = [&input.platform.path].into_iter().chain(input.teams.iter().map(|team| &team.path));
    let mut files: Vec<_> = files.cloned().collect();
    files.sort();
    if resolved.settings.routes.is_empty() {
        let at = input.platform.at(&["routes".into(), "dir".into()]);
        let message = format!("no routes below {}", input.routes_dir.display());
        report.push(Draft::new(Code::NoRoutes, at, message).key("routes.dir"));
    }
    Ok(Loaded {
        settings: resolved.settings,
        admin_listen: input.platform.doc.admin.listen.0,
        data_dir: resolved.data_dir,
        records: resolved.records,
        facts: resolved.facts,
        digest: digest_of(&effective),
        effective,
        files,
        warnings: report.finish(),
        origins,
    })
}

/// All that is read, before the parts are checked against one another.
pub(crate) struct Input<'a> {
    pub(crate) files: &'a dyn Files,
    /// The folder of `headgate.toml`: what paths are relative to.
    pub(crate) base: PathBuf,
    pub(crate) routes_dir: PathBuf,
    pub(crate) platform: Document<Platform>,
    pub(crate) teams: Vec<Document<TeamFile>>,
    /// Further files whose text belongs to the configuration, as they are spelt.
    pub(crate) texts: BTreeMap<String, String>,
}

/// A file's document with its places.
pub(crate) struct Document<T> {
    pub(crate) path: PathBuf,
    pub(crate) doc: T,
    pub(crate) root: Node,
    /// False when keys may be missing from it because its syntax is broken.
    pub(crate) is_whole: bool,
}

impl<T> Document<T> {
    /// The value at a path, or the nearest above it.
    pub(crate) fn at(&self, path: &[Step<'_>]) -> Place {
        self.root.nearest(path).at.clone()
    }

    /// The key at a path, or the nearest above it.
    pub(crate) fn key_at(&self, path: &[Step<'_>]) -> Place {
        self.root.nearest(path).key_at.clone()
    }
}

fn read_platform(
    files: &dyn Files,
    path: &Path,
    environment: &BTreeMap<String, String>,
    report: &mut Report,
) -> Option<Document<Platform>> {
    let source = read_text(files, path, report)?;
    let schema = schema::platform();
    let mut parsed = parse(report, source);
    environment::overlay(&mut parsed.root, environment, &schema, report);
    Some(document(path, parsed.root, parsed.is_whole, &schema, report))
}

fn read_teams(
    files: &dyn Files,
    folder: &Path,
    platform: &Document<Platform>,
    report: &mut Report,
) -> Vec<Document<TeamFile>> {
    let mut paths = match files.list(folder) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            let at = platform.at(&["routes".into(), "dir".into()]);
            let why = reason(&error);
            let message = format!("folder {} can't be read: {why}", folder.display());
            report.push(Draft::new(Code::Unreadable, at, message).key("routes.dir"));
            Vec::new()
        }
    };
    paths.sort();
    let schema = schema::team_file();
    let mut bytes_left = usize::try_from(TOTAL_BYTES_MAX).unwrap_or(usize::MAX);
    let mut teams = Vec::new();
    for path in paths {
        let Some(source) = read_text(files, &path, report) else { continue };
        let bytes = report.sources.get(source).map_or(0, |source| source.text.len());
        let Some(left) = bytes_left.checked_sub(bytes) else {
            let message = format!("team files are larger than {TOTAL_BYTES_MAX} bytes together");
            report.push(Draft::new(Code::Unreadable, Place::new(source, 0..0), message));
            break;
        };
        bytes_left = left;
        let parsed = parse(report, source);
        teams.push(document(&path, parsed.root, parsed.is_whole, &schema, report));
    }
    teams
}

fn document<T: DeserializeOwned + Default>(
    path: &Path,
    root: Node,
    is_whole: bool,
    schema: &Json,
    report: &mut Report,
) -> Document<T> {
    if !is_whole {
        // What is missing or odd in a broken file is mostly a consequence. Its names are kept.
        return Document { path: path.to_owned(), doc: T::default(), root, is_whole };
    }
    let checked = walk::check(report, &root, schema);
    let doc = serde_json::from_value(checked).unwrap_or_else(|error| {
        // The schema and the types say the same; where they do not, the types have the last word.
        report.push(Draft::new(Code::BadValue, root.at.clone(), error.to_string()));
        T::default()
    });
    Document { path: path.to_owned(), doc, root, is_whole }
}

/// Reads a file that is a text, or reports why it can't.
pub(crate) fn read_text(files: &dyn Files, path: &Path, report: &mut Report) -> Option<usize> {
    let name = path.display().to_string();
    let text = files
        .read(path)
        .map_err(|error| reason(&error))
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
    match text {
        Ok(text) => Some(report.source(Source::new(name, text))),
        Err(why) => {
            let source = report.source(Source::new(name, ""));
            let message = format!("can't be read: {why}");
            report.push(Draft::new(Code::Unreadable, Place::new(source, 0..0), message));
            None
        }
    }
}

/// Why something could not be read, without the system's error number.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "it is no folder".to_owned(),
        io::ErrorKind::FileTooLarge => format!("it is larger than {FILE_BYTES_MAX} bytes"),
        io::ErrorKind::QuotaExceeded => format!("it holds more than {FILES_MAX} files"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
