//! One attempt to make settings of chosen texts.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, OnceLock},
    thread,
};

use headgate_types::UnixTime;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{
    digest::Spelt,
    document::{platform::Platform, team::TeamFile},
    environment,
    fault::{Code, Draft, Faults, Report},
    files::Files,
    load::texts::TeamTexts,
    overlay::{self, Overlay},
    resolve::{self, Resolved, last_good},
    schema,
    source::{Node, Place, Source, SourceId, Step, Text, parse},
    walk,
};

pub(crate) static PLATFORM: LazyLock<Json> = LazyLock::new(schema::platform);
pub(crate) static TEAM_FILE: LazyLock<Json> = LazyLock::new(schema::team_file);

/// What the names of texts end with that are not those on disk.
const LAST_GOOD: &str = " (last good)";

/// Threads that read team files at once: a start has nothing else to do, a reload reads few.
const READERS_MAX: usize = 4;
/// Files that are worth a thread.
const FILES_A_READER: usize = 16;

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
    /// Digests of further files that count but are not kept, as they are spelt: secrets, and what is
    /// too large.
    pub(crate) digests: BTreeMap<String, String>,
    /// Certificates and keys that were good when they were last read.
    pub(crate) last_good: Arc<last_good::Known>,
    /// The time of day. None: no date is over.
    pub(crate) now: Option<UnixTime>,
}

/// A file's document with its places. Copies share what it holds.
#[derive(Debug)]
pub(crate) struct Document<T> {
    pub(crate) path: PathBuf,
    pub(crate) doc: Arc<T>,
    pub(crate) root: Arc<Node>,
    /// False when keys may be missing from it because its syntax is broken.
    pub(crate) is_whole: bool,
    /// What the digest is made of, once it was asked for.
    pub(crate) spelt: Arc<OnceLock<Spelt>>,
}

impl<T> Clone for Document<T> {
    fn clone(&self) -> Self {
        Self {
            path: self.path.clone(),
            doc: Arc::clone(&self.doc),
            root: Arc::clone(&self.root),
            is_whole: self.is_whole,
            spelt: Arc::clone(&self.spelt),
        }
    }
}

impl<T: DeserializeOwned + Default> Document<T> {
    pub(crate) fn new(
        path: &Path,
        root: Node,
        is_whole: bool,
        schema: &Json,
        report: &mut Report,
    ) -> Self {
        let doc = if is_whole {
            let checked = walk::check(report, &root, schema);
            serde_json::from_value(checked).unwrap_or_else(|error| {
                // The schema and the types say the same; where they do not, the types have the
                // last word.
                report.push(Draft::new(Code::BadValue, root.at.clone(), error.to_string()));
                T::default()
            })
        } else {
            // What is missing or odd in a broken file is mostly a consequence. Its names are kept.
            T::default()
        };
        let (doc, root, spelt) = (Arc::new(doc), Arc::new(root), Arc::default());
        Self { path: path.to_owned(), doc, root, is_whole, spelt }
    }
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

/// Whose text a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Platform,
    Environment,
    Team(Arc<str>),
    /// By its position among those in force.
    Overlay(usize),
}

/// A team's file that was read once, with what is wrong in it alone.
#[derive(Clone, Debug)]
pub(crate) struct TeamFileRead {
    document: Document<TeamFile>,
    source: Arc<Source>,
    drafts: Arc<[Draft]>,
}

/// Team files by their texts, so that the next load reads only what has changed.
pub(crate) type Cache = HashMap<SourceId, TeamFileRead>;

/// A file's text or why it can't be read, and whether it is the last good one.
type ChosenText<'a> = (&'a Result<Text, String>, bool);

/// A text that was chosen, and whether it is the one on disk.
pub(crate) struct Chosen<'a> {
    pub(crate) texts: &'a TeamTexts,
    pub(crate) is_last_good: bool,
}

/// The platform's file, read.
#[derive(Clone)]
pub(crate) struct PlatformRead {
    pub(crate) document: Document<Platform>,
    sources: Vec<(Arc<Source>, Owner)>,
    drafts: Vec<Draft>,
}

