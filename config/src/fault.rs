//! What is wrong with a configuration, and where.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::Serialize;

use crate::source::{Place, Source, SourceId, Sources};

mod render;

pub use crate::fault::render::Style;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// The stable name of a kind of fault, with a page in `docs/errors/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as people and pages spell it, such as `HG1003`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }
        }
    };
}

codes! {
    /// A file or folder can't be read, or is larger than the loader reads.
    Unreadable = "HG1001",
    /// A file is no valid TOML.
    Syntax = "HG1002",
    /// A key that does not exist here.
    UnknownKey = "HG1003",
    /// A value of another type.
    WrongType = "HG1004",
    /// A key that must be there is not.
    MissingKey = "HG1005",
    /// A text that does not have the form which its key wants.
    BadValue = "HG1006",
    /// A number, size, length of time or count outside its range.
    OutOfRange = "HG1007",
    /// A name that nothing carries.
    Unresolved = "HG1008",
    /// A name that two things carry.
    NameTaken = "HG1009",
    /// A route outside its team's claims.
    OutsideClaim = "HG1010",
    /// A value above its team's ceiling.
    AboveCeiling = "HG1011",
    /// A route's match that can't be read.
    BadMatch = "HG1012",
    /// Two routes that one request can match, with nothing to choose between them.
    RouteTie = "HG1013",
    /// A device rule that can't be read.
    BadRule = "HG1014",
    /// A certificate or private key that can't be used.
    BadCertificate = "HG1015",
    /// A key set or list of API keys that can't be used.
    BadKeys = "HG1016",
    /// The file of a secret can't be read.
    BadSecret = "HG1054",
    /// A database of addresses that can't be used.
    BadGeo = "HG1055",
    /// A team file in a folder of another name.
    WrongFolder = "HG1017",
    /// A path that belongs to the edge itself.
    ReservedPath = "HG1018",
    /// Keys that contradict one another.
    Contradiction = "HG1019",
    /// Nothing is routed.
    NoRoutes = "HG1020",
    /// One request in the claims of two teams, or delegated to two.
    ClaimOverlap = "HG1021",
    /// A route where its team may route no longer.
    DelegationEnded = "HG1022",
    /// A delegation that ends soon.
    DelegationEnding = "HG1023",
    /// A topic that another team publishes to.
    TopicTaken = "HG1040",
    /// The key of an event that can't be read.
    BadExpression = "HG1041",
    /// Events with no place to be kept.
    NoLog = "HG1042",
    /// A sink whose tables contradict themselves.
    BadSink = "HG1043",
    /// A certificate that can't be used, in whose place the last good one is in force.
    CertificateHeld = "HG1060",
    /// A file of endpoints that can't be used.
    BadEndpoints = "HG1061",
    /// A file of endpoints that can't be used, in whose place the last good one is in force.
    EndpointsHeld = "HG1062",
    /// The file of a fallback's answer that can't be used.
    BadAnswer = "HG1063",
    /// The file of a fallback's answer that can't be used, in whose place the last good one is in
    /// force.
    AnswerHeld = "HG1064",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Location {
    /// The file as the reader would open it, or the environment variable.
    pub file: String,
    /// Its first line, counted from 1.
    pub line: usize,
    /// Its first character in that line, counted from 1.
    pub column: usize,
    /// Its first byte in the file, counted from 0.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

impl Location {
    pub(crate) const fn nowhere() -> Self {
        Self { file: String::new(), line: 1, column: 1, start: 0, end: 0 }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A second place that a fault is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where it is.
    #[serde(flatten)]
    pub at: Location,
    /// What is there.
    pub message: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What kind of fault it is.
    pub code: Code,
    /// Where it is.
    #[serde(flatten)]
    pub at: Location,
    /// The key, from the root of its file; empty when the fault is about the file as a whole.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What is allowed, or what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.at, self.code, self.message)?;
        if self.key.is_empty() { Ok(()) } else { write!(f, " ({})", self.key) }
    }
}

/// Everything that is wrong, in the order of files and lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    told: Vec<Fault>,
    /// Faults beyond [`FAULTS_MAX`].
    omitted: usize,
    /// The texts that they point into.
    sources: Vec<Arc<Source>>,
}

/// Faults that are told at once. Nobody reads more, and a file of garbage has one a line.
pub const FAULTS_MAX: usize = 1_000;

impl Faults {
    /// The faults, in the order of files and lines; the first [`FAULTS_MAX`] of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.told.iter()
    }

    /// How many there are, those beyond [`FAULTS_MAX`] included.
    pub const fn len(&self) -> usize {
        self.told.len() + self.omitted
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Takes in others, which are told after these.
    pub(crate) fn extend(&mut self, others: Self) {
        self.told.extend(others.told);
        self.omitted += others.omitted + self.told.len().saturating_sub(FAULTS_MAX);
        self.told.truncate(FAULTS_MAX);
        self.sources.extend(others.sources);
    }
}

impl<'a> IntoIterator for &'a Faults {
    type IntoIter = std::slice::Iter<'a, Fault>;
    type Item = &'a Fault;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One line a fault.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.told.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// As a list.
impl Serialize for Faults {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.told.serialize(serializer)
    }
}

/// A fault as whoever finds it describes it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    code: Code,
    at: Place,
    key: String,
    message: String,
    help: Option<String>,
    related: Vec<(Place, String)>,
}

