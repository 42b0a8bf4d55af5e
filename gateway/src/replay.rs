//! Decides on facts as the edge decided, or would decide, on their requests.

use std::fmt::Write as _;

use headgate_router::{
    ParseError,
    device::{Classifier, Rule},
    facts::Facts,
    pattern::Pattern,
    reads::{self, Need, Read, Reads, Subject},
    table::{Candidate, Table, Tie, Verdict},
};
use headgate_types::{Class, Device};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::COOKIE};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    facts::{Fact, Kept, Unmasked, digest_of, digest_of_number},
    settings::{Auth, Settings},
};

/// What decides where a request goes, as plain texts that go from an edge to whoever asks it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Routing {
    /// The device rules, in order.
    pub devices: Vec<DeviceRule>,
    /// The routes.
    pub routes: Vec<RouteRule>,
}

/// A device class and what tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// The class.
    pub name: String,
    /// The conditions, as they are written.
    pub when: Vec<String>,
}

/// A route, as far as it decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteRule {
    /// The team that owns it.
    pub team: String,
    /// Its name in the team.
    pub name: String,
    /// What it matches.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The upstream that it sends to, by its name in the team. Empty where it publishes.
    pub to: String,
    /// What a caller must show. None: nothing.
    pub auth: Option<Demand>,
    /// What its requests are worth.
    pub priority: Class,
}

/// What a caller must show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// The identity sources of which one must know it, as a route names them.
    pub source: String,
    /// The scopes that it must have.
    pub scopes: Vec<String>,
    /// The claims that must have these values.
    pub claims: Vec<(String, Value)>,
}

impl Routing {
    /// The routing side of settings, in their order.
    pub fn of(settings: &Settings) -> Self {
        let device = |rule: &Rule| DeviceRule {
            name: rule.name.as_ref().to_owned(),
            when: rule.when.iter().map(ToString::to_string).collect(),
        };
        let demand = |auth: &Auth| match auth {
            Auth::None => None,
            Auth::Source { scopes, claims, .. } => Some(Demand {
                source: settings.sources_of(auth)?,
                scopes: scopes.clone(),
                claims: claims.clone(),
            }),
        };
        let routes = settings.routes.iter().map(|route| RouteRule {
            team: route.team.as_ref().to_owned(),
            name: route.name.as_ref().to_owned(),
            pattern: route.pattern.to_string(),
            to: route
                .upstream
                .and_then(|index| settings.upstreams.get(index))
                .map(|upstream| upstream.name.as_ref().to_owned())
                .unwrap_or_default(),
            auth: demand(&route.auth),
            priority: route.priority,
        });
        Self { devices: settings.devices.iter().map(device).collect(), routes: routes.collect() }
    }
}

impl RouteRule {
    /// Its name over all teams.
    pub fn id(&self) -> String {
        format!("{}/{}", self.team, self.name)
    }
}

/// Why a routing can't decide.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoutingError {
    /// A condition or a match can't be read.
    #[error("{text:?} can't be read")]
    Text {
        /// The text.
        text: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Two routes tie.
    #[error("{} pairs of routes tie", .0.len())]
    Ties(Vec<Tie>),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision<'a> {
    /// Its device class.
    pub device: &'a str,
    /// Its route. None: no route takes it.
    pub route: Option<&'a RouteRule>,
}

/// A fact does not hold what the decision hangs on: the part of the request, such as
/// `header x-beta`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

/// A routing, ready to decide on facts.
#[derive(Debug)]
pub struct Replay {
    rules: Vec<Rule>,
    patterns: Vec<Pattern>,
    routes: Vec<RouteRule>,
    classifier: Classifier,
    table: Table,
    reads: Reads,
    unmasked: Unmasked,
}

impl Replay {
    /// Compiles a routing as an edge compiles its settings.
    ///
    /// # Errors
    ///
    /// [`RoutingError`] when no edge can have it.
    pub fn new(routing: Routing) -> Result<Self, RoutingError> {
        let rules = routing.devices.iter().map(|device| {
            let when = device.when.iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
            Ok(Rule { name: device.name.as_str().into(), when })
        });
        let rules = rules.collect::<Result<Vec<Rule>, RoutingError>>()?;
        let patterns = routing.routes.iter().map(|route| parse(&route.pattern));
        let patterns = patterns.collect::<Result<Vec<Pattern>, RoutingError>>()?;
        Ok(Self {
            classifier: Classifier::new(rules.iter().cloned()),
            table: Table::build(patterns.iter().cloned().enumerate())
                .map_err(RoutingError::Ties)?,
            reads: Reads::of(&rules, &patterns),
            unmasked: Unmasked::of(&patterns),
            rules,
            patterns,
            routes: routing.routes,
        })
    }

