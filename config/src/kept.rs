//! The texts that were in force last, for a start or a reload that meets broken ones.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::{
    digest::hex,
    load::{Cache, TeamTexts},
    resolve::last_good,
    source::Text,
};

/// The name of the part that is the platform's file.
const PLATFORM: &str = "platform";
/// The name of the part that is the files which the platform's refers to.
const FURTHER: &str = "further";
/// What the name of a team's part begins with.
const TEAM: &str = "team/";

/// The texts of a configuration that was in force: of the platform's file, of the key sets that it
/// refers to, and of each team's files. Certificates and private keys are not among them: of those,
/// what was good last is remembered in memory alone.
///
/// A copy is cheap and shares the texts. It can be written and read back whole, or part by part;
/// what comes of a load also remembers what was made of each team's file, so that the next load
/// reads only those that changed.
#[derive(Clone, Default)]
pub struct Kept {
    parts: BTreeMap<String, KeptPart>,
    pub(crate) cache: Arc<Cache>,
    /// Certificates and keys, in memory alone.
    pub(crate) last_good: Arc<last_good::Known>,
}

/// The texts that one owner is responsible for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPart {
    name: String,
    digest: String,
    files: Arc<BTreeMap<String, Text>>,
}

impl Kept {
    /// The parts, in the order of their names.
    pub fn parts(&self) -> impl Iterator<Item = &KeptPart> {
        self.parts.values()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(crate) fn platform(&self) -> Option<&Text> {
        self.parts.get(PLATFORM)?.files.values().next()
    }

    /// A file that the platform's refers to, as it is spelt there.
    pub(crate) fn further(&self, path: &str) -> Option<&Text> {
        self.parts.get(FURTHER)?.files.get(path)
    }

    pub(crate) fn teams(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().filter_map(|name| name.strip_prefix(TEAM))
    }

    pub(crate) fn team(&self, name: &str, base: &Path) -> Option<TeamTexts> {
        let part = self.parts.get(&format!("{TEAM}{name}"))?;
        let text = |(path, text): (&String, &Text)| (base.join(path), Ok(text.clone()));
        Some(part.files.iter().map(text).collect())
    }

    pub(crate) fn with_platform(mut self, path: &Path, base: &Path, text: Text) -> Self {
        self.insert(KeptPart::new(PLATFORM.to_owned(), [(relative(path, base), text)].into()));
        self
    }

    pub(crate) fn with_further(mut self, texts: &BTreeMap<String, String>) -> Self {
        let text = |(path, text): (&String, &String)| (path.clone(), Text::new(text.as_str()));
        self.insert(KeptPart::new(FURTHER.to_owned(), texts.iter().map(text).collect()));
        self
    }

    pub(crate) fn with_team(mut self, name: &str, texts: &TeamTexts, base: &Path) -> Self {
        let text = |(path, text): (&std::path::PathBuf, &Result<Text, String>)| {
            Some((relative(path, base), text.as_ref().ok()?.clone()))
        };
        let files = texts.iter().filter_map(text).collect();
        self.insert(KeptPart::new(format!("{TEAM}{name}"), files));
        self
    }

    pub(crate) fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = Arc::new(cache);
        self
    }

    pub(crate) fn with_last_good(mut self, last_good: last_good::Known) -> Self {
        self.last_good = Arc::new(last_good);
        self
    }

    fn insert(&mut self, part: KeptPart) {
        self.parts.insert(part.name.clone(), part);
    }
}

/// A path as it is kept: from the folder of `headgate.toml` where it lies below.
fn relative(path: &Path, base: &Path) -> String {
    path.strip_prefix(base).unwrap_or(path).to_string_lossy().into_owned()
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Kept {}

impl FromIterator<KeptPart> for Kept {
    fn from_iter<I: IntoIterator<Item = KeptPart>>(parts: I) -> Self {
        let parts = parts.into_iter().map(|part| (part.name.clone(), part)).collect();
        Self { parts, ..Self::default() }
    }
}

/// Names and digests: texts may be long, and lists of keys concern nobody.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.parts.values().map(|part| (&part.name, &part.digest))).finish()
    }
}

/// As a list of parts.
impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.parts())
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<KeptPart>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl KeptPart {
    fn new(name: String, files: BTreeMap<String, Text>) -> Self {
        let mut digest = Sha256::new();
        for (path, text) in &files {
            digest.update(Sha256::digest(path));
            digest.update(text.sha256);
        }
        Self { name, digest: hex(&digest.finalize()), files: Arc::new(files) }
    }

    /// Its name: `platform`, `further` for the files that the platform's refers to, or
    /// `team/NAME`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 over its files' paths and texts, in hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// A part as it is written.
#[derive(Deserialize)]
struct Written {
    name: String,
    files: BTreeMap<String, String>,
}

impl Serialize for KeptPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let files: BTreeMap<_, _> =
            self.files.iter().map(|(path, text)| (path, text.text.as_ref())).collect();
        let mut written = serializer.serialize_struct("KeptPart", 2)?;
        written.serialize_field("name", &self.name)?;
        written.serialize_field("files", &files)?;
        written.end()
    }
}

/// The digest is made anew, so that it is never other than that of the texts.
impl<'de> Deserialize<'de> for KeptPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let files = written.files.into_iter().map(|(path, text)| (path, Text::new(text)));
        Ok(Self::new(written.name, files.collect()))
    }
}
