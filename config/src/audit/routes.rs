//! Rules on routes and upstreams.

use std::collections::{BTreeMap, BTreeSet};

use headgate_gateway::settings::{Fallback, RateLimit};
use headgate_router::{device, overload::mode::Mode, retry};
use headgate_types::format_duration;
use http::Method;

use crate::{
    audit::{Mark, RouteView, Subject},
    document::scalar::LastDay,
    source::key_path,
};

pub(super) fn public(subject: &Subject<'_>) -> Vec<Mark> {
    let acts = |rate: &RateLimit| matches!(rate.mode, Mode::Enforce(_));
    let is_public = |view: &&RouteView<'_>| {
        let route = view.route;
        route.auth.is_public() && !route.overload.rates.iter().any(acts)
    };
    let mark = |view: &RouteView<'_>| {
        view.mark("auth", format!("anybody may call `{}`", view.route.pattern))
    };
    subject.routes.iter().filter(is_public).map(mark).collect()
}

/// All tries but the last fail, each after its longest time.
pub(super) fn tries(subject: &Subject<'_>) -> Vec<Mark> {
    let mark = |view: &RouteView<'_>| {
        let (route, retry) = (view.route, &view.route.retry);
        let upstream = subject.settings.upstreams.get(route.upstream?)?;
        let one = route.try_timeout?;
        let is_sent = retry.on.iter().any(|on| *on != retry::Condition::Connect);
        let failed = if is_sent { one } else { one.min(upstream.connect_timeout) };
        let all = failed.checked_mul(retry.max)?.checked_add(one)?;
        let timeout = route.timeout.unwrap_or(subject.settings.edge.limits.request_timeout);
        (retry.max > 0 && !retry.on.is_empty() && all > timeout).then(|| {
            let (all, timeout) = (format_duration(all), format_duration(timeout));
            let tries = retry.max + 1;
            view.mark("try_timeout", format!("{tries} tries may take {all}, of {timeout} in all"))
        })
    };
    subject.routes.iter().filter_map(mark).collect()
}

pub(super) fn past_end(subject: &Subject<'_>) -> Vec<Mark> {
    let route = |view: &RouteView<'_>| {
        let ends = view.written.ends.as_ref().filter(|ends| ends.0.is_over(subject.now))?;
        Some(view.mark("ends", format!("served after {}", ends.0)))
    };
    let strangle = |view: &RouteView<'_>| {
        let ends = view.written.strangle.as_ref()?.ends.as_ref()?.0;
        let is_over = subject.days_until(ends).is_none();
        let day = LastDay::day_of(ends);
        is_over.then(|| view.mark("strangle", format!("the legacy service was to go by {day}")))
    };
    let views = || subject.routes.iter();
    views().filter_map(route).chain(views().filter_map(strangle)).collect()
}

pub(super) fn vain_retries(subject: &Subject<'_>) -> Vec<Mark> {
    let mark = |view: &RouteView<'_>| {
        let (route, retry) = (view.route, &view.route.retry);
        let methods = route.pattern.methods()?;
        let is_vain = retry.max > 0
            && route.idempotency.is_none()
            && !methods.iter().any(retry::is_idempotent)
            && retry.on.iter().any(|on| *on != retry::Condition::Connect);
        is_vain.then(|| {
            let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
            view.mark("retry", format!("{} is never sent twice", methods.join(" or ")))
        })
    };
    subject.routes.iter().filter_map(mark).collect()
}

/// Where a route leads, by position: its upstream, those of its split, and those of its mirror and
/// its fallback.
fn upstreams<'v>(view: &'v RouteView<'_>) -> impl Iterator<Item = usize> + 'v {
    let split = view.route.split.iter();
    let arms = split.flat_map(|split| split.arms.iter().chain([&split.rest]));
    let mirror = view.route.mirror.iter().map(|mirror| mirror.upstream);
    let fallback = match view.route.overload.fallback {
        Some(Fallback::Upstream(upstream)) => Some(upstream),
        _ => None,
    };
    let own = view.route.upstream.into_iter().chain(fallback);
    own.chain(arms.map(|arm| arm.upstream)).chain(mirror)
}

