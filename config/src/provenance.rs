//! Which layer each value comes from: found when somebody asks, from the trees that were read.

use std::{collections::HashMap, fmt, sync::Arc};

use headgate_types::{Class, UnixTime};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::{
    document::{
        platform::Platform,
        team::{Route, TeamFile},
    },
    environment::below,
    fault::Location,
    load::{Document, Owner, PLATFORM, TEAM_FILE},
    overlay::{Overlay, is_heading},
    source::{Node, SourceId, Sources, Step, Value, key_path},
};

/// Where each value comes from. Copies share what it holds.
#[derive(Clone, Debug)]
pub struct Provenance {
    pub(crate) platform: Document<Platform>,
    pub(crate) teams: Arc<[Document<TeamFile>]>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) owners: Arc<HashMap<SourceId, Owner>>,
    pub(crate) overlays: Arc<[Overlay]>,
}

/// A value in force, and what has set it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The key; those of a team's files stand below its name: `team.tv.route.home.timeout`.
    pub key: String,
    /// The value in force. Null: there is none, and nothing has a say.
    pub value: Json,
    /// What has set it, then what that has put itself over, down to the default.
    pub from: Vec<Setting>,
}

/// One layer's word on a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// The key that says it: another than was asked for where a route takes over what holds for
    /// its team or for all.
    pub key: String,
    /// What it says.
    pub value: Json,
    /// Where it says so.
    #[serde(flatten)]
    pub layer: Layer,
}

/// Where a value is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "layer", rename_all = "snake_case")]
pub enum Layer {
    /// In the platform's file.
    Platform {
        /// The place.
        at: Location,
    },
    /// In an environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// In a team's file.
    Team {
        /// The team.
        team: String,
        /// The place.
        at: Location,
    },
    /// In an overlay.
    Overlay {
        /// Its number.
        id: u64,
        /// Who has set it.
        actor: String,
        /// Why.
        reason: String,
        /// When it was set.
        since: String,
        /// When it ends.
        expires: String,
    },
    /// Nowhere: it is so by default.
    Default,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform { at } | Self::Team { at, .. } => at.fmt(f),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Overlay { id, actor, reason, expires, .. } => {
                write!(f, "overlay {id} by {actor} until {expires}: {reason}")
            }
            Self::Default => f.write_str("default"),
        }
    }
}

/// Keys of a route that it takes over from elsewhere when it does not have them.
const TAKEN_OVER: [&str; 3] = ["max_body", "priority", "timeout"];

impl Provenance {
    /// Where the value of one key comes from; none when there is no such key.
    pub fn why(&self, key: &str) -> Option<Why> {
        self.below(key).into_iter().find(|why| why.key == key)
    }

    /// Where all values at or below a key come from, such as those of one team below `team.tv`;
    /// every value for the empty text. Takes time by what it returns, and by a team's routes.
    pub fn below(&self, key: &str) -> Vec<Why> {
        let mut found = Vec::new();
        self.platform_values(&mut found);
        for file in self.teams.iter() {
            let team = ["team".into(), Step::Key(&file.doc.team)];
            if is_asked(&team, key) {
                self.team_values(file, &mut found);
            }
        }
        found.retain(|why| is_at_or_below(&why.key, key));
        found
    }

    fn platform_values(&self, found: &mut Vec<Why>) {
        let mut walk = Walk { provenance: self, prefix: Vec::new(), path: Vec::new(), found };
        walk.value(Some(&self.platform.root), &json!(*self.platform.doc), (&PLATFORM, false));
    }

