//! Upstreams and routes.

use std::{collections::BTreeMap, time::Duration};

use headgate_gateway::settings::{self, Auth, Retry};
use headgate_router::{
    device,
    pattern::Pattern,
    table::{Table, Tie},
};
use headgate_types::{Class, format_duration};

use crate::{
    document::{
        owner::Ceiling,
        platform::Device,
        team::{Route, TeamFile},
    },
    fault::{Code, Draft, Report},
    load::{Document, Input, Origin},
    resolve::{
        NOBODY, OriginDraft,
        at::At,
        auth, claims, events, idempotency,
        last_good::LastGood,
        of_route, overload,
        split::{self, Legacy},
        upstreams::Upstreams,
    },
    source::{Node, Place, key_path},
    walk::nearest,
};

/// What one team has under one heading, by name, with the first file that has it.
pub(super) fn merged<'i, T>(
    input: &'i Input<'_>,
    heading: &'static str,
    of: impl Fn(&'i TeamFile) -> &'i BTreeMap<String, T>,
    report: &mut Report,
) -> BTreeMap<(&'i str, &'i str), (&'i Document<TeamFile>, &'i T)> {
    let mut all: BTreeMap<_, (&Document<TeamFile>, &T)> = BTreeMap::new();
    for file in &input.teams {
        for (name, entry) in of(&file.doc) {
            let key = (file.doc.team.as_str(), name.as_str());
            let Some((first, _)) = all.get(&key) else {
                all.insert(key, (file, entry));
                continue;
            };
            let path = [heading.into(), name.as_str().into()];
            let message = format!("team {:?} already has {heading} {name:?}", key.0);
            let draft = Draft::new(Code::NameTaken, file.key_at(&path), message);
            report.push(draft.key(key_path(&path)).related(first.key_at(&path), "it is here"));
        }
    }
    all
}

/// All routes in the order of team and name, with where they come from.
pub(super) fn routes(
    input: &Input<'_>,
    upstreams: &Upstreams,
    (last_good, report): (&mut LastGood, &mut Report),
) -> (Vec<settings::Route>, Vec<OriginDraft>) {
    let merged = merged(input, "route", |doc| &doc.route, report);
    let legacy = |((team, _), (_, route)): (&(&str, &str), &(_, &Route))| {
        upstreams.position(team, &route.strangle.as_ref()?.old)
    };
    let legacy: Legacy = merged.iter().filter_map(legacy).collect();
    let mut routes = Vec::with_capacity(merged.len());
    let mut origins = Vec::with_capacity(merged.len());
    for ((team, name), (file, route)) in merged {
        let mut one = Resolver { input, file, name, route, report };
        let upstream = one.upstream(team, upstreams);
        let auth = one.auth();
        let ceiling = input.platform.doc.team.get(team).map(|team| &team.ceiling);
        let (priority, priority_from) = one.priority(ceiling);
        let (timeout, timeout_from) = one.timeout(ceiling);
        let publish = one.publish(timeout);
        let keyed = one.idempotency(timeout);
        let split = one.split(upstreams).resolve(upstream, &legacy);
        let mirror = one.split(upstreams).mirror();
        let protection = one.protection((team, upstreams), last_good);
        // A match that could not be read has been reported with its own caret.
        let Some(pattern) = &route.matches else { continue };
        let at = one.at("match");
        one.devices(pattern.0.devices());
        one.versions(&pattern.0);
        one.hash_by(&pattern.0);
        claims::check_public(file, name, (auth.as_ref(), ceiling), one.report);
        origins.push(OriginDraft { at, priority: priority_from, timeout: timeout_from });
        routes.push(settings::Route {
            team: team.into(),
            name: name.into(),
            pattern: pattern.0.clone(),
            upstream,
            publish,
            split,
            mirror,
            auth: auth.unwrap_or_default(),
            priority,
            timeout,
            try_timeout: route.try_timeout.as_ref().map(|length| length.0),
            retry: Retry {
                max: route.retry.max,
                on: route.retry.on.iter().map(|condition| condition.0).collect(),
                budget: route.retry.budget.0,
            },
            body_bytes_max: route.max_body.as_ref().map(|size| size.0),
            hash_by: route.hash_by.as_ref().map(|hash_by| hash_by.0.clone()),
            idempotency: keyed,
            slow: route.slow.as_ref().map(|length| length.0),
            overload: protection,
        });
    }
    (routes, origins)
}