impl PlatformRead {
    pub(crate) fn new(
        path: &Path,
        text: &Result<Text, String>,
        environment: &BTreeMap<String, String>,
        is_last_good: bool,
    ) -> Self {
        let mut report = Report::default();
        let source = named(path, text, is_last_good, &mut report);
        let mut parsed = parse(&mut report, source.id);
        let variables = environment::overlay(&mut parsed.root, environment, &PLATFORM, &mut report);
        // Of a file that can't be read, all that is known is that.
        let is_whole = parsed.is_whole && text.is_ok();
        let document = Document::new(path, parsed.root, is_whole, &PLATFORM, &mut report);
        let mut sources = vec![(source, Owner::Platform)];
        let variables = variables.into_iter().filter_map(|id| report.sources.get(id).cloned());
        sources.extend(variables.map(|source| (source, Owner::Environment)));
        Self { document, sources, drafts: report.drafts().to_vec() }
    }

    /// Says that the routes' folder can't be read, and why.
    pub(crate) fn refuse_routes_dir(&mut self, folder: &Path, why: &str) {
        let at = self.document.at(&["routes".into(), "dir".into()]);
        let message = format!("folder {} can't be read: {why}", folder.display());
        self.drafts.push(Draft::new(Code::Unreadable, at, message).key("routes.dir"));
    }

    /// What is wrong in it alone.
    pub(crate) fn into_faults(self) -> Faults {
        let mut report = Report::default();
        for (source, _) in self.sources {
            report.sources.insert(source);
        }
        self.drafts.into_iter().for_each(|draft| report.push(draft));
        report.finish()
    }
}

/// Takes a text in under its file's name, and tells when it could not be read.
fn named(
    path: &Path,
    text: &Result<Text, String>,
    is_last_good: bool,
    report: &mut Report,
) -> Arc<Source> {
    let suffix = if is_last_good { LAST_GOOD } else { "" };
    let name = format!("{}{suffix}", path.display());
    let source = Arc::new(match text {
        Ok(text) => Source::of(name, text),
        Err(_) => Source::new(name, ""),
    });
    let id = report.sources.insert(Arc::clone(&source));
    if let Err(why) = text {
        let message = format!("can't be read: {why}");
        report.push(Draft::new(Code::Unreadable, Place::new(id, 0..0), message));
    }
    source
}

fn read_team_file(path: &Path, chosen: ChosenText<'_>) -> TeamFileRead {
    let mut report = Report::default();
    let source = named(path, chosen.0, chosen.1, &mut report);
    let parsed = parse(&mut report, source.id);
    let is_whole = parsed.is_whole && chosen.0.is_ok();
    let document = Document::new(path, parsed.root, is_whole, &TEAM_FILE, &mut report);
    document.spelt.get_or_init(|| Spelt::of(&document.doc));
    TeamFileRead { document, source, drafts: report.drafts().into() }
}

/// What chosen texts come to.
pub(crate) struct Attempt<'a> {
    pub(crate) report: Report,
    pub(crate) input: Input<'a>,
    /// Of no use when the report is not clean.
    pub(crate) resolved: Resolved,
    pub(crate) owners: HashMap<SourceId, Owner>,
    /// How many of the report's drafts are about one file alone.
    pub(crate) of_files: usize,
    /// How many are about where a file lies, and those before.
    pub(crate) of_places: usize,
}

/// What does not differ between attempts.
pub(crate) struct Frame<'a> {
    pub(crate) files: &'a dyn Files,
    pub(crate) base: PathBuf,
    pub(crate) platform: PlatformRead,
    /// Certificates and keys that were good when they were last read.
    pub(crate) last_good: Arc<last_good::Known>,
    /// The time of day. None: no date is over.
    pub(crate) now: Option<UnixTime>,
    /// Whether everything is to be told at once, however long that takes.
    pub(crate) tells_all: bool,
}

impl<'a> Frame<'a> {
    pub(crate) fn routes_dir(&self) -> PathBuf {
        self.base.join(&self.platform.document.doc.routes.dir)
    }

