//! Rules on what protects from overload.

use std::collections::BTreeSet;

use headgate_gateway::settings::{Endpoint, Fallback, Protocol, Upstream};
use headgate_router::overload::mode::Mode;
use headgate_types::Class;

use crate::{
    audit::{Mark, RouteView, Subject},
    source::{Step, key_path},
};

/// Something about an upstream, or about one of its keys where that is written.
pub(super) fn mark(
    subject: &Subject<'_>,
    upstream: &Upstream,
    key: &str,
    message: String,
) -> Option<Mark> {
    let (team, name) = (upstream.team.as_ref(), upstream.name.as_ref());
    let files = subject.input.teams.iter().filter(|file| file.doc.team == team);
    let mut files = files.filter(|file| file.doc.upstream.contains_key(name));
    let file = files.next()?;
    let table = file.root.get("upstream").and_then(|all| all.get(name));
    let mut path: Vec<Step<'_>> = vec!["upstream".into(), name.into()];
    let is_written = table.is_some_and(|table| table.get(key).is_some());
    if is_written {
        path.push(key.into());
    }
    let at = if is_written { file.at(&path) } else { file.key_at(&path) };
    Some(Mark { at, key: key_path(&path), subject: format!("{team}/{name}"), message })
}

/// The routes of an upstream, by its position.
fn routes_of<'s>(
    subject: &'s Subject<'_>,
    position: usize,
) -> impl Iterator<Item = &'s RouteView<'s>> {
    subject.routes.iter().filter(move |view| view.route.upstream == Some(position))
}

pub(super) fn vain_route_limits(subject: &Subject<'_>) -> Vec<Mark> {
    let find = |view: &RouteView<'_>| {
        let own = view.route.overload.concurrency?;
        let upstream = subject.settings.upstreams.get(view.route.upstream?)?;
        let all = upstream.overload.concurrency;
        (own.min >= all.max).then(|| {
            let (own, all) = (own.min, all.max);
            let message =
                format!("the route's limit is never below {own}, its upstream's never above {all}");
            view.mark("concurrency", message)
        })
    };
    subject.routes.iter().filter_map(find).collect()
}

pub(super) fn nothing_to_shed(subject: &Subject<'_>) -> Vec<Mark> {
    let upstreams = subject.settings.upstreams.iter().enumerate();
    let find = |(position, upstream): (usize, &Upstream)| {
        let count = routes_of(subject, position).count();
        let is_critical = |view: &RouteView<'_>| view.route.priority == Class::Critical;
        let all = count > 1 && routes_of(subject, position).all(is_critical);
        let message = format!("all {count} routes to it are critical");
        all.then(|| mark(subject, upstream, "concurrency", message)).flatten()
    };
    upstreams.filter_map(find).collect()
}

pub(super) fn unprotected(subject: &Subject<'_>) -> Vec<Mark> {
    let mut marks = Vec::new();
    let is_idle = |mode: Mode| !matches!(mode, Mode::Enforce(_));
    let told = |layer: &str, mode: Mode| format!("{layer} is at `{mode}`, and refuses nobody");
    let mode = subject.settings.edge.overload.mode;
    if is_idle(mode) {
        let path = ["edge".into(), "overload".into(), "mode".into()];
        marks.push(subject.mark(&path, "edge", told("the edge's own protection", mode)));
    }
    for upstream in &subject.settings.upstreams {
        let layers = [
            ("concurrency", "its concurrency limit", upstream.overload.concurrency.mode),
            ("breaker", "its breaker", upstream.overload.breaker.mode),
        ];
        let idle = layers.into_iter().filter(|(.., mode)| is_idle(*mode));
        marks.extend(
            idle.filter_map(|(key, layer, mode)| mark(subject, upstream, key, told(layer, mode))),
        );
    }
    marks
}

pub(super) fn fallbacks_that_fall_too(subject: &Subject<'_>) -> Vec<Mark> {
    let addresses = |upstream: &Upstream| {
        upstream.endpoints.iter().map(Endpoint::to_string).collect::<BTreeSet<_>>()
    };
    let find = |view: &RouteView<'_>| {
        let Some(Fallback::Upstream(other)) = view.route.overload.fallback else { return None };
        let upstreams = &subject.settings.upstreams;
        let (own, other) = (upstreams.get(view.route.upstream?)?, upstreams.get(other)?);
        let both = addresses(own).intersection(&addresses(other)).cloned().collect::<Vec<_>>();
        let message =
            || format!("{} is an endpoint of {} and of {}", both.join(", "), own.name, other.name);
        (!both.is_empty()).then(|| view.mark("fallback", message()))
    };
    subject.routes.iter().filter_map(find).collect()
}

pub(super) fn limits_above_connections(subject: &Subject<'_>) -> Vec<Mark> {
    let find = |upstream: &Upstream| {
        let limit = usize::try_from(upstream.overload.concurrency.max).unwrap_or(usize::MAX);
        let connections = upstream.endpoints.len() * upstream.connections_max.get();
        // How many endpoints will be found is not known.
        let is_known = upstream.dns.is_none();
        let is_above = is_known && upstream.protocol == Protocol::H1 && limit > connections;
        let message =
            format!("{limit} requests at once may be let in, for {connections} connections");
        is_above.then(|| mark(subject, upstream, "concurrency", message)).flatten()
    };
    subject.settings.upstreams.iter().filter_map(find).collect()
}