/// Puts routes into the order in which they are preferred, and refuses two that one request can
/// match with nothing to choose between them.
pub(super) fn rank(
    routes: Vec<settings::Route>,
    origins: Vec<OriginDraft>,
    report: &mut Report,
) -> (Vec<settings::Route>, Vec<OriginDraft>) {
    let patterns = routes.iter().map(|route| route.pattern.clone()).enumerate();
    match Table::order(patterns) {
        Ok(order) => {
            let mut known: Vec<_> = routes.into_iter().zip(origins).map(Some).collect();
            order.into_iter().filter_map(|id| known.get_mut(id)?.take()).unzip()
        }
        Err(ties) => {
            refuse_ties(ties, &routes, &origins, report);
            (routes, origins)
        }
    }
}

fn refuse_ties(
    ties: Vec<Tie>,
    routes: &[settings::Route],
    origins: &[OriginDraft],
    report: &mut Report,
) {
    for tie in ties {
        let (Some(first), Some(second)) = (routes.get(tie.first), routes.get(tie.second)) else {
            continue;
        };
        let (Some(first_at), Some(second_at)) = (origins.get(tie.first), origins.get(tie.second))
        else {
            continue;
        };
        let id = |route: &settings::Route| format!("{}/{}", route.team, route.name);
        let message =
            format!("routes {} and {} tie: both match {}", id(first), id(second), tie.witness);
        let help = "let one of them match less: a longer path, a method, or a predicate";
        let draft = Draft::new(Code::RouteTie, second_at.at.clone(), message);
        report.push(
            draft
                .key(key_path(&["route".into(), second.name.as_ref().into(), "match".into()]))
                .related(first_at.at.clone(), format!("route {}", id(first)))
                .help(help),
        );
    }
}

/// What is wrong with the name of an upstream that is not there, and what to do. None where one of
/// that name is at fault itself, which has been reported.
pub(super) fn no_upstream(input: &Input<'_>, team: &str, name: &str) -> Option<(String, String)> {
    let of_team = |file: &&Document<TeamFile>| {
        file.root.get("team").and_then(Node::as_text).is_none_or(|name| name == team)
    };
    let files = || input.teams.iter().filter(of_team);
    let names = || files().filter_map(|file| file.root.get("upstream")).flat_map(Node::keys);
    if names().any(|known| known == name) {
        return None;
    }
    let help = match nearest(name, names()) {
        Some(known) => format!("did you mean {known:?}?"),
        None => format!("declare [upstream.{name}] in one of the team's files"),
    };
    Some((format!("team {team:?} has no upstream {name:?}"), help))
}

struct Resolver<'i, 'r> {
    input: &'i Input<'i>,
    file: &'i Document<TeamFile>,
    name: &'i str,
    route: &'i Route,
    report: &'r mut Report,
}

impl Resolver<'_, '_> {
    fn at(&self, key: &str) -> Place {
        self.file.at(&["route".into(), self.name.into(), key.into()])
    }

    fn has(&self, key: &str) -> bool {
        let route = self.file.root.get("route").and_then(|routes| routes.get(self.name));
        route.is_some_and(|route| route.get(key).is_some())
    }

    fn fault(&mut self, code: Code, key: &str, message: String, help: Option<String>) {
        let what = (code, message);
        self.report.push(of_route(self.file, self.name, &[key], what, help));
    }

    fn upstream(&mut self, team: &str, upstreams: &Upstreams) -> Option<usize> {
        if !self.has("to") && !self.has("publish") {
            let path = ["route".into(), self.name.into()];
            let draft = Draft::new(Code::MissingKey, self.file.at(&path), "missing key `to`");
            let draft = draft.key(key_path(&path));
            let help =
                "`to`: the upstream, one of the same team; or `publish`: an event in its place";
            self.report.push(draft.help(help));
        }
        let to = self.route.to.as_deref()?;
        if self.has("publish") {
            return None;
        }
        if let Some(position) = upstreams.position(team, to) {
            return Some(position);
        }
        if let Some((message, help)) = no_upstream(self.input, team, to) {
            self.fault(Code::Unresolved, "to", message, Some(help));
        }
        None
    }