    /// Decides as an exchange does: tells the class, then finds the route.
    ///
    /// # Errors
    ///
    /// [`Unknown`] when the decision hangs on what the fact does not hold. Every decision that is
    /// made is the one that the request itself would get.
    pub fn decide(&self, fact: &Fact) -> Result<Decision<'_>, Unknown> {
        self.look(fact, |facts| {
            let rule = self.rules.iter().find(|rule| *rule.name == *facts.device);
            Decision {
                device: rule.map_or(headgate_router::device::UNKNOWN, |rule| &rule.name),
                route: self.table.find(facts).and_then(|route| self.routes.get(route)),
            }
        })
    }

    /// The routes that match a request, the one that takes it first.
    ///
    /// # Errors
    ///
    /// As [`decide`](Self::decide).
    pub fn matching(&self, fact: &Fact) -> Result<Vec<&RouteRule>, Unknown> {
        self.look(fact, |facts| {
            let candidates = self.table.explain(facts).candidates.into_iter();
            let matches =
                |one: &Candidate| matches!(one.verdict, Verdict::Won | Verdict::LessSpecific);
            candidates.filter(matches).filter_map(|one| self.routes.get(one.route)).collect()
        })
    }

    /// Looks at the request of a fact, once its class is told.
    fn look<T>(&self, fact: &Fact, look: impl FnOnce(&Facts<'_>) -> T) -> Result<T, Unknown> {
        let request = Rebuilt::of(fact, &self.reads);
        let method = Method::from_bytes(fact.method.as_bytes()).unwrap_or_default();
        let path = self.unmasked.path(&fact.path);
        let facts = Facts {
            method: &method,
            host: &fact.host,
            path: &path,
            query: request.query.as_deref(),
            headers: &request.headers,
            claims: request.claims.as_ref(),
            device: "",
            version: None,
        };
        let Device { class: device, version, .. } = self.classifier.classify(&facts);
        let facts = Facts { device: &device, version, ..facts };
        let unknown = self.reads.iter().find(|read| !knows(fact, &read.subject, read.need));
        if let Some(unknown) = unknown
            && !self.is_certain(fact, &facts)
        {
            return Err(Unknown(unknown.subject.to_string()));
        }
        Ok(look(&facts))
    }

    /// Whether what the fact does not hold makes no difference.
    fn is_certain(&self, fact: &Fact, facts: &Facts<'_>) -> bool {
        let knows = |subject: &Subject, need| knows(fact, subject, need);
        if reads::class_knowing(&self.rules, facts, knows).is_none() {
            return false;
        }
        let candidates = self.table.explain(facts).candidates;
        let on_this_method = candidates.iter().filter(|one| one.verdict != Verdict::OtherMethod);
        for pattern in on_this_method.filter_map(|one| self.patterns.get(one.route)) {
            match reads::predicates_knowing(pattern, facts, knows) {
                None => return false,
                Some(true) => return true,
                Some(false) => {}
            }
        }
        true
    }
}

fn parse<T: std::str::FromStr<Err = ParseError>>(text: &str) -> Result<T, RoutingError> {
    text.parse().map_err(|source| RoutingError::Text { text: text.to_owned(), source })
}

/// Whether a fact holds as much of a part of its request.
fn knows(fact: &Fact, subject: &Subject, need: Need) -> bool {
    match (fact.read.get(&subject.to_string()), need) {
        (Some(Kept::Absent | Kept::Text(_)), _) | (Some(Kept::There(_)), Need::Presence) => true,
        (Some(Kept::There(digests)), Need::Equality) => !digests.is_empty(),
        (Some(Kept::There(_)), Need::Text) | (None, _) => false,
    }
}

/// In the place of a value that no test of a configuration is about.
const OTHER: &str = "-other-";

/// A request that every test sees as it saw the one of the fact.
#[derive(Default)]
struct Rebuilt {
    headers: HeaderMap,
    query: Option<String>,
    claims: Option<Map<String, Value>>,
}

impl Rebuilt {
    fn of(fact: &Fact, reads: &Reads) -> Self {
        let mut request = Self { claims: fact.identified.then(Map::new), ..Self::default() };
        for read in reads.iter() {
            let name = read.subject.to_string();
            let values: Vec<&str> = match fact.read.get(&name) {
                None | Some(Kept::Absent) => continue,
                Some(Kept::Text(text)) => vec![text],
                Some(Kept::There(digests)) => texts(read, &name, digests),
            };
            request.add(&read.subject, &values);
        }
        request
    }

    fn add(&mut self, subject: &Subject, values: &[&str]) {
        let value = values.first().copied().unwrap_or(OTHER);
        match subject {
            Subject::Header(name) => self.header(&name.0, value),
            Subject::Cookie(name) => self.header(&COOKIE, &format!("{name}={value}")),
            Subject::Query(name) => {
                let query = self.query.get_or_insert_default();
                if !query.is_empty() {
                    query.push('&');
                }
                escape(query, name);
                query.push('=');
                escape(query, value);
            }
            Subject::Claim(name) => {
                let list = values.iter().map(|value| Value::from(*value)).collect();
                if let Some(claims) = &mut self.claims {
                    claims.insert(name.as_ref().to_owned(), Value::Array(list));
                }
            }
        }
    }

    /// Headers come in order, so a cookie stands behind a header of cookies that was only there.
    fn header(&mut self, name: &HeaderName, value: &str) {
        // What came as a value can be one.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
    }
}

/// The texts that digests stand for, as far as a configuration has them; others equal none.
fn texts<'a>(read: &'a Read, name: &str, digests: &[u64]) -> Vec<&'a str> {
    let is_one = |text: &&str| {
        let number = || digest_of_number(name, text);
        let is_claim = matches!(read.subject, Subject::Claim(_));
        digests.contains(&digest_of(name, text.as_bytes()))
            || is_claim && number().is_some_and(|number| digests.contains(&number))
    };
    let found: Vec<&str> = read.texts.iter().map(AsRef::as_ref).filter(is_one).collect();
    if found.is_empty() { vec![OTHER] } else { found }
}

fn escape(query: &mut String, text: &str) {
    for byte in text.bytes() {
        // Writing to a text can't fail.
        write!(query, "%{byte:02X}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
