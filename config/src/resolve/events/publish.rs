//! Routes that publish, and who may publish to a topic.

use std::{collections::BTreeMap, time::Duration};

use headgate_events::APART_MARGIN;
use headgate_gateway::settings;
use headgate_idempotency::claim_check::{APART_BYTES_MAX, APART_DAYS_MAX};
use headgate_types::{ByteSize, DATA_BYTES_MAX, format_duration};
use http::Method;

use super::check_log;
use crate::{
    document::team::{Route, TeamFile},
    fault::{Code, Draft, Report},
    load::{Document, Input},
    resolve::{NOBODY, of_route},
    source::{Node, key_path},
};

/// Keys of a route that say how it is passed on.
const OF_CALLS: [&str; 7] =
    ["to", "canary", "experiment", "strangle", "mirror", "retry", "try_timeout"];
/// Keys of `idempotency` that say how an upstream's answer is kept.
const OF_ANSWERS: [&str; 6] = ["keep", "lease", "max_answer", "max_body", "on_lost", "wait"];
/// Methods that may change something.
const UNSAFE: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What an event carries by itself.
const IN_EVENT: ByteSize = ByteSize::from_bytes(DATA_BYTES_MAX as u64);
/// The longest retention of a topic with large data.
const KEPT_MAX: Duration = Duration::from_hours(24 * APART_DAYS_MAX).saturating_sub(APART_MARGIN);

/// Tells what is wrong with the room for large bodies.
pub(in crate::resolve) fn check_claim_check(input: &Input<'_>, report: &mut Report) {
    let platform = &input.platform;
    let Some(room) = &platform.doc.events.claim_check else { return };
    let (body, total) = (room.max_body.0, room.max_total.0);
    let most = ByteSize::from_bytes(APART_BYTES_MAX as u64);
    let mut fault = |key: &'static str, code, message: String, help: String| {
        let path = ["events".into(), "claim_check".into(), key.into()];
        let draft = Draft::new(code, platform.at(&path), message);
        report.push(draft.key(key_path(&path)).help(help));
    };
    if body <= IN_EVENT || body > most {
        let message = format!("max_body {body} is no size of large data");
        fault("max_body", Code::OutOfRange, message, format!("above {IN_EVENT}, at most {most}"));
    }
    if total < body {
        let message = format!("max_total {total} has no room for one body of {body}");
        fault("max_total", Code::Contradiction, message, format!("at least {body}"));
    }
}

/// One route's `publish`, and the route's other keys that it has to fit.
pub(in crate::resolve) struct Resolver<'i, 'r> {
    pub(in crate::resolve) input: &'i Input<'i>,
    pub(in crate::resolve) file: &'i Document<TeamFile>,
    pub(in crate::resolve) name: &'i str,
    pub(in crate::resolve) route: &'i Route,
    /// The exchange's time.
    pub(in crate::resolve) timeout: Duration,
    pub(in crate::resolve) report: &'r mut Report,
}

impl Resolver<'_, '_> {
    /// Checks the table and makes the settings from it; none where the route publishes nothing.
    pub(in crate::resolve) fn resolve(mut self) -> Option<settings::Publish> {
        let publish = self.route.publish.as_ref()?;
        let path = ["route".into(), self.name.into(), "publish".into()];
        check_log(self.input, self.file, &path, self.report);
        self.check_others();
        self.check_method();
        let body_bytes_max = self.check_body();
        if publish.wait.0 > self.timeout && self.input.platform.is_whole {
            let message = format!("wait {} outlasts the exchange", format_duration(publish.wait.0));
            let help = format!("at most the exchange's {}", format_duration(self.timeout));
            self.fault(Code::Contradiction, &["publish", "wait"], message, Some(&help));
        }
        if let Some(key) = publish.key.as_ref().filter(|key| key.0.needs_caller())
            && self.route.auth == NOBODY
        {
            let message = format!("a route without `auth` knows no {}", key.0);
            let help = "name an identity source in `auth`, or take the key from the request";
            self.fault(Code::Contradiction, &["publish", "key"], message, Some(help));
        }
        let keys = self.route.idempotency.clone().unwrap_or_default();
        Some(settings::Publish {
            topic: publish.topic.as_ref()?.0.as_str().into(),
            kind: publish.kind.as_ref()?.0.as_str().into(),
            key: publish.key.as_ref()?.0.clone(),
            wait: publish.wait.0,
            body_bytes_max,
            is_key_required: keys.required,
            ttl: keys.ttl.0,
        })
    }

    fn node(&self) -> Option<&Node> {
        self.file.root.get("route")?.get(self.name)
    }