    fn split<'s>(&'s mut self, upstreams: &'s Upstreams) -> split::Resolver<'s, 's> {
        let Self { input, file, name, route, .. } = *self;
        split::Resolver { input, file, name, route, upstreams, report: &mut *self.report }
    }

    fn auth(&mut self) -> Option<Auth> {
        let Self { input, file, name, route, ref mut report } = *self;
        auth::Resolver { input, file, name, route, report }.resolve()
    }

    /// A version that no rule finds never comes either.
    fn versions(&mut self, pattern: &Pattern) {
        let finds = |rule: &Device| rule.when.iter().any(|test| test.0.finds_version());
        if pattern.compares_versions()
            && !self.input.platform.doc.device.iter().any(finds)
            && self.input.platform.is_whole
        {
            let message = "no device rule finds the version of an app".to_owned();
            let help = "name it in a rule: header x-app ~ '^tv/(?<ver>[0-9.]+)'";
            self.fault(Code::Unresolved, "match", message, Some(help.to_owned()));
        }
    }

    /// A class that no rule tells never comes: the route would wait for ever.
    fn devices(&mut self, named: &[Box<str>]) {
        let rules = &self.input.platform.doc.device;
        let is_known =
            |class: &str| class == device::UNKNOWN || rules.iter().any(|rule| rule.name == class);
        for class in named {
            if is_known(class) || !self.input.platform.is_whole {
                continue;
            }
            let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
            let help = match nearest(class, names.iter().copied()) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("device classes are {}", names.join(", ")),
            };
            let message = format!("no device class {class:?}");
            self.fault(Code::Unresolved, "match", message, Some(help));
        }
    }

    /// A key that no request can have.
    fn hash_by(&mut self, pattern: &Pattern) {
        let Some(hash_by) = self.route.hash_by.as_ref().map(|hash_by| &hash_by.0) else { return };
        if hash_by.needs_caller() && self.route.auth == NOBODY {
            let message = format!("a route without `auth` knows no {hash_by}");
            let help = "name an identity source in `auth`, or hash by something of the request";
            self.fault(Code::Contradiction, "hash_by", message, Some(help.to_owned()));
        } else if !hash_by.fits(pattern) {
            let message = format!("no segment of the match is named as in {hash_by}");
            let help = "name one as `{NAME}` in the match".to_owned();
            self.fault(Code::Unresolved, "hash_by", message, Some(help));
        }
    }

    fn publish(&mut self, timeout: Option<Duration>) -> Option<settings::Publish> {
        let Self { input, file, name, route, ref mut report } = *self;
        let timeout = timeout.unwrap_or(input.platform.doc.edge.timeout.0);
        events::Resolver { input, file, name, route, timeout, report }.resolve()
    }

    fn idempotency(&mut self, timeout: Option<Duration>) -> Option<settings::Idempotency> {
        if self.route.publish.is_some() {
            return None;
        }
        let table = self.route.idempotency.as_ref()?;
        let Self { input, file, name, route, .. } = *self;
        let timeout = timeout.unwrap_or(input.platform.doc.edge.timeout.0);
        let report = &mut *self.report;
        let one = idempotency::Resolver { input, file, name, route, timeout, report };
        Some(one.resolve(table))
    }

    fn protection(
        &mut self,
        (team, upstreams): (&str, &Upstreams),
        last_good: &mut LastGood,
    ) -> settings::RouteOverload {
        let at = At::new(self.file, "route", self.name);
        overload::route((self.input, team, upstreams), self.route, &at, (last_good, self.report))
    }

    fn priority(&mut self, ceiling: Option<&Ceiling>) -> (Class, Origin) {
        let highest = ceiling.and_then(|ceiling| ceiling.priority).unwrap_or(Class::Critical);
        let Some(wanted) = self.route.priority else {
            let origin = if highest > Class::default() { Origin::Ceiling } else { Origin::Default };
            return (Class::default().max(highest), origin);
        };
        if wanted < highest {
            let message = format!("priority {wanted} is above the team's ceiling");
            self.fault(Code::AboveCeiling, "priority", message, Some(format!("at most {highest}")));
        }
        (wanted, Origin::Route)
    }

    fn timeout(&mut self, ceiling: Option<&Ceiling>) -> (Option<Duration>, Origin) {
        let longest = ceiling.and_then(|ceiling| Some(ceiling.timeout.as_ref()?.0));
        let edge = self.input.platform.doc.edge.timeout.0;
        let wanted = self.route.timeout.as_ref().map(|length| length.0);
        if let (Some(wanted), Some(longest)) = (wanted, longest)
            && wanted > longest
        {
            let message =
                format!("timeout {} is above the team's ceiling", format_duration(wanted));
            let help = format!("at most {}", format_duration(longest));
            self.fault(Code::AboveCeiling, "timeout", message, Some(help));
        }
        let timeout = wanted.or_else(|| longest.filter(|longest| *longest < edge));
        let whole = timeout.unwrap_or(edge);
        if let Some(attempt) = &self.route.try_timeout
            && attempt.0 > whole
            && self.input.platform.is_whole
        {
            let message = format!(
                "try_timeout {} is longer than the exchange's {}",
                format_duration(attempt.0),
                format_duration(whole)
            );
            self.fault(Code::Contradiction, "try_timeout", message, None);
        }
        let origin = match (wanted, timeout) {
            (Some(_), _) => Origin::Route,
            (None, Some(_)) => Origin::Ceiling,
            (None, None) => Origin::Default,
        };
        (timeout, origin)
    }
}