    /// Checks everything that was chosen, and stops at nothing.
    pub(crate) fn attempt(
        &self,
        teams: &BTreeMap<String, Chosen<'_>>,
        overlays: &[&Overlay],
        cache: &mut Cache,
    ) -> Attempt<'a> {
        let mut report = Report::default();
        let mut owners = HashMap::new();
        for (source, owner) in &self.platform.sources {
            owners.insert(report.sources.insert(Arc::clone(source)), owner.clone());
        }
        self.platform.drafts.iter().cloned().for_each(|draft| report.push(draft));
        read_ahead(teams, cache);
        let mut documents = Vec::new();
        for (name, chosen) in teams {
            let owner = Owner::Team(name.as_str().into());
            for (path, text) in chosen.texts {
                let read = read_cached(path, (text, chosen.is_last_good), cache);
                owners.insert(report.sources.insert(Arc::clone(&read.source)), owner.clone());
                read.drafts.iter().cloned().for_each(|draft| report.push(draft));
                documents.push(read.document);
            }
        }
        // Names of folders and paths in them are in another order.
        documents.sort_by(|one, other| one.path.cmp(&other.path));
        let platform = self.platform.document.clone();
        let mut input = Input {
            files: self.files,
            base: self.base.clone(),
            routes_dir: self.routes_dir(),
            platform,
            teams: documents,
            texts: BTreeMap::new(),
            digests: BTreeMap::new(),
            last_good: Arc::clone(&self.last_good),
            now: self.now,
        };
        for (position, overlay) in overlays.iter().enumerate() {
            let source = overlay::apply(overlay, &mut input, &mut report);
            owners.insert(source, Owner::Overlay(position));
        }
        let of_files = report.drafts().len();
        resolve::check_places(&input, &mut report);
        let of_places = report.drafts().len();
        if !self.tells_all {
            keep_at_fault(&mut input.teams, report.drafts(), &owners);
        }
        let resolved = resolve::resolve(&mut input, &mut report);
        Attempt { report, input, resolved, owners, of_files, of_places }
    }
}

/// Where files are at fault by themselves, leaves their teams' alone: the others will be checked
/// when those have fallen back, and nothing but what else is wrong with them is left to find out.
fn keep_at_fault(
    teams: &mut Vec<Document<TeamFile>>,
    drafts: &[Draft],
    owners: &HashMap<SourceId, Owner>,
) {
    let team = |source: SourceId| match owners.get(&source) {
        Some(Owner::Team(team)) => Some(Arc::clone(team)),
        _ => None,
    };
    let at_fault = drafts.iter().map(|draft| team(draft.place().source));
    // What is wrong with the platform's file refuses everything, and is told with everything.
    let Some(at_fault) = at_fault.collect::<Option<BTreeSet<_>>>() else { return };
    if !at_fault.is_empty() {
        let is_at_fault = |source| team(source).is_some_and(|team| at_fault.contains(&team));
        teams.retain(|file| is_at_fault(file.root.at.source));
    }
}

/// Reads the files that are not known yet, on as many threads as they are worth. Whatever no
/// thread could be had for is read when it is needed.
fn read_ahead(teams: &BTreeMap<String, Chosen<'_>>, cache: &mut Cache) {
    let chosen = teams.values().flat_map(|chosen| {
        chosen.texts.iter().map(|(path, text)| (path.as_path(), (text, chosen.is_last_good)))
    });
    let unread = chosen.filter_map(|(path, chosen)| {
        let id = id_of(path, chosen).filter(|id| !cache.contains_key(id))?;
        Some((id, path, chosen))
    });
    let unread: Vec<_> = unread.collect();
    let readers = thread::available_parallelism().map_or(1, usize::from).min(READERS_MAX);
    let share = unread.len().div_ceil(readers).max(FILES_A_READER);
    if unread.len() <= share {
        return;
    }
    let read_all = |share: &[(SourceId, &Path, ChosenText<'_>)]| {
        let read = |(id, path, chosen): &(_, &Path, _)| (*id, read_team_file(path, *chosen));
        share.iter().map(read).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let readers: Vec<_> = unread
            .chunks(share)
            .map(|share| {
                let named = thread::Builder::new().name("config-reader".to_owned());
                named.spawn_scoped(scope, move || read_all(share))
            })
            .collect();
        for reader in readers.into_iter().flatten() {
            cache.extend(reader.join().into_iter().flatten());
        }
    });
}

/// What names a text that could be read.
fn id_of(path: &Path, chosen: ChosenText<'_>) -> Option<SourceId> {
    let suffix = if chosen.1 { LAST_GOOD } else { "" };
    Some(Source::id_of(&format!("{}{suffix}", path.display()), chosen.0.as_ref().ok()?))
}

fn read_cached(path: &Path, chosen: ChosenText<'_>, cache: &mut Cache) -> TeamFileRead {
    let Some(id) = id_of(path, chosen) else { return read_team_file(path, chosen) };
    cache.entry(id).or_insert_with(|| read_team_file(path, chosen)).clone()
}

impl Attempt<'_> {
    /// Whose fault something is, by its own place.
    pub(crate) fn owner(&self, source: SourceId) -> &Owner {
        // What a document refers to, such as a list of keys, is part of it.
        self.owners.get(&source).unwrap_or(&Owner::Platform)
    }
}