    /// Keys that would have no effect.
    fn check_others(&mut self) {
        let has = |path: &[&str]| {
            let found = path.iter().try_fold(self.node()?, |node, key| node.get(key));
            found.map(|_| ())
        };
        let calls: Vec<_> = OF_CALLS.into_iter().filter(|key| has(&[key]).is_some()).collect();
        let is_answer = |key: &&str| has(&["idempotency", key]).is_some();
        let answers: Vec<_> = OF_ANSWERS.into_iter().filter(is_answer).collect();
        for key in calls {
            let message = format!("`{key}` has no effect on a route that publishes");
            self.fault(Code::Contradiction, &[key], message, Some("keep `publish` or `to`"));
        }
        for key in answers {
            let message = format!("`{key}` has no effect on a route that publishes");
            let help = "a repeat is the same event; `required` and `ttl` are all there is to say";
            self.fault(Code::Contradiction, &["idempotency", key], message, Some(help));
        }
    }

    /// A safe request must not make anything happen (RFC 9110, 9.2.1).
    fn check_method(&mut self) {
        let Some(pattern) = &self.route.matches else { return };
        let is_unsafe = |methods: Vec<Method>| methods.iter().all(|one| UNSAFE.contains(one));
        if !pattern.0.methods().is_some_and(is_unsafe) {
            let message = "a route that publishes takes no safe method".to_owned();
            let allowed = UNSAFE.map(|method| method.to_string()).join(", ");
            let help = format!("name one or several of {allowed}");
            self.fault(Code::Contradiction, &["match"], message, Some(&help));
        }
    }

    fn check_body(&mut self) -> ByteSize {
        let platform = &self.input.platform;
        let Some(size) = &self.route.max_body else {
            return IN_EVENT.min(platform.doc.edge.max_body.0);
        };
        let size = size.0;
        let room = platform.doc.events.claim_check.as_ref().map(|room| room.max_body.0);
        let longest = room.unwrap_or(IN_EVENT);
        if size > longest && platform.is_whole {
            let message = format!("max_body {size} is more than an event's data has");
            let help = match room {
                Some(_) => format!("at most {longest}, as `[events.claim_check]` says"),
                None => {
                    format!("at most {longest}, or set `[events.claim_check]` in headgate.toml")
                }
            };
            self.fault(Code::OutOfRange, &["max_body"], message, Some(&help));
        }
        if size > IN_EVENT {
            self.check_retention();
        }
        size
    }

    /// Large data is counted by the day on which it goes, for so many days.
    fn check_retention(&mut self) {
        let topic = self.route.publish.as_ref().and_then(|publish| publish.topic.as_ref());
        let said = topic.and_then(|topic| self.input.platform.doc.topic.get(&topic.0));
        let Some(kept) = said.map(|topic| topic.retention.0).filter(|kept| *kept > KEPT_MAX) else {
            return;
        };
        let message = format!("large data is not kept for the topic's {}", format_duration(kept));
        let help =
            format!("a topic of large data keeps events {} at most", format_duration(KEPT_MAX));
        self.fault(Code::OutOfRange, &["publish", "topic"], message, Some(&help));
    }

    fn fault(&mut self, code: Code, keys: &[&str], message: String, help: Option<&str>) {
        self.report.push(of_route(
            self.file,
            self.name,
            keys,
            (code, message),
            help.map(str::to_owned),
        ));
    }
}

/// Refuses a topic that two teams publish to: whoever handles its events relies on one.
pub(in crate::resolve) fn check_publishers(input: &Input<'_>, report: &mut Report) {
    let mut owners: BTreeMap<&str, (&Document<TeamFile>, &str)> = BTreeMap::new();
    let mut files: Vec<_> = input.teams.iter().collect();
    files.sort_by_key(|file| (&file.doc.team, &file.path));
    for file in files {
        for (name, route) in &file.doc.route {
            let topic = route.publish.as_ref().and_then(|publish| publish.topic.as_ref());
            let Some(topic) = topic else { continue };
            let (first, owner) = *owners.entry(&topic.0).or_insert((file, name));
            let (team, other) = (&first.doc.team, &file.doc.team);
            if team == other {
                continue;
            }
            let at = ["route".into(), name.as_str().into(), "publish".into(), "topic".into()];
            let theirs = ["route".into(), owner.into(), "publish".into(), "topic".into()];
            let message =
                format!("teams {team:?} and {other:?} both publish to topic {:?}", topic.0);
            let draft = Draft::new(Code::TopicTaken, file.at(&at), message).key(key_path(&at));
            let note = format!("route {team}/{owner} publishes to it");
            let help = "publish to a topic of the team's own; handling its events is open to all";
            report.push(draft.related(first.at(&theirs), note).help(help));
        }
    }
}