impl Draft {
    pub(crate) fn new(code: Code, at: Place, message: impl Into<String>) -> Self {
        let (key, help, related) = (String::new(), None, Vec::new());
        Self { code, at, key, message: message.into(), help, related }
    }

    pub(crate) fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn related(mut self, at: Place, message: impl Into<String>) -> Self {
        self.related.push((at, message.into()));
        self
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.at
    }

    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// The texts that it points into, its own place first.
    pub(crate) fn sources(&self) -> impl Iterator<Item = SourceId> {
        [self.at.source].into_iter().chain(self.related.iter().map(|(at, _)| at.source))
    }

    fn finish(self, sources: &Sources) -> Fault {
        let locate = |at: &Place| {
            sources.get(at.source).map_or_else(Location::nowhere, |source| source.locate(at))
        };
        let related = self.related.into_iter();
        Fault {
            code: self.code,
            at: locate(&self.at),
            key: self.key,
            message: self.message,
            help: self.help,
            related: related.map(|(at, message)| Related { at: locate(&at), message }).collect(),
        }
    }
}

/// Gathers what is found, over all files.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) sources: Sources,
    drafts: Vec<Draft>,
}

impl Report {
    /// Takes in a text, so that places in it can be named.
    pub(crate) fn source(&mut self, source: Source) -> SourceId {
        self.sources.insert(Arc::new(source))
    }

    pub(crate) fn push(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    pub(crate) const fn is_clean(&self) -> bool {
        self.drafts.is_empty()
    }

    /// What was found up to here, in the order in which it was found.
    pub(crate) fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    pub(crate) fn location(&self, at: &Place) -> Location {
        self.sources.get(at.source).map_or_else(Location::nowhere, |source| source.locate(at))
    }

    /// Puts what was found in order. The order in which files were read leaves no trace.
    pub(crate) fn finish(self) -> Faults {
        finish(self.drafts, &self.sources)
    }

    /// Puts in order what was found and kept aside.
    pub(crate) fn faults(&self, drafts: Vec<Draft>) -> Faults {
        finish(drafts, &self.sources)
    }

    /// Puts in order what was found and is wanted.
    pub(crate) fn part(&self, is_wanted: impl Fn(&Draft) -> bool) -> Faults {
        finish(
            self.drafts.iter().filter(|draft| is_wanted(draft)).cloned().collect(),
            &self.sources,
        )
    }
}

fn finish(mut drafts: Vec<Draft>, sources: &Sources) -> Faults {
    drafts.sort_by_cached_key(|draft| {
        let file = sources.get(draft.at.source).map(|source| source.name.clone());
        (file, draft.at.start, draft.at.end, draft.code, draft.message.clone())
    });
    drafts.dedup_by(|b, a| (&a.at, a.code, &a.message) == (&b.at, b.code, &b.message));
    let omitted = drafts.len().saturating_sub(FAULTS_MAX);
    drafts.truncate(FAULTS_MAX);
    let shown: BTreeSet<_> = drafts.iter().flat_map(Draft::sources).collect();
    let shown = shown.into_iter().filter_map(|id| sources.get(id).cloned()).collect();
    let told = drafts.into_iter().map(|draft| draft.finish(sources)).collect();
    Faults { told, omitted, sources: shown }
}