    fn team_values(&self, file: &Document<TeamFile>, found: &mut Vec<Why>) {
        let prefix = vec!["team".into(), file.doc.team.as_str().into()];
        let mut walk = Walk { provenance: self, prefix, path: Vec::new(), found };
        let doc = json!(*file.doc);
        for (heading, entries) in doc.as_object().into_iter().flatten() {
            if let (true, Some(schema)) = (is_heading(heading), below(&TEAM_FILE, heading)) {
                walk.path.push(heading.as_str().into());
                walk.value(file.root.get(heading), entries, (schema, false));
                walk.path.pop();
            }
        }
        for (name, route) in &file.doc.route {
            for key in TAKEN_OVER {
                self.take_over((file, name, route), key, found);
            }
        }
    }

    /// Completes a route's value by what it would be without the route's own key.
    fn take_over(
        &self,
        (file, name, route): (&Document<TeamFile>, &str, &Route),
        key: &str,
        found: &mut Vec<Why>,
    ) {
        let team = file.doc.team.as_str();
        let path: [Step<'_>; 5] =
            ["team".into(), team.into(), "route".into(), name.into(), key.into()];
        let asked = key_path(&path);
        let inherited = self.inherited(team, key, &asked);
        let is_own = match key {
            "timeout" => route.timeout.is_some(),
            "priority" => route.priority.is_some(),
            _ => route.max_body.is_some(),
        };
        if !is_own {
            let value = inherited.first().map_or(Json::Null, |first| first.value.clone());
            found.push(Why { key: asked, value, from: inherited });
        } else if let Some(own) = found.iter_mut().rev().find(|why| why.key == asked) {
            own.from.extend(inherited);
        }
    }

    /// What a route's value is without a key of its own.
    fn inherited(&self, team: &str, key: &str, asked: &str) -> Vec<Setting> {
        let platform = &self.platform.doc;
        let ceiling = platform.team.get(team).map(|team| &team.ceiling);
        let ceiling_path: [Step<'_>; 4] =
            ["team".into(), team.into(), "ceiling".into(), key.into()];
        let edge_path: [Step<'_>; 2] = ["edge".into(), key.into()];
        match key {
            "timeout" => {
                let edge = platform.edge.timeout.0;
                let longest = ceiling.and_then(|ceiling| Some(ceiling.timeout.as_ref()?.0));
                let mut from = Vec::new();
                if longest.is_some_and(|longest| longest < edge) {
                    from = self.platform_settings(&ceiling_path);
                }
                from.extend(self.platform_settings(&edge_path));
                from
            }
            "priority" => {
                let highest = ceiling.and_then(|ceiling| ceiling.priority);
                let mut from = Vec::new();
                if highest.is_some_and(|highest| highest > Class::default()) {
                    from = self.platform_settings(&ceiling_path);
                }
                let value = json!(Class::default());
                from.push(Setting { key: asked.to_owned(), value, layer: Layer::Default });
                from
            }
            _ => self.platform_settings(&edge_path),
        }
    }

    /// All words on one key of the platform's file.
    fn platform_settings(&self, path: &[Step<'_>]) -> Vec<Setting> {
        let (mut value, mut schema) = (json!(*self.platform.doc), Some(&*PLATFORM));
        let mut node = Some(&*self.platform.root);
        for step in path {
            let Step::Key(key) = step else { return Vec::new() };
            value = value.get_mut(*key).map_or(Json::Null, Json::take);
            schema = schema.and_then(|schema| below(schema, key));
            node = node.and_then(|node| node.get(key));
        }
        let default = schema.and_then(|schema| schema.get("default"));
        self.settings(&key_path(path), (node, &value), default)
    }

    /// All words on one value, the one in force first.
    fn settings(
        &self,
        key: &str,
        (node, value): (Option<&Node>, &Json),
        default: Option<&Json>,
    ) -> Vec<Setting> {
        let mut from = Vec::new();
        let mut next = node;
        while let Some(node) = next {
            // What is in force is as it was understood; what is hidden stays as it is written.
            let value = if from.is_empty() { value.clone() } else { written(node) };
            let layer = self.layer(node.at.source, node);
            from.push(Setting { key: key.to_owned(), value, layer });
            next = node.under.as_deref();
        }
        let default = if from.is_empty() { Some(value) } else { default };
        if let Some(value) = default.filter(|value| !value.is_null()) {
            let (key, value) = (key.to_owned(), value.clone());
            from.push(Setting { key, value, layer: Layer::Default });
        }
        from
    }

    fn layer(&self, source: SourceId, node: &Node) -> Layer {
        let at = || {
            let source = self.sources.get(source);
            source.map_or_else(Location::nowhere, |source| source.locate(&node.at))
        };
        match self.owners.get(&source) {
            Some(Owner::Team(team)) => Layer::Team { team: team.as_ref().to_owned(), at: at() },
            Some(Owner::Environment) => Layer::Environment { variable: at().file },
            Some(Owner::Overlay(position)) => self.overlays.get(*position).map_or_else(
                || Layer::Default,
                |overlay| Layer::Overlay {
                    id: overlay.id,
                    actor: overlay.actor.clone(),
                    reason: overlay.reason.clone(),
                    since: spelt(overlay.since),
                    expires: spelt(overlay.expires),
                },
            ),
            Some(Owner::Platform) | None => Layer::Platform { at: at() },
        }
    }
}

fn spelt(time: UnixTime) -> String {
    time.to_string()
}

/// Whether something below a path may be below a key.
fn is_asked(path: &[Step<'_>], key: &str) -> bool {
    let path = key_path(path);
    is_at_or_below(key, &path) || is_at_or_below(&path, key)
}

fn is_at_or_below(key: &str, above: &str) -> bool {
    let Some(rest) = key.strip_prefix(above) else { return false };
    above.is_empty() || rest.is_empty() || rest.starts_with(['.', '['])
}

/// Visits every value of a document with its place and its schema.
struct Walk<'n, 'f> {
    provenance: &'f Provenance,
    /// What stands above the document.
    prefix: Vec<Step<'n>>,
    path: Vec<Step<'n>>,
    found: &'f mut Vec<Why>,
}

impl<'n> Walk<'n, '_> {
    fn value(
        &mut self,
        node: Option<&Node>,
        value: &'n Json,
        (schema, is_required): (&Json, bool),
    ) {
        match value {
            // What is not set and has no default has no layer either.
            Json::Null => {}
            Json::Object(object) if !object.is_empty() => {
                let required = schema.get("required").and_then(Json::as_array);
                for (key, value) in object {
                    let child = node.and_then(|node| node.get(key));
                    let is_required =
                        required.is_some_and(|keys| keys.iter().any(|one| one == key));
                    let schema = below(schema, key).unwrap_or(&Json::Null);
                    self.path.push(key.as_str().into());
                    self.value(child, value, (schema, is_required));
                    self.path.pop();
                }
            }
            Json::Array(list) if list.iter().any(Json::is_object) => {
                let items = schema.get("items").unwrap_or(&Json::Null);
                for (index, value) in list.iter().enumerate() {
                    let child = node.and_then(|node| match &node.value {
                        Value::List(list) => list.get(index),
                        _ => None,
                    });
                    self.path.push(index.into());
                    self.value(child, value, (items, true));
                    self.path.pop();
                }
            }
            value => {
                let key = key_path(&[self.prefix.as_slice(), &self.path].concat());
                // What must be there has no default that anybody could get.
                let default = schema.get("default").filter(|_| !is_required);
                let from = self.provenance.settings(&key, (node, value), default);
                self.found.push(Why { key, value: value.clone(), from });
            }
        }
    }
}

/// A value as it is written.
fn written(node: &Node) -> Json {
    match &node.value {
        Value::Table(table) => {
            table.iter().map(|(key, node)| (key.to_owned(), written(node))).collect()
        }
        Value::List(list) => list.iter().map(written).collect(),
        Value::Text(text) | Value::Date(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Boolean(boolean) => (*boolean).into(),
        Value::Float => Json::Null,
    }
}

#[cfg(test)]
mod tests;