pub(super) fn idle_upstreams(subject: &Subject<'_>) -> Vec<Mark> {
    let used: BTreeSet<_> = subject
        .routes
        .iter()
        .flat_map(upstreams)
        .chain(subject.settings.handlers.iter().map(|handler| handler.upstream))
        .filter_map(|position| subject.settings.upstreams.get(position))
        .map(|upstream| (upstream.team.as_ref(), upstream.name.as_ref()))
        .collect();
    let mut marks = Vec::new();
    for file in &subject.input.teams {
        let team = file.doc.team.as_str();
        for name in file.doc.upstream.keys().filter(|name| !used.contains(&(team, name.as_str()))) {
            let path = ["upstream".into(), name.as_str().into()];
            marks.push(Mark {
                at: file.key_at(&path),
                key: key_path(&path),
                subject: format!("{team}/{name}"),
                message: "no route and no handler leads here".to_owned(),
            });
        }
    }
    marks
}

/// Routes of which every request finds one that is preferred.
///
/// What is preferred is never less specific, so only a route on the very same host and path can go
/// before another for all of its requests. There, each method and device class is looked at by
/// itself: one that asks for no more headers, cookies and queries takes it away. Two different
/// regular expressions are not compared, so a route may be unreachable and not be reported; one
/// that is reported is unreachable.
pub(super) fn unreachable(subject: &Subject<'_>) -> Vec<Mark> {
    let classes = classes(subject);
    let mut by_shape: BTreeMap<String, Vec<&RouteView<'_>>> = BTreeMap::new();
    for view in &subject.routes {
        by_shape.entry(view.route.pattern.shape()).or_default().push(view);
    }
    let mut marks = Vec::new();
    for group in by_shape.values() {
        for (position, view) in group.iter().enumerate() {
            let preferred = group.get(..position).unwrap_or_default();
            if let Some(message) = shadow(view, preferred, &classes) {
                marks.push(view.mark("match", message));
            }
        }
    }
    marks
}

/// Routes of which requests that came say what no look at the configuration alone can.
pub(super) fn never_preferred(subject: &Subject<'_>) -> Vec<Mark> {
    let Some(traffic) = subject.traffic else { return Vec::new() };
    let mark = |view: &RouteView<'_>| {
        let key = (view.route.team.as_ref().to_owned(), view.route.name.as_ref().to_owned());
        let taken = traffic.taken.get(&key)?;
        let by: Vec<_> = taken.by.iter().map(String::as_str).collect();
        let requests = taken.requests;
        let message = format!(
            "it matches {requests} requests since {}, and each goes to {}",
            traffic.since,
            by.join(" or ")
        );
        Some(view.mark("match", message))
    };
    subject.routes.iter().filter_map(mark).collect()
}

/// The device classes that a request can be of. A rule for any request ends the list.
fn classes<'a>(subject: &'a Subject<'_>) -> Vec<&'a str> {
    let rules = &subject.settings.devices;
    let end = rules.iter().position(|rule| rule.when.iter().any(|test| test.to_string() == "*"));
    let mut classes: Vec<&str> =
        rules.iter().take(end.map_or(rules.len(), |end| end + 1)).map(|rule| &*rule.name).collect();
    if end.is_none() {
        classes.push(device::UNKNOWN);
    }
    classes
}

/// Why a route is never reached; none when it may be.
fn shadow(view: &RouteView<'_>, preferred: &[&RouteView<'_>], classes: &[&str]) -> Option<String> {
    let pattern = &view.route.pattern;
    let own: Vec<_> = classes.iter().filter(|class| pattern.takes_device(class)).collect();
    if own.is_empty() {
        let named = pattern.devices().join(" or ");
        return Some(format!("no request is of class {named}: another rule takes all before"));
    }
    // Where all methods are taken, one that nobody names stands for those that are not listed.
    let methods = pattern.methods();
    let wider: Vec<_> = preferred
        .iter()
        .filter(|one| one.route.pattern.asks_no_more_than(pattern))
        .filter(|one| methods.is_some() || one.route.pattern.methods().is_none())
        .collect();
    let mut by = BTreeSet::new();
    for method in methods.unwrap_or_else(|| vec![Method::GET]) {
        for class in &own {
            let taker = wider.iter().find(|one| {
                let one = &one.route.pattern;
                one.takes_method(&method) && one.takes_device(class)
            })?;
            by.insert(taker.id());
        }
    }
    let by: Vec<_> = by.into_iter().collect();
    Some(format!("every request goes to {}", by.join(" or ")))
}
